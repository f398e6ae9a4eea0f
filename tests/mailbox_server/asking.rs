//! Well-meaning clients: one line, one answer, the end.

use crate::fixture::{Driven, Guardian, LONG_ANSWER, ask, connect, dead_socket, read_all};
use sentinel::clock::Timestamp;
use sentinel::control::client::exchange;
use sentinel::control::protocol::Request;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;

#[test]
fn one_line_one_answer() {
    let guardian = Guardian::start();
    assert_eq!(ask(&guardian.path(), b"status\n"), "you said status\n");
    assert_eq!(ask(&guardian.path(), b" STATUS JSON \r\n"), "you said status\n");
    assert_eq!(ask(&guardian.path(), b"thaw\n"), "error: it is not frozen\n");
    assert!(ask(&guardian.path(), b"help\n").contains("set memory"));
    assert_eq!(
        ask(&guardian.path(), b"stauts\n"),
        "error: unknown request stauts, did you mean status; try: help\n"
    );
}

#[test]
fn the_end_of_input_is_the_end_of_the_line() {
    let guardian = Guardian::start();
    let mut client = connect(&guardian.path());
    client.write_all(b"status").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), "you said status\n");
    let mut silent = connect(&guardian.path());
    silent.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut silent), "");
}

#[test]
fn byte_at_a_time() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    let mut asked = Vec::new();
    for byte in b"set grace 10s\n" {
        assert_eq!(asked, []);
        client.write_all(&[*byte]).unwrap();
        asked = driven.turn(Timestamp::default());
    }
    let [(id, Request::SetGrace(_))] = asked[..] else { panic!("{asked:?}") };
    driven.server.reply(id, true, "grace is 10s".to_owned());
    assert_eq!(read_all(&mut client), "grace is 10s\n");
}

#[test]
fn a_long_answer_comes_whole() {
    let guardian = Guardian::start();
    let answer = ask(&guardian.path(), b"ps\n");
    assert_eq!(answer.len(), LONG_ANSWER + 1);
}

#[test]
fn an_answer_that_is_too_long_is_a_refusal() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    client.write_all(b"ps json\n").unwrap();
    let asked = driven.turn(Timestamp::default());
    driven.server.reply(asked[0].0, true, "x".repeat((1 << 20) + 1));
    assert_eq!(read_all(&mut client), "error: the answer is too long\n");
}

#[test]
fn who_asks_and_leaves_at_once_is_heard() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    client.write_all(b"terminate\n").unwrap();
    drop(client);
    let asked = driven.turn(Timestamp::default());
    assert!(matches!(asked[..], [(_, Request::Terminate)]), "{asked:?}");
    // Too late for it, and no harm.
    driven.server.reply(asked[0].0, true, "terminating".to_owned());
    assert_eq!(driven.turn(Timestamp::default()), []);
}

#[test]
fn the_answers_on_their_way_leave_before_the_end() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    client.write_all(b"ps\n").unwrap();
    let asked = driven.turn(Timestamp::default());
    driven.server.reply(asked[0].0, true, "p".repeat(LONG_ANSWER));
    let reader = std::thread::spawn(move || read_all(&mut client).len());
    let path = driven.place.default_path();
    driven.server.shutdown().unwrap();
    assert_eq!(reader.join().unwrap(), LONG_ANSWER + 1);
    assert!(!path.exists());
}

#[test]
fn a_client_that_does_not_read_delays_the_end_by_a_moment_only() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    client.write_all(b"ps\n").unwrap();
    let asked = driven.turn(Timestamp::default());
    driven.server.reply(asked[0].0, true, "p".repeat(LONG_ANSWER));
    // Would hang here if it waited for the client.
    driven.server.shutdown().unwrap();
    assert!(read_all(&mut client).len() < LONG_ANSWER);
}

fn ctl(path: &std::path::Path, words: &[&str]) -> (anyhow::Result<u8>, String, String) {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = exchange(path, &words, &mut out, &mut err);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn ctl_shows_the_answer() {
    let guardian = Guardian::start();
    let (status, out, err) = ctl(&guardian.path(), &["set", "grace", "10s"]);
    assert_eq!((status.unwrap(), out.as_str(), err.as_str()), (0, "you said set grace\n", ""));
    let (status, out, _) = ctl(&guardian.path(), &["ps"]);
    assert_eq!((status.unwrap(), out.len()), (0, LONG_ANSWER + 1));
    let (status, out, err) = ctl(&guardian.path(), &["thaw"]);
    let expected = (1, "", "error: it is not frozen\n");
    assert_eq!((status.unwrap(), out.as_str(), err.as_str()), expected);
    for words in [&["x\ny"][..], &[], &[&"x".repeat(2000)]] {
        assert!(ctl(&guardian.path(), words).0.is_err(), "{words:?}");
    }
}

#[test]
fn ctl_says_why_nobody_answers() {
    let place = crate::fixture::Place::new();
    let absent = place.path("absent.socket");
    let says = |words: &[&str], path| format!("{:#}", ctl(path, words).0.unwrap_err());
    assert!(says(&["ping"], &absent).contains("there is no such file"));
    let dead = place.path("dead.socket");
    dead_socket(&dead);
    assert!(says(&["ping"], &dead).contains("is gone"));
    let shy = place.path("shy.socket");
    let listener = UnixListener::bind(&shy).unwrap();
    let closing = std::thread::spawn(move || drop(listener.accept().unwrap()));
    assert!(says(&["ping"], &shy).contains("closed without an answer"));
    closing.join().unwrap();
    let deaf = place.path("deaf.socket");
    let _listener = UnixListener::bind(&deaf).unwrap();
    assert!(says(&["ping"], &deaf).contains("no answer in 5 s"));
}

/// A reader that left.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn ctl_is_quiet_when_its_reader_has_left() {
    let guardian = Guardian::start();
    let watch = ["watch".to_owned()];
    assert_eq!(exchange(&guardian.path(), &watch, &mut Closed, &mut Closed).unwrap(), 0);
}

#[test]
fn ctl_lets_no_escape_sequence_through() {
    let place = crate::fixture::Place::new();
    let path = place.path("odd.socket");
    let listener = UnixListener::bind(&path).unwrap();
    let odd = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"a\x1b[2Jb\tc\n").unwrap();
        read_all(&mut stream)
    });
    assert_eq!(ctl(&path, &["status"]).1, "a[2Jb\tc\n");
    assert_eq!(odd.join().unwrap(), "status\n");
}
