//! Made ready for the worst day: what the way to a kill needs is in memory and stays there. Behind the start, which it would make longer.

use super::Host;
use crate::policy::Rung;
use crate::sys::memory;
use crate::ward::Ward;

impl Host {
    /// Once, when it is time to.
    pub(super) fn warm_up(&mut self) {
        let now = self.clock.now();
        if self.ready.warm_at.take_if(|at| now >= *at).is_none() {
            return;
        }
        let is_calm = |ward: &Ward| matches!(ward.policy().rung(), Rung::Watching { .. });
        // Where somebody is being ended, what is there is in use.
        if self.wards.iter().all(is_calm) {
            memory::forget_start();
        }
        self.voice.console.prepare();
        self.ready.memory_locked = memory::lock();
        // Later it would be in the way of what it prepares.
        self.wards.iter_mut().filter(|ward| is_calm(ward)).for_each(|ward| ward.rehearse());
    }
}
