//! The exit status: the command's own, 128 + signal, and what it is when sentinel ended the command.

use crate::support::{Running, Scene};

#[test]
fn every_exit_status_passes_through() {
    let scene = Scene::new();
    for status in 0..=255 {
        let run = scene.run(&["-q"], &["sh", "-c", &format!("exit {status}")]);
        run.expect(status);
    }
}

/// Not those that stop or are ignored by default, nor the two that the C library keeps for itself.
fn fatal(signal: &i32) -> bool {
    !matches!(signal, 17..=23 | 28 | 32 | 33)
}

#[test]
fn every_fatal_signal_gives_128_and_its_number() {
    let scene = Scene::new();
    for signal in (1..=64).filter(fatal) {
        let script = format!("ulimit -c 0; kill -{signal} $$; exit 1");
        let run = scene.run(&[], &["sh", "-c", &script]).expect(128 + signal);
        run.says("sh was killed by ");
    }
}

#[test]
fn the_signal_is_named() {
    let scene = Scene::new();
    for (signal, name) in
        [(11, "SIGSEGV"), (9, "SIGKILL"), (6, "SIGABRT"), (34, "SIGRTMIN"), (37, "SIGRTMIN+3")]
    {
        let script = format!("ulimit -c 0; kill -{signal} $$");
        let (run, record) = scene.recorded(&[], &["sh", "-c", &script]);
        run.expect(128 + signal).says(&format!("sh was killed by {name}; ran "));
        assert_eq!(record["outcome"]["ended_by"], "command");
        assert_eq!(record["outcome"]["child_signal"], signal);
        assert_eq!(record["exit_status"], 128 + signal);
    }
}

const FOREVER: [&str; 2] = ["sleep", "100000"];

#[test]
fn sigterm_by_us_is_143() {
    let scene = Scene::new();
    let run = scene.run(&["--timeout", "200ms"], &FOREVER).expect(143);
    run.says("ended sleep with SIGTERM: reached its timeout of 200ms (exit 143)");
}

#[test]
fn sigkill_by_us_is_137() {
    let scene = Scene::new();
    let mut deaf = scene.deaf(&["--timeout", "2s", "--grace", "200ms"], &FOREVER);
    let run = Running::start(&mut deaf).finish().expect(137);
    run.says(
        "ended sleep with SIGKILL: reached its timeout of 2.0s; the grace period of 200ms is over (exit 137)",
    );
}

#[test]
fn a_command_that_leaves_politely_was_ended_all_the_same() {
    let scene = Scene::new();
    for status in [0, 7] {
        let script = format!("trap 'exit {status}' TERM; echo ready; while :; do sleep 0.05; done");
        let record = scene.text_path("record.json");
        let running = scene.with_mailbox(&["--json", &record], &["sh", "-c", &script]);
        running.await_out("ready");
        scene.ask("terminate").expect(0);
        running.finish().expect(143).says("ended sh with SIGTERM: requested by an operator");
        assert_eq!(scene.record()["outcome"]["child_exited"], status);
    }
}

#[test]
fn another_exit_status_for_limits() {
    let scene = Scene::new();
    let options = ["--timeout", "1s", "--grace", "200ms", "--limit-exit-code", "99"];
    scene.run(&options, &FOREVER).expect(99).says("(exit 99)");
    Running::start(&mut scene.deaf(&options, &FOREVER)).finish().expect(99);
    scene.run(&["--limit-exit-code", "99"], &["sh", "-c", "exit 3"]).expect(3);
    scene.run(&["--limit-exit-code", "99"], &["sh", "-c", "kill -TERM $$"]).expect(143);
    let running = scene.with_mailbox(&["--limit-exit-code", "99"], &FOREVER);
    scene.ask("terminate").expect(0);
    running.finish().expect(143);
}

#[test]
fn the_command_s_own_sigterm_is_not_claimed() {
    let scene = Scene::new();
    let run = scene.run(&[], &["sh", "-c", "kill -TERM $$"]).expect(143);
    run.says("sh was killed by SIGTERM; ran ");
}
