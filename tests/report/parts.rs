//! The parts that the made-up post-mortems are put together from.

use sentinel::report::post_mortem::{
    EndReason, Grower, Mapping, Milestone, Moment, Reading, RunFacts, Verdict,
};
use sentinel::status::{Limits, Memory, ProcessRow, Tier};
use sentinel::units::{Bytes, Limit, MIB};

pub const SECOND: u64 = 1_000_000;

/// The lines of a limit and its headroom in MiB.
pub fn limits(limit: u64, headroom: u64) -> Limits {
    Limits {
        limit: Bytes::mib(limit),
        trip_wire: Limit::At((limit + headroom / 8) * MIB),
        relief_line: Bytes::mib(limit + headroom / 8),
        second_line: Bytes::mib(limit + headroom - 5),
        ceiling: Bytes::mib(limit + headroom),
        swap: Limit::At(0),
        swap_room: Limit::At(0),
        pids: Limit::At(4096),
        grace_ms: 3000,
        timeout_ms: None,
        min_available: None,
    }
}

/// A footprint in KiB and page cache beside it, split as an interpreter's memory is.
pub fn reading(at_us: u64, footprint: u64, cache: u64) -> Reading {
    let kib = |kib: u64| Bytes(kib << 10);
    Reading {
        at_us,
        current: kib(footprint + cache),
        footprint: kib(footprint),
        anon: kib(footprint * 91 / 100),
        shmem: kib(footprint * 4 / 100),
        kernel: kib(footprint * 5 / 100),
        cache: kib(cache),
        swap: Bytes(0),
        processes: 3,
        full_avg10: Some(0.0),
    }
}

pub fn memory(last: &Reading, peak: &Reading) -> Memory {
    Memory {
        current: last.current,
        footprint: last.footprint,
        rss: Some(Bytes(last.footprint.0 / 16 * 17)),
        anon: last.anon,
        shmem: last.shmem,
        cache: last.cache,
        kernel: last.kernel,
        swap: last.swap,
        swap_cached: Bytes(0),
        hugetlb: Bytes(0),
        hugetlb_counted: false,
        peak: peak.current,
        peak_footprint: peak.footprint,
        available: None,
    }
}

pub fn moment(at_us: u64, what: Milestone, text: &str) -> Moment {
    Moment { at_us, what, text: text.to_owned() }
}

pub fn process(
    pid: u32,
    (name, command): (&str, &str),
    rss: u64,
    share_permille: u32,
) -> ProcessRow {
    ProcessRow {
        growth: None,
        cpu_permille: None,
        pid,
        ppid: if pid == 4713 { 4711 } else { 4713 },
        name: name.to_owned(),
        state: if pid == 4713 { 'R' } else { 'S' },
        rss: Bytes(rss << 10),
        share_permille,
        command: command.to_owned(),
    }
}

pub fn grower(pid: u32, name: &str, (from, to): (u64, u64), over_ms: u64) -> Grower {
    let (from, to) = (Bytes(from << 10), Bytes(to << 10));
    Grower { pid, name: name.to_owned(), from, to, over_ms }
}

pub fn mapping(name: &str, count: u32, size: u64, rss: u64) -> Mapping {
    let (size, rss) = (Bytes(size << 10), Bytes(rss << 10));
    Mapping { name: name.to_owned(), count, size, rss, swap: Bytes(0) }
}

pub fn run(name: &str, command: &[&str], ran_ms: u64) -> RunFacts {
    RunFacts {
        name: name.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        host: Some("node17.example.org".to_owned()),
        user: Some("alice".to_owned()),
        directory: Some("/home/alice/experiments/2026-09".to_owned()),
        kernel: "6.1.0-38-amd64".to_owned(),
        tier: Tier::Kernel,
        placement: Some("system-scope".to_owned()),
        cgroup: Some(format!("/sys/fs/cgroup/system.slice/sentinel-{name}-4711.scope/workload")),
        guardian_pid: 4711,
        child_pid: 4713,
        started_unix_ms: 1_790_000_000_000,
        ran_ms,
    }
}

pub fn verdict(reason: EndReason, ended_by: &str, signal: Option<&str>, text: &str) -> Verdict {
    Verdict {
        reason,
        ended_by: ended_by.to_owned(),
        signal: signal.map(str::to_owned),
        text: text.to_owned(),
        exit_status: if signal == Some("SIGTERM") { 143 } else { 137 },
        child_exited: None,
        child_signal: Some(if signal == Some("SIGTERM") { 15 } else { 9 }),
    }
}
