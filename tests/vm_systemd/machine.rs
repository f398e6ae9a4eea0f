//! The guest is what it claims to be; every other suite here builds on that.

use crate::guest::{
    Cgroupfs, Guest, Layout, Owner, as_root, as_user, by_sudo, do_not_linger, in_container,
    in_service, in_session, linger, mounted, ran, start_oomd, stop_oomd, unified_path, wait_until,
};
use std::fs;
use std::path::Path;

const MY_CGROUP: [&str; 2] = ["cat", "/proc/self/cgroup"];
const SESSION: &str = "/user.slice/user-1000.slice/session-";
const MANAGER: &str = "/user.slice/user-1000.slice/user@1000.service/";

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn systemd_of_the_right_version_runs_the_machine() {
    assert_eq!(fs::read_to_string("/proc/1/comm").unwrap().trim(), "systemd");
    let version = ran(as_root(&["systemctl", "show", "--property=Version", "--value"]));
    assert_eq!(version.text().split(['.', ' ']).next(), Some(Guest::this().systemd), "{version}");
    let state = ran(as_root(&["systemctl", "is-system-running", "--wait"]));
    let failed = ran(as_root(&["systemctl", "--failed", "--no-pager"]));
    assert_eq!(state.stdout.trim(), "running", "{state}\n{failed}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_cgroups_have_the_right_layout() {
    let guest = Guest::this();
    let (root, v2) = match guest.layout {
        Layout::Unified => ("cgroup2", Path::new("/sys/fs/cgroup")),
        Layout::Hybrid => ("tmpfs", Path::new("/sys/fs/cgroup/unified")),
    };
    assert_eq!(mounted(Path::new("/sys/fs/cgroup")).as_deref(), Some(root));
    assert_eq!(mounted(v2).as_deref(), Some("cgroup2"));
    let on_v1 = mounted(Path::new("/sys/fs/cgroup/memory"));
    assert_eq!(on_v1.is_some(), guest.layout == Layout::Hybrid, "{on_v1:?}");
    let controllers = fs::read_to_string(v2.join("cgroup.controllers")).unwrap();
    let memory = controllers.split_whitespace().any(|controller| controller == "memory");
    assert_eq!(memory, guest.limits_memory(), "{controllers}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_login_session_reaches_the_user_s_manager() {
    let cgroup = ran(in_session(&MY_CGROUP));
    assert!(unified_path(cgroup.text()).starts_with(SESSION), "{cgroup}");
    let state = ran(in_session(&["systemctl", "--user", "is-system-running", "--wait"]));
    assert_eq!(state.stdout.trim(), "running", "{state}");
    let names = ran(in_session(&["busctl", "--user", "--no-pager", "list"]));
    assert!(names.text().contains("org.freedesktop.systemd1"), "{names}");
    let scope = ran(in_session(&[
        "systemd-run",
        "--user",
        "--scope",
        "--quiet",
        "cat",
        "/proc/self/cgroup",
    ]));
    assert!(unified_path(scope.text()).starts_with(MANAGER), "{scope}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_lingering_user_has_a_manager_without_a_session() {
    let there = || Path::new("/run/user/1000/systemd/private").exists();
    linger();
    wait_until("the manager is there", there);
    let who = ran(as_user(&["sh", "-c", "id -un; cat /proc/self/cgroup"]));
    assert_eq!(who.text().lines().next(), Some("user"), "{who}");
    assert!(!who.text().contains("/user.slice/"), "{who}");
    do_not_linger();
    wait_until("the manager is gone", || !there());
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn sudo_makes_root_and_stays_in_the_session() {
    assert_eq!(ran(by_sudo(&["id", "-u"])).text(), "0");
    let cgroup = ran(by_sudo(&MY_CGROUP));
    assert!(unified_path(cgroup.text()).starts_with(SESSION), "{cgroup}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_service_has_the_properties_that_it_is_given() {
    let cgroup = ran(in_service(&["Delegate=yes", "Slice=own.slice"], &MY_CGROUP));
    assert!(unified_path(cgroup.text()).starts_with("/own.slice/run-"), "{cgroup}");
    assert_eq!(ran(in_service(&[], &["sh", "-c", "exit 7"])).status, 7);
    let guest = ran(in_service(&[], &["printenv", "SENTINEL_VM"]));
    assert_eq!(guest.text(), "1");
}

/// Whether the cgroupfs in a container can be written to, and what limits it.
fn seen_in_container(owner: Owner, cgroupfs: Cgroupfs) {
    let limit: &[&str] = if Guest::this().limits_memory() { &["--memory=100m"] } else { &[] };
    let script = "id -u; cat /sys/fs/cgroup/memory.max; mkdir /sys/fs/cgroup/own && echo writable";
    let seen = ran(in_container(owner, cgroupfs, limit, &["sh", "-c", script]));
    let lines: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!(lines.first(), Some(&"0"), "{owner:?}, {cgroupfs:?}: {seen}");
    if Guest::this().layout == Layout::Unified {
        let writable = lines.contains(&"writable");
        assert_eq!(writable, cgroupfs == Cgroupfs::Writable, "{owner:?}, {cgroupfs:?}: {seen}");
    }
    let limited = lines.contains(&"104857600");
    assert_eq!(limited, Guest::this().limits_memory(), "{owner:?}, {cgroupfs:?}: {seen}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_of_root_run() {
    seen_in_container(Owner::Root, Cgroupfs::ReadOnly);
    seen_in_container(Owner::Root, Cgroupfs::Writable);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_of_the_user_run() {
    seen_in_container(Owner::User, Cgroupfs::ReadOnly);
    seen_in_container(Owner::User, Cgroupfs::Writable);
    do_not_linger();
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn systemd_oomd_runs_where_it_can_see_memory() {
    assert_eq!(start_oomd(), Guest::this().limits_memory());
    stop_oomd();
}
