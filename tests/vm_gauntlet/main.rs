//! The gauntlet: hostile and healthy workloads by limit, kernel and swap, each checked for the whole promise. Runs in a guest
//! only (scripts/vm/test): one pass there, many by scripts/gauntlet, which makes docs/gauntlet.md of what they print.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod cases;
mod judge;
mod machine;
mod names;
mod trial;

use cases::{CASES, Place};
use machine::{Inventory, Kernel, Swap};

/// Which passes to run: the first and how many; the environment's, or what CI runs.
fn passes() -> std::ops::Range<usize> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let first = number("SENTINEL_GAUNTLET_FIRST").unwrap_or(0);
    first..first + number("SENTINEL_GAUNTLET_PASSES").unwrap_or(1)
}

/// Each pass is one limit, with or without swap, and all cases. The first is the one of CI.
const PLACES: [Place; 9] = [
    Place { limit: 16, swap: true },
    Place { limit: 100, swap: true },
    Place { limit: 100, swap: false },
    Place { limit: 32, swap: true },
    Place { limit: 32, swap: false },
    Place { limit: 256, swap: false },
    Place { limit: 16, swap: false },
    Place { limit: 256, swap: true },
    Place { limit: 1024, swap: false },
];

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn nothing_gets_past_it() {
    machine::require();
    let (kernel, _swap) = (Kernel::this(), Swap::on());
    let only = std::env::var("SENTINEL_GAUNTLET_ONLY").unwrap_or_default();
    let mut failed = Vec::new();
    for pass in passes() {
        let (place, before) = (&PLACES[pass % PLACES.len()], Inventory::now());
        for case in CASES.iter().filter(|case| case.fits(place) && case.name.contains(&only)) {
            let trial = trial::run(case, place, &before);
            let verdict = judge::verdict(case, place, &kernel, &trial);
            println!("gauntlet {}", verdict.line(case, place, &kernel, &trial));
            if !verdict.problems.is_empty() {
                failed.push(format!("{} at {place:?}: {:?}\n{trial}", case.name, verdict.problems));
            }
        }
    }
    assert!(failed.is_empty(), "{} of them failed\n{}", failed.len(), failed.join("\n"));
}
