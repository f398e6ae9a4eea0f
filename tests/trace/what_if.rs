//! What another limit would have done, in runs of which that is known.

use crate::made::{LEAK, Leak, trace};
use sentinel::cli::{Amount, Span};
use sentinel::clock::Timestamp;
use sentinel::event::{KillReason, Reason};
use sentinel::replay::what_if::{Changes, Prediction, WhatIfAnswer, Why, ask};
use sentinel::units::{Bytes, Limit};
use std::time::Duration;

fn with_limit(leak: &Leak, mib: u64) -> WhatIfAnswer {
    let changes = Changes { memory: Some(Bytes::mib(mib)), ..Changes::default() };
    ask(&trace(leak), &changes).unwrap()
}

fn with_grace(leak: &Leak, ms: u64) -> WhatIfAnswer {
    let grace = Some(Span(Duration::from_millis(ms)));
    ask(&trace(leak), &Changes { grace, ..Changes::default() }).unwrap()
}

const FREE: Leak = Leak { dry_run: true, ..LEAK };
const DEAF: Leak = Leak { handler_ms: None, ..LEAK };

#[test]
fn a_dry_run_answers_for_every_limit() {
    for mib in [20, 50, 100, 150, 199] {
        let answer = with_limit(&FREE, mib);
        let Prediction::Ended { at, reason, known, .. } = answer.verdict else {
            panic!("{answer:?}");
        };
        assert_eq!(at, Timestamp::from_millis(mib * 100), "{mib}: at 10 MiB/s");
        assert!(matches!(reason, Reason::Breach { .. }) && !known, "{answer:?}");
        assert!(!answer.warnings.is_empty(), "{answer:?}");
        assert_eq!(answer.peaks.0, Bytes::mib(mib));
    }
    let answer = with_limit(&FREE, 201);
    assert_eq!(answer.verdict, Prediction::Lived);
    assert!(answer.peaks.0 > Bytes::mib(199) && answer.peaks.0 < Bytes::mib(200), "{answer:?}");
    assert!(with_limit(&FREE, 2048).warnings.is_empty());
}

/// What lies in swap has room beyond the limit; traces from before know of none.
#[test]
fn room_in_swap_is_part_of_the_limit() {
    let changes = |room| Changes { swap: Some(Amount(room)), ..Changes::default() };
    let ended = |room| match ask(&trace(&FREE), &changes(room)).unwrap().verdict {
        Prediction::Ended { at, .. } => Some(at),
        Prediction::Lived => None,
        Prediction::Unknown { .. } => panic!("nothing was done to it"),
    };
    assert_eq!(ended(Limit::At(0)), Some(Timestamp::from_millis(10_000)), "100 MiB at 10 MiB/s");
    assert_eq!(ended(Limit::At(50 << 20)), Some(Timestamp::from_millis(15_000)));
    assert_eq!(ended(Limit::At(256 << 20)), None);
    let both = Changes { memory: Some(Bytes::mib(50)), ..changes(Limit::At(20 << 20)) };
    let answer = ask(&trace(&FREE), &both).unwrap();
    assert_eq!(answer.config.lines.allowance(), Bytes::mib(70));
}

#[test]
fn behind_a_sigterm_that_was_sent_nothing_is_known_of_a_higher_limit() {
    let Prediction::Unknown { at, why, left } = with_limit(&LEAK, 200).verdict else {
        panic!("it was not there");
    };
    assert_eq!((at, why), (Timestamp::from_millis(10_000), Why::RecordedEnd));
    let left = left.unwrap();
    assert!((9500..10_500).contains(&left.as_millis()), "100 MiB at 10 MiB/s: {left:?}");
}

#[test]
fn a_lower_limit_comes_sooner_and_what_follows_is_not_known() {
    let answer = with_limit(&LEAK, 50);
    let Prediction::Ended { at, after, known, killed, .. } = answer.verdict else {
        panic!("{answer:?}");
    };
    assert_eq!(at, Timestamp::from_millis(5000));
    assert_eq!(after, Timestamp::from_millis(4950), "the last look that found nothing");
    assert!(!known && killed.is_none());
}

#[test]
fn the_same_rules_lead_to_the_same_end() {
    for (leak, wants) in [(LEAK, false), (DEAF, true)] {
        let answer = ask(&trace(&leak), &Changes::default()).unwrap();
        let Prediction::Ended { at, killed, known, .. } = answer.verdict else {
            panic!("{answer:?}");
        };
        assert!(known, "{answer:?}");
        assert_eq!((at, killed.is_some()), (Timestamp::from_millis(10_000), wants), "{answer:?}");
    }
    let own = Leak { rate: 1, ..LEAK };
    assert_eq!(ask(&trace(&own), &Changes::default()).unwrap().verdict, Prediction::Lived);
}

#[test]
fn another_grace_period_is_known_as_far_as_the_handler_was_seen() {
    // The handler takes 300 ms of the 1000 that it had.
    for (ms, killed_at) in [(100, Some(10_100)), (299, Some(10_299)), (500, None), (9000, None)] {
        let answer = with_grace(&LEAK, ms);
        let Prediction::Ended { killed, known, .. } = answer.verdict else { panic!("{answer:?}") };
        assert_eq!(killed.map(|(at, _)| at), killed_at.map(Timestamp::from_millis), "{ms}");
        assert_eq!(known, killed_at.is_none(), "{answer:?}");
    }
    // The deaf one was killed after 1000: nobody knows what it would have done with more.
    let answer = with_grace(&DEAF, 5000);
    assert!(
        matches!(answer.verdict, Prediction::Ended { killed: None, known: false, .. }),
        "{answer:?}"
    );
    let answer = with_grace(&DEAF, 500);
    let Prediction::Ended { killed: Some((at, why)), .. } = answer.verdict else {
        panic!("{answer:?}")
    };
    assert_eq!(at, Timestamp::from_millis(10_500));
    assert!(matches!(why, KillReason::GraceOver { .. }));
}

#[test]
fn a_wall_clock_limit_comes_on_the_moment() {
    let timeout = Some(Span(Duration::from_millis(7010)));
    let answer = ask(&trace(&LEAK), &Changes { timeout, ..Changes::default() }).unwrap();
    let Prediction::Ended { at, reason, .. } = answer.verdict else { panic!("{answer:?}") };
    assert_eq!(at, Timestamp::from_millis(7010));
    assert!(matches!(reason, Reason::Timeout { .. }));
}

#[test]
fn lines_that_leave_no_room_are_refused() {
    let changes = Changes { memory: Some(Bytes(1)), ..Changes::default() };
    assert!(ask(&trace(&LEAK), &changes).is_err());
    let second = Changes { second_line: Some(Bytes::mib(50)), ..Changes::default() };
    assert!(ask(&trace(&LEAK), &second).is_err());
}
