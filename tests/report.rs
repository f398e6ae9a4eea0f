//! Post-mortems of real runs: the reason is the right one, nobody else's deed is claimed, the files are the caller's alone.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "report/mixed_up.rs"]
mod mixed_up;
mod support;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc::{SIGKILL, SIGTERM};
use nix::pty::{OpenptyResult, openpty};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use support::{Run, Running, Scene, python, until};

/// Sentinel with its state in the scene.
fn guarded(scene: &Scene, options: &[&str], command: &[&str]) -> std::process::Command {
    let mut sentinel = scene.guarded(options, command);
    sentinel.env("XDG_STATE_HOME", scene.path("state"));
    sentinel
}

fn ended(scene: &Scene, options: &[&str], command: &[&str]) -> Run {
    Running::start(&mut guarded(scene, options, command)).finish()
}

fn report(scene: &Scene, words: &[&str]) -> Run {
    let mut sentinel = scene.sentinel();
    sentinel
        .env("XDG_STATE_HOME", scene.path("state"))
        .env("LC_ALL", "C")
        .arg("report")
        .args(words);
    Running::start(&mut sentinel).finish()
}

#[track_caller]
fn last(scene: &Scene) -> Value {
    serde_json::from_str(&report(scene, &["--json"]).expect(0).stdout()).unwrap()
}

#[track_caller]
fn assert_verdict(report: &Value, reason: &str, by: &str) {
    assert_eq!(report["verdict"]["reason"], reason, "{report:#}");
    assert_eq!(report["verdict"]["ended_by"], by, "{report:#}");
}

const LEAK: &str = "
import signal, sys, time
if 'deaf' in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
taken = []
while True:
    taken.append(b'x' * (1 << 20))
    time.sleep(0.02)
";

fn leak(word: &str) -> [&str; 4] {
    [python(), "-c", LEAK, word]
}

