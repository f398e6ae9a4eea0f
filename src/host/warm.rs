//! Made ready for the worst day: what the way to a kill needs is in memory and stays there. Behind the start, which it would make longer.

use super::Host;
use crate::policy::Rung;
use crate::sys::memory;

impl Host {
    /// Once, when it is time to.
    pub(super) fn warm_up(&mut self) {
        let now = self.clock.now();
        if self.ready.warm_at.take_if(|at| now >= *at).is_none() {
            return;
        }
        self.ready.memory_locked = memory::lock();
        // Later it would be in the way of what it prepares.
        let calm = self.wards.iter_mut();
        calm.filter(|ward| matches!(ward.policy().rung(), Rung::Watching { .. }))
            .for_each(|ward| ward.rehearse());
    }
}
