//! What operators may ask for, and what becomes of it.

use crate::*;

#[test]
fn an_operator_ends_a_run_politely_and_a_second_request_at_once() {
    let terminate = asks(Command::Terminate);
    run(rules(), &[(0, used(10)), (500, terminate), (600, terminate), (650, terminate)], 700)
        .does(&[(500, wire(108)), (500, TERM), (600, KILL), (650, KILL)])
        .tells(&[
            (500, Notice::Terminating { reason: Reason::Operator, grace: ms(3000) }),
            (600, Notice::Killing { why: KillReason::Operator, after: Some(ms(100)) }),
        ]);
}

#[test]
fn an_operator_kills_at_once() {
    let steps = [(0, used(10)), (500, asks(Command::Kill)), (510, empty()), (511, dies(9))];
    let end = by_us(Reason::Operator, Some(KillReason::Operator), KILLED);
    run(rules(), &steps, 9000).does(&[(500, KILL), (511, end)]);
    run(rules(), &[(0, used(100)), (500, asks(Command::Kill))], 550).does(&[
        (0, wire(108)),
        (0, TERM),
        (500, KILL),
    ]);
}

#[test]
fn freezing_and_thawing_count_once_each() {
    let (freeze, thaw) = (asks(Command::Freeze), asks(Command::Thaw));
    run(rules(), &[(0, thaw), (1, freeze), (2, freeze), (3, thaw), (4, thaw)], 900)
        .does(&[(1, FREEZE), (3, THAW)])
        .tells(&[(1, Notice::Frozen), (3, Notice::Thawed)]);
}

#[test]
fn a_frozen_workload_is_looked_at_seldom() {
    let steps = [(0, used(10)), (1000, used(70)), (1000, asks(Command::Freeze))];
    let looks = run(rules(), &steps, 11_000).looks(1000, 11_001);
    assert!((20..=21).contains(&looks), "{looks} looks in ten seconds");
}

#[test]
fn a_frozen_workload_is_thawed_before_sigterm() {
    run(rules(), &[(0, asks(Command::Freeze)), (700, used(100))], 2000).does(&[
        (0, FREEZE),
        (700, wire(108)),
        (700, THAW),
        (700, TERM),
    ]);
    let rules = PolicyConfig { timeout: Some(ms(5000)), ..rules() };
    run(rules, &[(0, asks(Command::Freeze))], 6000).does(&[
        (0, FREEZE),
        (5000, wire(108)),
        (5000, THAW),
        (5000, TERM),
    ]);
}

#[test]
fn what_is_being_ended_cannot_be_frozen() {
    let freeze = asks(Command::Freeze);
    run(rules(), &[(0, used(100)), (10, freeze), (3050, freeze)], 3060).does(&[
        (0, wire(108)),
        (0, TERM),
        (3000, KILL),
    ]);
}

#[test]
fn a_raised_limit_saves_a_run() {
    let up = lines(200);
    let steps = [(0, used(90)), (500, asks(Command::SetLines(up))), (600, used(150))];
    run(rules(), &steps, 60_000).does(&[(500, Action::SetLines(up))]);
}

#[test]
fn a_limit_set_below_the_footprint_is_a_breach() {
    let down = lines(50);
    run(rules(), &[(0, used(60)), (333, asks(Command::SetLines(down)))], 1000)
        .does(&[(333, wire(108)), (333, TERM)]);
}

/// The kernel's own lines move only when nothing is beyond them.
#[test]
fn a_limit_set_below_a_footprint_that_falls_comes_into_force_then() {
    let down = lines(50);
    let steps = [(0, used(60)), (333, asks(Command::SetLines(down))), (333, used(40))];
    run(rules(), &steps, 1000).does(&[(333, Action::SetLines(down))]);
}

