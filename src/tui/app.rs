//! The dashboard's state: what the guardian told and what the user is at. No drawing, no I/O, no clock.

use super::activity::Activity;
use super::history::{History, SlotPeak};
use super::keys::Input;
use super::look::Look;
use super::measure::{Measured, Measures, ToMeasure};
use super::prompt::{Prompt, Question};
use super::replay::Replay;
use super::table::{Sort, Table};
use super::workloads::Workloads;
use crate::clock::Timestamp;
use crate::status::{EventLine, ProcessRow, State, Status, WatchLine};
use crate::units::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Events kept.
pub const EVENTS: usize = 500;
/// How long a message stays.
const MESSAGE_TIME: Duration = Duration::from_secs(6);
/// Time between two measurements that nobody asked for by key.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

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
    /// So many lines back (`true`) or forward in it.
    Wheel(usize, bool),
    /// Save what is known to a file.
    Save,
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
    /// Into the filter of the process table.
    Filter,
    /// Any key closes the help, but for those that scroll it.
    Help {
        /// The first row of it that is seen.
        from: usize,
    },
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
    /// The last process table, as the guardian sent it.
    pub processes: Vec<ProcessRow>,
    /// Memory over time.
    pub history: History,
    /// CPU, disk and pressure over time.
    pub activity: Activity,
    /// Events, oldest first.
    pub events: VecDeque<EventLine>,
    /// The footprint that belongs to the process table: a newer one has other processes behind it.
    pub table_footprint: Option<Bytes>,
    /// Which rungs were seen to be reached: warn, SIGTERM, SIGKILL.
    pub fired: [bool; 3],
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
    /// How the process table is shown.
    pub table: Table,
    /// What was measured of its processes.
    pub measures: Measures,
    /// Those of the guardian.
    pub workloads: Workloads,
    /// Events that are scrolled off the bottom.
    pub events_back: usize,
    /// Something for the user.
    pub message: Option<Message>,
    /// True where somebody else's workload is looked at, so that leaving ends nothing and is not asked.
    pub visiting: bool,
    /// A trace is looked at, and no run.
    pub replay: Option<Replay>,
    /// The key that interrupts the command, for people.
    pub interrupt: Option<String>,
    /// All of the command's output is kept in a file.
    pub is_logged: bool,
    /// Rows and columns of the terminal.
    pub size: (u16, u16),
    /// How the run ended, once the guardian said so.
    pub ended: Option<String>,
    live: Picture,
    held: Option<Box<Picture>>,
    /// The process whose proportional set the user asked for, until it is told.
    pub(super) asked: Option<u32>,
    measured_at: Option<Timestamp>,
}

