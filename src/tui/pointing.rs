//! The mouse on the dashboard: a click chooses a process or presses a key of the footer, the wheel scrolls what is under it. No I/O.

use super::app::{App, Effect, Mode};
use super::keys::{Gesture, Input};
use super::target::Target;
use super::view::help;
use crate::clock::Timestamp;
use ratatui::crossterm::event::KeyCode;

/// Rows that a turn of the wheel moves by.
const LINES: usize = 3;

impl App {
    /// Takes what the mouse did there.
    pub fn point(&mut self, gesture: Gesture, target: Target, now: Timestamp) -> Effect {
        match (&self.mode, gesture) {
            (Mode::Help { .. }, Gesture::Click) => {
                self.mode = Mode::Normal;
                Effect::None
            }
            (Mode::Help { .. }, Gesture::WheelUp) => self.turn_help(KeyCode::Up),
            (Mode::Help { .. }, Gesture::WheelDown) => self.turn_help(KeyCode::Down),
            // What is asked is answered by keys.
            (Mode::Prompt(_) | Mode::Question(_), _) => Effect::None,
            (Mode::Normal | Mode::Typing | Mode::Filter, Gesture::Click) => self.click(target, now),
            (_, Gesture::WheelUp) => self.turn(target, true),
            (_, Gesture::WheelDown) => self.turn(target, false),
        }
    }

    /// The wheel scrolls the help, and does not close it.
    fn turn_help(&mut self, code: KeyCode) -> Effect {
        if let Mode::Help { from } = self.mode {
            let moved = help::scrolled(&help::of_dashboard(self), from, code, self.size);
            self.mode = Mode::Help { from: moved.unwrap_or(from) };
        }
        Effect::None
    }

    fn click(&mut self, target: Target, now: Timestamp) -> Effect {
        match target {
            Target::Key(key) => self.take_input(Input::Key(key), now),
            Target::Workload(place) => {
                // What is being asked is asked of the one that is shown.
                if self.mode == Mode::Normal && self.workloads.show(place) {
                    self.show_other();
                }
                Effect::None
            }
            Target::Process(place) => {
                self.pick(place);
                Effect::None
            }
            Target::Processes | Target::Events | Target::Pane { .. } | Target::Elsewhere => {
                Effect::None
            }
        }
    }

    fn turn(&mut self, target: Target, up: bool) -> Effect {
        match target {
            Target::Process(_) | Target::Processes => self.choose(if up { -1 } else { 1 }),
            Target::Events => self.older_events(up),
            Target::Workload(_) if self.mode == Mode::Normal => {
                self.show_next(if up { -1 } else { 1 });
            }
            Target::Workload(_) => {}
            Target::Pane { .. } => return Effect::Wheel(LINES, up),
            Target::Key(_) | Target::Elsewhere => {}
        }
        Effect::None
    }
}
