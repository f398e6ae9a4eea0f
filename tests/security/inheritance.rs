//! What the command of a dashboard has from its guardian: as much as one without a guardian.

use crate::support::pty::Pty;
use crate::support::{Scene, binary};

/// Descriptors and environment of a command that runs on a terminal, into files. It stays until it is seen.
const PROBE: &str = r#"echo /proc/$$/fd/* > "$0.fds"; env | grep -v -e ^MEMORY_PRESSURE_ -e ^SENTINEL_MEMORY_LIMIT= | sort > "$0.env"
while [ ! -e "$0.go" ]; do sleep 0.02; done"#;

fn seen(scene: &Scene, name: &str) -> (String, String) {
    let fds = scene.read(&format!("{name}.fds"));
    let numbers: Vec<_> =
        fds.split_whitespace().filter_map(|path| path.rsplit('/').next()).collect();
    (numbers.join(" "), scene.read(&format!("{name}.env")))
}

#[test]
fn under_the_dashboard_nothing_of_ours_leaks() {
    let scene = Scene::new();
    let (direct, guarded) = (scene.text_path("direct"), scene.text_path("guarded"));
    let (binary, socket, record) = (binary(), scene.text_path("s.socket"), scene.text_path("json"));
    // Open across exec, as a caller may leave one. The terminal's type is the pane's, whatever the caller's is.
    let caller =
        ["bash", "-c", "exec 7< /dev/null; exec env TERM=xterm-256color ODD=1 \"$@\"", "bash"];
    let own = [&binary, "--name", scene.name(), "--socket", &socket, "--json", &record, "--"];
    let run = |own: &[&str], name: &str| {
        let words = [&caller[..], own, &["sh", "-c", PROBE, name]].concat();
        let mut pty = Pty::run(&scene, &words);
        if !own.is_empty() {
            pty.await_text("\x1b[?1049h");
        }
        std::fs::write(format!("{name}.go"), "").unwrap();
        assert!(pty.finish().success());
    };
    run(&[], &direct);
    run(&own, &guarded);
    let direct = seen(&scene, "direct");
    assert!(direct.0.split(' ').any(|fd| fd == "7"), "{direct:?}");
    assert!(direct.1.contains("ODD=1"), "{direct:?}");
    assert_eq!(seen(&scene, "guarded"), direct);
}
