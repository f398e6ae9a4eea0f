//! Clients that stay: `watch`, and the dashboard on a socket pair.

use crate::fixture::{Driven, PATIENCE, connect, read_all, status_line};
use sentinel::clock::Timestamp;
use sentinel::control::protocol::Request;
use sentinel::control::server::Watchers;
use sentinel::status::{EventLine, Level, WatchLine};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

const NOW: Timestamp = Timestamp::from_millis(1000);

fn line(reader: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line
}

fn event(text: &str) -> WatchLine {
    WatchLine::Event(EventLine { at_ms: 1, level: Level::Info, text: text.to_owned() })
}

#[test]
fn each_gets_its_kind_of_line() {
    let mut driven = Driven::new();
    let mut text = BufReader::new(driven.connect());
    let mut json = BufReader::new(driven.connect());
    text.get_mut().write_all(b"watch\n").unwrap();
    json.get_mut().write_all(b"watch json\n").unwrap();
    assert_eq!(driven.turn(NOW).len(), 2);
    assert_eq!(driven.server.has_watchers(), Watchers { text: 1, json: 1 });
    driven.server.publish(&status_line());
    driven.server.publish(&event("hello"));
    assert!(line(&mut text).contains("of 100.0M"));
    assert!(line(&mut text).ends_with("info    hello\n"));
    let parsed: WatchLine = serde_json::from_str(&line(&mut json)).unwrap();
    assert_eq!(parsed, status_line());
    let parsed: WatchLine = serde_json::from_str(&line(&mut json)).unwrap();
    assert_eq!(parsed, event("hello"));
    drop((text, json));
    // A process that another test forks at this moment has their ends too, until it runs its program.
    let began = sentinel::clock::Clock::start();
    while driven.server.has_watchers() != Watchers::default() {
        assert!(began.now().0 < PATIENCE, "they are not seen to have left");
        assert_eq!(driven.turn(NOW), []);
        std::thread::yield_now();
    }
}

#[test]
fn the_dashboard_asks_while_it_watches() {
    let mut driven = Driven::new();
    let (near, far) = UnixStream::pair().unwrap();
    let mut dashboard = BufReader::new(far);
    driven.server.adopt(near).unwrap();
    dashboard.get_mut().write_all(b"watch json\nfreeze\nset grace 1s\nnonsense\n").unwrap();
    let asked = driven.turn(NOW);
    let [(id, Request::Watch { json: true }), (_, Request::Freeze)] = asked[..] else {
        panic!("the next one waits for the answer: {asked:?}")
    };
    driven.server.reply(id, true, "frozen\nfor now".to_owned());
    let asked = driven.turn(NOW);
    let [(id, Request::SetGrace(_))] = asked[..] else { panic!("{asked:?}") };
    driven.server.reply(id, false, "no".to_owned());
    assert_eq!(driven.turn(NOW), []);
    let frozen = r#"{"type":"reply","ok":true,"text":"frozen\nfor now"}"#;
    assert_eq!(line(&mut dashboard).trim_end(), frozen);
    assert_eq!(line(&mut dashboard).trim_end(), r#"{"type":"reply","ok":false,"text":"no"}"#);
    let refused = r#"{"type":"reply","ok":false,"text":"unknown request nonsense; try: help"}"#;
    assert_eq!(line(&mut dashboard).trim_end(), refused);
    // No idle deadline.
    assert_eq!(driven.server.next_deadline(), None);
}

#[test]
fn a_stopped_dashboard_loses_lines_and_keeps_its_place() {
    let mut driven = Driven::new();
    let (near, mut far) = UnixStream::pair().unwrap();
    driven.server.adopt(near).unwrap();
    far.write_all(b"watch json\n").unwrap();
    driven.turn(NOW);
    for number in 0..20_000 {
        driven.server.publish(&event(&format!("number {number} {}", "x".repeat(100))));
    }
    driven.turn(Timestamp::from_millis(3_600_000));
    assert_eq!(driven.server.has_watchers().json, 1);
    // What it reads when it goes on: whole lines, in order, with a gap, and the last ones.
    let mut reader = BufReader::new(far.try_clone().unwrap());
    let mut last = String::new();
    while !last.contains("\"the end\"") {
        driven.server.publish(&event("the end"));
        driven.turn(NOW);
        last = line(&mut reader);
        let parsed: WatchLine = serde_json::from_str(&last).unwrap();
        assert!(matches!(parsed, WatchLine::Event(_)));
    }
}

#[test]
fn who_watches_and_never_reads_is_dropped_after_ten_seconds() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    client.write_all(b"watch\n").unwrap();
    driven.turn(NOW);
    // More than the kernel queues, so that some waits here.
    for _ in 0..5000 {
        driven.server.publish(&status_line());
    }
    driven.turn(Timestamp::from_millis(50_000));
    assert_eq!(driven.server.next_deadline(), Some(Timestamp::from_millis(60_000)));
    // Any progress starts the time anew: what it has read, if only some lines, counts when the time is over.
    client.read_exact(&mut [0; 5000]).unwrap();
    driven.turn(Timestamp::from_millis(60_000));
    assert_eq!(driven.server.next_deadline(), Some(Timestamp::from_millis(70_000)));
    driven.turn(Timestamp::from_millis(69_999));
    assert_eq!(driven.server.has_watchers().text, 1);
    driven.turn(Timestamp::from_millis(70_000));
    assert_eq!(driven.server.has_watchers().text, 0);
    assert_eq!(driven.server.next_deadline(), None);
}

#[test]
fn a_watching_client_may_close_its_writing_side() {
    let mut driven = Driven::new();
    let mut client = connect(&driven.place.default_path());
    client.write_all(b"watch").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(driven.turn(NOW).len(), 1);
    driven.server.publish(&event("still there"));
    driven.server.shutdown().unwrap();
    assert!(read_all(&mut client).contains("still there"));
}
