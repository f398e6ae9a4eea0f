//! What people get to hear: on the console, in the log, from the mailbox. Said behind all deeds of a turn.

use super::Host;
use crate::escape::tame;
use crate::status::{Level, WatchLine};
use crate::ward::Said;

/// Where one of many speaks, its words say which.
fn named(name: &str, said: Said) -> Said {
    Said { text: tame(&format!("{name}: {}", said.text)), ..said }
}

impl Host {
    /// Says what the wards have to say.
    pub(super) fn speak(&mut self) {
        let many = self.visit.as_ref().is_some_and(|visit| !visit.directories.is_empty());
        let mut all = Vec::new();
        for ward in self.wards.iter_mut() {
            for said in ward.take_said() {
                all.push(if many { named(&ward.rules.name, said) } else { said });
            }
        }
        all.into_iter().for_each(|said| self.tell_people(said));
    }

    /// Says something that is no ward's own: their post-mortems have it all the same.
    pub(super) fn say(&mut self, level: Level, text: String) {
        self.speak();
        let said = Said { at: self.clock.now(), level, text: tame(&text) };
        self.wards.iter_mut().for_each(|ward| ward.heard(&said));
        self.tell_people(said);
    }

    fn tell_people(&mut self, Said { at, level, text }: Said) {
        let line = self.voice.log.add(at, level, text);
        if let Some(server) = &mut self.mailbox.server {
            server.publish(&WatchLine::Event(line.clone()));
        }
        if !self.voice.quiet || level != Level::Info {
            let text = line.text.clone();
            self.voice.console.say(&text);
        }
    }
}
