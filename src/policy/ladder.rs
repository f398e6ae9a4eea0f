//! The ladder: watching -> terminating (SIGTERM, grace) -> killing (`cgroup.kill` until empty) -> ended. A machine below its floor is like a
//! breach, and one below half of that like the second line.
//!
//! | on          | breach, timeout | grace over, second line | operator terminate | operator kill | empty, command gone |
//! |-------------|-----------------|-------------------------|--------------------|---------------|---------------------|
//! | watching    | terminating     | –                       | terminating        | killing       | ended               |
//! | terminating | –               | killing                 | killing            | killing       | ended               |
//! | killing     | –               | –                       | again              | again         | ended               |

use super::{Actions, Cadence, OnExit, Policy, interval};
use crate::clock::Timestamp;
use crate::event::{Action, Cause, Ending, KillReason, Notice, Outcome, Reason, Sample};
use std::time::Duration;

/// SIGKILL is repeated this often until nothing is left: a fork may race with the first. Less often where it is refused.
const KILL_AGAIN: Duration = Duration::from_millis(100);
/// After so long people are told that something does not die (a task in uninterruptible sleep).
const KILL_STUCK: Duration = Duration::from_secs(5);

/// Where on the ladder a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Under the limit; confirming: the last look said breach and the next one decides.
    Watching {
        /// Whether the next look decides.
        confirming: bool,
    },
    /// SIGTERM was sent.
    Terminating {
        /// Why.
        reason: Reason,
        /// When.
        since: Timestamp,
        /// When the grace period ends.
        kill_at: Timestamp,
    },
    /// SIGKILL was sent.
    Killing {
        /// Why the workload is ended.
        reason: Reason,
        /// Why SIGKILL.
        why: KillReason,
        /// When first.
        since: Timestamp,
        /// When next.
        again_at: Timestamp,
        /// Whether the command had ended by then, after SIGTERM.
        child_first: bool,
        /// Whether the kernel's OOM killer had taken all of it by then.
        kernel_first: bool,
        /// Whether people were told that something does not die.
        stuck_told: bool,
    },
    /// Nothing is left.
    Ended,
}

impl Policy {
    /// SIGTERM, with the trip-wire at the relief line so that handlers run unthrottled, and thawed so that they run at all.
    pub(super) fn terminate(&mut self, reason: Reason, now: Timestamp, actions: &mut Actions) {
        if self.config.is_machine {
            return;
        }
        let grace = self.config.grace;
        self.command_first = self.command_has_ended();
        self.response.ends(now);
        self.rung = Rung::Terminating { reason, since: now, kill_at: now + grace };
        if !self.config.dry_run {
            self.relieve(actions);
        }
        if std::mem::take(&mut self.frozen) {
            actions.push(Action::Thaw);
        }
        actions.push(Action::Terminate);
        actions.push(Action::Tell(Notice::Terminating { reason, grace }));
        self.look_at = now + self.look_interval();
        if grace.is_zero() {
            self.grace_over(now, actions);
        } else {
            actions.push(Action::Look);
        }
    }

    pub(super) fn grace_over(&mut self, now: Timestamp, actions: &mut Actions) {
        self.kill(KillReason::GraceOver { grace: self.config.grace }, now, actions);
    }

    pub(super) fn watch_second_line(
        &mut self,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let ahead = self.ahead.reaches(sample);
        if !self.config.dry_run && self.breach.at_second_line(sample, ahead, &self.lines) {
            let (current, line, ceiling) = (sample.current, self.lines.second, self.lines.ceiling);
            let why = match current >= line {
                true => KillReason::SecondLine { current, line },
                false => KillReason::Ahead { current, ahead, ceiling },
            };
            self.kill(why, now, actions);
        }
    }

    /// Who is ended for the machine's sake has no time left when half of the floor is gone too.
    pub(super) fn watch_floor(&mut self, sample: &Sample, now: Timestamp, actions: &mut Actions) {
        if let Rung::Terminating { reason: Reason::HostMemory { .. }, .. } = self.rung
            && let Some(why) = self.floor.is_half_gone(sample)
        {
            self.kill(why, now, actions);
        }
    }

    fn command_has_ended(&self) -> bool {
        self.config.has_command && self.child.is_some()
    }

    pub(super) fn kill(&mut self, why: KillReason, now: Timestamp, actions: &mut Actions) {
        if self.config.is_machine {
            return;
        }
        let (reason, after) = match self.rung {
            Rung::Terminating { reason, since, .. } => {
                // A polite signal that the command was never sent is nothing that this comes after.
                let unsent = self.child.is_none() && self.signalled.in_vain();
                (reason, (!unsent).then(|| now.since(since)))
            }
            Rung::Watching { .. } | Rung::Killing { .. } | Rung::Ended => {
                self.command_first = self.command_has_ended();
                (Reason::Operator, None)
            }
        };
        self.frozen = false;
        self.response.ends(now);
        self.rung = Rung::Killing {
            reason,
            why,
            since: now,
            again_at: now + KILL_AGAIN,
            // Without a SIGTERM before, it is SIGKILL that ends the run, whoever was left of it.
            child_first: self.command_has_ended() && after.is_some(),
            kernel_first: self.kernel_took_all(),
            stuck_told: false,
        };
        actions.push(Action::Kill);
        actions.push(Action::Tell(Notice::Killing { why, after }));
    }

