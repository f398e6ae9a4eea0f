//! Hundreds of wards in one process: what they cost, and that one of them is decided for as if it were alone.

use crate::attach;
use crate::place::{Place, Theirs};
use crate::support::{Scene, skip};
use nix::libc::SIGTERM;
use sentinel::clock::{Clock, pause};
use std::fs;
use std::time::Duration;

const MANY: usize = 200;

/// A number of kB in a file of /proc.
fn kib(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn two_hundred_cost_little_and_one_is_ended() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut wards: Vec<Theirs> = (0..MANY).map(|n| place.cgroup(&format!("w{n}"))).collect();
    let go = scene.path("go");
    for (n, ward) in wards.iter_mut().enumerate() {
        if n == MANY / 2 {
            ward.grows(200, &go);
        } else {
            ward.rests();
        }
    }
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "40M"]);
    running.await_err("200 cgroups of");
    scene.await_mailbox();
    scene.write("go", "");
    running.await_err(&format!("ended w{} with SIGTERM", MANY / 2));
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    let pid = running.pid();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let resident = kib(pid, "status", "VmRSS");
    eprintln!("{MANY} wards: {descriptors} descriptors, {resident} KiB resident");
    assert!(descriptors <= 6 * MANY, "{descriptors}");
    // A debug build is larger than what people install.
    assert!(resident < 40 << 10, "{resident} KiB");
    for (n, ward) in wards.iter_mut().enumerate() {
        assert!(n == MANY / 2 || ward.lives(), "{n}");
    }
    running.send(SIGTERM);
    running.finish().expect(0).says("200 cgroups are as before");
}

/// Each would have a look a second, in a moment of its own: together they have a hundred, in one.
#[test]
fn many_rest_together() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    if !place.has_memory() {
        return skip("nobody tells of growth where no memory is limited");
    }
    let mut wards: Vec<Theirs> = (0..2 * MANY).map(|n| place.cgroup(&format!("w{n}"))).collect();
    for ward in &mut wards {
        ward.rests();
    }
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "40M"]);
    running.await_err("400 cgroups of");
    scene.await_mailbox();
    let pid = running.pid();
    let counts = || (kib(pid, "status", "voluntary_ctxt_switches"), kib(pid, "io", "syscr"));
    let (began, before) = (Clock::start(), counts());
    pause(Duration::from_secs(12));
    let (after, seconds) = (counts(), began.now().0.as_secs());
    let (wakes, reads) = (after.0 - before.0, after.1 - before.1);
    eprintln!("{} wards: {wakes} wake-ups and {reads} readings in {seconds} s", 2 * MANY);
    assert!(wakes < 4 * seconds, "{wakes} in {seconds} s");
    // Ten a look, and as many for a table of processes: more than twice as many if each had its look a second.
    assert!(reads < 2200 * seconds, "{reads} in {seconds} s");
    running.send(SIGTERM);
    running.finish().expect(0).says("400 cgroups are as before");
}
