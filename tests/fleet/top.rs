//! `sentinel top` at a terminal, over real guardians.

use crate::stage::Stage;
use crate::support::{send, state, until};
use nix::libc::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM};

const FOREVER: [&str; 2] = ["sleep", "100000"];

#[test]
fn one_ends_and_its_row_says_how() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &FOREVER);
    let two = stage.guard("two", &[], &FOREVER);
    let mut screen = stage.top(&[]);
    screen.await_row(&["sentinel top", "2 guardians"]);
    screen.await_row(&["one", &one.pid().to_string(), "running", "sleep 100000"]);
    screen.await_row(&["two", &two.pid().to_string(), "running"]);
    two.send(SIGTERM);
    two.finish().expect(143);
    screen.await_row(&["two", "gone", "sleep was killed by SIGTERM", "(exit 143)"]);
    screen.await_row(&["sentinel top", "1 guardian "]);
    screen.await_row(&["one", "running"]);
    screen.await_absence("two");
    // A guardian that starts is found.
    let three = stage.guard("three", &["--socket", "/tmp/other.socket"], &FOREVER);
    screen.await_row(&["three", "running"]);
    screen.keys("q");
    assert!(screen.pty.finish().success());
    for running in [one, three] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
}

#[test]
fn a_stopped_one_holds_up_nothing() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &FOREVER);
    let two = stage.guard("two", &["--socket", "/tmp/other.socket"], &FOREVER);
    two.send(SIGSTOP);
    until("it is stopped", || state(two.pid()) == Some('T'));
    let mut screen = stage.top(&[]);
    screen.await_row(&["two", "silent", "stopped by a signal"]);
    screen.await_row(&["one", "running"]);
    screen.keys("?");
    screen.row("this help; any key closes it");
    screen.keys("x");
    screen.await_absence("this help");
    two.send(SIGCONT);
    screen.await_row(&["two", "running"]);
    screen.keys("q");
    assert!(screen.pty.finish().success());
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
}

#[test]
fn one_that_is_killed_goes_without_a_last_word() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &["--on-guardian-death", "kill"], &FOREVER);
    let mut screen = stage.top(&[]);
    screen.await_row(&["one", "running"]);
    one.send(SIGKILL);
    screen.await_row(&["one", "gone", "was killed or crashed"]);
    screen.keys("\x03");
    assert!(screen.pty.finish().success());
    one.finish();
}

#[test]
fn enter_shows_one_and_escape_comes_back() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &["sleep", "100001"]);
    let two = stage.guard("two", &["--socket", "/tmp/other.socket"], &["sleep", "100002"]);
    let mut screen = stage.top(&[]);
    screen.await_row(&["one", "running"]);
    screen.await_row(&["two", "running"]);
    // By name, and the last of them.
    screen.keys("sssss\x1b[F");
    screen.row("── two");
    screen.keys("\r");
    screen.await_row(&["RUNNING", "sleep 100002"]);
    screen.await_absence("sentinel top");
    screen.keys("\x1b");
    screen.await_row(&["sentinel top", "2 guardians"]);
    // It asks twice, in the dashboard of this one, and ends no other.
    screen.row("── two");
    screen.keys("\r");
    screen.await_row(&["RUNNING", "sleep 100002"]);
    screen.keys("Kyy");
    two.finish().expect(137);
    screen.await_row(&["two", "gone", "ended sleep with SIGKILL", "(exit 137)"]);
    screen.await_row(&["one", "running"]);
    screen.keys("q");
    assert!(screen.pty.finish().success());
    one.send(SIGTERM);
    one.finish().expect(143);
}

#[test]
fn keys_reach_the_chosen_one() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &FOREVER);
    let mut screen = stage.top(&[]);
    screen.await_row(&["one", "running"]);
    screen.keys("f");
    screen.row("one: ok: frozen");
    screen.await_row(&["one", "frozen", "sleep"]);
    screen.keys("f");
    screen.await_row(&["one", "running", "sleep"]);
    screen.keys("m\x15200M\r");
    screen.await_row(&["one", "running", " 200M "]);
    screen.keys("t");
    screen.row("Terminate the workload?");
    screen.keys("y");
    one.finish().expect(143);
    screen.await_row(&["one", "gone", "(exit 143)"]);
    screen.keys("q");
    assert!(screen.pty.finish().success());
}

#[test]
fn a_name_leads_straight_to_its_dashboard() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &FOREVER);
    let mut screen = stage.top(&["one"]);
    screen.await_row(&["RUNNING", "sleep 100000"]);
    screen.keys("q");
    assert!(screen.pty.finish().success());
    let screen = stage.top(&[&one.pid().to_string()]);
    screen.await_row(&["RUNNING", "sleep 100000"]);
    send(one.pid(), SIGTERM);
    one.finish().expect(143);
    screen.row("sentinel: one-");
    assert!(screen.pty.finish().success());
    let screen = stage.top(&["one"]);
    screen.row("sentinel: no guardian is called one");
    assert_eq!(screen.pty.finish().code(), Some(125));
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let Some(stage) = Stage::open() else { return };
    stage.run(&["top"]).expect(125).says("top needs a terminal; without one: sentinel ps");
}
