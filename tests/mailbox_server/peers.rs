//! The programs that people ask with, as installed here: each must print the answer and return.

use crate::fixture::{Guardian, LONG_ANSWER, PATIENCE, access, skipped};
use sentinel::control::server::Access;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

/// False, and noted, if the program is missing.
fn have(program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    });
    if !found {
        skipped(&format!("mailbox_server: {program} is not installed"));
    }
    found
}

/// What the program prints, given `input`, until it returns by itself. With `open` its stdin stays open, as at a terminal.
fn run(arguments: &[&str], input: &[u8], open: bool) -> String {
    let mut child = Command::new(arguments[0])
        .args(&arguments[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have left already.
    let _ = stdin.write_all(input);
    let kept = open.then_some(stdin);
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).unwrap();
        stderr.read_to_string(&mut err).unwrap();
        done.send(out + &err).unwrap();
    });
    let printed = finished.recv_timeout(PATIENCE);
    if printed.is_err() {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    drop(kept);
    printed.unwrap_or_else(|_| panic!("{arguments:?} does not return"))
}

const ASK_AND_READ: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
if len(sys.argv) > 2: s.shutdown(socket.SHUT_WR)
while data := s.recv(4096): sys.stdout.buffer.write(data)
";

/// Ways to ask with stdin from a pipe: those that close their writing side when it ends, and those that do not.
fn ways(path: &str) -> Vec<(bool, Vec<String>)> {
    let unix = format!("UNIX-CONNECT:{path}");
    let none = format!("UNIX-CONNECT:{path},shut-none");
    let ways: [(bool, &[&str]); 11] = [
        (true, &["nc.openbsd", "-N", "-U", path]),
        (false, &["nc.openbsd", "-U", path]),
        (false, &["nc.openbsd", "-q", "1", "-U", path]),
        (false, &["nc.openbsd", "-w", "5", "-U", path]),
        (true, &["ncat", "-U", path]),
        (false, &["ncat", "--no-shutdown", "-U", path]),
        (true, &["socat", "-t", "5", "-", &unix]),
        (true, &["socat", "-T", "5", "STDIO", &unix]),
        (false, &["socat", "-t", "5", "-", &none]),
        (false, &["python3", "-c", ASK_AND_READ, path]),
        (true, &["python3", "-c", ASK_AND_READ, path, "half-close"]),
    ];
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    ways.iter().map(|(closes, words)| (*closes, owned(words))).collect()
}

fn each_way(path: &Path, check: impl Fn(bool, &[&str])) {
    for (closes, words) in ways(path.to_str().unwrap()) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        if have(words[0]) {
            check(closes, &words);
        }
    }
}

#[test]
fn each_prints_the_answer_and_returns() {
    let guardian = Guardian::start();
    each_way(&guardian.path(), |closes, words| {
        assert_eq!(run(words, b"status\n", false), "you said status\n", "{words:?}");
        assert_eq!(run(words, b"thaw\r\n", false), "error: it is not frozen\n", "{words:?}");
        if closes {
            assert_eq!(run(words, b"status", false), "you said status\n", "{words:?}");
        }
    });
}

#[test]
fn each_prints_a_long_answer_whole() {
    let guardian = Guardian::start();
    each_way(&guardian.path(), |_, words| {
        assert_eq!(run(words, b"ps\n", false).len(), LONG_ANSWER + 1, "{words:?}");
    });
}

#[test]
fn what_comes_behind_the_request_does_not_cost_the_answer() {
    let guardian = Guardian::start();
    let input = [&b"status\n"[..], &[b'x'; 3000]].concat();
    each_way(&guardian.path(), |_, words| {
        let printed = run(words, &input, false);
        assert!(printed.starts_with("you said status\n"), "{words:?}: {printed:?}");
    });
}

/// ncat 7.93 is not among them: it stays until its own stdin ends, whatever the other side does.
#[test]
fn at_a_terminal_netcat_returns_when_the_answer_is_there() {
    let guardian = Guardian::start();
    let path = guardian.path();
    if have("nc.openbsd") {
        let words = ["nc.openbsd", "-U", path.to_str().unwrap()];
        assert_eq!(run(&words, b"status\n", true), "you said status\n");
    }
}

/// The words before a command that make it somebody else, if we may do that.
fn as_nobody() -> Option<&'static [&'static str]> {
    if !nix::unistd::geteuid().is_root() {
        skipped("mailbox_server: only root can ask as somebody else");
        return None;
    }
    let words: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    have("setpriv").then_some(words)
}

fn ask_as_nobody(path: &Path, input: &[u8]) -> Option<String> {
    let words = [as_nobody()?, &["nc.openbsd", "-N", "-U", path.to_str().unwrap()]].concat();
    have("nc.openbsd").then(|| run(&words, input, false))
}

#[test]
fn others_cannot_even_connect() {
    let guardian = Guardian::start();
    let Some(printed) = ask_as_nobody(&guardian.path(), b"status\n") else { return };
    assert!(printed.contains("Permission denied"), "{printed:?}");
}

#[test]
fn others_who_can_connect_are_refused_and_that_is_told() {
    let guardian = Guardian::start();
    let everybody = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(guardian.path(), everybody).unwrap();
    let refused = "error: only uid 0 and root may use this mailbox, not uid 65534\n";
    for request in ["status\n", "kill\n", "help\n", "nonsense\n"] {
        let Some(printed) = ask_as_nobody(&guardian.path(), request.as_bytes()) else { return };
        assert_eq!(printed, refused, "{request}");
    }
    let log = guardian.stop();
    assert_eq!(log[0], "mailbox: refused uid 65534, who asked for status");
    assert_eq!(log.len(), 4, "{log:?}");
}

#[test]
fn others_may_read_where_they_are_let() {
    let guardian = Guardian::start_with(Access { others_may_read: true, ..access() });
    let Some(printed) = ask_as_nobody(&guardian.path(), b"status\n") else { return };
    assert_eq!(printed, "you said status\n");
    let refused = "error: only uid 0 and root may change anything here, not uid 65534\n";
    assert_eq!(ask_as_nobody(&guardian.path(), b"kill\n").unwrap(), refused);
}
