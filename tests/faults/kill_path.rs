//! The system calls between the end of the grace period and SIGKILL.

use crate::support::{Running, Scene, python, skip};
use crate::{attach, has_strace};
use std::io::Write as _;
use std::os::unix::net::UnixStream;

/// A family that does not listen: many members, so that a walk over them would be seen.
const FAMILY: &str = r"
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(20):
    if os.fork() == 0:
        time.sleep(1000)
print('ready', flush=True)
time.sleep(1000)
";

/// What a kill in a cgroup may do: note the time, write, signal by an open handle.
const ALLOWED: [&str; 5] =
    ["getrusage", "pwrite64", "pidfd_send_signal", "clock_gettime", "gettimeofday"];

#[test]
fn sigkill_opens_forks_and_maps_nothing() {
    if has_strace() {
        kills_straight(&[]);
    }
}

#[test]
fn nor_does_it_where_a_trace_is_written() {
    if has_strace() {
        kills_straight(&["--record", "trace.jsonl"]);
    }
}

fn kills_straight(more: &[&str]) {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let options = [&["--socket", &socket, "--grace", "3s"], more].concat();
    let mut sentinel = scene.guarded(&options, &[python(), "-c", FAMILY]);
    sentinel.current_dir(scene.dir());
    let guardian = Running::start(&mut sentinel);
    guardian.await_out("ready");
    let strace = attach(&scene, &guardian, &["-y"]);
    // Nobody waits for the answer: under strace in a slow guest it took longer than a client does.
    let mut client = UnixStream::connect(&socket).unwrap();
    client.write_all(b"terminate\n").unwrap();
    let run = guardian.finish().expect(137);
    drop(client);
    strace.finish();
    if run.stderr.contains("tier polled") {
        return skip("without a cgroup SIGKILL goes to one process after the other");
    }
    let trace = scene.read("trace");
    let calls: Vec<&str> = trace.lines().collect();
    let kill = calls.iter().position(|call| call.contains("/cgroup.kill>, \"1\"")).unwrap();
    // The decision begins with a count of page faults; in the turn before it another guardian may have knocked, to see who lives.
    let decided = calls[..kill].iter().rposition(|call| call.starts_with("getrusage(")).unwrap();
    let before = &calls[decided - 1];
    let child = calls[kill..].iter().position(|call| call.starts_with("pidfd_send_signal("));
    let way = &calls[decided..=kill + child.unwrap()];
    println!("{before}, and then {way:#?}");
    for call in way {
        let name = call.split('(').next().unwrap_or_default();
        assert!(ALLOWED.contains(&name), "{call} in {way:#?}");
    }
}
