//! Whoever ends, and however: the terminal is as before, and the command's output is on it.

use crate::stage::{ENTER_SCREEN, Stage, dashboard_of};
use crate::support::{Run, Running, Scene, eventually, is_alive, send, until};

const SIZE: (u16, u16) = (30, 100);

#[test]
fn a_dashboard_that_is_killed_leaves_no_trace_and_the_run_goes_on() {
    for signal in [nix::libc::SIGKILL, nix::libc::SIGABRT, nix::libc::SIGTERM] {
        let scene = Scene::new();
        let script = "echo before; read line; echo after $line; exit 3";
        let mut stage = Stage::open(&scene, SIZE, &["sh", "-c", script]);
        stage.until_shown("before");
        stage.until_written(ENTER_SCREEN);
        stage.until_shown("i types into it");
        let guardian = stage.pid();
        let dashboard = eventually("the dashboard runs", || dashboard_of(guardian));
        send(dashboard, signal);
        stage.until_shown("the dashboard has exited; the run continues");
        until("the modes are as before", || stage.is_as_before());
        assert!(!stage.screen().alternate_screen() && !stage.screen().hide_cursor());
        assert!(is_alive(guardian));
        scene.await_mailbox();
        assert_eq!(ask(&scene, "terminate").code(), 0);
        stage.finish();
        stage.assert_as_before();
    }
}

fn ask(scene: &Scene, request: &str) -> Run {
    let socket = scene.text_path("s.socket");
    Running::start(scene.sentinel().args(["ctl", "--socket", &socket, request])).finish()
}

#[test]
fn what_is_written_last_is_shown_though_the_dashboard_has_gone() {
    let scene = Scene::new();
    let go = scene.text_path("go");
    let script = format!(
        "until [ -e {go} ]; do sleep 0.05; done; stty size; seq 1 9000; echo the last line"
    );
    let mut stage = Stage::open(&scene, SIZE, &["sh", "-c", &script]);
    stage.until_shown("i types into it");
    // Detached.
    stage.type_text("qd");
    stage.until_shown("the dashboard has exited; the run continues");
    stage.resize(40, 90);
    std::fs::write(go, "").unwrap();
    assert!(stage.finish().success());
    let written = String::from_utf8_lossy(&stage.raw).replace('\r', "");
    assert!(written.contains("\n8999\n9000\nthe last line\n"), "{:?}", stage.screen().contents());
    assert!(written.contains("\n40 90\n1\n2\n"), "the whole terminal is the command's");
    stage.assert_as_before();
}

#[test]
fn a_guardian_that_is_killed_takes_the_dashboard_along() {
    let signal = nix::libc::SIGKILL;
    let scene = Scene::new();
    // A script around it: it has the terminal afterwards.
    let inner = format!(
        "{} --name {} --socket {} -- sh -c 'echo inside; exec sleep 100000'; echo status $?; read line",
        crate::support::binary(),
        scene.name(),
        scene.text_path("s.socket")
    );
    let mut stage = Stage::run(&scene, SIZE, &["sh", "-c", &inner]);
    stage.until_shown("inside");
    stage.until_shown("i types into it");
    let guardian = eventually("the guardian runs", || {
        crate::stage::children(stage.pid()).into_iter().find(|pid| dashboard_of(*pid).is_some())
    });
    let dashboard = dashboard_of(guardian).unwrap();
    send(guardian, signal);
    // On whichever screen: the dashboard may not have left yet.
    stage.until_written(format!("status {}", 128 + signal).as_bytes());
    until("the dashboard leaves", || !is_alive(dashboard));
    stage.type_text("\r");
    stage.finish();
    stage.assert_as_before();
    scene.clear();
    let _ = std::fs::remove_file(scene.socket());
}
