//! Growth of the footprint: the slope over the last two seconds.

use crate::clock::Timestamp;
use crate::units::Bytes;
use std::time::Duration;

/// How far back the slope reaches: long enough that one allocation is not a trend, short enough to follow a leak that begins.
const WINDOW: Duration = Duration::from_secs(2);
/// Readings closer together than this share a place, so that a burst of looks does not push the window's start out.
const SPACING: Duration = Duration::from_millis(100);
const PLACES: usize = 24;

/// Footprints of the last two seconds, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    readings: arrayvec::ArrayVec<(Timestamp, Bytes), PLACES>,
    latest: Option<(Timestamp, Bytes)>,
}

impl Growth {
    /// Adds a reading.
    pub fn observe(&mut self, footprint: Bytes, now: Timestamp) {
        self.latest = Some((now, footprint));
        let spaced = self.readings.last().is_none_or(|last| now.since(last.0) >= SPACING);
        if spaced {
            if self.readings.is_full() {
                self.readings.remove(0);
            }
            self.readings.push((now, footprint));
        }
        // One reading older than the window stays, to measure from.
        while self.readings.len() > 2 && now.since(self.readings[1].0) >= WINDOW {
            self.readings.remove(0);
        }
    }

    /// Bytes a second; negative when it shrinks, zero until there is something to compare.
    pub fn per_second(&self) -> i64 {
        let (Some(first), Some(last)) = (self.readings.first(), self.latest) else { return 0 };
        let micros = i128::try_from(last.0.since(first.0).as_micros()).unwrap_or(i128::MAX);
        if micros < 1000 {
            return 0;
        }
        let grown = i128::from(last.1.0) - i128::from(first.1.0);
        i64::try_from(grown * 1_000_000 / micros).unwrap_or(if grown < 0 {
            i64::MIN
        } else {
            i64::MAX
        })
    }

    /// Time until `headroom` is used up at this growth, if it grows.
    pub fn time_to(&self, headroom: Bytes) -> Option<Duration> {
        let rate = u64::try_from(self.per_second()).ok().filter(|rate| *rate > 0)?;
        let micros = u128::from(headroom.0) * 1_000_000 / u128::from(rate);
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_leak_has_its_rate() {
        let mut growth = Growth::default();
        for tick in 0..100u64 {
            growth.observe(Bytes::mib(tick), Timestamp::from_millis(tick * 50));
        }
        assert_eq!(growth.per_second(), 20 << 20);
        assert_eq!(growth.time_to(Bytes::mib(40)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_was_before_the_window_does_not_matter() {
        let mut growth = Growth::default();
        for tick in 0..70u64 {
            let leaked = Bytes::mib(4 * tick.saturating_sub(50));
            growth.observe(leaked, Timestamp::from_millis(tick * 200));
        }
        assert_eq!(growth.per_second(), 20 << 20);
    }

    #[test]
    fn the_shortest_time_and_the_largest_growth_have_a_rate() {
        let rate = |from, to| {
            let mut growth = Growth::default();
            growth.observe(Bytes(from), Timestamp::from_millis(0));
            growth.observe(Bytes(to), Timestamp::from_millis(1));
            growth.per_second()
        };
        assert_eq!(rate(0, 1), 1000);
        assert_eq!((rate(0, u64::MAX), rate(u64::MAX, 0)), (i64::MAX, i64::MIN));
    }

    #[test]
    fn a_shrinking_footprint_has_no_time_to_the_limit() {
        let mut growth = Growth::default();
        growth.observe(Bytes::mib(50), Timestamp::from_millis(0));
        growth.observe(Bytes::mib(40), Timestamp::from_millis(1000));
        assert_eq!(growth.per_second(), -(10 << 20));
        assert_eq!(growth.time_to(Bytes::mib(1)), None);
    }

    #[test]
    fn many_looks_in_a_moment_are_bounded_and_no_spike() {
        let mut growth = Growth::default();
        for tick in 0..10_000u64 {
            growth.observe(Bytes(tick), Timestamp(Duration::from_micros(tick * 10)));
        }
        assert!(growth.readings.len() <= PLACES);
        growth.observe(Bytes::mib(1), Timestamp::from_millis(0));
        assert_eq!(growth.time_to(Bytes::mib(1)), None, "a clock that stands still gives no rate");
    }
}
