//! Whose the keys are: the command's, the dashboard's, the shell's; and what the user's terminal calls them.

use crate::stage::{LEAVE_SCREEN, Stage, holds};
use crate::support::pty::INTERRUPT;
use crate::support::{Scene, binary, until};

const SIZE: (u16, u16) = (30, 100);

/// Sentinel with the scene's name, as a shell would call it.
fn call(scene: &Scene, command: &str) -> String {
    let (name, socket) = (scene.name(), scene.text_path("s.socket"));
    format!("{} --name {name} --socket {socket} -- {command}", binary())
}

#[test]
fn the_user_s_special_characters_hold() {
    let scene = Scene::new();
    let inner = call(&scene, "sh -c 'stty -a | grep -e intr -e susp; exec sleep 100000'");
    let script = format!("stty intr ^X erase ^H susp ^Y; exec {inner}");
    let mut stage = Stage::run(&scene, SIZE, &["sh", "-c", &script]);
    stage.until_shown("i types into it");
    for (name, key) in [("intr", "^X"), ("erase", "^H"), ("susp", "^Y"), ("quit", "^\\")] {
        stage.until_shown(&format!("{name} = {key};"));
    }
    // What interrupts elsewhere does nothing here, and the help names what does.
    stage.type_text(&format!("{INTERRUPT}?"));
    stage.until_shown("Ctrl-X");
    stage.type_text(" ");
    stage.until("the help is gone", |screen| !screen.contents().contains("any key closes"));
    stage.type_text("\x18");
    assert_eq!(stage.finish().code(), Some(130), "{}", stage.screen().contents());
    let shown = String::from_utf8_lossy(&stage.raw).into_owned();
    assert!(shown.contains("was killed by SIGINT"), "{shown:?}");
    assert!(!shown.contains("post-mortem"), "who interrupts it knows why it ended");
}

#[test]
fn what_was_typed_before_the_dashboard_was_there_is_the_command_s() {
    let scene = Scene::new();
    let script = "read line; echo \"got <$line>\"; exec sleep 100000";
    let mut stage = Stage::open(&scene, SIZE, &["sh", "-c", script]);
    // As a question and its answer if it were the dashboard's: kill.
    stage.type_text("Kyy\r");
    stage.until_shown("got <Kyy>");
    stage.type_text("ty");
    assert_eq!(stage.finish().code(), Some(143));
}

/// The dashboard leaves its screen and is held up by a terminal that takes nothing, with all the output still to be shown.
#[test]
fn keys_typed_while_the_run_ends_are_not_left_to_the_shell() {
    let scene = Scene::new();
    let go = scene.text_path("go");
    let command = format!("sh -c 'until [ -e {go} ]; do sleep 0.05; done; seq 1 60000'");
    let call = call(&scene, &command);
    let script = format!("{call}; printf 'the %s' 'shell: '; IFS= read -r line; echo \"<$line>\"");
    let mut stage = Stage::run(&scene, SIZE, &["sh", "-c", &script]);
    stage.until_shown("i types into it");
    std::fs::write(go, "").unwrap();
    until("the dashboard leaves", || {
        stage.read_few(64);
        holds(&stage.raw, LEAVE_SCREEN) && stage.is_as_before()
    });
    stage.type_text("q\rstray\r");
    stage.until_written(b"the shell: ");
    stage.type_text("mine\r");
    stage.until_written(b"<mine>");
    assert!(stage.finish().success());
    stage.assert_as_before();
}

#[test]
fn the_mouse_presses_keys_and_chooses_rows() {
    let scene = Scene::new();
    let mut stage = Stage::open(&scene, SIZE, &["sleep", "100000"]);
    stage.until_shown("? help  q leave  t terminate");
    stage.until_shown("sleep");
    let row = |stage: &Stage, text: &str| {
        let lines: Vec<String> = stage.screen().rows(0, SIZE.1).collect();
        lines.iter().position(|line| line.contains(text)).unwrap() + 1
    };
    let click =
        |row: usize, column: usize| format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m");
    // "? help" begins in the first column.
    stage.type_text(&click(usize::from(SIZE.0), 2));
    stage.until_shown("this help; any key closes it");
    stage.type_text(&click(5, 50));
    stage.until("the help is gone", |screen| !screen.contents().contains("any key closes"));
    let below_the_names = row(&stage, " RSS ") + 1;
    stage.type_text(&click(below_the_names, 60));
    stage.type_text("x");
    stage.until_shown("signal for ");
    stage.type_text("\r");
    stage.until_shown("Send SIGTERM to process");
    stage.type_text("y");
    assert_eq!(stage.finish().code(), Some(143));
    stage.assert_as_before();
}
