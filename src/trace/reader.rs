//! Reads a trace. What is wrong with it is told with the number of the line; one that was cut short is read as far as it goes.

use super::format::{EventRow, LastLine, Start, VERSION, What, moment};
use crate::clock::Timestamp;
use crate::escape::tame;
use crate::event::{Event, Sample};
use crate::report::misread::misread;
use crate::report::words::counted;
use crate::units::millis;
use std::io::{BufRead, Read};

/// The longest line: the first, with 64 words of 256 characters, stays below.
const LONGEST: u64 = 256 << 10;
/// More lines than a file of the greatest useful size has; each is some hundred bytes in memory.
const MOST: usize = 8 << 20;

/// One event of the run, and what was done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The number of its line.
    pub line: usize,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// In the words of [`super::deed`].
    pub did: Vec<String>,
}

impl Recorded {
    /// The look, if it was one.
    pub fn sample(&self) -> Option<&Sample> {
        if let Event::Sample(sample) = &self.event { Some(sample) } else { None }
    }

    /// Whether this was done about it.
    pub fn did(&self, deed: &str) -> bool {
        self.did.iter().any(|did| did == deed)
    }
}

/// A recorded run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Whose, and by which rules.
    pub start: Start,
    /// What happened, in order.
    pub steps: Vec<Recorded>,
    /// How it ended. `None`: the recording did not get to the end.
    pub end: Option<LastLine>,
    /// Events that are missing because the disk was too slow.
    pub lost: u64,
    /// Looks that were left out to keep the file's size.
    pub thinned: u64,
}

impl Trace {
    /// Whether nothing is missing between its first and its last line, so that a replay must come to the same decisions.
    pub fn is_gapless(&self) -> bool {
        self.lost == 0 && self.thinned == 0
    }

    /// Whether the whole run is there.
    pub fn is_whole(&self) -> bool {
        self.is_gapless() && self.end.is_some()
    }

    /// What is missing, in words.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.lost > 0 {
            let lost = counted(self.lost, "event is", "events are");
            missing.push(format!("{lost} missing in the trace"));
        }
        if self.end.is_none() {
            missing.push("the trace does not reach the end of the run".to_owned());
        }
        missing
    }

    /// The moment of the last line.
    pub fn last(&self) -> Timestamp {
        self.steps.last().map_or(moment(self.start.t), |step| step.at)
    }

    /// The same in milliseconds, as a status would have it.
    pub fn length_ms(&self) -> u64 {
        millis(self.last().0)
    }

    /// All looks.
    pub fn samples(&self) -> impl Iterator<Item = (Timestamp, &Sample)> {
        self.steps.iter().filter_map(|step| Some((step.at, step.sample()?)))
    }
}

/// Why a file is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadTrace {
    /// The first line is 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

fn bad(line: usize, what: impl Into<String>) -> BadTrace {
    BadTrace { line, what: what.into() }
}

/// Reads a trace to its end. A last line without its end is left out: the run or the disk ended in the middle of it.
///
/// # Errors
/// When it is none, or one of another version, or broken.
pub fn read(mut input: impl BufRead) -> Result<Trace, BadTrace> {
    let mut line = Vec::new();
    let start = match next(&mut input, &mut line, 1)? {
        true => first(&line)?,
        false => return Err(bad(1, "not a trace: it has no first line")),
    };
    let mut trace = Trace { start, steps: Vec::new(), end: None, lost: 0, thinned: 0 };
    let mut number = 1;
    while next(&mut input, &mut line, number + 1)? {
        number += 1;
        if number > MOST {
            return Err(bad(number, "too many lines"));
        }
        let row = serde_json::from_slice::<EventRow>(&line)
            .map_err(|error| not_understood(number, &error))?;
        take(&mut trace, row, number)?;
    }
    Ok(trace)
}

/// One whole line, without its end. False where there is no more.
fn next(input: &mut impl BufRead, line: &mut Vec<u8>, number: usize) -> Result<bool, BadTrace> {
    line.clear();
    let read = input.by_ref().take(LONGEST).read_until(b'\n', line);
    read.map_err(|error| bad(number, error.to_string()))?;
    let whole = line.pop_if(|last| *last == b'\n').is_some();
    if !whole && line.len() as u64 >= LONGEST {
        return Err(bad(number, format!("longer than {LONGEST} bytes")));
    }
    Ok(whole)
}

fn first(line: &[u8]) -> Result<Start, BadTrace> {
    #[derive(serde::Deserialize)]
    struct Format {
        #[serde(rename = "sentinel-trace")]
        format: u32,
    }
    let format = serde_json::from_slice::<Format>(line);
    let format =
        format.map_err(|_| bad(1, "not a trace: write one with sentinel --record FILE"))?;
    if format.format != VERSION {
        let what =
            format!("a trace of version {}; this sentinel reads version {VERSION}", format.format);
        return Err(bad(1, what));
    }
    let mut start: Start =
        serde_json::from_slice(line).map_err(|error| not_understood(1, &error))?;
    start.version = tame(&start.version);
    start.command.iter_mut().for_each(|word| *word = tame(word));
    Ok(start)
}

fn not_understood(line: usize, error: &serde_json::Error) -> BadTrace {
    bad(line, format!("cannot be parsed: {}", tame(&misread(error))))
}

fn take(trace: &mut Trace, row: EventRow, line: usize) -> Result<(), BadTrace> {
    if trace.end.is_some() {
        return Err(bad(line, "there is data after the end"));
    }
    let at = moment(row.t);
    if at < trace.last() {
        return Err(bad(line, "its time is earlier than that of the line above"));
    }
    if let Some(event) = row.what.event() {
        let did = row.did.iter().map(|did| tame(did)).collect();
        trace.steps.push(Recorded { line, at, event, did });
    }
    match row.what {
        What::Lost(events) => trace.lost = trace.lost.saturating_add(events),
        What::End(end) => {
            (trace.lost, trace.thinned) = (trace.lost.max(end.lost), end.thinned);
            trace.end = Some(LastLine { text: tame(&end.text), ..end });
        }
        What::Sample(_)
        | What::Deadline {}
        | What::Exited(_)
        | What::Signaled(_)
        | What::Unseen {}
        | What::Empty {}
        | What::Operator(_)
        | What::Yielded {}
        | What::Processes(_)
        | What::TripWire(_)
        | What::Lines(_)
        | What::Done(_) => {}
    }
    Ok(())
}
