//! What outlives a run: its end, counted, and the figures of the last of its kind.

use super::{Page, label, seconds, seconds_of_micros};
use crate::ledger::{Kind, Tally};

/// Adds the ends of one kind.
pub(super) fn add(page: &mut Page, uid: u32, kind: &Kind, tally: &Tally) {
    let labels = format!(
        "guard=\"{}\",uid=\"{uid}\",reason=\"{}\",signal=\"{}\"",
        label(&kind.name),
        label(&kind.reason),
        label(&kind.signal)
    );
    let last = &tally.last;
    page.sample(
        ("sentinel_runs_ended_total", "counter", "Runs that ended, by reason and signal."),
        &labels,
        tally.count,
    );
    let mut gauge = |name, help, value: String| page.sample((name, "gauge", help), &labels, value);
    gauge(
        "sentinel_run_last_end_timestamp_seconds",
        "When the last such run ended, seconds since 1970.",
        seconds(last.ended_unix_ms),
    );
    gauge(
        "sentinel_run_last_duration_seconds",
        "How long the last such run lived.",
        seconds(last.ran_ms),
    );
    if let Some(peak) = last.peak {
        let help = "The highest use of memory of the last such run, with cache.";
        gauge("sentinel_run_last_memory_peak_bytes", help, peak.0.to_string());
    }
    if let Some(peak) = last.peak_footprint {
        let help = "The highest footprint of the last such run.";
        gauge("sentinel_run_last_memory_footprint_peak_bytes", help, peak.0.to_string());
    }
    if let Some(cpu) = last.cpu_usec {
        let help = "CPU time of the last such run.";
        gauge("sentinel_run_last_cpu_seconds", help, seconds_of_micros(cpu));
    }
}
