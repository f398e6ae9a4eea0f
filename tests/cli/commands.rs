//! Commands that cannot be run: 127 where there is none, 126 where it cannot be executed, 125 where none is named.

use crate::refusal::refused;
use crate::support::{Run, Scene, is_root, skip};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A file with this mode.
fn file(scene: &Scene, name: &str, mode: u32, text: &str) -> String {
    let path = scene.write(name, text);
    set_mode(&path, mode);
    path
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn unrunnable(scene: &Scene, word: impl AsRef<OsStr>, status: i32) -> Run {
    let word = word.as_ref();
    for separator in [&["--"][..], &[]] {
        let mut sentinel = scene.sentinel();
        sentinel.args(scene.options()).args(separator).arg(word);
        let run = refused(scene, &mut sentinel, status);
        if !word.is_empty() && word.to_str().is_some_and(|word| !word.contains('\n')) {
            assert!(run.stderr.contains(word.to_str().unwrap()), "names it: {run:?}");
        }
    }
    refused(scene, scene.sentinel().args(scene.options()).arg("--").arg(word), status)
}

#[test]
fn no_command_at_all() {
    let scene = Scene::new();
    for words in [&[][..], &["--"], &["--plain"], &["--plain", "--"]] {
        let run = refused(&scene, scene.sentinel().args(words), 125);
        assert!(run.stderr.contains("no command given"), "{words:?}: {run:?}");
    }
}

#[test]
fn a_command_that_is_not_found_is_127() {
    let scene = Scene::new();
    symlink("nowhere", scene.path("dangling")).unwrap();
    let run = unrunnable(&scene, "no-such-command", 127);
    assert_eq!(run.stderr, "sentinel: command not found: no-such-command\n");
    unrunnable(&scene, "/no/such/command", 127);
    unrunnable(&scene, "./no-such-command", 127);
    unrunnable(&scene, scene.path("dangling"), 127);
    unrunnable(&scene, "two\nlines", 127);
    unrunnable(&scene, OsStr::from_bytes(b"no\xff\x1b[2J"), 127);
    refused(&scene, scene.sentinel().args(scene.options()).args(["--", ""]), 127);
    let mut without_path = scene.sentinel();
    without_path.args(scene.options()).args(["--", "sh"]).env("PATH", scene.dir());
    refused(&scene, &mut without_path, 127);
}

#[test]
fn a_command_that_is_not_executable_is_126() {
    let scene = Scene::new();
    let plain = file(&scene, "plain", 0o644, "#!/bin/sh\n");
    let run = unrunnable(&scene, &plain, 126);
    assert_eq!(run.stderr, format!("sentinel: not executable: {plain}\n"));
    unrunnable(&scene, "/etc", 126);
    unrunnable(&scene, "/etc/passwd", 126);
    unrunnable(&scene, "/etc/passwd/below", 126);
    let mut on_path = scene.sentinel();
    on_path.args(scene.options()).args(["--", "plain"]).env("PATH", scene.dir());
    refused(&scene, &mut on_path, 126);
}

#[test]
fn a_directory_that_may_not_be_looked_into_is_126() {
    if !is_root() {
        return skip("only root can become somebody else");
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("private")).unwrap();
    file(&scene, "private/program", 0o755, "#!/bin/sh\n");
    set_mode(scene.path("private"), 0o700);
    let program = scene.text_path("private/program");
    let mut sentinel = scene.as_nobody(crate::support::binary());
    refused(&scene, sentinel.args(scene.options()).args(["--", &program]), 126);
}

/// The kernel says so at the exec only, when everything else is in place already.
#[test]
fn what_the_exec_refuses_is_told_apart_too() {
    let scene = Scene::new();
    let lost = file(&scene, "lost", 0o755, "#!/no/such/interpreter\n");
    let run = unrunnable_late(&scene, &lost, 127);
    assert!(run.stderr.contains("run the command: No such file"), "{run:?}");
    let barred = file(&scene, "barred", 0o755, "#!/etc/passwd\n");
    let run = unrunnable_late(&scene, &barred, 126);
    assert!(run.stderr.contains("run the command: Permission denied"), "{run:?}");
}

/// The lines about the tier are out by then: quiet leaves what went wrong.
fn unrunnable_late(scene: &Scene, word: &str, status: i32) -> Run {
    let run = scene.run(&["--quiet"], &[word]).expect(status);
    let own: Vec<_> = run.stderr.lines().filter(|line| !line.contains("better: ")).collect();
    assert_eq!(own.len(), 1, "{run:?}");
    run
}

/// As execvp(3) and every shell.
#[test]
fn a_script_without_an_interpreter_is_for_sh() {
    let scene = Scene::new();
    let script = file(&scene, "script", 0o755, "echo \"[$0]\" \"[$1]\"; exit 7\n");
    let run = scene.run(&[], &[&script, "a b"]).expect(7);
    assert_eq!(run.stdout(), format!("[{script}] [a b]\n"));
}

#[test]
fn a_stderr_that_takes_nothing_does_not_change_the_exit_status() {
    let scene = Scene::new();
    for (word, status) in [("no-such-command", 127), ("/etc", 126), ("--nonsense", 125)] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut sentinel = scene.sentinel();
        let status_now = sentinel.arg(word).stderr(full).status().unwrap();
        assert_eq!(status_now.code(), Some(status), "{word}");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let scene = Scene::new();
    for (words, needle) in [
        (&["--help"][..], "Usage: sentinel [OPTIONS] [--] COMMAND"),
        (&["-h"], "--memory <SIZE>"),
        (&["--version"], concat!("sentinel ", env!("CARGO_PKG_VERSION"))),
        (&["ctl", "--help"], "Usage: sentinel ctl"),
    ] {
        let output = scene.sentinel().args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(output.stderr.is_empty(), "{words:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(needle), "{words:?}: {text}");
    }
}
