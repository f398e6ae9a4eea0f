//! When what can wait is done: in whole seconds, so that a guardian wakes up once for all that is due then; and where many workloads
//! are guarded side by side, for each of them as seldom as there are many, and in another second.

use super::interval::AT_REST;
use crate::clock::Timestamp;
use std::time::Duration;

/// So many looks a second are taken at rest, whatever is guarded: a thousand workloads have one every ten seconds each.
const LOOKS: u64 = 100;
/// However many there are, a look comes after so many seconds.
const SELDOM: u64 = 10;

/// The turn of one workload among others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    /// Which of them it is.
    number: u64,
    /// Where nothing asks for a look, and the kernel tells of growth.
    longest: Duration,
}

impl Default for Rest {
    fn default() -> Rest {
        Rest { number: 0, longest: AT_REST }
    }
}

impl Rest {
    /// That of one of so many.
    pub(super) fn among(number: u32, workloads: usize) -> Rest {
        let workloads = u64::try_from(workloads).unwrap_or(u64::MAX);
        let seconds = (workloads / LOOKS).clamp(AT_REST.as_secs(), SELDOM);
        Rest { number: number.into(), longest: Duration::from_secs(seconds) }
    }

    /// The longest time between two looks.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// So much later; of a second and more, earlier by as much as it takes to come in its turn.
    pub(super) fn after(&self, wait: Duration, now: Timestamp) -> Timestamp {
        let seconds = wait.as_secs();
        if seconds == 0 {
            return now + wait;
        }
        let turn = self.number % seconds;
        let passed = (now.0.as_secs() % seconds + seconds - turn) % seconds;
        Timestamp(Duration::from_secs(now.0.as_secs().saturating_add(seconds - passed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_share_the_looks_at_rest() {
        let longest = |workloads| Rest::among(7, workloads).longest().as_secs();
        assert_eq!([1, 100, 199, 500, 1000, 5000].map(longest), [1, 1, 1, 5, 10, 10]);
    }

    #[test]
    fn what_can_wait_comes_in_its_second() {
        let at = |ms| Timestamp::from_millis(ms);
        let after = |number, wait, now| {
            Rest::among(number, 1000).after(Duration::from_millis(wait), at(now)).0.as_millis()
        };
        assert_eq!(after(3, 999, 1234), 2233, "what cannot wait comes when it is due");
        assert_eq!(after(3, 1000, 1234), 2000);
        assert_eq!(after(3, 1000, 2000), 3000);
        assert_eq!(after(3, 10_000, 1234), 3000);
        assert_eq!(after(3, 10_000, 3001), 13_000);
        assert_eq!(after(14, 10_000, 3001), 4000);
        assert_eq!(after(14, 10_000, 4000), 14_000);
        assert_eq!(after(1, 2900, 4100), 5000, "never later than it is due");
    }
}
