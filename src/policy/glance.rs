//! When `memory.current` alone is enough of a look. Reading `memory.stat` makes the kernel add up what each processor counted. Newer
//! kernels (6.12) throttle who makes pages dirty by sums that they else add up every two seconds, so that a guardian that read them at
//! every event made short writers wait that nobody else would have: docs/measurements.md.

use crate::event::{Glance, Sample};
use crate::lines::Lines;
use crate::status::Counters;
use crate::units::{Bytes, Limit};
use std::time::Duration;

/// A look at everything comes after this at the latest. The kernel adds up by itself every two seconds (FLUSH_TIME in mm/memcontrol.c).
const EVERY: Duration = Duration::from_secs(1);

/// What is known of the workload by the last whole look.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What that saw.
    pub last: &'a Sample,
    /// So long ago.
    pub since: Duration,
    /// Growth of the footprint, bytes a second.
    pub growth: i64,
    /// Whether reclaim was seen to work.
    pub reclaimed: bool,
}

/// Whether nothing can be found out by more than this glance, at work that reclaim keeps at the trip-wire.
///
/// The footprint is never more than `memory.current`. So while that is held about the limit, at most cache was replaced by memory of
/// the workload's own, with all of the headroom still there; and where there was little cache, or it could be gone by
/// then at the growth seen, each look is whole.
pub fn suffices(glance: &Glance, known: &Known, lines: &Lines) -> bool {
    let quiet = Counters { high: known.last.counters.high, ..glance.counters };
    let at_wire = glance.current.0 >= lines.limit.0 - lines.limit.0 / 16;
    let held = glance.current < edge(lines) && known.last.current < edge(lines);
    known.reclaimed
        && known.since < EVERY
        && quiet == known.last.counters
        && lines.swap == Limit::At(0)
        && at_wire
        && held
        && has_cache(glance, known, lines)
}

/// Whether an eighth of the limit is still cache, and will be for a while at the growth seen. What came since may all be the workload's own.
fn has_cache(glance: &Glance, known: &Known, lines: &Lines) -> bool {
    let growth = u64::try_from(known.growth).unwrap_or(0);
    let ahead = u128::from(growth) * (2 * EVERY).as_millis() / 1000;
    let ahead = Bytes(u64::try_from(ahead).unwrap_or(u64::MAX));
    let came = glance.current.saturating_sub(known.last.current);
    let footprint = known.last.footprint().saturating_add(came).saturating_add(ahead);
    footprint.0 <= lines.limit.0 - lines.limit.0 / 8
}

/// Over this, memory climbs in spite of the throttle: a quarter of the way to the relief line.
fn edge(lines: &Lines) -> Bytes {
    Bytes(lines.limit.0 + lines.relief.saturating_sub(lines.limit).0 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    fn lines() -> Lines {
        Lines::new(Bytes::mib(100), None, None).unwrap()
    }

    fn seen(current: u64, cache: u64) -> Sample {
        let counters = Counters { high: 7, ..Counters::default() };
        let (current, cache) = (Bytes::mib(current), Bytes::mib(cache));
        Sample { current, cache, counters, ..Sample::default() }
    }

    fn glance(current: u64) -> Glance {
        let counters = Counters { high: 900, ..Counters::default() };
        Glance { current: Bytes::mib(current), counters }
    }

    fn known(last: &Sample) -> Known<'_> {
        Known { last, since: SOON, growth: 0, reclaimed: true }
    }

    fn suffices(current: u64, last: Sample) -> bool {
        super::suffices(&glance(current), &known(&last), &lines())
    }

    #[test]
    fn a_writer_at_the_trip_wire_is_glanced_at() {
        assert!(suffices(100, seen(100, 40)));
        assert!(suffices(107, seen(107, 20)), "over the line by a bit");
        assert!(!suffices(108, seen(107, 40)), "a quarter of the way to the relief line");
        assert!(!suffices(107, seen(108, 40)), "what stays up there begins anew");
        assert!(suffices(94, seen(100, 40)) && !suffices(93, seen(100, 40)), "below it");
    }

    #[test]
    fn who_has_little_cache_left_or_soon_is_looked_at() {
        assert!(suffices(100, seen(100, 13)) && !suffices(100, seen(100, 12)));
        assert!(suffices(100, seen(95, 18)) && !suffices(100, seen(95, 12)), "no cache came");
        assert!(!suffices(100, seen(4, 1)), "from nowhere");
        let last = seen(100, 40);
        let grows = |mib: i64| {
            let known = Known { growth: mib << 20, ..known(&last) };
            super::suffices(&glance(100), &known, &lines())
        };
        assert!(grows(-500) && grows(13));
        assert!(!grows(14), "in two seconds");
        assert!(!grows(i64::MAX >> 20));
    }

    #[test]
    fn what_was_seen_long_ago_or_is_not_reclaimed_is_looked_at() {
        let last = seen(100, 40);
        let after = |ms, reclaimed| {
            let since = Duration::from_millis(ms);
            let known = Known { since, reclaimed, ..known(&last) };
            super::suffices(&glance(100), &known, &lines())
        };
        assert!(after(999, true) && !after(1000, true) && !after(0, false));
    }

    #[test]
    fn what_the_kernel_counted_is_looked_at() {
        let last = seen(100, 40);
        let counted = |counters| {
            let glance = Glance { counters, ..glance(100) };
            super::suffices(&glance, &known(&last), &lines())
        };
        assert!(counted(Counters { high: 8, ..last.counters }));
        assert!(!counted(Counters { max: 1, ..last.counters }));
        assert!(!counted(Counters { oom: 1, ..last.counters }));
        assert!(!counted(Counters { oom_kill: 1, ..last.counters }));
        assert!(!counted(Counters { pids_max: 1, ..last.counters }));
    }

    #[test]
    fn where_there_is_swap_the_footprint_is_not_bounded_by_what_is_in_memory() {
        let last = seen(100, 40);
        for swap in [Limit::At(1 << 20), Limit::Max] {
            let lines = lines().with_swap(swap);
            assert!(!super::suffices(&glance(100), &known(&last), &lines));
        }
    }
}
