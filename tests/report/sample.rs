//! Made-up post-mortems whose numbers fit together. Shared by the tests of the page and by those who change its looks.

#[path = "parts.rs"]
mod parts;

use parts::{SECOND, grower, limits, mapping, memory, moment, process, reading, run, verdict};
use sentinel::report::post_mortem::{
    EarlierLines, EndReason, Mappings, Milestone, PostMortem, Reading, RunFacts, SCHEMA, Verdict,
};
use sentinel::status::{
    Counters, Limits, Memory, Pressure, ProcessRow, Remains, RemainsPart, Tier,
};
use sentinel::units::{Bytes, Limit};

/// All of them, each with its name.
pub fn all() -> [(&'static str, PostMortem); 6] {
    [
        ("leak", leak()),
        ("second-line", second_line()),
        ("kernel-oom", kernel_oom()),
        ("timeout", timeout()),
        ("lowered", lowered()),
        ("bare", bare()),
    ]
}

/// A Python program that leaks, with the sawtooth of its collector, and listens to SIGTERM.
pub fn leak() -> PostMortem {
    let end = 83 * SECOND + 412_907;
    let samples = leaking(end);
    let decided = reading(end, 102_502, 9_300);
    let text = "ended train with SIGTERM: footprint 100.1M reached the limit 100.0M";
    PostMortem {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        run: run("train", &["python3", "train.py", "--epochs", "40", "--data", "/srv/data set"], 83_444),
        verdict: verdict(EndReason::Breach, "sentinel", Some("SIGTERM"), text),
        advice: vec![
            "It grew by 1.0M a second for the whole last minute and gave nothing back: that looks like a leak, and a higher limit would only have put it off (at 200M: by about 97s).".to_owned(),
            "Nearly all of it is the heap of python3 (4713): look there first.".to_owned(),
        ],
        limits: limits(100, 64),
        earlier_lines: vec![],
        timeline: vec![
            moment(1_204, Milestone::Told, "tier kernel (system-scope): limit 100.0M, memory.max 164.0M"),
            moment(3_911, Milestone::Started, "started python3 (pid 4713)"),
            moment(end - 21_442_118, Milestone::Warned, "footprint 80.2M is 80% of the limit 100.0M"),
            moment(end - 418, Milestone::Told, "memory.events: high 1"),
            moment(end, Milestone::Decided, "footprint 100.1M reached the limit 100.0M"),
            moment(end + 63, Milestone::Told, "memory.high is 108.0M now, read back"),
            moment(end + 171, Milestone::Term, "sent SIGTERM to 3 processes"),
            moment(end + 30_266, Milestone::ChildEnded, "python3 was killed by SIGTERM"),
            moment(end + 31_402, Milestone::Empty, "all processes are gone"),
        ],
        memory: memory(&decided, &samples[samples.len() - 4]),
        samples,
        pressure: Some(Pressure { some_avg10: 0.42, full_avg10: 0.31, ..Pressure::default() }),
        events: Counters { high: 1, ..Counters::default() },
        processes: vec![
            process(4713, ("python3", "python3 train.py --epochs 40 --data /srv/data set"), 94_208, 864),
            process(4720, ("python3", "python3 -c from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=7) --multiprocessing-fork"), 11_264, 103),
            process(4721, ("tee", "tee -a train.log"), 3_584, 33),
        ],
        growers: vec![
            grower(4713, "python3", (29_900, 94_208), 59_790),
            grower(4720, "python3", (10_988, 11_264), 59_790),
        ],
        mappings: Some(Mappings {
            pid: 4713,
            name: "python3".to_owned(),
            largest: vec![
                mapping("[heap]", 1, 71_680, 70_912),
                mapping("anonymous", 61, 98_304, 14_208),
                mapping("/usr/bin/python3.11", 5, 6_780, 4_912),
                mapping("/usr/lib/python3/dist-packages/numpy/core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so", 5, 4_404, 2_020),
                mapping("[stack]", 1, 132, 84),
            ],
        }),
        left_in_tmpfs: Some(Remains {
            size: Bytes::mib(60),
            parts: vec![RemainsPart { name: "/dev/shm/x".to_owned(), size: Bytes::mib(48) }],
        }),
    }
}

/// Its last minute: twice a second, and closer where it is near the limit.
fn leaking(end: u64) -> Vec<Reading> {
    let mut samples: Vec<Reading> = (0..118)
        .map(|step| {
            let tooth = [0, 420, 880, 1500, 300][usize::try_from(step).unwrap_or(0) % 5];
            reading(end - 60 * SECOND + step * 508_311, 38_000 + step * 530 + tooth, 9_300)
        })
        .collect();
    let shape = [(-391, 101_120), (-182, 101_700), (-90, 102_060), (-44, 102_280), (-20, 102_390)];
    let after = [(0, 102_502), (6, 102_618), (12, 102_630), (18, 88_100), (25, 31_200), (31, 0)];
    samples.retain(|reading| reading.at_us < end - 400_000);
    samples.extend(
        shape.into_iter().chain(after).map(|(ms, kib)| {
            reading(end.saturating_add_signed(ms * 1000), kib, 9_300.min(kib + 400))
        }),
    );
    samples
}

/// A program that ignores SIGTERM and allocates on: killed at the second line.
pub fn second_line() -> PostMortem {
    let end = 6 * SECOND + 120_031;
    let mut samples: Vec<Reading> = (0..60)
        .map(|step| reading(end - 6 * SECOND + step * 100_000, 60_000 + step * 34_000, 20_000))
        .collect();
    let after = (0..12).map(|step| reading(end + step * 14_000, 2_099_000 + step * 18_600, 1_000));
    samples.extend(after);
    samples.push(reading(end + 204_000, 0, 300));
    let decided = samples[60];
    let text = "ended build with SIGKILL: footprint 2.00G reached the limit 2.00G; memory 2.19G reached the second line 2.19G";
    let mut processes: Vec<ProcessRow> = (0..64)
        .map(|n| process(5000 + n, ("cc1plus", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus -quiet -I include -O2 -std=c++20 src/widget.cpp"), 32_000 - u64::from(n) * 200, 16))
        .collect();
    processes.push(process(4713, ("make", "make -j64"), 2_100, 1));
    PostMortem {
        run: run("build", &["make", "-j64"], 6_330),
        verdict: verdict(EndReason::SecondLine, "sentinel", Some("SIGKILL"), text),
        advice: vec!["The workload went on allocating after SIGTERM: it was 64 compilers, about 31M each. Try -m 3G, or fewer jobs (make -j40).".to_owned()],
        limits: limits(2048, 205),
        timeline: vec![
            moment(2_800, Milestone::Started, "started make (pid 4713)"),
            moment(end - 1_200_000, Milestone::Warned, "footprint grows 332.0M/s: at the limit in 1.2s"),
            moment(end, Milestone::Decided, "footprint 2.00G reached the limit 2.00G"),
            moment(end + 231, Milestone::Term, "sent SIGTERM to 65 processes"),
            moment(end + 154_880, Milestone::Kill, "memory 2.19G reached the second line 2.19G: sent SIGKILL, 155ms after SIGTERM"),
            moment(end + 197_020, Milestone::ChildEnded, "make was killed by SIGKILL"),
            moment(end + 203_114, Milestone::Empty, "all processes are gone"),
        ],
        memory: memory(&decided, &samples[71]),
        samples,
        pressure: Some(Pressure { some_avg10: 7.9, full_avg10: 6.44, ..Pressure::default() }),
        events: Counters { high: 311, ..Counters::default() },
        processes,
        growers: (0..8).map(|n| grower(5000 + n, "cc1plus", (1_800, 32_000 - u64::from(n) * 900), 5_200)).collect(),
        mappings: None,
        left_in_tmpfs: None,
        ..leak()
    }
}

/// The kernel's OOM killer came first, at a limit above ours.
pub fn kernel_oom() -> PostMortem {
    let end = 31 * SECOND + 8_112;
    let mut samples: Vec<Reading> = (0..62)
        .map(|step| reading(step * 500_000, 30_000 + step * step * 5, 41_000 - step * 90))
        .collect();
    samples.push(reading(end + 20_000, 900, 300));
    let last = samples[61];
    let text = "worker was killed by the kernel's OOM killer (oom_kill 1), not by sentinel";
    PostMortem {
        run: RunFacts {
            tier: Tier::Hybrid,
            placement: None,
            ..run("worker", &["sh", "-c", "exec ./worker --cache \"$(nproc)G\" 2>>worker.log"], 31_028)
        },
        verdict: verdict(EndReason::KernelOom, "kernel-oom", None, text),
        advice: vec![
            "The limit of 100.0M was never reached: the machine (or a container around it) ran out first.".to_owned(),
            "In tier hybrid nothing enforces a ceiling; `sentinel doctor` says what would give tier kernel.".to_owned(),
        ],
        limits: Limits { trip_wire: Limit::Max, swap: Limit::Max, pids: Limit::Max, ..limits(100, 64) },
        timeline: vec![
            moment(2_800, Milestone::Started, "started sh (pid 4713)"),
            moment(end - 12, Milestone::Told, "the kernel's OOM killer acted in the workload (oom_kill 1)"),
            moment(end, Milestone::ChildEnded, "worker was killed by SIGKILL"),
            moment(end + 1_880, Milestone::Empty, "all processes are gone"),
        ],
        memory: memory(&last, &last),
        samples,
        pressure: None,
        events: Counters { oom_kill: 1, ..Counters::default() },
        growers: vec![grower(4713, "worker", (29_000, 46_100), 30_500)],
        mappings: None,
        left_in_tmpfs: None,
        ..leak()
    }
}

/// An hour is over; memory was never near the limit.
pub fn timeout() -> PostMortem {
    let end = 3600 * SECOND + 1_004;
    let mut samples: Vec<Reading> = (0..60)
        .map(|step| {
            let tooth = [0, 800, 1_900, 2_600][usize::try_from(step).unwrap_or(0) % 4];
            reading(end - (59 - step) * SECOND - 211_000, 61_000 + tooth, 310_000 - step * 900)
        })
        .collect();
    samples.extend((1..4).map(|step| reading(end + step * SECOND, 61_400, 256_000)));
    let (decided, highest) = (samples[59], samples[3]);
    let text =
        "ended crawl with SIGKILL: reached its timeout of 1h00m; the grace period of 3.0s is over";
    PostMortem {
        run: run("crawl", &["./crawl", "--site", "https://example.org/?q=a&b=<c>"], 3_603_050),
        verdict: verdict(EndReason::Timeout, "sentinel", Some("SIGKILL"), text),
        advice: vec!["It ignored SIGTERM for all of the 3.0s: if it needs longer to end, give it --grace 10s.".to_owned()],
        limits: Limits { timeout_ms: Some(3_600_000), ..limits(4096, 410) },
        timeline: vec![
            moment(2_800, Milestone::Started, "started ./crawl (pid 4713)"),
            moment(end, Milestone::Decided, "reached its timeout of 1h00m"),
            moment(end + 92, Milestone::Term, "sent SIGTERM to 1 process"),
            moment(end + 3_000_170, Milestone::Kill, "the grace period of 3.0s is over: sent SIGKILL, 3.0s after SIGTERM"),
            moment(end + 3_004_402, Milestone::ChildEnded, "crawl was killed by SIGKILL"),
            moment(end + 3_004_911, Milestone::Empty, "all processes are gone"),
        ],
        memory: memory(&decided, &highest),
        samples,
        pressure: Some(Pressure::default()),
        events: Counters::default(),
        processes: vec![process(4713, ("crawl", "./crawl --site https://example.org/?q=a&b=<c>"), 64_100, 1000)],
        growers: vec![],
        mappings: None,
        left_in_tmpfs: None,
        ..leak()
    }
}

/// An operator set a limit below what was in use.
pub fn lowered() -> PostMortem {
    let leak = leak();
    let until_us = 83 * SECOND + 400_000;
    let (limit, second_line, ceiling) = (Bytes::mib(150), Bytes::mib(207), Bytes::mib(214));
    let swap_room = Limit::At(0);
    PostMortem {
        earlier_lines: vec![EarlierLines { until_us, limit, swap_room, second_line, ceiling }],
        advice: vec!["An operator lowered the limit from 150.0M to 100.0M while it ran; with the earlier limit it would have continued.".to_owned()],
        ..leak
    }
}

/// Nothing that is not always there: no cgroup, no samples, no processes.
pub fn bare() -> PostMortem {
    PostMortem {
        run: RunFacts {
            tier: Tier::Polled,
            placement: None,
            cgroup: None,
            command: vec![],
            host: None,
            user: None,
            directory: None,
            ran_ms: 0,
            ..run("true", &[], 0)
        },
        verdict: Verdict {
            exit_status: 0,
            child_exited: Some(0),
            child_signal: None,
            ..verdict(EndReason::Exited, "command", None, "true exited with 0")
        },
        advice: vec![],
        limits: Limits {
            limit: Bytes(0),
            trip_wire: Limit::Max,
            relief_line: Bytes(0),
            second_line: Bytes(0),
            ceiling: Bytes(0),
            swap: Limit::Max,
            swap_room: Limit::At(0),
            pids: Limit::Max,
            grace_ms: 0,
            timeout_ms: None,
            min_available: None,
        },
        timeline: vec![],
        samples: vec![],
        memory: Memory::default(),
        pressure: None,
        events: Counters::default(),
        processes: vec![],
        growers: vec![],
        mappings: None,
        left_in_tmpfs: None,
        ..leak()
    }
}
