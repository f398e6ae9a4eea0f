//! Where memory will be by the time that SIGKILL has worked: the second line is compared with that, and not with where it is.

use crate::clock::Timestamp;
use crate::event::Sample;
use crate::lines::BATCH;
use crate::policy::interval::{SUDDEN, TERMINATING};
use crate::units::Bytes;
use std::time::Duration;

/// Of the growth seen at its worst, so much is left with each look after it: an eighth is forgotten.
const KEPT: u64 = 7;
const OF: u64 = 8;
/// Of the delay, half is forgotten in this time: what kept us from a processor comes again, and how often we look in between says nothing.
const DELAY_HALVED: Duration = Duration::from_secs(1);
/// A look that came later than this was not late for want of a processor: we were stopped.
const LATEST: Duration = Duration::from_secs(1);

/// Growth of `memory.current`, and how late looks come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead {
    last: Option<(Timestamp, Bytes)>,
    /// How late a look came, at its worst of late.
    delay: Duration,
    /// Bytes a second, at its worst of late.
    rise: u64,
}

impl Ahead {
    /// Takes a reading, which was to come at `due` at the latest.
    pub fn observe(&mut self, current: Bytes, due: Timestamp, now: Timestamp) {
        let before = self.last.replace((now, current));
        let since = before.map_or(Duration::ZERO, |(then, _)| now.since(then));
        self.delay = now.since(due).min(LATEST).max(faded(self.delay, since));
        let Some((_, before)) = before else { return };
        let micros = since.as_micros().max(1000);
        let rise = u128::from(current.saturating_sub(before).0) * 1_000_000 / micros;
        let kept = self.rise / OF * KEPT;
        self.rise = u64::try_from(rise).unwrap_or(u64::MAX).max(kept);
    }

    /// What will be in use: what is, the growth seen in the delay seen, and the batch that each process may charge before it is
    /// throttled, as far as there is time for that. 150 processes went from 157.5 to 164 MiB in a delay of 850 ms (Linux 7.3).
    pub fn reaches(&self, sample: &Sample) -> Bytes {
        let delay = self.delay + TERMINATING;
        let in_delay = |rate: u64| {
            let grown = u128::from(rate) * delay.as_micros() / 1_000_000;
            u64::try_from(grown).unwrap_or(u64::MAX)
        };
        let batches = BATCH.0.saturating_mul(sample.processes).min(in_delay(SUDDEN));
        sample.current.saturating_add(Bytes(in_delay(self.rise))).saturating_add(Bytes(batches))
    }
}

/// What is left of a delay after this time.
fn faded(delay: Duration, after: Duration) -> Duration {
    let halvings = after.as_secs_f64() / DELAY_HALVED.as_secs_f64();
    delay.mul_f64(0.5_f64.powf(halvings))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is reached after looks at these milliseconds and MiB, each so late, by so many processes.
    fn reached(looks: &[(u64, u64, u64)], processes: u64) -> u64 {
        let mut ahead = Ahead::default();
        for (ms, late, mib) in looks {
            let (due, now) = (ms - late, *ms);
            let at = Timestamp::from_millis;
            ahead.observe(Bytes::mib(*mib), at(due), at(now));
        }
        let current = looks.last().map_or(Bytes(0), |last| Bytes::mib(last.2));
        ahead.reaches(&Sample { current, processes, ..Sample::default() }).0 >> 20
    }

    #[test]
    fn growth_counts_for_the_delay_seen_and_batches_for_as_many_as_there_are() {
        assert_eq!(reached(&[(0, 0, 130), (500, 0, 130)], 1), 130);
        assert_eq!(reached(&[(0, 0, 130), (10, 5, 131)], 0), 132, "100 MiB a second, 10 ms");
        assert_eq!(reached(&[(0, 0, 100), (800, 795, 120)], 0), 140, "25 MiB a second, 800 ms");
        assert_eq!(reached(&[(0, 0, 130), (800, 795, 130)], 160), 170, "a batch each");
        assert_eq!(reached(&[(0, 0, 130), (10, 5, 130)], 4000), 140, "no time for more");
    }

    #[test]
    fn what_was_at_its_worst_fades() {
        let mut looks = vec![(0, 0, 100), (800, 795, 120)];
        looks.extend((1..100).map(|look| (800 + look * 5, 0, 120)));
        assert_eq!(reached(&looks, 1), 120);
        assert_eq!(reached(&[(0, 0, 100), (3_600_000, 0, 100)], 0), 100);
        let mut looks = vec![(0, 0, 100), (400, 395, 100)];
        looks.extend((1..=40).map(|look| (400 + look * 5, 0, 100)));
        looks.push((605, 0, 101));
        assert_eq!(
            reached(&looks, 0),
            170,
            "a delay is remembered however often we look: 200 MiB a second for 344 ms"
        );
    }
}
