//! What comes of deeds: nothing is believed, told or put down to us before it was done.

use crate::*;
use sentinel::clock::Timestamp;
use sentinel::event::{Deed, DeedResult, Event, OneSignal, Sample};
use sentinel::policy::{Actions, Policy};

const REFUSED: (u64, Step) = (0, Step::Refused);

fn refused(reason: Reason, kill: Option<KillReason>) -> Notice {
    Notice::SignalRefused { reason, kill, command: true, errno: EPERM }
}

fn told(policy: &mut Policy, event: Event) -> Actions {
    policy.handle(event, Timestamp::from_millis(1))
}

#[test]
fn what_was_not_frozen_is_not_called_so() {
    let steps = [REFUSED, (1, asks(Command::Freeze)), (2, used(100))];
    run(rules(), &steps, 10).does(&[(1, FREEZE), (2, wire(108)), (2, TERM)]);
    run(rules(), &[REFUSED, (1, asks(Command::Freeze))], 10).tells(&[]);
    let mut policy = Policy::new(rules(), Timestamp::default());
    let _ = told(&mut policy, Event::Operator(Command::Freeze));
    let _ = told(&mut policy, Event::Done(Deed::Freeze, DeedResult::Failed(EPERM)));
    assert!(!policy.frozen());
}

#[test]
fn what_was_not_thawed_is_frozen_still() {
    let mut policy = Policy::new(rules(), Timestamp::default());
    let _ = told(&mut policy, Event::Operator(Command::Freeze));
    let _ = told(&mut policy, Event::Done(Deed::Freeze, DeedResult::Done));
    assert!(told(&mut policy, Event::Operator(Command::Thaw)).contains(&THAW));
    let actions = told(&mut policy, Event::Done(Deed::Thaw, DeedResult::Failed(EPERM)));
    assert!(actions.is_empty() && policy.frozen(), "{actions:?}");
    assert!(
        told(&mut policy, Event::Operator(Command::Thaw)).contains(&THAW),
        "it can be tried again"
    );
}

/// A set-user-ID program under somebody who is not root: it goes when it wants to.
#[test]
fn whom_no_signal_reached_has_ended_by_itself() {
    let timeout = PolicyConfig { timeout: Some(ms(1000)), grace: ms(1000), ..rules() };
    let steps = [(0, used(10)), REFUSED, (2050, exits(0)), (2050, empty())];
    run(timeout, &steps, 9000)
        .does(&[(1000, wire(108)), (1000, TERM), (2000, KILL), (2050, by_itself(DONE))])
        .tells(&[
            (1000, refused(Reason::Timeout { after: ms(1000) }, None)),
            (
                1000,
                Notice::Terminating {
                    reason: Reason::Timeout { after: ms(1000) },
                    grace: ms(1000),
                },
            ),
            (2000, refused(Reason::Timeout { after: ms(1000) }, Some(grace_over(1000)))),
            (2000, Notice::Killing { why: grace_over(1000), after: None }),
        ]);
}

/// Where a list of processes takes 100 ms, a SIGKILL that is refused is sent to it after four times that; one that is not, as ever.
#[test]
fn a_refused_sigkill_is_repeated_as_often_as_can_be_afforded() {
    for (result, repeated) in [
        (DeedResult::Failed(EPERM), [true, false, false, false, true]),
        (DeedResult::Done, [true; 5]),
    ] {
        let mut policy = Policy::new(rules(), Timestamp::default());
        let dear = Sample { cost: ms(100), ..memory(10, 0) };
        let _ = policy.handle(Event::Sample(dear), Timestamp::default());
        let _ = policy.handle(Event::Operator(Command::Kill), Timestamp::default());
        let _ = policy.handle(Event::Done(Deed::Kill, result), Timestamp::default());
        let kills = (1..=5).map(|tenths| {
            let now = Timestamp::from_millis(tenths * 100);
            policy.handle(Event::Deadline, now).contains(&KILL)
        });
        assert_eq!(kills.collect::<Vec<_>>(), repeated, "{result:?}");
    }
}

/// Without permission of anybody `cgroup.kill` reaches it.
#[test]
fn whom_sigkill_reached_has_ended_by_it() {
    let mut policy = Policy::new(rules(), Timestamp::default());
    let _ = told(&mut policy, Event::Operator(Command::Terminate));
    let _ = told(&mut policy, Event::Done(Deed::Terminate, DeedResult::Failed(EPERM)));
    assert!(policy.was_refused(false) && !policy.was_refused(true));
    let _ = told(&mut policy, Event::Operator(Command::Kill));
    let _ = told(&mut policy, Event::Done(Deed::Kill, DeedResult::Done));
    let _ = told(&mut policy, Event::ChildExited(KILLED));
    let end = by_us(Reason::Operator, Some(KillReason::Operator), KILLED);
    assert_eq!(told(&mut policy, Event::Empty)[..], [end]);
}

/// It is repeated until nobody is left, and would be told each time.
#[test]
fn a_refusal_is_told_once() {
    let steps = [(0, used(10)), REFUSED, (100, asks(Command::Kill))];
    run(rules(), &steps, 1000).tells(&[
        (100, refused(Reason::Operator, Some(KillReason::Operator))),
        (100, Notice::Killing { why: KillReason::Operator, after: None }),
    ]);
}

/// The command went, and a process that it left behind cannot be signalled: it is that which is told of, and nobody waits for a
/// SIGKILL to work that did not reach it.
#[test]
fn a_refusal_by_the_rest_is_not_put_down_to_the_command() {
    let rules = PolicyConfig { grace: ms(1000), ..rules() };
    let steps = [(0, used(10)), (5, exits(0)), REFUSED, (10, asks(Command::Terminate))];
    let rest = |kill| Notice::SignalRefused {
        reason: Reason::Operator,
        kill,
        command: false,
        errno: EPERM,
    };
    run(rules, &steps, 9000).tells(&[
        (5, Notice::Leftover { processes: 3 }),
        (10, rest(None)),
        (10, Notice::Terminating { reason: Reason::Operator, grace: ms(1000) }),
        (1010, rest(Some(grace_over(1000)))),
        (1010, Notice::Killing { why: grace_over(1000), after: Some(ms(1000)) }),
    ]);
}

#[test]
fn a_signal_for_one_process_is_told_when_it_was_sent() {
    let one = OneSignal { pid: 17, signal: 10 };
    let asked = (5, asks(Command::Signal(one)));
    run(rules(), &[asked], 10)
        .does(&[(5, Action::Signal(one))])
        .tells(&[(5, Notice::Signalled(one))]);
    run(rules(), &[REFUSED, asked], 10).tells(&[]);
    // Whoever asks for it is obeyed in a dry run too.
    run(PolicyConfig { dry_run: true, ..rules() }, &[asked], 10).does(&[(5, Action::Signal(one))]);
}

#[test]
fn a_limit_of_processes_is_told_when_it_is_in_force() {
    let set = (5, asks(Command::SetPids(Limit::At(7))));
    run(rules(), &[set], 10)
        .does(&[(5, Action::SetPids(Limit::At(7)))])
        .tells(&[(5, Notice::NewPids(Limit::At(7)))]);
    run(rules(), &[REFUSED, set], 10).tells(&[]);
    run(PolicyConfig { dry_run: true, ..rules() }, &[set], 10).does(&[]).tells(&[]);
}
