//! The guardian killed from outside: its keeper ends the workload in its place, and clears up.
//! `SENTINEL_RUNS=1000 cargo test --test guardian_death any_moment -- --nocapture` kills it so often.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "a moment is chosen by the clock")]

mod support;

use nix::libc::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{
    Run, Running, Scene, is_alive, is_root, keeper_of, python, send, skip, state, until,
};

/// Says what it hears, and has somebody in a session of its own.
const POLITE: &str = "trap 'echo heard; exit 3' TERM; (setsid tail -f /dev/null > /dev/null 2>&1 &); \
    echo up; while :; do sleep 0.05; done";
const ALONE: &str = "trap 'echo heard; exit 3' TERM; echo up; while :; do sleep 0.05; done";
const DEAF: &str = "echo up; while :; do sleep 0.05; done";

/// Started with the mailbox at `s.socket`. Where there is no cgroup, the daemon descends from nobody whom its keeper knows.
fn knows_the_daemon(scene: &Scene) {
    scene.await_mailbox();
    until("it knows of the daemon", || scene.ask("ps").stdout().contains("tail"));
    // And has told its keeper: that comes before the next answer.
    scene.ask("ping").expect(0);
}

fn left_alone(running: Running) -> Run {
    running.send(SIGKILL);
    running.finish()
}

#[test]
fn the_workload_is_ended_as_politely() {
    let scene = Scene::new();
    let record = scene.text_path("record.json");
    let running = scene.with_mailbox(&["--json", &record], &["sh", "-c", POLITE]);
    running.await_out("up");
    knows_the_daemon(&scene);
    let pid = running.pid();
    let run = left_alone(running);
    assert!(run.stdout().contains("heard"), "{run:?}");
    // Nobody is left who could write the end into it: it says so, and is not empty.
    assert_eq!(scene.record()["outcome"]["reason"], "not-ended");
    assert!(scene.record()["exit_status"].is_null());
    let said = format!("the guardian {pid} is gone: sent SIGTERM to the workload, SIGKILL in 3.0s");
    assert!(run.stderr.contains(&said), "{run:?}");
}

#[test]
fn without_a_cgroup_too() {
    if !is_root() {
        return skip("only root can take the cgroup file system away");
    }
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let guarded = scene.guarded(&["--socket", &socket], &["sh", "-c", POLITE]);
    let running = Running::start(&mut scene.without_cgroups(&guarded));
    running.await_out("up");
    running.await_err("tier polled");
    knows_the_daemon(&scene);
    let run = left_alone(running);
    // The scene sees to it that the daemon is gone.
    assert!(run.stdout().contains("heard"), "{run:?}");
}

/// A guardian that fails inside says so in one line, and is missed by its keeper like any other.
#[test]
fn a_panic_is_a_death_too() {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let mut guarded = scene.guarded(&["--socket", &socket], &["sh", "-c", ALONE]);
    let running = Running::start(guarded.env("__SENTINEL_PANIC", "1"));
    running.await_out("up");
    scene.await_mailbox();
    let _ = scene.ask("freeze");
    let run = running.finish().expect(125);
    assert!(run.stderr.contains("sentinel: failed inside: "), "{run:?}");
    assert!(run.stderr.contains("as a test asked for; please report this"), "{run:?}");
    assert!(run.stdout().contains("heard"), "{run:?}");
}

#[test]
fn who_does_not_listen_is_killed_after_the_grace() {
    let scene = Scene::new();
    let running = Running::start(&mut scene.deaf(&["--grace", "300ms"], &["sh", "-c", DEAF]));
    running.await_out("up");
    let run = left_alone(running);
    assert!(
        run.stderr.contains("sent SIGKILL to the workload: the grace period is over"),
        "{run:?}"
    );
}

