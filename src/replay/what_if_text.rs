//! The answer to a question of `--what-if`, for people and for programs.

use super::what_if::{Prediction, WhatIfAnswer, Why};
use crate::clock::Timestamp;
use crate::event::Notice;
use crate::policy::PolicyConfig;
use crate::report::words;
use crate::trace::format::nanos;
use crate::trace::reader::Trace;
use crate::units::{Bytes, Limit, show_duration};
use serde::Serialize;
use std::time::Duration;

/// The version of [`WhatIfRecord`].
const SCHEMA: u32 = 1;

/// The answer for programs; milliseconds of the guardian's clock.
#[derive(Debug, Serialize)]
pub(super) struct WhatIfRecord {
    schema: u32,
    limit: Bytes,
    /// Room beyond the limit in swap; `null`: without end.
    swap_room: Limit,
    second_line: Bytes,
    ceiling: Bytes,
    grace_ms: u64,
    /// `lived`, `ended` or `unknown`.
    verdict: &'static str,
    /// When it would have been ended, or from when on nothing is known.
    at_ms: Option<u64>,
    reason: Option<&'static str>,
    killed: Option<&'static str>,
    killed_at_ms: Option<u64>,
    /// What followed SIGTERM is known.
    end_known: Option<bool>,
    /// Why nothing is known: `recorded-end`, `recorded-freeze`, `kernel-oom` or `trace-ends`.
    unknown_because: Option<&'static str>,
    /// Time from there to the limit at the growth seen there.
    forecast_ms: Option<u64>,
    warned_share_ms: Option<u64>,
    warned_time_ms: Option<u64>,
    peak_footprint: Bytes,
    peak: Bytes,
    /// From here on the recorded run was slowed down at its own, lower limit.
    slowed_from_ms: Option<u64>,
    lost: u64,
    thinned: u64,
    text: String,
}

fn ms(at: Timestamp) -> u64 {
    nanos(at.0) / 1_000_000
}

fn since(at: Timestamp) -> String {
    show_duration(at.0)
}

/// For programs.
pub(super) fn record(trace: &Trace, answer: &WhatIfAnswer) -> WhatIfRecord {
    let lines = &answer.config.lines;
    let warned = |near: fn(&Notice) -> bool| {
        answer.warnings.iter().find(|(_, notice)| near(notice)).map(|(at, _)| ms(*at))
    };
    let mut record = WhatIfRecord {
        schema: SCHEMA,
        limit: lines.limit,
        swap_room: lines.swap,
        second_line: lines.second,
        ceiling: lines.ceiling,
        grace_ms: nanos(answer.config.grace) / 1_000_000,
        verdict: "lived",
        at_ms: None,
        reason: None,
        killed: None,
        killed_at_ms: None,
        end_known: None,
        unknown_because: None,
        forecast_ms: None,
        warned_share_ms: warned(|notice| matches!(notice, Notice::NearLimit { .. })),
        warned_time_ms: warned(|notice| matches!(notice, Notice::NearInTime { .. })),
        peak_footprint: answer.peaks.0,
        peak: answer.peaks.1,
        slowed_from_ms: answer.slowed.map(ms),
        lost: trace.lost,
        thinned: trace.thinned,
        text: verdict(trace, answer),
    };
    fill(&mut record, &answer.verdict);
    record
}

fn fill(record: &mut WhatIfRecord, verdict: &Prediction) {
    match verdict {
        Prediction::Lived => {}
        Prediction::Ended { at, reason, killed, known, .. } => {
            (record.verdict, record.at_ms) = ("ended", Some(ms(*at)));
            record.reason = Some(words::reason_word(reason));
            record.killed = killed.as_ref().map(|(_, why)| words::kill_word(why));
            record.killed_at_ms = killed.map(|(at, _)| ms(at));
            record.end_known = Some(*known);
        }
        Prediction::Unknown { at, why, left } => {
            (record.verdict, record.at_ms) = ("unknown", Some(ms(*at)));
            record.unknown_because = Some(match why {
                Why::RecordedEnd => "recorded-end",
                Why::RecordedFreeze => "recorded-freeze",
                Why::SingleProcess => "single-process",
                Why::KernelOom => "kernel-oom",
                Why::Cut => "trace-ends",
            });
            record.forecast_ms = left.map(|left| nanos(left) / 1_000_000);
        }
    }
}

