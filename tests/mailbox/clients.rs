//! The programs that people ask with: each prints the whole answer and returns.

use crate::support::{Running, Scene, binary, has_program, skip, until};
use std::process::Stdio;

/// A program's words, and whether it is given the request on its standard input.
type Way = (Vec<String>, bool);

fn ways(path: &str) -> Vec<Way> {
    let sentinel = binary();
    let unix = format!("UNIX-CONNECT:{path}");
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    // What `nc` is differs from system to system, and one of its kinds knows no Unix sockets.
    let nc = if has_program("nc.openbsd") { "nc.openbsd" } else { "nc" };
    vec![
        (own(&[&sentinel, "ctl", "--socket", path]), false),
        (own(&[nc, "-U", path]), true),
        (own(&[nc, "-N", "-U", path]), true),
        (own(&["socat", "-", &unix]), true),
        (own(&["ncat", "-U", path]), true),
    ]
}

/// What this way prints for a request.
fn ask_by(scene: &Scene, (words, by_stdin): &Way, request: &str) -> String {
    let mut program = scene.program(&words[0]);
    program.args(&words[1..]);
    if *by_stdin {
        program.stdin(Stdio::piped());
    } else {
        program.args(request.split(' '));
    }
    let mut running = Running::start(&mut program);
    if *by_stdin {
        running.type_line(request);
    }
    running.finish().expect(0).stdout()
}

/// Every way gets the whole status, in which this is said, and programs get it as JSON.
#[track_caller]
pub fn all_answer(scene: &Scene, needle: &str) {
    // There is a mailbox before the command runs.
    until("it says so", || scene.ask("status").stdout().contains(needle));
    for way in ways(&scene.text_path("s.socket")) {
        if !has_program(&way.0[0]) && !way.0[0].contains('/') {
            skip(&format!("{} is not installed", way.0[0]));
            continue;
        }
        assert_eq!(ask_by(scene, &way, "ping"), "pong\n", "{way:?}");
        let status = ask_by(scene, &way, "status");
        assert!(status.starts_with("command ") && status.contains(needle), "{way:?}: {status}");
        assert!(status.lines().last().unwrap().starts_with("guardian "), "whole: {status}");
        let json = ask_by(scene, &way, "status json");
        let status: sentinel::status::Status = serde_json::from_str(&json).unwrap();
        assert_eq!(status.schema, sentinel::status::SCHEMA_VERSION);
    }
    let mut status = scene.sentinel();
    status.args(["status", "--socket", &scene.text_path("s.socket")]);
    let run = Running::start(&mut status).finish().expect(0);
    assert!(run.stdout().contains(needle), "{run:?}");
}

/// What `sentinel ctl status json` says.
pub fn status(scene: &Scene) -> sentinel::status::Status {
    serde_json::from_str(&scene.ask("status json").expect(0).stdout()).unwrap()
}
