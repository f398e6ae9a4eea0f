//! One guardian of the table: the last it told, and since when it tells nothing. Pure.

use crate::clock::Timestamp;
use crate::fleet::row::{Note, Row};
use crate::status::{EventLine, State, Status, WatchLine};
use crate::tui::history::{History, SlotPeak};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

/// How long the row of one that has ended stays.
pub const STAYS: Duration = Duration::from_secs(10);

/// Events kept.
const EVENTS: usize = 16;

/// Which one: its socket.
pub type MemberKey = PathBuf;

/// A guardian.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which one.
    pub key: MemberKey,
    /// What its line says.
    pub row: Row,
    /// The last things that happened there, oldest first.
    pub events: VecDeque<EventLine>,
    /// The footprint over time.
    pub history: History,
    /// When its row goes.
    pub(super) until: Option<Timestamp>,
}

impl Member {
    /// One of which nothing is known yet.
    pub fn new(key: MemberKey, name: &str, pid: u32) -> Self {
        let row = Row { name: name.to_owned(), pid, status: None, note: None };
        let (events, history) = (VecDeque::new(), History::default());
        Member { key, row, events, history, until: None }
    }

    /// Takes a line of the guardian, which is alive then. Gives the text of a reply, and whether it is a refusal.
    pub fn take_line(&mut self, line: WatchLine, now: Timestamp) -> Option<(String, bool)> {
        if matches!(self.row.note, Some(Note::Silent(_))) {
            self.row.note = None;
        }
        match line {
            WatchLine::Status { status, processes: _ } if !self.is_shown(&status) => {}
            WatchLine::Status { status, processes: _ } => {
                self.history.push(status.uptime_ms, SlotPeak::of(&status.memory));
                self.row.status = Some(*status);
            }
            // The past is told again on every new connection.
            WatchLine::Event(event) if self.events.contains(&event) => {}
            WatchLine::Event(event) => {
                if self.events.len() == EVENTS {
                    self.events.pop_front();
                }
                self.events.push_back(event);
            }
            WatchLine::End { goes_on: true, .. } => {
                // It was one of them; the guardian goes on.
                self.row.status = None;
            }
            WatchLine::End { text, exit_status, goes_on: false } => {
                self.end(format!("{text} (exit {exit_status})"), now);
            }
            WatchLine::Reply { ok, text } => {
                let first = text.lines().next().unwrap_or_default();
                return Some((first.to_owned(), !ok));
            }
        }
        None
    }

    /// Of a guardian with several workloads the one that is nearest to its limit is shown.
    fn is_shown(&mut self, status: &Status) -> bool {
        let Some(shown) = self.row.status.as_ref().filter(|shown| shown.name != status.name) else {
            return true;
        };
        let share = |status: &Status| status.limits.share(status.memory.footprint);
        share(status) > share(shown)
    }

    /// It does not answer.
    pub fn fall_silent(&mut self, why: String) {
        if !self.is_gone() {
            self.row.note = Some(Note::Silent(why));
        }
    }

    /// It is no more. What was said first about the reason stays.
    pub fn end(&mut self, why: String, now: Timestamp) {
        if !self.is_gone() {
            self.row.note = Some(Note::Gone(why));
            self.until = Some(now + STAYS);
        }
    }

    /// Whether the filter, in lower case, is in its name, command or process id.
    pub fn matches(&self, wanted: &str) -> bool {
        let command = || self.row.status.as_ref().map(|status| status.command.join(" "));
        wanted.is_empty()
            || self.row.name.to_lowercase().contains(wanted)
            || self.row.pid.to_string().contains(wanted)
            || command().is_some_and(|command| command.to_lowercase().contains(wanted))
    }

    /// Whether it has ended.
    pub fn is_gone(&self) -> bool {
        matches!(self.row.note, Some(Note::Gone(_)))
    }

    /// Whether its workload is being ended.
    pub fn is_ending(&self) -> bool {
        let state = self.row.status.as_ref().map(|status| status.state);
        self.row.note.is_none() && matches!(state, Some(State::Terminating | State::Killing))
    }
}
