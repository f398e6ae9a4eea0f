//! Single processes: who holds more than each may is ended, and at the limit of all the largest; the rest lives. The command goes last.

use crate::*;
use sentinel::event::{ProcessEnd, ProcessNotice, ProcessReason, Sample};
use sentinel::policy::culprit::CulpritRule;
use sentinel::policy::on_breach::BreachRule;
use sentinel::policy::warn::WarnRule;
use sentinel::units::Percent;

const MASTER: (i32, u64, bool) = (1, 10, true);

fn each(mib: u64) -> PolicyConfig {
    let culprit = CulpritRule { process_memory: Some(Bytes::mib(mib)), largest: false };
    PolicyConfig { culprit, ..rules() }
}

fn largest() -> PolicyConfig {
    let culprit = CulpritRule { process_memory: None, largest: true };
    PolicyConfig { culprit, ..rules() }
}

fn end(pid: i32, with_descendants: bool, kill: bool) -> Action {
    Action::EndProcess(ProcessEnd { id: id(pid), with_descendants, kill })
}

fn asked(pid: i32) -> Action {
    end(pid, false, false)
}

fn chosen(pid: i32) -> Action {
    end(pid, true, false)
}

fn too_large(mib: u64, limit: u64) -> ProcessReason {
    ProcessReason::TooLarge { size: Bytes::mib(mib), limit: Bytes::mib(limit) }
}

#[test]
fn a_worker_that_holds_too_much_is_asked_to_go_and_the_rest_lives() {
    let steps = [
        (0, used(30)),
        (500, Step::Processes(&[(2, 41, false), (3, 20, false), MASTER])),
        (900, Step::Gone(2)),
    ];
    let log = run(each(40), &steps, 60_000);
    log.does(&[(500, asked(2))]);
    let terminating =
        ProcessNotice::Terminating { id: id(2), why: too_large(41, 40), grace: ms(3000) };
    // It is seen within 50 ms.
    let gone = ProcessNotice::Gone { id: id(2), after: ms(410), killed: false };
    log.tells(&[(500, Notice::Process(terminating)), (910, Notice::Process(gone))]);
}

#[test]
fn who_holds_as_much_as_it_may_and_no_more_is_left_alone() {
    let steps = [(0, used(30)), (500, Step::Processes(&[(2, 39, false), MASTER]))];
    run(each(40), &steps, 60_000).does(&[]);
}

#[test]
fn who_gives_it_back_before_the_second_look_is_left_alone() {
    let steps = [(0, used(30)), (10, Step::Processes(&[(2, 39, false), MASTER]))];
    run(each(40), &steps, 500).does(&[]);
}

#[test]
fn who_does_not_go_is_killed_when_its_grace_is_over_until_it_is_gone() {
    let steps =
        [(0, used(30)), (500, Step::Processes(&[(2, 41, false), MASTER])), (3650, Step::Gone(2))];
    let killed = |at| (at, end(2, false, true));
    run(each(40), &steps, 20_000).does(&[(500, asked(2)), killed(3500), killed(3600)]);
}

#[test]
fn several_go_at_a_time_each_with_a_grace_of_its_own() {
    let steps = [
        (0, used(30)),
        (500, Step::Processes(&[(2, 50, false), MASTER])),
        (1000, Step::Processes(&[(2, 50, false), (3, 45, false), MASTER])),
    ];
    run(each(40), &steps, 3999).does(&[
        (500, asked(2)),
        (1000, asked(3)),
        (3500, end(2, false, true)),
        (3600, end(2, false, true)),
        (3700, end(2, false, true)),
        (3800, end(2, false, true)),
        (3900, end(2, false, true)),
    ]);
}

#[test]
fn the_command_itself_goes_with_all_of_it() {
    let steps = [(0, used(30)), (500, Step::Processes(&[(1, 41, true), (2, 1, false)]))];
    let reason = Reason::Process { size: Bytes::mib(41), limit: Bytes::mib(40) };
    run(each(40), &[steps[0], steps[1], (600, dies(15)), (600, empty())], 1000).does(&[
        (500, wire(108)),
        (500, TERM),
        (600, by_us(reason, None, Ending::Signaled(15))),
    ]);
}

