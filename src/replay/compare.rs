//! A trace through the policy that it was recorded with: the same events, at the same moments, must lead to the same decisions.

use crate::policy::{Policy, PolicyConfig};
use crate::report::words::counted;
use crate::trace::deed::deed;
use crate::trace::format::moment;
use crate::trace::reader::Trace;
use serde::Serialize;
use std::fmt;

/// An event that led to something else than it did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The line of the trace.
    pub line: usize,
    /// When, milliseconds of the guardian's clock.
    pub at_ms: u128,
    /// What was done about it.
    pub recorded: Vec<String>,
    /// What would be done now.
    pub replayed: Vec<String>,
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Events played.
    pub events: usize,
    /// Decisions recorded.
    pub decisions: usize,
    /// Events that led to something else.
    pub differing: usize,
    /// The first of them.
    pub first: Option<Difference>,
    /// The whole run is in the trace.
    pub whole: bool,
    /// Nothing is missing between its first and its last line, so that there must be none.
    pub gapless: bool,
    /// What is missing, in words.
    pub missing: Vec<String>,
    /// The version that recorded it, if that is another.
    pub other_version: Option<String>,
}

/// Plays a trace and compares.
pub fn compare(trace: &Trace) -> Comparison {
    let config = PolicyConfig::from(trace.start.rules);
    let mut policy = Policy::new(config, moment(trace.start.t));
    let ours = env!("CARGO_PKG_VERSION");
    let other = (trace.start.version != ours).then(|| trace.start.version.clone());
    let mut result = Comparison {
        events: trace.steps.len(),
        decisions: trace.steps.iter().map(|step| step.did.len()).sum(),
        differing: 0,
        first: None,
        whole: trace.is_whole(),
        gapless: trace.is_gapless(),
        missing: trace.missing(),
        other_version: other,
    };
    for step in &trace.steps {
        let replayed: Vec<String> =
            policy.handle(step.event, step.at).iter().filter_map(deed).collect();
        if replayed != step.did {
            result.differing += 1;
            result.first.get_or_insert_with(|| Difference {
                line: step.line,
                at_ms: step.at.0.as_millis(),
                recorded: step.did.clone(),
                replayed,
            });
        }
    }
    result
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = counted(self.events as u64, "event", "events");
        let decisions = counted(self.decisions as u64, "decision", "decisions");
        write!(f, "replayed {events} with {decisions}: ")?;
        let Some(first) = &self.first else { return f.write_str("all decided the same way") };
        let list = |deeds: &[String]| match deeds {
            [] => "nothing".to_owned(),
            deeds => deeds.join(", "),
        };
        let (recorded, replayed) = (list(&first.recorded), list(&first.replayed));
        write!(f, "{} decided differently, first in line {}", self.differing, first.line)?;
        write!(f, ": recorded {recorded}; now {replayed}")?;
        if let Some(version) = &self.other_version {
            write!(f, " (recorded by sentinel {version})")?;
        }
        if !self.gapless {
            f.write_str(" (the trace has gaps)")?;
        }
        Ok(())
    }
}
