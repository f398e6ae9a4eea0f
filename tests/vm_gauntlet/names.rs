//! A workload whose name is full of escape sequences, in everything that the mailbox answers.

use crate::judge::strings;
use crate::machine::{self, WORK};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn names_are_escaped_wherever_they_are_shown() {
    machine::require();
    let program = |name: &str| std::env::var(name).unwrap();
    let socket = format!("{WORK}/names.socket");
    let mut guardian = Command::new(program("SENTINEL_BIN"));
    guardian.args(["--plain", "--socket", &socket, "--", &program("SENTINEL_HOG"), "rename"]);
    guardian.args(["--cap", "1M"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut guardian = guardian.spawn().unwrap();
    let ask = |request: &[&str]| {
        let mut ctl = Command::new(program("SENTINEL_BIN"));
        ctl.args(["ctl", "--socket", &socket]).args(request).output().unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    // The name begins with ESC, as does what comes of it: until then the workload has not taken it.
    while !String::from_utf8_lossy(&ask(&["ps"]).stdout).contains("[2J") {
        assert!(Instant::now() < deadline, "the name is not shown: {:?}", ask(&["ps"]));
        std::thread::sleep(Duration::from_millis(50));
    }
    for request in [&["ps"][..], &["ps", "json"], &["status"], &["status", "json"], &["events"]] {
        let answer = ask(request);
        assert!(answer.status.success(), "{request:?}: {answer:?}");
        let text = String::from_utf8(answer.stdout).unwrap();
        assert!(is_plain(text.trim_end_matches('\n')), "{request:?}: {text:?}");
    }
    assert!(ask(&["kill"]).status.success());
    guardian.wait().unwrap();
}

/// No control characters but the ends of lines, and none in what JSON holds: there an escape comes alive when it is read.
fn is_plain(text: &str) -> bool {
    let texts = serde_json::from_str(text);
    let texts = texts.map_or_else(|_| text.lines().map(str::to_owned).collect(), owned_strings);
    texts.iter().all(|text| !text.contains(char::is_control))
}

fn owned_strings(value: serde_json::Value) -> Vec<String> {
    strings(&value).into_iter().map(str::to_owned).collect()
}
