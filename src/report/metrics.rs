//! The state of one guardian as metrics in Prometheus' text format 0.0.4 (prometheus.io: exposition formats). Pure; serving them
//! over HTTP is not for a guardian to do. Only `name` and the paths are other people's text, and each is one label of bounded length.

use super::escape::escape_cut;
use crate::status::{State, Status};
use crate::units::Limit;
use std::fmt::{Display, Write as _};

/// The longest label value, characters: a path may be longer.
const LONGEST_LABEL: usize = 200;

/// Units are base units; a limit that is not set is `+Inf`.
pub fn metrics_text(name: &str, status: &Status) -> String {
    let mut page = Page {
        text: String::with_capacity(8 << 10),
        guard: label(&escape_cut(name.as_bytes(), LONGEST_LABEL)),
    };
    identity(&mut page, status);
    state(&mut page, status);
    memory(&mut page, status);
    lines(&mut page, status);
    pressure(&mut page, status);
    counters(&mut page, status);
    page.text
}

/// The text so far.
#[derive(Debug)]
struct Page {
    text: String,
    /// The value of the label that every sample has, escaped.
    guard: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// `labels` begins with a comma, or is empty.
    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.text, "{name}{{guard=\"{}\"{labels}}} {value}", self.guard);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// One sample for each value of the label.
    fn each<V: Display>(&mut self, name: &str, key: &str, values: &[(&str, V)]) {
        for (word, value) in values {
            self.sample(name, &format!(",{key}=\"{word}\""), value);
        }
    }
}

/// A label's value with what would end it escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn at_most(limit: Limit) -> String {
    match limit {
        Limit::At(value) => value.to_string(),
        Limit::Max => "+Inf".to_owned(),
    }
}

fn identity(page: &mut Page, status: &Status) {
    let cut = |text: &str| label(&text.chars().take(LONGEST_LABEL).collect::<String>());
    page.family("sentinel_build_info", "gauge", "The guardian's version.");
    page.sample("sentinel_build_info", &format!(",version=\"{}\"", cut(&status.version)), 1);
    page.family(
        "sentinel_guard_info",
        "gauge",
        "How much the platform lets the guardian do, and where the workload is.",
    );
    let labels = format!(
        ",tier=\"{}\",placement=\"{}\",cgroup=\"{}\"",
        status.tier.name(),
        cut(status.placement.as_deref().unwrap_or_default()),
        cut(status.cgroup.as_deref().unwrap_or_default()),
    );
    page.sample("sentinel_guard_info", &labels, 1);
    page.gauge(
        "sentinel_guard_uptime_seconds",
        "Time since the guardian started.",
        seconds(status.uptime_ms),
    );
}

fn state(page: &mut Page, status: &Status) {
    page.family("sentinel_guard_state", "gauge", "1 for where on the ladder the workload is.");
    // A series keeps its labels: what is not started yet is about to run.
    let now = if status.state == State::Starting { State::Running } else { status.state };
    let states = [
        ("running", State::Running),
        ("terminating", State::Terminating),
        ("killing", State::Killing),
        ("ended", State::Ended),
    ];
    page.each(
        "sentinel_guard_state",
        "state",
        &states.map(|(word, state)| (word, u8::from(state == now))),
    );
    let flag = u8::from;
    page.gauge(
        "sentinel_guard_frozen",
        "1 while the workload is stopped where it is.",
        flag(status.frozen),
    );
    page.gauge("sentinel_guard_warned", "1 while the limit is near.", flag(status.warned));
    page.gauge("sentinel_guard_dry_run", "1 when decisions are only logged.", flag(status.dry_run));
    page.gauge(
        "sentinel_guard_grace_seconds",
        "Time from SIGTERM to SIGKILL.",
        seconds(status.limits.grace_ms),
    );
    page.gauge("sentinel_processes", "Processes in the workload.", status.processes);
    page.gauge(
        "sentinel_processes_max",
        "Processes and threads that it may have.",
        at_most(status.limits.pids),
    );
}

