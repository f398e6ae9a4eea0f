//! Who ended a workload that we did not end: what systemd does to a scope is seen by its keeper and by marks on the cgroup.

use super::Guardian;
use crate::event::{Cause, Ending};
use crate::status::Level;
use std::time::Duration;

/// The keeper gets systemd's signal after the workload, not long after.
const KEEPER_LATE: Duration = Duration::from_millis(200);

impl Guardian {
    /// The keeper of the workload's scope ended, and only we or systemd end it.
    pub(super) fn scope_stopped(&mut self) {
        self.guards[0].scope_stopped = true;
        if self.guards[0].outcome.is_none() {
            self.say(Level::Warning, "systemd stops the scope of the workload".to_owned());
        }
    }

    /// Corrects an outcome that looks like the command's own. To be called while the cgroup is still there.
    pub(super) fn attribute(&mut self) {
        let Some(outcome) = self.guards[0].outcome else { return };
        let Ending::Signaled(_) = outcome.child else { return };
        if outcome.cause != Cause::Itself {
            return;
        }
        let cause = if self.guards[0].workload.killed_by_oomd() {
            Cause::SystemdOomd
        } else if self.keeper_ended_too() {
            Cause::SystemdStop
        } else {
            return;
        };
        if let Some(outcome) = &mut self.guards[0].outcome {
            outcome.cause = cause;
        }
    }

    fn keeper_ended_too(&mut self) -> bool {
        let started = self.clock.now();
        while self.guards[0].workload.has_keeper() && self.clock.now().since(started) < KEEPER_LATE
        {
            self.events.wait(self.clock.now(), Some(started + KEEPER_LATE));
            self.take_signals();
        }
        self.guards[0].scope_stopped
    }
}
