//! Things of which the kernel has only so many: inotify instances and watches, processes, open files, blocks of a disk.

use crate::guest::{Run, Sentinel, hog, require_kernel_tier, scratch};
use crate::others::Setting;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn leaks(sentinel: Sentinel) -> Run {
    sentinel.run(&[&hog(), "touch", "--cap", "1G"])
}

#[track_caller]
fn assert_ended(run: &Run) {
    assert!(matches!(run.status, 143 | 137), "{run}");
    assert_eq!(run.text("/outcome/ended_by"), "sentinel", "{run}");
    assert_eq!(run.number("/status/events/oom_kill"), 0, "{run}");
}

/// A user has 128 of them by default: no run takes one.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn no_inotify_instance_or_watch_is_left() {
    require_kernel_tier();
    for file in ["fs/inotify/max_user_instances", "fs/inotify/max_user_watches"] {
        let none = Setting::new(file, "0");
        let run = leaks(Sentinel::new());
        drop(none);
        assert_ended(&run);
        assert!(!run.stderr.contains("inotify"), "{run}");
        println!("{}", run.line());
    }
}

/// A cgroup with room for so many processes, in which sentinel is run.
fn in_room_for(count: u32) -> (std::path::PathBuf, String) {
    let outer = Path::new("/sys/fs/cgroup/few-pids").to_owned();
    fs::create_dir(&outer).unwrap();
    fs::write(outer.join("pids.max"), count.to_string()).unwrap();
    let shell = format!("echo 0 > {}/cgroup.procs; exec \"$@\"", outer.display());
    (outer, shell)
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn no_process_is_left_at_the_start() {
    require_kernel_tier();
    let (outer, shell) = in_room_for(1);
    let run = Sentinel::new().args(&["-q"]).through(&shell).run(&["true"]);
    fs::remove_dir(outer).unwrap();
    assert_eq!(run.status, 125, "{run}");
    assert_eq!(run.stderr.lines().count(), 1, "{run}");
    assert!(run.stderr.contains("fork: Resource temporarily unavailable"), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn no_process_is_left_later() {
    require_kernel_tier();
    // The workload takes all that are left before it leaks.
    let (outer, shell) = in_room_for(12);
    let script = "
import os, sys, time
try:
    while os.fork(): pass
    time.sleep(1000)
except OSError:
    os.execv(sys.argv[1], [sys.argv[1], 'touch', '--cap', '1G'])";
    let run = Sentinel::new().through(&shell).run(&["python3", "-c", script, &hog()]);
    fs::remove_dir(outer).unwrap();
    assert_ended(&run);
    println!("{}", run.line());
}

/// A guardian that root's exemption does not help (CAP_SYS_ADMIN goes over the limit), and not one file to be had.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn no_file_is_left_in_the_system() {
    require_kernel_tier();
    let ready = scratch("ready");
    let script = format!("open('{}', 'w'); import time; time.sleep(1000)", ready.display());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=1000", "--regid=1000", "--clear-groups"]);
    command.arg(std::env::var("SENTINEL_BIN").unwrap()).args(["--plain", "--socket", "off"]);
    command.args(["--timeout", "5s", "--", "python3", "-c", &script]);
    let guardian = command.stderr(Stdio::piped()).spawn().unwrap();
    while !ready.exists() {
        std::thread::yield_now();
    }
    let none = Setting::new("fs/file-max", "0");
    let output = guardian.wait_with_output().unwrap();
    drop(none);
    fs::remove_file(ready).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{said}");
    for what in ["read all of the workload's memory", "signal every process"] {
        let line = format!("failed to {what}: Too many open files in system");
        assert_eq!(said.matches(&line).count(), 1, "{said}");
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_disk_is_full() {
    require_kernel_tier();
    let full = scratch("full");
    fs::create_dir(&full).unwrap();
    let path = full.to_str().unwrap();
    assert!(
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "full", path])
            .status()
            .unwrap()
            .success()
    );
    let (record, said) = (full.join("record"), full.join("said"));
    // Both exist, so that only their blocks are wanting.
    fs::write(&record, "").unwrap();
    fs::write(&said, "").unwrap();
    let _ = fs::write(full.join("ballast"), vec![1; 1 << 20]);
    let mut command = Sentinel::new().command(&record, &[&hog(), "touch", "--cap", "1G"]);
    let stderr = fs::File::options().append(true).open(&said).unwrap();
    let status = command.stderr(stderr).status().unwrap();
    drop(command);
    let left = (record.exists(), fs::read(&said).unwrap().len());
    assert!(Command::new("umount").arg(path).status().unwrap().success());
    fs::remove_dir(&full).unwrap();
    assert!(matches!(status.code(), Some(143 | 137)), "{status:?}");
    assert_eq!(left, (false, 0), "the disk was full, and half a record is none");
}
