//! The machine's floor: what is to be left of its memory for everybody. Below it a workload is ended that is within its own limit, if
//! its end would help: several guardians inside their limits can still sink a machine.

use crate::clock::Timestamp;
use crate::event::{KillReason, Reason, Sample};
use crate::policy::interval::SUDDEN;
use crate::units::Bytes;
use std::time::Duration;

/// Who holds less than this part of what is missing would leave the machine as short as it is.
const WORTH: u64 = 16;
/// And who holds less than this is never ended for the machine's sake.
const LEAST_WORTH: Bytes = Bytes::mib(16);
/// At the floor a look comes after this.
const NEAREST: u64 = 50;
/// And far from it, where it says nothing of when to look.
const FARTHEST: u64 = 1000;
/// Who stands back is looked at for its size alone.
const STANDS_BACK: u64 = 500;
/// Two readings that lie closer tell of no rate.
const LEAST_TIME: u128 = 50_000;
/// Of the fall seen at its worst, so much is left with each look after it: an eighth is forgotten.
const KEPT: u64 = 7;
const OF: u64 = 8;

/// The rule and what it remembers.
#[derive(Clone, Debug)]
pub struct Floor {
    line: Option<Bytes>,
    last: Option<(Timestamp, Bytes)>,
    /// Bytes a second, at its worst of late.
    fall: u64,
    /// Whether the last two looks gave a reason: the one before, and the last.
    below: [bool; 2],
    /// Another workload is to be ended first.
    stands_back: bool,
}

/// What a workload must hold for its end to help a machine that has so much less than its floor.
pub(super) fn worth(missing: Bytes) -> Bytes {
    Bytes(missing.0 / WORTH).max(LEAST_WORTH)
}

impl Floor {
    /// Watches this floor, or none.
    pub fn new(line: Option<Bytes>) -> Self {
        Floor { line, last: None, fall: 0, below: [false; 2], stands_back: false }
    }

    /// Takes a reading.
    pub fn observe(&mut self, sample: &Sample, now: Timestamp) {
        let (Some(line), Some(available)) = (self.line, sample.available) else {
            (self.last, self.below) = (None, [false; 2]);
            return;
        };
        let helps = sample.resident() >= worth(line.saturating_sub(available));
        self.below = [self.below[1], available < line && helps && !self.stands_back];
        let Some((then, before)) = self.last.replace((now, available)) else { return };
        let micros = now.since(then).as_micros().max(LEAST_TIME);
        let fell = u128::from(before.saturating_sub(available).0) * 1_000_000 / micros;
        self.fall = u64::try_from(fell).unwrap_or(u64::MAX).max(self.fall / OF * KEPT);
    }

    /// The reason to end the workload that the last look gives, if any.
    pub fn judge(&self, sample: &Sample) -> Option<Reason> {
        let (floor, available) = (self.line?, sample.available?);
        self.below[1].then_some(Reason::HostMemory { available, floor })
    }

    /// Whether two looks in a row gave this reason. Of other reasons it says nothing.
    pub fn confirms(&self, reason: &Reason) -> bool {
        !matches!(reason, Reason::HostMemory { .. }) || self.below == [true; 2]
    }

    /// Why there is no time left for who is being ended: half of the floor is gone too.
    pub fn is_half_gone(&self, sample: &Sample) -> Option<KillReason> {
        let (floor, available) = (self.line?, sample.available?);
        let line = Bytes(floor.0 / 2);
        (available < line).then_some(KillReason::HostMemory { available, line })
    }

    /// Whether the machine is below the floor, or not above it by an eighth: it is no new approach yet.
    pub fn is_near(&self) -> bool {
        self.line.zip(self.last).is_some_and(|(line, (_, available))| {
            available < line.saturating_add(Bytes(line.0 / 8))
        })
    }

    /// Lets another workload go first, or no longer. Whether that asks for a look at once.
    pub fn stand_back(&mut self, stands_back: bool) -> bool {
        let before = std::mem::replace(&mut self.stands_back, stands_back);
        before && !stands_back && self.is_near()
    }

