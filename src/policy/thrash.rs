//! The working set does not fit: every task waits for memory most of the time, for long, at the trip-wire. Most of the time of a whole
//! window, and not without a break: a workload that is throttled has gaps. One that was stalled for 86 to 93 % of 110 s was never ended
//! while one quiet half second began the count anew (Linux 7.3).

use crate::clock::Timestamp;
use crate::event::{Reason, Sample};
use crate::units::{Bytes, Percent};
use arrayvec::ArrayVec;
use std::time::Duration;

/// A window is looked at in so many parts.
const PARTS: u32 = 60;
/// And a reading kept for each: one before the window, and one for a part that is not over.
const READINGS: usize = 62;

/// When thrashing ends a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrashRule {
    /// Share of the time in which all tasks waited (`full` of `memory.pressure`).
    pub share: Percent,
    /// Of a window of this length.
    pub hold: Duration,
}

/// At a moment: the time for which all tasks had waited at the trip-wire by then, microseconds.
type StallReading = (Timestamp, u64);

/// The rule and what it remembers.
#[derive(Clone, Debug)]
pub struct Thrash {
    rule: Option<ThrashRule>,
    /// `total` of the last reading.
    total: u64,
    /// Oldest first; the first of them is older than the window as soon as there is such a one.
    readings: ArrayVec<StallReading, READINGS>,
    /// Whether the last part was one of thrashing.
    lasts: bool,
}

impl Thrash {
    /// Watches by this rule, or not at all.
    pub fn new(rule: Option<ThrashRule>) -> Self {
        Thrash { rule, total: 0, readings: ArrayVec::new(), lasts: false }
    }

    /// The reason to end the workload that this sample gives, if any.
    pub fn judge(&mut self, sample: &Sample, limit: Bytes, now: Timestamp) -> Option<Reason> {
        let rule = self.rule?;
        let total = sample.stalled_usec?;
        let Some(&last) = self.readings.last() else {
            (self.total, self.lasts) = (total, false);
            self.readings.push((now, 0));
            return None;
        };
        if now.since(last.0) < rule.hold / PARTS {
            return None;
        }
        let stalled = total.saturating_sub(std::mem::replace(&mut self.total, total));
        let at_wire = sample.current.0 >= limit.0 - limit.0 / 16;
        let waited = last.1.saturating_add(if at_wire { stalled } else { 0 });
        self.keep((now, waited), rule.hold);
        self.lasts = at_wire && is_share(last, (now, waited), rule.share);
        let first = self.readings.first().copied().unwrap_or(last);
        let held = now.since(first.0);
        (at_wire && held >= rule.hold && is_share(first, (now, waited), rule.share))
            .then_some(Reason::Thrash { share: rule.share, held })
    }

    fn keep(&mut self, reading: StallReading, hold: Duration) {
        while self.readings.get(1).is_some_and(|second| reading.0.since(second.0) >= hold)
            || self.readings.is_full()
        {
            self.readings.remove(0);
        }
        self.readings.push(reading);
    }

    /// Whether the last part was one of thrashing, however short that has lasted.
    pub fn lasts(&self) -> bool {
        self.lasts
    }
}

/// Whether all tasks waited for this share of the time between two readings.
fn is_share(from: StallReading, to: StallReading, share: Percent) -> bool {
    let waited = u128::from(to.1.saturating_sub(from.1));
    waited * 100 >= to.0.since(from.0).as_micros() * u128::from(share.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: ThrashRule = ThrashRule { share: Percent(80), hold: Duration::from_secs(10) };

    fn run(share_percent: u64, seconds: u64, current: Bytes) -> Option<u64> {
        let mut thrash = Thrash::new(Some(RULE));
        (0..seconds).find(|second| {
            let sample = Sample {
                current,
                stalled_usec: Some(second * 10_000 * share_percent),
                ..Sample::default()
            };
            thrash.judge(&sample, Bytes::mib(100), Timestamp::from_millis(second * 1000)).is_some()
        })
    }

    #[test]
    fn only_a_long_stall_at_the_trip_wire_counts() {
        assert_eq!(run(90, 60, Bytes::mib(100)), Some(10));
        assert_eq!(run(70, 60, Bytes::mib(100)), None, "below the share");
        assert_eq!(run(100, 60, Bytes::mib(93)), None, "not at the trip-wire");
        assert_eq!(run(100, 60, Bytes::mib(94)), Some(10), "as good as at the trip-wire");
        assert_eq!(run(100, 9, Bytes::mib(100)), None, "not for long");
    }

    /// A throttled workload has gaps: what counts is the window as a whole.
    #[test]
    fn a_gap_does_not_begin_it_anew() {
        let ended = |gap_every: u64, gap_ms: u64| {
            let (mut thrash, mut total) = (Thrash::new(Some(RULE)), 0);
            (0..600u64).map(|tick| tick * 100).find(|ms| {
                let waits = ms % gap_every >= gap_ms;
                total += if waits { 100_000 } else { 0 };
                let current = Bytes::mib(100);
                let sample = Sample { current, stalled_usec: Some(total), ..Sample::default() };
                let at = Timestamp::from_millis(*ms);
                thrash.judge(&sample, Bytes::mib(100), at).is_some()
            })
        };
        assert_eq!(ended(5000, 700), Some(10_000), "86 % of the time");
        assert_eq!(ended(5000, 1500), None, "70 %");
    }

    #[test]
    fn a_stall_long_ago_is_forgotten() {
        let mut thrash = Thrash::new(Some(RULE));
        let ended = (0..40_u64).find(|second| {
            // Seven seconds of waiting, then none; then nine.
            let total = (*second).min(7) + second.saturating_sub(30).min(9);
            let sample = Sample {
                current: Bytes::mib(100),
                stalled_usec: Some(total * 1_000_000),
                ..Sample::default()
            };
            let at = Timestamp::from_millis(second * 1000);
            thrash.judge(&sample, Bytes::mib(100), at).is_some()
        });
        assert_eq!(ended, Some(38), "eight of the last ten, and not before");
    }
}
