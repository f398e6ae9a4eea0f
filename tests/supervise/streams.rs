//! Standard input, output, error and the arguments of the command are what they would be without sentinel.

use crate::support::{Running, Scene, python};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

/// Every byte value in every neighbourhood, more than any pipe holds.
fn all_bytes() -> Vec<u8> {
    (0..300_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect()
}

#[test]
fn bytes_pass_through_untouched() {
    let scene = Scene::new();
    let bytes = all_bytes();
    let mut running = Running::start(scene.guarded(&["-q"], &["cat"]).stdin(Stdio::piped()));
    // What comes back is read all the time, so this ends.
    running.stdin().write_all(&bytes).unwrap();
    let run = running.finish().expect(0);
    assert!(run.out == bytes, "{} bytes went in, {} came out", bytes.len(), run.out.len());
}

#[test]
fn stdout_and_stderr_stay_apart() {
    let scene = Scene::new();
    let script = "printf 'out\\0\\377'; printf 'err' >&2; exec 1>&-; printf ' more\\n' >&2";
    let run = scene.run(&["-q"], &["sh", "-c", script]).expect(0);
    assert_eq!(run.out, b"out\0\xff");
    assert!(run.stderr.contains("err more\n"), "{run:?}");
}

#[test]
fn nothing_of_ours_is_on_stdout() {
    let scene = Scene::new();
    let run = scene.run(&["--timeout", "2s"], &["sh", "-c", "echo x; exec sleep 1000"]);
    assert_eq!(run.expect(143).stdout(), "x\n");
}

/// A descriptor that was closed is closed, and not /dev/null.
#[test]
fn closed_descriptors_stay_closed() {
    let scene = Scene::new();
    let list = "out=$1; for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && echo $n; done > \"$out\"; :";
    for (closed, left) in
        [("<&-", "1\n2\n"), (">&-", "0\n1\n2\n"), ("2>&-", "0\n1\n"), ("<&- 2>&-", "1\n")]
    {
        let out = scene.text_path("list");
        let command = scene.guarded(&["-q"], &["sh", "-c", list, "sh", &out]);
        let script = format!("exec \"$@\" {closed}");
        let mut outer = scene.through(&["sh", "-c", &script, "sh"], &command);
        Running::start(&mut outer).finish().expect(0);
        // The redirection of the loop itself is number 1.
        assert_eq!(scene.read("list"), left, "{closed}");
    }
}

#[test]
fn writing_to_a_closed_stdout_fails_as_it_would() {
    let scene = Scene::new();
    let command = scene.guarded(&["-q"], &["sh", "-c", "echo x; exit $?"]);
    let direct = scene.program("sh").args(["-c", "exec sh -c 'echo x; exit $?' >&-"]).status();
    let mut outer = scene.through(&["sh", "-c", "exec \"$@\" >&-", "sh"], &command);
    let run = Running::start(&mut outer).finish();
    assert_eq!(Some(run.code()), direct.unwrap().code());
    assert_ne!(run.code(), 0, "{run:?}");
}

#[test]
fn a_reader_that_left_is_the_command_s_business() {
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut sentinel = scene.guarded(&[], &["sh", "-c", "while :; do echo x; done"]);
    let run = Running::start(sentinel.stdout(writer)).finish().expect(141);
    run.says("was killed by SIGPIPE");
}

#[test]
fn a_reader_that_does_not_read_holds_up_the_command_only() {
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut sentinel = scene.guarded(&["--timeout", "500ms"], &["cat", "/dev/zero"]);
    let running = Running::start(sentinel.stdout(writer));
    drop(sentinel);
    let run = running.finish().expect(143);
    run.says("reached its timeout of 500ms");
    drop(reader);
}

#[test]
fn the_end_of_input_is_seen() {
    let scene = Scene::new();
    let mut sentinel = scene.guarded(&["-q"], &["sh", "-c", "echo ready; cat; echo end"]);
    let mut running = Running::start(sentinel.stdin(Stdio::piped()));
    let mut stdin = running.stdin();
    running.await_out("ready");
    stdin.write_all(b"one line without an end").unwrap();
    running.await_out("without an end");
    drop(stdin);
    running.await_out("end\n");
    running.finish().expect(0);
}

/// The guardian reads nothing of what is the command's.
#[test]
fn what_the_command_leaves_unread_is_left_for_the_next() {
    let scene = Scene::new();
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"first\nsecond\n").unwrap();
    drop(writer);
    let stdin = Stdio::from(reader.try_clone().unwrap());
    let mut sentinel = scene.guarded(&["-q"], &["sh", "-c", "read line; echo \"got $line\""]);
    let run = Running::start(sentinel.stdin(stdin)).finish().expect(0);
    assert_eq!(run.stdout(), "got first\n");
    drop(sentinel);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "second\n");
}

const ODD: [&[u8]; 12] = [
    b"",
    b" ",
    b"a b",
    b"\xff\xfe",
    b"two\nlines",
    b"--",
    b"--memory",
    b"-m",
    b"*",
    b"$HOME",
    b"\"'\\",
    b"\x1b[31m",
];

/// One after the other with a NUL between: the process's own list.
const SHOW: &str = "import os; os.write(1, open('/proc/self/cmdline','rb').read())";

#[test]
fn arguments_arrive_as_they_are() {
    let scene = Scene::new();
    let words = ["-c", SHOW].map(OsStr::new).into_iter().chain(ODD.map(OsStr::from_bytes));
    let words: Vec<_> = words.collect();
    let direct = scene.program(python()).args(&words).output().unwrap().stdout;
    let separators: [&[&str]; 2] = [&["--"], &[]];
    for separator in separators {
        let mut sentinel = scene.sentinel();
        sentinel.args(scene.options()).arg("-q").args(separator).arg(python()).args(&words);
        let run = Running::start(&mut sentinel).finish().expect(0);
        assert!(run.out == direct, "{separator:?}: {run:?}");
    }
}

#[test]
fn the_command_s_name_is_the_word_that_was_typed() {
    let scene = Scene::new();
    for word in ["sh", "/bin/sh", "/bin/../bin/sh"] {
        let run = scene.run(&["-q"], &[word, "-c", "tr '\\0' '\\n' < /proc/$$/cmdline; :"]);
        assert!(run.expect(0).stdout().starts_with(&format!("{word}\n-c\n")), "{word}");
    }
}

#[test]
fn a_relative_command_is_looked_for_where_we_are() {
    let scene = Scene::new();
    scene.script("here", "pwd");
    let mut sentinel = scene.guarded(&["-q"], &["./here"]);
    let run = Running::start(sentinel.current_dir(scene.dir())).finish().expect(0);
    assert_eq!(run.stdout().trim(), scene.dir().to_str().unwrap());
    let mut sentinel = scene.guarded(&["-q"], &["here"]);
    // An empty entry of PATH is the directory that we are in, as for a shell.
    let run = Running::start(sentinel.current_dir(scene.dir()).env("PATH", ":/usr/bin:/bin"));
    run.finish().expect(0);
}

#[test]
fn output_that_nobody_waits_for_is_there_at_the_end() {
    let scene = Scene::new();
    let out = scene.text_path("out");
    let file = std::fs::File::create(&out).unwrap();
    let mut sentinel = scene.guarded(&["-q"], &["sh", "-c", "(sleep 0.3; echo late) & echo soon"]);
    Running::start(sentinel.stdout(file)).finish().expect(0);
    assert_eq!(scene.read("out"), "soon\nlate\n", "the rest of the workload was waited for");
}
