//! Recorded runs that came to something, of tier `kernel` (Linux 6.1) and tier `hybrid`: the policy of today decides as it did then.

use sentinel::replay::compare::compare;
use sentinel::replay::what_if::{Changes, Prediction, ask};
use sentinel::status::Tier;
use sentinel::trace::reader::{Trace, read};
use sentinel::units::Bytes;

/// Part of the test's program: a guest has that alone.
const FIXTURES: [(&str, &[u8]); 5] = [
    ("host-leak", include_bytes!("../fixtures/traces/host-leak.jsonl")),
    ("host-deaf", include_bytes!("../fixtures/traces/host-deaf.jsonl")),
    ("kernel-leak", include_bytes!("../fixtures/traces/kernel-leak.jsonl")),
    ("kernel-deaf", include_bytes!("../fixtures/traces/kernel-deaf.jsonl")),
    ("kernel-cache", include_bytes!("../fixtures/traces/kernel-cache.jsonl")),
];

fn fixture(name: &str) -> Trace {
    read(FIXTURES.iter().find(|fixture| fixture.0 == name).unwrap().1).unwrap()
}

#[track_caller]
fn decides_the_same(name: &str, tier: Tier, finish: &str) -> Trace {
    let trace = fixture(name);
    let comparison = compare(&trace);
    assert!(comparison.differing == 0 && comparison.whole, "{name}: {comparison:?}");
    assert_eq!(trace.start.tier, tier);
    assert!(trace.steps.iter().any(|step| step.did(finish)), "{name}");
    trace
}

#[test]
fn recorded_runs_lead_to_the_same_decisions() {
    decides_the_same("host-leak", Tier::Hybrid, "finish sentinel breach");
    decides_the_same("host-deaf", Tier::Hybrid, "finish sentinel breach grace-over");
    decides_the_same("kernel-leak", Tier::Kernel, "finish sentinel breach");
    decides_the_same("kernel-deaf", Tier::Kernel, "finish sentinel breach grace-over");
    decides_the_same("kernel-cache", Tier::Kernel, "finish command");
}

fn limit(mib: u64) -> Changes {
    Changes { memory: Some(Bytes::mib(mib)), ..Changes::default() }
}

/// It reads 150 MiB under a limit of 40 MiB; 3 MiB would have done.
#[test]
fn page_cache_does_not_stay_above_a_lower_limit() {
    let answer = ask(&fixture("kernel-cache"), &limit(3)).unwrap();
    assert_eq!(answer.verdict, Prediction::Lived, "{answer:?}");
    assert!(answer.peaks.1 <= Bytes::mib(3), "{answer:?}");
}

#[test]
fn the_kernel_s_brake_is_said() {
    let trace = fixture("kernel-leak");
    let answer = ask(&trace, &limit(400)).unwrap();
    assert!(matches!(answer.verdict, Prediction::Unknown { .. }), "{answer:?}");
    assert!(answer.slowed.is_some(), "{answer:?}");
    assert!(ask(&trace, &limit(20)).unwrap().slowed.is_none());
}
