//! What came of deeds. Nothing is believed, or told, before it was done.

use super::{Actions, Policy, Rung};
use crate::clock::Timestamp;
use crate::event::{Action, Deed, DeedResult, KillReason, Notice, Reason};

/// What came of the signals that were to end the workload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signalled {
    /// One got through.
    reached: bool,
    /// The last polite signal, and the last SIGKILL, was refused.
    refused: [bool; 2],
}

impl Signalled {
    /// All of them were refused, and there were some.
    pub fn in_vain(&self) -> bool {
        !self.reached && self.refused.contains(&true)
    }
}

impl Policy {
    /// What the kernel says after a deed.
    pub(super) fn done(
        &mut self,
        deed: Deed,
        result: DeedResult,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let failed = matches!(result, DeedResult::Failed(_));
        match deed {
            Deed::TripWire(high) => self.trip_wire_is(high, result, actions),
            Deed::Lines(in_force) => self.lines_are(in_force, result),
            Deed::Pids(_) | Deed::Signal(_) if failed => {}
            Deed::Pids(limit) => actions.push(Action::Tell(Notice::NewPids(limit))),
            Deed::EndProcess(end) => {
                if let DeedResult::Failed(errno) = result {
                    self.process_refused(end, errno, actions);
                }
            }
            Deed::Signal(one) => actions.push(Action::Tell(Notice::Signalled(one))),
            Deed::Freeze => self.froze(failed, now, actions),
            Deed::Thaw => self.thawed(failed, actions),
            Deed::Terminate => self.signalled(false, result, actions),
            Deed::Kill => self.signalled(true, result, actions),
        }
    }

    fn froze(&mut self, failed: bool, now: Timestamp, actions: &mut Actions) {
        if failed {
            self.frozen = false;
            self.look_at = now;
            self.not_frozen(now, actions);
        } else if !self.tell_frozen(actions) {
            actions.push(Action::Tell(Notice::Frozen));
        }
    }

    /// Whoever is being ended is not held up by it: SIGKILL reaches the frozen too.
    fn thawed(&mut self, failed: bool, actions: &mut Actions) {
        match self.rung {
            Rung::Watching { .. } if failed => self.not_thawed(),
            Rung::Watching { .. } => {
                let told = self.thawed_notice();
                actions.push(Action::Tell(told));
            }
            Rung::Terminating { .. } | Rung::Killing { .. } | Rung::Ended => {}
        }
    }

    fn signalled(&mut self, kill: bool, result: DeedResult, actions: &mut Actions) {
        let refused = &mut self.signalled.refused[usize::from(kill)];
        match result {
            DeedResult::Failed(errno) if !std::mem::replace(refused, true) => {
                let (reason, why) = self.reasons();
                let (kill, command) = (why.filter(|_| kill), self.child.is_none());
                actions.push(Action::Tell(Notice::SignalRefused { reason, kill, command, errno }));
            }
            DeedResult::Failed(_) => {}
            DeedResult::Done | DeedResult::Pending | DeedResult::InUse(_) => {
                *refused = false;
                self.signalled.reached = true;
            }
        }
    }

    /// Why the workload is being ended, and why by SIGKILL, if it came to that.
    fn reasons(&self) -> (Reason, Option<KillReason>) {
        match self.rung {
            Rung::Terminating { reason, .. } => (reason, None),
            Rung::Killing { reason, why, .. } => (reason, Some(why)),
            Rung::Watching { .. } | Rung::Ended => (Reason::Operator, None),
        }
    }

    /// Whether the last polite signal, or the last SIGKILL, did not get through.
    pub fn was_refused(&self, kill: bool) -> bool {
        self.signalled.refused[usize::from(kill)]
    }
}