fn memory(page: &mut Page, status: &Status) {
    let memory = &status.memory;
    page.gauge("sentinel_memory_usage_bytes", "Memory in use, with cache.", memory.current.0);
    page.gauge("sentinel_memory_peak_bytes", "The highest use, with cache.", memory.peak.0);
    page.gauge(
        "sentinel_memory_footprint_bytes",
        "What is compared with the allowance: memory that the kernel cannot simply take back.",
        memory.footprint.0,
    );
    page.gauge(
        "sentinel_memory_footprint_peak_bytes",
        "The highest footprint.",
        memory.peak_footprint.0,
    );
    page.family("sentinel_memory_split_bytes", "gauge", "Memory in use by kind.");
    let kinds = [
        ("anon", memory.anon.0),
        ("shmem", memory.shmem.0),
        ("cache", memory.cache.0),
        ("kernel", memory.kernel.0),
    ];
    page.each("sentinel_memory_split_bytes", "kind", &kinds);
    page.gauge("sentinel_memory_swap_usage_bytes", "Swap in use.", memory.swap.0);
    page.gauge(
        "sentinel_memory_hugetlb_usage_bytes",
        "Huge pages of hugetlbfs in use, which are not in the usage.",
        memory.hugetlb.0,
    );
    page.gauge(
        "sentinel_memory_growth_bytes_per_second",
        "Growth of the footprint.",
        status.growth,
    );
    let exhausted = status.forecast_ms.map_or_else(|| "+Inf".to_owned(), seconds);
    page.gauge(
        "sentinel_memory_exhaustion_seconds",
        "Time until the footprint is at the allowance at this growth.",
        exhausted,
    );
}

fn lines(page: &mut Page, status: &Status) {
    let limits = &status.limits;
    // Where the kernel holds no trip-wire it holds no ceiling either.
    let ceiling = match limits.trip_wire {
        Limit::At(_) => Limit::At(limits.ceiling.0),
        Limit::Max => Limit::Max,
    };
    page.gauge(
        "sentinel_memory_limit_bytes",
        "The limit that was asked for: memory itself is kept here.",
        limits.limit.0,
    );
    page.gauge(
        "sentinel_memory_allowance_bytes",
        "The limit with the room that swap gives: SIGTERM when the footprint gets here.",
        at_most(limits.allowance()),
    );
    page.gauge(
        "sentinel_memory_second_line_bytes",
        "SIGKILL at once from here on.",
        limits.second_line.0,
    );
    page.gauge(
        "sentinel_memory_high_bytes",
        "Where memory.high stands now.",
        at_most(limits.trip_wire),
    );
    page.gauge("sentinel_memory_max_bytes", "Where memory.max stands.", at_most(ceiling));
    page.gauge(
        "sentinel_memory_swap_max_bytes",
        "Swap that the workload may use.",
        at_most(limits.swap),
    );
}

fn pressure(page: &mut Page, status: &Status) {
    let Some(pressure) = status.pressure else { return };
    let name = "sentinel_memory_pressure_ratio";
    page.family(
        name,
        "gauge",
        "Share of the last ten seconds in which some task, or all tasks, waited for memory.",
    );
    page.each(
        name,
        "tasks",
        &[("some", pressure.some_avg10 / 100.0), ("all", pressure.full_avg10 / 100.0)],
    );
}

fn counters(page: &mut Page, status: &Status) {
    let events = &status.events;
    page.family(
        "sentinel_memory_events_total",
        "counter",
        "The kernel's memory.events of the workload.",
    );
    let memory = [
        ("high", events.high),
        ("max", events.max),
        ("oom", events.oom),
        ("oom_kill", events.oom_kill),
    ];
    page.each("sentinel_memory_events_total", "event", &memory);
    page.family(
        "sentinel_pids_events_total",
        "counter",
        "The kernel's pids.events of the workload.",
    );
    page.each("sentinel_pids_events_total", "event", &[("max", events.pids_max)]);
}
