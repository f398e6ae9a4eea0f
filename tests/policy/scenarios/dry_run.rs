//! A dry run decides and tells, and leaves the workload alone.

use crate::*;

#[test]
fn a_dry_run_tells_once_for_each_approach_and_does_nothing() {
    let rules = PolicyConfig { dry_run: true, ..rules() };
    let would = |footprint| Notice::WouldTerminate { reason: breach(footprint) };
    let steps =
        [(0, used(100)), (500, used(95)), (900, used(131)), (5000, used(50)), (6000, used(100))];
    run(rules, &steps, 60_000).does(&[]).tells(&[
        (0, near(100)),
        (0, would(100)),
        (6000, near(100)),
        (6000, would(100)),
    ]);
}

#[test]
fn a_dry_run_does_not_look_twice_at_what_was_told() {
    let rules = PolicyConfig { dry_run: true, ..rules() };
    assert_eq!(run(rules, &[(0, used(131))], 10_000).looks(1, 10_001), 200, "every 50 ms");
}

#[test]
fn a_dry_run_tells_of_the_other_reasons_once_too() {
    let dry = PolicyConfig { dry_run: true, ..rules() };
    let timeout = PolicyConfig { timeout: Some(ms(5000)), ..dry };
    let would = |reason| Notice::WouldTerminate { reason };
    run(timeout, &[(0, used(10))], 60_000)
        .does(&[])
        .tells(&[(5000, would(Reason::Timeout { after: ms(5000) }))]);
    let over = asks(Command::SetTimeout(Some(ms(5000))));
    run(dry, &[(0, used(10)), (6000, over)], 60_000).does(&[]).tells(&[
        (6000, Notice::NewTimeout(Some(ms(5000)))),
        (6000, would(Reason::Timeout { after: ms(5000) })),
    ]);
    let exit = PolicyConfig { on_exit: OnExit::Terminate, ..dry };
    run(exit, &[(0, used(10)), (500, exits(0)), (900, empty())], 9000)
        .does(&[(900, by_itself(DONE))])
        .tells(&[(500, would(Reason::ChildExited))]);
    let thrash = PolicyConfig { thrash: Some(THRASH), ..dry };
    let mut steps = vec![(0, Step::Stalled(90))];
    steps.extend((0..600).map(|look| (look * 100, cached(100, 60))));
    let reason = Reason::Thrash { share: THRASH.share, held: THRASH.hold };
    run(thrash, &steps, 60_000).does(&[]).tells(&[(10_000, would(reason))]);
}

#[test]
fn a_dry_run_obeys_its_operator() {
    let rules = PolicyConfig { dry_run: true, ..rules() };
    let terminate = asks(Command::Terminate);
    let freeze = asks(Command::Freeze);
    run(rules, &[(0, freeze), (100, terminate), (200, used(131))], 3100).does(&[
        (0, FREEZE),
        (100, THAW),
        (100, TERM),
        (3100, KILL),
    ]);
    run(rules, &[(0, used(10)), (100, asks(Command::Kill))], 150).does(&[(100, KILL)]);
    let set = asks(Command::SetLines(lines(200)));
    run(rules, &[(0, terminate), (100, set)], 2999).does(&[(0, TERM)]);
}
