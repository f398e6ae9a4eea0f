//! Programs in the dashboard's pane: the real binary on a pseudo-terminal, with an emulator that says what a person would see.
//! Editors, monitors, shells, progress bars; resizes without pause, a terminal that hardly takes anything, a dashboard that dies.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "pane/borrowed.rs"]
mod borrowed;
#[path = "pane/crowd.rs"]
mod crowd;
#[path = "pane/ending.rs"]
mod ending;
#[path = "pane/keys.rs"]
mod keys;
#[path = "pane/log.rs"]
mod log;
#[path = "pane/programs.rs"]
mod programs;
#[path = "pane/replays.rs"]
mod replays;
#[path = "pane/slow.rs"]
mod slow;
#[path = "pane/stage.rs"]
mod stage;
#[path = "pane/storms.rs"]
mod storms;
mod support;
