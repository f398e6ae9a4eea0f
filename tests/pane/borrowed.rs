//! Somebody else's terminal, as after `su` or with `docker exec -u`: it is open, and must not be opened by its name.

use crate::stage::Stage;
use crate::support::{Scene, binary};

const SIZE: (u16, u16) = (30, 100);

/// Without its being the controlling one there is no other way to open it either.
const CONTROLLING: [bool; 2] = [true, false];

#[test]
fn the_dashboard_is_there_before_any_key_and_holds_up_no_end() {
    for controlling in CONTROLLING {
        let scene = Scene::new();
        let (name, socket, binary) = (scene.name(), scene.text_path("s.socket"), binary());
        let go = scene.text_path("go");
        let script = format!("until [ -e {go} ]; do sleep 0.05; done");
        let own = [&*binary, "--name", name, "--socket", &*socket, "--", "sh", "-c", &*script];
        let mut stage = Stage::borrowed(&scene, SIZE, controlling, &own);
        stage.until_shown("i types into it");
        std::fs::write(&go, "").unwrap();
        let status = stage.finish();
        assert!(status.success(), "{}", stage.screen().contents());
        stage.assert_as_before();
    }
}

#[test]
fn keys_are_taken_one_by_one() {
    for controlling in CONTROLLING {
        let scene = Scene::new();
        let (name, socket, binary) = (scene.name(), scene.text_path("s.socket"), binary());
        let own = [&*binary, "--name", name, "--socket", &*socket, "--", "sleep", "100000"];
        let mut stage = Stage::borrowed(&scene, SIZE, controlling, &own);
        stage.until_shown("i types into it");
        stage.type_text("t");
        stage.until_shown("Terminate the workload?");
        stage.type_text("\x1b");
        stage.until("the question is gone", |screen| !screen.contents().contains("sure?"));
        stage.type_text("ty");
        assert_eq!(stage.finish().code(), Some(143), "{}", stage.screen().contents());
        stage.assert_as_before();
    }
}

#[test]
fn the_view_of_all_is_there_before_any_key() {
    for controlling in CONTROLLING {
        let scene = Scene::new();
        let mut stage = Stage::borrowed(&scene, SIZE, controlling, &[&binary(), "top"]);
        stage.until_shown("sentinel top");
        stage.until_shown("? help");
        stage.type_text("q");
        assert!(stage.finish().success());
        stage.assert_as_before();
    }
}
