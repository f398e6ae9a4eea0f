//! Places that lack what every place has: a stack, room for files, /dev/null.

use crate::support::{Running, Scene, is_root, skip};
use std::process::Command;

fn with_limit(scene: &Scene, limit: &str, command: &Command) -> Command {
    scene.through(&["sh", "-c", &format!("ulimit {limit} || exit 99; exec \"$@\""), "sh"], command)
}

/// The command has its caller's limit, however much we took.
#[test]
fn a_small_stack_is_made_larger_for_us_alone() {
    let scene = Scene::new();
    let show = scene.guarded(&["-q"], &["sh", "-c", "ulimit -Ss"]);
    let run = Running::start(&mut with_limit(&scene, "-Ss 64", &show)).finish().expect(0);
    assert_eq!(run.stdout(), "64\n");
}

/// Where the hard limit is in the way and may not be raised, that is an error and no crash.
#[test]
fn a_stack_that_stays_too_small_is_an_error() {
    let scene = Scene::new();
    for words in [&["true"][..], &["no-such-command"]] {
        let run = Running::start(&mut with_limit(&scene, "-s 64", &scene.guarded(&["-q"], words)));
        let run = run.finish();
        match run.code() {
            // With CAP_SYS_RESOURCE it is raised.
            0 | 127 => {}
            code => {
                assert_eq!(code, 125, "{run:?}");
                assert!(run.stderr.contains("the stack is too small: at least 1 MiB"), "{run:?}");
            }
        }
    }
}

/// SIGXFSZ would end us; a file that may not grow is an error of that file.
#[test]
fn files_that_may_not_grow_are_told() {
    let scene = Scene::new();
    let record = scene.text_path("record.json");
    for (words, status) in [(["true"], 0), (["no-such-command"], 127)] {
        let guarded = scene.guarded(&["-q", "--json", &record], &words);
        let run = Running::start(&mut with_limit(&scene, "-f 0", &guarded)).finish().expect(status);
        assert!(run.stderr.contains("write the record to"), "{run:?}");
    }
    let guarded = scene.guarded(&["-q", "--on-guardian-death", "kill"], &["true"]);
    let run = Running::start(&mut with_limit(&scene, "-f 0", &guarded)).finish().expect(125);
    assert!(run.stderr.contains("cannot put --on-guardian-death kill in force"), "{run:?}");
}

#[test]
fn without_devices_a_run_is_a_run() {
    if !is_root() {
        return skip("only root can take /dev away");
    }
    let scene = Scene::new();
    let trace = scene.text_path("trace.jsonl");
    let script = "mount -t tmpfs none /dev || exit 99; exec \"$@\"";
    let guarded = scene.guarded(&["-q", "--record", &trace], &["/bin/sh", "-c", "exit 7"]);
    let mut bare = scene.through(&["unshare", "--mount", "sh", "-c", script, "sh"], &guarded);
    let run = Running::start(&mut bare).finish().expect(7);
    assert_eq!(run.stderr, "", "{run:?}");
}
