//! Values that are none, and combinations that leave no room.

use crate::refusal::{attempt, refused, table};
use crate::support::{Scene, is_root};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn options_that_there_are_not() {
    table(&[
        (&["--nonsense"], "'--nonsense'"),
        (&["--plian"], "'--plian' found (did you mean --plain?)"),
        (&["--memroy", "1G"], "did you mean --memory?"),
        (&["--time-out", "1s"], "did you mean --timeout?"),
        (&["--memory-max", "1G"], "did you mean --memory?"),
        (&["--on-guardian-deaht", "kill"], "did you mean --on-guardian-death?"),
        (&["--best_effort"], "did you mean --best-effort?"),
        (&["-Z"], "'-Z'"),
        (&["--dry-run=yes"], "--dry-run"),
    ]);
}

#[test]
fn sizes_that_are_none() {
    let not_a_size = "is not a size";
    table(&[
        (&["-m", ""], not_a_size),
        (&["-m", "lots"], not_a_size),
        (&["-m", "100X"], not_a_size),
        (&["-m", "0x10"], not_a_size),
        (&["-m", "1.2.3M"], not_a_size),
        (&["-m", "1e9"], not_a_size),
        (&["-m", "NaN"], not_a_size),
        (&["-m", "１００M"], not_a_size),
        (&["-m", "100M\n200M"], not_a_size),
        (&["-m", "\u{1b}[2J"], not_a_size),
        (&["--memory=-5M"], not_a_size),
        (&["-m", "-5M"], "--memory <SIZE>: \"-5M\" is not a size"),
        (&["-m", "-.5G"], not_a_size),
        (&["-qm", "-1"], not_a_size),
        (&["-m", "99999999999999T"], "is too large"),
        (&["-m", "18446744073709551616"], "is too large"),
        (&["-m", "0%"], "is not a share"),
        (&["-m", "101%"], "is not a share"),
        (&["-m", "-1%"], "is not a share"),
        (&["--swap", "some"], not_a_size),
        (&["--headroom", "x"], not_a_size),
        (&["--min-available", "some"], not_a_size),
        (&["--second-line", "50%"], "is not a size: write for instance 100M or 2GiB"),
        (&["--process-memory", "50%"], "is not a size: write for instance 100M or 2GiB"),
        (&["--victim", "youngest"], "is not one of workload, largest"),
    ]);
}

#[test]
fn limits_that_leave_no_room() {
    table(&[
        (&["-m", "0"], "limit 0B is below 2.0M"),
        (&["-m", "1M"], "limit 1.0M is below 2.0M"),
        (&["-m", "1%", "--headroom", "1K"], "headroom"),
        (&["--headroom", "0"], "headroom 0B is below 4.0M"),
        (&["--headroom", "900T"], "headroom 900.0T is more than"),
        (&["-m", "900T"], "is above what this machine's memory allows"),
        (&["-m", "100%"], "leaves no room to act below what this machine's memory allows"),
        (&["--second-line", "0"], "second line 0B is not between"),
        (&["--second-line", "50M"], "second line 50.0M is not between the limit 100.0M"),
        (&["--second-line", "100M"], "is not between"),
        (&["--second-line", "164M"], "and the ceiling 164.0M"),
        (&["--second-line", "1T"], "is not between"),
        (&["--min-available", "0"], "--min-available 0 is no floor"),
        (&["--min-available", "91%"], "--min-available 91% leaves next to nothing to use"),
        (&["--min-available", "900T"], "--min-available 900.0T is above the"),
        (&["--process-memory", "1K"], "--process-memory 1.0K is too little for any program"),
        (&["--record-size", "1K"], "--record-size 1.0K is below 64.0K"),
    ]);
}

/// As with every other tool: an alias or a script may have said it before.
#[test]
fn of_a_repeated_option_the_last_one_counts() {
    let scene = Scene::new();
    let options =
        ["-m", "10M", "--memory", "77M", "--plain", "--plain", "--grace", "1s", "--grace", "2s"];
    let (run, record) = scene.recorded(&options, &["true"]);
    run.expect(0);
    assert_eq!(record["status"]["limits"]["limit"], 77 << 20);
    assert_eq!(record["status"]["limits"]["grace_ms"], 2000);
}

