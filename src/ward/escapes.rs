//! Says who of the workload left its cgroup. A process that does so is out of reach: neither counted nor ended. Nothing of
//! this is done once the workload is being ended.

use super::Ward;
use crate::clock::Timestamp;
use crate::policy::Rung;
use crate::status::Level;
use crate::workload::escapees::Escaped;
use std::time::Duration;

/// Between two looks at who is where.
const EVERY: Duration = Duration::from_secs(1);

/// Who left, as far as that was told, and when to look again.
#[derive(Debug)]
pub(super) struct Escapes {
    look_at: Timestamp,
    told: Vec<i32>,
}

impl Default for Escapes {
    /// Nobody left before there was anybody.
    fn default() -> Escapes {
        Escapes { look_at: Timestamp(EVERY), told: Vec::new() }
    }
}

impl Ward {
    /// Looks when it is time to. The policy's own looks wake us often enough.
    pub fn notice_escapes(&mut self, now: Timestamp) {
        if now < self.escapes.look_at {
            return;
        }
        self.escapes.look_at = now + EVERY;
        if matches!(self.policy.rung(), Rung::Watching { .. }) {
            self.tell_escaped();
        }
    }

    /// Once each. Also at the end, before the cgroup is removed: for those who left too late to be noticed.
    pub fn tell_escaped(&mut self) {
        for Escaped { pid, to } in self.workload.escaped() {
            if !self.escapes.told.contains(&pid) {
                self.escapes.told.push(pid);
                self.say(Level::Warning, format!("{pid} left the workload's cgroup for {to}"));
            }
        }
    }
}
