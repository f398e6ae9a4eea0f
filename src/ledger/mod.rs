//! The ledger: ended runs of a user, counted. A guardian adds its end when everything is over; the exporter reads it at each
//! scrape, so that a run that lived and was ended between two scrapes is seen. Here it is as data; the file is [`store`]'s, whose
//! ledgers may be read is [`finding`]'s.
//!
//! Runs are counted by name, reason and signal, so its size is bounded whatever runs. Of more than [`MOST`] such kinds those that
//! ended longest ago are added to [`OTHERS`], by the writer alone and for good: a reader never sees a count become less.

pub mod finding;
pub mod store;

use crate::report::post_mortem::{EndReason, Verdict};
use crate::report::words::signal_name;
use crate::status::Status;
use crate::units::{Bytes, millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised whenever a field changes its meaning or goes away.
const SCHEMA: u32 = 1;

/// Kinds of ends that are kept apart.
pub const MOST: usize = 256;

/// The name of all runs whose own was given up. No run can have it.
pub const OTHERS: &str = "(other)";

/// The reason of a run that could not be started.
pub const NOT_STARTED: &str = "not-started";

/// The signal of a run that none ended.
const NO_SIGNAL: &str = "none";

/// The longest name, reason and signal, bytes.
const LONGEST: usize = 40;

/// What ends are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// The name of the run, as it is listed.
    pub name: String,
    /// One of the closed list of post-mortems, or [`NOT_STARTED`].
    pub reason: String,
    /// The signal that ended it, `none` where none did.
    pub signal: String,
}

/// The last end of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When, milliseconds since 1970.
    pub ended_unix_ms: u64,
    /// How long it ran.
    pub ran_ms: u64,
    /// The highest use of memory; absent where nobody looked.
    pub peak: Option<Bytes>,
    /// The highest footprint.
    pub peak_footprint: Option<Bytes>,
    /// CPU time, microseconds.
    pub cpu_usec: Option<u64>,
}

/// So many ends of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// The last of them.
    pub last: Last,
}

/// One end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentEnd {
    /// What it is counted by.
    pub kind: Kind,
    /// Its figures.
    pub last: Last,
}

impl RecentEnd {
    /// The end of a run that was guarded to its end.
    pub fn of(name: &str, verdict: &Verdict, status: &Status) -> RecentEnd {
        let by_itself = || verdict.child_signal.map(signal_name);
        let memory = &status.memory;
        let seen = |bytes: Bytes| (bytes != Bytes(0)).then_some(bytes);
        let last = Last {
            ended_unix_ms: now_ms(),
            ran_ms: status.uptime_ms,
            peak: seen(memory.peak),
            peak_footprint: seen(memory.peak_footprint),
            cpu_usec: status.usage.map(|usage| usage.cpu_usec),
        };
        let signal = verdict.signal.clone().or_else(by_itself);
        RecentEnd { kind: kind(name, &word(verdict.reason), signal), last }
    }

    /// The end of a run of which nobody is left who could say more.
    pub fn bare(name: &str, reason: &str, ran_ms: u64) -> RecentEnd {
        let last = Last { ended_unix_ms: now_ms(), ran_ms, ..Last::default() };
        RecentEnd { kind: kind(name, reason, None), last }
    }

    /// The end of a run whose guardian was killed, and the last signal that its keeper sent, if it came to that.
    pub fn of_guardian(name: &str, ran_ms: u64, signal: Option<String>) -> RecentEnd {
        let end = RecentEnd::bare(name, &word(EndReason::GuardianDeath), ran_ms);
        RecentEnd { kind: kind(name, &end.kind.reason, signal), ..end }
    }
}

fn kind(name: &str, reason: &str, signal: Option<String>) -> Kind {
    let name = crate::control::runtime_dir::listed_name(name);
    let signal = signal.unwrap_or_else(|| NO_SIGNAL.to_owned());
    Kind { name, reason: reason.to_owned(), signal }
}

/// The reason's word in the post-mortem.
fn word(reason: EndReason) -> String {
    let value = serde_json::to_value(reason).ok();
    value.as_ref().and_then(|value| value.as_str()).unwrap_or("unknown").to_owned()
}

fn now_ms() -> u64 {
    millis(crate::clock::unix_time())
}

/// All that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// By kind.
    pub ends: BTreeMap<Kind, Tally>,
}

/// As it is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Written<StoredEnd> {
    schema: u32,
    ends: Vec<StoredEnd>,
}

/// A kind and its tally, as it is written. Not by `flatten`, with which a full ledger takes a millisecond at each end.
#[derive(Debug, Serialize)]
struct TallyLine<'a> {
    name: &'a str,
    reason: &'a str,
    signal: &'a str,
    count: u64,
    last: Last,
}

