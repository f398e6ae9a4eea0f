//! Signals: children that did something, and everything else passed on to the command.

use super::Host;
use crate::event::{Command, Ending, Event};
use crate::report::words::signal_name;
use crate::status::Level;
use crate::sys::process::{ChildChange, has_stopped, next_change, send};
use crate::sys::signals::{Signal, asks_to_end};
use crate::ward::{Ward, WardId};
use nix::libc::{EPERM, SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH};
use std::time::Duration;

/// An exec takes a few milliseconds; a machine may be busy.
const START_PATIENCE: Duration = Duration::from_millis(500);

impl Host {
    pub(super) fn take_signals(&mut self) {
        while let Some(signal) = self.signals.take() {
            match signal.number {
                SIGCHLD => self.reap(),
                SIGCONT => self.continued(),
                // It leaves the terminal and stops; then we follow.
                SIGTSTP | SIGTTIN | SIGTTOU if self.has_dashboard() => self.tell_dashboard(SIGTSTP),
                SIGTSTP if self.attendants.had_dashboard() => self.suspend_all(),
                number @ (SIGTSTP | SIGTTIN | SIGTTOU) => {
                    // What the terminal does to us for reading it is nothing that the command did.
                    let number = if signal.by_kernel { SIGTSTP } else { number };
                    self.foreground.asked_to_stop(number, signal.by_kernel);
                    self.pass_on(Signal { number, ..signal });
                }
                // Our terminal's size, and the command has a terminal of its own.
                SIGWINCH if signal.by_kernel && self.attendants.had_dashboard() => {
                    self.fit_terminal()
                }
                number if self.caller.ignores(number) => {}
                _ => self.forward(signal),
            }
        }
    }

    /// To the command's group while it lives; what is left behind by it is ended by the signals that end. A command that does not run yet
    /// finds them waiting; where it does not come to that (its cgroup is frozen, the file system does not answer), it is ended.
    fn forward(&mut self, signal: Signal) {
        let ends = asks_to_end(signal.number);
        if let Some(visit) = &mut self.visit {
            visit.released |= ends;
            return;
        }
        let alive = self.wards.iter().any(|ward| ward.child_pid().is_some());
        let Some(starting) = self.wards.iter_mut().find(|ward| ward.starting().is_some()) else {
            if alive {
                self.pass_on(signal);
            } else if ends {
                self.foreground.ended_by(signal.number);
                let end = Event::Operator(Command::Terminate);
                self.wards.iter_mut().for_each(|ward| ward.handle(end));
            }
            return;
        };
        if let Some(pid) = starting.child_pid() {
            // Gone meanwhile: its end is reported soon.
            let _ = send(pid, signal.number);
            if ends {
                starting.end_unless_started(START_PATIENCE);
            }
        }
    }

    pub(super) fn tell_dashboard(&self, signal: i32) {
        if let Some(pid) = self.attendants.dashboard_pid() {
            // Gone meanwhile: its end is reported soon.
            let _ = send(pid, signal);
        }
    }

    fn pass_on(&mut self, signal: Signal) {
        if self.foreground.is_shared() && signal.by_kernel {
            // The terminal sent it to our whole group.
            return;
        }
        let mut refused = None;
        for pid in self.wards.iter().filter_map(Ward::child_pid) {
            // Gone meanwhile: its end is reported soon. Who runs as another user by now hears nothing of us.
            let sent = self.foreground.send(pid, signal.number);
            refused = sent.err().filter(|error| error.raw_os_error() == Some(EPERM)).or(refused);
            // Who is stopped hears it when it goes on, and nobody else may come to let it. SIGCHLD has the higher number: it is read last.
            let stopped = || self.foreground.command_is_stopped || has_stopped(pid);
            if asks_to_end(signal.number) && stopped() {
                let _ = self.foreground.send(pid, SIGCONT);
            }
        }
        if let Some(error) = refused {
            let name = signal_name(signal.number);
            self.say(Level::Error, format!("cannot pass {name} on to the command: {error}"));
        }
    }

    /// Takes note of all children that did something. The command's are ours by birth, its orphans as subreaper.
    pub(super) fn reap(&mut self) {
        while let Some((pid, change, spent)) = next_change() {
            let theirs = self.wards.iter_mut().find(|ward| !ward.workload.leaves_out(pid));
            if let (Some(ward), ChildChange::Ended(_)) = (theirs, change) {
                ward.add_ended(&spent);
            }
            let ward = self.wards.of_child(pid).map(|ward| ward.id());
            match (ward, change) {
                (Some(id), ChildChange::Ended(status)) => self.command_ended(id, status.into()),
                (Some(id), ChildChange::Stopped(signal)) => self.child_stopped(id, signal),
                (None, ChildChange::Ended(status)) => self.other_child_ended(pid, status.into()),
                (None, ChildChange::Stopped(SIGTSTP))
                    if self.attendants.dashboard_pid() == Some(pid) =>
                {
                    self.dashboard_stopped();
                }
                (Some(_), ChildChange::Continued) => self.foreground.command_is_stopped = false,
                (None, ChildChange::Stopped(_) | ChildChange::Continued) => {}
            }
            if self.not_started.is_some() {
                return;
            }
        }
        self.each_ward(Host::check_empty_without_events);
    }

    fn command_ended(&mut self, id: WardId, ending: Ending) {
        let Some(ward) = self.wards.get_mut(id) else { return };
        ward.workload.child_reaped();
        // What it said last is why it ended.
        self.look_at_start();
        if self.not_started.is_some() {
            return;
        }
        self.check_empty(id);
        if let Some(ward) = self.wards.get_mut(id) {
            ward.handle(Event::ChildExited(ending));
        }
    }
}
