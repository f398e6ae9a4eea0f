//! Memory and processor time that others use up.

use crate::guest::{Run, Sentinel, hog, require_kernel_tier, scratch};
use crate::others::Others;
use std::fs;
use std::process::Stdio;

/// Ended by us and by nobody else, with the kernel's backstop untouched.
fn assert_in_time(run: &Run) {
    assert!(matches!(run.status, 143 | 137), "{run}");
    assert_eq!(run.text("/outcome/ended_by"), "sentinel", "{run}");
    assert_eq!(run.text("/outcome/reason"), "breach", "{run}");
    for counter in ["max", "oom", "oom_kill"] {
        assert_eq!(run.number(&format!("/status/events/{counter}")), 0, "{counter}: {run}");
    }
    assert_eq!(run.number("/guardian_page_faults/major"), 0, "{run}");
}

/// What the kernel's OOM killer did on the whole machine.
fn oom_kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.parse().ok()).unwrap()
}

/// Of the machine, in MiB.
fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap() >> 10
}

/// Somebody whom the kernel will not kill has most of the memory, and two others, whom it will kill first, want all that is
/// left: again and again.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_machine_is_out_of_memory() {
    require_kernel_tier();
    let (hog, rest) = (hog(), available() - 300);
    let holds = format!("echo -1000 > /proc/self/oom_score_adj; exec {hog} idle:{rest}M");
    let wants =
        format!("echo 1000 > /proc/self/oom_score_adj; while :; do {hog} touch --cap 64G; done");
    let _holder = Others::run(1, &[], &holds);
    let _others = Others::run(2, &[], &wants);
    let before = oom_kills();
    while oom_kills() == before {
        std::thread::yield_now();
    }
    let (record, before) = (scratch("record"), oom_kills());
    // It begins when the kernel has killed once more.
    let script = format!(
        "count() {{ grep '^oom_kill ' /proc/vmstat; }}; before=$(count); while [ \"$before\" = \"$(count)\" ]; do sleep 0.1; done; exec {hog} step --cap 1G --rate 50M"
    );
    let output = Sentinel::new().command(&record, &["sh", "-c", &script]).output().unwrap();
    let killed = oom_kills() - before;
    let run = Run::of(&output, &record);
    println!(
        "{killed} killed meanwhile; page faults {}; {}",
        run.record["guardian_page_faults"],
        run.line()
    );
    assert!(killed > 0, "memory was out: {run}");
    assert_in_time(&run);
}

/// One process starts them all: who came later would wait for those before.
const SPIN: &str = "for i in $(seq 32); do while :; do :; done & done; wait";

/// A workload by these words that begins to leak when 32 tasks, which go before everybody else, do nothing but run.
fn beside_spinning_tasks(words: &[&str]) {
    require_kernel_tier();
    let (ready, go) = (scratch("ready"), scratch("go"));
    let script = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.1; done; exec {} touch --cap 400M",
        ready.display(),
        go.display(),
        hog()
    );
    let record = scratch("record");
    let words = [words, &["sh", "-c", &script]].concat();
    let mut command = Sentinel::new().command(&record, &words);
    let guardian = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    while !ready.exists() {
        std::thread::yield_now();
    }
    // Us too, or nobody would see how it ends. What we start has the usual priority all the same.
    assert!(sentinel::sys::priority::raise());
    let others = Others::run(1, &["nice", "-n", "-20"], SPIN);
    fs::write(&go, "").unwrap();
    let run = Run::of(&guardian.wait_with_output().unwrap(), &record);
    drop(others);
    fs::remove_file(ready).unwrap();
    fs::remove_file(go).unwrap();
    let over = run.number("/term/current").saturating_sub(100 << 20) >> 10;
    println!("{:?}: SIGTERM {over} KiB over; {}", &words[..2], run.line());
    assert_in_time(&run);
}

/// A real-time task: the share that a cgroup has of the processors is nothing to it, and only the throttle holds it up.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn every_processor_is_busy_and_the_workload_goes_first() {
    beside_spinning_tasks(&["chrt", "-f", "50"]);
}