#[test]
fn a_grace_that_runs_is_not_begun_anew() {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let options = ["--socket", &socket, "--grace", "1000s"];
    let running = Running::start(&mut scene.deaf(&options, &["sh", "-c", DEAF]));
    running.await_out("up");
    scene.await_mailbox();
    // Not by a client each, which may take longer to end than the grace period that is set.
    for request in ["terminate\n", "set grace 3s\n"] {
        let mut mailbox = BufReader::new(UnixStream::connect(&socket).unwrap());
        mailbox.get_mut().write_all(request.as_bytes()).unwrap();
        mailbox.read_line(&mut String::new()).unwrap();
    }
    let run = left_alone(running);
    assert!(run.stderr.contains("the grace period is over"), "{run:?}");
    assert!(!run.stderr.contains("SIGKILL in 1000"), "{run:?}");
}

/// Nobody is left who could raise its limit, and frozen it would stay.
#[test]
fn what_is_frozen_at_its_limit_is_thawed_and_ended() {
    const LEAK: &str = "
import signal, sys, time
def ends(*_):
    print('heard', flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, ends)
kept = []
while True:
    kept.append(bytearray(2 << 20))
    time.sleep(0.02)
";
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let options = ["-m", "60M", "--on-breach", "freeze", "--socket", &socket];
    let running = scene.start(&options, &[python(), "-c", LEAK]);
    let said = |what: &str| running.err.text().contains(what);
    let refused = "cannot enforce --on-breach freeze";
    until("it is frozen, or refused", || said("frozen, and ended in") || said(refused));
    if said(refused) {
        running.finish().expect(125);
        return skip("nothing can be frozen here");
    }
    let run = left_alone(running);
    assert!(run.stdout().contains("heard"), "{run:?}");
}

#[test]
fn it_is_killed_at_once_when_asked_for() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&["--on-guardian-death", "kill"], &["sh", "-c", POLITE]);
    running.await_out("up");
    knows_the_daemon(&scene);
    let run = left_alone(running);
    assert!(!run.stdout().contains("heard"), "{run:?}");
    assert!(run.stderr.contains("--on-guardian-death kill"), "{run:?}");
}

#[test]
fn it_goes_on_without_limits_when_asked_for() {
    let scene = Scene::new();
    let script = "echo pid $$; exec sleep 100000 > /dev/null 2>&1";
    let running = scene.start(&["--on-guardian-death", "release"], &["sh", "-c", script]);
    let pid = running.number_after("pid ");
    let run = left_alone(running);
    assert!(run.stderr.contains("continues without a guardian and without limits"), "{run:?}");
    assert!(!run.stderr.contains("post-mortem"), "nothing has ended: {run:?}");
    assert!(is_alive(pid));
    let place = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let place = place.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/none");
    for file in ["memory.high", "memory.max"] {
        let path = format!("/sys/fs/cgroup{place}/{file}");
        let value = std::fs::read_to_string(path).unwrap_or_else(|_| "max".to_owned());
        assert_eq!(value.trim(), "max", "{file}");
    }
    // The next guardian beside it tells.
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() || is_root() {
        let next = scene.run(&[], &["true"]).expect(0);
        assert!(
            next.stderr.contains("a guardian that is gone left processes in /sys/fs/cgroup"),
            "{next:?}"
        );
    }
    send(pid, SIGKILL);
    scene.clear();
}

#[test]
fn a_guardian_that_is_stopped_is_not_dead() {
    let scene = Scene::new();
    let running = scene.start(&[], &["sh", "-c", ALONE]);
    running.await_out("up");
    let keeper = keeper_of(running.pid());
    running.send(SIGSTOP);
    until("it is stopped", || state(running.pid()) == Some('T'));
    // It has nothing to wake up for, and sleeps in its read.
    until("the keeper sleeps", || state(keeper) == Some('S'));
    assert_eq!(state(running.pid()), Some('T'));
    running.send(SIGCONT);
    running.send(SIGTERM);
    assert!(running.finish().expect(3).stdout().contains("heard"));
    assert!(!is_alive(keeper));
}

#[test]
fn a_keeper_that_is_killed_is_missed() {
    let scene = Scene::new();
    let mut running = scene.start(&[], &["sh", "-c", ALONE]);
    running.await_out("up");
    send(keeper_of(running.pid()), SIGKILL);
    running.await_err("the keeper was killed");
    assert!(!running.has_ended());
    running.send(SIGTERM);
    running.finish().expect(3);
}

