//! What a command leaves behind: seen, reaped, waited for or ended, never lost.

use crate::support::{Running, Scene, is_alive, is_root, parent, send, skip, state, until};
use nix::libc::{SIGKILL, SIGTERM};

/// A process in a session of its own, whose parents are gone. Says its number to stdout, which it closes then.
const DAEMON: &str =
    "(setsid sh -c 'echo daemon $$; exec sleep 100000 < /dev/null > /dev/null 2>&1' &)";

fn daemon(then: &str) -> String {
    format!("{DAEMON}; {then}")
}

#[test]
fn a_daemon_is_waited_for() {
    let scene = Scene::new();
    let mut running = scene.start(&[], &["sh", "-c", &daemon("exit 3")]);
    let pid = running.number_after("daemon ");
    // The command itself is none of the rest.
    running.await_err("waiting for the rest of the workload (1 process)");
    assert!(is_alive(pid) && !running.has_ended());
    send(pid, SIGKILL);
    running.finish().expect(3).says("sh exited with 3");
}

#[test]
fn a_daemon_is_ended_when_asked_for() {
    let scene = Scene::new();
    let (run, record) =
        scene.recorded(&["--on-exit", "terminate"], &["sh", "-c", &daemon("sleep 0.3; exit 3")]);
    run.expect(3)
        .says("the command ended before the rest of the workload: sent SIGTERM")
        .says("sh exited with 3; the rest was ended with SIGTERM");
    assert_eq!(record["outcome"]["reason"], "child-exited");
    assert_eq!(record["outcome"]["child_exited"], 3);
}

#[test]
fn a_daemon_is_ended_with_the_rest() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &["sh", "-c", &daemon("exec sleep 100000")]);
    let pid = running.number_after("daemon ");
    scene.ask("terminate").expect(0);
    running.finish().expect(143);
    assert!(!is_alive(pid));
}

/// The command heard SIGTERM, and what it left behind did not.
#[test]
fn sigkill_for_the_rest_alone_is_told_as_that() {
    for mode in ["control-group", "mixed", "process"] {
        let scene = Scene::new();
        let script =
            "sh -c 'trap \"\" TERM; echo deaf $$; while :; do sleep 1; done' & exec sleep 100000";
        let record = scene.text_path("record.json");
        let options = ["--kill-mode", mode, "--grace", "1000s", "--json", &record];
        let running = scene.with_mailbox(&options, &["sh", "-c", script]);
        let deaf = running.number_after("deaf ");
        scene.ask("terminate").expect(0);
        until("the command has ended", || parent(deaf) == Some(running.pid()));
        scene.ask("kill").expect(0);
        running.finish().expect(143).says("ended sh with SIGTERM and the rest with SIGKILL");
        let record = scene.record();
        assert_eq!(record["outcome"]["rest_killed"], "operator", "{record:#}");
        assert!(record["outcome"]["killed"].is_null(), "{record:#}");
    }
}

#[test]
fn a_deaf_daemon_is_killed_with_the_rest() {
    let scene = Scene::new();
    for tier in ["best", "polled"] {
        let script = daemon("exec sleep 100000");
        let mut deaf = scene.deaf(&["--timeout", "3s", "--grace", "100ms"], &["sh", "-c", &script]);
        if tier == "polled" {
            if !is_root() {
                return skip("only root can take the cgroup file system away");
            }
            deaf = scene.without_cgroups(&deaf);
        }
        let running = Running::start(&mut deaf);
        let pid = running.number_after("daemon ");
        running.finish().expect(137);
        assert!(!is_alive(pid), "{tier}");
    }
}

/// The parts of the ladder that do without a cgroup: membership by descent, signals one by one.
#[test]
fn without_a_cgroup_orphans_are_found_too() {
    if !is_root() {
        return skip("only root can take the cgroup file system away");
    }
    let scene = Scene::new();
    let script = daemon("exit 4");
    let wait = scene.without_cgroups(&scene.guarded(&[], &["sh", "-c", &script]));
    let running = Running::start(&mut { wait });
    let pid = running.number_after("daemon ");
    running.await_err("waiting for the rest");
    running.send(SIGTERM);
    running.finish().says("tier polled");
    assert!(!is_alive(pid));
    let end = scene.guarded(&["--on-exit", "terminate"], &["sh", "-c", &script]);
    Running::start(&mut scene.without_cgroups(&end)).finish().expect(4);
}

/// Children of a process, zombies too.
fn children(parent: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| crate::support::parent(*pid) == Some(parent)).collect()
}

/// Keeper and witness, which are no part of the workload.
fn is_company(pid: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.starts_with("sentinel-")
}

#[test]
fn orphans_are_reaped_as_they_end() {
    let scene = Scene::new();
    let script = "n=0; while [ $n -lt 50 ]; do (sh -c 'exit 1' &); n=$((n + 1)); done
        echo done; exec sleep 100000";
    let running = scene.start(&[], &["sh", "-c", script]);
    running.await_out("done");
    crate::support::keeper_of(running.pid());
    let others = || children(running.pid()).into_iter().filter(|pid| !is_company(*pid));
    let zombies = || others().filter(|pid| state(*pid) == Some('Z')).count();
    until("no zombie is left", || others().count() == 1 && zombies() == 0);
    running.send(SIGTERM);
    running.finish().expect(143);
}

/// SIGCHLD is no counter: many children that end at once are one signal.
#[test]
fn children_that_end_at_once_are_all_reaped() {
    let scene = Scene::new();
    let script = "n=0; while [ $n -lt 60 ]; do (setsid sleep 100000 &); n=$((n + 1)); done; exec sleep 100000";
    let running = scene.with_mailbox(&["--timeout", "1s"], &["sh", "-c", script]);
    running.finish().expect(143);
}