#[test]
fn a_leak_is_explained() {
    let scene = Scene::new();
    let run = ended(&scene, &["-m", "60M"], &leak("polite")).expect(143);
    assert!(run.stderr.contains("post-mortem: sentinel report ("), "{run:?}");
    let report_ = last(&scene);
    assert_verdict(&report_, "breach", "sentinel");
    assert_eq!(report_["verdict"]["signal"], "SIGTERM");
    let kinds: Vec<&str> =
        report_["timeline"].as_array().unwrap().iter().filter_map(|m| m["what"].as_str()).collect();
    for kind in ["started", "decided", "term", "child-ended", "empty"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let at = |kind: &str| kinds.iter().position(|k| *k == kind);
    assert!(at("started") < at("decided") && at("decided") < at("term"), "{kinds:?}");
    assert!(at("term") < at("empty"), "{kinds:?}");
    let samples = report_["samples"].as_array().unwrap();
    let highest = samples.iter().filter_map(|s| s["footprint"].as_u64()).max();
    // The kernel's counters lag a little: a 32nd of the limit at most.
    assert!(highest >= Some((60 << 20) - (60 << 15)), "{highest:?}");
    let times: Vec<u64> = samples.iter().filter_map(|s| s["at_us"].as_u64()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(report_["advice"][0].as_str().unwrap().contains("a leak"), "{report_:#}");
    let mappings = &report_["mappings"];
    assert_eq!(mappings["pid"], report_["run"]["child_pid"], "{report_:#}");
    assert!(mappings["largest"][0]["rss"].as_u64() > Some(30 << 20), "{report_:#}");
    let text = report(&scene, &[]).expect(0).stdout();
    assert!(text.starts_with("ended python3 with SIGTERM"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.is_ascii(), "in the C locale: {text}");
}

#[test]
fn the_second_line_is_told_apart() {
    let scene = Scene::new();
    let options = ["-m", "40M", "--second-line", "50M", "--headroom", "32M", "--grace", "100s"];
    ended(&scene, &options, &leak("deaf")).expect(137);
    let report = last(&scene);
    assert_verdict(&report, "second-line", "sentinel");
    assert_eq!(report["verdict"]["signal"], "SIGKILL");
}

/// Looks within a long grace do not push out those that led to it.
#[test]
fn a_long_grace_does_not_hide_the_breach() {
    let scene = Scene::new();
    let leak = LEAK.replace("time.sleep(0.02)", "time.sleep(0.02 if len(taken) < 60 else 0.4)");
    let options = ["-m", "50M", "--grace", "5s"];
    ended(&scene, &options, &[python(), "-c", &leak, "deaf"]).expect(137);
    let report = last(&scene);
    assert_verdict(&report, "breach", "sentinel");
    assert!(report["samples"][0]["footprint"].as_u64() < Some(30 << 20), "{report:#}");
    assert!(report["advice"][0].as_str().unwrap().contains("a leak"), "{report:#}");
}

#[test]
fn who_was_not_us_is_not_claimed() {
    let scene = Scene::new();
    ended(&scene, &[], &["sh", "-c", "kill -SEGV $$"]).expect(139);
    assert_verdict(&last(&scene), "signaled", "command");
    ended(&scene, &[], &["sh", "-c", "kill -KILL $$"]).expect(137);
    assert_verdict(&last(&scene), "signaled", "somebody");
    ended(&scene, &["--report", "always"], &["sh", "-c", "exit 3"]).expect(3);
    assert_verdict(&last(&scene), "exited", "command");
}

/// As the user wanted it, and no room of the kept ones is taken for it. A pipe of the command's own is another matter.
#[test]
fn a_reader_that_had_enough_is_no_post_mortem() {
    let scene = Scene::new();
    let command = guarded(&scene, &[], &["yes"]);
    let mut pipeline = scene.through(&["sh", "-c", "\"$@\" | head -n 1", "sh"], &command);
    let run = Running::start(&mut pipeline).finish().expect(0).says("yes was killed by SIGPIPE");
    assert!(!run.stderr.contains("post-mortem"), "{run:?}");
    assert_eq!(kept(&scene), Vec::<PathBuf>::new(), "{run:?}");
    ended(&scene, &[], &["sh", "-c", "kill -PIPE $$"]).expect(141).says("post-mortem: ");
    assert_eq!(kept(&scene).len(), 1);
}

/// Everybody who has the other end of the terminal lets go of it.
#[test]
fn a_terminal_that_was_closed_is_why() {
    let scene = Scene::new();
    let there = scene.text_path("there");
    let script = format!("echo > {there}; exec sleep 100000");
    let guarded = guarded(&scene, &[], &["sh", "-c", &script]);
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    fcntl(&master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    let mut session = scene.through(&["setsid", "--ctty"], &guarded);
    let slave = || Stdio::from(slave.try_clone().unwrap());
    session.stdin(slave()).stdout(slave()).stderr(slave());
    let mut guardian = session.spawn().unwrap();
    until("the command runs", || scene.path("there").exists());
    drop((master, session));
    guardian.wait().unwrap();
    let report = last(&scene);
    assert_verdict(&report, "signaled", "somebody");
    let text = report["verdict"]["text"].as_str().unwrap();
    assert!(text.ends_with("sh was killed by SIGHUP: its terminal was closed"), "{text}");
    assert!(report["advice"][0].as_str().unwrap().contains("terminal"), "{report:#}");
}

#[test]
fn the_clock_and_an_operator() {
    let scene = Scene::new();
    ended(&scene, &["--timeout", "200ms"], &["sleep", "1000"]).expect(143);
    assert_verdict(&last(&scene), "timeout", "sentinel");
    let socket = scene.text_path("s.socket");
    let running = Running::start(&mut guarded(&scene, &["--socket", &socket], &["sleep", "1000"]));
    scene.await_mailbox();
    scene.ask("terminate").expect(0);
    running.finish().expect(143);
    assert_verdict(&last(&scene), "operator", "sentinel");
}

#[test]
fn the_rest_of_a_command_that_ended() {
    let scene = Scene::new();
    let script = "sleep 1000 > /dev/null 2>&1 & exit 0";
    ended(&scene, &["--on-exit", "terminate"], &["sh", "-c", script]);
    assert_verdict(&last(&scene), "child-exited", "sentinel");
}

#[test]
fn the_guardian_s_own_death() {
    let scene = Scene::new();
    let running =
        Running::start(&mut guarded(&scene, &[], &["sh", "-c", "echo up; exec sleep 1000"]));
    running.await_out("up");
    running.send(SIGKILL);
    let run = running.finish();
    assert!(run.stderr.contains("post-mortem: sentinel report ("), "{run:?}");
    assert_verdict(&last(&scene), "guardian-death", "keeper");
}

/// The post-mortems of a scene: beside them is the ledger of ended runs, and its lock.
fn kept(scene: &Scene) -> Vec<PathBuf> {
    let files = std::fs::read_dir(scene.path("state/sentinel")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|file| !file.to_str().unwrap().contains("ended.")).collect()
}

#[test]
fn an_end_that_is_nothing_special_leaves_none() {
    let scene = Scene::new();
    ended(&scene, &[], &["true"]).expect(0);
    ended(&scene, &["--report", "never"], &["sh", "-c", "kill -9 $$"]).expect(137);
    let none = report(&scene, &[]).expect(125);
    assert!(none.stderr.contains("there are no post-mortems yet"), "{none:?}");
    // The end is counted all the same, in a few words.
    assert_eq!(kept(&scene), Vec::<PathBuf>::new());
    assert!(scene.read("state/sentinel/ended.json").len() < 600);
}

#[test]
fn files_are_private_and_listed() {
    let scene = Scene::new();
    for _ in 0..2 {
        ended(&scene, &["--timeout", "100ms"], &["sleep", "1000"]).expect(143);
    }
    let folder = scene.path("state/sentinel");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let all = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path());
    assert!(all.into_iter().all(|file| mode(&file) == 0o600));
    let files = kept(&scene);
    assert_eq!(files.len(), 2);
    let list = report(&scene, &["list"]).expect(0).stdout();
    assert_eq!(list.matches("ago  ").count(), 2, "{list}");
    let listed = report(&scene, &["list", "--json"]).expect(0).stdout();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed:#}");
    assert_eq!((&listed[1]["number"], &listed[1]["reason"]), (&2.into(), &"timeout".into()));
    for (word, index) in [("last", 0), ("1", 0), ("2", 1), (scene.name(), 0)] {
        let one = report(&scene, &["--json", word]).expect(0).stdout();
        let one: Value = serde_json::from_str(&one).unwrap();
        assert_eq!(one["run"]["guardian_pid"], listed[index]["guardian_pid"], "{word}");
        let here = std::env::current_dir().unwrap();
        assert_eq!(one["run"]["directory"], here.to_str().unwrap());
        assert!(one["run"]["host"].is_string() && one["run"]["user"].is_string(), "{one:#}");
    }
    let one = report(&scene, &[files[0].to_str().unwrap()]).expect(0).stdout();
    assert!(one.contains("reason timeout, ended by sentinel, exit 143"), "{one}");
    let page = report(&scene, &["--html"]).expect(0).stdout();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"), "{page}");
    for (words, said) in [
        (["/nonexistent"], "cannot read the post-mortem /nonexistent: No such file"),
        (["3"], "no post-mortem 3: 2 are kept"),
        (["nobody-s-name"], "no post-mortem of a run nobody-s-name is kept"),
        (["/dev/zero"], "it is not a regular file"),
        (["--nonsense"], "try: sentinel report --help"),
    ] {
        let run = report(&scene, &words).expect(125);
        assert!(run.stderr.contains(said), "{run:?}");
    }
}

/// Also a word that is longer than a line: but for the paths of the list, which are there to be copied.
#[test]
fn no_line_is_wider_than_a_terminal() {
    let scene = Scene::new();
    let long = "x".repeat(5000);
    ended(&scene, &[], &["sh", "-c", "kill -KILL $$", "sh", &long]).expect(137);
    let text = report(&scene, &[]).expect(0).stdout();
    assert!(text.matches('x').count() >= 1000, "{text}");
    let list = report(&scene, &["list"]).expect(0).stdout();
    let lines = text.lines().chain(list.lines().filter(|line| !line.contains("ago  /")));
    for line in lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// A directory that cannot be written costs the post-mortem, and nothing else.
#[test]
fn where_it_cannot_be_kept_one_line_says_so() {
    let scene = Scene::new();
    scene.write("state", "a file");
    let run = ended(&scene, &["--timeout", "100ms"], &["sleep", "1000"]).expect(143);
    assert!(run.stderr.contains("no post-mortem: keep the post-mortem as"), "{run:?}");
}

/// Nobody is started for a question that is not asked.
#[test]
fn who_reads_mappings_is_there_when_asked() {
    let scene = Scene::new();
    let running =
        Running::start(&mut guarded(&scene, &[], &["sh", "-c", "echo up; exec sleep 1000"]));
    running.await_out("up");
    let (pid, keeper) = (running.pid(), support::keeper_of(running.pid()));
    let children = |pid: u32| {
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        list.unwrap().split_whitespace().count()
    };
    assert_eq!((children(pid), children(keeper)), (2, 0), "the command and the keeper");
    running.send(SIGTERM);
    running.finish();
    until("the keeper is gone", || !support::is_alive(keeper));
}

/// The same record as `--json` writes, to a descriptor that the command does not get.
#[test]
fn a_record_to_a_descriptor() {
    let scene = Scene::new();
    let sentinel = guarded(&scene, &["--json-fd", "9"], &["sh", "-c", "ls /proc/self/fd; exit 3"]);
    let file = scene.text_path("record");
    let script = format!("exec 9> {file}; exec \"$@\"");
    let run =
        Running::start(&mut scene.through(&["bash", "-c", &script, "bash"], &sentinel)).finish();
    assert_eq!(run.code(), 3, "{run:?}");
    assert!(!run.stdout().lines().any(|fd| fd == "9"), "{run:?}");
    let record: Value = serde_json::from_str(&scene.read("record")).unwrap();
    assert_eq!(record["exit_status"], 3, "{record:#}");
    assert!(record["status"]["usage"]["cpu_usec"].is_u64(), "{record:#}");
    for (number, why) in [
        ("9", "for the record (--json-fd takes 3 to 63)"),
        ("2", "is not a descriptor for it: write a number from 3 to 63"),
        ("99", "is not a descriptor for it"),
    ] {
        let refused = ended(&scene, &[&format!("--json-fd={number}")], &["true"]).expect(125);
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
}

/// The words of JSON Schema that ours uses.
fn fits(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        return fits(value, &root["$defs"][name], root, at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let chosen = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null());
        return fits(value, chosen.unwrap(), root, at);
    }
    // Words with a description each.
    if let Some(words) = schema["oneOf"].as_array() {
        return assert!(words.iter().any(|word| &word["const"] == value), "{at}: {value}");
    }
    if let Some(words) = schema["enum"].as_array() {
        return assert!(words.contains(value), "{at}: {value}");
    }
    if !schema["const"].is_null() {
        return assert_eq!(value, &schema["const"], "{at}");
    }
    let types = schema["type"].as_array().cloned();
    let types = types.unwrap_or_else(|| vec![schema["type"].clone()]);
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        other => panic!("a type {other}"),
    };
    assert!(types.iter().any(is), "{at}: {value} is no {types:?}");
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{at}: no {name}");
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let known = &schema["properties"][name];
        assert!(!known.is_null(), "{at}.{name} is not in the schema");
        fits(inner, known, root, &format!("{at}.{name}"));
    }
    for inner in value.as_array().into_iter().flatten() {
        fits(inner, &schema["items"], root, &format!("{at}[]"));
    }
}

#[test]
fn a_report_fits_its_schema() {
    let schema = include_str!("../docs/post-mortem.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let scene = Scene::new();
    ended(&scene, &["-m", "50M"], &leak("polite")).expect(143);
    fits(&last(&scene), &schema, &schema, "report");
    let running =
        Running::start(&mut guarded(&scene, &[], &["sh", "-c", "echo up; exec sleep 1000"]));
    running.await_out("up");
    running.send(SIGKILL);
    running.finish();
    fits(&last(&scene), &schema, &schema, "report");
}

/// What an operator does at the end is no leak, and was not so all the time.
#[test]
fn a_limit_that_an_operator_lowered_is_told_as_it_was_over_time() {
    let scene = Scene::new();
    let script =
        "held = bytearray(60 << 20)\nprint('held', flush=True)\nimport time; time.sleep(100000)";
    let (socket, words) = (scene.text_path("s.socket"), [python(), "-c", script]);
    let options = ["-m", "200M", "--socket", &socket];
    let running = Running::start(&mut guarded(&scene, &options, &words));
    scene.await_mailbox();
    running.await_out("held");
    scene.ask("set memory 30M --force").expect(0);
    running.finish().expect(143);
    let report = last(&scene);
    assert_eq!(report["earlier_lines"][0]["limit"], 200 << 20, "{report}");
    assert_eq!(report["limits"]["limit"], 30 << 20);
    let advice = report["advice"][0].as_str().unwrap();
    assert!(advice.starts_with("An operator lowered the limit from 200.0M to 30.0M"), "{advice}");
}
