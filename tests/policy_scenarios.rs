//! What the policy promises, a requirement a test: what the workload does and when, and what is done about it.
//! The state of a scenario holds until the next line; looks and deadlines come by themselves (see timeline.rs).

mod policy {
    pub mod timeline;
}

use policy::timeline::*;
use sentinel::event::{Action, Cause, Command, Ending, KillReason, Notice, Outcome, Reason};
use sentinel::policy::{OnExit, PolicyConfig};
use sentinel::units::{Bytes, Limit};
use std::time::Duration;

const TERM: Action = Action::Terminate;
const KILL: Action = Action::Kill;
const FREEZE: Action = Action::Freeze;
const THAW: Action = Action::Thaw;

fn wire(mib: u64) -> Action {
    Action::SetTripWire(Limit::At(mib << 20))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn breach(footprint: u64) -> Reason {
    Reason::Breach { footprint: Bytes::mib(footprint), limit: Bytes::mib(100) }
}

fn grace_over(grace: u64) -> KillReason {
    KillReason::GraceOver { grace: ms(grace) }
}

fn near(footprint: u64) -> Notice {
    Notice::NearLimit { footprint: Bytes::mib(footprint), limit: Bytes::mib(100) }
}

fn by_us(reason: Reason, killed: Option<KillReason>, child: Ending) -> Action {
    let cause = Cause::Guardian { reason, killed };
    Action::Finish(Outcome { cause, child, kernel_oom_kills: 0 })
}

fn by_itself(child: Ending) -> Action {
    Action::Finish(Outcome { cause: Cause::Itself, child, kernel_oom_kills: 0 })
}

const TERMED: Ending = Ending::Signaled(15);
const KILLED: Ending = Ending::Signaled(9);
const DONE: Ending = Ending::Exited(0);

// Watching: what is a breach and what is none.

#[test]
fn a_leak_is_ended_by_sigterm_alone_when_it_obeys() {
    run(rules(), &[(0, used(50)), (1000, used(99)), (1500, dies(15)), (1501, empty())], 9000)
        .does(&[(1000, wire(108)), (1000, TERM), (1501, by_us(breach(99), None, TERMED))])
        .tells(&[
            (1000, near(99)),
            (1000, Notice::Terminating { reason: breach(99), grace: ms(3000) }),
        ]);
}

#[test]
fn a_breach_must_be_seen_twice() {
    let log = run(rules(), &[(0, used(50)), (1000, glimpse(120)), (1400, glimpse(131))], 5000);
    log.does(&[]);
    run(rules(), &[(0, used(50)), (1000, used(99))], 1000).does(&[(1000, wire(108)), (1000, TERM)]);
}

#[test]
fn below_the_limit_by_more_than_the_slack_nothing_is_done_for_an_hour() {
    run(rules(), &[(0, used(98))], 3_600_000).does(&[]).tells(&[(0, near(98))]);
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
    run(rules(), &[(0, Step::State(sample)), (10, used(99))], 10)
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
        (200, wire(108)),
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
    let pause = [(9000, Step::Stalled(0)), (10_000, Step::Stalled(90))];
    run(rules, &[&[(0, Step::Stalled(90)), (0, full)], &pause[..]].concat(), 18_000).does(&[]);
}

#[test]
fn a_glimpse_of_a_breach_does_not_put_off_the_end_for_thrash() {
    let rules = PolicyConfig { thrash: Some(THRASH), ..rules() };
    let mut glimpse = memory(120, 0);
    glimpse.stalled_usec = Some(10_000_000);
    let full = cached(100, 60);
    let steps = [(0, Step::Stalled(100)), (0, full), (10_000, Step::Glimpse(glimpse))];
    run(rules, &steps, 10_050).does(&[(10_000, wire(108)), (10_000, TERM)]);
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

// Terminating and killing.

#[test]
fn sigkill_follows_when_the_grace_is_over_and_is_repeated_until_empty() {
    run(rules(), &[(1000, used(99)), (4250, dies(9)), (4251, empty())], 9000)
        .does(&[
            (1000, wire(108)),
            (1000, TERM),
            (4000, KILL),
            (4100, KILL),
            (4200, KILL),
            (4251, by_us(breach(99), Some(grace_over(3000)), KILLED)),
        ])
        .tells(&[
            (1000, near(99)),
            (1000, Notice::Terminating { reason: breach(99), grace: ms(3000) }),
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
        [(0, used(99)), (900, used(128)), (1000, used(129)), (1001, dies(9)), (1002, empty())];
    run(rules(), &steps, 9000).does(&[
        (0, wire(108)),
        (0, TERM),
        (1000, KILL),
        (1002, by_us(breach(99), Some(why), KILLED)),
    ]);
}

#[test]
fn sigterm_comes_before_sigkill_even_beyond_the_second_line() {
    run(rules(), &[(0, used(10)), (700, used(131))], 750).does(&[
        (700, wire(108)),
        (700, TERM),
        (700, KILL),
    ]);
}

#[test]
fn page_cache_at_the_second_line_does_not_cut_the_grace_short() {
    run(rules(), &[(0, used(99)), (10, cached(131, 40))], 2999).does(&[(0, wire(108)), (0, TERM)]);
}

#[test]
fn without_grace_sigkill_is_right_behind_sigterm() {
    let rules = PolicyConfig { grace: Duration::ZERO, ..rules() };
    run(rules, &[(0, used(99))], 50).does(&[(0, wire(108)), (0, TERM), (0, KILL)]);
}

#[test]
fn a_workload_that_shrinks_again_is_ended_all_the_same() {
    let log = run(rules(), &[(0, used(99)), (10, used(5))], 3000);
    log.does(&[(0, wire(108)), (0, TERM), (3000, KILL)]);
    assert!(log.looks(1, 3000) > 500, "looks every 5 ms while terminating");
}

#[test]
fn sigkill_for_leftovers_is_not_what_ended_the_command() {
    let steps = [(0, used(99)), (100, exits(0)), (3050, empty())];
    run(rules(), &steps, 9000).does(&[
        (0, wire(108)),
        (0, TERM),
        (3000, KILL),
        (3050, by_us(breach(99), None, DONE)),
    ]);
}

// Operators.

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
    run(rules(), &[(0, used(99)), (500, asks(Command::Kill))], 550).does(&[
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
fn a_frozen_workload_is_thawed_before_sigterm() {
    run(rules(), &[(0, asks(Command::Freeze)), (700, used(99))], 2000).does(&[
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
    run(rules(), &[(0, used(99)), (10, freeze), (3050, freeze)], 3060).does(&[
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
    run(rules(), &[(0, used(60)), (333, asks(Command::SetLines(down)))], 1000).does(&[
        (333, Action::SetLines(down)),
        (333, wire(58)),
        (333, TERM),
    ]);
}

#[test]
fn a_limit_set_while_terminating_moves_the_lines_and_ends_nothing_twice() {
    let up = lines(200);
    let steps = [(0, used(99)), (500, asks(Command::SetLines(up))), (600, used(150))];
    run(rules(), &steps, 3000)
        .does(&[
            (0, wire(108)),
            (0, TERM),
            (500, Action::SetLines(up)),
            (500, wire(208)),
            (3000, KILL),
        ])
        .tells(&[
            (0, near(99)),
            (0, Notice::Terminating { reason: breach(99), grace: ms(3000) }),
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
fn the_grace_can_be_changed_while_it_runs() {
    let grace = |seconds| asks(Command::SetGrace(Duration::from_secs(seconds)));
    for (seconds, kill_at) in [(2, 2000), (1, 1500), (0, 1500), (8, 8000)] {
        run(rules(), &[(0, used(99)), (1500, grace(seconds))], kill_at + 99).does(&[
            (0, wire(108)),
            (0, TERM),
            (kill_at, KILL),
        ]);
    }
    run(rules(), &[(0, grace(1)), (500, used(99))], 1500)
        .does(&[(500, wire(108)), (500, TERM), (1500, KILL)])
        .tells(&[
            (0, Notice::NewGrace(ms(1000))),
            (500, near(99)),
            (500, Notice::Terminating { reason: breach(99), grace: ms(1000) }),
            (1500, Notice::Killing { why: grace_over(1000), after: Some(ms(1000)) }),
        ]);
}

// The end.

#[test]
fn a_run_is_over_when_the_command_is_gone_and_nothing_is_left_in_either_order() {
    run(rules(), &[(0, used(10)), (500, empty()), (510, exits(0))], 900)
        .does(&[(510, by_itself(DONE))]);
    run(rules(), &[(0, used(10)), (500, exits(0)), (510, empty())], 900)
        .does(&[(510, by_itself(DONE))]);
    run(rules(), &[(0, used(10)), (500, dies(9)), (510, empty())], 900)
        .does(&[(510, by_itself(KILLED))]);
}

#[test]
fn what_the_command_leaves_behind_is_guarded_on() {
    let steps = [(0, used(10)), (500, exits(0)), (60_000, used(99)), (60_100, empty())];
    run(rules(), &steps, 90_000)
        .does(&[(60_000, wire(108)), (60_000, TERM), (60_100, by_us(breach(99), None, DONE))])
        .tells(&[
            (500, Notice::Leftover { processes: 3 }),
            (60_000, near(99)),
            (60_000, Notice::Terminating { reason: breach(99), grace: ms(3000) }),
        ]);
}

#[test]
fn what_the_command_leaves_behind_is_ended_when_asked_for() {
    let rules = PolicyConfig { on_exit: OnExit::Terminate, ..rules() };
    run(rules, &[(0, used(10)), (500, exits(0)), (3550, empty())], 9000).does(&[
        (500, wire(108)),
        (500, TERM),
        (3500, KILL),
        (3550, by_us(Reason::ChildExited, None, DONE)),
    ]);
    run(rules, &[(0, used(10)), (500, empty()), (501, exits(0))], 900)
        .does(&[(501, by_itself(DONE))]);
    run(rules, &[(0, used(99)), (500, exits(0))], 999).does(&[(0, wire(108)), (0, TERM)]);
}

#[test]
fn a_kill_by_the_kernel_is_told_and_is_a_miss_when_it_took_the_command() {
    let mut sample = memory(90, 0);
    sample.counters.oom_kill = 2;
    let killed = Step::State(sample);
    let outcome = |cause, child| Action::Finish(Outcome { cause, child, kernel_oom_kills: 2 });
    run(rules(), &[(0, used(50)), (10, killed), (11, dies(9)), (12, empty())], 900)
        .does(&[(12, outcome(Cause::KernelOom, KILLED))])
        .tells(&[
            (10, Notice::KernelOom { killed: 2 }),
            (10, near(90)),
            (11, Notice::Leftover { processes: 3 }),
        ]);
    run(rules(), &[(0, used(50)), (10, killed), (11, exits(1)), (12, empty())], 900)
        .does(&[(12, outcome(Cause::Itself, Ending::Exited(1)))]);
    let ours = Cause::Guardian { reason: breach(99), killed: None };
    run(rules(), &[(0, used(99)), (10, killed), (11, dies(9)), (12, empty())], 900).does(&[
        (0, wire(108)),
        (0, TERM),
        (12, outcome(ours, KILLED)),
    ]);
}

#[test]
fn nothing_happens_after_the_end() {
    let steps = [
        (0, exits(0)),
        (1, empty()),
        (2, used(131)),
        (3, used(131)),
        (4, asks(Command::Kill)),
        (5, asks(Command::SetLines(lines(50)))),
        (6, Step::Happens(sentinel::event::Event::Deadline)),
        (7, exits(1)),
        (8, empty()),
    ];
    let log = run(rules(), &steps, 9000);
    log.does(&[(1, by_itself(DONE))]).tells(&[(0, Notice::Leftover { processes: 0 })]);
    assert_eq!(log.looks(1, 9001), 0);
}

// Dry run.

#[test]
fn a_dry_run_tells_once_for_each_approach_and_does_nothing() {
    let rules = PolicyConfig { dry_run: true, ..rules() };
    let would = |footprint| Notice::WouldTerminate { reason: breach(footprint) };
    let steps =
        [(0, used(99)), (500, used(95)), (900, used(131)), (5000, used(50)), (6000, used(100))];
    run(rules, &steps, 60_000).does(&[]).tells(&[
        (0, near(99)),
        (0, would(99)),
        (6000, near(100)),
        (6000, would(100)),
    ]);
}

#[test]
fn a_dry_run_tells_of_the_other_reasons_once_too() {
    let dry = PolicyConfig { dry_run: true, ..rules() };
    let timeout = PolicyConfig { timeout: Some(ms(5000)), ..dry };
    let would = |reason| Notice::WouldTerminate { reason };
    run(timeout, &[(0, used(10))], 60_000)
        .does(&[])
        .tells(&[(5000, would(Reason::Timeout { after: ms(5000) }))]);
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
