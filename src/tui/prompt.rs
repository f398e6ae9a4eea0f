//! What the dashboard asks its user: a value for a setting, or whether something is really meant. No drawing, no I/O.

use super::keys::Input;
use crate::control::protocol::TO_FORCE;
use crate::report::words::signal_name;
use crate::signal_names::signal_number;
use crate::status::Limits;
use crate::units::{Bytes, MIB, Size, parse_duration, show_duration};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use std::time::Duration;

/// Longest value that can be typed.
const MAX_TEXT: usize = 24;

const NO_SIGNAL: &str = "no such signal: write for instance TERM, HUP, USR1 or 9";

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The memory limit.
    Memory,
    /// The time from SIGTERM to SIGKILL.
    Grace,
    /// A signal for one process.
    Signal(u32),
}

impl Setting {
    /// Its name for people.
    pub fn name(self) -> String {
        match self {
            Setting::Memory => "new memory limit".to_owned(),
            Setting::Grace => "new grace period".to_owned(),
            Setting::Signal(pid) => format!("signal for {pid}"),
        }
    }

    fn answer(self, value: &str) -> PromptAnswer {
        match self {
            Setting::Memory => PromptAnswer::Request(format!("set memory {value}")),
            Setting::Grace => PromptAnswer::Request(format!("set grace {value}")),
            Setting::Signal(pid) => signal_number(value).map_or(PromptAnswer::Open, |signal| {
                PromptAnswer::Ask(Question::Signal { pid, signal })
            }),
        }
    }

    fn problem(self, value: &str) -> Option<String> {
        match self {
            Setting::Memory => value.parse::<Size>().err(),
            Setting::Grace => parse_duration(value).err(),
            Setting::Signal(_) => {
                return signal_number(value).is_none().then(|| NO_SIGNAL.to_owned());
            }
        }
        .map(|error| error.to_string())
    }
}

/// A value being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What it is for.
    pub setting: Setting,
    /// The value so far.
    pub text: String,
    /// Before this letter goes what is typed.
    pub cursor: usize,
    /// The next letter takes the place of all of it: what is proposed, or was not taken.
    pub selected: bool,
    /// The guardian was asked, and has not answered yet.
    pub sent: bool,
    /// The number of that request.
    pub request: Option<u64>,
    /// It was refused because it would end the workload, and can be insisted on.
    pub forcible: bool,
    /// Why the value was not taken.
    pub problem: Option<String>,
}

/// What a key did to a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptAnswer {
    /// It goes on.
    Open,
    /// It was left.
    Left,
    /// Send this request line.
    Request(String),
    /// Ask this before.
    Ask(Question),
}

impl Prompt {
    /// Asks for a memory limit, `percent` of the present one being proposed.
    pub fn memory(limits: Option<&Limits>, percent: u64) -> Self {
        let now = limits.map_or(Bytes::mib(100), |limits| limits.limit);
        let wanted = u128::from(now.0) * u128::from(percent) / 100;
        // Whole MiB, up when raising, so that small limits change at all.
        let up = if percent > 100 { u128::from(MIB) - 1 } else { 0 };
        let mib = ((wanted + up) / u128::from(MIB)).max(1);
        Prompt::proposing(Setting::Memory, format!("{mib}M"))
    }

    /// Asks for a grace period, the present one being proposed.
    pub fn grace(limits: Option<&Limits>) -> Self {
        let grace = Duration::from_millis(limits.map_or(3000, |limits| limits.grace_ms));
        let text = match grace.as_millis() % 1000 {
            0 => format!("{}s", grace.as_secs()),
            _ => format!("{}ms", grace.as_millis()),
        };
        Prompt::proposing(Setting::Grace, text)
    }

    /// Asks for a signal to one process.
    pub fn signal(pid: u32) -> Self {
        Prompt::proposing(Setting::Signal(pid), "TERM".to_owned())
    }

    /// That can be sent as it is.
    fn proposing(setting: Setting, text: String) -> Self {
        let (cursor, selected, sent, forcible) = (text.len(), true, false, false);
        let (request, problem) = (None, None);
        Prompt { setting, text, cursor, selected, sent, request, forcible, problem }
    }

    /// It was not taken, for this reason.
    pub fn refuse(&mut self, why: &str) {
        (self.sent, self.selected, self.cursor) = (false, true, self.text.len());
        self.request = None;
        // The request that insists has a blank, which nobody can type here.
        let forced = why.split_once(TO_FORCE).map(|(why, _)| format!("{why}; y sets it anyway"));
        self.forcible = forced.is_some();
        self.problem = Some(forced.unwrap_or_else(|| why.to_owned()));
    }

    /// What was entered was sent under this number.
    pub fn sent_as(&mut self, number: u64) {
        if self.sent && self.request.is_none() {
            self.request = Some(number);
        }
    }

    /// Whether the answer to this request is the one that is waited for.
    pub fn waits_for(&self, request: Option<u64>) -> bool {
        self.sent && self.request == request
    }

