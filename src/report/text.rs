//! What the mailbox answers to people: the state, processes, lines and events as aligned text. Pure; no trailing line end.

use crate::status::{
    Counters, EventLine, Level, Limits, Memory, ProcessRow, State, Status, WatchLine,
};
use crate::units::{Bytes, Limit, show_duration};
use std::time::Duration;

/// The width of the first column of [`status_text`] and [`limits_text`].
const LABEL: usize = 11;

fn ms(ms: u64) -> String {
    show_duration(Duration::from_millis(ms))
}

/// A share in whole hundredths; `-` of nothing.
fn percent(part: Bytes, whole: Bytes) -> String {
    match (u128::from(part.0) * 100).checked_div(u128::from(whole.0)) {
        Some(percent) => format!("{percent}%"),
        None => "-".to_owned(),
    }
}

fn size(limit: Limit) -> String {
    limit.value().map_or_else(|| limit.to_string(), |bytes| Bytes(bytes).to_string())
}

fn growth(rate: i64) -> String {
    let sign = if rate < 0 { '-' } else { '+' };
    format!("{sign}{}/s", Bytes(rate.unsigned_abs()))
}

fn row(label: &str, value: &str) -> String {
    format!("{label:<LABEL$}{value}")
}

/// All of the state, one subject a line.
pub fn status_text(status: &Status) -> String {
    let mut rows = vec![
        row("command", &format!("{} (pid {})", status.command.join(" "), status.child_pid)),
        row("state", &state(status)),
    ];
    rows.extend(status.reason.iter().map(|reason| row("reason", reason)));
    rows.extend(memory_rows(&status.memory, &status.limits));
    rows.push(row("growth", &forecast(status)));
    rows.push(row("pressure", &pressure(status)));
    rows.push(row("processes", &format!("{} of {}", status.processes, status.limits.pids)));
    rows.push(row("kernel", &counters(&status.events)));
    rows.push(limits_text(&status.limits));
    rows.push(row("tier", &tier(status)));
    rows.extend(status.cgroup.iter().map(|cgroup| row("cgroup", cgroup)));
    rows.push(row(
        "guardian",
        &format!("sentinel {} (pid {})", status.version, status.guardian_pid),
    ));
    rows.join("\n")
}

/// The state's name with all that qualifies it.
fn state(status: &Status) -> String {
    let mut text = match (status.state, status.kill_in_ms) {
        (State::Running, _) => "running".to_owned(),
        (State::Terminating, None) => "terminating".to_owned(),
        (State::Terminating, Some(left)) => format!("terminating, SIGKILL in {}", ms(left)),
        (State::Killing, _) => "killing".to_owned(),
        (State::Ended, _) => "ended".to_owned(),
    };
    if status.frozen {
        text.push_str(", frozen");
    }
    if status.dry_run {
        text.push_str(", dry run");
    }
    text + &format!(", up {}", ms(status.uptime_ms))
}

fn memory_rows(memory: &Memory, limits: &Limits) -> Vec<String> {
    let share = percent(memory.footprint, limits.limit);
    let rss = memory.rss.map_or_else(|| "-".to_owned(), |rss| rss.to_string());
    vec![
        row(
            "memory",
            &format!(
                "{} of {} ({share}), peak {}",
                memory.footprint, limits.limit, memory.peak_footprint
            ),
        ),
        row(
            "in all",
            &format!("{} with cache, peak {}, sum of RSS {rss}", memory.current, memory.peak),
        ),
        row(
            "split",
            &format!(
                "anon {}, shmem {}, kernel {}, cache {}, swap {}",
                memory.anon, memory.shmem, memory.kernel, memory.cache, memory.swap
            ),
        ),
    ]
}

fn forecast(status: &Status) -> String {
    let growth = growth(status.growth);
    match status.forecast_ms {
        Some(left) => format!("{growth}, limit in {}", ms(left)),
        None => growth,
    }
}

fn pressure(status: &Status) -> String {
    status.pressure.map_or_else(
        || "-".to_owned(),
        |p| format!("some {:.2}%, full {:.2}% of the last 10 s", p.some_avg10, p.full_avg10),
    )
}

fn counters(counters: &Counters) -> String {
    let Counters { high, max, oom, oom_kill, pids_max } = counters;
    format!("high {high}, max {max}, oom {oom}, oom_kill {oom_kill}, pids_max {pids_max}")
}

fn tier(status: &Status) -> String {
    let name = status.tier.name();
    match status.tier_reason.as_str() {
        "" => name.to_owned(),
        reason => format!("{name}: {reason}"),
    }
}

/// The lines, and the other limits.
pub fn limits_text(limits: &Limits) -> String {
    let lines = format!(
        "limit {}, trip-wire {}, relief {}, second {}, ceiling {}",
        limits.limit,
        size(limits.trip_wire),
        limits.relief_line,
        limits.second_line,
        limits.ceiling
    );
    let rest =
        format!("grace {}, swap {}, pids {}", ms(limits.grace_ms), size(limits.swap), limits.pids);
    [row("lines", &lines), row("limits", &rest)].join("\n")
}

/// A table of processes.
pub fn ps_text(processes: &[ProcessRow]) -> String {
    if processes.is_empty() {
        return "no processes".to_owned();
    }
    let name = processes.iter().map(|p| p.name.chars().count()).max().unwrap_or(0).clamp(4, 32);
    let head = format!(
        "{:>10} {:>10} S {:>9} {:>6} {:<name$} COMMAND",
        "PID", "PPID", "RSS", "SHARE", "NAME"
    );
    let rows = processes.iter().map(|p| {
        let share = format!("{}.{}%", p.share_permille / 10, p.share_permille % 10);
        let text = format!(
            "{:>10} {:>10} {} {:>9} {share:>6} {:<name$} {}",
            p.pid, p.ppid, p.state, p.rss, p.name, p.command
        );
        text.trim_end().to_owned()
    });
    [head].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// What happened, oldest first.
pub fn events_text(events: &[EventLine]) -> String {
    if events.is_empty() {
        return "no events so far".to_owned();
    }
    events.iter().map(event_text).collect::<Vec<_>>().join("\n")
}

fn event_text(event: &EventLine) -> String {
    let level = match event.level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let at = format!("{}.{:03}s", event.at_ms / 1000, event.at_ms % 1000);
    format!("{at:>12} {level:<7} {}", event.text)
}

/// The state in one line, for somebody who watches.
pub fn watch_text(status: &Status) -> String {
    format!(
        "{:>8} {:>8} of {} {:>4} in all {:>8} {:>10} {} processes, {}",
        ms(status.uptime_ms),
        status.memory.footprint,
        status.limits.limit,
        percent(status.memory.footprint, status.limits.limit),
        status.memory.current,
        forecast(status),
        status.processes,
        watch_state(status),
    )
}

fn watch_state(status: &Status) -> String {
    let state = state(status);
    // The time stands at the beginning of the line already.
    let state = state.rsplit_once(", up").map_or(state.as_str(), |(state, _)| state);
    match &status.reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state.to_owned(),
    }
}

/// A line of `watch`; of an answer as many as it has, with `error: ` before the first when it is a refusal.
pub fn watch_line(line: &WatchLine) -> String {
    match line {
        WatchLine::Status { status, processes: _ } => watch_text(status),
        WatchLine::Event(event) => event_text(event),
        WatchLine::Reply { ok: true, text } => text.clone(),
        WatchLine::Reply { ok: false, text } => format!("error: {text}"),
    }
}
