//! Is the limit reached? The rules that compare a sample with the lines; each monotone: more memory never acts later.

use crate::clock::Timestamp;
use crate::event::{Reason, Sample};
use crate::lines::Lines;
use crate::policy::reclaim::{Reclaim, limit_line};
use crate::units::{Bytes, Limit};
use std::time::Duration;

/// `memory.current` must stay over the relief line for so long to count as climbing despite throttling.
/// Reclaim of page cache brings it under the line within some milliseconds.
const CLIMB_HOLD: Duration = Duration::from_millis(200);
/// What is less than the slack below its line must stay there for so long. `memory.current` has pages of processes that are on their way out,
/// which are nobody's any more (a build of four jobs, 5.10: 15.5 of 16 MiB for some 10 ms). At the line itself nothing waits, and up to there
/// the throttle holds what grows.
const SLACK_HOLD: Duration = Duration::from_millis(50);
/// What is at the line only with what is in transit must stay there for so long, without reclaim that works. The kernel throttles a task
/// for two seconds at a time (MEMCG_MAX_HIGH_DELAY_JIFFIES in mm/memcontrol.c); what it reads is in the cache then.
const TRANSIT_HOLD: Duration = Duration::from_secs(20);
/// So much in transit at once, more than reclaim got of late, is huge pages on their way to processes: each is charged before it is in any
/// counter, and the kernel throttles nobody before (88 processes had 90 MiB so when they reached `memory.max`, 6.12). Of files each task
/// has one folio in transit.
const TRANSIT_CROWD: Bytes = Bytes::mib(24);

/// The rules and what they remember.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The counters may be off by so much: `memory.stat` is flushed in batches.
    slack: Bytes,
    /// Whether the kernel throttles at the trip-wire: without that, staying over a line is no climb in spite of it.
    throttled: bool,
    over_relief_since: Option<Timestamp>,
    in_slack_since: Option<Timestamp>,
    with_transit_since: Option<Timestamp>,
}

impl Breach {
    /// Rules with this slack of the counters, for a workload that is throttled at its trip-wire or not.
    pub fn new(slack: Bytes, throttled: bool) -> Self {
        Breach {
            slack,
            throttled,
            over_relief_since: None,
            in_slack_since: None,
            with_transit_since: None,
        }
    }

    /// The reason to end the workload that this sample gives, if any. `reclaim` has what was seen of it.
    pub fn judge(
        &mut self,
        sample: &Sample,
        reclaim: &Reclaim,
        lines: &Lines,
        now: Timestamp,
    ) -> Option<Reason> {
        let (current, limit) = (sample.current, lines.limit);
        let arrived = current.saturating_sub(sample.in_transit);
        let footprint = Sample { pinned: Bytes(0), ..*sample }.footprint();
        // A mapped file with memory of its own stays over the relief line of a small headroom, and is got all the time.
        let climbing = self.climbs(footprint, arrived, lines, now) && !reclaim.works();
        let stays = self.stays_at_line(footprint, lines, now);
        let limit_at = lines.allowance();
        if footprint >= limit_at || stays {
            return Some(Reason::Breach { footprint, limit: limit_at });
        }
        let footprint = footprint.saturating_add(sample.in_transit);
        if self.does_not_arrive((sample, footprint), reclaim, lines, now) {
            return Some(Reason::Breach { footprint, limit: limit_at });
        }
        let stuck = reclaim.held().map(|held| Reason::Stuck { current, limit, held });
        stuck.or(climbing.then_some(Reason::Climb { current, line: lines.relief }))
    }

    /// Memory was seen below the relief line: what stayed over it begins anew.
    pub fn fell_below_relief(&mut self) {
        self.over_relief_since = None;
    }

    /// Is this at the second line, or over the relief line and at the ceiling before SIGKILL has worked? `ahead` is where memory will be
    /// then. Page cache above the relief line is no danger as long as reclaim gets it; of what is in transit it gets nothing.
    pub fn at_second_line(&self, sample: &Sample, ahead: Bytes, lines: &Lines) -> bool {
        let soon = sample.current >= lines.relief && ahead >= lines.ceiling;
        let resident = sample.resident().saturating_add(sample.in_transit);
        (sample.current >= lines.second || soon) && self.reaches(resident, lines.limit)
    }

    /// Whether the next look decides: memory is at the line, less the slack.
    pub fn is_near(&self) -> bool {
        self.in_slack_since.is_some()
    }

    /// The slack is never more than a 32nd of the line, also after the limit was set far lower than it was at the start.
    fn reaches(&self, footprint: Bytes, line: Bytes) -> bool {
        footprint.saturating_add(self.slack.min(Bytes(line.0 / 32))) >= line
    }

