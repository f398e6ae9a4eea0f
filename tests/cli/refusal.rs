//! What every refusal has in common.

use crate::support::{Run, Running, Scene};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The file that a command makes which should not have been started.
pub const MARKER: &str = "started";

/// Sentinel with options that it should refuse, and a command that leaves a marker.
pub fn attempt<T: AsRef<OsStr>>(scene: &Scene, options: &[T]) -> Command {
    let marker = scene.text_path(MARKER);
    let command = ["--", "/bin/sh", "-c", ": > \"$0\"", &marker].map(OsString::from);
    let given = |name: &str| {
        let starts = |word: &&T| word.as_ref().to_string_lossy().starts_with(name);
        options.iter().find(starts).is_some()
    };
    let mut sentinel = scene.sentinel();
    sentinel.arg("--plain");
    for (name, value) in [("--name", scene.name()), ("--socket", "off")] {
        if !given(name) {
            sentinel.args([name, value]);
        }
    }
    sentinel.args(options).args(command);
    sentinel
}

/// Runs it and checks everything but the words.
pub fn refused(scene: &Scene, command: &mut Command, status: i32) -> Run {
    command.process_group(0);
    let run = Running::start(command).finish();
    let shown = format!("{command:?}: {run:?}");
    assert_eq!(run.code(), status, "{shown}");
    assert!(!scene.path(MARKER).exists(), "the command was started: {shown}");
    assert!(run.out.is_empty(), "nothing on stdout: {shown}");
    assert_eq!(run.stderr.lines().count(), 1, "one line: {shown}");
    assert!(run.stderr.starts_with("sentinel: ") && run.stderr.ends_with('\n'), "{shown}");
    let control = run.stderr.trim_end().chars().find(|c| c.is_control());
    assert_eq!(control, None, "{shown}");
    run
}

/// Each row: options, and what the line says. Exit status 125.
pub fn table(rows: &[(&[&str], &str)]) {
    let scene = Scene::new();
    for (options, needle) in rows {
        let run = refused(&scene, &mut attempt(&scene, options), 125);
        assert!(run.stderr.contains(needle), "{options:?} does not say {needle:?}: {run:?}");
    }
}
