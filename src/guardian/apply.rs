//! Does what the policy says, in its order; words come after deeds.

use super::Guardian;
use crate::clock::Timestamp;
use crate::event::{Action, Deed, DeedResult, Event, InForce, Notice};
use crate::lines::Lines;
use crate::report::post_mortem::Milestone;
use crate::report::words;
use crate::status::Level;
use crate::sys::memory::PageFaults;
use crate::units::Limit;
use crate::workload::Reached;
use crate::workload::signalling::STEP;
use anyhow::{Context as _, anyhow};
use std::io;
use std::time::Duration;

const SIGNAL: &str = "signal every process";
/// We may have been stopped in between.
const LONGEST_STEP: Duration = Duration::from_millis(200);

impl Guardian {
    /// Hands an event to a policy and does what it says.
    pub(super) fn deliver(&mut self, index: usize, event: Event) {
        let (now, before) = (self.clock.now(), PageFaults::now());
        let lines = *self.guards[index].policy.lines();
        let actions = self.guards[index].policy.handle(event, now);
        if lines != *self.guards[index].policy.lines() {
            self.evidence.lines_moved(now, &lines);
        }
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
            Action::SetPids(limit) => self.limit_pids(index, limit),
            Action::Signal(one) => self.signal_one(index, one),
            Action::Freeze => self.freeze(index, true),
            Action::Thaw => self.freeze(index, false),
            Action::Terminate => self.terminate(index, decided),
            Action::Kill => self.kill(index, decided),
            Action::Tell(notice) => self.tell(index, &notice),
            Action::Finish(outcome) => {
                let guard = &mut self.guards[index];
                guard.outcome = Some(outcome);
                guard.ended_at = Some(self.clock.now());
            }
        }
    }

    fn set_trip_wire(&mut self, index: usize, limit: Limit) {
        if let Some(current) = self.guards[index].workload.give_up_lines() {
            self.lines_done(index, DeedResult::InUse(current));
        }
        let workload = &mut self.guards[index].workload;
        let Some(result) = workload.set_trip_wire(limit) else { return };
        let high = workload.in_force().map(|lines| lines.high);
        if let DeedResult::Failed(errno) = result {
            self.note_failure(index, "move memory.high", &Err(cause(errno)));
        }
        let high = high.unwrap_or(self.guards[index].policy.trip_wire());
        self.deliver(index, Event::Done(Deed::TripWire(high), result));
    }

    fn set_lines(&mut self, index: usize, lines: &Lines) {
        match self.guards[index].workload.set_lines(lines) {
            Some(result) => self.lines_done(index, result),
            None => self.lines_are_compared_only(index, lines),
        }
    }

    /// What came of new lines, or comes of them now.
    pub(super) fn lines_done(&mut self, index: usize, result: DeedResult) {
        self.guards[index].lines_result = result;
        if let DeedResult::Failed(errno) = result {
            let error = cause(errno);
            self.say(Level::Error, format!("the new limit is not in force: {error}"));
        }
        // Where they cannot be read, the cgroup is gone.
        let Some(in_force) = self.guards[index].workload.in_force() else { return };
        self.deliver(index, Event::Done(Deed::Lines(in_force), result));
    }

    /// No kernel enforces them in this tier.
    fn lines_are_compared_only(&mut self, index: usize, lines: &Lines) {
        let (high, max) = (Limit::At(lines.limit.0), Limit::At(lines.ceiling.0));
        self.guards[index].lines_result = DeedResult::Done;
        let deed = Deed::Lines(InForce { high, max });
        self.deliver(index, Event::Done(deed, DeedResult::Done));
    }

    /// The policy hears what came of a deed; whoever asked for it, if it failed, why.
    pub(super) fn done(&mut self, index: usize, deed: Deed, result: &anyhow::Result<()>) {
        let came = match result {
            Ok(()) => DeedResult::Done,
            Err(error) => {
                self.guards[index].deed_error = Some(format!("{error:#}"));
                let cause = error.root_cause().downcast_ref::<io::Error>();
                DeedResult::Failed(cause.and_then(io::Error::raw_os_error).unwrap_or(0))
            }
        };
        self.deliver(index, Event::Done(deed, came));
    }

    fn limit_pids(&mut self, index: usize, limit: Limit) {
        let cgroup = self.guards[index].workload.cgroup();
        let result = match cgroup.filter(|cgroup| cgroup.has("pids.max")) {
            Some(cgroup) => crate::cgroup::limits::set_pids(cgroup, limit),
            None => Err(anyhow!("there is no pids controller for the workload in this tier")),
        };
        if result.is_ok() {
            self.config.pids.0 = limit;
        }
        self.done(index, Deed::Pids(limit), &result);
    }

    pub(super) fn freeze(&mut self, index: usize, frozen: bool) {
        let (deed, what) = if frozen { (Deed::Freeze, "freeze") } else { (Deed::Thaw, "thaw") };
        let result = self.guards[index].workload.freeze(frozen);
        self.note_failure(index, what, &result);
        let result = result.with_context(|| format!("{what} every process"));
        self.done(index, deed, &result);
    }

    fn terminate(&mut self, index: usize, decided: Timestamp) {
        let (signal, mode) = (self.config.term_signal, self.config.kill_mode);
        let guard = &mut self.guards[index];
        let mut reached = guard.workload.terminate(signal, mode);
        if guard.starting.is_some() {
            // The command has not run, so no handler of it waits for a grace; and what is frozen hears SIGKILL alone.
            reached = guard.workload.kill();
        }
        guard.term.get_or_insert((decided, *guard.policy.last()));
        self.signalled(index, Deed::Terminate, SIGNAL, reached);
    }

    /// What came of a signal: the policy is told of the command, people of the others.
    fn signalled(&mut self, index: usize, deed: Deed, what: &'static str, reached: Reached) {
        let Reached { command, all } = reached;
        let came = match &command {
            Ok(()) => {
                self.note_failure(index, what, &all);
                DeedResult::Done
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                let signal = words::signal_name(self.config.term_signal);
                let text = words::refused(deed == Deed::Kill, errno, &signal);
                self.guards[index].deed_error = Some(text);
                DeedResult::Failed(errno)
            }
        };
        self.deliver(index, Event::Done(deed, came));
    }

    /// Signals further processes, where there are many. Called once a turn of the loop, with looks in between; for as long as
    /// those took, which where memory is summed is longer the more processes there are.
    pub(super) fn go_on_signalling(&mut self) {
        for index in 0..self.guards.len() {
            if !self.guards[index].workload.is_signalling() {
                continue;
            }
            let elsewhere = self.clock.now().since(self.guards[index].signalled_at);
            let result = self.guards[index].workload.go_on(elsewhere.clamp(STEP, LONGEST_STEP));
            self.note_failure(index, SIGNAL, &result);
            self.guards[index].signalled_at = self.clock.now();
        }
    }

    pub(super) fn is_signalling(&self) -> bool {
        self.guards.iter().any(|guard| guard.workload.is_signalling())
    }

    fn kill(&mut self, index: usize, decided: Timestamp) {
        let guard = &mut self.guards[index];
        let reached = guard.workload.kill();
        guard.kill.get_or_insert((decided, *guard.policy.last()));
        self.signalled(index, Deed::Kill, "kill every process at once", reached);
    }

    /// Words come after deeds: a signal that was refused is told as that, and not as sent.
    fn tell(&mut self, index: usize, notice: &Notice) {
        let policy = &self.guards[index].policy;
        let refused = (matches!(notice, Notice::Terminating { .. }) && policy.was_refused(false))
            || (matches!(notice, Notice::Killing { .. }) && policy.was_refused(true));
        if refused {
            return;
        }
        let signal = words::signal_name(self.config.term_signal);
        let (level, text) = words::notice(notice, &signal);
        self.say_as(milestone(notice), level, text);
    }

    /// A deed that failed is told once; the policy goes on by what it sees.
    pub(super) fn note_failure(
        &mut self,
        index: usize,
        what: &'static str,
        result: &io::Result<()>,
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

/// An errno in words.
pub(super) fn cause(errno: i32) -> io::Error {
    match errno {
        0 => io::Error::other("the kernel says something else than was written"),
        errno => io::Error::from_raw_os_error(errno),
    }
}

fn milestone(notice: &Notice) -> Milestone {
    match notice {
        Notice::NearLimit { .. } | Notice::NearInTime { .. } => Milestone::Warned,
        Notice::Terminating { .. } => Milestone::Term,
        Notice::Killing { .. } => Milestone::Kill,
        Notice::WouldTerminate { .. }
        | Notice::StillThere { .. }
        | Notice::SignalRefused { .. }
        | Notice::KernelOom { .. }
        | Notice::PidsMax { .. }
        | Notice::Leftover { .. }
        | Notice::Frozen
        | Notice::Thawed
        | Notice::NewLines(_)
        | Notice::NewGrace(_)
        | Notice::NewPids(_)
        | Notice::Signalled(_) => Milestone::Told,
    }
}
