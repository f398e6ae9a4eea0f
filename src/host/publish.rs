//! Feeds those who watch: a status and a process table of each ward, when they are due.

use super::Host;
use crate::ward::Ward;

impl Host {
    /// Publishes what is due. Called once a turn of the loop.
    pub(super) fn publish(&mut self) {
        self.each_ward(|host, id| {
            if host.wards.get_mut(id).is_some_and(Ward::step_table) {
                host.answer_with_table(id);
            }
        });
        self.resume_relay();
        let Some(server) = &mut self.mailbox.server else { return };
        let watchers = server.has_watchers();
        if watchers.text + watchers.json == 0 {
            return self.wards.iter_mut().for_each(Ward::rest_view);
        }
        let count = self.wards.iter().count();
        for ward in self.wards.iter_mut() {
            if let Some(line) = ward.watch_line(count) {
                server.publish_about(Some(&ward.rules.name), &line);
            }
        }
    }
}
