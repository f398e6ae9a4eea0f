//! `sentinel replay`: bad files, text, and decisions that differ.

use crate::made::{LEAK, text, trace};
use crate::support::pty::Pty;
use crate::support::{Run, Running, Scene, binary};
use sentinel::replay::compare::compare;
use sentinel::trace::reader::read;

fn replay(scene: &Scene, options: &[&str], file: &str) -> Run {
    let mut sentinel = scene.sentinel();
    Running::start(sentinel.arg("replay").args(options).arg(file)).finish()
}

#[test]
fn bad_files_are_refused_with_the_number_of_the_line() {
    let scene = Scene::new();
    let good = String::from_utf8(text(&LEAK)).unwrap();
    let first = good.lines().next().unwrap();
    let lines = |more: &str| format!("{first}\n{more}\n");
    let endless = format!("{first}\n{}", "x".repeat(300_000));
    for (content, says) in [
        (String::new(), "line 1: not a trace: it has no first line"),
        ("hello\n".to_owned(), "line 1: not a trace: write one with sentinel --record FILE"),
        (
            "{\"sentinel-trace\":2}\n".to_owned(),
            "line 1: a trace of version 2; this sentinel reads version 1",
        ),
        (
            "{\"sentinel-trace\":1}\n".to_owned(),
            "line 1: cannot be parsed: missing field `version`",
        ),
        (lines("{\"t\":1,\"deadline\":{}}\nnonsense"), "line 3: cannot be parsed: "),
        (
            lines("{\"t\":5,\"empty\":{}}\n{\"t\":4,\"empty\":{}}"),
            "line 3: its time is earlier than",
        ),
        (lines("{\"t\":-5,\"empty\":{}}"), "line 2: cannot be parsed: "),
        (lines("{\"t\":5}"), "line 2: cannot be parsed: "),
        (lines("{\"t\":5,\"exited\":256}"), "line 2: cannot be parsed: "),
        (lines("{\"t\":5,\"\u{1b}[2J\":1}"), "line 2: cannot be parsed: "),
        (lines("\u{0}\u{1}\u{2}"), "line 2: cannot be parsed: "),
        (good.clone() + "{\"t\":99000000000,\"empty\":{}}\n", "there is data after the end"),
        (endless, "line 2: longer than 262144 bytes"),
    ] {
        let file = scene.write("bad.jsonl", &content);
        for options in [&["--plain"][..], &["--json"], &["--what-if", "-m", "2G"]] {
            let run = replay(&scene, options, &file).expect(125);
            assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
            assert!(run.stderr.starts_with(&format!("sentinel: cannot read {file}: ")), "{run:?}");
            assert!(run.stderr.contains(says) && run.stdout().is_empty(), "{says}: {run:?}");
            assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
        }
    }
    replay(&scene, &[], &scene.text_path("none")).expect(125).says("open ");
    replay(&scene, &["-m", "1G"], &scene.text_path("none")).expect(125);
    replay(&scene, &["--speed", "fast"], &scene.text_path("none"))
        .expect(125)
        .says("is not a speed");
}

/// A pipe that somebody feeds is as good as a file; one with a name may never be fed.
#[test]
fn a_trace_comes_from_a_pipe_that_is_held_and_no_other_is_waited_for() {
    let scene = Scene::new();
    scene.write("t.jsonl", text(&LEAK));
    let mut shell = scene.program("sh");
    shell.args(["-c", "cat t.jsonl | \"$0\" replay --json /dev/stdin"]).arg(binary());
    Running::start(shell.current_dir(scene.dir())).finish().expect(0);
    let pipe = scene.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let run = replay(&scene, &["--plain"], &scene.text_path("pipe")).expect(125);
    run.says("it is a named pipe: give a file, or /dev/stdin");
    replay(&scene, &["--plain"], &scene.text_path(".")).expect(125).says("Is a directory");
    replay(&scene, &["--plain"], "/dev/zero").expect(125).says("it is not a regular file");
}

#[test]
fn a_line_that_is_cut_short_is_left_out() {
    let whole = text(&LEAK);
    let cut = read(&whole[..whole.len() - 9]).unwrap();
    assert!(cut.end.is_none() && cut.is_gapless() && !cut.is_whole());
    assert_eq!(cut.steps, trace(&LEAK).steps);
}