impl App {
    /// Nothing known yet.
    pub fn new(look: Look, has_pane: bool) -> Self {
        App {
            look,
            has_pane,
            mode: Mode::Normal,
            zoomed: false,
            table: Table::default(),
            measures: Measures::default(),
            workloads: Workloads::default(),
            events_back: 0,
            message: None,
            visiting: false,
            replay: None,
            interrupt: Some("Ctrl-C".to_owned()),
            is_logged: false,
            size: (24, 80),
            ended: None,
            live: Picture::default(),
            held: None,
            asked: None,
            measured_at: None,
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
        self.held.is_some() || self.replay.is_some_and(|replay| replay.paused)
    }

    /// True once all its processes are gone.
    pub fn is_over(&self) -> bool {
        self.now().is_some_and(|status| status.state == State::Ended)
    }

    /// Takes a line of the guardian.
    pub fn take_line(&mut self, line: WatchLine, now: Timestamp) {
        match line {
            WatchLine::Status { status, processes } => {
                if self.workloads.take(&status, now) {
                    self.take_status(status, processes);
                }
            }
            WatchLine::Event(event) => self.take_event(event),
            WatchLine::End { goes_on: true, .. } => {}
            WatchLine::End { text, exit_status, goes_on: false } => {
                self.ended = Some(format!("{text} (exit {exit_status})"));
            }
            WatchLine::Reply { ok, text } => self.take_reply(None, ok, &text, now),
        }
    }

    /// Takes the answer to the request of that number.
    pub fn take_reply(&mut self, request: Option<u64>, ok: bool, text: &str, now: Timestamp) {
        match (text.lines().next().unwrap_or_default(), ok) {
            ("", false) => self.answer(request, "refused", false, now),
            (text, ok) => self.answer(request, text, ok, now),
        }
    }

    /// A request was sent, under this number: where a value was sent, its answer is waited for.
    pub fn sent_as(&mut self, number: u64) {
        if let Mode::Prompt(prompt) = &mut self.mode {
            prompt.sent_as(number);
        }
    }

    /// What came of a request: a value that was not taken can be corrected where it was typed.
    pub fn answer(&mut self, request: Option<u64>, text: &str, ok: bool, now: Timestamp) {
        if let Mode::Prompt(prompt) = &mut self.mode
            && prompt.waits_for(request)
        {
            if !ok {
                return prompt.refuse(text);
            }
            self.mode = Mode::Normal;
        }
        if !text.is_empty() {
            self.tell(text, !ok, now);
        }
    }

    fn take_status(&mut self, status: Box<Status>, processes: Option<Vec<ProcessRow>>) {
        if self.live.status.as_ref().is_some_and(|last| status.uptime_ms < last.uptime_ms) {
            // Only in a replay does time go back.
            self.live = Picture::default();
            self.events_back = 0;
        }
        note_rungs(&mut self.live.fired, &status);
        self.live.history.push(status.uptime_ms, SlotPeak::of(&status.memory));
        self.live.activity.push(&status);
        if processes.is_some() {
            self.live.table_footprint = Some(status.memory.footprint);
        }
        self.live.status = Some(status);
        if let Some(processes) = processes {
            self.measures.keep(processes.iter().map(|row| row.pid));
            self.live.processes = processes;
            self.settle();
        }
    }

    fn settle(&mut self) {
        let picture = self.held.as_deref().unwrap_or(&self.live);
        self.table.settle(&picture.processes, &self.measures);
    }

    /// Moves the choice in the process table.
    pub(super) fn choose(&mut self, by: isize) {
        let picture = self.held.as_deref().unwrap_or(&self.live);
        self.table.choose(by, &picture.processes, &self.measures);
    }

    /// Chooses that row of the process table.
    pub(super) fn pick(&mut self, place: usize) {
        let picture = self.held.as_deref().unwrap_or(&self.live);
        self.table.pick(place, &picture.processes, &self.measures);
    }

    /// What to measure now: what the user asked for, and what the panels need.
    pub fn wanted(&mut self, now: Timestamp) -> Option<ToMeasure> {
        let due = self.measured_at.is_none_or(|at| now.since(at) >= MEASURE_EVERY);
        let pids = || self.live.processes.iter().map(|row| row.pid).collect::<Vec<_>>();
        let mut wanted =
            ToMeasure { pss: self.asked.into_iter().collect(), ..ToMeasure::default() };
        if due && self.table.sort == Sort::Pss {
            wanted.pss = pids();
        }
        if due && self.sums_traffic() {
            wanted.traffic = pids();
        }
        let any = wanted != ToMeasure::default();
        if any && due {
            self.measured_at = Some(now);
        }
        any.then_some(wanted)
    }

    /// Where the guardian does not know the disk traffic, and the table has all processes: a part would pass for the whole.
    fn sums_traffic(&self) -> bool {
        let Some(status) = self.now() else { return false };
        let told = status.usage.is_some_and(|usage| usage.io.is_some());
        let rows = u64::try_from(self.live.processes.len()).unwrap_or(u64::MAX);
        !told && rows > 0 && rows >= status.processes
    }

    /// Takes what was measured.
    pub fn take_found(&mut self, found: Measured, now: Timestamp) {
        if let Some(traffic) = found.traffic {
            self.live.activity.sum(traffic, now);
        }
        let asked = found.pss.iter().find(|(pid, _)| self.asked == Some(*pid));
        if let Some((pid, result)) = asked {
            let (text, bad) = match result {
                Ok(pss) => (
                    format!(
                        "{pid}: PSS {}, {} of it private; swap {}",
                        pss.pss, pss.private, pss.swap
                    ),
                    false,
                ),
                Err(problem) => (format!("PSS of {pid} cannot be measured: {problem}"), true),
            };
            self.asked = None;
            self.tell(&text, bad, now);
        }
        self.measures.take(found.pss);
        self.settle();
    }

    /// What is known now, also while paused.
    pub fn live(&self) -> &Picture {
        &self.live
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
        self.workloads.forget(now) || over
    }

    /// Another workload is shown: what is known of the one before is not of this one.
    pub(super) fn show_other(&mut self) {
        let events = std::mem::take(&mut self.live.events);
        self.live = Picture { events, ..Picture::default() };
        self.held = None;
        self.table.let_go();
        self.measures = Measures::default();
    }

    /// Lets the panels stand still, or go on.
    pub(super) fn toggle_pause(&mut self) {
        self.held = match self.held.take() {
            Some(_) => None,
            None => Some(Box::new(self.live.clone())),
        };
    }
}

/// Warn goes out again when memory falls back; a signal that was sent was sent.
fn note_rungs(fired: &mut [bool; 3], status: &Status) {
    fired[0] |= status.warned;
    match status.state {
        State::Starting | State::Running => *fired = [status.warned, false, false],
        State::Terminating => fired[1] = true,
        State::Killing => fired[2] = true,
        State::Ended => {}
    }
}
