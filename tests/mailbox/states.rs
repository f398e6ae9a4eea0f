//! The mailbox answers in every state of the workload, and however many clients there are.

use crate::clients::{all_answer, status};
use crate::support::{Running, Scene, eventually, python, skip, until};
use sentinel::status::{State, Tier};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

pub const FOREVER: [&str; 2] = ["sleep", "100000"];

/// Ends it the hard way, which is answered too.
pub fn kill(scene: &Scene, running: Running) {
    assert_eq!(scene.ask("kill").expect(0).stdout(), "ok: killing\n");
    running.finish().expect(137);
}

#[test]
fn running() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    all_answer(&scene, "state      running, up ");
    kill(&scene, running);
}

#[test]
fn busy() {
    let scene = Scene::new();
    let script = "while :; do :; done & while :; do (:); done";
    let running = scene.with_mailbox(&[], &["sh", "-c", script]);
    all_answer(&scene, "state      running, up ");
    kill(&scene, running);
}

#[test]
fn frozen() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    // There is a mailbox before the command runs, which can be frozen then, too.
    until("it runs", || status(&scene).state == State::Running);
    assert_eq!(scene.ask("freeze").expect(0).stdout(), "ok: frozen\n");
    all_answer(&scene, "state      running, frozen, up ");
    kill(&scene, running);
}

/// What does not run does not grow, however it grew a moment before.
#[test]
fn the_frozen_does_not_grow() {
    let scene = Scene::new();
    let script = "import time\nheld = []\nwhile True: held.append(b'x' * 500000); time.sleep(0.02)";
    let running = scene.with_mailbox(&["-m", "1G"], &[python(), "-c", script]);
    until("it grows", || status(&scene).growth > 1 << 20);
    scene.ask("freeze").expect(0);
    let status = status(&scene);
    assert!(status.frozen && status.forecast_ms.is_none(), "{status:?}");
    assert_eq!(status.growth, 0);
    kill(&scene, running);
}

/// A frozen workload is thawed to be ended: it can hear SIGTERM.
#[test]
fn frozen_and_then_terminated() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&["--grace", "1000s"], &FOREVER);
    scene.ask("freeze").expect(0);
    assert_eq!(scene.ask("terminate").expect(0).stdout(), "ok: terminating\n");
    running.finish().expect(143);
}

/// A workload that does not mind SIGTERM, told to end.
fn terminating(scene: &Scene) -> Running {
    let socket = scene.text_path("s.socket");
    let options = ["--socket", &socket, "--grace", "1000s"];
    let script = "echo up; while :; do sleep 0.1; done";
    let running = Running::start(&mut scene.deaf(&options, &["sh", "-c", script]));
    // The mailbox answers before the command runs, which is deaf from its first line on.
    running.await_out("up");
    scene.await_mailbox();
    scene.ask("terminate").expect(0);
    running
}

#[test]
fn terminating_and_ignored() {
    let scene = Scene::new();
    let running = terminating(&scene);
    all_answer(&scene, "state      terminating, SIGKILL in ");
    assert_eq!(status(&scene).state, State::Terminating);
    assert!(status(&scene).kill_in_ms.unwrap() > 0);
    let run = scene.ask("freeze").expect(1);
    assert_eq!(run.stderr, "error: the workload is being ended and cannot be frozen\n");
    kill(&scene, running);
}

#[test]
fn a_second_terminate_is_the_end() {
    let scene = Scene::new();
    let running = terminating(&scene);
    assert_eq!(scene.ask("terminate").expect(0).stdout(), "ok: killing\n");
    running.finish().expect(137);
}

#[test]
fn after_the_command_while_its_orphans_stay() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &["sh", "-c", "sleep 100000 & exit 3"]);
    running.await_err("waiting for the rest");
    all_answer(&scene, "state      running, up ");
    scene.ask("terminate").expect(0);
    running.finish();
}