    /// At the line, less the slack, for the hold time. Where nothing throttles, nothing holds what grows meanwhile.
    fn stays_at_line(&mut self, footprint: Bytes, lines: &Lines, now: Timestamp) -> bool {
        if !self.reaches(footprint, lines.allowance()) {
            self.in_slack_since = None;
            return false;
        }
        let since = *self.in_slack_since.get_or_insert(now);
        !self.throttled || now.since(since) >= SLACK_HOLD
    }

    /// With what is in transit at the line, for the hold time: then it is in transit to nowhere. Where a crowd of processes has it, nothing
    /// waits.
    fn does_not_arrive(
        &mut self,
        (sample, with_transit): (&Sample, Bytes),
        reclaim: &Reclaim,
        lines: &Lines,
        now: Timestamp,
    ) -> bool {
        let crowded = sample.in_transit >= TRANSIT_CROWD
            && sample.current >= limit_line(lines)
            && reclaim.got() < sample.in_transit;
        if with_transit >= lines.allowance() && crowded {
            return true;
        }
        if with_transit < lines.allowance() || reclaim.works() {
            self.with_transit_since = None;
            return false;
        }
        let since = *self.with_transit_since.get_or_insert(now);
        now.since(since) >= TRANSIT_HOLD
    }

    /// Over the relief line for the hold time, with a footprint of at least half the limit: `memory.stat` then lags or
    /// counts as cache what reclaim does not get. A mere reader of files has next to no footprint. Where swap is allowed it may be slow
    /// and nothing worse: `reclaim` tells.
    fn climbs(&mut self, footprint: Bytes, current: Bytes, lines: &Lines, now: Timestamp) -> bool {
        let unswapped = lines.swap == Limit::At(0);
        let over = unswapped && current >= lines.relief && footprint.0 >= lines.limit.0 / 2;
        let since = *self.over_relief_since.get_or_insert(now);
        if !over {
            self.over_relief_since = None;
        }
        self.throttled && over && now.since(since) >= CLIMB_HOLD
    }
}

