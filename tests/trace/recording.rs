//! Real runs with `--record`: the file is whole and its owner's, replays to the same decisions, and costs the run nothing.

use crate::support::{Run, Running, Scene, python, until};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

/// Takes 4 MiB, twenty times a second, without end.
const LEAK: &str = "
import time
kept = []
while True:
    kept.append(bytearray(4 << 20))
    time.sleep(0.05)
";

/// A run whose trace is checked: it is whole, and the policy comes to the same decisions again.
#[track_caller]
fn replays(scene: &Scene, deeds: &[&str]) {
    let text = scene.read("trace.jsonl");
    let mode = std::fs::metadata(scene.path("trace.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the command line is in it");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["end"]["lost"], &last["end"]["thinned"]), (&0.into(), &0.into()), "{last}");
    let mut replay = scene.sentinel();
    let run = Running::start(replay.args(["replay", "--json", &scene.text_path("trace.jsonl")]));
    let answer: serde_json::Value = serde_json::from_str(&run.finish().expect(0).stdout()).unwrap();
    assert_eq!((&answer["differing"], &answer["whole"]), (&0.into(), &true.into()), "{answer}");
    assert!(answer["events"].as_u64().unwrap() > 5, "{answer}");
    for deed in deeds {
        assert!(text.contains(&format!("\"{deed}\"")), "{deed} in {text}");
    }
}

fn recorded(scene: &Scene, options: &[&str], command: &[&str]) -> Run {
    let trace = scene.text_path("trace.jsonl");
    scene.run(&[&["-m", "60M", "--record", &trace], options].concat(), command)
}

#[test]
fn a_leak_that_is_ended() {
    let scene = Scene::new();
    let run = recorded(&scene, &[], &[python(), "-c", LEAK]).expect(143);
    assert!(!run.stderr.contains("trace"), "nothing to say about it: {run:?}");
    replays(&scene, &["terminate", "tell terminating breach", "finish sentinel breach"]);
}

#[test]
fn a_deaf_leak_that_is_killed() {
    let scene = Scene::new();
    let trace = scene.text_path("trace.jsonl");
    let options = ["-m", "60M", "--grace", "300ms", "--record", &trace];
    let mut sentinel = scene.deaf(&options, &[python(), "-c", LEAK]);
    let run = Running::start(&mut sentinel).finish().expect(137);
    let why = if run.stderr.contains("second line")
        || run.stderr.contains("before SIGKILL takes effect")
    {
        "second-line"
    } else {
        "grace-over"
    };
    replays(&scene, &["kill", &format!("tell killing {why}")]);
}

#[test]
fn a_leak_that_is_frozen_and_ended_later() {
    let scene = Scene::new();
    let options = ["--on-breach", "freeze", "--freeze-for", "300ms", "--hold", "50ms"];
    let run = recorded(&scene, &options, &[python(), "-c", LEAK]);
    if run.stderr.contains("cannot enforce --on-breach freeze") {
        return crate::support::skip("nothing can be frozen here");
    }
    run.expect(143);
    replays(&scene, &["freeze", "tell frozen-at-breach breach", "tell freeze-over", "terminate"]);
    let trace = scene.text_path("trace.jsonl");
    let mut sentinel = scene.sentinel();
    sentinel.args(["replay", &trace, "--what-if", "-m", "400M"]);
    let answer = Running::start(&mut sentinel).finish().expect(0).stdout();
    assert!(answer.contains("where sentinel froze the recorded run"), "{answer}");
}

#[test]
fn a_command_that_ends_by_itself() {
    let scene = Scene::new();
    recorded(&scene, &["-q"], &["sh", "-c", "sleep 2; exit 7"]).expect(7);
    replays(&scene, &["finish command"]);
}

#[test]
fn what_operators_ask_for_is_in_it() {
    let scene = Scene::new();
    let trace = scene.text_path("trace.jsonl");
    let guardian = scene.with_mailbox(&["--record", &trace], &["sleep", "100"]);
    let child = child_named(guardian.pid(), "sleep");
    scene.ask(&format!("signal {child} CONT")).expect(0);
    for request in [
        "freeze",
        "thaw",
        "set memory 200M",
        "set grace 1s",
        "set timeout 1h",
        "set timeout off",
        "terminate",
    ] {
        scene.ask(request).expect(0);
    }
    guardian.finish().expect(143);
    let signal = format!("signal {child} 18");
    replays(
        &scene,
        &[&signal, "tell signalled", "freeze", "thaw", "terminate", "finish sentinel operator"],
    );
    let text = scene.read("trace.jsonl");
    assert!(text.contains("\"operator\":{\"grace-ns\":1000000000}"), "{text}");
    assert!(text.contains("\"operator\":{\"timeout-ns\":3600000000000}"), "{text}");
    assert!(text.contains("\"operator\":{\"timeout-ns\":null}"), "{text}");
}

