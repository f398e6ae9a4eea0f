//! Clients that are many, slow, wrong or somebody else's. None may cost the guardian more than a moment.

use crate::fixture::{Driven, Guardian, ask, connect, read_all};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sentinel::clock::Timestamp;
use sentinel::control::server::MAX_CLIENTS;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::Command;

const START: Timestamp = Timestamp::from_millis(1000);

#[test]
fn a_hundred_idle_clients_keep_nobody_waiting() {
    let guardian = Guardian::start();
    let idle: Vec<_> = (0..100).map(|_| connect(&guardian.path())).collect();
    assert_eq!(ask(&guardian.path(), b"ping\n"), "you said ping\n");
    drop(idle);
}

#[test]
fn idle_clients_are_told_and_dropped_after_ten_seconds() {
    let mut driven = Driven::new();
    let mut silent = driven.connect();
    let mut halfway = driven.connect();
    halfway.write_all(b"stat").unwrap();
    driven.turn(START);
    assert_eq!(driven.server.next_deadline(), Some(Timestamp::from_millis(11_000)));
    halfway.write_all(b"u").unwrap();
    driven.turn(Timestamp::from_millis(10_999));
    // A byte now and then buys no time.
    driven.turn(Timestamp::from_millis(11_000));
    let told = "error: no request within 10 s; try: help\n";
    assert_eq!((read_all(&mut silent), read_all(&mut halfway)), (told.into(), told.into()));
    assert_eq!(driven.server.next_deadline(), None);
}

#[test]
fn when_full_the_oldest_idle_client_makes_room() {
    let mut driven = Driven::new();
    let mut idle: Vec<_> = Vec::new();
    for _ in 0..MAX_CLIENTS {
        idle.push(driven.connect());
        driven.turn(START);
    }
    idle[0].write_all(b"ps\n").unwrap();
    let asked = driven.turn(START);
    let mut late = driven.connect();
    late.write_all(b"ping\n").unwrap();
    let pinged = driven.turn(START);
    driven.server.reply(pinged[0].0, true, "pong".to_owned());
    assert_eq!(read_all(&mut late), "pong\n");
    assert_eq!(read_all(&mut idle[1]), "error: dropped: there are too many clients\n");
    driven.server.reply(asked[0].0, true, "the oldest had asked".to_owned());
    assert_eq!(read_all(&mut idle[0]), "the oldest had asked\n");
}

#[test]
fn when_full_of_busy_clients_a_new_one_is_turned_away() {
    let mut driven = Driven::new();
    let mut busy: Vec<_> = Vec::new();
    for _ in 0..MAX_CLIENTS {
        busy.push(driven.connect());
        busy.last_mut().unwrap().write_all(b"watch\n").unwrap();
        driven.turn(START);
    }
    let mut late = driven.connect();
    driven.turn(START);
    assert_eq!(read_all(&mut late), "error: too many clients\n");
    assert_eq!(driven.server.has_watchers().text, MAX_CLIENTS);
    assert_eq!(driven.server.take_notices(), ["mailbox: too many clients"]);
}

#[test]
fn a_client_that_never_reads_its_answer_is_dropped() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    client.write_all(b"ps\n").unwrap();
    let asked = driven.turn(START);
    driven.server.reply(asked[0].0, true, "p".repeat(1 << 20));
    driven.turn(START);
    assert_eq!(driven.server.next_deadline(), Some(Timestamp::from_millis(11_000)));
    driven.turn(Timestamp::from_millis(11_000));
    assert_eq!(driven.server.next_deadline(), None);
    assert!(read_all(&mut client).len() < 1 << 20);
}

#[test]
fn random_bytes_are_answered_with_one_line_each() {
    let guardian = Guardian::start();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..200 {
        let mut bytes = Vec::new();
        for _ in 0..round * 7 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(state.to_le_bytes()[0]);
        }
        let mut client = connect(&guardian.path());
        // The answer may come, and the connection end, before all is written.
        let _ = client.write_all(&bytes).and_then(|()| client.write_all(b"\n"));
        let mut answer = Vec::new();
        let end = client.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("error: ") && answer.ends_with('\n'), "{answer:?} {end:?}");
        assert_eq!(answer.lines().count(), 1, "{answer:?}");
        assert!(!answer.trim_end().contains(char::is_control), "{answer:?}");
    }
    assert_eq!(ask(&guardian.path(), b"ping\n"), "you said ping\n");
}

#[test]
fn a_line_of_ten_thousand_bytes_is_answered_and_the_answer_is_not_lost() {
    let guardian = Guardian::start();
    for _ in 0..50 {
        let mut client = connect(&guardian.path());
        let _ = client.write_all(&[b'x'; 10_000]);
        assert_eq!(
            read_all(&mut client),
            "error: the request is longer than 1024 bytes; try: help\n"
        );
    }
}

#[test]
fn a_thousand_rapid_connections_are_all_answered() {
    let guardian = Guardian::start();
    let path = guardian.path();
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || {
                (0..250).filter(|_| ask(&path, b"ping\n") == "you said ping\n").count()
            })
        })
        .collect();
    assert_eq!(askers.into_iter().map(|asker| asker.join().unwrap()).sum::<usize>(), 1000);
    for _ in 0..1000 {
        drop(connect(&path));
    }
    assert_eq!(ask(&path, b"ping\n"), "you said ping\n");
}

/// Runs alone in a process of its own: it takes all descriptors.
#[test]
#[ignore = "run by without_descriptors_the_server_rests"]
fn without_descriptors() {
    let mut driven = Driven::new();
    let mut client = driven.connect();
    client.write_all(b"ping\n").unwrap();
    let free = driven.connect();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, u64::try_from(free.as_raw_fd()).unwrap() + 1, hard).unwrap();
    assert_eq!(driven.turn(START), [], "nobody can be accepted, and it does not spin");
    let notices = driven.server.take_notices();
    assert!(notices[0].contains("cannot accept: Too many open files"), "{notices:?}");
    let wakes = Timestamp::from_millis(2000);
    assert_eq!(driven.server.next_deadline(), Some(wakes));
    assert_eq!(driven.turn(wakes), [], "still none");
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let asked = driven.turn(Timestamp::from_millis(3000));
    driven.server.reply(asked[0].0, true, "pong".to_owned());
    assert_eq!(read_all(&mut client), "pong\n");
}

#[test]
fn without_descriptors_the_server_rests() {
    let alone = ["--exact", "hostile::without_descriptors", "--ignored", "--test-threads=1"];
    let output = Command::new(std::env::current_exe().unwrap()).args(alone).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