/// For people and for programs, and other decisions are a fault of what is there all the same.
#[test]
fn a_trace_that_ends_early_is_not_called_whole() {
    let scene = Scene::new();
    let whole = String::from_utf8(text(&LEAK)).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let half = lines[..lines.len() / 2].join("\n") + "\n";
    let file = scene.write("half.jsonl", &half);
    const SAYS: &str = "the trace does not reach the end of the run";
    replay(&scene, &["--plain"], &file).expect(0).says(SAYS);
    let json = replay(&scene, &["--json"], &file).expect(0);
    let answer: serde_json::Value = serde_json::from_str(&json.stdout()).unwrap();
    assert_eq!((&answer["whole"], &answer["gapless"]), (&false.into(), &true.into()), "{answer}");
    assert_eq!(answer["missing"], serde_json::json!([SAYS]), "{answer}");
    let binary = binary();
    let words = ["env", "TERM=xterm", &binary, "replay", "--speed", "1000", &file];
    let mut pty = Pty::run(&scene, &words);
    // Of a line in the events and one at the foot: blanks are not drawn.
    pty.await_text("reach");
    pty.await_text("before");
    pty.type_text("q");
    pty.await_text("\x1b[?1049l");
    pty.await_text(SAYS);
    assert!(pty.finish().success());
}

#[test]
fn nobody_reading_on_is_not_a_mistake() {
    let scene = Scene::new();
    let file = scene.write("a.jsonl", text(&LEAK));
    for options in [&["--plain"][..], &["--json"], &["--what-if", "-m", "2G"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut sentinel = scene.sentinel();
        let done = sentinel.arg("replay").args(options).arg(&file).stdout(writer).output().unwrap();
        let errors = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!((done.status.code(), errors.as_str()), (Some(0), ""), "{options:?}");
    }
}

#[test]
fn other_decisions_are_told_with_the_first() {
    let scene = Scene::new();
    let told = String::from_utf8(text(&LEAK)).unwrap();
    let changed = told.replacen("\"did\":[\"tell near-limit\"]", "\"did\":[\"freeze\"]", 1);
    assert_ne!(told, changed);
    let run = replay(&scene, &["--plain"], &scene.write("changed.jsonl", &changed)).expect(1);
    let last = run.stdout().lines().last().unwrap().to_owned();
    assert!(last.contains(": 1 decided differently, first in line "), "{last}");
    assert!(last.ends_with("recorded freeze; now tell near-limit"), "{last}");
    let comparison = compare(&trace(&LEAK));
    assert!(comparison.differing == 0 && comparison.decisions > 4, "{comparison:?}");
}

#[test]
fn as_text_it_has_a_line_a_second_and_all_that_was_told() {
    let scene = Scene::new();
    let run = replay(&scene, &["--plain"], &scene.write("a.jsonl", text(&LEAK))).expect(0);
    let out = run.stdout();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.contains(" running")).count(), 11, "{out}");
    for told in ["at the limit in", "80% of the limit", "sent SIGTERM", "over (exit 0)"] {
        assert_eq!(out.matches(told).count(), 1, "{told}: {out}");
    }
    assert!(lines.last().unwrap().ends_with("all decided the same way"), "{out}");
}

/// The steps are 50 ms apart: at a speed of ten, ten seconds take one, and not none.
#[test]
fn speed_is_kept() {
    let scene = Scene::new();
    let file = scene.write("a.jsonl", text(&LEAK));
    let clock = sentinel::clock::Clock::start();
    replay(&scene, &["--plain", "--speed", "10"], &file).expect(0);
    assert!(clock.now().0.as_millis() >= 1000);
}

#[test]
fn on_a_terminal_it_is_the_dashboard_that_q_leaves() {
    let scene = Scene::new();
    let (binary, file) = (binary(), scene.write("a.jsonl", text(&LEAK)));
    let words = ["env", "TERM=xterm", &binary, "replay", "--speed", "5", &file];
    let mut pty = Pty::run(&scene, &words);
    pty.await_text("\x1b[?1049h");
    for state in ["RUNNING", "ENDED"] {
        pty.await_text(state);
    }
    pty.type_text("q");
    pty.await_text("all decided the same way");
    assert!(pty.finish().success());
}
