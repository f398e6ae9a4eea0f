//! A replay on the dashboard: it says that it is one, acts on nobody, goes where its user wants, and is the same at every speed.

use crate::stage::Stage;
use crate::support::{Scene, binary};

const SIZE: (u16, u16) = (30, 100);
/// SIGTERM that is not minded, and SIGKILL.
const DEAF: &[u8] = include_bytes!("../fixtures/traces/host-deaf.jsonl");
const END: &str = "\x1b[F";
const HOME: &str = "\x1b[H";

fn replay(scene: &Scene, speed: &str) -> Stage {
    let file = scene.write("deaf.jsonl", DEAF);
    let mut stage = Stage::run(scene, SIZE, &[&binary(), "replay", "--speed", speed, &file]);
    stage.until_shown("REPLAY");
    stage
}

/// The screen at the end of the trace, but for the row that names the speed and the one of the keys.
fn last_picture(stage: &mut Stage) -> Vec<String> {
    stage.type_text(END);
    stage.until_shown("the trace ends here");
    stage.until_shown("ENDED");
    // The message goes; everything that came before it was drawn.
    stage.type_text("\x1b");
    stage.until_shown("? help");
    let rows = stage.screen().rows(0, SIZE.1).map(|row| row.trim_end().to_owned());
    let rows: Vec<String> = rows.collect();
    rows[1..rows.len() - 1].to_vec()
}

#[test]
fn it_ends_with_the_same_picture_at_every_speed() {
    let scene = Scene::new();
    let pictures: Vec<_> = ["0.001", "1", "20", "1000000"]
        .map(|speed| {
            let mut stage = replay(&scene, speed);
            let picture = last_picture(&mut stage);
            stage.type_text("q");
            assert!(stage.finish().success());
            stage.assert_as_before();
            picture
        })
        .into();
    let all = pictures[0].join("\n");
    assert!(all.contains("● TERM") && all.contains("● KILL"), "rungs that fired are lit:\n{all}");
    for picture in &pictures[1..] {
        assert_eq!(picture.join("\n"), all);
    }
}

#[test]
fn nothing_can_be_done_to_the_workload() {
    let scene = Scene::new();
    let mut stage = replay(&scene, "1");
    stage.type_text(" ");
    stage.until_shown("PAUSED");
    stage.until_shown("Space resume");
    let keys = stage.screen().contents().lines().last().unwrap_or_default().to_owned();
    for word in ["terminate", "kill", "freeze", "limit"] {
        assert!(!keys.contains(word), "{keys}");
    }
    for key in ["t", "K", "f", "m"] {
        stage.type_text(key);
        stage.until_shown("there is no workload to act on");
        stage.type_text("\x1b");
        stage.until_shown("? help");
        assert!(!stage.screen().contents().contains("sure?"));
    }
    stage.type_text("q");
    assert!(stage.finish().success());
}

#[test]
fn time_goes_forward_back_and_step_by_step() {
    let scene = Scene::new();
    let mut stage = replay(&scene, "0.001");
    let at_end = last_picture(&mut stage);
    stage.type_text(HOME);
    stage.until("it is at the start", |screen| {
        let text = screen.contents();
        text.contains("RUNNING") && text.contains("○ TERM") && !text.contains("● TERM")
    });
    let title = |stage: &Stage| stage.screen().rows(0, SIZE.1).next().unwrap_or_default();
    stage.type_text(".");
    stage.until_shown("PAUSED");
    let mut before = title(&stage);
    for _ in 0..3 {
        // Some are less than what is shown of the time apart.
        stage.type_text(&".".repeat(40));
        stage.until("it goes on", |screen| screen.rows(0, SIZE.1).next().unwrap() != before);
        before = title(&stage);
    }
    stage.type_text(&",".repeat(40));
    stage.until("it goes back", |screen| screen.rows(0, SIZE.1).next().unwrap() != before);
    assert_eq!(last_picture(&mut stage), at_end);
    stage.type_text("q");
    assert!(stage.finish().success());
}
