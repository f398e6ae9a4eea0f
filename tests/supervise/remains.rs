//! What a run leaves on tmpfs, where no cgroup counts it.

use crate::support::Scene;
use serde_json::Value;

fn record(scene: &Scene) -> Value {
    serde_json::from_str(&scene.read("record.json")).unwrap()
}

#[test]
fn a_file_on_tmpfs_that_outlives_the_run_is_named() {
    let scene = Scene::new();
    let file = format!("/dev/shm/sentinel-remains-{}", scene.name());
    let script = "import sys; open(sys.argv[1], 'wb').write(bytes(24 << 20))";
    let options = ["--json", &scene.text_path("record.json")];
    let run = scene.run(&options, &["python3", "-c", script, &file]);
    std::fs::remove_file(&file).unwrap();
    run.expect(0).says("left in tmpfs: ");
    let left = &record(&scene)["left_in_tmpfs"];
    assert!(left["size"].as_u64() >= Some(24 << 20), "{left:#}");
    let names = left["parts"].as_array().unwrap().iter().map(|part| &part["name"]);
    assert!(names.into_iter().any(|name| name == file.as_str()), "{left:#}");
}
