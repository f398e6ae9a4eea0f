//! Single processes that are ended while the rest lives: a worker that leaks goes and its master makes another; at the limit the largest
//! goes with what descends from it.

use crate::support::{Scene, python};
use serde_json::Value;

/// A master with one worker, which takes 60 MiB, a MiB at a time; on SIGTERM it says so and ends. The master makes another, twice, and ends
/// with 7 when the third has ended by itself.
const MASTER: &str = "import os, signal, sys, time
def work(grows):
    def heard(*_):
        print('asked', flush=True); sys.exit(3)
    signal.signal(signal.SIGTERM, heard)
    held = []
    for _ in range(60 if grows else 5):
        held.append(bytearray(b'x' * (1 << 20))); time.sleep(0.02)
    if grows: time.sleep(1000)
    sys.exit(0)
for n in range(3):
    pid = os.fork()
    if pid == 0: work(n < 2)
    _, status = os.waitpid(pid, 0)
    print('worker', n, os.waitstatus_to_exitcode(status), flush=True)
sys.exit(7)";

/// Processes of so many MiB each with a child of 4 MiB, each family a group; those with `deaf` behind the number do not mind SIGTERM. Says who
/// goes first, and whether its child went too; then all the others go.
const CROWD: &str = "import os, signal, sys, time
def hold(mib, child):
    if child and os.fork() == 0: hold(4, False)
    held = []
    for _ in range(mib):
        held.append(bytearray(b'x' * (1 << 20))); time.sleep(0.01)
    time.sleep(1000)
def is_there(group):
    try: os.killpg(group, 0); return True
    except ProcessLookupError: return False
families = []
for word in sys.argv[1:]:
    pid = os.fork()
    if pid == 0:
        os.setpgrp()
        if word.endswith('deaf'): signal.signal(signal.SIGTERM, signal.SIG_IGN)
        hold(int(word.removesuffix('deaf')), True)
    families.append(pid)
pid, status = os.wait()
for _ in range(100):
    if is_there(pid): time.sleep(0.01)
print('first', families.index(pid), os.waitstatus_to_exitcode(status), 'with its child' if not is_there(pid) else 'alone', flush=True)
for family in families:
    if is_there(family): os.killpg(family, 9)
sys.exit(5)";

fn ended(record: &Value) -> Vec<&Value> {
    record.pointer("/ended_processes").and_then(Value::as_array).into_iter().flatten().collect()
}

/// Its first thread has ended, and another takes 60 MiB.
const HEADLESS: &str = "import ctypes, os, threading, time
def grow():
    held = []
    for _ in range(60):
        held.append(bytearray(b'x' * (1 << 20))); time.sleep(0.02)
    time.sleep(1000)
threading.Thread(target=grow).start()
ctypes.CDLL(None).syscall({'x86_64': 60}.get(os.uname().machine, 93), 0)";

#[test]
fn a_process_without_its_first_thread_is_seen() {
    let scene = Scene::new();
    let command = [python(), "-c", HEADLESS];
    let single = ["-m", "400M", "--process-memory", "40M"];
    scene.run(&single, &command).expect(143).says("reached what each may hold, 40.0M");
    scene.run(&["-m", "40M"], &command).expect(143).says("reached the limit 40.0M");
}

#[test]
fn a_leaking_worker_goes_and_its_master_makes_another() {
    let scene = Scene::new();
    let options = ["-m", "400M", "--process-memory", "40M"];
    let (run, record) = scene.recorded(&options, &[python(), "-c", MASTER]);
    let run = run.expect(7);
    assert_eq!(run.stdout(), "asked\nworker 0 3\nasked\nworker 1 3\nworker 2 0\n", "{run:?}");
    assert!(
        run.stderr.contains("reached what each process may hold, 40.0M: sent SIGTERM"),
        "{run:?}"
    );
    assert!(run.stderr.contains("by SIGTERM; the rest goes on"), "{run:?}");
    assert_eq!(record["outcome"]["ended_by"], "command", "{record:#}");
    assert_eq!(record["status"]["processes_ended"], 2, "{record:#}");
    let ended = ended(&record);
    assert_eq!(ended.len(), 2, "{record:#}");
    for one in ended {
        assert_eq!(one["reason"], "process-memory", "{one:#}");
        assert!(one["name"].as_str().unwrap().starts_with("python"), "{one:#}");
        assert!(one["size"].as_u64().unwrap() >= 40 << 20, "{one:#}");
        assert!(one["kill_ms"].is_null() && one["gone_ms"].is_u64(), "{one:#}");
    }
}

