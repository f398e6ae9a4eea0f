//! The parsers on files that real kernels gave: scripts/vm/capture says what ran there when they were taken.

use sentinel::cgroup::files;
use sentinel::units::{Bytes, Limit, MIB};
use std::path::PathBuf;

const KERNELS: [&str; 4] = ["5.10", "6.1", "6.12", "7.3"];

fn text(kernel: &str, file: &str) -> Vec<u8> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/kernel", kernel, file].iter().collect();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn memory_stat_adds_up_to_memory_current() {
    for kernel in KERNELS {
        let stat = files::memory_stat(&text(kernel, "memory.stat"));
        let current = Bytes(files::number(&text(kernel, "memory.current")).unwrap());
        // Counters of each processor are added up in batches.
        assert!((7 * MIB..=8 * MIB).contains(&stat.shmem.0), "{kernel}: {stat:?}");
        assert!((20 * MIB..32 * MIB).contains(&stat.anon.0), "{kernel}: {stat:?}");
        assert!(stat.cache().0 > 8 * MIB, "{kernel}: {stat:?}");
        assert!(stat.kernel.0 > 100 * 1024, "{kernel}: {stat:?}");
        let footprint = current.saturating_sub(stat.cache());
        let parts = stat.anon.0 + stat.shmem.0 + stat.kernel.0;
        assert!(footprint.0.abs_diff(parts) < 2 * MIB, "{kernel}: {footprint} is not {stat:?}");
    }
}

#[test]
fn the_events_of_reclaim_at_the_trip_wire() {
    for kernel in KERNELS {
        let counters = files::memory_events(&text(kernel, "memory.events"));
        assert!(counters.high > 100, "{kernel}: {counters:?}");
        assert_eq!((counters.max, counters.oom, counters.oom_kill), (0, 0, 0), "{kernel}");
        assert_eq!(files::pids_events(&text(kernel, "pids.events")), 2, "{kernel}");
        let events = files::cgroup_events(&text(kernel, "cgroup.events")).unwrap();
        assert!(events.populated && !events.frozen, "{kernel}");
    }
}

#[test]
fn pressure_and_limits() {
    for kernel in KERNELS {
        let (pressure, total) = files::memory_pressure(&text(kernel, "memory.pressure")).unwrap();
        assert!(total > 10_000 && pressure.some_avg10 >= pressure.full_avg10, "{kernel}");
        assert_eq!(files::limit(&text(kernel, "memory.high")), Some(Limit::At(48 * MIB)));
        assert_eq!(files::limit(&text(kernel, "memory.max")), Some(Limit::At(96 * MIB)));
        assert_eq!(files::limit(&text(kernel, "pids.max")), Some(Limit::At(12)));
        let processes = files::cgroup_procs(&text(kernel, "cgroup.procs")).count();
        assert_eq!(processes, 12, "{kernel}");
        let controllers = String::from_utf8(text(kernel, "cgroup.controllers")).unwrap();
        assert!(files::has_controller(&controllers, "memory"), "{kernel}");
    }
}