#[test]
fn at_the_limit_the_largest_goes_and_the_trip_wire_is_back_when_it_is_gone() {
    let steps = [
        (0, used(50)),
        (900, Step::Processes(&[(2, 60, false), (3, 20, false), MASTER])),
        (1000, used(100)),
        (1200, used(40)),
        (1200, Step::Gone(2)),
    ];
    let log = run(largest(), &steps, 60_000);
    log.does(&[(1000, wire(108)), (1000, chosen(2)), (1460, wire(100))]);
}

#[test]
fn another_follows_when_that_was_not_enough_and_the_command_last() {
    let steps = [
        (0, used(50)),
        (900, Step::Processes(&[(2, 60, false), (3, 20, false), MASTER])),
        (1000, used(120)),
        (1100, Step::Gone(2)),
        (1100, Step::Processes(&[(3, 20, false), MASTER])),
        (1200, used(110)),
    ];
    let log = run(largest(), &steps, 1500);
    log.does(&[(1000, wire(121)), (1000, chosen(2)), (1350, wire(111)), (1350, chosen(3))]);
    let small = (900, Step::Processes(&[(2, 6, false), (3, 5, false), MASTER]));
    run(largest(), &[(0, used(50)), small, (1000, used(100))], 1500)
        .does(&[(1000, wire(108)), (1000, TERM)]);
}

#[test]
fn at_the_second_line_there_is_no_time_for_a_grace_nor_for_another() {
    let crowd = Step::Processes(&[(2, 60, false), (3, 20, false), MASTER]);
    let steps = [(0, used(50)), (900, crowd), (1000, used(100)), (1500, used(130))];
    let killed = end(2, true, true);
    let log = run(largest(), &steps, 1501);
    log.does(&[(1000, wire(108)), (1000, chosen(2)), (1500, killed)]);
    let steps = [steps[0], steps[1], steps[2], steps[3], (1550, used(131))];
    run(largest(), &steps, 1551).does(&[
        (1000, wire(108)),
        (1000, chosen(2)),
        (1500, killed),
        (1550, Action::SetTripWire(Limit::At(lines(100).second.0))),
        (1550, TERM),
        (1550, KILL),
    ]);
}

#[test]
fn who_cannot_be_signalled_is_passed_over() {
    let crowd = Step::Processes(&[(2, 60, false), (3, 20, false), MASTER]);
    let steps = [(0, used(50)), (900, crowd), (950, Step::Refused), (1000, used(100))];
    let log = run(largest(), &steps, 1000);
    let acts = [
        (1000, wire(108)),
        (1000, chosen(2)),
        (1000, wire(108)),
        (1000, chosen(3)),
        (1000, wire(108)),
        (1000, TERM),
    ];
    log.does(&acts);
}

#[test]
fn a_dry_run_says_who_would_be_ended_once() {
    let crowd = Step::Processes(&[(2, 60, false), MASTER]);
    let dry = PolicyConfig { dry_run: true, ..each(40) };
    let log = run(dry, &[(0, used(50)), (500, crowd)], 60_000);
    let would = ProcessNotice::WouldTerminate { id: id(2), why: too_large(60, 40) };
    log.does(&[]).tells(&[(500, Notice::Process(would))]);
    let dry = PolicyConfig { dry_run: true, ..largest() };
    let log = run(dry, &[(0, used(50)), (500, crowd), (1000, used(100))], 60_000);
    let why = ProcessReason::Largest { size: Bytes::mib(60), reason: breach(100) };
    let would = ProcessNotice::WouldTerminate { id: id(2), why };
    log.does(&[]).tells(&[(1000, near(100)), (1000, Notice::Process(would))]);
}

#[test]
fn an_operator_ends_all_of_it_while_one_goes() {
    let crowd = Step::Processes(&[(2, 60, false), MASTER]);
    let steps = [(0, used(50)), (500, crowd), (1000, used(100)), (1200, asks(Command::Terminate))];
    run(largest(), &steps, 4200).does(&[
        (1000, wire(108)),
        (1000, chosen(2)),
        (1200, wire(108)),
        (1200, TERM),
        (4200, KILL),
    ]);
}

