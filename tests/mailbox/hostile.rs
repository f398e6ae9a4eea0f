//! Requests that are none: each gets one line or nothing, and the guardian goes on.

use crate::states::{FOREVER, kill};
use crate::support::Scene;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// What comes back for these bytes. With `half` the writing side is closed behind them.
fn send(scene: &Scene, bytes: &[u8], half: bool) -> String {
    let mut stream = UnixStream::connect(scene.socket()).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    // A guardian that has heard enough need not read the rest.
    let _ = stream.write_all(bytes);
    if half {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn is_one_plain_line(text: &str) -> bool {
    text.ends_with('\n') && !text.trim_end_matches('\n').chars().any(char::is_control)
}

#[test]
fn lines_that_are_no_request() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let junk: Vec<u8> = (0..=255).rev().filter(|byte| *byte != b'\n').collect();
    let long = [&[b'x'; 5000][..], b"\n"].concat();
    let endless = vec![b'y'; 300_000];
    let rows: [(&[u8], &str); 11] = [
        (b"\n", "the request is empty"),
        (b"   \t \n", "the request is empty"),
        (b"\r\n", "the request is empty"),
        (&long, "is longer than 1024 bytes"),
        (&endless, "is longer than 1024 bytes"),
        (&junk, "unknown request"),
        (b"\0\0\0\0\n", "unknown request"),
        (b"\x1b[2J\x1b]0;title\x07\n", "unknown request"),
        ("pıng\n".as_bytes(), "unknown request"),
        (b"status\0\n", "unknown request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "unknown request"),
    ];
    for (bytes, needle) in rows {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let answer = send(&scene, bytes, true);
        assert!(answer.starts_with("error: ") && answer.contains(needle), "{shown:?}: {answer:?}");
        assert!(is_one_plain_line(&answer), "{shown:?}: {answer:?}");
        scene.ask("ping").expect(0);
    }
    kill(&scene, running);
}

#[test]
fn one_request_one_answer() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    assert_eq!(send(&scene, b"ping\nkill\nterminate\n", false), "pong\n");
    assert_eq!(send(&scene, b"ping", true), "pong\n", "the end of input ends the line");
    assert_eq!(send(&scene, b"  PiNg  \r\n", false), "pong\n");
    assert_eq!(send(&scene, b"ping \n", true), "pong\n");
    kill(&scene, running);
}

/// Half a `kill` is none.
#[test]
fn a_client_that_leaves_early_has_asked_nothing() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    for bytes in [&b""[..], b"ki", b"status\n", b"watch json\n"] {
        for _ in 0..20 {
            let mut stream = UnixStream::connect(scene.socket()).unwrap();
            stream.write_all(bytes).unwrap();
            drop(stream);
        }
        scene.ask("ping").expect(0);
    }
    kill(&scene, running);
}

#[test]
fn a_byte_at_a_time_is_a_request_all_the_same() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let mut stream = UnixStream::connect(scene.socket()).unwrap();
    for byte in b"ping\n" {
        stream.write_all(&[*byte]).unwrap();
        scene.ask("ping").expect(0);
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "pong\n");
    kill(&scene, running);
}

/// What a workload calls itself is shown escaped.
#[test]
fn names_of_the_workload_are_no_instructions() {
    let scene = Scene::new();
    let script = "printf '\\033[31m\\nevil' > /proc/$$/comm; echo set; read x";
    let mut sentinel = scene.guarded(
        &["--socket", &scene.text_path("s.socket")],
        &["sh", "-c", script, "\u{1b}[2J", "two\nparts"],
    );
    let running = crate::support::Running::start(sentinel.stdin(std::process::Stdio::piped()));
    running.await_out("set");
    for verb in ["ps", "status", "ps json", "status json", "events"] {
        let run = scene.ask(verb).expect(0);
        assert!(!run.out.contains(&0x1b), "{verb}: {run:?}");
        assert!(!run.stdout().contains("\nevil") && !run.stdout().contains("\nparts"), "{run:?}");
    }
    let table = scene.ask("ps").stdout();
    assert!(table.contains("\\u{1b}[31m\\nevil"), "{table}");
    kill(&scene, running);
}
