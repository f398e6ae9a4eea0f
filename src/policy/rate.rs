//! Growth of the footprint, and the time to a limit: by its high-water marks, so that what a garbage collector gives back is neither
//! shrinking nor the next climb a leak. Bounded, and without allocation. docs/forecast.md has the alternatives and the figures.

use crate::clock::Timestamp;
use crate::units::Bytes;
use arrayvec::ArrayVec;
use std::time::Duration;

/// Peaks are kept for so many stretches of time, one for each.
const PLACES: usize = 10;
/// A stretch, at first; doubled whenever all places are taken.
const SHORTEST: Duration = Duration::from_millis(100);
/// And at last: ten of them reach back further than most garbage collectors wait.
const LONGEST: Duration = Duration::from_millis(3200);
/// The last two of these must both have set a new mark for it to count as growth that has just begun.
const BEAT: Duration = Duration::from_secs(1);
/// Of the last two beats and a half, a peak for each [`SHORTEST`] is kept.
const RECENT: Duration = Duration::from_millis(2500);
const RECENT_PLACES: usize = 32;
/// The level that the forecast starts from is the highest of so many stretches.
const LEVEL: usize = 3;

type Peak = (Timestamp, Bytes);
type Slopes = ArrayVec<i64, { PLACES * (PLACES - 1) / 2 }>;

/// The peaks of the last half minute.
#[derive(Clone, Debug)]
pub struct Growth {
    peaks: ArrayVec<Peak, { PLACES + 1 }>,
    stretch: Duration,
    recent: ArrayVec<Peak, RECENT_PLACES>,
    latest: Bytes,
    rate: i64,
}

impl Default for Growth {
    fn default() -> Self {
        Growth {
            peaks: ArrayVec::new(),
            stretch: SHORTEST,
            recent: ArrayVec::new(),
            latest: Bytes(0),
            rate: 0,
        }
    }
}

impl Growth {
    /// Adds a reading.
    pub fn observe(&mut self, footprint: Bytes, now: Timestamp) {
        self.latest = footprint;
        while self.recent.first().is_some_and(|peak| now.since(peak.0) > RECENT) {
            self.recent.remove(0);
        }
        if self.recent.is_full() {
            self.recent.remove(0);
        }
        add(&mut self.recent, (now, footprint), SHORTEST);
        add(&mut self.peaks, (now, footprint), self.stretch);
        self.make_room();
        let typical = self.typical();
        self.rate = self.begun(now).map_or(typical, |begun| begun.max(typical));
    }

    /// Bytes a second; negative when it shrinks, zero until there is something to compare.
    pub fn per_second(&self) -> i64 {
        self.rate
    }

