//! Commands that cannot be run: 127 where there is none, 126 where it cannot be executed, 125 where none is named.

use crate::refusal::refused;
use crate::support::{Run, Running, Scene, is_root, skip};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A file with this mode.
fn file(scene: &Scene, name: &str, mode: u32, text: impl AsRef<[u8]>) -> String {
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
    for (word, verb) in [("staus", "status"), ("dcotor", "doctor"), ("mertics", "metrics")] {
        let run = refused(&scene, scene.sentinel().arg(word), 127);
        let hint = format!("command not found: {word} (did you mean: sentinel {verb}?)");
        assert!(run.stderr.contains(&hint), "{run:?}");
    }
    let mut without_path = scene.sentinel();
    without_path.args(scene.options()).args(["--", "sh"]).env("PATH", scene.dir());
    refused(&scene, &mut without_path, 127);
}

#[test]
fn a_command_that_is_not_executable_is_126() {
    let scene = Scene::new();
    let plain = file(&scene, "plain", 0o644, "#!/bin/sh\n");
    let run = unrunnable(&scene, &plain, 126);
    let why = "it is not executable (chmod +x)";
    assert_eq!(run.stderr, format!("sentinel: not executable: {plain}: {why}\n"));
    unrunnable(&scene, ".", 126);
    unrunnable(&scene, "..", 126);
    let run = unrunnable(&scene, "x".repeat(300), 126);
    assert!(run.stderr.contains("File name too long"), "{run:?}");
    std::fs::create_dir(scene.path("folder")).unwrap();
    let mut folder = scene.sentinel();
    folder.args(scene.options()).args(["--", "folder"]).env("PATH", scene.dir());
    let run = refused(&scene, &mut folder, 126);
    assert!(run.stderr.contains("folder: it is a directory"), "{run:?}");
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
    let why = "lost: its interpreter /no/such/interpreter is not there";
    assert!(run.stderr.contains(why), "{run:?}");
    let barred = file(&scene, "barred", 0o755, "#!/etc/passwd\n");
    let run = unrunnable_late(&scene, &barred, 126);
    let why = "barred: its interpreter /etc/passwd: it is not executable";
    assert!(run.stderr.contains(why), "{run:?}");
    let unlinked = file(&scene, "unlinked", 0o755, without_loader());
    let run = unrunnable_late(&scene, &unlinked, 127);
    let why = "unlinked: its interpreter /no/such/loader.so is not there";
    assert!(run.stderr.contains(why), "{run:?}");
}