/// For people.
pub(super) fn text(trace: &Trace, answer: &WhatIfAnswer) -> String {
    let mut lines = vec![recorded(trace), rules(answer)];
    if answer.warnings.is_empty() {
        lines.push("warned     never".to_owned());
    }
    for (at, notice) in &answer.warnings {
        lines.push(format!("warned     at {}: {}", since(*at), words::notice(notice, "").1));
    }
    lines.push(format!("verdict    {}", verdict(trace, answer)));
    lines.push(peak(answer));
    lines.extend(notes(trace, answer).into_iter().map(|note| format!("note       {note}")));
    lines.join("\n")
}

fn peak(answer: &WhatIfAnswer) -> String {
    let ((footprint, current), lines) = (answer.peaks, &answer.config.lines);
    let limit = words::limit(lines.limit, lines.swap);
    let share = match lines.swap {
        Limit::Max => String::new(),
        Limit::At(_) => {
            let whole = u128::from(lines.allowance().0.max(1));
            format!("{}% ", u128::from(footprint.0) * 100 / whole)
        }
    };
    format!("peak       footprint {footprint}, {share}of {limit}; total {current}")
}

fn recorded(trace: &Trace) -> String {
    let start = &trace.start;
    let config = PolicyConfig::from(start.rules);
    let end = trace.end.as_ref().map_or("the trace does not reach its end", |end| &end.text);
    let (tier, lines) = (start.tier.name(), &config.lines);
    let limit = words::limit(lines.limit, lines.swap);
    let dry = if config.dry_run { ", dry run" } else { "" };
    format!("recorded   tier {tier}, limit {limit}{dry}, {}: {end}", since(trace.last()))
}

fn rules(answer: &WhatIfAnswer) -> String {
    let (lines, grace) = (&answer.config.lines, show_duration(answer.config.grace));
    let (second, ceiling) = (lines.second, lines.ceiling);
    let limit = words::limit(lines.limit, lines.swap);
    format!("what if    limit {limit}, second line {second}, memory.max {ceiling}, grace {grace}")
}

fn verdict(trace: &Trace, answer: &WhatIfAnswer) -> String {
    let signal = words::signal_name(trace.start.term_signal);
    match &answer.verdict {
        Prediction::Lived => {
            let end = trace.end.as_ref().map_or("its end", |end| &end.text);
            format!("would have run to its own end at {}: {end}", since(trace.last()))
        }
        Prediction::Ended { at, after, reason, killed, known } => {
            let why = words::reason(reason);
            let between = at.since(*after);
            let between = if between.is_zero() {
                String::new()
            } else {
                format!(" (the sample before was {} earlier)", show_duration(between))
            };
            let killed = killed.as_ref().map_or_else(String::new, |(at, why)| {
                format!("; SIGKILL at {}: {}", since(*at), words::kill_reason(why))
            });
            let rest = if *known || !killed.is_empty() {
                ""
            } else {
                "; what it would have done after that is unknown"
            };
            format!("{signal} at {}{between}: {why}{killed}{rest}", since(*at))
        }
        Prediction::Unknown { at, why, left } => unknown(*at, *why, *left, answer),
    }
}

fn unknown(at: Timestamp, why: Why, left: Option<Duration>, answer: &WhatIfAnswer) -> String {
    let what = match why {
        Why::RecordedEnd => "where sentinel ended the recorded run",
        Why::RecordedFreeze => "where sentinel froze the recorded run",
        Why::SingleProcess => {
            "where a single process is ended, and what the others do then is not known"
        }
        Why::KernelOom => "where the kernel's OOM killer ended the recorded run",
        Why::Cut => "where the trace ends",
    };
    let lines = &answer.config.lines;
    let limit = words::limit(lines.limit, lines.swap);
    let left = left.map_or_else(String::new, |left| {
        format!("; at the same growth it would have reached {limit} {} later", show_duration(left))
    });
    format!("would have run until at least {}, {what}{left}", since(at))
}

fn notes(trace: &Trace, answer: &WhatIfAnswer) -> Vec<String> {
    let config = PolicyConfig::from(trace.start.rules);
    let mut notes = Vec::new();
    if let Some(at) = answer.slowed {
        let limit = config.lines.limit;
        notes.push(format!(
            "from {} on the kernel throttled it at {limit}: with this limit it would have grown faster",
            since(at)
        ));
    }
    if answer.config.lines.limit < config.lines.limit && !config.dry_run {
        notes.push(
            "near a lower limit it would have been sampled more often, and throttled; page cache above it is taken as reclaimed"
                .to_owned(),
        );
    }
    if trace.lost > 0 {
        let lost = words::counted(trace.lost, "event is", "events are");
        notes.push(format!("{lost} missing in the trace"));
    }
    if trace.thinned > 0 {
        notes.push(format!("{} samples were left out to keep to its size", trace.thinned));
    }
    notes
}
