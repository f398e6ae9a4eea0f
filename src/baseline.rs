//! An earlier reading to compare a new one with, so that a rate is over a time long enough to mean something. No clock of its own.

use crate::clock::Timestamp;
use std::time::Duration;

/// A rate over less than this is noise.
const LEAST: Duration = Duration::from_millis(300);

/// Two earlier readings, of which the older is compared with: once there are some it is one to two spans old.
#[derive(Clone, Copy, Debug)]
pub struct Baseline<T> {
    old: (Timestamp, T),
    new: (Timestamp, T),
}

impl<T: Copy> Baseline<T> {
    /// Nothing but this reading so far.
    pub fn new(at: Timestamp, value: T) -> Self {
        Baseline { old: (at, value), new: (at, value) }
    }

    /// Takes a reading; gives the one to compare it with and its age, unless that is too young.
    pub fn compare(&mut self, at: Timestamp, value: T, span: Duration) -> Option<(T, Duration)> {
        if at.since(self.new.0) >= span {
            self.old = self.new;
            self.new = (at, value);
        }
        let age = at.since(self.old.0);
        (age >= LEAST).then_some((self.old.1, age))
    }
}

/// `amount` in `time` as an amount in a second.
pub fn per_second(amount: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(amount) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_with_is_one_to_two_spans_old() {
        let span = Duration::from_secs(2);
        let mut baseline = Baseline::new(Timestamp::from_millis(0), 0);
        assert_eq!(baseline.compare(Timestamp::from_millis(200), 200, span), None);
        for ms in (500..20_000).step_by(500) {
            let (then, age) = baseline.compare(Timestamp::from_millis(ms), ms, span).unwrap();
            assert_eq!(u128::from(ms - then), age.as_millis());
            assert!(ms < 2000 || (2000..=4000).contains(&(ms - then)), "{ms}: {then}");
        }
    }

    #[test]
    fn rates_neither_overflow_nor_divide_by_nothing() {
        assert_eq!(per_second(10, Duration::from_millis(500)), 20);
        assert_eq!(per_second(u64::MAX, Duration::ZERO), u64::MAX);
    }
}
