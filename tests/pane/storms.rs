//! Resizes without pause.

use crate::stage::Stage;
use crate::support::{Scene, python};

const STORM: u16 = 600;

#[test]
fn a_storm_of_resizes_ends_with_the_last_size() {
    let scene = Scene::new();
    let script = scene.write(
        "watch.py",
        r#"
import os, signal, sys
seen = 0
def changed(*_):
    global seen
    seen += 1
signal.signal(signal.SIGWINCH, changed)
print("ready", flush=True)
while True:
    line = sys.stdin.readline()
    if not line: break
    size = os.get_terminal_size()
    print(f"<{line.strip()} {size.lines}x{size.columns} {seen}>", flush=True)
"#,
    );
    let mut stage = Stage::open(&scene, (30, 100), &[python(), "-u", &script]);
    stage.focus();
    stage.until_shown("ready");
    let frames = stage.raw.len();
    // From next to nothing to more than anybody has, as fast as it goes; now and then what came is read.
    for n in 0..STORM {
        let (rows, columns) =
            [(1, 1), (0, 0), (5, 12), (60, 250), (24, 80), (3, 300)][usize::from(n % 6)];
        stage.resize(rows, columns);
        if n % 50 == 0 {
            stage.read_some(1);
        }
    }
    stage.resize(32, 90);
    // Frames of sizes before may still be on their way: it is asked until the answer fits. The pane is the terminal less a frame.
    let answer = (0..1000).find_map(|n| {
        stage.type_text(&format!("{n}\r"));
        stage.until_shown(&format!("<{n} "));
        let text = stage.screen().contents();
        let answer = text.split(&format!("<{n} ")).nth(1)?.split_once('>')?.0.to_owned();
        answer.starts_with("27x90 ").then_some(answer)
    });
    let answer = answer.unwrap();
    // The command hears of sizes that were shown, not of each.
    let (_, seen) = answer.split_once(' ').unwrap();
    assert!(seen.parse::<u16>().unwrap() < STORM / 4, "{answer}");
    let written = stage.raw.len() - frames;
    assert!(written < usize::from(STORM) * 4000, "{written} bytes were written");
    stage.type_text("\x04");
    assert!(stage.finish().success());
    stage.assert_as_before();
}
