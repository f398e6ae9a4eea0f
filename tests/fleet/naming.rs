//! `sentinel ctl` and `status`: who is meant by a name, by a process id, and where nobody is named.

use crate::stage::Stage;
use nix::libc::SIGTERM;

const FOREVER: [&str; 2] = ["sleep", "100000"];

#[test]
fn by_name_by_its_id_and_by_its_command_s() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &FOREVER);
    let two = stage.guard("two", &[], &FOREVER);
    let json = stage.run(&["status", "two", "--json"]).expect(0).stdout();
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status["guardian_pid"], two.pid());
    let (pid, child) = (two.pid().to_string(), status["child_pid"].to_string());
    for who in ["two", &pid, &child, &format!("two-{pid}")] {
        let text = stage.run(&["status", who]).expect(0).stdout();
        assert!(text.contains(&format!("(pid {pid})")), "{who}: {text}");
    }
    stage.run(&["ctl", "--guardian", "two", "terminate"]).expect(0);
    two.finish().expect(143);
    assert_eq!(stage.run(&["ctl", "-g", "one", "ping"]).expect(0).stdout(), "pong\n");
    one.send(SIGTERM);
    one.finish().expect(143);
}

#[test]
fn a_name_that_two_have_is_refused() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("same", &[], &FOREVER);
    let two = stage.guard("same", &["--socket", "/tmp/other.socket"], &FOREVER);
    crate::support::until("both are there", || stage.ps(&[]).stdout().lines().count() == 3);
    let run = stage.run(&["status", "same"]).expect(125).says("2 guardians are called same: same-");
    assert!(run.stderr.contains(&format!("same-{}", two.pid())), "{run:?}");
    stage.run(&["status", &one.pid().to_string()]).expect(0);
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
}

/// Who only looks gets the only one there is; who thought of one that has ended must not end another.
#[test]
fn where_nobody_is_at_the_default_place() {
    let Some(stage) = Stage::open() else { return };
    stage
        .run(&["status"])
        .expect(125)
        .says("no guardian at /tmp/sentinel.socket: there is no such");
    let one = stage.guard("one", &["--socket", "/tmp/other.socket"], &FOREVER);
    let full = format!("one-{}", one.pid());
    let text = stage.run(&["status"]).expect(0).says(&format!("asking {full}, the only one"));
    assert!(text.stdout().starts_with("command "), "{text:?}");
    let refused = format!("if you mean the only other one, add --guardian {full}");
    for verb in ["kill", "terminate", "freeze"] {
        stage.run(&["ctl", verb]).expect(125).says(&refused);
    }
    let two = stage.guard("two", &["--socket", "/tmp/third.socket"], &FOREVER);
    stage.run(&["status"]).expect(125).says("choose one with --guardian: one-");
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
}