#[test]
fn the_forms_of_other_tools_are_understood() {
    let scene = Scene::new();
    for (memory, limit) in [
        ("512Mi", 512 << 20),
        ("1.5G", 3 << 29),
        ("100MB", 100 << 20),
        (".5G", 1 << 29),
        ("64mib", 64 << 20),
    ] {
        for (grace, ms) in [(".5s", 500), ("1h30m", 5_400_000)] {
            let options = ["-m", memory, "--grace", grace, "--term-signal", "RTMIN+3"];
            let (run, record) = scene.recorded(&options, &["true"]);
            run.expect(0);
            assert_eq!(record["status"]["limits"]["limit"], limit, "{memory}");
            assert_eq!(record["status"]["limits"]["grace_ms"], ms, "{grace}");
        }
    }
}

#[test]
fn durations_that_are_none() {
    let not_a_duration = "is not a duration";
    table(&[
        (&["--grace", ""], not_a_duration),
        (&["--grace", "soon"], not_a_duration),
        (&["--grace=-1s"], not_a_duration),
        (&["--grace", "-1s"], not_a_duration),
        (&["--grace", "-3"], "--grace <DURATION>: \"-3\" is not a duration: write for instance"),
        (&["--thrash", "-1%:1m"], "is not a share"),
        (&["--grace", "1x"], not_a_duration),
        (&["--grace", "99999999999d"], "is too large"),
        (&["--timeout", "1:30"], not_a_duration),
        (&["--timeout", "18446744073709551616s"], "is too large"),
        (&["--warn-within", "10 seconds"], not_a_duration),
        (&["--grace", "1h30"], "write for instance 500ms, 3s or 1h30m"),
        (&["--grace", "30m1h"], not_a_duration),
        (&["--thrash", "80%:x"], not_a_duration),
    ]);
}

#[test]
fn a_time_to_be_frozen_for_that_is_none() {
    table(&[
        (&["--freeze-for", "5s"], "nothing is frozen without --on-breach freeze"),
        (&["--on-breach", "freeze", "--freeze-for", "0"], "nobody could act in no time"),
        (&["--hold", "long"], "is not a duration"),
    ]);
}

