//! Connections that cannot be closed here, for what was passed over them: kept shut for a moment, then closed elsewhere, many at a time.

use crate::clock::Timestamp;
use crate::sys::burial;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long the first waits for others: a process for each would be work that a client can order.
const GATHER: Duration = Duration::from_millis(100);

/// Until the next try when there could be no process.
const REST: Duration = Duration::from_secs(1);

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Graveyard {
    waiting: Vec<OwnedFd>,
    due: Option<Timestamp>,
}

impl Graveyard {
    /// Takes a connection in.
    pub(super) fn take_in(&mut self, stream: UnixStream, now: Timestamp) {
        self.waiting.push(stream.into());
        self.due.get_or_insert(now + GATHER);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When [`Graveyard::bury`] has something to do.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.due
    }

    /// Closes them, if it is time or if there are as many as this.
    pub(super) fn bury(&mut self, now: Timestamp, most: usize) {
        let full = self.waiting.len() >= most;
        if self.waiting.is_empty() || !full && self.due.is_none_or(|due| now < due) {
            return;
        }
        let buried = burial::bury(std::mem::take(&mut self.waiting));
        self.due = buried.is_err().then_some(now + REST);
        self.waiting = buried.err().unwrap_or_default();
    }

    /// Leaves them to the end of our own process.
    pub(super) fn leave(self) {
        self.waiting.into_iter().for_each(std::mem::forget);
    }
}
