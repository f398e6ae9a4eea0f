//! What a post-mortem needs and nobody can find out afterwards: looks, moments, tables of processes. Taken note of behind all
//! deeds, in room made beforehand.

use super::Ward;
use crate::clock::Timestamp;
use crate::event::{Action, Event, Notice, ProcessEnd, Sample};
use crate::lines::Lines;
use crate::processes::ProcessScan;
use crate::report::post_mortem::{EarlierLines, Grower, Milestone, Moment, Reading};
use crate::report::words;
use crate::status::ProcessRow;
use crate::units::{Bytes, millis};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// So far back it goes.
const WINDOW: Duration = Duration::from_secs(60);
/// Looks closer together than this share a place; a tenth of it for a while from SIGTERM on.
const SPACING: Duration = Duration::from_millis(100);
const FINE: Duration = Duration::from_secs(1);
const READINGS: usize = 720;
/// So many have room beforehand: more is made between the deeds.
const ROOM: usize = 32;
const MOMENTS: usize = 300;
/// So many moves of the lines are kept, the last ones.
const MOVES: usize = 32;
/// Lines that were compared with for less were on their way to others.
const SHORTEST: Duration = Duration::from_millis(10);
/// The first table comes when a run has lasted so long: short ones are spared it.
const FIRST_TABLE: Duration = Duration::from_secs(1);
const TABLE_EVERY: Duration = Duration::from_secs(10);
/// Rows that are kept of a table.
const ROWS: usize = 30;

/// A table of processes, and when it was made.
#[derive(Debug)]
struct ProcessTable {
    at: Timestamp,
    rows: Vec<ProcessRow>,
    sizes: HashMap<u32, Bytes>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Evidence {
    readings: VecDeque<Reading>,
    latest: Option<Reading>,
    /// Up to the decision: a long grace does not push that out.
    before_the_end: VecDeque<Reading>,
    moments: Vec<Moment>,
    earlier_lines: Vec<EarlierLines>,
    tables: VecDeque<ProcessTable>,
    scan: Option<ProcessScan>,
    table_at: Timestamp,
}

impl Default for Evidence {
    fn default() -> Evidence {
        Evidence {
            readings: VecDeque::with_capacity(ROOM),
            latest: None,
            before_the_end: VecDeque::new(),
            moments: Vec::new(),
            earlier_lines: Vec::new(),
            tables: VecDeque::new(),
            scan: None,
            table_at: Timestamp(FIRST_TABLE),
        }
    }
}

impl Evidence {
    /// When there is something to do.
    pub(super) fn next_deadline(&self, now: Timestamp) -> Timestamp {
        if self.scan.is_some() { now } else { self.table_at }
    }

    /// Remembers that something was told, or happened.
    pub(super) fn told(&mut self, at: Timestamp, what: Milestone, text: String) {
        // The first and the last matter most; a flood in between is cut.
        if self.moments.len() == MOMENTS {
            self.moments.remove(MOMENTS / 2);
        }
        self.moments.push(Moment { at_us: micros(at.0), what, text });
    }

    /// Remembers lines that are others from now on.
    pub(super) fn lines_moved(&mut self, at: Timestamp, before: &Lines) {
        let until_us = micros(at.0);
        let since = self.earlier_lines.last().map_or(0, |last| last.until_us);
        if until_us.saturating_sub(since) < micros(SHORTEST) {
            return;
        }
        if self.earlier_lines.len() == MOVES {
            self.earlier_lines.remove(0);
        }
        let Lines { limit, second, ceiling, swap, .. } = *before;
        let (second_line, swap_room) = (second, swap);
        self.earlier_lines.push(EarlierLines { until_us, limit, swap_room, second_line, ceiling });
    }

    pub(super) fn earlier_lines(&self) -> &[EarlierLines] {
        &self.earlier_lines
    }

    /// What decided is kept, however close to the one before.
    fn observe(&mut self, sample: &Sample, at: Timestamp, spacing: Duration, decides: bool) {
        let reading = reading(sample, at);
        let last = self.readings.back().map(|last| last.at_us);
        let near = last.is_some_and(|last| reading.at_us.saturating_sub(last) < micros(spacing));
        if near && !decides {
            self.latest = Some(reading);
            return;
        }
        self.latest = None;
        self.keep(reading);
        if decides && self.before_the_end.is_empty() {
            std::mem::swap(&mut self.readings, &mut self.before_the_end);
        }
    }

    /// Into room that is there: an event can be on the way to a kill.
    fn keep(&mut self, reading: Reading) {
        let room = READINGS.min(self.readings.capacity());
        if self.readings.len() >= room {
            self.readings.pop_front();
        }
        if room > 0 {
            self.readings.push_back(reading);
        }
    }

    /// For the events of the next turn.
    fn make_room(&mut self) {
        let free = self.readings.capacity() - self.readings.len();
        if free < ROOM && self.readings.capacity() < READINGS {
            self.readings.reserve(ROOM);
        }
    }

    /// The readings of the minute up to the decision, and of the last minute since.
    pub(super) fn readings(&self) -> Vec<Reading> {
        let since = self.readings.iter().chain(&self.latest).copied().collect();
        let before = self.before_the_end.iter().copied().collect();
        [last_minute(before), last_minute(since)].concat()
    }

    pub(super) fn moments(&self) -> Vec<Moment> {
        let mut moments = self.moments.clone();
        moments.sort_by_key(|moment| moment.at_us);
        moments
    }

