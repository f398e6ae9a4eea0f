//! The machine's floor: who is within its limit is ended all the same where the machine is short, and its end would help.

use crate::*;
use sentinel::event::Sample;

/// A floor of 1 GiB.
fn floored() -> PolicyConfig {
    PolicyConfig { min_available: Some(Bytes::mib(1024)), ..rules() }
}

/// So many MiB left by the machine, and held by the workload.
fn left(available: u64, held: u64) -> Step {
    Step::State(reading(available, held))
}

fn reading(available: u64, held: u64) -> Sample {
    Sample { available: Some(Bytes::mib(available)), ..memory(held, 0) }
}

fn short(available: u64) -> Reason {
    Reason::HostMemory { available: Bytes::mib(available), floor: Bytes::mib(1024) }
}

#[test]
fn below_the_floor_the_workload_is_ended_as_at_its_limit() {
    let steps = [(0, left(2000, 50)), (1000, left(1000, 50)), (1500, dies(15)), (1501, empty())];
    run(floored(), &steps, 9000)
        .does(&[(1000, wire(108)), (1000, TERM), (1501, by_us(short(1000), None, TERMED))])
        .tells(&[(1000, Notice::Terminating { reason: short(1000), grace: ms(3000) })]);
    run(floored(), &[(0, left(1024, 50))], 60_000).does(&[]).tells(&[]);
    run(rules(), &[(0, left(1, 50))], 60_000).does(&[]).tells(&[]);
}

#[test]
fn it_is_seen_twice_in_a_row() {
    let glimpse = |available| Step::Glimpse(reading(available, 50));
    let steps = [(0, left(2000, 50)), (1000, glimpse(10)), (1010, glimpse(10))];
    run(floored(), &steps, 9000).does(&[]);
}

#[test]
fn who_holds_next_to_nothing_of_it_lives() {
    run(floored(), &[(0, left(1000, 15))], 60_000).does(&[]);
    run(floored(), &[(0, left(0, 63))], 60_000).does(&[]);
    run(floored(), &[(0, left(600, 26))], 60_000).does(&[]);
    run(floored(), &[(0, left(600, 27))], 2999).does(&[(0, wire(108)), (0, TERM)]);
}

#[test]
fn who_is_frozen_is_thawed_to_hear_it() {
    let steps = [(0, left(2000, 50)), (10, asks(Command::Freeze)), (1000, left(900, 50))];
    let ends = [(10, FREEZE), (1000, wire(108)), (1000, THAW), (1000, TERM)];
    run(floored(), &steps, 3999).does(&ends);
}

#[test]
fn half_of_the_floor_gone_is_sigkill_at_once() {
    let gone = KillReason::HostMemory { available: Bytes::mib(511), line: Bytes::mib(512) };
    let steps = [
        (0, left(1000, 50)),
        (100, left(512, 50)),
        (200, left(511, 50)),
        (210, dies(9)),
        (211, empty()),
    ];
    run(floored(), &steps, 9000).does(&[
        (0, wire(108)),
        (0, TERM),
        (200, KILL),
        (211, by_us(short(1000), Some(gone), KILLED)),
    ]);
    // Who is ended for a reason of its own keeps its time.
    run(floored(), &[(0, left(2000, 100)), (100, left(1, 100))], 2999)
        .does(&[(0, wire(108)), (0, TERM)]);
}

#[test]
fn far_from_the_floor_nobody_looks_more_often() {
    let looks =
        |config, available| run(config, &[(0, left(available, 50))], 60_000).looks(1, 60_001);
    for cadence in [Cadence::Events, Cadence::Polled] {
        let (with, without) =
            (PolicyConfig { cadence, ..floored() }, PolicyConfig { cadence, ..rules() });
        assert_eq!(looks(with, 2048), looks(without, 2048));
    }
    assert_eq!(looks(floored(), 2048), 60, "one a second");
    assert_eq!(looks(floored(), 1536), 120);
    assert_eq!(looks(floored(), 1024), 1200, "one in 50 ms");
}

#[test]
fn a_dry_run_tells_once_for_each_approach() {
    let dry = PolicyConfig { dry_run: true, ..floored() };
    let would = |available| Notice::WouldTerminate { reason: short(available) };
    let steps = [
        (0, left(1000, 50)),
        (500, left(1100, 50)),
        (900, left(800, 50)),
        (5000, left(1152, 50)),
        (6000, left(900, 50)),
    ];
    run(dry, &steps, 9000).does(&[]).tells(&[(0, would(1000)), (6000, would(900))]);
}
