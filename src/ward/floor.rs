//! The machine's floor as a ward has it: the number, and what tells how much is left.

use super::Ward;
use crate::cgroup::available::Available;
use crate::clock::Timestamp;
use crate::units::Bytes;
use std::rc::Rc;

/// What is to be left, and where to read what is. Workloads in one place share the files.
#[derive(Clone, Debug)]
pub struct MachineFloor {
    /// The floor.
    pub line: Bytes,
    /// What tells.
    pub available: Rc<Available>,
}

impl Ward {
    /// What is left for everybody. A look that decides reads it anew.
    pub(super) fn available(&self, now: Timestamp) -> Option<Bytes> {
        let floor = self.floor.as_ref()?;
        let is_low = self.policy.last().available.is_some_and(|left| left < floor.line);
        floor.available.look(is_low, now)
    }

    /// Lets another ward be ended first for the machine's sake, or no longer.
    pub fn stand_back(&mut self, stands_back: bool) {
        self.policy.stand_back(stands_back, self.clock.now());
    }

    /// Whether it is ended for the machine's sake.
    pub fn has_floor(&self) -> bool {
        self.floor.is_some()
    }
}
