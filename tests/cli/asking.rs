//! `sentinel status` and `sentinel ctl` where there is nobody to ask, or nothing.

use crate::refusal::refused;
use crate::support::Scene;
use std::os::unix::net::UnixListener;

#[test]
fn nobody_to_ask() {
    let scene = Scene::new();
    drop(UnixListener::bind(scene.path("dead")).unwrap());
    scene.write("file", "");
    for (name, needle) in [
        ("nowhere", "there is no such file"),
        ("dead", "its guardian is gone"),
        ("file", "it is not a socket"),
        ("two\nlines", "two\\nlines"),
    ] {
        let path = scene.text_path(name);
        for words in [&["status", "--socket", &path][..], &["ctl", "--socket", &path, "ping"]] {
            let run = refused(&scene, scene.sentinel().args(words), 125);
            assert!(run.stderr.contains(needle), "{words:?}: {run:?}");
        }
    }
}

#[test]
fn nothing_to_ask() {
    let scene = Scene::new();
    for (words, needle) in [
        (&["ctl"][..], "no verb given; try: sentinel ctl --help"),
        (&["ctl", "--socket"], "a value is required"),
        (&["ctl", ""], "no request given"),
        (&["ctl", "two\nlines"], "a request is one line of plain text"),
        (&["ctl", "--nonsense"], "unexpected argument"),
        (&["ctl", "nonsense"], "unknown request nonsense; try: sentinel ctl --help"),
        (&["status", "--nonsense"], "unexpected argument"),
    ] {
        let socket = scene.text_path("nowhere");
        let mut words = words.to_vec();
        if !words.contains(&"--socket") {
            words.splice(1..1, ["--socket", &socket]);
        }
        let run = refused(&scene, scene.sentinel().args(&words), 125);
        assert!(run.stderr.contains(needle), "{words:?}: {run:?}");
    }
}
