//! The machine's floor for several: the largest of them is ended, and the others live.

use crate::attach;
use crate::place::Place;
use crate::support::{Scene, until};
use nix::libc::SIGTERM;
use sentinel::units::MIB;
use std::fs;

fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Whether a process has as much as it was to take.
fn is_full(pid: u32, mib: u64) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.is_none_or(|pages| pages * 4096 >= mib * MIB)
}

/// `None` where others of this machine gave back more than was taken.
fn largest_is_ended() -> Option<()> {
    let (scene, place) = (Scene::new(), Place::new()?);
    let (mut large, mut small) = (place.cgroup("large"), place.cgroup("small"));
    let [go, small_go] = ["go", "small-go"].map(|name| scene.path(name));
    let pid = large.grows(400, &go);
    small.grows(30, &small_go);
    let floor = (available() - 150 * MIB).to_string();
    let options = ["--cgroup", place.path(), "--each", "-m", "600M", "--min-available", &floor];
    let running = attach(&scene, &options);
    running.await_err("2 cgroups of");
    scene.write("go", "");
    scene.write("small-go", "");
    until("it is ended or has all", || is_full(pid, 400) || scene.read("go.heard") == "SIGTERM");
    let heard = scene.read("go.heard") == "SIGTERM";
    if heard {
        running.await_err("ended large with SIGTERM: available memory ");
    }
    assert!(small.lives());
    running.send(SIGTERM);
    let run = running.finish();
    assert!(!heard || run.stderr.contains("fell below the machine's floor"), "{run:?}");
    assert!(small.lives() && scene.read("small-go.heard").is_empty());
    heard.then_some(())
}

#[test]
fn below_the_machine_s_floor_the_largest_is_ended_and_the_others_live() {
    if Place::new().is_none() {
        return;
    }
    let ended = (0..5).any(|_| largest_is_ended().is_some());
    assert!(ended, "others use this machine too much");
}