    /// Time until the next look: that in which 1 GiB/s, or four times the fall seen, reaches the floor. `None` where there is no floor.
    pub fn wait(&self) -> Option<Duration> {
        let line = self.line?;
        let Some((_, available)) = self.last else {
            return Some(Duration::from_millis(FARTHEST));
        };
        let nearest = if self.stands_back { STANDS_BACK } else { NEAREST };
        let distance = u128::from(available.saturating_sub(line).0);
        let rate = u128::from(SUDDEN.max(self.fall.saturating_mul(4)));
        let ms = u64::try_from(distance * 1000 / rate).unwrap_or(u64::MAX);
        Some(Duration::from_millis(ms.clamp(nearest, FARTHEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// So many MiB left by the machine, and held by the workload.
    fn seen(available: u64, held: u64) -> Sample {
        let available = Some(Bytes::mib(available));
        Sample { current: Bytes::mib(held), available, ..Sample::default() }
    }

    /// Whether a look gave a reason, and whether it was the second in a row.
    fn looks(floor: &mut Floor, looks: &[(u64, u64)]) -> (bool, bool) {
        let mut found = (false, false);
        for (number, (available, held)) in (0..).zip(looks) {
            let sample = seen(*available, *held);
            floor.observe(&sample, at(number * 50));
            let reason = floor.judge(&sample);
            found = (reason.is_some(), reason.is_some_and(|it| floor.confirms(&it)));
        }
        found
    }

    fn floor(mib: u64) -> Floor {
        Floor::new(Some(Bytes::mib(mib)))
    }

    #[test]
    fn below_the_floor_twice_in_a_row_is_a_reason() {
        assert_eq!(looks(&mut floor(1024), &[(1024, 500)]), (false, false), "at it");
        assert_eq!(looks(&mut floor(1024), &[(1023, 500)]), (true, false));
        assert_eq!(looks(&mut floor(1024), &[(1023, 500), (1000, 500)]), (true, true));
        assert_eq!(looks(&mut floor(1024), &[(1023, 500), (1025, 500), (9, 500)]), (true, false));
        assert_eq!(looks(&mut Floor::new(None), &[(1, 500), (1, 500)]), (false, false));
        let mut floor = floor(1024);
        assert_eq!(looks(&mut floor, &[(1023, 500)]), (true, false));
        floor.observe(&Sample { available: None, ..seen(0, 500) }, at(100));
        assert_eq!(looks(&mut floor, &[(1023, 500)]), (true, false), "nothing was known between");
    }

    #[test]
    fn whose_end_would_not_help_is_left_alone() {
        assert_eq!(looks(&mut floor(1024), &[(0, 63), (0, 63)]), (false, false));
        assert_eq!(looks(&mut floor(1024), &[(0, 64), (0, 64)]), (true, true));
        assert_eq!(
            looks(&mut floor(1024), &[(512, 32), (512, 32)]),
            (true, true),
            "less is missing"
        );
        assert_eq!(looks(&mut floor(1024), &[(1023, 15), (1023, 15)]), (false, false));
        assert_eq!(looks(&mut floor(1024), &[(1023, 16), (1023, 16)]), (true, true));
        let swapped = Sample { swap: Bytes::mib(900), ..seen(0, 63) };
        let mut floor = floor(1024);
        floor.observe(&swapped, at(0));
        assert_eq!(floor.judge(&swapped), None, "what is in swap makes no room");
    }

    #[test]
    fn who_stands_back_is_left_alone_until_it_is_its_turn() {
        let mut floor = floor(1024);
        assert!(!floor.stand_back(true));
        assert_eq!(looks(&mut floor, &[(1, 500), (1, 500)]), (false, false));
        assert_eq!(floor.wait(), Some(Duration::from_millis(500)));
        assert!(floor.stand_back(false), "a look at once");
        assert_eq!(looks(&mut floor, &[(1, 500)]), (true, false), "and it is seen twice");
        let mut far = self::floor(1024);
        far.stand_back(true);
        looks(&mut far, &[(9000, 500)]);
        assert!(!far.stand_back(false));
    }

    #[test]
    fn half_of_it_gone_ends_the_grace_period() {
        let floor = floor(1024);
        assert_eq!(floor.is_half_gone(&seen(512, 0)), None);
        let gone = KillReason::HostMemory { available: Bytes::mib(511), line: Bytes::mib(512) };
        assert_eq!(floor.is_half_gone(&seen(511, 0)), Some(gone));
        assert_eq!(Floor::new(None).is_half_gone(&seen(0, 0)), None);
        assert_eq!(floor.is_half_gone(&Sample::default()), None);
    }

    #[test]
    fn looks_come_closer_near_the_floor() {
        let wait = |available: &[u64]| {
            let mut floor = floor(1024);
            for (number, mib) in (0..).zip(available) {
                floor.observe(&seen(*mib, 0), at(number * 1000));
            }
            u64::try_from(floor.wait().unwrap().as_millis()).unwrap()
        };
        assert_eq!(wait(&[]), 1000);
        assert_eq!(wait(&[20_000]), 1000);
        assert_eq!(wait(&[2048]), 1000, "a second of 1 GiB/s");
        assert_eq!(wait(&[1536]), 500);
        assert_eq!(wait(&[1030]), 50);
        assert_eq!(wait(&[10]), 50);
        assert_eq!(wait(&[5120, 3072]), 250, "2 GiB/s were seen, and there are 2 GiB");
        assert_eq!(wait(&[5120, 3072, 5120, 5120]), 653, "which is forgotten");
        assert_eq!(Floor::new(None).wait(), None);
    }
}