#[test]
fn the_largest_goes_at_the_limit_with_its_child_and_the_rest_lives() {
    let scene = Scene::new();
    let options = ["-m", "150M", "--victim", "largest"];
    let (run, record) = scene.recorded(&options, &[python(), "-c", CROWD, "20", "110", "30"]);
    let run = run.expect(5);
    assert_eq!(run.stdout(), "first 1 -15 with its child\n", "{run:?}");
    assert!(run.stderr.contains("the largest that may go by itself ("), "{run:?}");
    assert_eq!(record["outcome"]["ended_by"], "command", "{record:#}");
    assert_eq!(ended(&record).len(), 1, "{record:#}");
    assert_eq!(ended(&record)[0]["reason"], "breach", "{record:#}");
}

#[test]
fn who_does_not_mind_sigterm_is_killed_when_its_grace_is_over() {
    let scene = Scene::new();
    let options = ["-m", "400M", "--process-memory", "60M", "--grace", "300ms"];
    let (run, record) = scene.recorded(&options, &[python(), "-c", CROWD, "20", "110deaf"]);
    let run = run.expect(5);
    assert_eq!(run.stdout(), "first 1 -9 alone\n", "{run:?}");
    assert!(run.stderr.contains("the grace period of 300ms is over: sent SIGKILL"), "{run:?}");
    let ended = ended(&record);
    let ms = |name: &str| ended[0][name].as_u64().unwrap();
    assert!(ms("kill_ms") >= ms("term_ms") + 300 && ms("gone_ms") >= ms("kill_ms"), "{record:#}");
}

#[test]
fn the_command_itself_takes_all_with_it() {
    let scene = Scene::new();
    let one = "import time
held = bytearray(b'x' * (90 << 20)); time.sleep(1000)";
    let options = ["-m", "400M", "--process-memory", "60M"];
    let (run, record) = scene.recorded(&options, &[python(), "-c", one]);
    run.expect(143).says("the command's own process, ");
    assert_eq!(record["outcome"]["reason"], "process-memory", "{record:#}");
    let options = ["-m", "60M", "--victim", "largest"];
    let (run, record) = scene.recorded(&options, &[python(), "-c", one]);
    run.expect(143).says("reached the limit 60.0M").says("sent SIGTERM");
    assert_eq!(record["outcome"]["reason"], "breach", "{record:#}");
}

#[test]
fn a_trace_of_it_replays_to_the_same_deeds() {
    let scene = Scene::new();
    let trace = scene.text_path("trace");
    let options = ["-m", "400M", "--process-memory", "40M", "--record", &trace];
    scene.run(&options, &[python(), "-c", MASTER]).expect(7);
    let replayed = scene.sentinel().args(["replay", "--plain", &trace]).output().unwrap();
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
    let text = scene.read("trace");
    assert!(text.contains("end-process ") && text.contains("tell process-gone "), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scene = Scene::new();
    for (options, says) in [
        (&["--process-memory", "4K"][..], "is too little for any program"),
        (&["--victim", "largest", "--on-breach", "freeze"], "leave one of them out"),
        (&["--victim", "newest"], "\"newest\" is not one of workload, largest"),
    ] {
        scene.run(options, &["true"]).expect(125).says(says);
    }
}

#[test]
fn a_dry_run_ends_nobody_and_says_whom_it_would() {
    let scene = Scene::new();
    let options = ["-m", "400M", "--process-memory", "40M", "--dry-run"];
    let script = MASTER.replace("if grows: time.sleep(1000)", "time.sleep(0.5)");
    let run = scene.run(&options, &[python(), "-c", &script]).expect(7);
    assert!(run.stderr.contains("would send SIGTERM (dry run)"), "{run:?}");
    assert!(!run.stdout().contains("asked"), "{run:?}");
}

/// Leaks, and forks children that have its pages and a MiB more; another one holds what it holds. All of the leak goes, and nobody else.
const FORKER: &str = "import os, sys, time
other = os.fork()
if other == 0:
    held = bytearray(b'x' * (15 << 20)); time.sleep(1000)
leaks = os.fork()
if leaks == 0:
    held = []
    while True:
        held.append(bytearray(b'x' * (1 << 20)))
        if len(held) % 2 == 0 and os.fork() == 0:
            own = bytearray(b'y' * (1 << 20)); time.sleep(1000)
        time.sleep(0.05)
_, status = os.waitpid(leaks, 0)
print('the leak', os.waitstatus_to_exitcode(status), flush=True)
lives = os.waitpid(other, os.WNOHANG) == (0, 0)
os.kill(other, 9)
sys.exit(5 if lives else 6)";

#[test]
fn who_leaks_goes_and_not_the_children_that_share_its_pages() {
    let scene = Scene::new();
    let options = ["-m", "120M", "--victim", "largest"];
    let (run, record) = scene.recorded(&options, &[python(), "-c", FORKER]);
    let run = run.expect(5);
    assert_eq!(run.stdout(), "the leak -15\n", "{run:?}");
    assert_eq!(ended(&record).len(), 1, "{record:#}");
    // What it grew by is no growth of those who are left.
    let growth = record.pointer("/status/growth").and_then(Value::as_i64).unwrap();
    assert!(growth < 10 << 20, "{growth}: {record:#}");
}