#[test]
fn what_must_last_lasts_before_anybody_is_chosen() {
    let crowd = Step::Processes(&[(2, 60, false), MASTER]);
    let hold = BreachRule { hold: ms(2000), ..BreachRule::default() };
    let steps = [(0, used(50)), (500, crowd), (1000, used(100))];
    let config = PolicyConfig { on_breach: hold, ..largest() };
    run(config, &steps, 3000).does(&[(3000, wire(108)), (3000, chosen(2))]);
}

#[test]
fn processes_are_weighed_seldom_where_none_is_near() {
    let quiet = Step::Processes(&[(2, 10, false), MASTER]);
    let weighings =
        |config, until: u64| run(config, &[(0, used(20)), (1, quiet)], until).weighings();
    assert!((9..=11).contains(&weighings(each(4096), 10_000)), "{}", weighings(each(4096), 10_000));
    assert_eq!(weighings(largest(), 10_000), 0, "nobody needs to know");
    let close = Step::Processes(&[(2, 39, false), MASTER]);
    let near = run(each(40), &[(0, used(20)), (1, close)], 1000).weighings();
    assert!((18..=22).contains(&near), "{near}");
}

fn machine() -> PolicyConfig {
    let floor = Some(Bytes::mib(1024));
    let culprit = CulpritRule { process_memory: None, largest: true };
    PolicyConfig {
        lines: lines(8192),
        culprit,
        min_available: floor,
        is_machine: true,
        has_command: false,
        cadence: Cadence::Polled,
        reclaim: sentinel::policy::reclaim::ReclaimAt::Nowhere,
        slack: Bytes(0),
        // As `attach --machine` has it: never.
        warn: WarnRule { share: Percent(u32::MAX), within: Duration::ZERO },
        ..rules()
    }
}

/// A machine of 8 GiB with so many MiB left.
fn left(mib: u64) -> Step {
    Step::State(Sample { available: Some(Bytes::mib(mib)), ..memory(8192 - mib, 0) })
}

#[test]
fn of_a_machine_below_its_floor_the_largest_process_goes_alone_and_another_when_that_is_not_enough()
{
    let crowd = Step::Processes(&[(2, 600, false), (3, 200, false)]);
    let steps = [
        (0, left(4000)),
        (500, crowd),
        (1000, left(1000)),
        (1500, Step::Gone(2)),
        (1500, Step::Processes(&[(3, 200, false)])),
        (1600, left(1010)),
    ];
    run(machine(), &steps, 3000).does(&[(1000, asked(2)), (1750, asked(3))]);
}

#[test]
fn with_half_of_the_floor_gone_too_there_is_no_grace_and_another_may_go_at_once() {
    let crowd = Step::Processes(&[(2, 600, false), (3, 200, false)]);
    let steps =
        [(0, left(4000)), (500, crowd), (1000, left(1000)), (1200, left(500)), (1500, left(400))];
    let log = run(machine(), &steps, 1501);
    let killed = |at, pid| (at, end(pid, false, true));
    log.does(&[
        (1000, asked(2)),
        killed(1200, 2),
        killed(1300, 2),
        killed(1400, 2),
        (1500, asked(3)),
        killed(1500, 2),
    ]);
}

#[test]
fn the_machine_itself_is_never_ended() {
    let small = Step::Processes(&[(2, 15, false)]);
    let steps = [
        (0, left(4000)),
        (500, small),
        (1000, left(1)),
        (2000, asks(Command::Terminate)),
        (2100, asks(Command::Kill)),
        (2200, asks(Command::Freeze)),
    ];
    let log = run(machine(), &steps, 60_000);
    let reason = Reason::HostMemory { available: Bytes::mib(1), floor: Bytes::mib(1024) };
    log.does(&[]).tells(&[(1000, Notice::NobodyToEnd { reason })]);
    let short = PolicyConfig { timeout: Some(ms(100)), ..machine() };
    run(short, &[(0, left(4000))], 60_000).does(&[]);
}
