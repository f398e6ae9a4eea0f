//! What is said of a lower tier: what it is at each run, why and what to do about it once a boot and user, and nothing where quiet was asked for.

use crate::support::{Run, Running, Scene, is_root, skip};
use std::process::Command;

/// Runs the command so many times where nobody was told anything yet. Only root can.
fn untold(scene: &Scene, times: usize, command: &Command) -> Run {
    let again = "\"$@\"; ".repeat(times);
    let script = format!("mount -t tmpfs none /run || exit 99; {again}");
    let mut outer = scene.through(&["unshare", "--mount", "sh", "-c", &script, "sh"], command);
    Running::start(&mut outer).finish()
}

/// The same command in a tier below `kernel`.
fn lowered(scene: &Scene, command: &Command) -> Option<Command> {
    let run = Running::start(scene.sentinel().arg("doctor")).finish();
    if !run.stdout().starts_with("tier kernel") {
        return Some(scene.through(&["env"], command));
    }
    if !is_root() {
        skip("only root can take the cgroup file system away");
        return None;
    }
    Some(scene.without_cgroups(command))
}

#[test]
fn a_lower_tier_is_explained_once() {
    let scene = Scene::new();
    if !is_root() {
        return skip("only root can have a runtime directory of its own");
    }
    let count = |run: &Run, needle: &str| run.stderr.matches(needle).count();
    let Some(guarded) = lowered(&scene, &scene.guarded(&[], &["true"])) else { return };
    let run = untold(&scene, 3, &guarded).expect(0);
    assert_eq!(count(&run, "sentinel: tier "), 3, "{run:?}");
    assert_eq!(count(&run, "; better: "), 1, "{run:?}");
    assert!(run.stderr.contains("see sentinel doctor"), "{run:?}");
    // Another user is refused in a place that is named after the very run. What a user was told may be remembered from elsewhere.
    let mut nobody = scene.as_nobody(crate::support::binary());
    nobody.args(scene.options()).args(["--", "true"]);
    let told = count(&untold(&scene, 3, &nobody).expect(0), "; better: ");
    assert!(told <= 1, "{told} times");
    // Quiet runs say nothing of it, and take nothing away from a later one.
    let Some(quiet) = lowered(&scene, &scene.guarded(&["-q"], &["true"])) else { return };
    let run = untold(&scene, 1, &quiet).expect(0);
    assert_eq!(run.stderr, "", "{run:?}");
}

/// "killed at" was neither the limit nor what happens there.
#[test]
fn the_first_line_says_what_the_numbers_mean() {
    let scene = Scene::new();
    let run = |options: &[&str]| {
        let mut command = lowered(&scene, &scene.guarded(options, &["true"]))?;
        Some(Running::start(&mut command).finish().expect(0))
    };
    let Some(told) = run(&["-m", "50M"]) else { return };
    assert!(told.stderr.contains("limit 50.0M, immediate SIGKILL at 107.5M"), "{told:?}");
    let Some(run) = run(&["-m", "50M", "--dry-run"]) else { return };
    assert!(run.stderr.contains("limit 50.0M, dry run: nothing is limited or ended"), "{run:?}");
    assert!(!run.stderr.contains("SIGKILL"), "{run:?}");
}
