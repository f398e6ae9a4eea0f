//! The reasons of a post-mortem that need a real kernel, each made to happen.

use crate::guest::{Run, Sentinel, disk, hog, require_kernel_tier, scratch};
use serde_json::Value;
use std::process::Command;

/// A run and its post-mortem.
fn reported(options: &[&str], words: &[&str]) -> (Run, Value) {
    let state = scratch("state");
    let script = format!("XDG_STATE_HOME={}; export XDG_STATE_HOME; exec \"$@\"", state.display());
    let run = Sentinel::new().args(options).through(&script).run(words);
    let sentinel = std::env::var("SENTINEL_BIN").unwrap();
    let mut command = Command::new(sentinel);
    let report = command.args(["report", "--json"]).env("XDG_STATE_HOME", &state).output().unwrap();
    assert!(report.status.success(), "no report: {run}");
    std::fs::remove_dir_all(&state).unwrap();
    (run, serde_json::from_slice(&report.stdout).unwrap())
}

#[track_caller]
fn assert_verdict((run, report): &(Run, Value), reason: &str, by: &str) {
    assert_eq!(report["verdict"]["reason"], reason, "{run}\n{report:#}");
    assert_eq!(report["verdict"]["ended_by"], by, "{run}\n{report:#}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_breach_with_what_it_was_made_of() {
    require_kernel_tier();
    let ended = reported(&[], &[&hog(), "step", "--rate", "30M", "--cap", "1G"]);
    assert_verdict(&ended, "breach", "sentinel");
    let report = &ended.1;
    assert!(report["memory"]["anon"].as_u64() > Some(80 << 20), "{report:#}");
    let largest = &report["mappings"]["largest"][0];
    assert!(largest["rss"].as_u64() > Some(20 << 20), "{report:#}");
    assert!(report["growers"][0]["to"].as_u64() > report["growers"][0]["from"].as_u64());
    assert_eq!(report["events"]["oom_kill"], 0, "{report:#}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_kernel_s_own_kill_is_the_kernel_s() {
    require_kernel_tier();
    let script = "c=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); echo 30M > $c/memory.max; exec \"$0\" touch --cap 1G";
    let ended = reported(&[], &["sh", "-c", script, &hog()]);
    assert_verdict(&ended, "kernel-oom", "kernel-oom");
    assert!(ended.1["verdict"]["signal"].is_null());
}

/// A child dies in a cgroup that the workload made for it; the command goes on, and ends itself later.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_kill_in_a_cgroup_of_the_workload_s_own_did_not_end_the_command() {
    require_kernel_tier();
    let script =
        "own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); mkdir $own/main $own/sub || exit 1
        echo 0 > $own/main/cgroup.procs && echo +memory > $own/cgroup.subtree_control || exit 2
        echo 20M > $own/sub/memory.max && echo 0 > $own/sub/memory.swap.max || exit 3
        sh -c 'echo 0 > $1/sub/cgroup.procs; exec \"$0\" touch --cap 60M' \"$0\" $own
        grep -q 'oom_kill [1-9]' $own/memory.events || exit 4
        kill -9 $$";
    let ended = reported(&["-m", "300M"], &["sh", "-c", script, &hog()]);
    assert_eq!(ended.0.status, 137, "{}", ended.0);
    assert_eq!(ended.0.text("/outcome/ended_by"), "command", "{}", ended.0);
    assert!(ended.0.number("/status/events/oom_kill") > 0, "{}", ended.0);
    assert_verdict(&ended, "signaled", "somebody");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_fork_that_is_refused() {
    require_kernel_tier();
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait";
    let ended = reported(&["--pids", "4"], &["sh", "-c", script]);
    assert_verdict(&ended, "pids", "command");
    assert!(ended.1["events"]["pids_max"].as_u64() > Some(0));
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn files_that_do_not_fit() {
    require_kernel_tier();
    let file = disk("thrash");
    // Made by the workload itself: pages that somebody else read in are charged to that one.
    let read = "import mmap, random, sys\nf = open(sys.argv[1], 'w+b')\nfor _ in range(100): f.write(bytes(1 << 20))\nf.flush()\nm = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)\nwhile True: m[random.randrange(len(m))]";
    let options = ["-m", "24M", "--thrash", "1%:1s", "--timeout", "60s"];
    let ended = reported(&options, &["python3", "-c", read, &file]);
    assert_verdict(&ended, "thrash", "sentinel");
    assert!(ended.1["memory"]["cache"].as_u64() > Some(10 << 20), "{:#}", ended.1);
}

/// Pages of a file that pipes hold look like cache, and reclaim does not get them.
const PINNED: &str = r"
import fcntl, os, sys, time
with open(sys.argv[1], 'wb') as f:
    for _ in range(24): f.write(bytes(1 << 20))
    f.flush()
    os.fsync(f.fileno())
file = os.open(sys.argv[1], os.O_RDONLY)
held = []
for number in range(20):
    ends = os.pipe()
    fcntl.fcntl(ends[1], 1031, 1 << 20)
    for part in range(0, 1 << 20, 1 << 16):
        os.splice(file, ends[1], 1 << 16, offset_src=(number << 20) + part)
    held.append(ends)
own = open('/proc/self/cgroup').read().strip().split('::')[1]
taken = []
while int(open(f'/sys/fs/cgroup{own}/memory.current').read()) < 45 << 20:
    taken.append(bytearray(1 << 17))
while True: time.sleep(1)
";

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn cache_that_nobody_gets_back() {
    require_kernel_tier();
    let options = ["-m", "40M", "--headroom", "8M", "--timeout", "120s"];
    let ended = reported(&options, &["python3", "-c", PINNED, &disk("pinned")]);
    // Where the throttle lets it come to the relief line first, it climbs.
    let climbs = ended.1["verdict"]["reason"] == "climb";
    assert_verdict(&ended, if climbs { "climb" } else { "stuck" }, "sentinel");
    assert_eq!(ended.1["events"]["oom_kill"], 0, "{:#}", ended.1);
}
