//! A pool: at its limit one of those in it is chosen, and not another before that one is gone; at the second line at once.

use crate::*;
use sentinel::event::{Choice, Event, PoolBreach};

fn pool() -> PolicyConfig {
    PolicyConfig { is_pool: true, has_command: false, ..rules() }
}

fn gone() -> Step {
    Step::Happens(Event::Yielded)
}

fn over(footprint: u64, limit: u64) -> PoolBreach {
    PoolBreach { footprint: Bytes::mib(footprint), limit: Bytes::mib(limit) }
}

fn chooses(footprint: u64) -> Action {
    let breach = over(footprint, 100);
    Action::Choose(Choice { breach, reason: crate::breach(footprint), at_once: false })
}

fn at_once(current: u64) -> Action {
    let breach = PoolBreach { footprint: Bytes::mib(current), limit: lines(100).second };
    Action::Choose(Choice { breach, reason: crate::breach(current), at_once: true })
}

#[test]
fn one_is_chosen_and_the_trip_wire_goes_back_when_it_is_gone() {
    let steps = [(0, used(50)), (1000, used(100)), (1500, used(40)), (1500, gone())];
    // 250 ms after that one is gone the pool is looked at as before.
    run(pool(), &steps, 20_000).does(&[(1000, wire(108)), (1000, chooses(100)), (1750, wire(100))]);
}

#[test]
fn nobody_else_is_chosen_before_that_one_is_gone_or_late() {
    let steps = [(0, used(100))];
    let again = 3000 + 2000;
    run(pool(), &steps, again - 1).does(&[(0, wire(108)), (0, chooses(100))]);
    let twice = [(0, wire(108)), (0, chooses(100)), (again, wire(108)), (again, chooses(100))];
    run(pool(), &steps, again + 100).does(&twice);
}

#[test]
fn where_that_was_not_enough_another_follows_after_a_rest() {
    let steps = [(0, used(120)), (1000, used(110)), (1000, gone())];
    run(pool(), &steps, 2000).does(&[
        (0, wire(121)),
        (0, chooses(120)),
        (1250, wire(111)),
        (1250, chooses(110)),
    ]);
}

#[test]
fn at_the_second_line_whoever_is_being_ended_is_killed() {
    let steps = [(0, used(100)), (500, used(130))];
    run(pool(), &steps, 501).does(&[(0, wire(108)), (0, chooses(100)), (500, at_once(130))]);
    // After somebody is gone as well: there is no time for a rest.
    let steps = [(0, used(100)), (500, gone()), (600, used(130))];
    run(pool(), &steps, 600).does(&[(0, wire(108)), (0, chooses(100)), (600, at_once(130))]);
}

#[test]
fn a_dry_run_of_a_pool_chooses_nobody() {
    let dry = PolicyConfig { dry_run: true, ..pool() };
    run(dry, &[(0, used(100))], 9000).does(&[]);
}

#[test]
fn an_operator_ends_all_of_it() {
    run(pool(), &[(0, used(10)), (100, asks(Command::Terminate))], 3100).does(&[
        (100, wire(108)),
        (100, TERM),
        (3100, KILL),
    ]);
}

#[test]
fn whoever_is_chosen_is_ended_politely_and_killed_when_there_is_no_time() {
    let chosen = |breach, at_once| asks(Command::Yield { breach, at_once });
    let breach = over(100, 100);
    let reason = Reason::Pool(breach);
    let steps = [(0, used(10)), (100, chosen(breach, false)), (200, dies(15)), (200, empty())];
    run(rules(), &steps, 9000).does(&[
        (100, wire(108)),
        (100, TERM),
        (200, by_us(reason, None, TERMED)),
    ]);
    let second = over(130, 129);
    let steps = [
        (0, used(10)),
        (100, chosen(breach, false)),
        (200, chosen(second, true)),
        (210, chosen(second, true)),
        (250, dies(9)),
        (250, empty()),
    ];
    run(rules(), &steps, 9000).does(&[
        (100, wire(108)),
        (100, TERM),
        (200, KILL),
        (250, by_us(reason, Some(KillReason::Pool(second)), KILLED)),
    ]);
}
