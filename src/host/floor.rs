//! The machine's floor: what tells of it opened and looked at before anything is guarded, and of several workloads the one that goes first.

use super::Host;
use crate::cgroup::available::Available;
use crate::cgroup::hierarchy::OuterLimit;
use crate::clock::Timestamp;
use crate::config::WardRules;
use crate::lines::Lines;
use crate::units::{Bytes, MIB, Size};
use crate::ward::{MachineFloor, Ward, WardId};
use anyhow::{Result, bail};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// What was freed is seen, and what is still too much, before another workload is ended.
const REST: Duration = Duration::from_secs(2);
/// Who does not go in this time is in nobody's way: its memory may never come back.
const PATIENCE: Duration = Duration::from_secs(30);
/// Another takes the place of the largest when it is larger by this part.
const PART: u64 = 8;

/// The floor that was asked for, in a place between these cgroups, of which the least allows so much.
///
/// # Errors
/// When less than that is left now, or nothing tells what is. In a dry run that is a line.
pub(super) fn find<'a>(
    rules: &WardRules,
    around: impl Iterator<Item = &'a Path>,
    whole: &OuterLimit,
) -> Result<(Option<MachineFloor>, Option<String>)> {
    let Some(asked) = rules.min_available else { return Ok((None, None)) };
    let floor =
        MachineFloor { line: asked.of(whole.bytes), available: Rc::new(Available::open(around)) };
    let left = floor.available.look(true, Timestamp::default());
    match why_not(asked, floor.line, left) {
        None => Ok((Some(floor), None)),
        Some(why) if rules.dry_run => {
            Ok((Some(floor), Some(format!("without --dry-run this run would be refused: {why}"))))
        }
        Some(why) => bail!(why),
    }
}

/// Where others have a part in the container that is read, they may take what its limit leaves, and the kernel would end anybody then:
/// as much is to be left of it as is between the lines, or half of what there is.
pub(super) fn beside_others<'a>(
    lines: &Lines,
    around: impl Iterator<Item = &'a Path>,
) -> Option<MachineFloor> {
    let available = Rc::new(Available::open(around));
    let left = available.look(true, Timestamp::default())?;
    let line = lines.ceiling.saturating_sub(lines.limit).min(Bytes(left.0 / 2));
    Some(MachineFloor { line, available })
}

fn why_not(asked: Size, line: Bytes, left: Option<Bytes>) -> Option<String> {
    let asked = match asked {
        Size::Absolute(size) => format!("--min-available {size}"),
        Size::Share(share) => format!("--min-available {share} ({line})"),
    };
    let Some(left) = left else {
        return Some(format!(
            "{asked} cannot be put in force: /proc/meminfo of the kernel is not readable here, and no cgroup around has a limit; leave it out"
        ));
    };
    let most = Bytes(left.0 - left.0 / 16).0 / MIB;
    (line > left).then(|| {
        format!(
            "{asked} is above the {left} that are available now; --min-available {most}M would do"
        )
    })
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// The largest, when that was last asked.
    largest: Option<WardId>,
    /// So many were being ended then.
    going: usize,
    /// Until when nobody else is.
    rests_until: Timestamp,
}

/// One of several workloads.
#[derive(Clone, Copy, Debug)]
struct Holder {
    id: WardId,
    /// What it holds of the machine's memory.
    held: Bytes,
    /// Being ended, whatever for, and not gone.
    goes: bool,
}

impl Turn {
    /// The one that may be ended now for the machine's sake: the largest, and while one goes, and for a moment after that, nobody.
    fn choose(
        &mut self,
        all: impl Iterator<Item = Holder> + Clone,
        now: Timestamp,
    ) -> Option<WardId> {
        let going = all.clone().filter(|it| it.goes).count();
        match (self.going, going) {
            (before, now_going) if now_going > before => self.rests_until = now + PATIENCE,
            (1.., 0) => self.rests_until = now + REST,
            _ => {}
        }
        self.going = going;
        let open = all.filter(|it| !it.goes);
        let largest = open.clone().max_by_key(|it| it.held)?;
        let before = open.clone().find(|it| Some(it.id) == self.largest);
        let stays =
            before.filter(|it| largest.held <= it.held.saturating_add(Bytes(it.held.0 / PART)));
        self.largest = Some(stays.unwrap_or(largest).id);
        self.largest.filter(|_| now >= self.rests_until)
    }
}

