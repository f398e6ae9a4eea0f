//! The machine's floor, in a machine of our own and in a cgroup with little left: who is within its limit is ended in time, and reclaimable
//! file pages are no shortage.

use crate::guest::{Run, Sentinel, disk, hog, require_kernel_tier};
use sentinel::units::MIB;
use std::fs;
use std::path::PathBuf;

fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[track_caller]
fn assert_host_memory(run: &Run) {
    assert_eq!(run.text("/outcome/reason"), "host-memory", "{run}");
    assert!(run.stderr.contains("fell below the machine's floor"), "{run}");
    for counter in ["high", "max", "oom", "oom_kill"] {
        assert_eq!(run.number(&format!("/status/events/{counter}")), 0, "{counter}: {run}");
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn who_takes_the_machine_below_its_floor_is_ended_within_its_limit() {
    require_kernel_tier();
    let floor = (available() - 150 * MIB).to_string();
    let options = ["-m", "800M", "--min-available", &floor, "--timeout", "60s"];
    let run =
        Sentinel::new().args(&options).run(&[&hog(), "step", "--rate", "50M", "--cap", "700M"]);
    assert_eq!(run.status, 143, "{run}");
    assert_host_memory(&run);
    let footprint = run.number("/term/footprint") / MIB;
    assert!((80..300).contains(&footprint), "{footprint} MiB: {run}");
}

/// A cgroup around the workload; gone when it is dropped.
struct Around(PathBuf);

impl Around {
    fn new(max: &str) -> Around {
        let path = PathBuf::from(format!("/sys/fs/cgroup/floor-{}", std::process::id()));
        fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory").unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("memory.max"), max).unwrap();
        fs::write(path.join("cgroup.subtree_control"), "+memory").unwrap();
        Around(path)
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        let removed = fs::remove_dir(&self.0);
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

/// 260 MiB of file pages in a cgroup of 400 leave it as much as before; memory of its own does not.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_a_cgroup_around_it_leaves_counts_and_file_pages_do_not() {
    require_kernel_tier();
    let around = Around::new("400M");
    let file = disk("floor");
    let script = "dd if=/dev/zero of=\"$1\" bs=1M count=260 conv=fsync 2>/dev/null; cat \"$1\" > /dev/null; sleep 2; echo read; exec \"$0\" step --rate 50M --cap 400M";
    let place = around.0.to_str().unwrap();
    let options = ["--cgroup", place, "-m", "350M", "--min-available", "150M", "--timeout", "120s"];
    let run = Sentinel::new().args(&options).run(&["sh", "-c", script, &hog(), &file]);
    fs::remove_file(&file).unwrap();
    assert!(run.stdout.contains("read"), "{run}");
    assert_eq!(run.status, 143, "{run}");
    assert_eq!(run.text("/outcome/reason"), "host-memory", "{run}");
    assert_eq!(run.number("/status/events/oom_kill"), 0, "{run}");
    let footprint = run.number("/term/footprint") / MIB;
    assert!((200..350).contains(&footprint), "{footprint} MiB: {run}");
    let refused =
        Sentinel::new().args(&["--cgroup", place, "-m", "350M", "--min-available", "500M"]);
    let refused = refused.run(&["true"]);
    assert_eq!(refused.status, 125, "{refused}");
    assert!(refused.stderr.contains("that are available now"), "{refused}");
}

/// Whoever does not hear SIGTERM, and goes on, is killed when half of the floor is gone too.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn below_half_of_the_floor_there_is_no_grace_period_left() {
    require_kernel_tier();
    let around = Around::new("400M");
    let place = around.0.to_str().unwrap();
    let options = ["--cgroup", place, "-m", "380M", "--min-available", "200M", "--grace", "600s"];
    let deaf = [&hog(), "step", "--rate", "50M", "--cap", "380M", "--ignore-term"];
    let run = Sentinel::new().args(&options).run(&deaf);
    assert_eq!(run.status, 137, "{run}");
    assert_eq!(run.text("/outcome/reason"), "host-memory", "{run}");
    assert_eq!(run.text("/outcome/killed"), "host-memory", "{run}");
    assert!(run.stderr.contains("fell below half of the floor, 100.0M"), "{run}");
}
