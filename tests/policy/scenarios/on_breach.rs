//! What is done at a breach other than ending the workload at once: it must last, the workload is frozen, people are told.

use crate::*;
use sentinel::clock::Timestamp;
use sentinel::event::{AtBreach, Deed, DeedResult, Event};
use sentinel::policy::Policy;
use sentinel::policy::on_breach::{BreachRule, OnBreach};

fn freezing() -> PolicyConfig {
    let on_breach =
        BreachRule { deed: OnBreach::Freeze, freeze_for: ms(5000), ..BreachRule::default() };
    PolicyConfig { on_breach, ..rules() }
}

fn warning() -> PolicyConfig {
    let on_breach = BreachRule { deed: OnBreach::Warn, ..BreachRule::default() };
    PolicyConfig { on_breach, ..rules() }
}

fn holding(hold: u64) -> PolicyConfig {
    PolicyConfig { on_breach: BreachRule { hold: ms(hold), ..BreachRule::default() }, ..rules() }
}

fn frozen(footprint: u64) -> Notice {
    Notice::AtBreach(AtBreach::Frozen { reason: breach(footprint), left: ms(5000) })
}

fn over(footprint: u64) -> Notice {
    Notice::AtBreach(AtBreach::OverLimit { reason: breach(footprint) })
}

/// The trip-wire where it goes with so much in use.
fn relief(current: u64) -> Action {
    Action::SetTripWire(Limit::At(lines(100).relief_at(Bytes::mib(current)).0))
}

#[test]
fn a_frozen_workload_is_ended_when_nobody_acts() {
    run(freezing(), &[(0, used(100))], 8050)
        .does(&[(0, FREEZE), (5000, wire(108)), (5000, THAW), (5000, TERM), (8000, KILL)])
        .tells(&[
            (0, near(100)),
            (0, frozen(100)),
            (5000, Notice::AtBreach(AtBreach::FreezeOver { frozen: ms(5000) })),
            (5000, Notice::Terminating { reason: breach(100), grace: ms(3000) }),
            (8000, Notice::Killing { why: grace_over(3000), after: Some(ms(3000)) }),
        ]);
    let steps = [(0, used(100)), (5010, dies(15)), (5010, empty())];
    let end = run(freezing(), &steps, 9000).end();
    let cause = Cause::Guardian { reason: breach(100), killed: None };
    assert!(end.is_some_and(|end| end.cause == cause && end.frozen == Some(ms(5000))), "{end:?}");
}

#[test]
fn a_limit_raised_above_what_is_in_use_lets_it_go_on() {
    let (up, little) = (lines(200), lines(101));
    let raised = |lines| asks(Command::SetLines(lines));
    run(freezing(), &[(0, used(100)), (1000, raised(up)), (2000, used(150))], 60_000)
        .does(&[(0, FREEZE), (1000, Action::SetLines(up)), (1000, THAW)])
        .tells(&[
            (0, near(100)),
            (0, frozen(100)),
            (1000, Notice::NewLines(up)),
            (
                1000,
                Notice::AtBreach(AtBreach::ThawedBelow {
                    in_use: Bytes::mib(100),
                    limit: Bytes::mib(200),
                }),
            ),
        ]);
    run(freezing(), &[(0, used(100)), (1000, raised(little))], 4999)
        .does(&[(0, FREEZE), (1000, Action::SetLines(little))]);
    // The next breach is one of its own.
    run(freezing(), &[(0, used(100)), (1000, raised(up)), (2000, used(200))], 2500).does(&[
        (0, FREEZE),
        (1000, Action::SetLines(up)),
        (1000, THAW),
        (2000, FREEZE),
    ]);
}

#[test]
fn what_fell_by_a_tenth_goes_on() {
    run(freezing(), &[(0, used(100)), (1000, used(91))], 4999).does(&[(0, FREEZE)]);
    run(freezing(), &[(0, used(100)), (1000, used(89))], 60_000).does(&[(0, FREEZE), (1000, THAW)]);
}

