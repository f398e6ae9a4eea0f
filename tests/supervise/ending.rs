//! The ladder as options shape it: who gets which signal, how long there is, and what is only said.

use crate::support::{Running, Scene, python, state, until};
use nix::libc::SIGSTOP;
use serde_json::Value;

/// A leader and a member of its group that tell when they are asked to end; the member stays all the same.
const PAIR: &str = "
trap 'echo leader; exit 0' TERM
sh -c 'trap \"echo member\" TERM; echo ready; while :; do sleep 0.05; done' &
while :; do sleep 0.05; done";

fn end_pair(scene: &Scene, mode: &str) -> String {
    let options = ["--kill-mode", mode, "--grace", "1s"];
    let running = scene.with_mailbox(&options, &["sh", "-c", PAIR]);
    running.await_out("ready");
    scene.ask("terminate").expect(0);
    let run = running.finish().says("the grace period of 1.0s is over: sent SIGKILL");
    run.stdout()
}

#[test]
fn control_group_asks_everybody() {
    let scene = Scene::new();
    let said = end_pair(&scene, "control-group");
    assert!(said.contains("leader") && said.contains("member"), "{said}");
}

#[test]
fn mixed_and_process_ask_the_command_alone_and_end_the_rest() {
    let scene = Scene::new();
    for mode in ["mixed", "process"] {
        let said = end_pair(&scene, mode);
        assert!(said.contains("leader") && !said.contains("member"), "{mode}: {said}");
    }
}

#[test]
fn another_polite_signal() {
    let scene = Scene::new();
    for (name, number) in [("INT", 2), ("SIGUSR1", 10), ("40", 40)] {
        let script =
            format!("trap 'echo heard' {number}; echo ready; while :; do sleep 0.05; done");
        let options = ["--term-signal", name, "--grace", "1s"];
        let running = scene.with_mailbox(&options, &["sh", "-c", &script]);
        running.await_out("ready");
        scene.ask("terminate").expect(0);
        running.await_out("heard");
        running.finish().expect(137);
        let options = ["--term-signal", name, "--timeout", "300ms"];
        scene.run(&options, &["sleep", "100000"]).expect(128 + number);
    }
}

#[test]
fn the_grace_period_is_kept() {
    let scene = Scene::new();
    let record = scene.text_path("record.json");
    let options = ["--timeout", "2s", "--grace", "700ms", "--json", &record];
    Running::start(&mut scene.deaf(&options, &["sleep", "100000"])).finish().expect(137);
    let record = scene.record();
    let at = |step: &str| record[step]["at_ms"].as_u64().unwrap();
    assert!(at("term") >= 2000 && at("kill") >= at("term") + 699, "{record:#}");
    assert_eq!(record["outcome"]["killed"], "grace-over");
    assert_eq!(record["status"]["limits"]["grace_ms"], 700);
}

#[test]
fn no_grace_at_all_is_sigkill_at_once() {
    let scene = Scene::new();
    let (run, record) =
        scene.recorded(&["--timeout", "200ms", "--grace", "0"], &["sleep", "100000"]);
    run.expect(137);
    assert_eq!(record["outcome"]["killed"], "grace-over");
}

#[test]
fn who_is_stopped_hears_it_all_the_same() {
    let scene = Scene::new();
    let (run, record) = scene.recorded(
        &["--timeout", "500ms", "--grace", "1000s"],
        &["sh", "-c", "kill -STOP $$; exit 9"],
    );
    run.expect(143);
    assert!(record["kill"].is_null(), "{record:#}");
}

#[test]
fn a_stopped_member_of_another_session_too() {
    let scene = Scene::new();
    let script = "setsid sh -c 'echo pid $$; exec sleep 100000' & wait";
    let running = scene.with_mailbox(&["--grace", "1000s"], &["sh", "-c", script]);
    let member = running.number_after("pid ");
    crate::support::send(member, SIGSTOP);
    until("it is stopped", || state(member) == Some('T'));
    scene.ask("terminate").expect(0);
    running.finish().expect(143);
}

#[test]
fn a_timeout_of_zero_is_none() {
    let scene = Scene::new();
    scene.run(&["--timeout", "0"], &["sleep", "0.3"]).expect(0);
}

#[test]
fn a_command_that_ends_in_time_is_left_alone() {
    let scene = Scene::new();
    let (run, record) = scene.recorded(&["--timeout", "1h"], &["sh", "-c", "exit 6"]);
    assert!(!run.expect(6).stderr.contains("SIGTERM"));
    assert_eq!(record["outcome"]["ended_by"], "command");
    assert!(record["term"].is_null() && record["kill"].is_null());
}

