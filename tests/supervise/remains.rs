//! What a run leaves on tmpfs, where no cgroup counts it.

use crate::support::Scene;
use serde_json::Value;

fn record(scene: &Scene) -> Value {
    serde_json::from_str(&scene.read("record.json")).unwrap()
}

/// Names are looked for in a bounded time, which on a busy machine may be too short for one of the runs.
#[test]
fn a_file_on_tmpfs_that_outlives_the_run_is_named() {
    let scene = Scene::new();
    let file = format!("/dev/shm/sentinel-remains-{}", scene.name());
    let script = "import sys; open(sys.argv[1], 'wb').write(bytes(24 << 20))";
    let options = ["--json", &scene.text_path("record.json")];
    let is_named = |_| {
        let run = scene.run(&options, &["python3", "-c", script, &file]);
        std::fs::remove_file(&file).unwrap();
        run.expect(0).says("left in tmpfs: ");
        let left = &record(&scene)["left_in_tmpfs"];
        assert!(left["size"].as_u64() >= Some(24 << 20), "{left:#}");
        left["parts"].as_array().unwrap().iter().any(|part| part["name"] == file.as_str())
    };
    assert!((0..5).any(is_named), "{:#}", record(&scene));
}
