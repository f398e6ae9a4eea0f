//! The kernel's own lines on their way: what is compared at once, what follows them, and what a refusal leads to.
//! Lines of 900 MiB: relief 908, second line 928.75, ceiling 932; of 60: 68, 88.75, 92.

use crate::*;
use sentinel::clock::Timestamp;
use sentinel::event::{Deed, DeedResult, Event, InForce};
use sentinel::policy::{Actions, Policy};

/// 300 MiB in use, 290 of them page cache, under 900.
fn cached_policy() -> Policy {
    let mut policy =
        Policy::new(PolicyConfig { lines: lines(900), ..rules() }, Timestamp::default());
    let _ = look(&mut policy, 0, 300);
    policy
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn look(policy: &mut Policy, ms: u64, current: u64) -> Actions {
    policy.handle(Event::Sample(memory(current, current - 10)), at(ms))
}

fn set(policy: &mut Policy, mib: u64) {
    let actions = policy.handle(Event::Operator(Command::SetLines(lines(mib))), at(1000));
    assert!(actions.contains(&Action::SetLines(lines(mib))), "{actions:?}");
}

fn stand(policy: &mut Policy, (high, max): (u64, u64), result: DeedResult) -> Actions {
    let limit = |mib: u64| Limit::At(mib << 20);
    let deed = Deed::Lines(InForce { high: limit(high), max: limit(max) });
    policy.handle(Event::Done(deed, result), at(1001))
}

fn in_use(mib: u64) -> DeedResult {
    DeedResult::InUse(Bytes::mib(mib))
}

#[test]
fn the_limit_counts_at_once_and_the_rest_once_it_is_in_force() {
    let mut policy = cached_policy();
    set(&mut policy, 60);
    let _ = stand(&mut policy, (60, 932), DeedResult::Pending);
    assert_eq!(*policy.lines(), lines(900).lowered(Bytes::mib(60)));
    assert_eq!(policy.trip_wire(), Limit::At(60 << 20));
    let _ = stand(&mut policy, (60, 92), DeedResult::Done);
    assert_eq!(*policy.lines(), lines(60));
}

#[test]
fn a_ceiling_that_had_no_room_is_tried_again_when_there_is() {
    let mut policy = cached_policy();
    set(&mut policy, 60);
    let _ = stand(&mut policy, (60, 932), DeedResult::Pending);
    assert!(!look(&mut policy, 1100, 50).contains(&Action::SetLines(lines(60))), "on its way");
    let _ = stand(&mut policy, (60, 932), in_use(300));
    for (ms, current, again) in [(1200, 300, false), (1300, 91, false), (1400, 90, true)] {
        let actions = look(&mut policy, ms, current);
        assert_eq!(actions.contains(&Action::SetLines(lines(60))), again, "{current}");
    }
    let _ = stand(&mut policy, (60, 92), DeedResult::Done);
    assert_eq!(*policy.lines(), lines(60));
    assert!(!look(&mut policy, 1500, 80).contains(&Action::SetLines(lines(60))));
}

#[test]
fn a_refusal_leaves_the_lines_that_are_in_force() {
    for (mib, result) in [(60, 60), (2000, 900)] {
        let mut policy = cached_policy();
        set(&mut policy, mib);
        let _ = stand(&mut policy, (900, 932), DeedResult::Failed(5));
        assert_eq!(policy.lines().ceiling, lines(900).ceiling);
        assert_eq!(policy.lines().limit, Bytes::mib(result), "a lower limit is compared with");
        assert_eq!(policy.trip_wire(), Limit::At(900 << 20));
    }
}

/// The second line belongs to the ceiling that is in force: handlers have the room that there is.
#[test]
fn who_is_ended_meanwhile_has_the_old_room() {
    let mut policy = cached_policy();
    set(&mut policy, 60);
    let _ = stand(&mut policy, (60, 932), DeedResult::Pending);
    let actions = policy.handle(Event::Operator(Command::Terminate), at(1100));
    let high = Action::SetTripWire(Limit::At(lines(900).relief.0));
    assert!(actions.contains(&high) && actions.contains(&TERM), "{actions:?}");
    let _ = stand(&mut policy, (60, 932), in_use(300));
    assert!(!look(&mut policy, 1110, 300).contains(&KILL));
}

#[test]
fn the_trip_wire_goes_above_what_is_in_use_by_then() {
    let mut policy = Policy::new(rules(), Timestamp::default());
    let terminate = |policy: &mut Policy| policy.handle(Event::Operator(Command::Terminate), at(1));
    assert!(terminate(&mut policy).contains(&wire(108)));
    let refused = |current| {
        Event::Done(Deed::TripWire(Limit::At(100 << 20)), DeedResult::InUse(Bytes::mib(current)))
    };
    assert_eq!(policy.handle(refused(110), at(1))[..], [wire(111)]);
    assert_eq!(policy.trip_wire(), Limit::At(111 << 20), "where it goes, until it is known");
    for current in [120, 125] {
        assert_eq!(policy.handle(refused(current), at(1))[..], [wire(current + 1)]);
    }
    assert!(policy.handle(refused(126), at(1)).is_empty(), "not for ever");
    assert_eq!(policy.trip_wire(), Limit::At(100 << 20));

    let mut policy = Policy::new(rules(), Timestamp::default());
    let _ = terminate(&mut policy);
    assert!(policy.handle(refused(129), at(1)).is_empty(), "over the second line");
}
