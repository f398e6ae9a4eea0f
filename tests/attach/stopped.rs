//! `--end-by stop`: who started it is asked to stop it. Here that is a podman of the test's own; the true ones, and systemd, are in
//! tests/vm_systemd/stopped.rs.

use super::place::{Place, Theirs};
use super::support::{Running, Scene, send, until};
use super::{attach, refused};
use nix::libc::SIGTERM;
use std::os::unix::fs::PermissionsExt;

/// A container of podman's as it is in the tree, which grows when `go` is there.
fn container(scene: &Scene, place: &Place) -> Theirs {
    let id = format!("{:08x}", std::process::id()).repeat(8);
    let mut container = place.cgroup(&format!("libpod-{id}.scope"));
    container.grows(200, &scene.path("go"));
    container
}

/// Guards it; a podman that does this comes first in PATH.
fn guarded(scene: &Scene, container: &Theirs, script: &str) -> Running {
    let podman = scene.path("podman");
    let asked = scene.text_path("asked");
    std::fs::write(&podman, format!("#!/bin/sh\necho \"$@\" > {asked}\n{script}\n")).unwrap();
    std::fs::set_permissions(&podman, PermissionsExt::from_mode(0o755)).unwrap();
    let (folder, path) = (podman.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = scene.sentinel();
    command.env("PATH", format!("{folder}:{path}"));
    command.args(["attach", "--as", scene.name(), "--socket", "off", "-m", "40M"]);
    command.args(["--end-by", "stop", "--cgroup", container.path()]);
    let running = Running::start(&mut command);
    running.await_err("limit 40.0M");
    running
}

#[test]
fn who_started_it_is_asked_to_stop_it() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let container = container(&scene, &place);
    let script = format!("kill $(cat {}/cgroup.procs)", container.path());
    let running = guarded(&scene, &container, &script);
    scene.write("go", "");
    running.await_err("sent a stop request to podman, SIGKILL in 3.0s");
    let run = running.finish().expect(143);
    assert!(run.stderr.contains("with a stop request to podman: footprint "), "{run:?}");
    assert!(!run.stderr.contains("SIGTERM"), "{run:?}");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    let id = format!("{:08x}", std::process::id()).repeat(8);
    assert_eq!(scene.read("asked").trim(), format!("stop --time 14 {id}"));
}

#[test]
fn who_does_not_stop_it_is_told_and_signals_end_it() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let container = container(&scene, &place);
    let script = "echo 'Error: no \u{1b} way' >&2; exit 125";
    let running = guarded(&scene, &container, script);
    scene.write("go", "");
    let told = "podman did not stop it (podman stop: Error: no \\u{1b} way): SIGTERM asks it now";
    running.await_err(told);
    running.finish().expect(143).says("with SIGTERM: footprint ");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
}

#[test]
fn who_takes_too_long_to_stop_it_is_not_waited_for() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let container = container(&scene, &place);
    let running = guarded(&scene, &container, "exec sleep 20");
    scene.write("go", "");
    running.await_err("sent a stop request to podman");
    running.finish().expect(137).says("with SIGKILL: footprint ");
    assert!(!std::path::Path::new(&scene.path("go.heard")).exists());
}

#[test]
fn what_nobody_stops_is_refused_and_one_of_many_gets_signals() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut leak = place.cgroup("leak");
    leak.grows(200, &scene.path("go"));
    let refused_for = |options: &[&str], why: &str| {
        let run = refused(&scene, &[&["-m", "40M", "--end-by", "stop"], options].concat());
        assert!(run.stderr.contains("--end-by stop cannot be put in force"), "{run:?}");
        assert!(run.stderr.contains(why), "{run:?}");
    };
    refused_for(&["--cgroup", leak.path()], "is no unit of systemd's and no container");
    let mut shared = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    refused_for(&["--pid", &shared.id().to_string()], "nobody stops process");
    send(shared.id(), SIGTERM);
    shared.wait().unwrap();
    let options = ["--cgroup", place.path(), "--each", "-m", "40M", "--end-by", "stop"];
    let running = attach(&scene, &options);
    running.await_err("/leak will be ended by signals, not by its owner: ");
    scene.write("go", "");
    running.await_err("ended leak with SIGTERM");
    until("it heard SIGTERM", || scene.read("go.heard") == "SIGTERM");
    running.send(SIGTERM);
    running.finish().expect(0);
}
