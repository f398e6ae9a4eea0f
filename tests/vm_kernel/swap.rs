//! Swap is room beyond the limit: what was put there and left alone is no breach, and a leak does not hide in it.

use crate::guest::{Run, Sentinel, hog, kernel_at_least, require_kernel_tier};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Swap of so many MiB on the guest's disk, as long as this lives.
struct Swap;

const FILE: &str = "/disk/swap";

impl Swap {
    fn on(mib: usize) -> Swap {
        require_kernel_tier();
        fs::write(FILE, vec![0_u8; mib << 20]).unwrap();
        fs::set_permissions(FILE, fs::Permissions::from_mode(0o600)).unwrap();
        run("mkswap");
        run("swapon");
        Swap
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        run("swapoff");
        fs::remove_file(FILE).unwrap();
    }
}

fn run(program: &str) {
    let output = Command::new(program).arg(FILE).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

fn mib(run: &Run, pointer: &str) -> u64 {
    run.number(pointer) >> 20
}

fn assert_no_kernel_kill(run: &Run) {
    for counter in ["oom", "oom_kill"] {
        assert_eq!(run.number(&format!("/status/events/{counter}")), 0, "{counter}: {run}");
    }
}

/// Touched once and then left alone.
const COLD: &str = "
import time
held = bytearray(150 << 20)
held[::4096] = b'x' * len(held[::4096])
time.sleep(3); print('fine', flush=True)
";

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_is_cold_has_room_in_swap() {
    let _swap = Swap::on(512);
    let run = Sentinel::new().args(&["-m", "100M", "--swap", "256M"]).run(&["python3", "-c", COLD]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "fine\n"), "{run}");
    assert!(mib(&run, "/status/memory/peak_footprint") > 140, "{run}");
    assert!(run.stderr.contains("of 100.0M + swap 256.0M)"), "{run}");
    assert_eq!(mib(&run, "/status/limits/swap_room"), 256, "{run}");
    assert_no_kernel_kill(&run);
    println!("{}", run.line());
}

/// Held, pushed out by somebody else, and read again: it is in memory and in swap then, and one memory all the same.
const BACK: &str = "
import sys, time
held = bytearray(60 << 20)
held[::4096] = b'x' * (60 << 8)
print('held', flush=True)
sys.stdin.readline()
end = time.monotonic() + 4
while time.monotonic() < end:
    sum(held[::4096]); time.sleep(0.1)
print('fine', flush=True)
";

fn push_out(cgroup: &str) {
    let file = |name: &str| PathBuf::from(cgroup).join(name);
    if file("memory.reclaim").exists() {
        // It says EAGAIN where it got less than that; how much it got is looked at.
        let _ = fs::write(file("memory.reclaim"), "60M");
    } else {
        let high = fs::read_to_string(file("memory.high")).unwrap();
        fs::write(file("memory.high"), "10M").unwrap();
        fs::write(file("memory.high"), high.trim()).unwrap();
    }
    let swapped = fs::read_to_string(file("memory.swap.current")).unwrap();
    assert!(swapped.trim().parse::<u64>().unwrap() > 30 << 20, "{swapped}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_comes_back_from_swap_counts_once() {
    let _swap = Swap::on(512);
    let record = crate::guest::scratch("record");
    let sentinel = Sentinel::new().args(&["-m", "100M", "--swap", "max"]);
    let mut command = sentinel.command(&record, &["python3", "-c", BACK]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "held\n");
    push_out(&cgroup_of(child.id()));
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let run = Run::of(&output, &record);
    assert_eq!((run.status, run.stdout.as_str()), (0, "fine\n"), "{run}");
    // Older kernels do not tell what is in both.
    if kernel_at_least(5, 13) {
        assert!(mib(&run, "/status/memory/peak_footprint") < 85, "{run}");
    }
    println!("{}", run.line());
}

fn cgroup_of(guardian: u32) -> String {
    let end = format!("-{guardian}");
    let mut entries = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let ours = entries.find(|e| e.file_name().to_string_lossy().ends_with(&end));
    ours.unwrap().path().to_str().unwrap().to_owned()
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_leak_has_no_more_than_limit_and_swap() {
    let _swap = Swap::on(512);
    let run = Sentinel::new().args(&["-m", "100M", "--swap", "64M"]).run(&[
        &hog(),
        "touch",
        "--cap",
        "1G",
    ]);
    assert_eq!(run.text("/outcome/ended_by"), "sentinel", "{run}");
    assert_eq!(run.status, 143, "{run}");
    assert_no_kernel_kill(&run);
    let footprint = run.number("/term/footprint") >> 20;
    assert!((150..200).contains(&footprint), "{run}");
    println!("{}", run.line());
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_leak_that_fills_all_swap_is_ended_before_the_kernel_does() {
    let _swap = Swap::on(128);
    let run = Sentinel::new().args(&["-m", "100M", "--swap", "max"]).run(&[
        &hog(),
        "touch",
        "--cap",
        "2G",
    ]);
    assert_eq!(run.text("/outcome/ended_by"), "sentinel", "{run}");
    assert_no_kernel_kill(&run);
    println!("{} {}", run.text("/outcome/reason"), run.line());
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn swap_that_is_not_there_is_refused_or_gives_no_room() {
    require_kernel_tier();
    for asked in ["256M", "max"] {
        let options = ["-m", "40M", "--swap", asked];
        let words = [&hog(), "touch", "--cap", "1G"];
        let run = Sentinel::new().args(&options).run(&words);
        assert_eq!(run.status, 125, "{run}");
        assert!(run.stderr.contains("tier kernel cannot enforce --swap"), "{run}");
        let run = Sentinel::new().args(&options).args(&["--best-effort"]).run(&words);
        assert!(run.stderr.contains("(this machine has no swap)"), "{run}");
        assert_eq!(run.text("/outcome/reason"), "breach", "{run}");
        assert_eq!(run.number("/status/limits/swap_room"), 0, "{run}");
        assert_no_kernel_kill(&run);
    }
    let _swap = Swap::on(64);
    let run = Sentinel::new().args(&["-m", "40M", "--swap", "256M"]).run(&["true"]);
    assert!(run.stderr.contains("--swap 256.0M: this machine has 6"), "{run}");
    assert!(mib(&run, "/status/limits/swap_room") < 64, "{run}");
}

/// Its code is on the disk, and is got and read back for as long as data in pipes fills the limit: that is no success of reclaim, and no
/// swap helps.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_swap_cannot_take_does_not_hide_behind_it() {
    let _swap = Swap::on(128);
    let program = "/disk/hog-on-a-disk";
    fs::copy(hog(), program).unwrap();
    // Whose pages were nobody's before are the workload's then.
    nix::unistd::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
    for shape in ["pipes", "sysv-queues"] {
        let run = Sentinel::new()
            .args(&["-m", "32M", "--swap", "32M"])
            .run(&[program, shape, "--cap", "320M", "--own", "0K", "--copies", "1"]);
        assert_eq!(run.status, 143, "{run}");
        assert_eq!(run.text("/outcome/reason"), "stuck", "{run}");
        assert!(run.stderr.contains("nor swap it out"), "{run}");
        assert_no_kernel_kill(&run);
        println!("{}", run.line());
    }
    fs::remove_file(program).unwrap();
}