/// Whoever else held it would keep the keeper from seeing the guardian's end.
#[test]
fn nobody_else_holds_the_leash() {
    let scene = Scene::new();
    let running = scene.start(&[], &["sh", "-c", ALONE]);
    running.await_out("up");
    let keeper = keeper_of(running.pid());
    let leash = std::fs::read_link(format!("/proc/{keeper}/fd/0")).unwrap();
    let mut holders = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let fds = std::fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
        if fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|path| path == leash) {
            holders.push(entry.file_name().into_string().unwrap());
        }
    }
    holders.sort();
    let mut expected = [running.pid(), keeper].map(|pid| pid.to_string());
    expected.sort();
    assert_eq!(holders, expected);
    running.send(SIGTERM);
    running.finish().expect(3);
}

/// A leak that is polite or deaf, so that the guardian watches, terminates, kills and ends.
const LEAK: &str = r"
import signal, sys, time
if sys.argv[1] == 'deaf': signal.signal(signal.SIGTERM, signal.SIG_IGN)
taken = []
while True:
    taken.append(b'x' * (1 << 20))
    time.sleep(0.01)
";

#[test]
fn at_any_moment_nothing_is_left() {
    let runs = std::env::var("SENTINEL_RUNS").map_or(12, |runs| runs.parse::<u32>().unwrap());
    let seed = std::env::var("SENTINEL_SEED").map_or(std::process::id(), |n| n.parse().unwrap());
    let latest = std::env::var("SENTINEL_LATEST_US").map_or(1_500_000, |n| n.parse().unwrap());
    println!("SENTINEL_SEED={seed}, {runs} runs");
    let mut number = seed;
    for run in 0..runs {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = Duration::from_micros(u64::from(number >> 8) % latest);
        die_at(moment, run % 2 == 0);
    }
}

fn die_at(moment: Duration, polite: bool) {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let options = ["--socket", &socket, "-m", "40M", "--grace", "200ms"];
    let manner = if polite { "polite" } else { "deaf" };
    let mut running = scene.start(&options, &[python(), "-c", LEAK, manner]);
    let began = Instant::now();
    until("its moment has come", || began.elapsed() >= moment || running.has_ended());
    // Ended by itself meanwhile, and not waited for: it is still there to be sent to, or was seen to have ended.
    if !running.has_ended() {
        running.send(SIGKILL);
    }
    let killed = running.finish();
    // What it made before it had a keeper is for the next one.
    let next = scene.run(&["--socket", &socket], &["true"]).expect(0);
    // Of its own name: another test's may be meant to stay.
    let own = format!("/sentinel-{}-", scene.name());
    let told =
        next.stderr.lines().find(|line| line.contains("left processes") && line.contains(&own));
    assert!(told.is_none(), "{moment:?}: {killed:?}, {next:?}");
    let left = scene.leftovers();
    assert!(left.is_empty(), "{moment:?}: {left:?} is left by {killed:?}, {next:?}");
}

/// The command line of a process is for everybody to read, and the start of a post-mortem is not.
#[test]
fn the_keeper_s_command_line_says_little() {
    let scene = Scene::new();
    let secret = "a-word-that-is-nobody-s-business";
    let running = scene.start(&[], &["sh", "-c", "echo up; exec sleep 1000", secret]);
    running.await_out("up");
    let keeper = support::keeper_of(running.pid());
    let line = std::fs::read(format!("/proc/{keeper}/cmdline")).unwrap();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    assert!(line.len() < 600 && !line.contains(secret) && !line.contains('{'), "{line}");
    running.send(nix::libc::SIGTERM);
    running.finish().expect(143);
}

/// Before its keeper has come a short run may be over.
#[test]
fn a_short_run_leaves_its_keeper_nothing_to_complain_about() {
    let scene = Scene::new();
    for _ in 0..60 {
        let run = scene.run(&["-q"], &["true"]).expect(0);
        // The tests beside this one kill guardians, and what those leave is told.
        let others = |line: &&str| line.contains("a guardian that is gone left");
        let own: Vec<_> = run.stderr.lines().filter(|line| !others(line)).collect();
        assert!(own.is_empty(), "{run:?}");
    }
}
