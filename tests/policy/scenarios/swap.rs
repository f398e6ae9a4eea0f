//! Swap is room beyond the limit: what lies there is no breach until that room is used up too.

use crate::*;

/// 100 MiB, and so much in swap beyond.
fn with_swap(swap: Limit) -> PolicyConfig {
    PolicyConfig { lines: lines(100).with_swap(swap), ..rules() }
}

fn swapped(current: u64, swap: u64) -> Step {
    let mut sample = memory(current, 0);
    sample.swap = Bytes::mib(swap);
    Step::State(sample)
}

const ROOM: Limit = Limit::At(256 << 20);

#[test]
fn what_fits_into_limit_and_swap_is_left_alone() {
    let log = run(with_swap(ROOM), &[(0, swapped(98, 60)), (60_000, swapped(98, 180))], 3_600_000);
    log.does(&[]).tells(&[]);
}

#[test]
fn limit_and_room_together_are_the_limit() {
    let (footprint, limit) = (Bytes::mib(356), Bytes::mib(356));
    let breach = Reason::Breach { footprint, limit };
    let near = Notice::NearLimit { footprint, limit: Bytes::mib(100), swap: ROOM };
    run(with_swap(ROOM), &[(0, swapped(98, 100)), (1000, swapped(100, 256))], 1000)
        .does(&[(1000, wire(108)), (1000, TERM)])
        .tells(&[(1000, near), (1000, Notice::Terminating { reason: breach, grace: ms(3000) })]);
}

#[test]
fn swap_without_end_is_left_to_other_rules() {
    run(with_swap(Limit::Max), &[(0, swapped(98, 10_000))], 3_600_000).does(&[]).tells(&[]);
}

#[test]
fn what_is_in_memory_and_in_swap_counts_once() {
    let mut sample = memory(60, 0);
    (sample.swap, sample.swap_cached) = (Bytes::mib(60), Bytes::mib(40));
    run(rules(), &[(0, Step::State(sample))], 3_600_000).does(&[]).tells(&[(0, near(80))]);
}

#[test]
fn a_lower_limit_keeps_the_room() {
    let lower = lines(50).with_swap(ROOM);
    // The kernel swaps out what is over the lower trip-wire.
    let asks = asks(Command::SetLines(lower));
    let steps = [(0, swapped(90, 100)), (1000, asks), (1050, swapped(49, 141))];
    run(with_swap(ROOM), &steps, 60_000).does(&[(1000, Action::SetLines(lower))]);
}