    /// The last table that found anybody.
    pub(super) fn processes(&self) -> Vec<ProcessRow> {
        self.tables.back().map(|table| table.rows.clone()).unwrap_or_default()
    }

    /// Who has grown between the first and the last table of the last minute, most first.
    pub(super) fn growers(&self) -> Vec<Grower> {
        let Some(last) = self.tables.back() else { return Vec::new() };
        let first_of = |pid: u32| {
            let seen = self.tables.iter().find_map(|t| Some((t.at, *t.sizes.get(&pid)?)));
            seen.filter(|(at, _)| *at < last.at)
        };
        let mut growers: Vec<Grower> = last
            .rows
            .iter()
            .filter_map(|row| {
                let (at, from) = first_of(row.pid)?;
                let over_ms = millis(last.at - at);
                let (pid, name, to) = (row.pid, row.name.clone(), row.rss);
                (to > from).then_some(Grower { pid, name, from, to, over_ms })
            })
            .collect();
        growers.sort_by_key(|g| std::cmp::Reverse(g.to.0 - g.from.0));
        growers.truncate(10);
        growers
    }

    fn add_table(&mut self, at: Timestamp, mut rows: Vec<ProcessRow>, ending: bool) {
        let total = |rows: &[ProcessRow]| crate::processes::rss_sum(rows).0;
        let fading = self.tables.back().is_some_and(|last| total(&rows) < total(&last.rows) / 2);
        // While it ends its processes are shells of themselves.
        if rows.is_empty() || ending && fading {
            return;
        }
        while self.tables.front().is_some_and(|table| at.since(table.at) > WINDOW) {
            self.tables.pop_front();
        }
        let sizes = rows.iter().map(|row| (row.pid, row.rss)).collect();
        rows.truncate(ROWS);
        self.tables.push_back(ProcessTable { at, rows, sizes });
        if self.tables.len() > 10 {
            self.tables.remove(1);
        }
    }
}

fn last_minute(mut readings: Vec<Reading>) -> Vec<Reading> {
    let end = readings.last().map_or(0, |last| last.at_us);
    readings.retain(|reading| end.saturating_sub(reading.at_us) <= micros(WINDOW));
    readings
}

fn reading(sample: &Sample, at: Timestamp) -> Reading {
    Reading {
        at_us: micros(at.0),
        current: sample.current,
        footprint: sample.footprint(),
        anon: sample.anon,
        shmem: sample.shmem,
        cache: sample.cache,
        kernel: sample.kernel,
        swap: sample.swap,
        processes: sample.processes,
        full_avg10: sample.pressure.map(|pressure| pressure.full_avg10),
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Ward {
    /// Before the deeds of an event, for these lead to further looks: a copy into room that is there.
    pub(super) fn keep_look(&mut self, event: &Event, actions: &[Action], now: Timestamp) {
        let Event::Sample(sample) = event else { return };
        let term = self.story.term.map(|(at, _)| at);
        let fine = term.is_some_and(|at| now.since(at) < FINE);
        let spacing = if fine { SPACING / 10 } else { SPACING };
        let decides = |action: &Action| matches!(action, Action::Terminate | Action::Kill);
        self.evidence.observe(sample, now, spacing, actions.iter().any(decides));
    }

    /// Behind the deeds of an event.
    pub(super) fn note(&mut self, event: &Event, actions: &[Action], now: Timestamp) {
        if let Event::ChildExited(ending) = event {
            let text = format!("the command {}", words::ending(*ending));
            self.evidence.told(now, Milestone::ChildEnded, text);
        }
        for action in actions {
            self.note_action(action);
        }
    }

    fn note_action(&mut self, action: &Action) {
        let now = self.clock.now();
        match action {
            Action::Finish(_) => {
                self.evidence.told(now, Milestone::Empty, "all processes are gone".to_owned());
            }
            Action::Terminate
            | Action::Choose(_)
            | Action::EndProcess(ProcessEnd { kill: false, .. })
            | Action::Tell(Notice::NearLimit { .. } | Notice::NearInTime { .. }) => {
                self.want_table();
            }
            Action::Look
            | Action::SetTripWire(_)
            | Action::SetLines(_)
            | Action::SetPids(_)
            | Action::Signal(_)
            | Action::Weigh
            | Action::EndProcess(_)
            | Action::Freeze
            | Action::Thaw
            | Action::Kill
            | Action::Tell(_) => {}
        }
    }

    fn want_table(&mut self) {
        let pids = self.workload.processes().to_vec();
        self.evidence.scan.get_or_insert_with(|| ProcessScan::new(&pids));
    }

    /// A little at a time, once a turn of the loop. Gives the largest process, where there is something to ask about it.
    pub fn gather(&mut self, now: Timestamp) -> Option<u32> {
        self.evidence.make_room();
        if self.workload.is_foreign() {
            self.workload.make_room(self.policy.last().processes);
        }
        if self.evidence.scan.is_none() && now >= self.evidence.table_at {
            let wait = TABLE_EVERY.max(self.policy.longest_rest() * 10);
            self.evidence.table_at = self.policy.turn_after(wait, now);
            self.want_table();
        }
        if !self.evidence.scan.as_mut().is_some_and(ProcessScan::step) {
            return None;
        }
        let rows = self.evidence.scan.take()?.finish();
        let largest = rows.first().map(|row| row.pid);
        self.evidence.add_table(now, rows, self.is_terminated());
        largest.filter(|_| self.policy.warned() || self.is_terminated())
    }
}
