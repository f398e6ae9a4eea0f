//! Signals: children that did something, and everything else passed on to the command.

use super::Guardian;
use crate::event::{Command, Event};
use crate::sys::process::{Change, next_change, send};
use crate::sys::signals::{Signal, asks_to_end};
use nix::libc::{SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH};
use std::time::Duration;

/// An exec takes a few milliseconds; a machine may be busy.
const START_PATIENCE: Duration = Duration::from_millis(500);

impl Guardian {
    pub(super) fn take_signals(&mut self) {
        while let Some(signal) = self.signals.take() {
            match signal.number {
                SIGCHLD => self.reap(),
                SIGCONT => self.continued(),
                // It leaves the terminal and stops; then we follow.
                SIGTSTP | SIGTTIN | SIGTTOU if self.has_dashboard() => self.tell_dashboard(SIGTSTP),
                SIGTSTP if self.publisher.had_dashboard() => self.suspend_all(),
                number @ (SIGTSTP | SIGTTIN | SIGTTOU) => {
                    // What the terminal does to us for reading it is nothing that the command did.
                    let number = if signal.by_kernel { SIGTSTP } else { number };
                    self.foreground.asked_to_stop(number, signal.by_kernel);
                    self.pass_on(Signal { number, ..signal });
                }
                // Our terminal's size, and the command has a terminal of its own.
                SIGWINCH if signal.by_kernel && self.publisher.had_dashboard() => {
                    self.fit_terminal()
                }
                number if self.caller.ignores(number) => {}
                _ => self.forward(signal),
            }
        }
        self.foreground.settled();
    }

    /// To the command's group while it lives; what is left behind by it is ended by the signals that end. A command that does not run yet
    /// finds them waiting; where it does not come to that (its cgroup is frozen, the file system does not answer), it is ended.
    fn forward(&mut self, signal: Signal) {
        let (now, ends) = (self.clock.now(), asks_to_end(signal.number));
        let Some(guard) = self.guards.first_mut() else { return };
        let (alive, starting) = (guard.workload.child_alive(), guard.starting.is_some());
        if alive && starting {
            // Gone meanwhile: its end is reported soon.
            let _ = send(guard.child_pid, signal.number);
            if ends {
                guard.end_at.get_or_insert(now + START_PATIENCE);
            }
        } else if alive {
            self.pass_on(signal);
        } else if ends {
            self.foreground.ended_by(signal.number);
            for index in 0..self.guards.len() {
                self.deliver(index, Event::Operator(Command::Terminate));
            }
        }
    }

    pub(super) fn tell_dashboard(&self, signal: i32) {
        if let Some(pid) = self.publisher.dashboard_pid() {
            // Gone meanwhile: its end is reported soon.
            let _ = send(pid, signal);
        }
    }

    fn pass_on(&mut self, signal: Signal) {
        if self.foreground.is_shared() && signal.by_kernel {
            // The terminal sent it to our whole group.
            return;
        }
        for guard in self.guards.iter().filter(|guard| guard.workload.child_alive()) {
            // Gone meanwhile: its end is reported soon.
            let _ = self.foreground.send(guard.child_pid, signal.number);
        }
    }

    /// Takes note of all children that did something. The command's are ours by birth, its orphans as subreaper.
    pub(super) fn reap(&mut self) {
        while let Some((pid, change, spent)) = next_change() {
            if matches!(change, Change::Ended(_))
                && !self.guards.iter().any(|guard| guard.workload.leaves_out(pid))
            {
                self.publisher.ended.add(&spent);
            }
            let guard = self.guards.iter().position(|guard| guard.child_pid == pid);
            match (guard, change) {
                (Some(index), Change::Ended(status)) => {
                    self.guards[index].workload.child_reaped();
                    // What it said last is why it ended.
                    self.look_at_start();
                    if self.not_started.is_some() {
                        return;
                    }
                    self.check_empty(index);
                    self.deliver(index, Event::ChildExited(status.into()));
                }
                (Some(index), Change::Stopped(signal)) => self.child_stopped(index, signal),
                (None, Change::Ended(status)) => self.other_child_ended(pid, status.into()),
                (None, Change::Stopped(SIGTSTP)) if self.publisher.dashboard_pid() == Some(pid) => {
                    self.dashboard_stopped();
                }
                (Some(_), Change::Continued) | (None, Change::Stopped(_) | Change::Continued) => {}
            }
        }
        for index in 0..self.guards.len() {
            self.check_empty_without_events(index);
        }
    }
}