    /// Time until this limit at this growth, if it grows: from the level of the last peaks, which is where a collector's next climb
    /// will lead to.
    pub fn time_until(&self, limit: Bytes) -> Option<Duration> {
        let rate = u64::try_from(self.rate).ok().filter(|rate| *rate > 0)?;
        let from = self.peaks.len().saturating_sub(LEVEL);
        let level = self.peaks[from..].iter().map(|peak| peak.1).max().unwrap_or_default();
        let headroom = limit.saturating_sub(level.max(self.latest));
        let micros = u128::from(headroom.0) * 1_000_000 / u128::from(rate);
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Longer stretches while there may be longer ones, then the oldest goes.
    fn make_room(&mut self) {
        if self.peaks.len() <= PLACES {
            return;
        }
        if self.stretch < LONGEST {
            self.stretch *= 2;
            let before = std::mem::take(&mut self.peaks);
            before.into_iter().for_each(|peak| add(&mut self.peaks, peak, self.stretch));
        }
        while self.peaks.len() > PLACES {
            self.peaks.remove(0);
        }
    }

    /// The median of the slopes between any two peaks (Theil and Sen): up to a quarter of them may lie anywhere.
    fn typical(&self) -> i64 {
        let mut slopes = Slopes::new();
        for (index, later) in self.peaks.iter().enumerate() {
            // As many as there are pairs: none is left out.
            slopes.extend(self.peaks[..index].iter().filter_map(|earlier| slope(*earlier, *later)));
        }
        slopes.sort_unstable();
        let middle = slopes.len() / 2;
        match slopes.len() {
            0 => 0,
            odd if odd % 2 == 1 => slopes[middle],
            _ => i64::midpoint(slopes[middle - 1], slopes[middle]),
        }
    }

    /// Growth that the median does not see yet: the high-water mark rose in the last second, and in the one before.
    fn begun(&self, now: Timestamp) -> Option<i64> {
        let at = |beats: u32| self.mark(now.0.checked_sub(BEAT * beats)?);
        let (now, before, first) = (at(0)?, at(1)?, at(2)?);
        let rises = slope(before, now)?.min(slope(first, before)?);
        (rises > 0).then_some(rises)
    }

    /// The high-water mark at that time: where it was reached last.
    fn mark(&self, until: Duration) -> Option<Peak> {
        let then = |peak: &&Peak| peak.0.0 <= until;
        self.peaks
            .iter()
            .chain(&self.recent)
            .filter(then)
            .max_by_key(|peak| (peak.1, peak.0))
            .copied()
    }
}

/// The peak of a stretch takes the place of a lower one.
fn add<const N: usize>(peaks: &mut ArrayVec<Peak, N>, peak: Peak, stretch: Duration) {
    let number = |at: Timestamp| at.0.as_micros() / stretch.as_micros();
    match peaks.last_mut() {
        Some(last) if number(last.0) == number(peak.0) => {
            if peak.1 >= last.1 {
                *last = peak;
            }
        }
        Some(_) | None => {
            // Room was made before.
            let _ = peaks.try_push(peak);
        }
    }
}

/// Bytes a second, if time passed.
fn slope(from: Peak, to: Peak) -> Option<i64> {
    let micros = i128::try_from(to.0.since(from.0).as_micros()).unwrap_or(i128::MAX);
    if micros < 1000 {
        return None;
    }
    let grown = i128::from(to.1.0) - i128::from(from.1.0);
    let bound = if grown < 0 { i64::MIN } else { i64::MAX };
    Some(i64::try_from(grown * 1_000_000 / micros).unwrap_or(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 100 ms at so many MiB.
    fn seen(readings: impl IntoIterator<Item = u64>) -> Growth {
        let mut growth = Growth::default();
        for (tick, mib) in (0..).zip(readings) {
            growth.observe(Bytes::mib(mib), Timestamp::from_millis(tick * 100));
        }
        growth
    }

    #[test]
    fn a_steady_leak_has_its_rate_at_any_age() {
        for ticks in [20, 100, 1000, 10_000] {
            let growth = seen(0..ticks);
            assert_eq!(growth.per_second(), 10 << 20, "{ticks}");
            let left = growth.time_until(Bytes::mib(ticks + 39));
            assert_eq!(left, Some(Duration::from_secs(4)), "{ticks}");
        }
    }

    #[test]
    fn a_leak_that_begins_is_seen_within_two_seconds() {
        let growth = seen((0..600).map(|_| 50).chain((0..21).map(|tick| 50 + tick)));
        assert_eq!(growth.per_second(), 10 << 20);
        let growth = seen((0..600).map(|_| 50).chain([50, 80]));
        assert_eq!(growth.per_second(), 0, "one jump is none");
    }

    #[test]
    fn a_collector_s_teeth_are_no_growth() {
        let growth = seen((0..600).map(|tick| 100 + tick % 40));
        assert_eq!((growth.per_second(), growth.time_until(Bytes::mib(200))), (0, None));
    }

    #[test]
    fn a_leak_under_the_teeth_has_its_own_rate() {
        // A tooth of 50 MiB each five seconds; ten more MiB each time stay.
        let growth = seen((0..600).map(|tick| 100 + tick % 50 + tick / 50 * 10));
        let rate = growth.per_second() as f64 / (1 << 20) as f64;
        assert!((1.5..2.5).contains(&rate), "{rate}");
    }

    #[test]
    fn the_shortest_time_and_the_largest_growth_have_a_rate() {
        let rate = |from, to| {
            let mut growth = Growth::default();
            growth.observe(Bytes(from), Timestamp::from_millis(99));
            growth.observe(Bytes(to), Timestamp::from_millis(100));
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
        assert_eq!(growth.time_until(Bytes::mib(1)), None);
        let growth = seen((0..600).map(|_| 400).chain((0..300).map(|tick| 400 - tick)));
        assert_eq!(growth.per_second(), -(10 << 20), "also after a long rest");
    }

    #[test]
    fn many_looks_in_a_moment_are_bounded_and_no_spike() {
        let mut growth = Growth::default();
        for tick in 0..10_000u64 {
            growth.observe(Bytes(tick), Timestamp(Duration::from_micros(tick * 10)));
        }
        assert!(growth.peaks.len() <= PLACES);
        let mut growth = Growth::default();
        growth.observe(Bytes::mib(1), Timestamp::from_millis(5));
        growth.observe(Bytes::mib(9), Timestamp::from_millis(5));
        growth.observe(Bytes::mib(20), Timestamp::from_millis(0));
        assert_eq!(
            growth.time_until(Bytes::mib(30)),
            None,
            "a clock that stands still gives no rate"
        );
    }
}
