//! The last events of a run, for the mailbox, the dashboard and the record.

use crate::clock::Timestamp;
use crate::status::{EventLine, Level};
use crate::units::millis;
use std::collections::VecDeque;

/// So many are kept.
const KEPT: usize = 500;

/// The last events, oldest first.
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<EventLine>,
}

impl Log {
    /// Adds an event; gives the line that was made of it.
    pub fn add(&mut self, now: Timestamp, level: Level, text: String) -> &EventLine {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        let at_ms = millis(now.0);
        self.lines.push_back(EventLine { at_ms, level, text });
        &self.lines[self.lines.len() - 1]
    }

    /// All that is kept.
    pub fn lines(&self) -> Vec<EventLine> {
        self.lines.iter().cloned().collect()
    }
}
