//! A slip of the pen, and what is not ours to guard, end nobody: one line, 125, and nothing is written.

use crate::place::{Place, Theirs};
use crate::support::{Running, Scene, is_root, skip, state, until};
use crate::{attach, refused};
use nix::libc::{SIGCONT, SIGSTOP, SIGTERM};
use std::process::Command;

/// With one in it that holds 30 MiB.
fn full(scene: &Scene, place: &Place) -> Theirs {
    let mut theirs = place.cgroup("full");
    let go = scene.path("go");
    theirs.grows(30, &go);
    scene.write("go", "");
    until("it has grown", || scene.path("go.full").exists());
    theirs
}

#[test]
fn limits_below_what_is_in_use() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut theirs = full(&scene, &place);
    let one = ["--cgroup", theirs.path()];
    let all = ["--cgroup", place.path(), "--each"];
    for (whom, limits, why) in [
        (&one[..], &["-m", "20M"][..], "limit 20.0M is below what "),
        (
            &one,
            &["-m", "200M", "--process-memory", "20M"],
            "--process-memory 20.0M is below what process ",
        ),
        (&all, &["--total", "20M"], "--total 20.0M is below what "),
    ] {
        let run = refused(&scene, &[whom, limits].concat());
        assert!(
            run.stderr.contains(why) && run.stderr.contains(": choose a "),
            "{limits:?}: {run:?}"
        );
    }
    // Of several the others are guarded.
    for limits in [&["-m", "20M"][..], &["-m", "200M", "--process-memory", "20M"]] {
        let running = attach(&scene, &[&all, limits].concat());
        running.await_err("full is not guarded: ");
        running.send(SIGTERM);
        running.finish().expect(0);
    }
    assert!(theirs.lives());
    assert!(!scene.path("go.heard").exists(), "nobody was asked to end");
    if place.has_memory() {
        assert_eq!(theirs.says("memory.high"), "max");
    }
}

/// It was not there when the guard began, and grew before anybody saw it.
#[test]
fn who_comes_with_more_than_it_may_have_is_ended() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "20M"]);
    running.await_err("0 cgroups of ");
    running.send(SIGSTOP);
    until("it is stopped", || state(running.pid()) == Some('T'));
    let _late = full(&scene, &place);
    running.send(SIGCONT);
    running.await_err("ended full with SIGTERM: footprint ");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    running.send(SIGTERM);
    running.finish().expect(0);
}

#[test]
fn what_is_no_process_or_has_ended() {
    let scene = Scene::new();
    let mut ended = Command::new("true").spawn().unwrap();
    let pid = ended.id();
    until("it has ended", || state(pid) == Some('Z'));
    let run = refused(&scene, &["--pid", &pid.to_string(), "-m", "60M"]);
    assert!(run.stderr.contains("has ended already"), "{run:?}");
    ended.wait().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        wait.recv().unwrap();
    });
    let run = refused(&scene, &["--pid", &told.recv().unwrap().to_string(), "-m", "60M"]);
    let whose = format!("is a thread of process {}: use --pid", std::process::id());
    assert!(run.stderr.contains(&whose), "{run:?}");
    done.send(()).unwrap();
    thread.join().unwrap();
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        let run = refused(&scene, &["--pid", "2", "-m", "60M"]);
        assert!(run.stderr.contains("is a thread of the kernel"), "{run:?}");
    }
    for option in ["--name", "--unit", "--container"] {
        let run = scene.sentinel().args(["attach", option, "", "-m", "60M"]).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.code() == Some(125) && said.contains(option), "{option}: {said}");
        assert!(!said.contains("process is called"), "{option}: {said}");
    }
}

#[test]
fn the_cgroup_of_a_run() {
    let (scene, Some(_)) = (Scene::new(), Place::new()) else { return };
    let script = "echo $$ > \"$0.part\"; mv \"$0.part\" \"$0\"; exec sleep 1000";
    let run = scene.start(&["-m", "100M"], &["sh", "-c", script, &scene.text_path("pid")]);
    until("it says who it is", || scene.path("pid").exists());
    let refusal = refused(&scene, &["--pid", scene.read("pid").trim(), "-m", "60M"]);
    let by = format!("is guarded by sentinel {} already", run.pid());
    assert!(refusal.stderr.contains(&by), "{refusal:?}");
    run.send(SIGTERM);
    run.finish();
}

#[test]
fn processes_that_we_may_not_signal() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    if !is_root() {
        return skip("only root has somebody else's process to be refused for another user");
    }
    let mut theirs = place.cgroup("theirs");
    theirs.rests();
    let copy = scene.path("sentinel-of-all");
    std::fs::copy(crate::support::binary(), &copy).unwrap();
    let mut command = scene.as_nobody(&copy);
    command.args(["attach", "--socket", "off", "--cgroup", theirs.path(), "-m", "60M"]);
    let run = Running::start(&mut command).finish().expect(125);
    assert!(run.stderr.contains("cannot signal process"), "{run:?}");
    assert!(run.stderr.contains("attach as its user, or as root"), "{run:?}");
    assert!(theirs.lives());
}
