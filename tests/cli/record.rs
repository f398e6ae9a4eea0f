//! The record of a run says what was, whoever asked in between; and where nothing ran it says that.

use crate::refusal::{attempt, refused};
use crate::support::{Running, Scene, is_root, python, skip};
use serde_json::Value;

/// Each of these takes half a second of processor time; the second is an orphan.
const BUSY: &str = "import time
while time.process_time() < 0.5: pass";

fn cpu_usec(record: &Value) -> u64 {
    record.pointer("/status/usage/cpu_usec").and_then(Value::as_u64).unwrap()
}

#[test]
fn cpu_time_is_of_the_whole_run_though_nobody_asked() {
    let scene = Scene::new();
    let script = format!("'{0}' -c '{BUSY}'; (setsid '{0}' -c '{BUSY}' &) ; exit 0", python());
    let record = scene.text_path("record.json");
    let best = scene.guarded(&["--json", &record], &["sh", "-c", &script]);
    let mut runs = vec![scene.through(&["env"], &best)];
    if is_root() {
        runs.push(scene.without_cgroups(&best));
    } else {
        skip("only root can take the cgroup file system away");
    }
    for mut run in runs {
        Running::start(&mut run).finish().expect(0);
        let record = scene.record();
        assert!((1_000_000..20_000_000).contains(&cpu_usec(&record)), "{record:#}");
    }
}

/// A run that is over before anybody could look has used memory all the same.
#[test]
fn what_was_used_between_looks_is_told_too() {
    let scene = Scene::new();
    let record = scene.text_path("record.json");
    // The looks in between are far from the limit, so there are few of them.
    let words = [python(), "-c", "held = b'x' * (80 << 20)"];
    let best = scene.guarded(&["-m", "1G", "--json", &record], &words);
    let mut runs = vec![scene.through(&["env"], &best)];
    if is_root() {
        runs.push(scene.without_cgroups(&best));
    } else {
        skip("only root can take the cgroup file system away");
    }
    for mut run in runs {
        let run = Running::start(&mut run).finish().expect(0);
        let record = scene.record();
        let number = |name| record.pointer(name).and_then(Value::as_u64).unwrap();
        assert!(number("/status/memory/peak") >= 80 << 20, "{record:#}");
        assert!(number("/page_faults/minor") > 0, "{record:#}");
        assert!(record["status"]["usage"]["io"]["written"].is_u64(), "{record:#}");
        assert!(!run.stderr.contains(" 0B"), "{run:?}");
    }
}

#[test]
fn a_run_that_could_not_be_started_leaves_a_record_that_says_so() {
    let scene = Scene::new();
    let plain = scene.write("plain", "not a program");
    for (options, command, status, needle) in [
        (&[][..], "/nonexistent/program", 127, "/nonexistent/program"),
        (&[], &plain, 126, "plain"),
        (&["-m", "900000G"], "true", 125, "memory"),
        (&["-m", "abc"], "true", 125, "is not a size"),
        (&["--memroy", "5M"], "true", 125, "--memroy"),
        (&["--grace", "1s", "--second-line", "1M"], "true", 125, "second line"),
    ] {
        scene.write("record.json", "of the run before, which was longer".repeat(100));
        let (run, record) = scene.recorded(options, &[command]);
        run.expect(status);
        assert_eq!(record["exit_status"], status, "{record:#}");
        assert_eq!(record["outcome"]["reason"], "not-started", "{record:#}");
        assert!(record["outcome"]["text"].as_str().unwrap().contains(needle), "{record:#}");
        assert!(record["status"].is_null(), "{record:#}");
    }
}

/// Wherever the file is named: a job must not take the record of the run before for its own.
#[test]
fn an_option_that_is_wrong_is_recorded_in_a_file_named_behind_it() {
    let scene = Scene::new();
    let record = scene.text_path("record.json");
    for mistake in [
        &["-m", "abc"][..],
        &["--memroy", "1G"],
        &["--nonsense"],
        &["--plain=yes"],
        &["--kill-mode", "some"],
        &["-Z"],
    ] {
        scene.write("record.json", "of the run before");
        let mut sentinel = scene.sentinel();
        sentinel.args(mistake).args(["--json", &record, "--", "true"]);
        let run = refused(&scene, &mut sentinel, 125);
        let record = scene.record();
        assert_eq!(record["exit_status"], 125, "{record:#}");
        assert_eq!(record["outcome"]["reason"], "not-started", "{record:#}");
        let text = record["outcome"]["text"].as_str().unwrap();
        assert!(!text.is_empty() && run.stderr.contains(text), "{mistake:?}: {text:?}: {run:?}");
    }
    // Where a configuration file says so, too, and where it is the settings that make no sense.
    let config = scene.write("config.toml", format!("json = \"{record}\"\n"));
    for mistake in [["-m", "abc"], ["--second-line", "1M"]] {
        scene.write("record.json", "of the run before");
        let mut sentinel = scene.sentinel();
        let words = ["--socket", "off", "--config", &config, "--", "true"];
        refused(&scene, sentinel.args(mistake).args(words), 125);
        assert_eq!(scene.record()["exit_status"], 125, "{mistake:?}");
    }
    // A file that the command is told is the command's.
    scene.write("record.json", "of somebody else");
    let mut sentinel = scene.sentinel();
    refused(&scene, sentinel.args(["-m", "abc", "--", "true", "--json", &record]), 125);
    assert_eq!(scene.read("record.json"), "of somebody else");
}