impl Host {
    /// Of several workloads the largest alone is ended for the machine's sake; then the others rest until that is gone.
    pub(super) fn take_turns(&mut self) {
        if self.visit.as_ref().is_none_or(|visit| visit.floor.is_none()) {
            return;
        }
        let all = self.wards.iter().filter(|ward| ward.has_floor() && !ward.has_ended());
        let holder = |ward: &Ward| Holder {
            id: ward.id(),
            held: ward.policy().last().resident(),
            goes: ward.is_being_ended(),
        };
        let chosen = self.turn.choose(all.map(holder), self.clock.now());
        self.wards.iter_mut().for_each(|ward| ward.stand_back(chosen != Some(ward.id())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Whose turn it is among these, of so many MiB, of whom those go.
    fn chosen(turn: &mut Turn, ms: u64, all: &[(u32, u64)], goes: &[u32]) -> Option<u32> {
        let holder = |(id, mib): &(u32, u64)| Holder {
            id: WardId::from_number(*id),
            held: Bytes::mib(*mib),
            goes: goes.contains(id),
        };
        turn.choose(all.iter().map(holder), at(ms)).map(WardId::to_number)
    }

    #[test]
    fn the_largest_goes_first_and_the_next_when_it_is_gone_and_that_was_seen() {
        let (mut turn, all) = (Turn::default(), [(1, 100), (2, 300), (3, 200)]);
        assert_eq!(chosen(&mut turn, 0, &all, &[]), Some(2));
        assert_eq!(chosen(&mut turn, 10, &all, &[2]), None);
        assert_eq!(chosen(&mut turn, 3000, &all, &[2]), None, "in its grace period");
        let left = [(1, 100), (3, 200)];
        assert_eq!(chosen(&mut turn, 4000, &left, &[]), None);
        assert_eq!(chosen(&mut turn, 5999, &left, &[]), None);
        assert_eq!(chosen(&mut turn, 6000, &left, &[]), Some(3));
        assert_eq!(chosen(&mut turn, 6010, &[], &[]), None);
    }

    #[test]
    fn who_does_not_go_is_not_waited_for_for_ever() {
        let (mut turn, all) = (Turn::default(), [(1, 100), (2, 300), (3, 200)]);
        assert_eq!(chosen(&mut turn, 0, &all, &[2]), None);
        assert_eq!(chosen(&mut turn, 29_999, &all, &[2]), None);
        assert_eq!(chosen(&mut turn, 30_000, &all, &[2]), Some(3));
        assert_eq!(chosen(&mut turn, 30_010, &all, &[2, 3]), None, "nor is the next one hurried");
        assert_eq!(chosen(&mut turn, 31_000, &[(1, 100), (2, 300)], &[2]), None);
        assert_eq!(chosen(&mut turn, 60_010, &[(1, 100), (2, 300)], &[2]), Some(1));
    }

    #[test]
    fn two_of_a_size_do_not_take_turns() {
        let mut turn = Turn::default();
        assert_eq!(chosen(&mut turn, 0, &[(1, 100), (2, 99)], &[]), Some(1));
        assert_eq!(chosen(&mut turn, 50, &[(1, 100), (2, 112)], &[]), Some(1));
        assert_eq!(chosen(&mut turn, 100, &[(1, 100), (2, 113)], &[]), Some(2));
        assert_eq!(chosen(&mut turn, 150, &[(1, 101), (2, 99)], &[]), Some(2));
    }

    #[test]
    fn a_floor_above_what_is_left_names_the_number_that_would_do() {
        let why = |asked, left: Option<u64>| why_not(asked, Bytes::mib(1024), left.map(Bytes::mib));
        let asked = Size::Absolute(Bytes::mib(1024));
        assert_eq!(why(asked, Some(1024)), None);
        let text = why(asked, Some(1000)).unwrap();
        assert!(text.starts_with("--min-available 1.00G is above the 1000.0M"), "{text}");
        assert!(text.ends_with("--min-available 937M would do"), "{text}");
        let text = why(Size::Share("50%".parse().unwrap()), None).unwrap();
        assert!(text.starts_with("--min-available 50% (1.00G) cannot be put in force"), "{text}");
    }
}
