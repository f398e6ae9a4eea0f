//! What is told of a policy: by the guardian that it decides for, and by the replay of a trace.

use super::words;
use crate::clock::Timestamp;
use crate::event::Sample;
use crate::policy::on_breach::BreachStanding;
use crate::policy::{Policy, Rung};
use crate::status::{BreachState, Limits, Memory, State};
use crate::units::{Bytes, Limit, millis};

/// The state, why the workload is ended, and when SIGKILL is due.
pub fn state(rung: Rung) -> (State, Option<String>, Option<Timestamp>) {
    match rung {
        Rung::Watching { .. } => (State::Running, None, None),
        Rung::Terminating { reason, kill_at, .. } => {
            (State::Terminating, Some(words::reason(&reason)), Some(kill_at))
        }
        Rung::Killing { reason, why, .. } => {
            let text = format!("{}; {}", words::reason(&reason), words::kill_reason(&why));
            (State::Killing, Some(text), None)
        }
        Rung::Ended => (State::Ended, None, None),
    }
}

/// A breach that the workload is not ended for: how it stands, which it is, and how long it stands so.
#[derive(Clone, Debug, Default)]
pub struct BreachView {
    /// How it stands.
    pub state: Option<BreachState>,
    /// Which.
    pub reason: Option<String>,
    /// Until it is ended, or answered.
    pub left_ms: Option<u64>,
}

/// That at a moment, if there is one.
pub fn breach(policy: &Policy, now: Timestamp) -> BreachView {
    let Some((reason, standing)) = policy.breach() else { return BreachView::default() };
    let (state, until) = match standing {
        BreachStanding::Held(until) => (BreachState::Held, Some(until)),
        BreachStanding::Frozen(until) => (BreachState::Frozen, Some(until)),
        BreachStanding::GoesOn => (BreachState::GoesOn, None),
    };
    let left_ms = until.map(|until| millis(until.since(now)));
    BreachView { state: Some(state), reason: Some(words::reason(&reason)), left_ms }
}

/// Memory at its last look. What the processes have together is not known to it.
pub fn memory(policy: &Policy) -> Memory {
    let (sample, (peak, peak_footprint)) = (policy.last(), policy.peaks());
    let rest = Memory {
        hugetlb: sample.hugetlb,
        hugetlb_counted: sample.hugetlb > Bytes(0),
        peak,
        peak_footprint,
        ..Memory::default()
    };
    memory_at(sample, rest)
}

/// Memory as a look had it, with the rest of it, which no look has.
pub fn memory_at(sample: &Sample, rest: Memory) -> Memory {
    Memory {
        current: sample.current,
        footprint: sample.footprint(),
        anon: sample.anon,
        shmem: sample.shmem,
        cache: sample.cache,
        kernel: sample.kernel,
        swap: sample.swap,
        swap_cached: sample.swap_cached,
        available: sample.available,
        ..rest
    }
}

/// Its lines and times, with the kernel's lines where it put them if they are `enforced`. It knows no limit of processes.
pub fn limits(policy: &Policy, enforced: bool) -> Limits {
    let lines = policy.lines();
    Limits {
        limit: lines.limit,
        trip_wire: if enforced { policy.trip_wire() } else { Limit::Max },
        relief_line: lines.relief,
        second_line: lines.second,
        ceiling: lines.ceiling,
        swap: if enforced { lines.swap } else { Limit::Max },
        swap_room: lines.swap,
        pids: Limit::Max,
        grace_ms: millis(policy.grace()),
        timeout_ms: policy.timeout().map(millis),
        min_available: policy.min_available(),
    }
}
