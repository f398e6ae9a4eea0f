//! From SIGTERM to SIGKILL: the grace period, the second line, and what does not die.

use crate::*;

#[test]
fn sigkill_follows_when_the_grace_is_over_and_is_repeated_until_empty() {
    run(rules(), &[(1000, used(100)), (4250, dies(9)), (4251, empty())], 9000)
        .does(&[
            (1000, wire(108)),
            (1000, TERM),
            (4000, KILL),
            (4100, KILL),
            (4200, KILL),
            (4251, by_us(breach(100), Some(grace_over(3000)), KILLED)),
        ])
        .tells(&[
            (1000, near(100)),
            (1000, Notice::Terminating { reason: breach(100), grace: ms(3000) }),
            (4000, Notice::Killing { why: grace_over(3000), after: Some(ms(3000)) }),
        ]);
}

#[test]
fn what_does_not_die_is_told_once() {
    let log = run(rules(), &[(0, asks(Command::Kill))], 20_000);
    log.tells(&[
        (0, Notice::Killing { why: KillReason::Operator, after: None }),
        (5000, Notice::StillThere { after: ms(5000) }),
    ]);
}

#[test]
fn the_second_line_cuts_the_grace_short() {
    let (current, line) = (Bytes::mib(129), lines(100).second);
    let why = KillReason::SecondLine { current, line };
    let steps =
        [(0, used(100)), (900, used(107)), (1000, used(129)), (1001, dies(9)), (1002, empty())];
    run(rules(), &steps, 9000).does(&[
        (0, wire(108)),
        (0, TERM),
        (1000, KILL),
        (1002, by_us(breach(100), Some(why), KILLED)),
    ]);
}

/// 20 MiB between two looks: the next one could be too late.
#[test]
fn growth_that_would_be_at_the_ceiling_before_the_next_look_cuts_the_grace_short() {
    let steps = [(0, used(100)), (900, used(107)), (905, used(127))];
    let lines = rules().lines;
    run(rules(), &steps, 950).does(&[(0, wire(108)), (0, TERM), (905, KILL)]);
    let below_relief = [(0, used(100)), (900, used(100)), (905, used(107))];
    assert!(lines.relief > Bytes::mib(107));
    run(rules(), &below_relief, 950).does(&[(0, wire(108)), (0, TERM)]);
}

#[test]
fn sigterm_comes_before_sigkill_even_beyond_the_second_line() {
    let at_the_second_line = Action::SetTripWire(Limit::At(rules().lines.second.0));
    run(rules(), &[(0, used(10)), (700, used(131))], 750).does(&[
        (700, at_the_second_line),
        (700, TERM),
        (700, KILL),
    ]);
}

#[test]
fn page_cache_at_the_second_line_does_not_cut_the_grace_short() {
    run(rules(), &[(0, used(100)), (10, cached(131, 40))], 2999).does(&[(0, wire(108)), (0, TERM)]);
}

#[test]
fn without_grace_sigkill_is_right_behind_sigterm() {
    let rules = PolicyConfig { grace: Duration::ZERO, ..rules() };
    run(rules, &[(0, used(100))], 50).does(&[(0, wire(108)), (0, TERM), (0, KILL)]);
}

#[test]
fn a_workload_that_shrinks_again_is_ended_all_the_same() {
    let log = run(rules(), &[(0, used(100)), (10, used(5))], 3000);
    log.does(&[(0, wire(108)), (0, TERM), (3000, KILL)]);
    assert!(log.looks(1, 3000) > 500, "looks every 5 ms while terminating");
}

#[test]
fn sigkill_for_leftovers_is_not_what_ended_the_command() {
    let steps = [(0, used(100)), (100, exits(0)), (3050, empty())];
    let end = with_rest_killed(by_us(breach(100), None, DONE), grace_over(3000));
    run(rules(), &steps, 9000).does(&[(0, wire(108)), (0, TERM), (3000, KILL), (3050, end)]);
}
