//! `sentinel ps`.

use crate::stage::Stage;
use crate::support::{keeper_of, send, state, until};
use nix::libc::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM};
use serde_json::Value;

const FOREVER: [&str; 2] = ["sleep", "100000"];

#[test]
fn nobody_is_said_and_exits_with_1_as_ps_does() {
    let Some(stage) = Stage::open() else { return };
    let run = stage.ps(&[]).expect(1).says("no guardian is running");
    assert_eq!(run.stdout(), "");
    let run = stage.ps(&["--json"]).expect(1);
    assert_eq!(run.stdout(), "{\"schema\":1,\"guardians\":[]}\n");
    stage.ps(&["nobody"]).expect(125).says("no guardian is called nobody");
    stage.ps(&["4194303"]).expect(125).says("is neither a guardian nor a guarded command");
}

#[test]
fn one_line_for_each() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &["-m", "64M"], &["sh", "-c", "sleep 100000; :"]);
    let two = stage.guard("two", &["--socket", "/tmp/other.socket"], &FOREVER);
    let text = stage.ps(&[]).expect(0).stdout();
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..6], ["NAME", "PID", "STATE", "TIER", "USED", "LIMIT"]);
    assert_eq!(lines.len(), 3, "{text}");
    for (line, name, pid, limit) in
        [(&lines[1], "one", one.pid(), "64.0M"), (&lines[2], "two", two.pid(), "100M")]
    {
        assert_eq!((line[0], line[1]), (name, pid.to_string().as_str()), "{text}");
        assert_eq!((line[2], line[5]), ("running", limit), "{text}");
    }
    assert!(text.lines().nth(1).unwrap().ends_with(" sh -c sleep 100000; :"), "{text}");
    let page: Value = serde_json::from_str(&stage.ps(&["--json"]).expect(0).stdout()).unwrap();
    assert_eq!(page["guardians"][1]["status"]["guardian_pid"], two.pid());
    assert_eq!(page["guardians"][1]["problem"], Value::Null);
    let table = stage.ps(&["one"]).expect(0).stdout();
    assert!(table.contains("PPID") && table.lines().count() == 3, "{table}");
    assert!(table.contains(" sh -c sleep 100000; :"), "command lines: {table}");
    let rows = stage.ps(&[&one.pid().to_string(), "--json"]).expect(0).stdout();
    assert_eq!(serde_json::from_str::<Value>(&rows).unwrap().as_array().unwrap().len(), 2);
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
    stage.ps(&[]).expect(1);
}

#[test]
fn a_stopped_one_is_shown_with_the_reason() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &FOREVER);
    let two = stage.guard("two", &[], &FOREVER);
    two.send(SIGSTOP);
    until("it is stopped", || state(two.pid()) == Some('T'));
    let text = stage.ps(&[]).expect(0).stdout();
    let words = |n: usize| text.lines().nth(n).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(words(1)[..3], ["one", &one.pid().to_string(), "running"], "{text}");
    assert_eq!(words(2)[..3], ["two", &two.pid().to_string(), "silent"], "{text}");
    assert!(text.contains("silent  stopped by a signal"), "{text}");
    two.send(SIGCONT);
    until("it will answer", || !stage.ps(&[]).stdout().contains("silent"));
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
}

#[test]
fn a_dead_one_s_entry_is_not_shown() {
    let Some(stage) = Stage::open() else { return };
    let command = ["sh", "-c", "echo $$; exec sleep 100000"];
    let one = stage.guard("one", &[], &command);
    let child: u32 = one.number_after("");
    send(keeper_of(one.pid()), SIGKILL);
    one.send(SIGKILL);
    until("it is gone", || stage.ps(&[]).code() == 1);
    let path = format!("/run/sentinel/one-{}.socket", one.pid());
    let left = stage.here("test", &["-S", &path]);
    assert_eq!(left.code(), 0, "nobody was there to remove it");
    send(child, SIGKILL);
    one.finish().expect(-SIGKILL);
}
