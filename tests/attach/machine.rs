//! All that runs here: what makes no sense for it, and a dry run, which ends nobody. The rest is in tests/vm_kernel/machine.rs: on a machine
//! with work on it nobody is ended for a test.

use super::support::Scene;
use super::{attach, refused};
use nix::libc::SIGTERM;

#[test]
fn what_makes_no_sense_for_a_machine_is_refused() {
    let scene = Scene::new();
    for (options, says) in [
        (&["-m", "1G"][..], "--memory is not for --machine"),
        (&["--on-breach", "freeze"], "--on-breach is not for --machine"),
        (&["--victim", "largest"], "--victim is not for --machine"),
        (&["--min-available", "0"], "--min-available 0 is no floor"),
        (&["--pid", "1"], "cannot be used with"),
        (&["--each"], "cannot be used with"),
    ] {
        refused(&scene, &[&["--machine"], options].concat()).says(says);
    }
    refused(&scene, &["--pid", "1", "--prefer", "x"]).says("--machine");
}

#[test]
fn a_dry_run_of_it_says_what_it_watches_and_leaves() {
    let scene = Scene::new();
    let running = attach(&scene, &["--machine", "--dry-run", "--min-available", "1M"]);
    running.await_err(" are to stay available: below that the largest process");
    let status = scene.ask("status").expect(0).stdout();
    assert!(status.contains("\nmachine    floor 1.0M ("), "{status}");
    let refused = scene.ask("terminate");
    assert!(refused.stderr.contains("detach lets it go"), "{refused:?}");
    running.send(SIGTERM);
    running.finish().expect(0);
}