impl<'a> TallyLine<'a> {
    fn of(Kind { name, reason, signal }: &'a Kind, tally: &Tally) -> TallyLine<'a> {
        TallyLine { name, reason, signal, count: tally.count, last: tally.last }
    }
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
struct StoredEnd {
    name: String,
    reason: String,
    signal: String,
    count: u64,
    last: Last,
}

impl Ledger {
    /// Counts one. Where there are too many kinds, others lose their name.
    pub fn add(&mut self, end: &RecentEnd) {
        self.merge(end.kind.clone(), Tally { count: 1, last: end.last });
        while self.ends.len() > MOST && self.give_up_one(&end.kind) {}
    }

    /// Adds up what is of the same kind.
    fn merge(&mut self, kind: Kind, more: Tally) {
        let tally = self.ends.entry(kind).or_default();
        tally.count = tally.count.saturating_add(more.count);
        if more.last.ended_unix_ms >= tally.last.ended_unix_ms {
            tally.last = more.last;
        }
    }

    /// The one that ended longest ago. False where none has a name of its own but this one.
    fn give_up_one(&mut self, kept: &Kind) -> bool {
        let named = self.ends.iter().filter(|(kind, _)| kind.name != OTHERS && *kind != kept);
        let oldest = named.min_by_key(|(_, tally)| tally.last.ended_unix_ms);
        let Some(kind) = oldest.map(|(kind, _)| kind.clone()) else { return false };
        let Some(tally) = self.ends.remove(&kind) else { return false };
        self.merge(Kind { name: OTHERS.to_owned(), ..kind }, tally);
        true
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let ends: Vec<TallyLine<'_>> =
            self.ends.iter().map(|(kind, tally)| TallyLine::of(kind, tally)).collect();
        serde_json::to_vec(&Written { schema: SCHEMA, ends })
    }

    /// Reads the text of a file, which somebody else may have written: what no guardian writes is left out. `None` where it is no
    /// ledger that this version knows.
    pub fn from_json(json: &[u8]) -> Option<Ledger> {
        let written: Written<StoredEnd> = serde_json::from_slice(json).ok()?;
        (written.schema == SCHEMA).then_some(())?;
        let mut ledger = Ledger::default();
        let ends =
            written.ends.into_iter().map(|StoredEnd { name, reason, signal, count, last }| {
                (Kind { name, reason, signal }, Tally { count, last })
            });
        for (kind, tally) in ends.filter(|(kind, _)| kind.is_proper()).take(2 * MOST) {
            ledger.merge(kind, tally);
        }
        Some(ledger)
    }
}

impl Kind {
    /// Whether a guardian could have written it.
    fn is_proper(&self) -> bool {
        let fits = |text: &str| (1..=LONGEST).contains(&text.len());
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let lower = |c: char| c.is_ascii_lowercase() || c == '-';
        let signal = |c: char| c.is_ascii_alphanumeric() || "+- ".contains(c);
        fits(&self.name)
            && (self.name == OTHERS || self.name.chars().all(plain))
            && fits(&self.reason)
            && self.reason.chars().all(lower)
            && fits(&self.signal)
            && self.signal.chars().all(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(name: &str, at: u64) -> RecentEnd {
        let last = Last { ended_unix_ms: at, peak: Some(Bytes(at)), ..Last::default() };
        RecentEnd { kind: kind(name, "breach", Some("SIGTERM".to_owned())), last }
    }

    fn sum(ledger: &Ledger) -> u64 {
        ledger.ends.values().map(|tally| tally.count).sum()
    }

    #[test]
    fn the_last_end_is_the_latest_in_whatever_order_they_come() {
        let mut ledger = Ledger::default();
        [5, 9, 7].iter().for_each(|at| ledger.add(&end("a", *at)));
        let tally = ledger.ends.values().next().unwrap();
        assert_eq!((tally.count, tally.last.peak), (3, Some(Bytes(9))));
        assert_eq!(Ledger::from_json(&ledger.to_json().unwrap()), Some(ledger));
    }

    /// However many names there are: nothing is lost, nothing with a name becomes less, and the size is bounded.
    #[test]
    fn names_are_given_up_and_no_end_is() {
        let (mut ledger, mut before) = (Ledger::default(), Ledger::default());
        for n in 0..900_u64 {
            ledger.add(&end(&format!("run-{}", n % 400), n));
            assert_eq!(sum(&ledger), n + 1);
            assert!(ledger.ends.len() <= MOST);
            let read = Ledger::from_json(&ledger.to_json().unwrap()).unwrap();
            assert_eq!(read, ledger);
            for (kind, tally) in &before.ends {
                let now = read.ends.get(kind).map_or(tally.count, |tally| tally.count);
                assert!(now >= tally.count, "{kind:?}");
            }
            before = read;
        }
        assert!(ledger.to_json().unwrap().len() < 100_000);
        let others = ledger.ends.iter().find(|(kind, _)| kind.name == OTHERS).unwrap();
        assert!(others.1.count > 400, "{others:?}");
    }

    #[test]
    fn what_no_guardian_writes_is_left_out() {
        let row = |name: &str, reason: &str| {
            format!(
                r#"{{"name":"{name}","reason":"{reason}","signal":"none","count":1,"last":{{"ended_unix_ms":1,"ran_ms":1}}}}"#
            )
        };
        let rows = [
            row("a", "breach"),
            row("a", "breach"),
            row("a\\\"} 1\\n", "breach"),
            row("a", "Breach"),
            row("", "breach"),
            row(&"x".repeat(41), "breach"),
            row(OTHERS, "exited"),
        ];
        let text = format!(r#"{{"schema":1,"ends":[{}]}}"#, rows.join(","));
        let ledger = Ledger::from_json(text.as_bytes()).unwrap();
        let counts: Vec<u64> = ledger.ends.values().map(|tally| tally.count).collect();
        assert_eq!(counts, [1, 2]);
        for text in ["", "{}", "[]", "\0", r#"{"schema":2,"ends":[]}"#] {
            assert_eq!(Ledger::from_json(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn all_words_of_reasons_are_proper() {
        for reason in [EndReason::SecondLine, EndReason::GuardianDeath, EndReason::SystemdOomd] {
            assert!(kind("a", &word(reason), None).is_proper(), "{reason:?}");
        }
        assert!(kind("", NOT_STARTED, Some("signal 35".to_owned())).is_proper());
    }
}
