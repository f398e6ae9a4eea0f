//! Says who of the workload left its cgroup. A process that does so is out of reach: neither counted nor ended. Nothing of
//! this is done once the workload is being ended.

use super::Guardian;
use crate::policy::Rung;
use crate::status::Level;
use crate::workload::escapees::Escaped;
use std::time::Duration;

/// Between two looks at who is where.
const EVERY: Duration = Duration::from_secs(1);

impl Guardian {
    /// Looks when it is time to. The policy's own looks wake us often enough.
    pub(super) fn notice_escapes(&mut self) {
        let now = self.clock.now();
        if now < self.escapes_at {
            return;
        }
        self.escapes_at = now + EVERY;
        for index in 0..self.guards.len() {
            if matches!(self.guards[index].policy.rung(), Rung::Watching { .. }) {
                self.tell_escaped(index);
            }
        }
    }

    /// Once each. Also at the end, before the cgroup is removed: for those who left too late to be noticed.
    pub(super) fn tell_escaped(&mut self, index: usize) {
        for Escaped { pid, to } in self.guards[index].workload.escaped() {
            if !self.escaped.contains(&pid) {
                self.escaped.push(pid);
                self.say(Level::Warning, format!("{pid} left the workload's cgroup for {to}"));
            }
        }
    }
}
