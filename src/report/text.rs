//! What the mailbox answers to people: the state, processes, lines and events as aligned text. Pure; no trailing line end.

use super::words;
use crate::status::{
    BreachState, Counters, EventLine, Level, Limits, Memory, ProcessRow, State, Status, Usage,
    WatchLine,
};
use crate::units::{Bytes, Limit, show_duration};
use ratatui::text::Span;
use std::time::Duration;

/// The width of the first column of [`status_text`] and [`limits_text`].
const LABEL: usize = 11;

fn ms(ms: u64) -> String {
    show_duration(Duration::from_millis(ms))
}

/// The footprint's share of what it may be, in whole hundredths; `-` where that is nothing, or without end.
fn share(footprint: Bytes, limits: &Limits) -> String {
    let whole = limits.allowance() != Limit::At(0);
    let share = limits.share(footprint).filter(|_| whole);
    share.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%"))
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
    let who = match status.command.as_slice() {
        // Others started it.
        [] => row("workload", &status.name),
        words => row("command", &format!("{} (pid {})", words.join(" "), status.child_pid)),
    };
    let mut rows = vec![who, row("state", &format!("{}, {}", state(status), up(status)))];
    rows.extend(status.reason.iter().map(|reason| row("reason", reason)));
    rows.extend(memory_rows(&status.memory, &status.limits));
    rows.push(row("growth", &forecast(status)));
    rows.push(row("pressure", &pressure(status)));
    rows.push(row("processes", &format!("{} of {}", status.processes, status.limits.pids)));
    rows.extend(status.usage.map(|usage| row("usage", &used(&usage))));
    rows.push(row("kernel", &counters(&status.events)));
    rows.push(limits_text(&status.limits));
    let floor =
        |floor| row("machine", &format!("floor {}", words::floor(floor, status.memory.available)));
    rows.extend(status.limits.min_available.map(floor));
    rows.push(row("tier", &tier(status)));
    rows.extend(status.cgroup.iter().map(|cgroup| row("cgroup", cgroup)));
    rows.push(row(
        "guardian",
        &format!("sentinel {} (pid {})", status.version, status.guardian_pid),
    ));
    rows.join("\n")
}