/// A binary of which the kernel wants the loader first (elf(5)); only that part of it makes sense.
fn without_loader() -> Vec<u8> {
    const LOADER: &[u8] = b"/no/such/loader.so\0";
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    bytes.extend([3_u16, machine].iter().flat_map(|half| half.to_le_bytes()));
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0_u64, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend([64_u16, 56, 1, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    bytes.extend([3_u32, 4].iter().flat_map(|word| word.to_le_bytes()));
    let length = LOADER.len() as u64;
    bytes.extend(
        [120, 120, 120, length, length, 1].iter().flat_map(|word: &u64| word.to_le_bytes()),
    );
    bytes.extend(LOADER);
    bytes.resize(4096, 0);
    bytes
}

/// Quiet leaves what went wrong.
fn unrunnable_late(scene: &Scene, word: &str, status: i32) -> Run {
    let run = scene.run(&["--quiet"], &[word]).expect(status);
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
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

/// What was asked for and cannot be shown is a failure; somebody who reads no further is none.
#[test]
fn a_stdout_that_takes_nothing_is_told() {
    let scene = Scene::new();
    let verbs: [&[&str]; 9] = [
        &["help"],
        &["help", "ctl"],
        &["--help"],
        &["top", "--help"],
        &["-V"],
        &["ctl", "-V"],
        &["doctor"],
        &["doctor", "--json"],
        &["metrics", "--once"],
    ];
    for words in verbs {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = scene.sentinel().args(words).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{words:?}: {said}");
        assert!(said.starts_with("sentinel: cannot write the "), "{words:?}: {said}");
        assert!(said.contains("No space left"), "{words:?}: {said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = scene.sentinel().args(words).stdout(writer).output().unwrap();
        assert!(output.stderr.is_empty(), "{words:?}: {output:?}");
        assert!(output.status.code() != Some(125), "{words:?}: {output:?}");
    }
}

/// Its output on stdout, with exit status 0.
fn told(scene: &Scene, words: &[&str]) -> String {
    let output = scene.sentinel().args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_and_version_go_to_stdout() {
    let scene = Scene::new();
    for (words, needle) in [
        (&["--help"][..], "Usage: sentinel [OPTIONS] [--] COMMAND"),
        (&["-h"], "--memory <SIZE>"),
        (&["-h"], "\nLimits:\n"),
        (&["--version"], concat!("sentinel ", env!("CARGO_PKG_VERSION"))),
        (&["ctl", "--help"], "Usage: sentinel ctl"),
        (&["ctl", "-h"], "set, signal"),
        (&["help", "-h"], "Usage: sentinel help"),
    ] {
        let text = told(&scene, words);
        assert!(text.contains(needle), "{words:?}: {text}");
    }
}

#[test]
fn each_verb_has_a_help_with_examples_and_the_program_s_version() {
    let scene = Scene::new();
    let all = told(&scene, &["help"]);
    assert_eq!(all, told(&scene, &["--help"]));
    for verb in sentinel::cli::VERBS {
        assert!(all.contains(&format!("\n  {verb} ")), "{verb}: {all}");
        let help = told(&scene, &[verb, "--help"]);
        assert!(help.contains(&format!("\nUsage: sentinel {verb}")), "{help}");
        assert!(help.contains(&format!("\nExamples:\n  sentinel {verb}")), "{help}");
        let about = help.split("\n\nUsage:").next().unwrap();
        assert!(about.contains("\n\n") || verb == "help", "more than its line of the list: {help}");
        assert_eq!(help, told(&scene, &["help", verb]));
        let version = concat!("sentinel ", env!("CARGO_PKG_VERSION"), "\n");
        for option in ["-V", "--version"] {
            assert_eq!(told(&scene, &[verb, option]), version);
        }
    }
}

#[test]
fn typing_mistakes_of_verbs_and_of_their_options() {
    let scene = Scene::new();
    for (words, status, needle) in [
        (&["stauts"][..], 127, "command not found: stauts (did you mean: sentinel status?)"),
        (&["STAUTS"], 127, "(did you mean: sentinel status?)"),
        (&["version"], 127, "(did you mean: sentinel --version?)"),
        (&["hlep", "report"], 127, "(did you mean: sentinel help?)"),
        (&["-q", "report"], 127, "(did you mean: sentinel report?)"),
        (&["run", "-m", "1G", "true"], 127, "command not found: run (a command needs no verb"),
        (&["help", "reprot"], 125, "sentinel: VERB: \"reprot\" is not one of attach, status, ps"),
        (&["help", "reprot"], 125, "(did you mean report?); try: sentinel help --help"),
        (&["--memroy", "1G", "true"], 125, "(did you mean --memory?); try: sentinel --help"),
        (&["-memory", "1G", "true"], 125, "(did you mean --memory?); try: sentinel --help"),
        (&["-memory=1G", "true"], 125, "(did you mean --memory?); try: sentinel --help"),
        (&["-timeout", "3s", "true"], 125, "(did you mean --timeout?); try: sentinel --help"),
        (&["-M", "1G", "true"], 125, "(did you mean -m?); try: sentinel --help"),
        (&["-v"], 125, "(did you mean -V?); try: sentinel --help"),
        (&["-v", "sh", "-version"], 125, "(did you mean -V?); try: sentinel --help"),
        (&["-m", "em", "sh", "-memory"], 125, "or 80%; try: sentinel --help"),
        (&["-m", "lots", "--", "-memory"], 125, "or 80%; try: sentinel --help"),
        (&["report", "-json"], 125, "(did you mean --json?); try: sentinel report --help"),
        (&["status", "--jsno"], 125, "(did you mean --json?); try: sentinel status --help"),
        (&["ps", "--jsno"], 125, "(did you mean --json?); try: sentinel ps --help"),
        (&["top", "--version=x"], 125, "try: sentinel top --help"),
        (&["report", "--htlm"], 125, "(did you mean --html?); try: sentinel report --help"),
        (
            &["metrics", "--lisen", "x"],
            125,
            "(did you mean --listen?); try: sentinel metrics --help",
        ),
        (&["doctor", "--jsn"], 125, "(did you mean --json?); try: sentinel doctor --help"),
        (
            &["replay", "t", "--memroy", "1G"],
            125,
            "(did you mean --memory?); try: sentinel replay --help",
        ),
        (&["replay"], 125, "no file given; try: sentinel replay --help"),
        (&["replay", "t", "--speed", "-1"], 125, "\"-1\" is not a speed: write for instance 10"),
        (&["attach", "--pid", "x"], 125, "--pid <PID>: \"x\" is not a process id: write a number"),
        (&["attach", "--pid", "-4"], 125, "\"-4\" is not a process id: write a number from 1 on"),
        (&["ctl", "-g", "-4", "status"], 125, "a value that begins with a dash is written -g-4"),
        (
            &["--kill-mode", "mixd", "true"],
            125,
            "\"mixd\" is not one of control-group, mixed, process (did you mean mixed?)",
        ),
    ] {
        let run = refused(&scene, scene.sentinel().args(words), status);
        assert!(run.stderr.contains(needle), "{words:?} does not say {needle:?}: {run:?}");
    }
}

/// One that is far away is worse than none.
#[test]
fn nothing_is_suggested_that_is_not_near() {
    let scene = Scene::new();
    for words in [
        &["attach", "--frobnicate"][..],
        &["attach", "--frobnicate=4"],
        &["--frobnicate", "true"],
        &["--kill-mode", "frobnicate", "true"],
        &["--onwards", "true"],
        &["replay", "t", "--slow"],
        &["help", "frobnicate"],
    ] {
        let run = refused(&scene, scene.sentinel().args(words), 125);
        assert!(!run.stderr.contains("did you mean"), "{words:?}: {run:?}");
    }
}

/// Whoever mistypes a request is not told that there is no guardian, and no guardian is needed to say so.
#[test]
fn typing_mistakes_of_requests_need_no_guardian() {
    let scene = Scene::new();
    for (words, needle) in [
        (&["stats"][..], "unknown request stats, did you mean status; try: sentinel ctl --help"),
        (&["set", "memry", "3G"], "unknown setting memry, did you mean set memory"),
        (&["set", "memry"], "unknown setting memry, did you mean set memory"),
        (&["set", "memory"], "set takes a setting and a value: set memory 2G"),
        (&["set", "memory", "3Q"], "set memory: \"3Q\" is not a size"),
        (&["set", "memory", "3G", "--froce"], "set memory takes --force or nothing"),
        (&["memory", "3G"], "unknown request memory, did you mean set memory"),
        (&["signal", "1", "TREM"], "signal: TREM is not a signal"),
        (&["status", "jsno"], "status takes json or nothing, not \"jsno\""),
        (&["kill", "-9"], "kill takes no argument, but got \"-9\""),
        (&["--gaurdian", "x", "status"], "(did you mean --guardian?); try: sentinel ctl --help"),
        (&["-guardian", "x", "status"], "unknown request x"),
        (&["-q", "status"], "unexpected argument '-q' found; try: sentinel ctl --help"),
    ] {
        for guardian in [&[][..], &["--guardian", "nobody"], &["--socket", "/no/such/socket"]] {
            if !guardian.is_empty() && words[0].starts_with('-') {
                continue;
            }
            let run = refused(&scene, scene.sentinel().arg("ctl").args(guardian).args(words), 125);
            assert!(run.stderr.contains(needle), "{words:?} does not say {needle:?}: {run:?}");
        }
    }
    // What is right goes on to where there is no guardian.
    for words in ["set memory 3G --FORCE", "STATUS JSON", "signal 1 term"] {
        let mut sentinel = scene.sentinel();
        sentinel.args(["ctl", "--socket", "/no/such/socket"]).args(words.split(' '));
        let run = refused(&scene, &mut sentinel, 125);
        assert!(run.stderr.contains("no guardian at /no/such/socket"), "{words}: {run:?}");
    }
}

/// Only as the first word a verb is one.
#[test]
fn a_command_may_have_a_verb_s_name() {
    let scene = Scene::new();
    for verb in sentinel::cli::VERBS {
        file(&scene, verb, 0o755, "#!/bin/sh\necho \"command $0 $*\"\n");
        for before in [&["--"][..], &["-q", "--"], &["-q"]] {
            let mut sentinel = scene.sentinel();
            sentinel.args(scene.options()).args(before).args([verb, "--help"]);
            let run = Running::start(sentinel.env("PATH", scene.dir())).finish().expect(0);
            let expected = format!("command {} --help\n", scene.text_path(verb));
            assert_eq!(run.stdout(), expected, "{before:?}");
        }
    }
}

#[test]
fn a_ledger_that_is_put_aside_is_told() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("state/sentinel")).unwrap();
    std::fs::set_permissions(scene.path("state/sentinel"), PermissionsExt::from_mode(0o700))
        .unwrap();
    scene.write("state/sentinel/ended.json", "no ledger");
    let run = |told: bool| {
        let mut guarded = scene.guarded(&[], &["true"]);
        let run = Running::start(guarded.env("XDG_STATE_HOME", scene.path("state"))).finish();
        let said = run.expect(0).stderr;
        assert_eq!(said.contains("kept as ended.damaged beside the new one"), told, "{said}");
    };
    run(true);
    run(false);
    assert_eq!(scene.read("state/sentinel/ended.damaged"), "no ledger");
}

/// The ledger, and so the alerts, tell of jobs that did not start.
#[test]
fn a_mistyped_verb_is_no_run_and_a_command_that_is_missing_is_one() {
    let scene = Scene::new();
    let state = scene.text_path("state");
    let counted = |words: &[&str]| {
        let mut sentinel = scene.sentinel();
        refused(&scene, sentinel.args(words).env("XDG_STATE_HOME", &state), 127);
        std::fs::read_to_string(scene.path("state/sentinel/ended.json")).unwrap_or_default()
    };
    for words in [&["reprot", "last"][..], &["staus"], &["run", "-m", "1G", "true"], &["version"]] {
        assert_eq!(counted(words), "", "{words:?}");
    }
    // A job that a service starts says at least one option.
    for words in [&["-q", "reprot"][..], &["--", "staus"], &["no-such-command"]] {
        let name = format!("\"name\":\"{}\",\"reason\":\"not-started\"", words[words.len() - 1]);
        let ledger = counted(words);
        assert!(ledger.contains(&name), "{words:?}: {ledger}");
    }
}
