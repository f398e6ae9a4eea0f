//! Whether a run kept the whole promise, and its line for the table.

use crate::cases::{Case, Expect, Place};
use crate::machine::Kernel;
use crate::trial::Trial;
use serde_json::json;

const TERMINATED: i32 = 128 + 15;
const KILLED: i32 = 128 + 9;

/// What was wrong with a run. `excepted` when the kernel could not be beaten, and said so.
#[derive(Debug)]
pub struct Verdict {
    pub problems: Vec<String>,
    pub excepted: bool,
}

/// Judges it.
pub fn verdict(case: &Case, place: &Place, kernel: &Kernel, trial: &Trial) -> Verdict {
    let excepted = (case.one_call > place.headroom() && outran(kernel, trial))
        || (case.received && passed_unasked(kernel, trial));
    if trial.status.is_none() {
        // There is no record.
        return Verdict { problems: vec!["undecided".into()], excepted: false };
    }
    let mut problems = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_owned());
        }
    };
    demand(trial.left.is_empty(), "left something behind");
    demand(trial.text("/status/tier") == "kernel", "not in tier kernel");
    demand(is_plain(trial), "let control characters through");
    demand(trial.number("/status/limits/limit") == Some(place.limit << 20), "another limit");
    let ceiling = (place.limit + place.headroom()) << 20;
    demand(is_near(trial.number("/status/limits/ceiling"), ceiling), "another ceiling");
    if !excepted {
        demand(trial.alarms.is_empty(), "alarmed the kernel");
        for counter in ["max", "oom", "oom_kill"] {
            // Page cache may touch `memory.max`: the kernel takes it back.
            if case.expect != Expect::Lives || counter != "max" {
                let value = trial.number(&format!("/status/events/{counter}"));
                demand(value == Some(0), counter);
            }
        }
        match case.expect {
            Expect::Lives => demand(lives(trial), "did not live"),
            Expect::Killed => demand(ended(trial, &[KILLED]), "not killed by sentinel"),
            Expect::Ended => {
                demand(ended(trial, &[TERMINATED, KILLED]), "not ended by sentinel");
            }
        }
    }
    Verdict { problems, excepted }
}

/// A tenth of the limit is not always a number of MiB.
fn is_near(value: Option<u64>, wanted: u64) -> bool {
    value.is_some_and(|value| value.abs_diff(wanted) < 1 << 20)
}

/// By itself: no signal of ours.
fn lives(trial: &Trial) -> bool {
    trial.status == Some(0)
        && trial.text("/outcome/ended_by") == "command"
        && trial.record["term"].is_null()
}

/// Whether one call was at `memory.max` before anybody could act. Where the kernel throttles within a call, huge pages alone are not:
/// they are charged without blocking. There `memory.max` refuses one, smaller pages are throttled, and nobody may have been killed.
fn outran(kernel: &Kernel, trial: &Trial) -> bool {
    let [max, oom, killed] = ["max", "oom", "oom_kill"]
        .map(|counter| trial.number(&format!("/status/events/{counter}")).unwrap_or(0));
    match kernel.throttles_in_the_call {
        true => max > 0 && oom == 0 && killed == 0 && ended(trial, &[TERMINATED, KILLED]),
        false => max > 0 || killed > 0,
    }
}

/// Whether the kernel let it past `memory.max` without a word, and it was ended by us then.
fn passed_unasked(kernel: &Kernel, trial: &Trial) -> bool {
    let quiet = ["max", "oom", "oom_kill"]
        .iter()
        .all(|counter| trial.number(&format!("/status/events/{counter}")) == Some(0));
    kernel.number < (5, 15) && quiet && !had_room(trial) && is_ours(trial, &[TERMINATED, KILLED])
}

/// By sentinel, which sent SIGTERM while there was room.
fn ended(trial: &Trial, statuses: &[i32]) -> bool {
    is_ours(trial, statuses) && had_room(trial)
}

fn is_ours(trial: &Trial, statuses: &[i32]) -> bool {
    trial.status.is_some_and(|status| statuses.contains(&status))
        && trial.text("/outcome/ended_by") == "sentinel"
        && trial.number("/term/current").is_some()
}

fn had_room(trial: &Trial) -> bool {
    trial.number("/term/current") < trial.number("/status/limits/ceiling")
}

/// Nothing that a terminal would obey, whatever the workload is called.
fn is_plain(trial: &Trial) -> bool {
    let said = trial.said.iter().map(|(_, line)| line.trim_end_matches('\n'));
    let all_plain = |text: &str| !text.contains(char::is_control);
    said.into_iter().all(all_plain) && strings(&trial.record).into_iter().all(all_plain)
}

/// All text of a record.
pub fn strings(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(values) => values.iter().flat_map(strings).collect(),
        serde_json::Value::Object(values) => values.values().flat_map(strings).collect(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            Vec::new()
        }
    }
}

impl Verdict {
    /// One line of JSON, which scripts/gauntlet reads.
    pub fn line(
        &self,
        pass: usize,
        case: &Case,
        place: &Place,
        kernel: &Kernel,
        trial: &Trial,
    ) -> String {
        let limit = place.limit << 20;
        let over = |pointer: &str| Some(trial.number(pointer)?.saturating_sub(limit));
        let number = |pointer: &str| trial.number(pointer);
        let since_term = || Some(trial.number("/status/uptime_ms")? - trial.number("/term/at_ms")?);
        json!({
            "pass": pass,
            "shape": case.name,
            "limit": place.limit,
            "kernel": kernel.version,
            "headroom": place.headroom,
            "swap": case.swaps(place),
            "processes": case.copies(place),
            "spinner": case.spinner(place),
            "expect": format!("{:?}", case.expect),
            "problems": self.problems,
            "excepted": self.excepted,
            "status": trial.status,
            "ended_by": trial.text("/outcome/ended_by"),
            "reason": trial.text("/outcome/reason"),
            "killed": trial.text("/outcome/killed"),
            "over_footprint": over("/status/memory/peak_footprint"),
            "over_current": over("/status/memory/peak"),
            "to_term_us": trial.time_to_term().map(|time| time.as_micros()),
            "to_end_ms": since_term(),
            "high": number("/status/events/high"),
            "max": number("/status/events/max"),
            "oom": number("/status/events/oom"),
            "oom_kill": number("/status/events/oom_kill"),
            "took_ms": trial.took.as_millis(),
        })
        .to_string()
    }
}
