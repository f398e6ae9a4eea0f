//! Metrics in Prometheus' text format 0.0.4 (prometheus.io: exposition formats), made from typed values alone: what guardians say is
//! read as a status first, so that no text of theirs is ever a line of this page. Pure; serving it over HTTP is not for a guardian to
//! do.
//!
//! A series keeps its labels for life. Those of a guardian that lives have `guard` (the name of the run), `uid` (whose it is) and
//! `pid` (the guardian's process id), by which two of one name differ from the start; they end with the guardian, and a new run makes
//! new ones, as a pod does. What outlives a run has `guard` and `uid` and no process id, so their number is bounded
//! ([`crate::ledger`]).

mod ended;
mod live;

use crate::status::Status;
use crate::units::Limit;
use std::fmt::{Display, Write as _};

/// The longest label value, characters: a path may be longer.
const LONGEST_LABEL: usize = 200;

/// Whose series they are.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The name of the run, as it is listed.
    pub guard: &'a str,
    /// Whose run it is.
    pub uid: u32,
    /// The guardian's process id.
    pub pid: u32,
}

/// The state of one guardian, as it tells it itself.
pub fn metrics_text(subject: Subject<'_>, status: &Status) -> String {
    let mut page = Page::default();
    page.guardian(subject, status);
    page.finish()
}

/// One family of metrics.
#[derive(Debug)]
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    samples: String,
}

/// A page in the making. Each family's HELP and TYPE stand once, with all its samples behind them.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order in which they came.
    families: Vec<Family>,
}

impl Page {
    /// Adds a guardian that answered.
    pub fn guardian(&mut self, subject: Subject<'_>, status: &Status) {
        let labels = labels_of(subject);
        self.up(&labels, true);
        live::add(&mut Samples { page: self, labels }, status);
    }

    /// Adds one that did not.
    pub fn silent(&mut self, subject: Subject<'_>) {
        self.up(&labels_of(subject), false);
    }

    fn up(&mut self, labels: &str, up: bool) {
        let help = "1 when the guardian answered.";
        self.sample(("sentinel_guard_up", "gauge", help), labels, u8::from(up));
    }

    /// Adds the ends of a user's runs.
    pub fn ended(&mut self, uid: u32, ledger: &crate::ledger::Ledger) {
        for (kind, tally) in &ledger.ends {
            ended::add(self, uid, kind, tally);
        }
    }

    /// Adds what is nobody's in particular: `labels` are `key="value"` with commas between, or empty.
    pub fn sample(
        &mut self,
        (name, kind, help): (&'static str, &'static str, &'static str),
        labels: &str,
        value: impl Display,
    ) {
        let place = self.families.iter().position(|family| family.name == name);
        let place = place.unwrap_or_else(|| {
            self.families.push(Family { name, kind, help, samples: String::new() });
            self.families.len() - 1
        });
        let samples = &mut self.families[place].samples;
        // Writing to a String cannot fail, here and below.
        let _ = match labels {
            "" => writeln!(samples, "{name} {value}"),
            labels => writeln!(samples, "{name}{{{labels}}} {value}"),
        };
    }

    /// The page.
    pub fn finish(self) -> String {
        let length: usize = self.families.iter().map(|family| family.samples.len() + 200).sum();
        let mut text = String::with_capacity(length);
        for Family { name, kind, help, samples } in self.families {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
        }
        text
    }
}

/// The samples of one guardian.
#[derive(Debug)]
struct Samples<'a> {
    page: &'a mut Page,
    labels: String,
}

impl Samples<'_> {
    fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.page.sample((name, "gauge", help), &self.labels, value);
    }

    fn counter(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.page.sample((name, "counter", help), &self.labels, value);
    }

    /// One sample for each value of a label.
    fn each<V: Display>(
        &mut self,
        family: (&'static str, &'static str, &'static str),
        key: &str,
        values: &[(&str, V)],
    ) {
        for (word, value) in values {
            self.page.sample(family, &format!("{},{key}=\"{word}\"", self.labels), value);
        }
    }
}

fn labels_of(Subject { guard, uid, pid }: Subject<'_>) -> String {
    format!("guard=\"{}\",uid=\"{uid}\",pid=\"{pid}\"", label(guard))
}

/// A label's value, cut, with what would end it escaped.
pub fn label(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST_LABEL).collect();
    cut.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn seconds_of_micros(usec: u64) -> String {
    format!("{}.{:06}", usec / 1_000_000, usec % 1_000_000)
}

fn at_most(limit: Limit) -> String {
    match limit {
        Limit::At(value) => value.to_string(),
        Limit::Max => "+Inf".to_owned(),
    }
}