/// The limit counts from the start of the policy, some milliseconds before the first line is made.
#[test]
fn a_run_that_is_ended_by_its_timeout() {
    let scene = Scene::new();
    recorded(&scene, &["--timeout", "1s"], &["sleep", "100"]).expect(143);
    replays(&scene, &["tell terminating timeout", "finish sentinel timeout"]);
    // 0 is none, as it is of a run.
    let trace = scene.text_path("trace.jsonl");
    let mut sentinel = scene.sentinel();
    sentinel.args(["replay", &trace, "--what-if", "--timeout", "0"]);
    let answer = Running::start(&mut sentinel).finish().expect(0).stdout();
    assert!(!answer.contains("SIGTERM at"), "{answer}");
}

#[test]
fn a_run_whose_timeout_was_set_replays_to_the_same_end() {
    let scene = Scene::new();
    for request in ["set timeout 2s", "set timeout 1ms"] {
        let trace = scene.text_path("trace.jsonl");
        let guardian = scene.with_mailbox(&["--record", &trace], &["sleep", "100"]);
        scene.ask(request).expect(0);
        guardian.finish().expect(143);
        replays(
            &scene,
            &["tell new-timeout", "tell terminating timeout", "finish sentinel timeout"],
        );
        // Other rules than these leave what an operator set as it was.
        let mut sentinel = scene.sentinel();
        sentinel.args(["replay", &trace, "--what-if", "--grace", "9s"]);
        let answer = Running::start(&mut sentinel).finish().expect(0).stdout();
        assert!(answer.contains("SIGTERM at"), "{request}: {answer}");
    }
}

#[test]
fn a_dry_run_is_recorded_too() {
    let scene = Scene::new();
    let command = [python(), "-c", "import time; kept = bytearray(90 << 20); time.sleep(1)"];
    recorded(&scene, &["--dry-run"], &command).expect(0);
    replays(&scene, &["tell would-terminate breach", "finish command"]);
}

#[test]
fn a_full_disk_costs_the_trace_and_nothing_else() {
    let scene = Scene::new();
    let run = scene.run(&["--record", "/dev/full"], &["sh", "-c", "sleep 0.3; exit 7"]).expect(7);
    let told = run.stderr.matches("the trace /dev/full is incomplete: No space left").count();
    assert_eq!(told, 1, "{run:?}");
}

/// Nobody reads from this pipe, and it is full.
#[test]
fn a_disk_that_blocks_holds_nobody_up() {
    let scene = Scene::new();
    let path = scene.path("slow");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let mut reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let room = nix::fcntl::fcntl(&reader, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    reader.write_all(&vec![b'x'; usize::try_from(room).unwrap()]).unwrap();
    let options = ["-m", "60M", "--record", path.to_str().unwrap()];
    let run = scene.run(&options, &[python(), "-c", LEAK]).expect(143);
    assert!(run.stderr.contains("slow is still being written"), "{run:?}");
    // The scribe, which nobody waits for any more, sees that nobody reads.
    drop(reader);
    until("the scribe is gone", || scene.leftovers().is_empty());
}

#[test]
fn a_scribe_that_is_killed_is_told_and_the_run_goes_on() {
    let scene = Scene::new();
    let trace = scene.text_path("trace.jsonl");
    let guardian = scene.with_mailbox(&["--record", &trace], &["sleep", "100"]);
    let scribe = child_named(guardian.pid(), "sentinel-scribe");
    crate::support::send(scribe, nix::libc::SIGKILL);
    guardian.await_err("is incomplete: its writer process was killed");
    scene.ask("terminate").expect(0);
    guardian.finish().expect(143);
}

fn child_named(parent: u32, name: &str) -> u32 {
    let children = || {
        let path = format!("/proc/{parent}/task/{parent}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let named = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.trim() == name)
        };
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).find(named)
    };
    crate::support::eventually(name, children)
}

#[test]
fn a_guardian_that_is_killed_leaves_a_trace_that_can_be_read() {
    let scene = Scene::new();
    let trace = scene.text_path("trace.jsonl");
    let mut guardian = scene.with_mailbox(&["--record", &trace], &["sleep", "100"]);
    until("some lines are there", || scene.read("trace.jsonl").lines().count() > 5);
    guardian.send(nix::libc::SIGKILL);
    until("it is gone", || guardian.has_ended());
    until("all is gone", || scene.leftovers().is_empty());
    let mut replay = scene.sentinel();
    let run = Running::start(replay.args(["replay", "--plain", &trace])).finish().expect(0);
    assert!(run.stderr.contains("does not reach the end of the run"), "{run:?}");
    assert!(run.stdout().contains("all decided the same way"), "{run:?}");
}
