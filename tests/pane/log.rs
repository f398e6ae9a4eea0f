//! `--log`: all of the command's output in a file, whoever shows it, and what is said of output that is gone from the pane.

use crate::stage::Stage;
use crate::support::Scene;

const SIZE: (u16, u16) = (30, 120);

fn numbers(text: &str) -> Vec<u32> {
    text.lines().map(|line| line.trim_end().parse().unwrap()).collect()
}

#[test]
fn all_of_the_output_is_kept_also_when_the_dashboard_has_gone() {
    let scene = Scene::new();
    let (go, log) = (scene.text_path("go"), scene.text_path("log"));
    let script = format!("seq 1 5000; until [ -e {go} ]; do sleep 0.05; done; seq 5001 9000");
    let mut stage = Stage::open_with(&scene, SIZE, &["--log", &log], &["sh", "-c", &script]);
    stage.until_shown("last 1000 lines, the log has all");
    stage.type_text("qd");
    stage.until_shown(&format!("to watch it: sentinel top {}", scene.name()));
    std::fs::write(go, "").unwrap();
    assert!(stage.finish().success());
    assert_eq!(numbers(&scene.read("log")), (1..=9000).collect::<Vec<_>>());
    stage.assert_as_before();
}

#[test]
fn a_short_run_is_kept_too() {
    let scene = Scene::new();
    let log = scene.text_path("log");
    let mut stage = Stage::open_with(&scene, SIZE, &["--log", &log], &["seq", "1", "20000"]);
    assert!(stage.finish().success());
    assert_eq!(numbers(&scene.read("log")), (1..=20000).collect::<Vec<_>>());
}

#[test]
fn what_is_gone_from_the_pane_is_said_with_the_way_to_keep_it() {
    let scene = Scene::new();
    let script = "seq 1 5000; exec sleep 100000";
    let mut stage = Stage::open(&scene, SIZE, &["sh", "-c", script]);
    stage.until_shown("last 1000 lines, --log FILE keeps all");
    stage.type_text("ty");
    stage.finish();
}

#[test]
fn a_log_that_cannot_be_written_is_said() {
    let scene = Scene::new();
    let mut stage = Stage::open_with(&scene, SIZE, &["--log", "/dev/full"], &["seq", "1", "9"]);
    assert!(stage.finish().success());
    let shown = String::from_utf8_lossy(&stage.raw).into_owned();
    assert!(shown.contains("the log /dev/full is incomplete: No space left"), "{shown:?}");
}
