//! Single processes that are ended while the rest of the workload lives: weighed, signalled by themselves or with all that descend from
//! them, and looked after until they are gone. A number that went to somebody else meanwhile is not hit: who is meant is known by when it
//! started too. Room is made before anybody is to be ended.

use super::Workload;
use super::members::Members;
use super::process_sampler::ProcessSampler;
use crate::clock::Clock;
use crate::event::{Crowd, PROCESSES_AT_ONCE, ProcessEnd, ProcessId, Weight};
use crate::units::Bytes;
use nix::libc::{SIGCONT, SIGKILL};
use std::io;

/// Of one with its descendants, so many have the signal; more are ended when those are gone.
const ROOM: usize = 256;

/// One that is being ended, the first of these, and those who are ended with it.
#[derive(Debug)]
struct SingleEnd {
    all: Vec<ProcessId>,
}

/// Those that are being ended.
#[derive(Debug, Default)]
pub(super) struct SingleEnds {
    going: Vec<SingleEnd>,
    /// Room for others.
    free: Vec<SingleEnd>,
}

impl SingleEnds {
    fn make_room(&mut self) {
        let missing = PROCESSES_AT_ONCE.saturating_sub(self.going.len() + self.free.len());
        self.free.extend((0..missing).map(|_| SingleEnd { all: Vec::with_capacity(ROOM) }));
        self.going.reserve(PROCESSES_AT_ONCE);
    }

    /// Whether single processes may have to be ended.
    pub(super) fn is_ready(&self) -> bool {
        !self.free.is_empty()
    }

    fn has(&self, id: ProcessId) -> bool {
        self.going.iter().any(|one| one.all.contains(&id))
    }

    fn place_of(&self, id: ProcessId) -> Option<usize> {
        self.going.iter().position(|one| one.all.first() == Some(&id))
    }

    /// Takes those out of whom nobody is left, as many as there are places for.
    fn take_gone(&mut self, processes: &ProcessSampler, gone: &mut [Option<ProcessId>]) {
        for place in gone {
            let is_over = |one: &SingleEnd| !one.all.iter().any(|id| processes.has(*id));
            let Some(at) = self.going.iter().position(is_over) else { return };
            *place = self.going[at].all.first().copied();
            self.take_out(at);
        }
    }

    /// It is looked after no more, and its room is there for another.
    fn take_out(&mut self, at: usize) {
        let mut one = self.going.swap_remove(at);
        one.all.clear();
        self.free.push(one);
    }
}

impl Workload {
    /// Single processes may have to be ended: what that takes is made ready.
    pub fn watch_processes(&mut self) {
        self.single_ends.make_room();
        self.by_process.prepare();
    }

    /// What single processes hold. Where looks go from process to process, by the last of them.
    pub fn weigh(&mut self) -> Crowd {
        let clock = Clock::start();
        if self.by_cgroup.is_some() || self.machine.is_some() {
            self.by_process.measure(self.members.refresh());
            self.restock();
        }
        let command = self.command_of();
        let mut crowd = Crowd::default();
        let Workload { single_ends, by_process, machine, .. } = self;
        single_ends.take_gone(by_process, &mut crowd.gone);
        if let Some(machine) = machine {
            machine.choose(by_process, |id| single_ends.has(id), &mut crowd.largest);
            crowd.cost = clock.now().0;
            return crowd;
        }
        let others = by_process.weights().filter(|weight| !single_ends.has(weight.id));
        let [by_size @ .., by_own, next] = &mut crowd.largest;
        let mut own = [None; 2];
        for weight in others {
            let weight = Weight { is_command: Some(weight.id.pid) == command, ..weight };
            enter(by_size, weight, |it| it.size);
            if !weight.is_command {
                enter(&mut own, weight, |it| it.own);
            }
        }
        [*by_own, *next] = own;
        crowd.cost = clock.now().0;
        crowd
    }

    /// The process without which there is nothing left to guard: ours, or of what others started the eldest.
    fn command_of(&self) -> Option<i32> {
        let child = self.child.as_ref().map(|(pid, _)| *pid);
        let eldest = || {
            let ids = self.by_process.weights().map(|weight| weight.id);
            ids.min_by_key(|id| (id.started, id.pid)).map(|id| id.pid)
        };
        match self.is_foreign() {
            _ if self.is_machine() => None,
            true => eldest(),
            false => child,
        }
    }

    /// Sends one process, and those who descend from it where that is wanted, the polite signal or SIGKILL.
    ///
    /// # Errors
    /// EPERM where the process became another user's. That it is gone is none.
    pub fn end_process(&mut self, end: ProcessEnd, signal: i32) -> io::Result<()> {
        let command = self.command_of();
        let Workload { single_ends, by_process, members, .. } = self;
        let at = single_ends.place_of(end.id).unwrap_or_else(|| {
            let mut one = single_ends.free.pop().unwrap_or_else(|| SingleEnd { all: Vec::new() });
            one.all.push(end.id);
            single_ends.going.push(one);
            single_ends.going.len() - 1
        });
        let one = &mut single_ends.going[at];
        if end.with_descendants {
            by_process.add_descendants(&mut one.all, ROOM, command);
        }
        let signals: &[i32] = if end.kill { &[SIGKILL] } else { &[signal, SIGCONT] };
        let result = send_to_each(&one.all, members, signals);
        self.restock();
        if result.is_err()
            && let Some(at) = self.single_ends.place_of(end.id)
        {
            self.single_ends.take_out(at);
        }
        result
    }
}

/// What kept the first of them from having the signal counts; the others have it all the same.
fn send_to_each(all: &[ProcessId], members: &mut Members, signals: &[i32]) -> io::Result<()> {
    let mut results = all.iter().map(|id| members.send_to_one(*id, signals).map(drop));
    let first = results.next().unwrap_or(Ok(()));
    results.for_each(drop);
    first
}

/// Puts one among the largest, in order.
fn enter(largest: &mut [Option<Weight>], mut weight: Weight, by: fn(&Weight) -> Bytes) {
    for place in largest {
        match place {
            Some(there) if by(there) >= by(&weight) => {}
            Some(there) => std::mem::swap(there, &mut weight),
            None => {
                *place = Some(weight);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_in_order() {
        let weight = |pid: i32, mib| Weight {
            id: ProcessId { pid, started: 1 },
            size: Bytes::mib(mib),
            own: Bytes::mib(mib),
            is_command: false,
        };
        let mut largest = [None; 4];
        for (pid, mib) in [(1, 5), (2, 50), (3, 1), (4, 20), (5, 30), (6, 2)] {
            enter(&mut largest, weight(pid, mib), |it| it.size);
        }
        let pids: Vec<i32> = largest.iter().flatten().map(|it| it.id.pid).collect();
        assert_eq!(pids, [2, 5, 4, 1]);
    }

    #[test]
    fn who_has_another_start_is_somebody_else() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut sampler = ProcessSampler::new();
        sampler.measure(&[own]);
        let id = sampler.weights().next().unwrap().id;
        assert!(sampler.has(id) && !sampler.has(ProcessId { started: id.started + 1, ..id }));
        let mut members = Members::new(super::super::members::Source::Descendants).unwrap();
        let later = ProcessId { started: id.started + 1, ..id };
        assert!(!members.send_to_one(later, &[0]).unwrap());
    }
}
