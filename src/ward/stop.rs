//! Its owner is asked to stop it, in place of the term signal. Where the owner does not, signals end it.

use super::Ward;
use crate::event::{Deed, DeedResult, Event};
use crate::policy::Rung;
use crate::report::words::signal_name;
use crate::status::Level;

impl Ward {
    /// What it is asked by, in words: a signal's name, or a request.
    pub(super) fn polite(&self) -> String {
        match &self.stop {
            Some(stop) => format!("a stop request to {}", stop.owner),
            None => signal_name(self.rules.term_signal),
        }
    }

    /// Asks the owner. False where there is none, or it cannot be asked.
    pub(super) fn ask_owner(&mut self) -> bool {
        let Some(stop) = &self.stop else { return false };
        match stop.send() {
            Ok(()) => {
                self.handle(Event::Done(Deed::Terminate, DeedResult::Done));
                true
            }
            Err(error) => {
                let (owner, signal) = (stop.owner, signal_name(self.rules.term_signal));
                self.stop = None;
                let text = format!("cannot ask {owner} to stop it ({error}): {signal} asks it");
                self.say(Level::Warning, text);
                false
            }
        }
    }

    /// The owner has answered.
    pub fn stopped_by_owner(&mut self, result: &Result<(), String>) {
        let (Err(why), Some(stop)) = (result, &self.stop) else { return };
        let (owner, signal) = (stop.owner, signal_name(self.rules.term_signal));
        if self.has_ended() {
            return;
        }
        self.stop = None;
        if let Rung::Terminating { .. } = self.policy.rung() {
            let text = format!("{owner} did not stop it ({why}): {signal} asks it now");
            self.say(Level::Warning, text);
            self.signal_all();
        } else {
            self.say(Level::Warning, format!("{owner} did not stop it ({why})"));
        }
    }
}
