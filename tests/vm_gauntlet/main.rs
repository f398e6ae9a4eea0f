//! The gauntlet: hostile and healthy workloads by limit, kernel and swap, each checked for the whole promise. Runs in a guest
//! only (scripts/vm/test): one pass there, many by scripts/gauntlet, which makes docs/gauntlet.md of what they print.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod cases;
mod judge;
mod machine;
mod names;
mod trial;

use cases::{CASES, Case, Place};
use machine::{Inventory, Kernel, Swap};

/// Which passes to run: the first and how many; the environment's, or what CI runs.
fn passes() -> std::ops::Range<usize> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let first = number("SENTINEL_GAUNTLET_FIRST").unwrap_or(0);
    first..first + number("SENTINEL_GAUNTLET_PASSES").unwrap_or(1)
}

/// Each pass is one place and all cases that fit. The first is the one of CI. Swap goes with the smaller limits: an emulated disk
/// takes minutes for more.
const PLACES: [Place; 14] = [
    place(16, None, 1),
    with_spinner(place(100, None, 8)),
    place(32, Some(16), 1),
    place(16, Some(4), 1),
    place(100, None, 32),
    with_spinner(place(32, Some(6), 1)),
    with_swap(place(16, None, 8)),
    place(256, Some(16), 8),
    with_spinner(place(16, None, 64)),
    with_swap(place(32, None, 1)),
    place(1024, None, 1),
    with_spinner(place(100, Some(4), 1)),
    with_spinner(place(256, None, 64)),
    with_swap(with_spinner(place(32, None, 32))),
];

const fn place(limit: u64, headroom: Option<u64>, processes: u32) -> Place {
    Place { limit, headroom, swap: false, processes, spinner: false }
}

const fn with_swap(place: Place) -> Place {
    Place { swap: true, ..place }
}

const fn with_spinner(place: Place) -> Place {
    Place { spinner: true, ..place }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn nothing_gets_past_it() {
    machine::require();
    let (kernel, _swap) = (Kernel::this(), Swap::on());
    let only = std::env::var("SENTINEL_GAUNTLET_ONLY").unwrap_or_default();
    let mut failed = Vec::new();
    for pass in passes() {
        let (place, before) = (&PLACES[pass % PLACES.len()], Inventory::now());
        let chosen = |case: &&Case| {
            case.is_of(pass) && case.fits(pass, place, kernel.number) && case.name.contains(&only)
        };
        for case in CASES.iter().filter(chosen) {
            let trial = trial::run(case, place, &before);
            let verdict = judge::verdict(case, place, &kernel, &trial);
            println!("gauntlet {}", verdict.line(pass, case, place, &kernel, &trial));
            if !verdict.problems.is_empty() {
                failed.push(format!("{} at {place:?}: {:?}\n{trial}", case.name, verdict.problems));
            }
        }
    }
    assert!(failed.is_empty(), "{} of them failed\n{}", failed.len(), failed.join("\n"));
}