/// All workloads of a guardian, one a line.
pub fn wards_text(all: &[Status]) -> String {
    let line = |status: &Status| {
        let memory = &status.memory;
        let share = share(memory.footprint, &status.limits);
        let (used, limit) = (memory.footprint, status.limits.limit);
        format!("{}: {used} of {limit}, {share}, {}, {}", status.name, state(status), up(status))
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The state's name with all that qualifies it.
fn state(status: &Status) -> String {
    let mut text = match (status.state, status.kill_in_ms) {
        (State::Starting, _) => "starting".to_owned(),
        (State::Running, _) => "running".to_owned(),
        (State::Terminating, None) => "terminating".to_owned(),
        (State::Terminating, Some(left)) => format!("terminating, SIGKILL in {}", ms(left)),
        (State::Killing, _) => "killing".to_owned(),
        (State::Ended, _) => "ended".to_owned(),
    };
    match breach_left(status) {
        Some(breach) => text.push_str(&format!(", {breach}")),
        None if status.frozen => text.push_str(", frozen"),
        None => {}
    }
    if status.dry_run {
        text.push_str(", dry run");
    }
    text
}

/// What becomes of a breach that a workload is not ended for, and when; nothing where there is none.
pub fn breach_left(status: &Status) -> Option<String> {
    let left = status.breach_left_ms.map(ms);
    match (status.breach?, left) {
        (BreachState::Frozen, Some(left)) => Some(format!("frozen, ended in {left}")),
        (BreachState::Held, Some(left)) => Some(format!("at its limit, acted upon in {left}")),
        (BreachState::GoesOn, _) => Some("over its limit".to_owned()),
        (BreachState::Frozen | BreachState::Held, None) => None,
    }
}

/// What others started has been up for longer than we know of.
fn up(status: &Status) -> String {
    let verb = if status.child_pid == 0 { "guarded for" } else { "up" };
    format!("{verb} {}", ms(status.uptime_ms))
}

fn memory_rows(memory: &Memory, limits: &Limits) -> Vec<String> {
    let rss = memory.rss.map_or_else(|| "-".to_owned(), |rss| rss.to_string());
    vec![
        row(
            "memory",
            &format!(
                "{} of {} ({}), peak {}",
                memory.footprint,
                words::limit(limits.limit, limits.swap_room),
                share(memory.footprint, limits),
                memory.peak_footprint
            ),
        ),
        row(
            "total",
            &format!("{} with cache, peak {}, sum of RSS {rss}", memory.current, memory.peak),
        ),
        row(
            "split",
            &format!(
                "anon {}, shmem {}, kernel {}, cache {}, swap {}{}",
                memory.anon,
                memory.shmem,
                memory.kernel,
                memory.cache,
                memory.swap,
                words::huge_pages(memory)
            ),
        ),
    ]
}

fn forecast(status: &Status) -> String {
    let growth = growth(status.growth);
    match status.time_left() {
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

fn used(usage: &Usage) -> String {
    let mut text = format!("cpu {}", show_duration(Duration::from_micros(usage.cpu_usec)));
    if let Some(permille) = usage.cpu_permille {
        text.push_str(&format!(", {}% of one CPU now", permille / 10));
    }
    if let Some(io) = usage.io {
        text.push_str(&format!("; disk read {}, written {}", io.read, io.written));
    }
    text
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
        size(limits.memory_max())
    );
    let timeout = limits.timeout_ms.map_or("off".to_owned(), ms);
    let (grace, swap, pids) = (ms(limits.grace_ms), size(limits.swap), limits.pids);
    let rest = format!("grace {grace}, timeout {timeout}, swap {swap}, pids {pids}");
    [row("lines", &lines), row("limits", &rest)].join("\n")
}

/// A table of processes.
pub fn ps_text(processes: &[ProcessRow]) -> String {
    if processes.is_empty() {
        return "no processes".to_owned();
    }
    let width = |text: &str| Span::raw(text).width();
    let name = processes.iter().map(|p| width(&p.name)).max().unwrap_or(0).clamp(4, 32);
    let head = format!(
        "{:>10} {:>10} S {:>9} {:>6} {:<name$} COMMAND",
        "PID", "PPID", "RSS", "SHARE", "NAME"
    );
    let rows = processes.iter().map(|p| {
        let share = format!("{}.{}%", p.share_permille / 10, p.share_permille % 10);
        // Columns of a terminal, of which a letter may take two.
        let blank = " ".repeat(name.saturating_sub(width(&p.name)));
        let text = format!(
            "{:>10} {:>10} {} {:>9} {share:>6} {}{blank} {}",
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
        "{:>8} {:>8} of {} {:>4} total {:>8} {:>10} {}, {}",
        ms(status.uptime_ms),
        status.memory.footprint,
        words::limit(status.limits.limit, status.limits.swap_room),
        share(status.memory.footprint, &status.limits),
        status.memory.current,
        forecast(status),
        words::counted(status.processes, "process", "processes"),
        watch_state(status),
    )
}

fn watch_state(status: &Status) -> String {
    // The time stands at the beginning of the line already.
    let state = state(status);
    match &status.reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state,
    }
}

/// A line of `watch`; of an answer as many as it has, with `error: ` before the first when it is a refusal.
pub fn watch_line(line: &WatchLine) -> String {
    match line {
        WatchLine::Status { status, processes: _ } => watch_text(status),
        WatchLine::Event(event) => event_text(event),
        WatchLine::Reply { ok: true, text } => text.clone(),
        WatchLine::Reply { ok: false, text } => format!("error: {text}"),
        WatchLine::End { text, exit_status, goes_on: _ } => format!("{text} (exit {exit_status})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Pressure, SCHEMA_VERSION, Tier};

    fn status() -> Status {
        Status {
            name: "python3".to_owned(),
            schema: SCHEMA_VERSION,
            version: "0.1.0".to_owned(),
            guardian_pid: 4120,
            guardian_rss: None,
            child_pid: 4121,
            tree_pid: None,
            command: vec!["python3".to_owned(), "train.py".to_owned()],
            tier: Tier::Kernel,
            placement: Some("plain".to_owned()),
            tier_reason: String::new(),
            cgroup: Some("/sys/fs/cgroup/sentinel-4120".to_owned()),
            started_unix_ms: None,
            uptime_ms: 125_000,
            state: State::Running,
            frozen: false,
            dry_run: false,
            reason: None,
            breach: None,
            breach_left_ms: None,
            process_ending: None,
            kill_in_ms: None,
            limits: limits(),
            memory: Memory {
                current: Bytes::mib(75),
                footprint: Bytes::mib(61),
                rss: Some(Bytes::mib(58)),
                anon: Bytes::mib(50),
                shmem: Bytes::mib(1),
                cache: Bytes::mib(14),
                kernel: Bytes::mib(4),
                swap: Bytes(0),
                swap_cached: Bytes(0),
                hugetlb: Bytes(0),
                hugetlb_counted: false,
                peak: Bytes::mib(80),
                peak_footprint: Bytes::mib(70),
                available: None,
            },
            growth: 1_258_291,
            forecast_ms: Some(32_500),
            pressure: Some(Pressure { some_avg10: 1.5, full_avg10: 0.25, ..Pressure::default() }),
            events: Counters { high: 3, ..Counters::default() },
            warned: false,
            processes: 4,
            processes_ended: 0,
            usage: None,
        }
    }

    fn limits() -> Limits {
        Limits {
            limit: Bytes::mib(100),
            trip_wire: Limit::At(100 << 20),
            relief_line: Bytes::mib(108),
            second_line: Bytes::mib(124),
            ceiling: Bytes::mib(132),
            swap: Limit::At(0),
            swap_room: Limit::At(0),
            pids: Limit::Max,
            grace_ms: 3000,
            timeout_ms: None,
            min_available: None,
        }
    }

    #[test]
    fn a_running_workload() {
        let expected = "\
command    python3 train.py (pid 4121)
state      running, up 2m05s
memory     61.0M of 100.0M (61%), peak 70.0M
total      75.0M with cache, peak 80.0M, sum of RSS 58.0M
split      anon 50.0M, shmem 1.0M, kernel 4.0M, cache 14.0M, swap 0B
growth     +1.1M/s, limit in 32.5s
pressure   some 1.50%, full 0.25% of the last 10 s
processes  4 of max
kernel     high 3, max 0, oom 0, oom_kill 0, pids_max 0
lines      limit 100.0M, trip-wire 100.0M, relief 108.0M, second 124.0M, ceiling 132.0M
limits     grace 3.0s, timeout off, swap 0B, pids max
tier       kernel
cgroup     /sys/fs/cgroup/sentinel-4120
guardian   sentinel 0.1.0 (pid 4120)";
        assert_eq!(status_text(&status()), expected);
    }

    #[test]
    fn a_time_limit_is_told() {
        let text = limits_text(&Limits { timeout_ms: Some(7_200_000), ..limits() });
        assert!(
            text.ends_with("limits     grace 3.0s, timeout 2h00m, swap 0B, pids max"),
            "{text}"
        );
    }

    #[test]
    fn what_it_used_is_told_as_far_as_it_is_known() {
        let mut usage = Usage { cpu_usec: 1_500_000, ..Usage::default() };
        assert_eq!(used(&usage), "cpu 1.5s");
        usage.cpu_permille = Some(873);
        usage.io = Some(crate::status::Io { read: Bytes::mib(3), ..Default::default() });
        assert_eq!(used(&usage), "cpu 1.5s, 87% of one CPU now; disk read 3.0M, written 0B");
    }

    #[test]
    fn room_in_swap_is_part_of_the_limit() {
        let mut status = status();
        status.limits.swap_room = Limit::At(256 << 20);
        status.memory.footprint = Bytes::mib(150);
        let text = status_text(&status);
        assert!(text.contains("150.0M of 100.0M + swap 256.0M (42%), peak"), "{text}");
        status.limits.swap_room = Limit::Max;
        let text = status_text(&status);
        assert!(text.contains("150.0M of 100.0M + any swap (-), peak"), "{text}");
    }

    #[test]
    fn a_workload_that_is_being_ended() {
        let ending = Status {
            state: State::Terminating,
            frozen: true,
            dry_run: true,
            reason: Some("footprint 100.0M reached the limit 100.0M".to_owned()),
            breach: None,
            breach_left_ms: None,
            kill_in_ms: Some(2400),
            tier: Tier::Polled,
            tier_reason: "no cgroup2 is mounted".to_owned(),
            cgroup: None,
            pressure: None,
            growth: -1024,
            forecast_ms: None,
            memory: Memory { rss: None, ..Memory::default() },
            ..status()
        };
        let expected = "\
command    python3 train.py (pid 4121)
state      terminating, SIGKILL in 2.4s, frozen, dry run, up 2m05s
reason     footprint 100.0M reached the limit 100.0M
memory     0B of 100.0M (0%), peak 0B
total      0B with cache, peak 0B, sum of RSS -
split      anon 0B, shmem 0B, kernel 0B, cache 0B, swap 0B
growth     -1.0K/s
pressure   -
processes  4 of max
kernel     high 3, max 0, oom 0, oom_kill 0, pids_max 0
lines      limit 100.0M, trip-wire 100.0M, relief 108.0M, second 124.0M, ceiling 132.0M
limits     grace 3.0s, timeout off, swap 0B, pids max
tier       polled: no cgroup2 is mounted
guardian   sentinel 0.1.0 (pid 4120)";
        assert_eq!(status_text(&ending), expected);
        assert!(watch_text(&ending).ends_with(
            "4 processes, terminating, SIGKILL in 2.4s, frozen, dry run: footprint 100.0M reached the limit 100.0M"
        ));
    }

    #[test]
    fn a_line_for_those_who_watch() {
        assert_eq!(
            watch_text(&status()),
            "   2m05s    61.0M of 100.0M  61% total    75.0M +1.1M/s, limit in 32.5s 4 processes, running"
        );
        let reply = |ok| WatchLine::Reply { ok, text: "done".to_owned() };
        assert_eq!(watch_line(&reply(true)), "done");
        assert_eq!(watch_line(&reply(false)), "error: done");
    }

    #[test]
    fn extreme_numbers_are_shown_and_nothing_overflows() {
        let mut extreme = status();
        extreme.growth = i64::MIN;
        extreme.memory.footprint = Bytes(u64::MAX);
        extreme.limits.limit = Bytes(0);
        extreme.uptime_ms = u64::MAX;
        assert!(status_text(&extreme).contains("16777215.9T of 0B (-)"));
        assert!(status_text(&extreme).contains("-8388608.0T/s"));
    }

    fn process(pid: u32, name: &str, command: &str) -> ProcessRow {
        ProcessRow {
            pid,
            ppid: 4120,
            name: name.to_owned(),
            state: 'S',
            rss: Bytes::mib(58),
            share_permille: 975,
            command: command.to_owned(),
            growth: None,
            cpu_permille: None,
        }
    }

    #[test]
    fn a_table_of_processes() {
        let processes =
            [process(4121, "python3", "python3 train.py"), process(4_194_304, "sh", "")];
        let expected = "       \
       PID       PPID S       RSS  SHARE NAME    COMMAND
      4121       4120 S     58.0M  97.5% python3 python3 train.py
   4194304       4120 S     58.0M  97.5% sh";
        assert_eq!(ps_text(&processes), expected);
        assert_eq!(ps_text(&[]), "no processes");
    }

    #[test]
    fn columns_are_those_of_a_terminal() {
        let processes = [process(1, "日本語プロ", "x"), process(2, "sh", "x")];
        let text = ps_text(&processes);
        let ends: Vec<_> = text.lines().skip(1).map(|line| Span::raw(line).width()).collect();
        assert_eq!(ends[0], ends[1], "{text}");
    }

    #[test]
    fn one_process_is_one_and_nothing_is_no_way_to_the_limit() {
        let mut status = status();
        (status.processes, status.forecast_ms) = (1, Some(0));
        let text = watch_text(&status);
        assert!(text.contains(" 1 process, ") && !text.contains("limit in"), "{text}");
        (status.forecast_ms, status.state) = (Some(5000), State::Terminating);
        assert!(!watch_text(&status).contains("limit in"));
    }

    #[test]
    fn a_list_of_events() {
        let event = |at_ms, level, text: &str| EventLine { at_ms, level, text: text.to_owned() };
        let events = [
            event(7, Level::Info, "started"),
            event(62_345, Level::Warning, "memory is at 80%"),
            event(3_600_000, Level::Error, "SIGTERM sent"),
        ];
        let expected = "      \
      0.007s info    started
     62.345s warning memory is at 80%
   3600.000s error   SIGTERM sent";
        assert_eq!(events_text(&events), expected);
        assert_eq!(events_text(&[]), "no events so far");
    }

    #[test]
    fn nothing_ends_with_a_line_end() {
        for text in [status_text(&status()), limits_text(&limits()), ps_text(&[]), events_text(&[])]
        {
            assert!(!text.ends_with('\n'), "{text:?}");
        }
    }
}
