//! What is told of a policy: by the guardian that it decides for, and by the replay of a trace.

use super::words;
use crate::clock::Timestamp;
use crate::event::Sample;
use crate::policy::{Policy, Rung};
use crate::status::{Limits, Memory, State};
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
