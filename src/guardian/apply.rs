//! Does what the policy says, in its order; words come after deeds.

use super::Guardian;
use crate::clock::Timestamp;
use crate::event::{Action, Event, Notice};
use crate::policy::lines::Lines;
use crate::report::post_mortem::Milestone;
use crate::report::words;
use crate::status::{Level, Tier};
use crate::sys::memory::PageFaults;
use crate::units::Limit;
use std::io;

impl Guardian {
    /// Hands an event to a policy and does what it says.
    pub(super) fn deliver(&mut self, index: usize, event: Event) {
        let (now, before) = (self.clock.now(), PageFaults::now());
        let actions = self.guards[index].policy.handle(event, now);
        if let Some(recording) = &mut self.recording {
            recording.keep(now, event, &actions);
        }
        self.keep_look(index, &event, &actions, now);
        for action in &actions {
            self.apply(index, *action, now);
            if matches!(action, Action::Terminate | Action::Kill) {
                self.guards[index].page_faults.add_since(before);
            }
        }
        self.note(&event, &actions, now);
    }

    fn apply(&mut self, index: usize, action: Action, decided: Timestamp) {
        match action {
            Action::Look => self.look(index),
            Action::SetTripWire(limit) => self.set_trip_wire(index, limit),
            Action::SetLines(lines) => self.set_lines(index, &lines),
            Action::Freeze => self.freeze(index, true),
            Action::Thaw => self.freeze(index, false),
            Action::Terminate => self.terminate(index, decided),
            Action::Kill => self.kill(index, decided),
            Action::Tell(notice) => self.tell(&notice),
            Action::Finish(outcome) => {
                let guard = &mut self.guards[index];
                guard.outcome = Some(outcome);
                guard.ended_at = Some(self.clock.now());
            }
        }
    }

    fn set_trip_wire(&mut self, index: usize, limit: Limit) {
        let result = self.guards[index].workload.set_trip_wire(limit);
        self.note_failure(index, "move memory.high", result);
    }

    fn set_lines(&mut self, index: usize, lines: &Lines) {
        let workload = &self.guards[index].workload;
        let result = match workload.cgroup().filter(|_| workload.tier() == Tier::Kernel) {
            Some(cgroup) => crate::cgroup::limits::set_lines(cgroup, lines),
            None => Ok(()),
        };
        if let Err(error) = result {
            self.say(Level::Error, format!("the new limit is not in force: {error:#}"));
        }
    }

    pub(super) fn freeze(&mut self, index: usize, frozen: bool) {
        let result = self.guards[index].workload.freeze(frozen);
        self.note_failure(index, if frozen { "freeze" } else { "thaw" }, result);
    }

    fn terminate(&mut self, index: usize, decided: Timestamp) {
        let (signal, mode) = (self.config.term_signal, self.config.kill_mode);
        let guard = &mut self.guards[index];
        let result = guard.workload.terminate(signal, mode);
        guard.term.get_or_insert((decided, *guard.policy.last()));
        self.note_failure(index, "signal every process", result);
    }

    fn kill(&mut self, index: usize, decided: Timestamp) {
        let guard = &mut self.guards[index];
        let result = guard.workload.kill();
        guard.kill.get_or_insert((decided, *guard.policy.last()));
        self.note_failure(index, "kill every process at once", result);
    }

    fn tell(&mut self, notice: &Notice) {
        let signal = words::signal_name(self.config.term_signal);
        let (level, text) = words::notice(notice, &signal);
        self.say_as(milestone(notice), level, text);
    }

    /// A deed that failed is told once; the policy goes on by what it sees.
    pub(super) fn note_failure(
        &mut self,
        index: usize,
        what: &'static str,
        result: io::Result<()>,
    ) {
        let Err(error) = result else { return };
        let told = &mut self.guards[index].told_failures;
        if error.raw_os_error() == Some(nix::libc::ENODEV) || told.contains(&what) {
            return;
        }
        told.push(what);
        self.say(Level::Error, format!("failed to {what}: {error}"));
    }
}

fn milestone(notice: &Notice) -> Milestone {
    match notice {
        Notice::NearLimit { .. } | Notice::NearInTime { .. } => Milestone::Warned,
        Notice::Terminating { .. } => Milestone::Term,
        Notice::Killing { .. } => Milestone::Kill,
        Notice::WouldTerminate { .. }
        | Notice::StillThere { .. }
        | Notice::KernelOom { .. }
        | Notice::PidsMax { .. }
        | Notice::Leftover { .. }
        | Notice::Frozen
        | Notice::Thawed
        | Notice::NewLines(_)
        | Notice::NewGrace(_) => Milestone::Told,
    }
}