#[test]
fn a_limit_set_while_terminating_moves_the_lines_and_ends_nothing_twice() {
    let up = lines(200);
    let steps = [(0, used(100)), (500, asks(Command::SetLines(up))), (600, used(150))];
    run(rules(), &steps, 3000)
        .does(&[
            (0, wire(108)),
            (0, TERM),
            (500, Action::SetLines(up)),
            (500, wire(208)),
            (3000, KILL),
        ])
        .tells(&[
            (0, near(100)),
            (0, Notice::Terminating { reason: breach(100), grace: ms(3000) }),
            (500, Notice::NewLines(up)),
            (3000, Notice::Killing { why: grace_over(3000), after: Some(ms(3000)) }),
        ]);
}

#[test]
fn the_slack_of_a_large_limit_does_not_outlive_it() {
    let rules = PolicyConfig { lines: lines(2048), slack: Bytes::mib(32), ..rules() };
    let steps = [(0, used(80)), (500, asks(Command::SetLines(lines(100))))];
    run(rules, &steps, 9000).does(&[(500, Action::SetLines(lines(100)))]);
}

#[test]
fn the_timeout_can_be_set_moved_and_taken_away_while_it_runs() {
    let timeout = |ms: Option<u64>| asks(Command::SetTimeout(ms.map(Duration::from_millis)));
    let ended = |at| [(at, wire(108)), (at, TERM), (at + 3000, KILL)];
    // From the start of the run, whenever it is set.
    run(rules(), &[(0, used(10)), (700, timeout(Some(5000)))], 8050).does(&ended(5000));
    let limited = PolicyConfig { timeout: Some(ms(2000)), ..rules() };
    run(limited, &[(0, used(10)), (1999, timeout(Some(5000)))], 8050).does(&ended(5000));
    run(limited, &[(0, used(10)), (1000, timeout(Some(1500)))], 4550).does(&ended(1500));
    run(limited, &[(0, used(10)), (1999, timeout(None))], 60_000).does(&[]);
}

#[test]
fn a_timeout_that_is_over_when_it_is_set_ends_the_run_at_once() {
    let over = asks(Command::SetTimeout(Some(ms(1000))));
    let reason = Reason::Timeout { after: ms(1000) };
    for at in [1000, 1500] {
        run(rules(), &[(0, used(10)), (at, over)], at + 100)
            .does(&[(at, wire(108)), (at, TERM)])
            .tells(&[
                (at, Notice::NewTimeout(Some(ms(1000)))),
                (at, Notice::Terminating { reason, grace: ms(3000) }),
            ]);
    }
    run(rules(), &[(0, asks(Command::Freeze)), (1500, over)], 1600).does(&[
        (0, FREEZE),
        (1500, wire(108)),
        (1500, THAW),
        (1500, TERM),
    ]);
}

#[test]
fn a_timeout_set_while_terminating_ends_nothing_twice() {
    let timeout = |ms: Option<Duration>| asks(Command::SetTimeout(ms));
    let steps = [(0, used(100)), (500, timeout(None)), (600, timeout(Some(ms(1))))];
    run(rules(), &steps, 3050).does(&[(0, wire(108)), (0, TERM), (3000, KILL)]);
}

#[test]
fn the_grace_can_be_changed_while_it_runs() {
    let grace = |seconds| asks(Command::SetGrace(Duration::from_secs(seconds)));
    for (seconds, kill_at) in [(2, 2000), (1, 1500), (0, 1500), (8, 8000)] {
        run(rules(), &[(0, used(100)), (1500, grace(seconds))], kill_at + 99).does(&[
            (0, wire(108)),
            (0, TERM),
            (kill_at, KILL),
        ]);
    }
    run(rules(), &[(0, grace(1)), (500, used(100))], 1500)
        .does(&[(500, wire(108)), (500, TERM), (1500, KILL)])
        .tells(&[
            (0, Notice::NewGrace(ms(1000))),
            (500, near(100)),
            (500, Notice::Terminating { reason: breach(100), grace: ms(1000) }),
            (1500, Notice::Killing { why: grace_over(1000), after: Some(ms(1000)) }),
        ]);
}
