//! What is guarded is stopped by its owner, where that was asked for (`--end-by stop`).

use super::Host;
use crate::config::WardRules;
use crate::escape::shown;
use crate::event_loop::Token;
use crate::status::Level;
use crate::stopper::{StopRequest, Stopper};
use crate::targets::TargetOwner;
use crate::ward::{Emptied, WardId};
use anyhow::{Context, Result};
use std::path::Path;

impl Host {
    /// Starts the process that asks owners.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn open_stopper(&mut self) -> Result<()> {
        let stopper = Stopper::start()?;
        self.events.add(&stopper, Token::Stopper).context("wait for the answers of owners")?;
        self.attendants.stopper = Some(stopper);
        Ok(())
    }

    /// What to ask its owner; `None` where signals end it. Of many in a directory, one without an owner is ended by signals.
    ///
    /// # Errors
    /// Nobody can be asked to stop it.
    pub(super) fn stop_request(
        &mut self,
        directory: &Path,
        rules: &WardRules,
        emptied: Emptied,
    ) -> Result<Option<StopRequest>> {
        let Some(stopper) = &self.attendants.stopper else { return Ok(None) };
        // All of a pool is not what ends.
        if rules.victim.is_some() {
            return Ok(None);
        }
        let result = match emptied {
            Emptied::Ends => TargetOwner::of(directory),
            // The loop waits for nobody: whether the owner can be asked is seen when it is.
            Emptied::Waits => TargetOwner::by_name(directory),
        };
        let request = result.and_then(|owner| stopper.request(owner, rules.grace));
        match request {
            Ok(request) => Ok(Some(request)),
            Err(error) if emptied == Emptied::Waits => {
                let place = shown(directory);
                let text = format!("{place} will be ended by signals, not by its owner: {error:#}");
                self.say(Level::Warning, text);
                Ok(None)
            }
            Err(error) => Err(error.context("--end-by stop cannot be put in force")),
        }
    }

    /// Owners have answered.
    pub(super) fn take_stops(&mut self) {
        while let Some(answer) = self.attendants.stopper.as_ref().and_then(Stopper::answer) {
            let ward = self.wards.get_mut(WardId::from_number(answer.number));
            ward.into_iter().for_each(|ward| ward.stopped_by_owner(&answer.result));
        }
    }

    /// Whether this process, which ended, asked owners. From now on signals end everything.
    pub(super) fn stopper_ended(&mut self, pid: i32) -> bool {
        let ended = self.attendants.stopper.take_if(|stopper| stopper.pid == pid);
        let Some(stopper) = &ended else { return false };
        self.events.remove(stopper);
        let text =
            "the process that asks owners to stop has exited: signals end everything from now on";
        self.say(Level::Warning, text.to_owned());
        true
    }
}
