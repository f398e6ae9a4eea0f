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
    stage.until("the frame fits", |screen| {
        let last = screen.rows(0, 90).nth(31).unwrap_or_default();
        last.starts_with("Ctrl-]") && screen.contents().contains("keys go to the command")
    });
    stage.type_text("q\r");
    // The pane's own size, which is that of the terminal less a frame.
    stage.until("the command knows its size", |screen| screen.contents().contains("<q "));
    let text = stage.screen().contents();
    let answer = text.split("<q ").nth(1).unwrap().split('>').next().unwrap().to_owned();
    let (size, seen) = answer.split_once(' ').unwrap();
    let (rows, columns) = size.split_once('x').unwrap();
    let (rows, columns): (u16, u16) = (rows.parse().unwrap(), columns.parse().unwrap());
    assert!((20..32).contains(&rows) && (80..=90).contains(&columns), "{answer}");
    // The command hears of sizes that were shown, not of each.
    assert!(seen.parse::<u16>().unwrap() < STORM / 2, "{answer}");
    let written = stage.raw.len() - frames;
    assert!(written < usize::from(STORM) * 4000, "{written} bytes were written");
    stage.type_text("\x04");
    assert!(stage.finish().success());
    stage.assert_as_before();
}
