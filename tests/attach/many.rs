//! Two hundred wards in one process: what they cost, and that one of them is decided for as if it were alone.

use crate::attach;
use crate::place::{Place, Theirs};
use crate::support::Scene;
use nix::libc::SIGTERM;
use std::fs;

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
