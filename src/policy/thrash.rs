//! The working set does not fit: every task waits for memory most of the time, for long, at the trip-wire.

use crate::clock::Timestamp;
use crate::event::{Reason, Sample};
use crate::units::{Bytes, Percent};
use std::time::Duration;

/// Shares are taken over at least this long: shorter ones are noise.
const INTERVAL: Duration = Duration::from_millis(500);

/// When thrashing ends a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrashRule {
    /// Share of the time in which all tasks waited (`full` of `memory.pressure`).
    pub share: Percent,
    /// For how long without a break.
    pub hold: Duration,
}

/// The rule and what it remembers.
#[derive(Clone, Debug)]
pub struct Thrash {
    rule: Option<ThrashRule>,
    last: Option<(Timestamp, u64)>,
    since: Option<Timestamp>,
}

impl Thrash {
    /// Watches by this rule, or not at all.
    pub fn new(rule: Option<ThrashRule>) -> Self {
        Thrash { rule, last: None, since: None }
    }

    /// The reason to end the workload that this sample gives, if any.
    pub fn judge(&mut self, sample: &Sample, limit: Bytes, now: Timestamp) -> Option<Reason> {
        let rule = self.rule?;
        let total = sample.stalled_usec?;
        let (then, before) = *self.last.get_or_insert((now, total));
        let elapsed = now.since(then);
        if elapsed < INTERVAL {
            return None;
        }
        self.last = Some((now, total));
        let stalled = Duration::from_micros(total.saturating_sub(before));
        let thrashing = stalled.as_micros() * 100 >= elapsed.as_micros() * u128::from(rule.share.0)
            && sample.current.0 >= limit.0 - limit.0 / 16;
        if !thrashing {
            self.since = None;
            return None;
        }
        let held = now.since(*self.since.get_or_insert(then));
        (held >= rule.hold).then_some(Reason::Thrash { share: rule.share, held })
    }

    /// Whether the last interval was one of thrashing, however short that has lasted.
    pub fn lasts(&self) -> bool {
        self.since.is_some()
    }
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
}