#[test]
fn who_was_thawed_over_the_limit_is_frozen_again_when_it_has_grown() {
    let thaw = asks(Command::Thaw);
    let again_at = Bytes(Bytes::mib(100).0 + Bytes::mib(100).0 / 32);
    run(freezing(), &[(0, used(100)), (1000, thaw), (2000, used(103)), (3000, used(104))], 3500)
        .does(&[(0, FREEZE), (1000, THAW), (3000, FREEZE)])
        .tells(&[
            (0, near(100)),
            (0, frozen(100)),
            (1000, Notice::AtBreach(AtBreach::ThawedOver { in_use: Bytes::mib(100), again_at })),
            (3000, frozen(104)),
        ]);
    run(freezing(), &[(0, used(100)), (1000, thaw), (2000, used(50)), (3000, used(100))], 3500)
        .does(&[(0, FREEZE), (1000, THAW), (3000, FREEZE)]);
    run(freezing(), &[(0, used(100)), (1000, thaw)], 60_000).does(&[(0, FREEZE), (1000, THAW)]);
}

#[test]
fn an_operator_ends_what_is_frozen() {
    run(freezing(), &[(0, used(100)), (1000, asks(Command::Terminate))], 3999).does(&[
        (0, FREEZE),
        (1000, wire(108)),
        (1000, THAW),
        (1000, TERM),
    ]);
    let steps = [(0, used(100)), (1000, asks(Command::Kill)), (1010, empty()), (1010, dies(9))];
    let end = run(freezing(), &steps, 2000)
        .does(&[
            (0, FREEZE),
            (1000, KILL),
            (
                1010,
                Action::Finish(Outcome {
                    cause: Cause::Guardian {
                        reason: Reason::Operator,
                        killed: Some(KillReason::Operator),
                    },
                    child: KILLED,
                    command_first: false,
                    rest_killed: None,
                    kernel_oom_kills: 0,
                    frozen: Some(ms(1000)),
                }),
            ),
        ])
        .end();
    assert!(end.is_some());
}

#[test]
fn the_second_line_ends_it_whatever_is_done_at_the_limit() {
    for config in [freezing(), warning(), holding(60_000)] {
        run(config, &[(0, used(129))], 50).does(&[(0, relief(129)), (0, TERM), (0, KILL)]);
    }
    let steps = [(0, used(100)), (1000, used(129))];
    let ended = [(1000, relief(129)), (1000, TERM), (1000, KILL)];
    run(warning(), &steps, 1050).does(&ended);
    run(holding(60_000), &steps, 1050).does(&ended);
    run(freezing(), &steps, 1050).does(&[
        (0, FREEZE),
        (1000, relief(129)),
        (1000, THAW),
        (1000, TERM),
        (1000, KILL),
    ]);
}

#[test]
fn what_cannot_be_frozen_is_ended() {
    run(freezing(), &[(0, Step::Refused), (1, used(100))], 1000).does(&[
        (1, FREEZE),
        (1, wire(108)),
        (1, TERM),
    ]);
}

#[test]
fn what_could_not_be_thawed_is_ended_at_the_same_time_all_the_same() {
    let mut policy = Policy::new(freezing(), Timestamp::default());
    let mut told = |event, ms| policy.handle(event, Timestamp::from_millis(ms));
    let _ = told(Event::Sample(memory(100, 0)), 0);
    assert!(told(Event::Sample(memory(100, 0)), 0).contains(&FREEZE));
    let _ = told(Event::Done(Deed::Freeze, DeedResult::Done), 0);
    assert!(told(Event::Operator(Command::Thaw), 1000).contains(&THAW));
    let actions = told(Event::Done(Deed::Thaw, DeedResult::Failed(EPERM)), 1000);
    assert!(actions.is_empty(), "{actions:?}");
    assert!(told(Event::Deadline, 5000).contains(&TERM));
}

