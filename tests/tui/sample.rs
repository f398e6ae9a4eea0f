//! A made-up workload: statuses, process tables and events that fit together. Shared by the golden tests and the fake guardian.

use sentinel::status::{
    Counters, EventLine, Io, Level, Limits, Memory, Pressure, ProcessRow, SCHEMA_VERSION, State,
    Status, Tier, Usage, WatchLine,
};
use sentinel::units::{Bytes, Limit, MIB};

/// The lines of a limit of so many MiB.
pub fn limits(mib: u64) -> Limits {
    Limits {
        limit: Bytes::mib(mib),
        trip_wire: Limit::At(mib * MIB),
        relief_line: Bytes::mib(mib + 8),
        second_line: Bytes::mib(mib + 27),
        ceiling: Bytes::mib(mib + 32),
        swap: Limit::At(0),
        swap_room: Limit::At(0),
        pids: Limit::Max,
        grace_ms: 3000,
        timeout_ms: None,
        min_available: None,
    }
}

/// A footprint of so many MiB, with some page cache on top.
pub fn memory(mib: u64) -> Memory {
    Memory {
        current: Bytes::mib(mib + 9),
        footprint: Bytes::mib(mib),
        rss: Some(Bytes::mib(mib + 4)),
        anon: Bytes::mib(mib * 85 / 100),
        shmem: Bytes::mib(mib * 8 / 100),
        kernel: Bytes(mib * MIB * 7 / 100),
        cache: Bytes::mib(9),
        swap: Bytes(0),
        swap_cached: Bytes(0),
        hugetlb: Bytes(0),
        hugetlb_counted: false,
        peak: Bytes::mib(mib + 11),
        peak_footprint: Bytes::mib(mib),
        available: None,
    }
}

/// A running workload at a moment.
pub fn status(uptime_ms: u64, mib: u64) -> Status {
    Status {
        schema: SCHEMA_VERSION,
        version: "0.1.0".into(),
        name: "python3".to_owned(),
        guardian_pid: 4000,
        guardian_rss: None,
        child_pid: 4002,
        tree_pid: None,
        command: ["python3", "train.py", "--epochs", "40", "--data", "/srv/data"]
            .map(String::from)
            .to_vec(),
        tier: Tier::Kernel,
        placement: Some("plain".to_owned()),
        tier_reason: String::new(),
        cgroup: Some("/sys/fs/cgroup/sentinel-4000".into()),
        started_unix_ms: None,
        uptime_ms,
        state: State::Running,
        frozen: false,
        dry_run: false,
        reason: None,
        breach: None,
        breach_left_ms: None,
        process_ending: None,
        kill_in_ms: None,
        limits: limits(100),
        memory: memory(mib),
        growth: 3 << 19,
        forecast_ms: None,
        pressure: Some(Pressure { some_avg10: 1.25, full_avg10: 0.4, ..Pressure::default() }),
        events: Counters { high: 3, ..Counters::default() },
        warned: false,
        processes: 6,
        processes_ended: 0,
        usage: Some(usage(uptime_ms)),
    }
}

/// Somewhat more than one CPU and some writing, in waves.
pub fn usage(uptime_ms: u64) -> Usage {
    let second = uptime_ms / 1000;
    let wave = [0, 4, 7, 9, 7, 4][usize::try_from(second % 6).unwrap_or(0)];
    Usage {
        cpu_usec: uptime_ms * 1200,
        cpu_permille: Some(u32::try_from(1100 + wave * 20).unwrap_or(0)),
        io: Some(Io {
            read: Bytes::mib(512),
            written: Bytes::mib(second),
            read_rate: Some(0),
            write_rate: Some(wave * MIB / 4),
        }),
    }
}

/// Some processes whose resident sets add up to about `mib` MiB.
pub fn processes(mib: u64) -> Vec<ProcessRow> {
    [
        (4002, 4000, "python3", 'R', 620, "python3 train.py --epochs 40 --data /srv/data"),
        (
            4010,
            4002,
            "python3",
            'S',
            210,
            "python3 -c from multiprocessing.spawn import spawn_main",
        ),
        (4011, 4010, "loader", 'D', 110, "/usr/lib/loader --prefetch 8"),
        (4015, 4002, "größe-漢字", 'S', 45, "größe-漢字 --name \\x1b[31m"),
        (4020, 4002, "sh", 'S', 15, "sh -c tail -f log"),
        (4021, 4020, "tail", 'Z', 0, ""),
    ]
    .map(|(pid, ppid, name, state, share_permille, command)| ProcessRow {
        pid,
        ppid,
        name: name.into(),
        state,
        rss: Bytes((mib * MIB / 1000).saturating_mul(u64::from(share_permille))),
        share_permille,
        command: command.into(),
        growth: (state != 'Z').then_some(i64::from(share_permille) * 2048 - 32 * 2048),
        cpu_permille: (state != 'Z').then_some(share_permille * 2),
    })
    .to_vec()
}

/// An event.
pub fn event(at_ms: u64, level: Level, text: &str) -> WatchLine {
    WatchLine::Event(EventLine { at_ms, level, text: text.into() })
}

/// A status line with its processes.
pub fn line(status: Status) -> WatchLine {
    let processes = Some(processes(status.memory.footprint.0 / MIB));
    WatchLine::Status { status: Box::new(status), processes }
}