#[test]
fn with_nobody_who_reads_stderr() {
    let scene = Scene::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETPIPE_SZ).unwrap();
    writer.write_all(&vec![b'x'; size.try_into().unwrap()]).unwrap();
    let socket = scene.text_path("s.socket");
    let mut sentinel = scene.guarded(&["--socket", &socket], &FOREVER);
    let running = Running::start(sentinel.stderr(writer));
    drop(sentinel);
    scene.await_mailbox();
    all_answer(&scene, "state      running, up ");
    drop(reader);
    kill(&scene, running);
}

/// Fills page cache over and over: throttled at the trip-wire all the time, and healthy.
const READER: &str = "
import os, sys
path, size = sys.argv[1], 96 << 20
with open(path, 'wb') as file:
    for _ in range(size >> 20): file.write(bytes(1 << 20))
    file.flush(); os.fsync(file.fileno())
print('ready', flush=True)
while True:
    with open(path, 'rb', buffering=0) as file:
        while file.read(1 << 20): pass
";

#[test]
fn throttled_at_the_trip_wire() {
    let scene = Scene::new();
    let file =
        if std::path::Path::new("/disk").is_dir() { "/disk/mailbox" } else { "/tmp/mailbox" };
    let running = scene.with_mailbox(&["-m", "40M"], &[python(), "-c", READER, file]);
    if status(&scene).tier == Tier::Kernel {
        running.await_out("ready");
        let before = status(&scene).events.high;
        all_answer(&scene, "state      running");
        until("it is throttled", || status(&scene).events.high > before);
    } else {
        skip("there is no trip-wire in this tier");
    }
    kill(&scene, running);
    let _ = std::fs::remove_file(file);
}

#[test]
fn with_many_idle_clients() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    for count in [100, 300] {
        // More than are served at once: the oldest have to go.
        let _idle: Vec<_> =
            (0..count).filter_map(|_| UnixStream::connect(scene.socket()).ok()).collect();
        all_answer(&scene, "state      running, up ");
    }
    kill(&scene, running);
}

#[test]
fn with_clients_that_never_read() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let deaf = |request: &str| {
        let mut stream = UnixStream::connect(scene.socket()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let _watchers: Vec<_> = (0..20).map(|n| deaf(["watch\n", "watch json\n"][n % 2])).collect();
    let _others: Vec<_> = (0..20).map(|n| deaf(["status\n", "help\n"][n % 2])).collect();
    let watched = UnixStream::connect(scene.socket()).unwrap();
    (&watched).write_all(b"watch\n").unwrap();
    // Ten lines are two seconds in which the others get as many.
    assert_eq!(BufReader::new(&watched).lines().take(10).filter_map(Result::ok).count(), 10);
    all_answer(&scene, "state      running, up ");
    kill(&scene, running);
}

#[test]
fn a_client_that_watches_sees_the_end() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&["--grace", "100s"], &FOREVER);
    let stream = UnixStream::connect(scene.socket()).unwrap();
    (&stream).write_all(b"watch json\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("\"running\"")));
    scene.ask("terminate").expect(0);
    let rest: Vec<String> = lines.collect();
    let [.., status, end] = rest.as_slice() else { panic!("too little: {rest:?}") };
    assert!(status.contains("\"ended\""), "{status}");
    assert!(end.starts_with("{\"type\":\"end\"") && end.contains("\"exit_status\":143"), "{end}");
    running.finish().expect(143);
}

#[test]
fn a_guardian_that_is_stopped_is_told_apart_from_none() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    running.send(nix::libc::SIGSTOP);
    eventually("it stops", || (crate::support::state(running.pid()) == Some('T')).then_some(()));
    let run = scene.ask("ping").expect(125).says("it is stopped or very busy");
    assert_eq!(run.stderr.lines().count(), 1);
    running.send(nix::libc::SIGCONT);
    kill(&scene, running);
}
