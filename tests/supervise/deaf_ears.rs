//! Whoever does not listen to sentinel's own lines, or cannot, must not hold up an ending.

use crate::support::{Run, Running, Scene, is_alive, is_root, skip, until};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// Writes until nothing more goes in.
fn fill(end: impl AsFd) {
    let file = File::from(end.as_fd().try_clone_to_owned().unwrap());
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL).unwrap());
    fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    for size in [4096, 1] {
        while (&file).write(&vec![b'x'; size]).is_ok() {}
    }
    fcntl(&file, FcntlArg::F_SETFL(flags)).unwrap();
}

/// A timeout with a workload that says where it is.
fn timed(scene: &Scene) -> Command {
    let record = scene.text_path("record.json");
    let pid = scene.text_path("pid");
    let script = "echo $$ > \"$0\"; exec sleep 100000";
    scene.guarded(&["--timeout", "1s", "--json", &record], &["sh", "-c", script, &pid])
}

/// It ends, and everything is done that does not need anybody to listen.
fn ends(scene: &Scene, command: &mut Command, stderr: impl Into<Stdio>) -> Run {
    let running = Running::start(command.stderr(stderr));
    // The command holds the descriptors that were handed over.
    command.stderr(Stdio::null());
    let run = running.finish().expect(143);
    // On a busy machine its time may be over before it has said where it is; what a scene leaves is looked for in any case.
    assert!(scene.read("pid").trim().parse().map_or(true, |pid: u32| !is_alive(pid)));
    assert_eq!(scene.record()["outcome"]["reason"], "timeout");
    run
}

#[test]
fn a_full_pipe_that_nobody_reads() {
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    ends(&scene, &mut timed(&scene), writer);
    drop(reader);
}

#[test]
fn a_full_socket_that_nobody_reads() {
    let scene = Scene::new();
    let (reader, writer) = UnixStream::pair().unwrap();
    fill(&writer);
    ends(&scene, &mut timed(&scene), OwnedFd::from(writer));
    drop(reader);
}

/// It cannot be opened anew by who did not make it.
#[test]
fn another_user_s_full_pipe() {
    if !is_root() {
        return skip("only root can become somebody else");
    }
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    for name in ["record.json", "pid"] {
        let path = scene.write(name, "");
        std::os::unix::fs::chown(path, Some(65534), None).unwrap();
    }
    let timed = timed(&scene);
    let mut sentinel = scene.as_nobody(timed.get_program());
    ends(&scene, sentinel.args(timed.get_args()), writer);
    drop(reader);
}

/// The workload itself hangs in the same pipe.
#[test]
fn a_workload_that_fills_the_pipe_itself() {
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let record = scene.text_path("record.json");
    let script = "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >&2; done";
    let options = ["--timeout", "1s", "--json", &record];
    let mut sentinel = scene.guarded(&options, &["sh", "-c", script]);
    let running = Running::start(sentinel.stderr(writer));
    drop(sentinel);
    running.finish().expect(143);
    drop(reader);
}

#[test]
fn a_terminal_that_is_stopped() {
    let scene = Scene::new();
    let (master, slave) = crate::support::pty::pair(24, 80);
    nix::sys::termios::tcflow(&slave, nix::sys::termios::FlowArg::TCOOFF).unwrap();
    ends(&scene, &mut timed(&scene), slave);
    drop(master);
}

#[test]
fn a_pipe_whose_reader_left() {
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    ends(&scene, &mut timed(&scene), writer);
}

#[test]
fn a_device_that_takes_nothing() {
    let scene = Scene::new();
    ends(&scene, &mut timed(&scene), File::options().write(true).open("/dev/full").unwrap());
}

#[test]
fn a_closed_stderr() {
    let scene = Scene::new();
    let mut closed = scene.through(&["sh", "-c", "exec \"$@\" 2>&-", "sh"], &timed(&scene));
    ends(&scene, &mut closed, Stdio::null());
}

/// Lines that could not be said are said when somebody listens, in order and whole. At the end nobody is waited for for long: who
/// listens has begun before.
#[test]
fn who_listens_late_hears_everything() {
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    let mut sentinel = timed(&scene);
    let running = Running::start(sentinel.stderr(writer));
    drop(sentinel);
    until("the workload runs", || scene.read("pid").ends_with('\n'));
    let (heard, listening) = crate::support::process::Heard::to(reader);
    running.finish().expect(143);
    until("all is read", || listening.is_finished());
    let heard = heard.bytes();
    let heard = String::from_utf8(heard).unwrap();
    let heard = heard.trim_start_matches('x');
    for needle in [
        "sentinel: tier ",
        "reached its timeout of 1.0s: sent SIGTERM",
        "(exit 143)\n",
        "sentinel: ran ",
    ] {
        assert!(heard.contains(needle), "{needle:?}: {heard}");
    }
}
