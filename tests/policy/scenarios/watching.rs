//! What is a breach and what is none: when SIGTERM is sent, and when people are only told.

use crate::*;

#[test]
fn a_leak_is_ended_by_sigterm_alone_when_it_obeys() {
    run(rules(), &[(0, used(50)), (1000, used(100)), (1500, dies(15)), (1501, empty())], 9000)
        .does(&[(1000, wire(108)), (1000, TERM), (1501, by_us(breach(100), None, TERMED))])
        .tells(&[
            (1000, near(100)),
            (1000, Notice::Terminating { reason: breach(100), grace: ms(3000) }),
        ]);
}

#[test]
fn a_breach_must_be_seen_twice() {
    let log = run(rules(), &[(0, used(50)), (1000, glimpse(120)), (1400, glimpse(131))], 5000);
    log.does(&[]);
    run(rules(), &[(0, used(50)), (1000, used(100))], 1000)
        .does(&[(1000, wire(108)), (1000, TERM)]);
}

#[test]
fn below_the_limit_by_more_than_the_slack_nothing_is_done_for_an_hour() {
    run(rules(), &[(0, used(98))], 3_600_000).does(&[]).tells(&[(0, near(98))]);
}

#[test]
fn less_than_the_slack_below_the_limit_is_a_breach_when_it_lasts() {
    run(rules(), &[(0, used(99)), (30, used(95)), (60, used(99))], 100).does(&[]);
    run(rules(), &[(0, used(99))], 2999).does(&[(50, wire(108)), (50, TERM)]);
}

#[test]
fn page_cache_for_an_hour_is_none_of_our_business() {
    let log = run(rules(), &[(0, cached(100, 95)), (60_000, cached(131, 95))], 3_600_000);
    log.does(&[]).tells(&[]);
    assert!(log.looks(0, 3_600_000) > 7000, "still looks twice a second");
}

#[test]
fn a_look_that_took_for_ever_is_no_reason_to_die() {
    let mut sample = memory(50, 0);
    sample.cost = Duration::MAX;
    run(rules(), &[(0, Step::State(sample)), (10, used(100))], 10)
        .does(&[(10, wire(108)), (10, TERM)]);
}

#[test]
fn swapped_memory_counts() {
    let mut sample = memory(60, 10);
    sample.swap = Bytes::mib(50);
    run(rules(), &[(0, Step::State(sample))], 0).does(&[(0, wire(108)), (0, TERM)]);
}

#[test]
fn current_over_the_relief_line_for_long_is_a_climb() {
    let climb = Reason::Climb { current: Bytes::mib(109), line: Bytes::mib(108) };
    let over = cached(109, 30);
    run(rules(), &[(0, over), (199, over)], 199).does(&[]);
    run(rules(), &[(0, over), (200, over), (201, dies(15)), (202, empty())], 900).does(&[
        (200, wire(110)),
        (200, TERM),
        (202, by_us(climb, None, TERMED)),
    ]);
    run(rules(), &[(0, over), (150, cached(107, 30)), (151, over), (350, over)], 350).does(&[]);
    run(rules(), &[(0, cached(131, 82))], 60_000).does(&[]);
}

#[test]
fn raised_lines_start_the_hold_of_a_climb_anew() {
    let up = asks(Command::SetLines(lines(200)));
    let steps = [(0, cached(109, 30)), (100, up), (250, cached(210, 60)), (300, used(150))];
    run(rules(), &steps, 9000).does(&[(100, Action::SetLines(lines(200)))]);
}

#[test]
fn a_long_stall_at_the_trip_wire_is_thrash() {
    let rules = PolicyConfig { thrash: Some(THRASH), ..rules() };
    let full = cached(100, 60);
    let reason = Reason::Thrash { share: THRASH.share, held: THRASH.hold };
    run(rules, &[(0, Step::Stalled(90)), (0, full), (10_001, dies(15)), (10_002, empty())], 20_000)
        .does(&[(10_000, wire(108)), (10_000, TERM), (10_002, by_us(reason, None, TERMED))]);
    run(rules, &[(0, Step::Stalled(79)), (0, full)], 60_000).does(&[]);
    run(rules, &[(0, Step::Stalled(100)), (0, cached(90, 60))], 60_000).does(&[]);
    let pause = [(7000, Step::Stalled(0)), (9500, Step::Stalled(90))];
    run(rules, &[&[(0, Step::Stalled(90)), (0, full)], &pause[..]].concat(), 18_000).does(&[]);
    let gap = [(5000, Step::Stalled(0)), (5700, Step::Stalled(90)), (10_001, dies(15))];
    run(rules, &[&[(0, Step::Stalled(90)), (0, full)], &gap[..]].concat(), 12_000)
        .does(&[(10_000, wire(108)), (10_000, TERM)]);
}

#[test]
fn a_glimpse_of_a_breach_does_not_put_off_the_end_for_thrash() {
    let rules = PolicyConfig { thrash: Some(THRASH), ..rules() };
    let mut glimpse = memory(120, 0);
    glimpse.stalled_usec = Some(10_000_000);
    let full = cached(100, 60);
    let steps = [(0, Step::Stalled(100)), (0, full), (10_000, Step::Glimpse(glimpse))];
    run(rules, &steps, 10_050).does(&[(10_000, wire(121)), (10_000, TERM)]);
}

#[test]
fn the_wall_clock_limit_ends_a_run() {
    let rules = PolicyConfig { timeout: Some(ms(5000)), ..rules() };
    run(rules, &[(0, used(10))], 4999).does(&[]);
    let reason = Reason::Timeout { after: ms(5000) };
    run(rules, &[(0, used(10)), (5100, dies(15)), (5100, empty())], 9000).does(&[
        (5000, wire(108)),
        (5000, TERM),
        (5100, by_us(reason, None, TERMED)),
    ]);
}

#[test]
fn an_approach_is_told_once() {
    let steps: Vec<_> =
        [70, 80, 79, 85, 73, 90, 71, 82].iter().zip(0..).map(|(m, at)| (at, used(*m))).collect();
    run(rules(), &steps, 5000).does(&[]).tells(&[(1, near(80)), (7, near(82))]);
}

#[test]
fn refused_forks_are_told_once() {
    let mut sample = memory(10, 0);
    let [none, some, more] = [0, 2, 9].map(|refused| {
        sample.counters.pids_max = refused;
        Step::State(sample)
    });
    run(rules(), &[(0, none), (10, some), (20, more)], 900)
        .does(&[])
        .tells(&[(10, Notice::PidsMax { refused: 2 })]);
}
