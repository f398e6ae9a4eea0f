//! What a guardian that lives says of its workload. Units are base units; a limit that is not set is `+Inf`.

use super::{Samples, at_most, label, seconds, seconds_of_micros};
use crate::status::{BreachState, State, Status};
use crate::units::Limit;

/// Adds all of it.
pub(super) fn add(page: &mut Samples<'_>, status: &Status) {
    identity(page, status);
    state(page, status);
    memory(page, status);
    lines(page, status);
    pressure(page, status);
    usage(page, status);
    counters(page, status);
}

fn identity(page: &mut Samples<'_>, status: &Status) {
    let labels = format!(
        "{},version=\"{}\",tier=\"{}\",placement=\"{}\",cgroup=\"{}\"",
        page.labels,
        label(&status.version),
        status.tier.name(),
        label(status.placement.as_deref().unwrap_or_default()),
        label(status.cgroup.as_deref().unwrap_or_default()),
    );
    let help = "Version, tier, placement and cgroup.";
    page.page.sample(("sentinel_guard_info", "gauge", help), &labels, 1);
    if let Some(started) = status.started_unix_ms {
        page.gauge(
            "sentinel_guard_start_time_seconds",
            "When the guardian started, seconds since 1970.",
            seconds(started),
        );
    }
    if let Some(rss) = status.guardian_rss {
        page.gauge(
            "sentinel_guard_resident_memory_bytes",
            "The guardian's own resident memory, which is not the workload's.",
            rss.0,
        );
    }
}

fn state(page: &mut Samples<'_>, status: &Status) {
    // A series keeps its labels: what is not started yet is about to run.
    let now = if status.state == State::Starting { State::Running } else { status.state };
    let states = [
        ("running", State::Running),
        ("terminating", State::Terminating),
        ("killing", State::Killing),
        ("ended", State::Ended),
    ];
    page.each(
        ("sentinel_guard_state", "gauge", "1 for the state that the workload is in."),
        "state",
        &states.map(|(word, state)| (word, u8::from(state == now))),
    );
    let flag = u8::from;
    page.gauge("sentinel_guard_frozen", "1 while the workload is frozen.", flag(status.frozen));
    let breaches = [
        ("held", BreachState::Held),
        ("frozen", BreachState::Frozen),
        ("goes-on", BreachState::GoesOn),
    ];
    page.each(
        (
            "sentinel_guard_breach",
            "gauge",
            "1 while memory is at the limit and the workload is not ended for it: held, frozen or going on.",
        ),
        "breach",
        &breaches.map(|(word, breach)| (word, u8::from(status.breach == Some(breach)))),
    );
    page.gauge("sentinel_guard_warned", "1 while the limit is near.", flag(status.warned));
    page.gauge("sentinel_guard_dry_run", "1 when decisions are only logged.", flag(status.dry_run));
    page.gauge(
        "sentinel_guard_grace_seconds",
        "Time from SIGTERM to SIGKILL.",
        seconds(status.limits.grace_ms),
    );
    page.gauge("sentinel_processes", "Processes in the workload.", status.processes);
    page.counter(
        "sentinel_processes_ended_total",
        "Single processes that were ended while the rest of the workload lived.",
        status.processes_ended,
    );
    page.gauge(
        "sentinel_processes_max",
        "Processes and threads that it may have.",
        at_most(status.limits.pids),
    );
}

fn memory(page: &mut Samples<'_>, status: &Status) {
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
    if let Some(rss) = memory.rss {
        page.gauge(
            "sentinel_memory_rss_bytes",
            "Sum of the processes' resident sets; shared pages count once per process.",
            rss.0,
        );
    }
    let kinds = [
        ("anon", memory.anon.0),
        ("shmem", memory.shmem.0),
        ("cache", memory.cache.0),
        ("kernel", memory.kernel.0),
    ];
    page.each(("sentinel_memory_split_bytes", "gauge", "Memory in use by kind."), "kind", &kinds);
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
        "Time until the footprint reaches the allowance at the current growth.",
        exhausted,
    );
}

fn lines(page: &mut Samples<'_>, status: &Status) {
    let limits = &status.limits;
    // Where the kernel holds no trip-wire it holds no ceiling either.
    let ceiling = match limits.trip_wire {
        Limit::At(_) => Limit::At(limits.ceiling.0),
        Limit::Max => Limit::Max,
    };
    page.gauge(
        "sentinel_memory_limit_bytes",
        "The limit that was set: memory itself is kept below it.",
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
        "Current value of memory.high.",
        at_most(limits.trip_wire),
    );
    page.gauge("sentinel_memory_max_bytes", "Current value of memory.max.", at_most(ceiling));
    if let Some(floor) = limits.min_available {
        page.gauge(
            "sentinel_min_available_bytes",
            "What is to be left of the machine's memory: SIGTERM below that.",
            floor.0,
        );
    }
    if let Some(available) = status.memory.available {
        page.gauge(
            "sentinel_available_bytes",
            "What the machine, and the cgroups around the workload, have left for everybody.",
            available.0,
        );
    }
    page.gauge(
        "sentinel_memory_swap_max_bytes",
        "Swap that the workload may use.",
        at_most(limits.swap),
    );
}

/// As node_exporter and cAdvisor name them: `some` is waiting, `full` is stalled (kernel: accounting/psi.rst).
fn pressure(page: &mut Samples<'_>, status: &Status) {
    let Some(pressure) = status.pressure else { return };
    page.counter(
        "sentinel_pressure_memory_waiting_seconds_total",
        "Time in which at least one task waited for memory.",
        seconds_of_micros(pressure.some_usec),
    );
    page.counter(
        "sentinel_pressure_memory_stalled_seconds_total",
        "Time in which all tasks waited for memory.",
        seconds_of_micros(pressure.full_usec),
    );
}

fn usage(page: &mut Samples<'_>, status: &Status) {
    let Some(usage) = status.usage else { return };
    page.counter("sentinel_cpu_seconds_total", "CPU time.", seconds_of_micros(usage.cpu_usec));
    if let Some(io) = usage.io {
        page.counter("sentinel_io_read_bytes_total", "Read from disks.", io.read.0);
        page.counter("sentinel_io_written_bytes_total", "Written to disks.", io.written.0);
    }
}

fn counters(page: &mut Samples<'_>, status: &Status) {
    let events = &status.events;
    let memory = [
        ("high", events.high),
        ("max", events.max),
        ("oom", events.oom),
        ("oom_kill", events.oom_kill),
    ];
    let help = "The kernel's memory.events of the workload.";
    page.each(("sentinel_memory_events_total", "counter", help), "event", &memory);
    let help = "The kernel's pids.events of the workload.";
    let pids = [("max", events.pids_max)];
    page.each(("sentinel_pids_events_total", "counter", help), "event", &pids);
}
