//! Feeds those who watch: a status and a process table of each ward, when they are due.

use super::Host;
use crate::ward::Ward;

impl Host {
    /// Publishes what is due. Called once a turn of the loop.
    pub(super) fn publish(&mut self) {
        let mut id = self.wards.after(None);
        while let Some(this) = id {
            if self.wards.get_mut(this).is_some_and(Ward::step_table) {
                self.answer_with_table(this);
            }
            id = self.wards.after(id);
        }
        self.resume_relay();
        let Some(server) = &mut self.server else { return };
        let watchers = server.has_watchers();
        if watchers.text + watchers.json == 0 {
            return self.wards.iter_mut().for_each(Ward::rest_view);
        }
        for ward in self.wards.iter_mut() {
            if let Some(line) = ward.watch_line() {
                server.publish_about(Some(&ward.rules.name), &line);
            }
        }
    }
}