#[test]
fn a_dry_run_tells_and_does_not_act() {
    let scene = Scene::new();
    let (run, record) = scene.recorded(&["--dry-run", "--timeout", "200ms"], &["sleep", "1"]);
    run.expect(0).says("reached its timeout of 200ms: would send SIGTERM (dry run)");
    assert!(record["term"].is_null() && record["kill"].is_null(), "{record:#}");
    assert_eq!(record["outcome"]["ended_by"], "command");
    assert_eq!(record["status"]["dry_run"], true);
}

/// It does nothing by itself, and what somebody asks for.
#[test]
fn a_dry_run_obeys_who_asks_and_puts_no_limit_in_force() {
    let scene = Scene::new();
    let script = "trap 'echo heard' USR1; echo up; while :; do sleep 0.1; done";
    let running = scene.with_mailbox(&["--dry-run"], &["sh", "-c", script]);
    running.await_out("up");
    let status: serde_json::Value =
        serde_json::from_str(&scene.ask("status json").expect(0).stdout()).unwrap();
    let pid = &status["child_pid"];
    let told = scene.ask("set memory 30M").expect(0).stdout();
    assert!(told.contains("a dry run puts none in force"), "{told}");
    scene.ask(&format!("signal {pid} USR1")).expect(0);
    running.await_out("heard");
    scene.ask("terminate").expect(0);
    running.finish().expect(143);
}

/// Takes memory at a steady pace, by pieces that are touched.
const LEAK: &str = "
import time
kept = []
while True:
    kept.append(b'x' * (1 << 20))
    time.sleep(0.02)
";

#[test]
fn a_leak_is_ended_politely() {
    let scene = Scene::new();
    let (run, record) = scene.recorded(&["-m", "50M"], &[python(), "-c", LEAK]);
    let run = run.expect(143).says("reached the limit 50.0M").says("sent SIGTERM, SIGKILL in 3.0s");
    assert_eq!(record["outcome"]["reason"], "breach", "{run:?}");
    let number = |pointer: &str| record.pointer(pointer).and_then(Value::as_u64).unwrap();
    assert!(number("/term/footprint") >= 49 << 20, "{record:#}");
    assert!(number("/term/current") < number("/status/limits/ceiling"), "{record:#}");
    assert!(number("/status/memory/peak_footprint") >= number("/term/footprint"), "{record:#}");
}

/// 60 MiB that ten processes share are 60 MiB: pages from before a fork, and pages of a shared mapping.
const SHARERS: &str = "
import mmap, os, sys, time
size = 30 << 20
own = bytearray(b'x' * size)
shared = mmap.mmap(-1, size)
shared[:] = own
for n in range(10):
    if os.fork() == 0:
        total = sum(own[::4096]) + sum(shared[::4096])
        time.sleep(1)
        os._exit(0 if total else 1)
while True:
    try: os.wait()
    except ChildProcessError: break
print('shared')
";

#[test]
fn shared_memory_counts_once() {
    let scene = Scene::new();
    let (run, record) = scene.recorded(&["-m", "130M"], &[python(), "-c", SHARERS]);
    let run = run.expect(0);
    assert_eq!(run.stdout(), "shared\n");
    let peak = record["status"]["memory"]["peak_footprint"].as_u64().unwrap();
    assert!((60 << 20..130 << 20).contains(&peak), "{record:#}");
}

#[test]
fn the_record_says_who_what_and_why() {
    let scene = Scene::new();
    let (_, record) = scene
        .recorded(&["--timeout", "300ms", "-m", "64M"], &["sh", "-c", "exec sleep 1000", "\u{1b}"]);
    for (pointer, expected) in [
        ("/schema", Value::from(sentinel::status::SCHEMA_VERSION)),
        ("/exit_status", 143.into()),
        ("/outcome/ended_by", "sentinel".into()),
        ("/outcome/reason", "timeout".into()),
        ("/outcome/killed", Value::Null),
        ("/status/state", "ended".into()),
        ("/status/command/0", "sh".into()),
        ("/status/command/3", "\\u{1b}".into()),
        ("/status/limits/limit", (64 << 20).into()),
        ("/status/processes", 0.into()),
        ("/kill", Value::Null),
    ] {
        assert_eq!(record.pointer(pointer), Some(&expected), "{pointer}: {record:#}");
    }
    assert!(record["ended_unix_ms"].as_u64().unwrap() > 1_000_000_000_000);
    assert!(record["status"]["uptime_ms"].as_u64().unwrap() >= 300);
    let said = record["events"].to_string();
    assert!(said.contains("reached its timeout of 300ms: sent SIGTERM"), "{said}");
}

/// The file is there from the start, so that it cannot fail at the end for want of permission, and is replaced as a whole.
#[test]
fn the_record_replaces_what_was_there() {
    let scene = Scene::new();
    for length in [10, 100_000, 3 << 20] {
        scene.write("record.json", "x".repeat(length));
        let (_, record) = scene.recorded(&[], &["true"]);
        assert_eq!(record["exit_status"], 0);
        assert!(scene.read("record.json").len() < 50_000, "nothing of it is left");
    }
}
