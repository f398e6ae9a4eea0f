//! A terminal at the end of a slow line, or of none.

use crate::stage::{ENTER_SCREEN, LEAVE_SCREEN, Stage, holds};
use crate::support::{Scene, python, until};
use nix::poll::{PollTimeout, poll};

/// Every letter of the screen changes all the time.
const NOISE: &str = r#"
import os, sys
size = os.get_terminal_size()
count = os.open(sys.argv[2], os.O_WRONLY)
n = 0
while not os.path.exists(sys.argv[1]):
    n += 1
    sys.stdout.write("\x1b[H" + "".join(chr(65 + (n + i) % 26) * size.columns for i in range(size.lines)))
    sys.stdout.flush()
    os.pwrite(count, str(n).encode(), 0)
"#;

fn noise(scene: &Scene) -> (Stage, String) {
    let (script, stop, count) =
        (scene.write("noise.py", NOISE), scene.text_path("stop"), scene.write("count", "0"));
    let stage = Stage::open(scene, (40, 120), &[python(), &script, &stop, &count]);
    (stage, stop)
}

fn count(scene: &Scene) -> u64 {
    scene.read("count").parse().unwrap_or(0)
}

#[test]
fn a_slow_terminal_skips_frames_and_holds_nobody_up() {
    let scene = Scene::new();
    let (mut stage, stop) = noise(&scene);
    stage.until_written(ENTER_SCREEN);
    stage.until("the pane is there", |screen| screen.contents().contains("BBBBB"));
    let before = stage.raw.len();
    // A hundred rounds of 100 bytes, while the command writes megabytes.
    let mut taken = 0;
    let (first, mut rounds) = (count(&scene), 0);
    while rounds < 100 || count(&scene) < first + 200 {
        rounds += 1;
        taken += stage.read_few(100);
        let _ = poll(&mut [], PollTimeout::from(5u8));
    }
    assert!(taken <= rounds * 100 && taken > 0);
    // Keys work: the question is asked though the terminal has not shown it yet.
    stage.type_text("ty");
    let status = loop_slowly(&mut stage);
    assert!(status, "it ended");
    let written = stage.raw.len() - before;
    assert!(written < 1 << 20, "{written} bytes for a terminal that took {taken}");
    assert!(holds(&stage.raw, LEAVE_SCREEN));
    stage.assert_as_before();
    std::fs::write(stop, "").unwrap();
}

/// A few hundred bytes at a time until the end, which must not need all that the command ever wrote.
fn loop_slowly(stage: &mut Stage) -> bool {
    let clock = sentinel::clock::Clock::start();
    while clock.now().0 < crate::support::PATIENCE {
        stage.read_few(400);
        if !crate::support::is_alive(stage.pid()) {
            stage.finish();
            return true;
        }
        let _ = poll(&mut [], PollTimeout::from(5u8));
    }
    false
}

#[test]
fn a_terminal_that_nobody_reads_does_not_hold_up_the_end() {
    let scene = Scene::new();
    let (mut stage, stop) = noise(&scene);
    stage.until_written(ENTER_SCREEN);
    stage.until("the pane is there", |screen| screen.contents().contains("BBBBB"));
    // Nobody reads: the command goes on all the same.
    let first = count(&scene);
    until("the command goes on", || count(&scene) > first + 300);
    std::fs::write(stop, "").unwrap();
    stage.finish_unread();
    assert!(stage.is_as_before());
    stage.finish();
    stage.assert_as_before();
}
