//! A made-up workload: statuses, process tables and events that fit together. Shared by the golden tests and the fake guardian.

use sentinel::status::{
    Counters, EventLine, Level, Limits, Memory, Pressure, ProcessRow, SCHEMA_VERSION, State,
    Status, Tier, WatchLine,
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
        pids: Limit::Max,
        grace_ms: 3000,
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
        peak: Bytes::mib(mib + 11),
        peak_footprint: Bytes::mib(mib),
    }
}

/// A running workload at a moment.
pub fn status(uptime_ms: u64, mib: u64) -> Status {
    Status {
        schema: SCHEMA_VERSION,
        version: "0.1.0".into(),
        guardian_pid: 4000,
        child_pid: 4002,
        command: ["python3", "train.py", "--epochs", "40", "--data", "/srv/data"]
            .map(String::from)
            .to_vec(),
        tier: Tier::Kernel,
        placement: Some("plain".to_owned()),
        tier_reason: String::new(),
        cgroup: Some("/sys/fs/cgroup/sentinel-4000".into()),
        uptime_ms,
        state: State::Running,
        frozen: false,
        dry_run: false,
        reason: None,
        kill_in_ms: None,
        limits: limits(100),
        memory: memory(mib),
        growth: 3 << 19,
        forecast_ms: None,
        pressure: Some(Pressure { some_avg10: 1.25, full_avg10: 0.4 }),
        events: Counters { high: 3, ..Counters::default() },
        warned: false,
        processes: 6,
    }
}

/// Some processes whose resident sets add up to about `mib` MiB.
pub fn processes(mib: u64) -> Vec<ProcessRow> {
    [
        (4002, "python3", 'R', 620, "python3 train.py --epochs 40 --data /srv/data"),
        (4010, "python3", 'S', 210, "python3 -c from multiprocessing.spawn import spawn_main"),
        (4011, "loader", 'D', 110, "/usr/lib/loader --prefetch 8"),
        (4015, "größe-漢字", 'S', 45, "größe-漢字 --name \\x1b[31m"),
        (4020, "sh", 'S', 15, "sh -c tail -f log"),
        (4021, "tail", 'Z', 0, ""),
    ]
    .map(|(pid, name, state, share_permille, command)| ProcessRow {
        pid,
        ppid: 4000,
        name: name.into(),
        state,
        rss: Bytes((mib * MIB / 1000).saturating_mul(u64::from(share_permille))),
        share_permille,
        command: command.into(),
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