    /// Takes one thing typed.
    pub fn take(&mut self, input: &Input) -> PromptAnswer {
        match input {
            Input::Key(key) => self.key(key.code, key.modifiers),
            Input::Pasted(bytes) => {
                String::from_utf8_lossy(bytes).chars().for_each(|c| self.insert(c));
                PromptAnswer::Open
            }
            Input::PasteStart | Input::PasteEnd | Input::Mouse(_) | Input::Other(_) => {
                PromptAnswer::Open
            }
        }
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> PromptAnswer {
        let control = modifiers.contains(KeyModifiers::CONTROL);
        match (code, control) {
            (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => return PromptAnswer::Left,
            // What is on its way is not changed any more.
            _ if self.sent => return PromptAnswer::Open,
            (KeyCode::Enter, _) => return self.enter(),
            (KeyCode::Char('y' | 'Y'), false) if self.forcible => {
                (self.sent, self.forcible, self.problem) = (true, false, None);
                return PromptAnswer::Request(format!("set memory {} --force", self.text));
            }
            (KeyCode::Char(c), false) => {
                self.insert(c);
                self.problem = None;
                return PromptAnswer::Open;
            }
            (KeyCode::Char('u'), true) => self.clear(),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => self.remove_before(),
            (KeyCode::Delete, _) if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            (KeyCode::Left, _) => self.cursor = self.cursor.saturating_sub(1),
            (KeyCode::Right, _) => self.cursor = (self.cursor + 1).min(self.text.len()),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.cursor = 0,
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.cursor = self.text.len(),
            _ => return PromptAnswer::Open,
        }
        (self.selected, self.forcible, self.problem) = (false, false, None);
        PromptAnswer::Open
    }

    fn clear(&mut self) {
        self.text.clear();
        self.cursor = 0;
    }

    fn remove_before(&mut self) {
        if let Some(before) = self.cursor.checked_sub(1) {
            self.text.remove(before);
            self.cursor = before;
        }
    }

    /// All that can be typed here is one byte long.
    fn insert(&mut self, c: char) {
        if !c.is_ascii_alphanumeric() && !matches!(c, '.' | '%' | '+' | '-') {
            return;
        }
        self.forcible = false;
        if std::mem::take(&mut self.selected) {
            self.clear();
        }
        if self.text.len() < MAX_TEXT {
            self.text.insert(self.cursor, c);
            self.cursor += 1;
        }
    }

    fn enter(&mut self) -> PromptAnswer {
        if let Some(problem) = self.setting.problem(&self.text) {
            self.refuse(&problem);
            return PromptAnswer::Open;
        }
        let answer = self.setting.answer(&self.text);
        self.sent = matches!(answer, PromptAnswer::Request(_));
        answer
    }
}

/// What has to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// SIGTERM, the grace period, SIGKILL.
    Terminate,
    /// SIGKILL at once.
    Kill,
    /// The same, asked again.
    KillReally,
    /// How to leave.
    Quit,
    /// A signal to one process.
    Signal {
        /// Whom to.
        pid: u32,
        /// Which.
        signal: i32,
    },
}

impl Question {
    /// The question, and the keys that answer it.
    pub fn words(self, limits: Option<&Limits>) -> (String, &'static str) {
        let grace = limits.map_or(Duration::from_secs(3), |l| Duration::from_millis(l.grace_ms));
        match self {
            Question::Terminate => (
                format!("Terminate the workload? SIGKILL after {}", show_duration(grace)),
                "y yes   n no",
            ),
            Question::Kill => ("Kill every process at once?".to_owned(), "y yes   n no"),
            Question::KillReally => {
                ("Really? What is not saved is lost.".to_owned(), "y kill   n no")
            }
            Question::Quit => {
                ("Leave? The run continues.".to_owned(), "d leave   t terminate it   n stay")
            }
            Question::Signal { pid, signal } => {
                (format!("Send {} to process {pid}?", signal_name(signal)), "y yes   n no")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_can_be_sent_as_they_are() {
        for (prompt, expected) in [
            (Prompt::memory(None, 100), "set memory 100M"),
            (Prompt::memory(None, 125), "set memory 125M"),
            (Prompt::memory(None, 0), "set memory 1M"),
            (Prompt::grace(None), "set grace 3s"),
        ] {
            assert_eq!(prompt.clone().enter(), PromptAnswer::Request(expected.to_owned()));
        }
    }

    #[test]
    fn the_first_letter_takes_the_place_of_what_is_proposed_and_other_keys_edit_it() {
        let typed = |keys: &[KeyCode]| {
            let mut prompt = Prompt::memory(None, 100);
            for code in keys {
                assert_eq!(prompt.key(*code, KeyModifiers::NONE), PromptAnswer::Open);
            }
            prompt.text
        };
        use KeyCode::{Backspace, Char, Delete, End, Enter, Home, Left, Right};
        for (keys, text) in [
            (&[][..], "100M"),
            (&[Char('1'), Char('0'), Char('M')], "10M"),
            (&[Char('/'), Char('2'), Char('G')], "2G"),
            (&[Backspace, Char('G')], "100G"),
            (&[Left, Char('5')], "1005M"),
            (&[Home, Char('2')], "2100M"),
            (&[Home, Delete, Delete, Delete, Char('7')], "7M"),
            (&[Left, Left, Right, End, Delete, Backspace], "100"),
            (&[Char('x'), Enter, Char('5'), Char('M')], "5M"),
            (&[Char('x'), Enter, Backspace, Char('5'), Char('M')], "5M"),
        ] {
            assert_eq!(typed(keys), text, "{keys:?}");
        }
    }

    #[test]
    fn what_is_no_size_is_told_and_not_sent() {
        let mut prompt = Prompt { text: "1X".into(), ..Prompt::memory(None, 100) };
        assert_eq!(prompt.enter(), PromptAnswer::Open);
        assert!(prompt.problem.is_some_and(|problem| problem.contains("1X")));
    }

    #[test]
    fn a_pasted_value_cannot_carry_a_second_request() {
        let mut prompt = Prompt::memory(None, 100);
        prompt.take(&Input::Pasted(b"2G\nkill \x1b[A".to_vec()));
        assert_eq!(prompt.text, "2GkillA");
    }
}