/// What `memory.stat` may lag behind: the kernel flushes it when as much as that is pending, twice (the per-CPU rest and the
/// threshold). Never more than a 32nd of the limit.
pub fn counter_slack(pending: Bytes, limit: Bytes) -> Bytes {
    Bytes(pending.0.saturating_mul(2).min(limit.0 / 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::reclaim::ReclaimAt;

    fn lines() -> Lines {
        Lines::new(Bytes::mib(100), None, None).unwrap()
    }

    fn sample(current: u64, cache: u64) -> Sample {
        Sample { current: Bytes::mib(current), cache: Bytes::mib(cache), ..Sample::default() }
    }

    fn unseen() -> Reclaim {
        Reclaim::new(ReclaimAt::TripWire)
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn the_slack_follows_processors_and_pages_and_is_no_share_of_a_small_limit() {
        assert_eq!(counter_slack(Bytes(512 << 10), Bytes::mib(1024)), Bytes::mib(1));
        assert_eq!(counter_slack(Bytes::mib(16), Bytes::mib(64)), Bytes::mib(2));
    }

    #[test]
    fn page_cache_is_not_usage() {
        let mut breach = Breach::new(Bytes::mib(1), true);
        for ms in (0..60_000).step_by(50) {
            assert_eq!(breach.judge(&sample(120, 115), &unseen(), &lines(), at(ms)), None);
        }
    }

    /// A sum over processes counts the pages of a file once for each that maps it, and nobody reclaims them at a trip-wire.
    #[test]
    fn where_nothing_throttles_nothing_climbs() {
        let mut breach = Breach::new(Bytes(0), false);
        for ms in (0..60_000).step_by(50) {
            assert_eq!(breach.judge(&sample(1400, 1320), &unseen(), &lines(), at(ms)), None);
        }
        assert!(breach.judge(&sample(1400, 1300), &unseen(), &lines(), at(60_000)).is_some());
    }

    #[test]
    fn a_footprint_at_the_limit_is_a_breach_less_the_slack() {
        let mut breach = Breach::new(Bytes::mib(1), true);
        assert!(breach.judge(&sample(98, 0), &unseen(), &lines(), at(0)).is_none());
        assert!(
            breach.judge(&sample(99, 0), &unseen(), &lines(), at(1)).is_none(),
            "it has to stay"
        );
        assert!(breach.judge(&sample(98, 0), &unseen(), &lines(), at(40)).is_none());
        assert!(breach.judge(&sample(99, 0), &unseen(), &lines(), at(60)).is_none());
        assert!(breach.judge(&sample(99, 0), &unseen(), &lines(), at(110)).is_some());
        assert!(breach.judge(&sample(100, 0), &unseen(), &lines(), at(111)).is_some());
        let mut breach = Breach::new(Bytes::mib(1), true);
        assert!(
            breach.judge(&sample(100, 0), &unseen(), &lines(), at(0)).is_some(),
            "at the line nothing waits"
        );
    }

    #[test]
    fn climbing_in_spite_of_the_throttle_is_a_breach_when_it_lasts() {
        let mut breach = Breach::new(Bytes(0), true);
        assert_eq!(breach.judge(&sample(129, 40), &unseen(), &lines(), at(0)), None);
        assert_eq!(breach.judge(&sample(129, 40), &unseen(), &lines(), at(100)), None);
        assert_eq!(breach.judge(&sample(127, 40), &unseen(), &lines(), at(150)), None, "fell back");
        assert_eq!(breach.judge(&sample(129, 40), &unseen(), &lines(), at(200)), None);
        let reason = breach.judge(&sample(130, 40), &unseen(), &lines(), at(400));
        assert!(matches!(reason, Some(Reason::Climb { .. })));
    }

    #[test]
    fn what_reclaim_gets_does_not_climb() {
        let (mut breach, mut reclaim) = (Breach::new(Bytes(0), true), unseen());
        for tenth in 0..100 {
            let scanned = 1000 * tenth;
            let seen = Sample { scanned, reclaimed: scanned / 2, ..sample(129, 40) };
            reclaim.observe(&seen, &lines(), at(100 * tenth));
            let reason = breach.judge(&seen, &reclaim, &lines(), at(100 * tenth));
            assert_eq!(reason, None);
        }
    }

    /// `current` with so much of cache, and so much in transit.
    fn in_transit(current: u64, cache: u64, transit: u64) -> Sample {
        let in_transit = Bytes::mib(transit);
        Sample { in_transit, ..sample(current, cache + transit) }
    }

    #[test]
    fn what_is_in_transit_to_the_cache_is_no_usage_unless_it_never_arrives() {
        let mut breach = Breach::new(Bytes(0), true);
        let mut judge =
            |current, ms| breach.judge(&in_transit(current, 10, 20), &unseen(), &lines(), at(ms));
        assert_eq!(judge(111, 0), None);
        assert_eq!(judge(109, 19_000), None, "below the line with it");
        assert_eq!(judge(111, 20_000), None);
        assert_eq!(judge(111, 39_900), None);
        let limit = Bytes::mib(100);
        let footprint = Bytes::mib(101);
        assert_eq!(judge(111, 40_000), Some(Reason::Breach { footprint, limit }));
    }

    #[test]
    fn a_crowd_of_huge_pages_in_transit_is_not_waited_for() {
        let judge = |current, cache, transit, reclaimed| {
            let sample = in_transit(current, cache, transit);
            let mut reclaim = unseen();
            let seen = |reclaimed| Sample { scanned: reclaimed, reclaimed, ..sample };
            reclaim.observe(&seen(0), &lines(), at(0));
            reclaim.observe(&seen(reclaimed), &lines(), at(500));
            Breach::new(Bytes(0), true).judge(&sample, &reclaim, &lines(), at(500))
        };
        let (footprint, limit) = (Bytes::mib(110), Bytes::mib(100));
        let breach = Some(Reason::Breach { footprint, limit });
        assert_eq!(judge(115, 5, 40, 0), breach);
        assert_eq!(judge(115, 5, 40, 500), breach, "pages of its own program");
        assert_eq!(judge(115, 5, 40, 12_000), None, "files are read");
        assert_eq!(judge(115, 5, 23, 0), None, "of some readers");
        assert_eq!(judge(115, 20, 40, 0), None, "the rest is cache");
    }

    #[test]
    fn where_reclaim_works_what_is_in_transit_arrives() {
        let (mut breach, mut reclaim) = (Breach::new(Bytes(0), true), unseen());
        for tenth in 0..600 {
            let scanned = 1000 * tenth;
            let seen = Sample { scanned, reclaimed: scanned / 2, ..in_transit(111, 10, 20) };
            reclaim.observe(&seen, &lines(), at(100 * tenth));
            assert_eq!(breach.judge(&seen, &reclaim, &lines(), at(100 * tenth)), None);
        }
        assert!(breach.at_second_line(&in_transit(158, 10, 70), Bytes(0), &lines()), "not got");
    }

    #[test]
    fn the_second_line_does_not_see_page_cache() {
        let breach = Breach::new(Bytes(0), true);
        let at = |current, cache, ahead| {
            breach.at_second_line(&sample(current, cache), Bytes::mib(ahead), &lines())
        };
        assert!(!at(159, 70, 159));
        assert!(at(159, 20, 159));
        assert!(!at(129, 20, 163) && at(129, 20, 164), "it will be there");
        assert!(!at(128, 20, 200), "up to the relief line handlers run");
        assert!(!at(129, 40, 200));
    }
}
