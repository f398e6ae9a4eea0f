//! What a policy says of itself, for status and dashboard; and the edges of setting lines.

use crate::*;
use sentinel::clock::Timestamp;
use sentinel::event::Event;
use sentinel::policy::{Actions, Policy};

fn look(policy: &mut Policy, at: u64, current: u64, cache: u64) -> Actions {
    policy.handle(Event::Sample(memory(current, cache)), Timestamp::from_millis(at))
}

fn ask(policy: &mut Policy, command: Command) -> Actions {
    policy.handle(Event::Operator(command), Timestamp::from_millis(5000))
}

fn new() -> Policy {
    Policy::new(rules(), Timestamp::default())
}

#[test]
fn the_last_look_and_the_peaks_are_told() {
    let mut policy = new();
    let _ = look(&mut policy, 0, 60, 30);
    let _ = look(&mut policy, 1000, 50, 10);
    let _ = look(&mut policy, 2000, 45, 20);
    assert_eq!(policy.last().current, Bytes::mib(45));
    assert_eq!(policy.peaks(), (Bytes::mib(60), Bytes::mib(40)));
    assert_eq!(policy.growth().per_second(), -(5 << 20) / 2);
}

#[test]
fn warnings_freezing_and_grace_are_told() {
    let mut policy = new();
    assert!(!policy.warned() && !policy.frozen());
    let _ = look(&mut policy, 0, 85, 0);
    assert!(policy.warned());
    let _ = look(&mut policy, 100, 30, 0);
    assert!(!policy.warned());
    let _ = ask(&mut policy, Command::Freeze);
    assert!(policy.frozen());
    let _ = ask(&mut policy, Command::Thaw);
    assert!(!policy.frozen());
    let _ = ask(&mut policy, Command::SetGrace(ms(7)));
    assert_eq!(policy.grace(), ms(7));
}

#[test]
fn lines_that_leave_room_are_written_at_once() {
    let mut policy = new();
    let _ = look(&mut policy, 0, 55, 0);
    assert!(ask(&mut policy, Command::SetLines(lines(60))).contains(&Action::SetLines(lines(60))));
    let _ = ask(&mut policy, Command::Terminate);
    let _ = look(&mut policy, 5001, 90, 0);
    for mib in [60, 80] {
        let written = ask(&mut policy, Command::SetLines(lines(mib)));
        assert!(written.contains(&Action::SetLines(lines(mib))), "the same or higher: {written:?}");
    }
}

#[test]
fn lines_that_are_held_back_wait_until_less_than_the_limit_is_in_use() {
    let mut policy = new();
    let _ = look(&mut policy, 0, 70, 0);
    let written = |actions: &Actions| actions.contains(&Action::SetLines(lines(60)));
    assert!(!written(&ask(&mut policy, Command::SetLines(lines(60)))));
    assert!(!written(&look(&mut policy, 5000, 60, 0)), "at the limit");
    assert!(written(&look(&mut policy, 5001, 59, 0)));
}