#[test]
fn who_was_frozen_by_an_operator_gets_the_time_of_a_breach() {
    run(freezing(), &[(0, asks(Command::Freeze)), (700, used(100))], 5750)
        .does(&[(0, FREEZE), (5700, wire(108)), (5700, THAW), (5700, TERM)])
        .tells(&[
            (0, Notice::Frozen),
            (700, near(100)),
            (700, frozen(100)),
            (5700, Notice::AtBreach(AtBreach::FreezeOver { frozen: ms(5000) })),
            (5700, Notice::Terminating { reason: breach(100), grace: ms(3000) }),
        ]);
    // And stays frozen when the breach is over: it was not frozen for that alone.
    let up = lines(200);
    let steps = [(0, asks(Command::Freeze)), (700, used(100)), (1000, asks(Command::SetLines(up)))];
    run(freezing(), &steps, 60_000).does(&[(0, FREEZE), (1000, Action::SetLines(up))]);
}

#[test]
fn other_reasons_end_what_is_frozen_as_always() {
    let timeout = PolicyConfig { timeout: Some(ms(3000)), ..freezing() };
    run(timeout, &[(0, used(100))], 3050).does(&[
        (0, FREEZE),
        (3000, wire(108)),
        (3000, THAW),
        (3000, TERM),
    ]);
    let steps = [(0, used(100)), (1000, exits(0)), (1000, empty())];
    run(freezing(), &steps, 9000).does(&[(0, FREEZE), (1000, by_itself(DONE))]);
}

#[test]
fn thrashing_is_answered_like_a_breach() {
    let config = PolicyConfig { thrash: Some(THRASH), ..freezing() };
    let mut steps = vec![(0, Step::Stalled(90))];
    steps.extend((0..160).map(|look| (look * 100, cached(100, 60))));
    run(config, &steps, 15_950).does(&[
        (10_000, FREEZE),
        (15_000, wire(108)),
        (15_000, THAW),
        (15_000, TERM),
    ]);
}

#[test]
fn a_breach_must_last_without_a_break() {
    run(holding(2000), &[(0, used(100))], 2500).does(&[(2000, wire(108)), (2000, TERM)]);
    run(holding(2000), &[(0, used(100)), (1000, used(90)), (1500, used(100))], 3999)
        .does(&[(3500, wire(108)), (3500, TERM)]);
    run(holding(2000), &[(0, used(100)), (1999, used(90))], 60_000).does(&[]);
    let both = PolicyConfig {
        on_breach: BreachRule { hold: ms(2000), ..freezing().on_breach },
        ..rules()
    };
    run(both, &[(0, used(100))], 2500).does(&[(2000, FREEZE)]);
}

#[test]
fn a_warning_is_told_once_for_each_breach() {
    let steps = [(0, used(100)), (500, used(110)), (1000, used(50)), (2000, used(100))];
    run(warning(), &steps, 60_000).does(&[]).tells(&[
        (0, near(100)),
        (0, over(100)),
        (2000, near(100)),
        (2000, over(100)),
    ]);
}

#[test]
fn a_warning_does_not_keep_the_guardian_busy() {
    let looks = run(warning(), &[(0, used(110))], 11_000).looks(1000, 11_001);
    assert!(looks <= 201, "{looks} looks in ten seconds");
}

#[test]
fn a_dry_run_freezes_nothing() {
    let dry = |config| PolicyConfig { dry_run: true, ..config };
    let would_freeze = Notice::AtBreach(AtBreach::WouldFreeze { reason: breach(100) });
    let would_end = Notice::WouldTerminate { reason: breach(131) };
    for (config, told) in [(freezing(), would_freeze), (warning(), over(100))] {
        run(dry(config), &[(0, used(100)), (500, used(131))], 60_000).does(&[]).tells(&[
            (0, near(100)),
            (0, told),
            (500, would_end),
        ]);
    }
}
