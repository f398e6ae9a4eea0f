//! What each key does: changes of the [`App`] and an [`Effect`] for the loop. No I/O.

use super::app::{App, Effect, Mode};
use super::keys::Input;
use super::prompt::{Answer, Prompt, Question};
use crate::clock::Timestamp;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Rows that an arrow key scrolls the process table by.
const STEP: usize = 1;
/// Events that a page key scrolls by.
const PAGE: usize = 5;

impl App {
    /// Takes one thing typed.
    pub fn take_input(&mut self, input: Input, now: Timestamp) -> Effect {
        match &mut self.mode {
            Mode::Normal => match input {
                Input::Key(key) => self.command(key, now),
                // A paste into nothing must not become commands.
                Input::PasteStart | Input::Pasted(_) | Input::PasteEnd | Input::Other(_) => {
                    Effect::None
                }
            },
            Mode::Typing => self.typed(input),
            Mode::Prompt(prompt) => {
                let answer = prompt.take(&input);
                self.answered(answer)
            }
            Mode::Question(question) => {
                let question = *question;
                self.decided(question, &input)
            }
            Mode::Help => {
                if matches!(input, Input::Key(_)) {
                    self.mode = Mode::Normal;
                }
                Effect::None
            }
        }
    }

    fn typed(&mut self, input: Input) -> Effect {
        if is_control(&input, ']') {
            self.mode = Mode::Normal;
            return Effect::None;
        }
        Effect::Command(input)
    }

    fn answered(&mut self, answer: Answer) -> Effect {
        match answer {
            Answer::Open => Effect::None,
            Answer::Left => self.back(Effect::None),
            Answer::Request(line) => self.back(Effect::Request(line)),
        }
    }

    fn back(&mut self, effect: Effect) -> Effect {
        self.mode = Mode::Normal;
        effect
    }

    fn ask(&mut self, mode: Mode) -> Effect {
        self.mode = mode;
        Effect::None
    }

    fn decided(&mut self, question: Question, input: &Input) -> Effect {
        let Input::Key(key) = input else { return Effect::None };
        let request = |verb: &str| Effect::Request(verb.to_owned());
        let again = is_control(input, 'c');
        match (question, key.code) {
            (Question::Terminate, _) if again => self.back(request("terminate")),
            (Question::Terminate, KeyCode::Char('y' | 'Y')) => self.back(request("terminate")),
            (Question::Kill, KeyCode::Char('y' | 'Y')) => {
                self.ask(Mode::Question(Question::KillReally))
            }
            (Question::KillReally, KeyCode::Char('y' | 'Y')) => self.back(request("kill")),
            (Question::Quit, KeyCode::Char('t')) => self.back(request("terminate")),
            (Question::Quit, KeyCode::Char('d')) => self.back(Effect::Leave),
            _ => self.back(Effect::None),
        }
    }

    fn command(&mut self, key: KeyEvent, now: Timestamp) -> Effect {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return self.control_command(key, now);
        }
        match (key.code,) {
            (KeyCode::Char('f'),) => self.freeze_or_thaw(),
            (KeyCode::Char('m'),) => self.ask_memory(100),
            (KeyCode::Char('+' | '='),) => self.ask_memory(125),
            (KeyCode::Char('-'),) => self.ask_memory(80),
            (KeyCode::Char('g'),) => self.ask(Mode::Prompt(Prompt::grace(self.limits()))),
            (KeyCode::Char('t'),) => self.ask(Mode::Question(Question::Terminate)),
            (KeyCode::Char('k'),) => self.ask(Mode::Question(Question::Kill)),
            (KeyCode::Char('q'),) if self.is_over() => Effect::Leave,
            (KeyCode::Char('q'),) => self.ask(Mode::Question(Question::Quit)),
            (KeyCode::Char('?' | 'h') | KeyCode::F(1),) => self.ask(Mode::Help),
            (KeyCode::Char('i') | KeyCode::Enter | KeyCode::Tab,) if self.has_pane => {
                self.ask(Mode::Typing)
            }
            (code,) => self.view_command(code),
        }
    }

    fn view_command(&mut self, code: KeyCode) -> Effect {
        match (code,) {
            (KeyCode::Char('s'),) => self.next_sort(),
            (KeyCode::Char('p'),) => self.toggle_pause(),
            (KeyCode::Char('z'),) if self.has_pane => self.zoomed = !self.zoomed,
            (KeyCode::Up,) => self.table_top = self.table_top.saturating_sub(STEP),
            (KeyCode::Down,) => {
                let last = self.picture().processes.len().saturating_sub(1);
                self.table_top = (self.table_top + STEP).min(last);
            }
            (KeyCode::PageUp,) => return self.page(true),
            (KeyCode::PageDown,) => return self.page(false),
            (KeyCode::Esc,) => self.message = None,
            _ => (),
        }
        Effect::None
    }

    fn page(&mut self, back: bool) -> Effect {
        if self.has_pane {
            return Effect::Scroll(back);
        }
        let last = self.picture().events.len().saturating_sub(1);
        self.events_back = match back {
            true => (self.events_back + PAGE).min(last),
            false => self.events_back.saturating_sub(PAGE),
        };
        Effect::None
    }

    /// Ctrl-C means the workload and not the dashboard.
    fn control_command(&mut self, key: KeyEvent, now: Timestamp) -> Effect {
        let input = Input::Key(key);
        match is_control(&input, 'c') {
            true if self.has_pane => {
                self.tell("Ctrl-C passed to the command; t ends it, q leaves", false, now);
                Effect::Command(input)
            }
            true => self.ask(Mode::Question(Question::Terminate)),
            false => Effect::None,
        }
    }

    fn freeze_or_thaw(&mut self) -> Effect {
        let frozen = self.now().is_some_and(|status| status.frozen);
        Effect::Request(if frozen { "thaw" } else { "freeze" }.to_owned())
    }

    fn ask_memory(&mut self, percent: u64) -> Effect {
        self.ask(Mode::Prompt(Prompt::memory(self.limits(), percent)))
    }

    /// The lines as last told.
    pub fn limits(&self) -> Option<&crate::status::Limits> {
        self.now().map(|status| &status.limits)
    }
}

fn is_control(input: &Input, letter: char) -> bool {
    *input == Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
}
