//! When to look again: often where the limit could be reached soon, seldom where not.

use crate::event::Sample;
use crate::lines::Lines;
use crate::units::Bytes;
use std::time::Duration;

/// How a tier learns of growth between looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// The kernel tells (trip-wire): looks serve the screen and the forecast.
    Events,
    /// Nobody tells: a look must come before the limit can be passed by much.
    Polled,
}

/// Growth that must be expected of any workload at any time where nobody tells: 1 GiB/s, about what one thread touches.
pub const SUDDEN: u64 = 1 << 30;
/// So many threads may touch memory at that rate together.
const THREADS: u64 = 4;
/// While terminating the second line is watched this closely; 10 ms sufficed in every shape measured.
pub const TERMINATING: Duration = Duration::from_millis(5);
/// Over a line at which reclaim is watched.
pub const WATCHED: Duration = Duration::from_millis(50);
/// Frozen workloads do not grow.
pub const FROZEN: Duration = Duration::from_millis(500);

/// Where nothing asks for a look.
pub const AT_REST: Duration = Duration::from_millis(FAR);

/// Time until the next look while watching; `rest` where nothing asks for one and the kernel tells.
pub fn watching(
    cadence: Cadence,
    sample: &Sample,
    lines: &Lines,
    growth: i64,
    rest: Duration,
) -> Duration {
    let headroom = lines.allowance().saturating_sub(sample.footprint());
    let growth = u64::try_from(growth).unwrap_or(0);
    let wait = match cadence {
        Cadence::Events => {
            Duration::from_millis(quarter_of_time(headroom, growth.max(1)).max(50)).min(rest)
        }
        Cadence::Polled => {
            let rate = growth.saturating_mul(2).max(SUDDEN);
            let near = clamp(quarter_of_time(headroom, rate), 5, 100);
            // Longer only where several threads at once could not bridge it.
            near.max(clamp(quarter_of_time(headroom, rate.saturating_mul(THREADS)), 5, FAR))
        }
    };
    let far = match cadence {
        Cadence::Events => 0,
        Cadence::Polled => quarter_of_time(headroom, growth.saturating_mul(2).max(SUDDEN)).min(FAR),
    };
    affordable(wait, sample).max(sample.cost.saturating_mul(CHEAP).min(Duration::from_millis(far)))
}

/// However dear a look was, the next one comes after this.
const LONGEST_REST: Duration = Duration::from_millis(500);
/// Where the limit cannot be reached before, dear looks take a hundredth of the time.
const CHEAP: u32 = 99;
/// However far the limit is, a look comes after this, milliseconds.
const FAR: u64 = 1000;

/// Looking takes at most a fifth of the time: thousands of processes are dear to sum.
pub fn affordable(wait: Duration, sample: &Sample) -> Duration {
    wait.max(sample.cost.saturating_mul(4).min(LONGEST_REST))
}

/// A quarter of the time in which `rate` bytes a second fill the headroom, in milliseconds.
fn quarter_of_time(headroom: Bytes, rate: u64) -> u64 {
    u64::try_from(u128::from(headroom.0) * 250 / u128::from(rate)).unwrap_or(u64::MAX)
}

fn clamp(ms: u64, low: u64, high: u64) -> Duration {
    Duration::from_millis(ms.clamp(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_closer_near_the_limit() {
        let lines = Lines::new(Bytes::mib(1000), None, None).unwrap();
        let at = |mib| Sample { current: Bytes::mib(mib), ..Sample::default() };
        assert_eq!(
            watching(Cadence::Polled, &at(0), &lines, 0, AT_REST),
            Duration::from_millis(100)
        );
        assert_eq!(
            watching(Cadence::Polled, &at(960), &lines, 0, AT_REST),
            Duration::from_millis(9)
        );
        assert_eq!(
            watching(Cadence::Polled, &at(2000), &lines, 0, AT_REST),
            Duration::from_millis(5)
        );
        assert_eq!(
            watching(Cadence::Events, &at(0), &lines, -5, AT_REST),
            Duration::from_millis(1000)
        );
        assert_eq!(
            watching(Cadence::Events, &at(999), &lines, 100 << 20, AT_REST),
            Duration::from_millis(50)
        );
    }

    #[test]
    fn dear_looks_are_spaced_out_as_far_as_the_limit_allows() {
        let lines = Lines::new(Bytes::mib(10_240), None, None).unwrap();
        let at = |mib, ms| Sample {
            current: Bytes::mib(mib),
            cost: Duration::from_millis(ms),
            ..Sample::default()
        };
        let wait = |mib, ms| watching(Cadence::Polled, &at(mib, ms), &lines, 0, AT_REST);
        assert_eq!(wait(0, 5), Duration::from_millis(625), "what four threads cannot bridge");
        assert_eq!(wait(6144, 5), Duration::from_millis(495), "a hundredth");
        assert_eq!(wait(0, 100), Duration::from_millis(1000), "at the latest");
        assert_eq!(
            wait(9440, 20),
            Duration::from_millis(195),
            "a quarter of the time to the limit"
        );
        assert_eq!(wait(10_200, 20), Duration::from_millis(80), "a fifth");
        assert_eq!(wait(10_200, 1000), LONGEST_REST);
    }
}
