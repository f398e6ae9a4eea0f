//! The dashboard's state: what the guardian told and what the user is at. No drawing, no I/O, no clock.

use super::history::History;
use super::keys::Input;
use super::look::Look;
use super::prompt::{Prompt, Question};
use crate::clock::Timestamp;
use crate::status::{EventLine, ProcessRow, State, Status, WatchLine};
use std::collections::VecDeque;
use std::time::Duration;

/// Events kept.
pub const EVENTS: usize = 500;
/// How long a message stays.
const MESSAGE_TIME: Duration = Duration::from_secs(6);

/// What the loop has to do for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Effect {
    /// Nothing.
    None,
    /// Send a request line to the guardian.
    Request(String),
    /// Pass this on to the command.
    Command(Input),
    /// A page back (`true`) or forward in the command's output.
    Scroll(bool),
    /// Draw everything anew.
    Redraw,
    /// Stop the whole job, as Ctrl-Z does on any terminal.
    Suspend,
    /// Leave; the guardian goes on without us.
    Leave,
}

/// Where keys go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are commands.
    #[default]
    Normal,
    /// To the command.
    Typing,
    /// Into a value.
    Prompt(Prompt),
    /// They answer.
    Question(Question),
    /// Any key closes the help.
    Help,
}

/// What processes are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Largest resident set first.
    #[default]
    Rss,
    /// Lowest id first.
    Pid,
    /// By name.
    Name,
}

/// A line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What.
    pub text: String,
    /// True when something did not work.
    pub bad: bool,
    until: Timestamp,
}

/// What is shown of the workload.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The last status.
    pub status: Option<Box<Status>>,
    /// The last process table, sorted.
    pub processes: Vec<ProcessRow>,
    /// The footprint over time.
    pub history: History,
    /// Events, oldest first.
    pub events: VecDeque<EventLine>,
}

/// All state but the command's screen.
#[derive(Debug)]
pub struct App {
    /// Colours and characters.
    pub look: Look,
    /// True when the command's output is shown here.
    pub has_pane: bool,
    /// Where keys go.
    pub mode: Mode,
    /// True while the command's output has nearly all the room.
    pub zoomed: bool,
    /// What processes are sorted by.
    pub sort: Sort,
    /// Rows of the process table that are scrolled off the top.
    pub table_top: usize,
    /// Events that are scrolled off the bottom.
    pub events_back: usize,
    /// Something for the user.
    pub message: Option<Message>,
    /// True where somebody else's workload is looked at, so that leaving ends nothing and is not asked.
    pub visiting: bool,
    /// How the run ended, once the guardian said so.
    pub ended: Option<String>,
    live: Picture,
    held: Option<Box<Picture>>,
}

impl App {
    /// Nothing known yet.
    pub fn new(look: Look, has_pane: bool) -> Self {
        App {
            look,
            has_pane,
            mode: Mode::Normal,
            zoomed: false,
            sort: Sort::default(),
            table_top: 0,
            events_back: 0,
            message: None,
            visiting: false,
            ended: None,
            live: Picture::default(),
            held: None,
        }
    }

    /// What the panels show: the moment of the pause, or now.
    pub fn picture(&self) -> &Picture {
        self.held.as_deref().unwrap_or(&self.live)
    }

    /// The newest status, also while paused.
    pub fn now(&self) -> Option<&Status> {
        self.live.status.as_deref()
    }

    /// True while the panels stand still.
    pub fn is_paused(&self) -> bool {
        self.held.is_some()
    }

    /// True once nothing is left of the workload.
    pub fn is_over(&self) -> bool {
        self.now().is_some_and(|status| status.state == State::Ended)
    }

    /// Takes a line of the guardian.
    pub fn take_line(&mut self, line: WatchLine, now: Timestamp) {
        match line {
            WatchLine::Status { status, processes } => self.take_status(status, processes),
            WatchLine::Event(event) => self.take_event(event),
            WatchLine::End { text, exit_status } => {
                self.ended = Some(format!("{text} (exit {exit_status})"));
            }
            WatchLine::Reply { ok, text } => {
                let text = text.lines().next().unwrap_or_default();
                if !text.is_empty() || !ok {
                    let text = if text.is_empty() { "refused" } else { text };
                    self.tell(text, !ok, now);
                }
            }
        }
    }

    fn take_status(&mut self, status: Box<Status>, processes: Option<Vec<ProcessRow>>) {
        self.live.history.push(status.uptime_ms, status.memory.footprint);
        self.live.status = Some(status);
        if let Some(processes) = processes {
            self.live.processes = processes;
            self.sort_processes();
        }
    }

    fn take_event(&mut self, event: EventLine) {
        if self.live.events.len() == EVENTS {
            self.live.events.pop_front();
        }
        self.live.events.push_back(event);
        // Who reads old events goes on reading the same ones.
        if self.events_back > 0 {
            self.events_back = (self.events_back + 1).min(self.live.events.len() - 1);
        }
    }

    /// Shows a line for some seconds.
    pub fn tell(&mut self, text: &str, bad: bool, now: Timestamp) {
        self.message = Some(Message { text: text.to_owned(), bad, until: now + MESSAGE_TIME });
    }

    /// When the message goes, if there is one.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.message.as_ref().map(|message| message.until)
    }

    /// Lets time pass; true when something changed.
    pub fn tick(&mut self, now: Timestamp) -> bool {
        let over = self.next_deadline().is_some_and(|until| until <= now);
        if over {
            self.message = None;
        }
        over
    }

    /// The next sort order.
    pub(super) fn next_sort(&mut self) {
        self.sort = match self.sort {
            Sort::Rss => Sort::Pid,
            Sort::Pid => Sort::Name,
            Sort::Name => Sort::Rss,
        };
        self.table_top = 0;
        self.sort_processes();
    }

    fn sort_processes(&mut self) {
        let sort = self.sort;
        let pictures = [Some(&mut self.live), self.held.as_deref_mut()];
        for picture in pictures.into_iter().flatten() {
            match sort {
                Sort::Rss => {
                    picture.processes.sort_by_key(|row| (std::cmp::Reverse(row.rss), row.pid))
                }
                Sort::Pid => picture.processes.sort_by_key(|row| row.pid),
                Sort::Name => {
                    picture.processes.sort_by(|a, b| (&a.name, a.pid).cmp(&(&b.name, b.pid)))
                }
            }
        }
    }

    /// Lets the panels stand still, or go on.
    pub(super) fn toggle_pause(&mut self) {
        self.held = match self.held.take() {
            Some(_) => None,
            None => Some(Box::new(self.live.clone())),
        };
    }
}