    pub(super) fn kill_again(&mut self, now: Timestamp, actions: &mut Actions) {
        let refused = self.was_refused(true);
        let Rung::Killing { since, ref mut again_at, ref mut stuck_told, .. } = self.rung else {
            return;
        };
        // It will be refused again, and where a list of processes is dear, so is sending to all that are in it.
        let rest = if refused { interval::affordable(KILL_AGAIN, &self.last) } else { KILL_AGAIN };
        *again_at = now + rest;
        actions.push(Action::Kill);
        let after = now.since(since);
        // Whom SIGKILL did not reach it cannot have ended, and that was told.
        if after >= KILL_STUCK && !refused && !std::mem::replace(stuck_told, true) {
            actions.push(Action::Tell(Notice::StillThere { after }));
        }
    }

    pub(super) fn operator_terminate(&mut self, now: Timestamp, actions: &mut Actions) {
        match self.rung {
            Rung::Watching { .. } => self.terminate(Reason::Operator, now, actions),
            Rung::Terminating { .. } => self.kill(KillReason::Operator, now, actions),
            Rung::Killing { .. } | Rung::Ended => self.kill_again(now, actions),
        }
    }

    pub(super) fn operator_kill(&mut self, now: Timestamp, actions: &mut Actions) {
        match self.rung {
            Rung::Watching { .. } | Rung::Terminating { .. } => {
                self.kill(KillReason::Operator, now, actions);
            }
            Rung::Killing { .. } | Rung::Ended => self.kill_again(now, actions),
        }
    }

    /// Only a workload that is not being ended can be frozen: the ladder must not be held up.
    pub(super) fn freeze(&mut self, actions: &mut Actions) {
        let may = matches!(self.rung, Rung::Watching { .. }) && !self.config.is_machine;
        if may && !std::mem::replace(&mut self.frozen, true) {
            actions.push(Action::Freeze);
        }
    }

    pub(super) fn thaw(&mut self, now: Timestamp, actions: &mut Actions) {
        if self.response.is_frozen() {
            self.let_go(actions);
            self.look_at = now;
        } else if std::mem::take(&mut self.frozen) {
            actions.push(Action::Thaw);
            self.look_at = now;
        }
    }

    pub(super) fn child_exited(&mut self, ending: Ending, now: Timestamp, actions: &mut Actions) {
        self.child = Some(ending);
        if self.emptied {
            return self.finish(ending, actions);
        }
        if !matches!(self.rung, Rung::Watching { .. }) {
            return;
        }
        match self.config.on_exit {
            OnExit::Wait => {
                let processes = self.last.processes;
                actions.push(Action::Tell(Notice::Leftover { processes }));
            }
            OnExit::Terminate => self.end(Reason::ChildExited, now, actions),
        }
    }

    /// Empty and the command gone: over. Either can come first (`populated 0` is there before the wait status).
    pub(super) fn empty(&mut self, actions: &mut Actions) {
        self.emptied = true;
        // `pids.current` counts who is dead and not waited for yet: at the last look that can be the command.
        self.last.processes = 0;
        if let Some(child) = self.child {
            self.finish(child, actions);
        }
    }

    fn finish(&mut self, child: Ending, actions: &mut Actions) {
        let kernel_oom_kills = self.last.counters.oom_kill;
        let cause = match self.rung {
            Rung::Watching { .. } | Rung::Ended => self.own_end(child),
            // No signal of ours got through: it went when it wanted to.
            _ if self.signalled.in_vain() => self.own_end(child),
            // SIGTERM was sent, and no SIGKILL of ours: who died of one was the kernel's.
            Rung::Terminating { .. } if self.killed_by_kernel(child) => Cause::KernelOom,
            Rung::Terminating { reason, .. } => Cause::Guardian { reason, killed: None },
            // Our SIGKILL found nobody but who was dying of the kernel's.
            Rung::Killing { kernel_first: true, .. } if self.killed_by_kernel(child) => {
                Cause::KernelOom
            }
            Rung::Killing { reason, why, child_first, .. } => {
                Cause::Guardian { reason, killed: (!child_first).then_some(why) }
            }
        };
        let rest_killed = match self.rung {
            Rung::Killing { kernel_first: true, .. } => None,
            Rung::Killing { why, child_first, .. } => {
                (child_first && !self.was_refused(true)).then_some(why)
            }
            Rung::Watching { .. } | Rung::Terminating { .. } | Rung::Ended => None,
        };
        self.rung = Rung::Ended;
        let (command_first, frozen) = (self.command_first, self.response.was_frozen);
        let outcome =
            Outcome { cause, child, command_first, rest_killed, kernel_oom_kills, frozen };
        actions.push(Action::Finish(outcome));
    }

    /// Without our doing: the kernel's OOM killer, if it killed and the command died of SIGKILL; else the command's own end.
    fn own_end(&self, child: Ending) -> Cause {
        if self.killed_by_kernel(child) { Cause::KernelOom } else { Cause::Itself }
    }

    /// Where the cgroup is ours, a kill in it takes everybody (`memory.oom.group`). Elsewhere it took one, as far as is known.
    fn kernel_took_all(&self) -> bool {
        let ours = self.config.has_command && self.config.cadence == Cadence::Events;
        let Sample { counters, own_oom, .. } = &self.last;
        ours && counters.oom_kill > 0 && own_oom.is_some_and(|kills| kills > 0)
    }

    /// Whom it kills in the workload's cgroup it kills with all the others (`memory.oom.group`); in a cgroup that the workload made
    /// below its own, it may have killed somebody else, long ago.
    fn killed_by_kernel(&self, child: Ending) -> bool {
        const SIGKILL: i32 = 9;
        let killed = self.last.counters.oom_kill > 0 && self.last.own_oom != Some(0);
        killed && matches!(child, Ending::Signaled(SIGKILL) | Ending::Unseen)
    }
}
