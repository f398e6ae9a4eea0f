//! The file of `--log` seen from the guardian: a scribe writes it, so that no disk holds up the loop. The dashboard feeds it while it
//! shows the command's output, the relay afterwards.

use super::Host;
use crate::config::Config;
use crate::escape::shown;
use crate::event::Ending;
use crate::report::record::{CallerId, open_as_caller};
use crate::status::Level;
use crate::trace::scribe::Scribe;
use anyhow::{Context, Result, bail};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

/// At the end the disk has so long to take what is left.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file that gets the command's output.
#[derive(Debug)]
pub(super) struct OutputLog {
    path: PathBuf,
    scribe: Scribe,
}

impl OutputLog {
    /// Opens the file with the rights of the caller and starts the scribe, where that is asked for.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no dashboard whose pane would get the output.
    pub(super) fn start(
        config: &Config,
        has_dashboard: bool,
        caller: CallerId,
    ) -> Result<Option<OutputLog>> {
        let Some(path) = config.log.clone() else { return Ok(None) };
        if !has_dashboard {
            bail!(
                "cannot keep the command's output in {} (--log): without a dashboard it does not pass through sentinel; redirect it: COMMAND > FILE, or COMMAND | tee FILE",
                shown(&path)
            );
        }
        let file = open_as_caller(&path, caller, "the output (--log)")?;
        let scribe = Scribe::start(file).context("start the process that writes the log")?;
        Ok(Some(OutputLog { path, scribe }))
    }

    /// The process that writes.
    pub(super) fn pid(&self) -> i32 {
        self.scribe.pid
    }

    /// Where the dashboard writes.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.scribe.pipe()
    }

    /// Hands over what it takes now and forgets that; all of it where the log is broken.
    pub(super) fn take(&mut self, bytes: &mut Vec<u8>) {
        while self.scribe.listens() && !bytes.is_empty() {
            match self.scribe.hand_over(bytes) {
                0 if self.scribe.listens() => return,
                taken => drop(bytes.drain(..taken)),
            }
        }
        bytes.clear();
    }
}

impl Host {
    /// Whether this process, which ended, was the log's scribe.
    pub(super) fn log_ended(&mut self, pid: i32, ending: Ending) -> bool {
        let Some(log) = self.attendants.log.as_mut().filter(|log| log.scribe.pid == pid) else {
            return false;
        };
        log.scribe.pid = 0;
        log.scribe.close();
        if ending != Ending::Exited(0) {
            let why = crate::trace::scribe::failure(ending);
            let text = format!("the log {} is incomplete: {why}", shown(&log.path));
            self.say(Level::Warning, text);
        }
        true
    }

    /// Nothing more comes: waits until the file has all of it.
    pub(super) fn finish_log(&mut self) {
        if let Some(log) = &mut self.attendants.log {
            log.scribe.close();
        }
        let until = self.clock.now() + PATIENCE;
        while self.attendants.log.as_ref().is_some_and(|log| log.scribe.pid > 0) {
            let now = self.clock.now();
            if now >= until {
                break;
            }
            self.events.wait(now, Some(now + Duration::from_millis(10)));
            self.reap();
        }
        let Some(log) = &self.attendants.log else { return };
        let path = shown(&log.path);
        if log.scribe.pid > 0 {
            self.say(Level::Warning, format!("the disk is slow: {path} is still being written"));
        } else {
            self.say(Level::Info, format!("output: {path}"));
        }
    }
}
