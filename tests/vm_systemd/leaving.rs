//! A workload that has systemd move it out of its cgroup is out of reach. It is noticed and said.

use crate::guest::{Guest, Ran, as_root, ran};

/// Runs a shell text under guard, in which `$0` is the hog.
fn guarded(script: &str) -> Ran {
    let path = |name: &str| std::env::var(name).unwrap();
    let (sentinel, hog) = (path("SENTINEL_BIN"), path("SENTINEL_HOG"));
    ran(as_root(&[&sentinel, "--plain", "--", "sh", "-c", script, &hog]))
}

/// The lines that say that somebody left, without the process ids.
fn told(run: &Ran) -> Vec<&str> {
    let lines = run.stderr.lines().filter_map(|line| line.split_once(" left the workload's "));
    lines.map(|(_, rest)| rest).collect()
}

/// Once each, where there is a scope to leave for, and with where it is now.
#[track_caller]
fn is_told(script: &str) {
    let run = guarded(script);
    let all = told(&run);
    assert_eq!(all.len(), 1, "{script}: {run}");
    assert!(all[0].starts_with("cgroup for /"), "{run}");
    assert!(all[0].contains("/hog-"), "{run}");
    // The test's own service is not to be left with it.
    ran(as_root(&["systemctl", "stop", "hog-*.scope"]));
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn who_asks_systemd_for_a_scope_is_noticed() {
    if Guest::this().layout != crate::guest::Layout::Unified {
        return;
    }
    // The command itself; it stays until another ends it, and by then it was noticed.
    is_told("(sleep 3; kill $$) & exec \"$0\" leave");
    // Another process, while the command waits.
    is_told("\"$0\" leave & hog=$!; sleep 3; kill $hog; wait");
    // One that the command leaves behind: nobody is left in the cgroup then.
    is_told(
        "\"$0\" leave > /dev/null 2>&1 & while grep -q workload /proc/$!/cgroup; do sleep 0.1; done",
    );
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn who_stays_is_not_said_to_have_left() {
    if Guest::this().layout != crate::guest::Layout::Unified {
        return;
    }
    let script = "daemon=$(\"$0\" daemon | cut -d' ' -f2); \"$0\" subcgroup --cap 1M & sleep 3; kill $! $daemon; wait";
    let run = guarded(script);
    assert_eq!(told(&run), Vec::<&str>::new(), "{run}");
}
