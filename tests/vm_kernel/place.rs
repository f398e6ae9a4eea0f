//! Where the cgroup is made, on a real kernel: limits in force, outer limits respected, no process of others moved.

use crate::guest::{Sentinel, hog, require_kernel_tier, scratch};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A cgroup of the test's own, removed at the end.
struct Outer(PathBuf);

impl Outer {
    fn new(name: &str, limits: &[(&str, &str)]) -> Outer {
        let path = Path::new("/sys/fs/cgroup").join(name);
        fs::create_dir(&path).unwrap();
        for (file, value) in limits {
            fs::write(path.join(file), value).unwrap();
        }
        Outer(path)
    }

    /// Shell text that runs sentinel in it, alone.
    fn alone(&self) -> String {
        format!("echo 0 > {}/cgroup.procs; exec \"$@\"", self.0.display())
    }

    /// Shell text that runs sentinel in it beside the shell.
    fn beside(&self) -> String {
        format!("echo 0 > {}/cgroup.procs; \"$@\"", self.0.display())
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0)
            && !std::thread::panicking()
        {
            panic!("something is left in {}: {error}", self.0.display());
        }
    }
}

const SHOW: &str = "c=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); echo $c; cd $c; for f in memory.high memory.max memory.swap.max memory.oom.group pids.max; do [ -e $f ] && echo $f $(cat $f); done; echo watch $MEMORY_PRESSURE_WATCH";

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_limits_are_in_force_when_the_command_starts() {
    require_kernel_tier();
    let run = Sentinel::new().args(&["-m", "200M", "--pids", "77"]).run(&["sh", "-c", SHOW]);
    assert_eq!(run.status, 0, "{run}");
    for line in [
        format!("memory.high {}", 200 << 20),
        format!("memory.max {}", 264 << 20),
        "memory.oom.group 1".to_owned(),
        "pids.max 77".to_owned(),
    ] {
        assert!(run.stdout.lines().any(|l| l == line), "{line}: {run}");
    }
    if Path::new("/sys/fs/cgroup").join("memory.pressure").exists() {
        assert!(run.stdout.contains("/memory.pressure"), "{run}");
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_guardian_is_never_inside() {
    require_kernel_tier();
    let script =
        "cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cgroup.procs; echo me $$ $PPID";
    let run = Sentinel::new().run(&["sh", "-c", script]);
    let ids = run.stdout.lines().find_map(|line| line.strip_prefix("me ")).unwrap();
    let (own, parent) = ids.split_once(' ').unwrap();
    let members: Vec<&str> =
        run.stdout.lines().take_while(|line| !line.starts_with("me")).collect();
    assert!(members.contains(&own) && !members.contains(&parent), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_limit_above_the_outer_one_is_refused_and_named() {
    require_kernel_tier();
    let outer = Outer::new("outer-max", &[("memory.max", "80M")]);
    let run = Sentinel::new().through(&outer.alone()).run(&["true"]);
    assert_eq!(run.status, 125, "{run}");
    assert!(run.stderr.contains("/sys/fs/cgroup/outer-max/memory.max"), "{run}");
    let run = Sentinel::new().args(&["-m", "50%"]).through(&outer.alone()).run(&["sh", "-c", SHOW]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains(&format!("memory.high {}", 40 << 20)), "{run}");
}

/// It need not be above the guardian: the kernel's OOM killer acted under a limit that nobody had looked at.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_limits_of_a_cgroup_that_was_named_count() {
    require_kernel_tier();
    let outer = Outer::new("outer-named", &[("memory.max", "80M")]);
    let named = outer.0.to_str().unwrap();
    let run = |options: &[&str]| {
        Sentinel::new().args(&["--cgroup", named]).args(options).run(&["sh", "-c", SHOW])
    };
    let refused = run(&[]);
    assert_eq!(refused.status, 125, "{refused}");
    assert!(refused.stderr.contains("/sys/fs/cgroup/outer-named/memory.max"), "{refused}");
    let half = run(&["-m", "50%"]);
    assert_eq!(half.status, 0, "{half}");
    assert!(half.stdout.contains(&format!("memory.high {}", 40 << 20)), "{half}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn alone_in_its_cgroup_the_guardian_makes_room() {
    require_kernel_tier();
    let outer = Outer::new("outer-alone", &[("memory.max", "600M")]);
    let run = Sentinel::new().through(&outer.alone()).run(&[&hog(), "touch", "--cap", "1G"]);
    assert_eq!(run.status, 143, "{run}");
    assert!(run.stderr.contains("/sys/fs/cgroup/outer-alone/sentinel-hog-"), "{run}");
    let on = fs::read_to_string(outer.0.join("cgroup.subtree_control")).unwrap();
    assert!(!on.contains("memory"), "left as it was found: {on:?}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn killed_when_it_had_made_room_its_keeper_puts_everything_back() {
    require_kernel_tier();
    let outer = Outer::new("outer-killed", &[("memory.max", "600M")]);
    let sentinel = Sentinel::new().through(&outer.alone());
    let mut command =
        sentinel.command(&scratch("record"), &["sh", "-c", "echo up; exec sleep 1000"]);
    let mut guardian = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut up = String::new();
    BufReader::new(guardian.stdout.take().unwrap()).read_line(&mut up).unwrap();
    assert!(outer.0.join("sentinel-supervisor").exists(), "{up}");
    guardian.kill().unwrap();
    guardian.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let events = || fs::read_to_string(outer.0.join("cgroup.events")).unwrap();
    while events().contains("populated 1") {
        assert!(Instant::now() < deadline, "somebody is left in {}", outer.0.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    let on = fs::read_to_string(outer.0.join("cgroup.subtree_control")).unwrap();
    assert!(!on.contains("memory"), "left as it was found: {on:?}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn beside_others_the_nearest_cgroup_above_without_a_limit_between_serves() {
    require_kernel_tier();
    let outer = Outer::new("outer-free", &[]);
    let run = Sentinel::new().through(&outer.beside()).run(&[&hog(), "touch", "--cap", "1G"]);
    assert_eq!(run.status, 143, "{run}");
    assert!(run.stderr.contains("tier kernel (plain): /sys/fs/cgroup/sentinel-hog-"), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn beside_others_a_limit_is_not_escaped() {
    require_kernel_tier();
    let outer = Outer::new("outer-tight", &[("memory.max", "600M")]);
    let run =
        Sentinel::new().args(&["--require", "kernel"]).through(&outer.beside()).run(&["true"]);
    assert_eq!(run.status, 125, "{run}");
    assert!(run.stderr.contains("/sys/fs/cgroup/outer-tight/memory.max is 629145600"), "{run}");
    let run = Sentinel::new().through(&outer.beside()).run(&[&hog(), "step", "--cap", "1G"]);
    assert_eq!(run.status, 143, "{run}");
    assert_eq!(run.text("/status/tier"), "hybrid", "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_new_limit_is_in_force_at_once() {
    require_kernel_tier();
    let sentinel = std::env::var("SENTINEL_BIN").unwrap();
    let socket = scratch("socket");
    let script = format!(
        "{sentinel} ctl --socket {0} set memory 300M; {sentinel} ctl --socket {0} set pids 55; {SHOW}; {sentinel} ctl --socket {0} limits json",
        socket.display()
    );
    let args = ["-m", "200M", "--socket", socket.to_str().unwrap()];
    let run = Sentinel::new().args(&args).run(&["sh", "-c", &script]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains(&format!("memory.high {}", 300 << 20)), "{run}");
    assert!(run.stdout.contains("pids.max 55"), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_dry_run_sets_no_limit() {
    require_kernel_tier();
    let run = Sentinel::new().args(&["--dry-run"]).run(&["sh", "-c", SHOW]);
    assert!(
        run.stdout.contains("memory.high max") && run.stdout.contains("memory.max max"),
        "{run}"
    );
    assert!(run.stdout.contains("pids.max max"), "{run}");
    let words = [&hog(), "idle:250M", "--cap", "1G"];
    let run = Sentinel::new()
        .args(&["--dry-run", "--timeout", "40s"])
        .run(&["timeout", "10", words[0], words[1]]);
    assert_eq!(run.status, 124, "{run}");
    assert!(run.stderr.contains("would send SIGTERM"), "{run}");
}

/// Whoever sits below forty cgroups gets its SIGTERM, and where there is no `cgroup.kill` its SIGKILL.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn nobody_is_too_deep_for_a_signal() {
    require_kernel_tier();
    let script = "d=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
        for i in $(seq 40); do d=$d/d; mkdir $d || exit 1; done
        for trap in 'echo heard; exit 0' ''; do
            sh -c 'trap \"$1\" TERM; echo 0 > $0/cgroup.procs; while :; do sleep 0.1; done' $d \"$trap\" &
        done; wait";
    let run =
        Sentinel::new().args(&["--timeout", "8s", "--grace", "6s"]).run(&["sh", "-c", script]);
    assert_eq!(run.stdout, "heard\n", "{run}");
    assert_eq!((run.status, run.text("/outcome/rest_killed")), (143, "grace-over"), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_the_workload_does_to_its_own_cgroup_does_not_save_it() {
    require_kernel_tier();
    for shape in ["subcgroup", "freeze-self"] {
        let words = [&hog(), shape, "--cap", "1G", "--ignore-term"];
        let run = Sentinel::new().args(&["--timeout", "4s", "--grace", "1s"]).run(&words);
        assert!(matches!(run.status, 137 | 143), "{shape}: {run}");
        assert_eq!(run.text("/outcome/ended_by"), "sentinel", "{shape}: {run}");
        assert_eq!(run.number("/status/events/oom_kill"), 0, "{shape}: {run}");
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_limit_lowered_below_what_is_in_use_ends_politely() {
    require_kernel_tier();
    let (sentinel, socket) = (std::env::var("SENTINEL_BIN").unwrap(), scratch("socket"));
    let script = format!(
        "\"$0\" idle:150M --checkpoint /disk/lowered & sleep 2; {sentinel} ctl --socket {0} set memory 100M; {sentinel} ctl --socket {0} set memory 100M --force; wait $!",
        socket.display()
    );
    let args = ["-m", "300M", "--socket", socket.to_str().unwrap(), "--on-exit", "wait"];
    let run = Sentinel::new().args(&args).run(&["sh", "-c", &script, &hog()]);
    assert_eq!(run.status, 143, "{run}");
    assert_eq!(run.text("/outcome/reason"), "breach", "{run}");
    assert!(run.stdout.contains("checkpoint_ms"), "the handler ran: {run}");
    for counter in ["max", "oom", "oom_kill"] {
        assert_eq!(run.number(&format!("/status/events/{counter}")), 0, "{run}");
    }
}