#[test]
fn words_that_are_no_choice() {
    table(&[
        (&["--kill-mode", "some"], "control-group, mixed, process"),
        (&["--on-exit", "panic"], "wait, terminate"),
        (&["--on-breach", "stop"], "terminate, freeze, warn"),
        (&["--require", "best"], "kernel, observed, hybrid, polled"),
        (&["--term-signal", "NOPE"], "is not a signal"),
        (&["--term-signal", "0"], "is not a signal"),
        (&["--term-signal", "65"], "is not a signal"),
        (&["--term-signal", "KILL"], "cannot be handled"),
        (&["--term-signal", "19"], "cannot be handled"),
        (&["--thrash", "80%"], "is not SHARE:DURATION"),
        (&["--thrash", "0%:1m"], "is not a share"),
        (&["--warn-at", "80"], "is not a share between 1% and 100%: write for instance 80%"),
        (
            &["--term-signal", "RTMIN+31"],
            "is not a signal: write for instance TERM, INT, 15 or RTMIN+3",
        ),
        (&["--warn-at", "0%"], "is not a share"),
        (&["--limit-exit-code", "256"], "\"256\" is not an exit status: write a number from 0"),
        (&["--limit-exit-code", "-1"], "\"-1\" is not an exit status"),
        (&["--limit-exit-code", "no"], "\"no\" is not an exit status"),
        (&["--json-fd", "x"], "\"x\" is not a descriptor for it: write a number from 3 to 63"),
        (&["--json-fd", "-1"], "\"-1\" is not a descriptor"),
        (&["--kill-mode", "-1"], "control-group, mixed, process"),
        (&["--user", "-1"], "a value that begins with a dash is written --user=-1"),
        (&["--quiet", "-1"], "unexpected argument '-1' found; try"),
        (&["--pids", "0"], "from 1 to"),
        (&["--pids", "-1"], "--pids <N>: -1 is neither max nor a number from 1 to"),
        (&["--pids", "1.5"], "from 1 to"),
        (&["--pids", "2G"], "from 1 to"),
        (&["--pids", "99999999999999999999"], "from 1 to"),
        (&["--name", ""], "not 1 to 32 letters"),
        (&["--name", "../up"], "not 1 to 32 letters"),
        (&["--name", "two words"], "not 1 to 32 letters"),
        (&["--name", "a+b"], "letters (a-z), digits, dots, dashes, underscores, the first no dot"),
        (&["--name", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"], "not 1 to 32 letters"),
    ]);
}

/// A value is quoted as it was typed, so that whoever reads it finds it: escaped once and not twice.
#[test]
fn what_is_quoted_is_escaped_once() {
    table(&[
        (&["-m", "\"4G\""], r#"--memory <SIZE>: "\"4G\"" is not a size"#),
        (&["-m", "a\\b"], r#": "a\\b" is not a size"#),
        (&["-m", "a\nb"], r#": "a\nb" is not a size"#),
        (&["--grace", "\"3s\""], r#": "\"3s\"" is not a duration"#),
        (&["--kill-mode", "a\"\\"], r#": "a\"\\" is not one of"#),
        (&["--name", "a\\\"b"], r#"--name "a\\\"b": not 1 to 32"#),
        (&["--slice", "a\"\\"], r#"--slice "a\"\\": not a name"#),
        (
            &["--user", "a\\b"],
            if is_root() { r"no such user: a\\b" } else { r"--user a\\b: only root" },
        ),
        (&["--a\nb"], r"unexpected argument '--a\nb' found"),
        (&["--a\\b"], r"unexpected argument '--a\\b' found"),
        (&["--plain=\u{1b}"], r#"--plain takes no value, but got "\u{1b}""#),
    ]);
    let scene = Scene::new();
    let config = scene.write("config.toml", "memory = '\"4G\"'\n");
    let run = refused(&scene, &mut attempt(&scene, &["--config", &config]), 125);
    assert!(run.stderr.contains(r#"line 1: memory: "\"4G\"" is not a size"#), "{run:?}");
    let run = refused(&scene, scene.sentinel().args(["ctl", "set\tx"]), 125);
    assert!(run.stderr.contains(r#"cannot send "set\tx": a request"#), "{run:?}");
    let named = ["attach", "--pid", "1", "--as", "a\\b"];
    let run = refused(&scene, scene.sentinel().args(named), 125);
    assert!(run.stderr.contains(r#"--as "a\\b": not 1 to 32 letters"#), "{run:?}");
}

#[test]
fn bytes_that_are_no_text() {
    let scene = Scene::new();
    for options in [[b"-m".as_slice(), b"\xff\xfe"], [b"--name", b"\xc3"], [b"--\xff", b"x"]] {
        let options = options.map(OsStr::from_bytes);
        refused(&scene, &mut attempt(&scene, &options), 125);
    }
}

#[test]
fn a_value_that_is_missing() {
    let scene = Scene::new();
    let run = refused(&scene, scene.sentinel().args(["--plain", "-m"]), 125);
    assert!(run.stderr.contains("a value is required for '--memory"), "{run:?}");
}

/// There is no pane whose output could be kept.
#[test]
fn a_log_without_a_dashboard() {
    let scene = Scene::new();
    let log = scene.text_path("log");
    let mut sentinel = scene.sentinel();
    sentinel.args(scene.options()).args(["--log", &log, "--", "touch", "started"]);
    let run = refused(&scene, &mut sentinel, 125);
    assert!(run.stderr.contains("(--log)") && run.stderr.contains("redirect it"), "{run:?}");
    assert!(!scene.path("log").exists(), "nothing is made for nothing");
}
