//! A breach for which the workload is not ended, or not at once, where the kernel holds the lines.

use crate::blocking::{Guarded, until};
use crate::guest::{Sentinel, hog, kernel_at_least, require_kernel_tier};
use sentinel::status::BreachState;
use std::fs;

const MIB: u64 = 1 << 20;

/// Memory stays as it is, the trip-wire where it is, and a raised limit is enough for the work to be finished.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_is_frozen_goes_on_when_the_limit_is_raised() {
    require_kernel_tier();
    let options = ["-m", "40M", "--on-breach", "freeze"];
    let guarded = Guarded::start(&options, &[&hog(), "touch", "--cap", "150M"]);
    until("it is frozen", || guarded.status().breach == Some(BreachState::Frozen));
    let cgroup = guarded.cgroup();
    let says = |file: &str| fs::read_to_string(cgroup.join(file)).unwrap();
    until("the kernel says so", || says("cgroup.events").contains("frozen 1"));
    assert_eq!(guarded.in_force().0, 40 * MIB, "the trip-wire");
    let current: u64 = says("memory.current").trim().parse().unwrap();
    assert!(current < guarded.status().limits.second_line.0, "{current}");
    assert!(guarded.ask("set memory 400M").ends_with(", thawed\n"));
    guarded.until_ready();
    assert!(says("memory.events").contains("oom_kill 0\n"), "{}", says("memory.events"));
    let status = guarded.status();
    assert!(!status.frozen && status.breach.is_none(), "{status:?}");
    guarded.ask("kill");
    assert_eq!(guarded.end(), Some(137));
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn what_is_frozen_is_ended_when_nobody_acts() {
    require_kernel_tier();
    let options = ["-m", "40M", "--on-breach", "freeze", "--freeze-for", "1s"];
    let run = Sentinel::new().args(&options).run(&[&hog(), "touch", "--cap", "150M"]);
    assert_eq!((run.status, run.text("/outcome/reason")), (143, "breach"), "{run}");
    assert!(run.number("/outcome/frozen_ms") >= 1000, "{run}");
    assert_eq!(run.number("/status/events/oom_kill"), 0, "{run}");
}

/// Everybody who leaks and minds no SIGTERM, whatever is done at the limit: the kernel's OOM killer does not come.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_second_line_ends_who_was_only_told_or_had_time() {
    require_kernel_tier();
    for more in [["--on-breach", "warn"], ["--hold", "1h"]] {
        let options = [&["-m", "40M", "--headroom", "4M"][..], &more].concat();
        let words = [&hog(), "touch", "--cap", "150M", "--ignore-term"];
        let run = Sentinel::new().args(&options).run(&words);
        assert_eq!((run.status, run.text("/outcome/killed")), (137, "second-line"), "{run}");
        assert_eq!(run.number("/status/events/oom_kill"), 0, "{run}");
        let told = run.stderr.contains("nothing is done (--on-breach warn)");
        assert_eq!(told, more[1] == "warn", "{run}");
    }
}

/// Who leaps is frozen on the way or ended: in no case by the kernel. What is charged in one call the kernel throttles from about 5.18 on.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn many_that_leap_are_frozen_or_ended_and_never_killed_by_the_kernel() {
    require_kernel_tier();
    let options = ["-m", "40M", "--on-breach", "freeze", "--freeze-for", "500ms"];
    let one_call: &[&str] = if kernel_at_least(5, 18) { &["populate"] } else { &[] };
    for shape in ["tmpfs", "memfd", "forkbomb", "touch"].iter().chain(one_call) {
        let words = [&hog(), *shape, "--cap", "150M", "--ignore-term"];
        let run = Sentinel::new().args(&options).run(&words);
        assert_eq!(run.number("/status/events/oom_kill"), 0, "{shape}: {run}");
        assert_eq!(run.text("/outcome/ended_by"), "sentinel", "{shape}: {run}");
    }
}
