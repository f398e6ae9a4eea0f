//! One guardian's connection: made without waiting, made again when it is lost, read without waiting.

use crate::clock::Timestamp;
use crate::control::listing::{Listed, Unreachable, is_stopped};
use crate::fleet::row::time;
use crate::tui::wire::{GuardianLine, Wire};
use crate::units::millis;
use std::time::Duration;

/// A guardian that tells nothing for so long is said to be silent: statuses come five times a second.
const SILENCE: Duration = Duration::from_secs(3);

/// What was heard.
#[derive(Debug)]
pub enum Heard {
    /// It lives, and said this.
    Lines(Vec<Result<GuardianLine, String>>),
    /// It is there and says nothing, for this reason.
    Silent(String),
    /// It went without saying why.
    Lost,
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    /// Whom to.
    pub listed: Listed,
    wire: Option<Wire>,
    pid: i32,
    heard: Timestamp,
    /// It said how it ended: nothing more is to be heard.
    pub over: bool,
}

impl Link {
    /// Not connected yet.
    pub fn new(listed: Listed, now: Timestamp) -> Link {
        Link { listed, wire: None, pid: 0, heard: now, over: false }
    }

    /// Connects, unless it is connected. What keeps it from that, in words.
    ///
    /// # Errors
    /// `None` when it is gone.
    pub fn connect(&mut self) -> Result<(), Option<String>> {
        if self.wire.is_some() || self.over {
            return Ok(());
        }
        let contact = self
            .listed
            .connect()
            .map_err(|error| (error != Unreachable::Gone).then(|| error.to_string()))?;
        self.pid = contact.pid;
        self.wire = Some(Wire::open(contact.stream).map_err(|error| Some(format!("{error:#}")))?);
        Ok(())
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.wire.is_some()
    }

    /// Lets go of the connection.
    pub fn disconnect(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.leave();
        }
    }

    /// Sends a request line. Gives its number; `None` where it takes none.
    pub fn send(&mut self, line: &str) -> Option<u64> {
        self.wire.as_mut().and_then(|wire| wire.send(line))
    }

    /// What there is to hear; nothing new is an empty list.
    pub fn hear(&mut self, now: Timestamp) -> Heard {
        let Some(wire) = &mut self.wire else { return Heard::Lines(Vec::new()) };
        wire.flush();
        let lines = wire.receive();
        let ended = wire.is_ended();
        if !lines.is_empty() {
            self.heard = now;
            self.over |= lines.iter().any(|line| matches!(line, Ok(line) if line.is_last()));
            return Heard::Lines(lines);
        }
        if ended {
            self.disconnect();
            // Who closed the connection may live: then it is made again.
            return match (self.over, self.connect()) {
                (true, _) | (false, Ok(())) => Heard::Lines(Vec::new()),
                (false, Err(Some(why))) => Heard::Silent(why),
                (false, Err(None)) => Heard::Lost,
            };
        }
        let quiet = now.since(self.heard);
        if self.over || quiet < SILENCE {
            return Heard::Lines(Vec::new());
        }
        let quiet = time(millis(quiet));
        Heard::Silent(match is_stopped(self.pid) {
            true => format!("stopped by a signal, silent for {quiet}"),
            false => format!("no answer for {quiet}"),
        })
    }
}
