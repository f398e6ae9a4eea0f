//! What people run on a terminal, run in the pane.

use crate::stage::{Stage, UNFOCUS};
use crate::support::{Scene, has_program, python, skip};

const SIZE: (u16, u16) = (30, 100);

/// Whether these are here; said where not.
fn has(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| !has_program(name)).collect();
    if !missing.is_empty() {
        skip(&format!("no {missing:?} here"));
    }
    missing.is_empty()
}

/// A small program of the test's own.
fn play(scene: &Scene, text: &str) -> Stage {
    let script = scene.write("play.py", text);
    Stage::open(scene, SIZE, &[python(), "-u", &script])
}

#[test]
fn vim_edits_a_file() {
    if !has(&["vim"]) {
        return;
    }
    let scene = Scene::new();
    let file = scene.write("text", "one\ntwo\nthree\n");
    let options = ["-u", "NONE", "-i", "NONE", "-n", "--cmd", "set showmode ruler esckeys"];
    let mut stage = Stage::open(&scene, SIZE, &[&["vim"], &options[..], &[&file]].concat());
    stage.focus();
    stage.until_shown("three");
    // Arrows, Home and End in the application's mode, a wide character, a paste, Escape alone.
    stage.type_text("\x1b[B\x1b[FAx\x1b[H\x1b[C漢\x1b[200~<:q>\x1b[201~\x1b");
    stage.until_shown("t漢<:q>wox");
    stage.resize(24, 80);
    stage.until("vim's last row is where its terminal ends", |screen| {
        let ruler = screen.rows(0, 80).nth(22).unwrap_or_default();
        ruler.contains("2,") && screen.contents().contains("t漢<:q>wox")
    });
    stage.type_text(":wq\r");
    stage.finish();
    assert_eq!(scene.read("text"), "one\nt漢<:q>wox\nthree\n");
    stage.assert_as_before();
}

#[test]
fn htop_shows_processes_and_takes_function_keys() {
    if !has(&["htop"]) {
        return;
    }
    let scene = Scene::new();
    let mut stage = Stage::open(&scene, SIZE, &["htop"]);
    stage.focus();
    stage.until_shown("F10Quit");
    stage.until_shown("Load average");
    // F1 as the Linux console sends it, and as it is in the pane's own terminal.
    stage.type_text("\x1b[[A");
    stage.until_shown("Released under");
    stage.type_text(" ");
    stage.until_shown("F10Quit");
    stage.resize(40, 120);
    stage.until("htop has the new size", |screen| {
        let text = screen.contents();
        text.lines().skip(30).any(|line| line.contains("F10Quit"))
    });
    stage.type_text("\x1b[21~");
    assert!(stage.finish().success(), "{}", stage.screen().contents());
    stage.assert_as_before();
}

#[test]
fn a_shell_has_job_control() {
    if !has(&["bash"]) {
        return;
    }
    let scene = Scene::new();
    let mut stage = Stage::open(&scene, SIZE, &["bash", "--norc", "--noprofile"]);
    stage.focus();
    // Numbered: no half of a picture shows a prompt that is still to come.
    stage.type_text("PS1='re''ady \\#> '; echo $TERM $(env | grep -c -e ^COLUMNS= -e ^LINES=)\r");
    stage.until_shown("xterm-256color 0");
    stage.until_shown("ready 2>");
    let script = "trap 'echo going on' CONT; echo running; while :; do sleep 0.05; done";
    scene.write("job", script);
    stage.type_text("bash job\r");
    stage.until_shown("running");
    stage.type_text("\x1a");
    stage.until_shown("ready 3>");
    stage.type_text("fg\r");
    stage.until_shown("going on");
    stage.type_text("\x03");
    // What is typed before is lost.
    stage.until_shown("ready 4>");
    stage.type_text("echo in''terrupted $?\r");
    stage.until_shown("interrupted 130");
    // Line editing: back by a word, a letter, the history.
    stage.type_text("echo a''bc\x1b[D\x1b[DX\r");
    stage.until_shown("aXbc");
    stage.type_text("exit 7\r");
    assert_eq!(stage.finish().code(), Some(7));
    stage.assert_as_before();
}

#[test]
fn progress_bars_stay_in_their_lines() {
    let scene = Scene::new();
    let mut stage = play(
        &scene,
        r#"
import sys, time
print("Reading package lists...")
for n in range(0, 101, 5):
    print(f"\rProgress: [{n:3}%] [{'#' * (n // 5):20}]", end="", flush=True)
    time.sleep(0.01)
print()
# Several at once, the cursor going up over them.
names = ["alpha", "beta", "gamma"]
for name in names:
    print(f"{name}: waiting")
for n in range(0, 101, 10):
    sys.stdout.write("\x1b[3A")
    for name in names:
        sys.stdout.write(f"\r\x1b[2K{name}: {n}%\n")
    sys.stdout.flush()
    time.sleep(0.01)
print("done")
sys.stdin.readline()
"#,
    );
    stage.focus();
    stage.until_shown("done");
    stage.until_shown("gamma: 100%");
    let text = stage.screen().contents();
    let lines = |wanted: &str| text.lines().filter(|line| line.contains(wanted)).count();
    assert_eq!((lines("Progress:"), lines("alpha"), lines("gamma")), (1, 1, 1), "{text}");
    assert!(text.contains("Progress: [100%] [####################]"), "{text}");
    assert!(!text.contains("waiting"), "{text}");
    stage.type_text("\r");
    stage.finish();
    stage.assert_as_before();
}