#[test]
fn no_two_outputs_are_the_same_file() {
    let scene = Scene::new();
    let there = scene.write("there", "");
    std::os::unix::fs::symlink(&there, scene.path("link")).unwrap();
    std::fs::hard_link(&there, scene.path("second")).unwrap();
    let by_dots = format!("{}/./made", scene.dir().display());
    let (link, second, made) =
        (scene.text_path("link"), scene.text_path("second"), scene.text_path("made"));
    for (one, other) in
        [(&there, &there), (&there, &link), (&second, &there), (&made, &made), (&made, &by_dots)]
    {
        for options in [["--json", "--record"], ["--record", "--log"], ["--json", "--socket"]] {
            let mut sentinel =
                attempt(&scene, &[options[0], one.as_str(), options[1], other.as_str()]);
            let run = refused(&scene, &mut sentinel, 125);
            let needle = format!("{} and {} write to the same file", options[0], options[1]);
            assert!(run.stderr.contains(&needle), "{one} {other}: {run:?}");
            let _ = std::fs::remove_file(&made);
        }
    }
    // What many may write to.
    let (run, record) = scene.recorded(&["--record", "/dev/null"], &["true"]);
    run.expect(0);
    assert_eq!(record["exit_status"], 0);
    scene.run(&["--json", "/dev/null", "--record", "/dev/null"], &["true"]).expect(0);
}

/// What is in the file of a stream already, and what the command writes to it, stays there.
#[test]
fn a_file_that_a_stream_goes_to_is_not_emptied() {
    let scene = Scene::new();
    let streams = [("<", "/dev/stdin"), (">>", "/dev/stdout"), ("2>>", "/dev/stderr")];
    let by_number = [("5>>", "/proc/self/fd/5"), (">>", "/dev/fd/1"), (">>", "held")];
    for (redirected, path) in streams.into_iter().chain(by_number) {
        for option in ["--json", "--record"] {
            scene.write("held", "what was there\n");
            let refused = scene.guarded(&[option, path], &["echo", "the command"]);
            let script = format!("\"$@\" {redirected} held; echo \"status $?\" >> status");
            let mut run = scene.through(&["sh", "-c", &script, "sh"], &refused);
            Running::start(run.current_dir(scene.dir())).finish().expect(0);
            let held = scene.read("held");
            assert!(held.starts_with("what was there\n"), "{option} {path}: {held}");
            assert!(!held.contains("the command"), "{option} {path}: {held}");
            assert_eq!(scene.read("status"), "status 125\n", "{option} {path}");
            std::fs::remove_file(scene.path("status")).unwrap();
        }
    }
    let run = scene.guarded(&["--json", "/dev/stdout"], &["true"]);
    let held = std::fs::File::create(scene.path("held")).unwrap();
    let mut run = scene.through(&["env"], &run);
    let run = Running::start(run.stdout(held)).finish().expect(125);
    assert!(run.stderr.contains("it is standard output, and would be emptied"), "{run:?}");
    assert!(run.stderr.contains("--json-fd 3 3>&1"), "{run:?}");
}

/// Nothing of it is taken for a record, and no older one.
#[test]
fn a_record_that_cannot_be_written_leaves_no_file() {
    let scene = Scene::new();
    let at = scene.text_path("record.json");
    std::os::unix::fs::symlink("target", scene.path("link")).unwrap();
    let link = scene.text_path("link");
    // Blocks of 512 or 1024 bytes: nothing, and less than a record.
    for (blocks, file, name) in
        [("0", &at, "record.json"), ("1", &at, "record.json"), ("0", &link, "target")]
    {
        for (options, command, status) in
            [(&[][..], "true", 0), (&["-m", "abc"], "true", 125), (&[], "/no/such/command", 127)]
        {
            scene.write(name, "of the run before");
            let guarded = scene.guarded(&[&["--json", file], options].concat(), &[command]);
            let script = format!("ulimit -f {blocks}; exec \"$@\"");
            let mut run = scene.through(&["sh", "-c", &script, "sh"], &guarded);
            let run = Running::start(&mut run).finish().expect(status);
            if blocks == "1" && status != 0 {
                // So short a record fits.
                continue;
            }
            let told = format!("cannot write the record to {file}: File too large");
            assert!(run.stderr.contains(&told), "{run:?}");
            assert!(!scene.path(name).exists(), "{blocks} {file} {options:?}");
        }
    }
}

/// The guardian lives on where a file is full; who runs under it has the signal as it was.
#[test]
fn the_command_has_the_signal_of_a_full_file() {
    let scene = Scene::new();
    let write = "trap '' USR1; dd if=/dev/zero of=large bs=64k count=1 2>/dev/null";
    let guarded = scene.guarded(&[], &["sh", "-c", write]);
    let mut run = scene.through(&["sh", "-c", "ulimit -f 1; exec \"$@\"", "sh"], &guarded);
    let run = Running::start(run.current_dir(scene.dir())).finish();
    assert_eq!(run.code(), 128 + nix::libc::SIGXFSZ, "{run:?}");
}

#[test]
fn the_record_does_not_go_where_the_command_writes() {
    let scene = Scene::new();
    let run = scene.run(&["--json", "-"], &["true"]).expect(125);
    assert!(run.stderr.contains("--json-fd"), "{run:?}");
    assert!(!std::path::Path::new("-").exists());
}
