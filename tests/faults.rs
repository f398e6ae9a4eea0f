//! Faults at the edge: system calls of a real guardian fail, by strace(1), one row of a table after the other. At the start each
//! one fails in turn: the run goes on, or is refused with 125 and a line, and nothing is left. While it guards, the
//! workload still ends in time, or one line says what is lost.
//!
//! `SENTINEL_FAULTS=all` fails every call of a start and not a few of each kind.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "faults/guarding.rs"]
mod guarding;
#[path = "faults/kill_path.rs"]
mod kill_path;
#[path = "faults/start.rs"]
mod start;
mod support;

use support::{Run, Running, Scene};

/// Without it these tests cannot be.
fn has_strace() -> bool {
    let found = support::has_program("strace");
    if !found {
        support::skip("no strace here");
    }
    found
}

/// Strace on a guardian that runs already.
fn attach(scene: &Scene, guardian: &Running, options: &[&str]) -> Running {
    let (trace, pid) = (scene.text_path("trace"), guardian.pid().to_string());
    let mut strace = scene.program("strace");
    let strace = Running::start(strace.args(["-o", &trace]).args(options).args(["-p", &pid]));
    strace.await_err("attached");
    strace
}

/// What every run must be, whatever failed.
#[track_caller]
fn assert_orderly(run: &Run, what: &str) {
    assert!(!run.stderr.contains("panicked"), "{what}: {run:?}");
    assert!(run.code() != 125 || run.stderr.starts_with("sentinel: "), "{what}: {run:?}");
}
