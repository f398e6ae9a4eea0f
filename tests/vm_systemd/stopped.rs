//! `--end-by stop`: the owner of what is guarded is asked to stop it. It knows then that it was stopped, and does not start it again.

use crate::attached::{Guardian, systemctl};
use crate::guest::{Cgroupfs, Guest, Owner, as_root, in_container, in_session, ran, wait_until};
use std::process::Command;

/// An owner takes its time on a busy machine.
const PATIENT: [&str; 5] = ["60M", "--grace", "150s", "--end-by", "stop"];

/// A hog that grows by so much a second, through the limit and not to the second line, in a shell's words.
fn grows() -> String {
    format!("{} step --rate 20M --cap 80M", std::env::var("SENTINEL_HOG").unwrap())
}

fn attach(place: fn(&[&str]) -> Command, options: &[&str]) -> Guardian {
    Guardian::attach(place, &[&PATIENT, options].concat())
}

fn go_file(unit: &str) -> String {
    format!("/tmp/{unit}.go")
}

fn lets_go(unit: &str) {
    std::fs::write(go_file(unit), "").unwrap();
}

/// What systemd says of a unit's property.
fn property(unit: &str, name: &str) -> String {
    ran(as_root(&["systemctl", "show", "--value", "--property", name, unit])).text().to_owned()
}

/// A service that leaks once it is let go, and that systemd starts again whenever it ends by itself.
fn leaks(unit: &str, more: &[&str]) {
    let go = go_file(unit);
    let script = format!("while ! [ -e {go} ]; do sleep 0.1; done; exec {}", grows());
    let options = [
        "systemd-run",
        "--quiet",
        "--unit",
        unit,
        "--property=MemoryMax=200M",
        "--property=Restart=always",
        "--property=RestartSec=0",
    ];
    ran(as_root(&[&options[..], more, &["sh", "-c", &script]].concat())).text();
}

/// Guards a unit, lets it go, and waits for the end.
fn guarded_to_its_end(unit: &str) -> (Option<i32>, String) {
    let mut guardian = attach(as_root, &["--unit", unit]);
    guardian.await_line("limit 60.0M");
    lets_go(unit);
    guardian.end()
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_service_that_systemd_stopped_stays_stopped() {
    if !Guest::this().limits_memory() {
        return;
    }
    let unit = "stopped-leaks";
    leaks(unit, &["--remain-after-exit"]);
    let (status, said) = guarded_to_its_end(unit);
    assert_eq!(status, Some(143), "{said}");
    assert!(said.contains("sent a stop request to systemd, SIGKILL in 2m30s"), "{said}");
    assert!(said.contains("ended stopped-leaks.service with a stop request to systemd"), "{said}");
    assert!(said.contains("max 0 oom 0 oom_kill 0"), "{said}");
    // A transient unit that was stopped is gone; one that was started again would be there.
    wait_until("it is stopped", || property(unit, "ActiveState") == "inactive");
    assert_eq!(property(unit, "NRestarts"), "0");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_systemd_refuses_to_stop_is_ended_by_signals() {
    if !Guest::this().limits_memory() {
        return;
    }
    let unit = "stopped-refused";
    leaks(unit, &["--property=RefuseManualStop=yes"]);
    let (status, said) = guarded_to_its_end(unit);
    assert_eq!(status, Some(143), "{said}");
    assert!(said.contains("systemd did not stop it (stop stopped-refused.service by"), "{said}");
    assert!(said.contains("SIGTERM asks it now"), "{said}");
    assert!(said.contains("ended stopped-refused.service with SIGTERM"), "{said}");
    wait_until("it was started again", || property(unit, "NRestarts") != "0");
    // Only a start that conflicts stops it, and none may while systemd is about to start it.
    let conflicts = ["systemd-run", "--quiet", "--property=Conflicts=stopped-refused.service"];
    wait_until("a start that conflicts", || {
        ran(as_root(&[&conflicts[..], &["true"]].concat())).status == 0
    });
    wait_until("it is stopped", || property(unit, "ActiveState") != "active");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn of_a_slice_each_is_stopped_by_its_owner() {
    if !Guest::this().limits_memory() {
        return;
    }
    leaks("stopped-each", &["--slice=stoppable"]);
    ran(as_root(&[
        "systemd-run",
        "--quiet",
        "--unit=stopped-rests",
        "--slice=stoppable",
        "sleep",
        "1000",
    ]))
    .text();
    let mut guardian = attach(as_root, &["--slice", "stoppable", "--each"]);
    guardian.await_line("2 cgroups of");
    lets_go("stopped-each");
    guardian.await_line("ended stopped-each.service with a stop request to systemd");
    wait_until("it is stopped", || property("stopped-each", "ActiveState") == "inactive");
    assert_eq!(property("stopped-rests", "ActiveState"), "active");
    systemctl(&["stop", "stopped-rests"]);
    guardian.leave();
}

fn container(owner: Owner, place: fn(&[&str]) -> Command) {
    if !Guest::this().limits_memory() {
        return;
    }
    let (name, grows) = ("stopped-leaks", grows());
    // Process 1 of a container hears no SIGTERM that it does not handle.
    let script = format!(
        "trap 'exit 3' TERM; (while ! [ -e /tmp/go ]; do sleep 0.1; done; exec {grows}) & wait $!"
    );
    let options = ["--detach", "--rm=false", "--restart=always", "--name", name, "--memory=200M"];
    ran(in_container(owner, Cgroupfs::ReadOnly, &options, &["sh", "-c", &script])).text();
    let mut guardian = attach(place, &["--socket", "off", "--container", name]);
    guardian.await_line("limit 60.0M");
    ran(place(&["podman", "exec", name, "touch", "/tmp/go"])).text();
    let (status, said) = guardian.end();
    assert!(said.contains("sent a stop request to podman"), "{said}");
    assert!(said.contains("max 0 oom 0 oom_kill 0"), "{said}");
    assert_eq!(status, Some(143), "{said}");
    let state = [
        "podman",
        "inspect",
        "--format",
        "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}",
        name,
    ];
    wait_until("podman has stopped it", || ran(place(&state)).stdout.trim() == "exited 3 0");
    ran(place(&["podman", "rm", name])).text();
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_container_of_root_s_that_podman_stopped_is_not_started_again() {
    container(Owner::Root, as_root);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_container_of_the_user_s_that_podman_stopped_is_not_started_again() {
    container(Owner::User, in_session);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn whoever_cannot_ask_is_told_so_and_nothing_is_guarded() {
    if !Guest::this().limits_memory() {
        return;
    }
    let unit = "stopped-others";
    ran(as_root(&["systemd-run", "--quiet", "--unit", unit, "sleep", "1000"])).text();
    let (status, said) = attach(in_session, &["--socket", "off", "--unit", unit]).end();
    assert_eq!(status, Some(125), "{said}");
    assert!(said.contains("only root may ask the system's manager to stop"), "{said}");
    systemctl(&["stop", unit]);
}