#[test]
fn questions_to_the_terminal_are_answered_and_titles_go_nowhere() {
    let scene = Scene::new();
    let mut stage = play(
        &scene,
        r#"
import os, select, sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
def ask(question, last):
    os.write(1, question)
    answer = b""
    while not answer.endswith(last):
        if not select.select([0], [], [], 20)[0]:
            return b"none"
        answer += os.read(0, 1)
    return answer
os.write(1, b"\x1b[2J\x1b[4;9H")
answers = [ask(b"\x1b[6n", b"R"), ask(b"\x1b[c", b"c"), ask(b"\x1b[5n", b"n"), ask(b"\x1b[18t", b"t"),
    ask(b"\x1b[>c", b"c"), ask(b"\x1b[?2026$p", b"y")]
os.write(1, b"\x1b]0;a TITLE\x07\x1b]2;a TITLE\x1b\\\x1b[22;0t\x1b[?1000;1006h")
size = os.get_terminal_size()
termios.tcsetattr(0, termios.TCSANOW, before)
print("\r\n", *[repr(a[1:])[2:-1] for a in answers[:3]], answers[3] == b"\x1b[8;%d;%dt" % (size.lines, size.columns), "said")
for answer in answers[4:]: print(repr(answer[1:])[2:-1])
sys.stdin.readline()
"#,
    );
    stage.until_shown("[4;9R [?6c [0n True said");
    stage.until_shown("[>0;0;0c");
    stage.until_shown("[?2026;0$y");
    let written = String::from_utf8_lossy(&stage.raw).into_owned();
    assert!(!written.contains("TITLE"), "{written:?}");
    // The dashboard asks for the mouse by itself, and not in the command's words.
    assert!(!written.contains("[?1000;1006h"), "{written:?}");
    stage.focus();
    stage.type_text("\r");
    stage.finish();
    stage.assert_as_before();
}

#[test]
fn colours_wide_characters_and_drawn_lines_are_seen() {
    let scene = Scene::new();
    let mut stage = play(
        &scene,
        r#"
import sys
print("\x1b[38;5;208mINDEXED\x1b[0m \x1b[48;2;10;20;30;38:2::1:2:3mTRUE\x1b[0m \x1b[1;4;7mSTRONG\x1b[0m")
print("漢字<wide> e\u0301<mark>")
print("\x1b(0lqqk\x1b(B<lines>")
print("a\tb\x1b[Zback\x1b[3Dx")
sys.stdin.readline()
"#,
    );
    stage.focus();
    stage.until_shown("漢字<wide> e\u{301}<mark>");
    stage.until_shown("┌──┐<lines>");
    stage.until_shown("a       bxck");
    assert_eq!(stage.cell_of("INDEXED").fgcolor(), vt100::Color::Idx(208));
    let cell = stage.cell_of("TRUE");
    assert_eq!(cell.bgcolor(), vt100::Color::Rgb(10, 20, 30));
    assert_eq!(cell.fgcolor(), vt100::Color::Rgb(1, 2, 3));
    let cell = stage.cell_of("STRONG");
    assert!(cell.bold() && cell.underline() && cell.inverse());
    stage.type_text("\r");
    stage.finish();
    stage.assert_as_before();
}

#[test]
fn keys_arrive_as_the_program_asked_for_them() {
    let scene = Scene::new();
    let mut stage = play(
        &scene,
        r#"
import os, termios, tty
tty.setraw(0)
def take(until):
    text = b""
    while not text.endswith(until):
        text += os.read(0, 1)
    return text
os.write(1, b"first\r\n")
os.write(1, repr(take(b"!")).encode() + b"\r\n")
os.write(1, b"\x1b[?1h\x1b[?2004hsecond\r\n")
os.write(1, repr(take(b"!")).encode() + b"\r\n")
take(b"q")
os.write(1, b"\x1b[?1l\x1b[?2004l")
"#,
    );
    stage.focus();
    stage.until_shown("first");
    stage.type_text("\x1b[A\x1b[200~p\x1b[201~\x1bOQ\x1b[1;5C!");
    stage.until_shown(r"b'\x1b[Ap\x1bOQ\x1b[1;5C!'");
    stage.until_shown("second");
    stage.type_text("\x1b[A\x1b[200~p\x1b[201~\x1b[3~\x03\x1a\x1c!");
    stage.until_shown(r"b'\x1bOA\x1b[200~p\x1b[201~\x1b[3~\x03\x1a\x1c!'");
    // Unfocused, keys are the dashboard's: this one asks, and is taken back.
    stage.type_text(UNFOCUS);
    stage.until_shown("i types into it");
    stage.type_text("iq");
    assert!(stage.finish().success());
    stage.assert_as_before();
}
