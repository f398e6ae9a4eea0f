//! What each key does: changes of the [`App`] and an [`Effect`] for the loop. No I/O.

use super::app::{App, Effect, Mode};
use super::keys::Input;
use super::prompt::{Prompt, PromptAnswer, Question};
use super::view::help;
use crate::clock::Timestamp;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Far enough for either end of any process table.
const END: isize = isize::MAX;
const CHOOSE: &str = "choose a process first: Up, Down, or a click";
/// Events that a page key scrolls by.
const PAGE: usize = 5;

impl App {
    /// Takes one thing typed.
    pub fn take_input(&mut self, input: Input, now: Timestamp) -> Effect {
        match &mut self.mode {
            Mode::Normal => match input {
                Input::Key(key) => self.command(key, now),
                // A paste into nothing must not become commands. The mouse is `pointing.rs`'s matter.
                Input::PasteStart
                | Input::Pasted(_)
                | Input::PasteEnd
                | Input::Mouse(_)
                | Input::Other(_) => Effect::None,
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
            Mode::Filter => self.filter(&input),
            Mode::Help { from } => {
                let from = *from;
                self.scroll_help(from, &input)
            }
        }
    }

    fn scroll_help(&mut self, from: usize, input: &Input) -> Effect {
        let Input::Key(key) = input else { return Effect::None };
        let from = help::scrolled(&help::of_dashboard(self), from, key.code, self.size);
        self.mode = from.map_or(Mode::Normal, |from| Mode::Help { from });
        Effect::None
    }

    fn typed(&mut self, input: Input) -> Effect {
        if is_control(&input, ']') {
            self.mode = Mode::Normal;
            return Effect::None;
        }
        Effect::Command(input)
    }

    /// What is typed filters at once; Enter keeps it, Escape takes it off.
    fn filter(&mut self, input: &Input) -> Effect {
        let Input::Key(key) = input else { return Effect::None };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Enter, _) => self.mode = Mode::Normal,
            (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => {
                self.table.filter.clear();
                self.mode = Mode::Normal;
            }
            (KeyCode::Char('u'), true) => self.table.filter.clear(),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => {
                self.table.filter.pop();
            }
            (KeyCode::Char(c), false) => self.table.type_in(c),
            (KeyCode::Up, _) => self.choose(-1),
            (KeyCode::Down, _) => self.choose(1),
            _ => (),
        }
        Effect::None
    }

    fn answered(&mut self, answer: PromptAnswer) -> Effect {
        match answer {
            PromptAnswer::Open => Effect::None,
            PromptAnswer::Left => self.back(Effect::None),
            // Open until it is known what came of it.
            PromptAnswer::Request(line) => Effect::Request(line),
            PromptAnswer::Ask(question) => self.ask(Mode::Question(question)),
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
            (Question::Quit, KeyCode::Char('d' | 'q' | 'y')) => self.back(Effect::Leave),
            (Question::Signal { pid, signal }, KeyCode::Char('y' | 'Y')) => {
                self.back(Effect::Request(format!("signal {pid} {signal}")))
            }
            _ => self.back(Effect::None),
        }
    }

    fn command(&mut self, key: KeyEvent, now: Timestamp) -> Effect {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return self.control_command(key, now);
        }
        if let Some(effect) = self.replay_command(key.code, now) {
            return effect;
        }
        match (key.code,) {
            (KeyCode::Char('f'),) => self.freeze_or_thaw(),
            (KeyCode::Char('m'),) => self.ask_memory(100),
            (KeyCode::Char('+' | '='),) => self.ask_memory(125),
            (KeyCode::Char('-'),) => self.ask_memory(80),
            (KeyCode::Char('g'),) => self.ask(Mode::Prompt(Prompt::grace(self.limits()))),
            (KeyCode::Char('t'),) => self.ask(Mode::Question(Question::Terminate)),
            (KeyCode::Char('K'),) => self.ask(Mode::Question(Question::Kill)),
            (KeyCode::Char('x'),) => self.ask_signal(now),
            (KeyCode::Char('q'),) if self.visiting || self.is_over() => Effect::Leave,
            (KeyCode::Esc,) if self.visiting && !self.has_something_to_undo() => Effect::Leave,
            (KeyCode::Char('q'),) => self.ask(Mode::Question(Question::Quit)),
            (KeyCode::Char('?' | 'h') | KeyCode::F(1),) => self.ask(Mode::Help { from: 0 }),
            // And no key that a dialog takes too: one that came too late for it would begin this.
            (KeyCode::Char('i'),) if self.has_pane => self.ask(Mode::Typing),
            (code,) => self.view_command(code, now),
        }
    }

    fn view_command(&mut self, code: KeyCode, now: Timestamp) -> Effect {
        match (code,) {
            (KeyCode::Char('p' | ' '),) => self.toggle_pause(),
            (KeyCode::Char('z'),) if self.has_pane => self.zoomed = !self.zoomed,
            (KeyCode::Char('w'),) => return Effect::Save,
            (KeyCode::Tab,) => self.show_next(1),
            (KeyCode::BackTab,) => self.show_next(-1),
            (KeyCode::Char('['),) => self.older_events(true),
            (KeyCode::Char(']'),) => self.older_events(false),
            (KeyCode::PageUp,) if self.has_pane => return Effect::Scroll(true),
            (KeyCode::PageDown,) if self.has_pane => return Effect::Scroll(false),
            (KeyCode::PageUp,) => self.older_events(true),
            (KeyCode::PageDown,) => self.older_events(false),
            (code,) => self.table_command(code, now),
        }
        Effect::None
    }

    fn table_command(&mut self, code: KeyCode, now: Timestamp) {
        match (code,) {
            (KeyCode::Char('s'),) => self.table.next_sort(),
            (KeyCode::Char('S'),) => self.table.previous_sort(),
            (KeyCode::Char('r'),) => self.table.reversed = !self.table.reversed,
            (KeyCode::Char('e'),) => self.table.tree = !self.table.tree,
            (KeyCode::Char('/'),) => self.mode = Mode::Filter,
            (KeyCode::Char('d'),) => self.ask_pss(now),
            (KeyCode::Up | KeyCode::Char('k'),) => self.choose(-1),
            (KeyCode::Down | KeyCode::Char('j'),) => self.choose(1),
            (KeyCode::Home,) => self.choose(-END),
            (KeyCode::End,) => self.choose(END),
            // One thing at a time, the newest first.
            (KeyCode::Esc,) if self.message.is_some() => self.message = None,
            (KeyCode::Esc,) if self.table.chosen().is_some() => self.table.let_go(),
            (KeyCode::Esc,) => self.table.filter.clear(),
            _ => (),
        }
    }

    /// Another one of the guardian's workloads.
    pub(super) fn show_next(&mut self, by: isize) {
        if self.workloads.step(by) {
            self.show_other();
        }
    }

    /// What Escape takes back before it leaves.
    fn has_something_to_undo(&self) -> bool {
        self.message.is_some() || self.table.chosen().is_some() || !self.table.filter.is_empty()
    }

    fn ask_signal(&mut self, now: Timestamp) -> Effect {
        match self.table.chosen() {
            Some(pid) => self.ask(Mode::Prompt(Prompt::signal(pid))),
            None => {
                self.tell(CHOOSE, true, now);
                Effect::None
            }
        }
    }

    fn ask_pss(&mut self, now: Timestamp) {
        match self.table.chosen() {
            Some(pid) => {
                self.asked = Some(pid);
                self.tell(&format!("measuring the proportional set of {pid}"), false, now);
            }
            None => self.tell(CHOOSE, true, now),
        }
    }

    pub(super) fn older_events(&mut self, older: bool) {
        let last = self.picture().events.len().saturating_sub(1);
        self.events_back = match older {
            true => (self.events_back + PAGE).min(last),
            false => self.events_back.saturating_sub(PAGE),
        };
    }

    /// Ctrl-C means the workload and not the dashboard, Ctrl-Z both.
    fn control_command(&mut self, key: KeyEvent, now: Timestamp) -> Effect {
        let KeyCode::Char(letter) = key.code else { return Effect::None };
        match letter {
            _ if key.modifiers != KeyModifiers::CONTROL => Effect::None,
            'l' => Effect::Redraw,
            'z' => Effect::Suspend,
            'c' if self.visiting || self.replay.is_some() => Effect::Leave,
            'c' | '\\' if self.has_pane => {
                self.tell("passed to the command; t ends it, q leaves", false, now);
                Effect::Command(Input::Key(key))
            }
            'c' => self.ask(Mode::Question(Question::Terminate)),
            _ => Effect::None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::WatchLine;
    use crate::tui::look::Look;

    const NOW: Timestamp = Timestamp::from_millis(0);
    const LOOK: Look = Look { colour: true, unicode: true };

    /// `^x` is Ctrl with x, `\n` Enter, `\x1b` Escape.
    fn keys(text: &str) -> Vec<Input> {
        let mut keys = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let (code, modifiers) = match c {
                '^' => (KeyCode::Char(chars.next().unwrap()), KeyModifiers::CONTROL),
                '\n' => (KeyCode::Enter, KeyModifiers::NONE),
                '\x1b' => (KeyCode::Esc, KeyModifiers::NONE),
                c => (KeyCode::Char(c), KeyModifiers::NONE),
            };
            keys.push(Input::Key(KeyEvent::new(code, modifiers)));
        }
        keys
    }

    fn effects(app: &mut App, text: &str) -> Vec<Effect> {
        let inputs = keys(text).into_iter();
        inputs
            .map(|input| app.take_input(input, NOW))
            .filter(|effect| *effect != Effect::None)
            .collect()
    }

    fn requests(text: &str) -> Vec<Effect> {
        effects(&mut App::new(LOOK, true), text)
    }

    fn request(line: &str) -> Effect {
        Effect::Request(line.to_owned())
    }

    #[test]
    fn what_ends_the_workload_is_asked_first() {
        for (typed, expected) in [
            ("t", vec![]),
            ("ty", vec![request("terminate")]),
            ("tn", vec![]),
            ("t\ny", vec![]),
            ("Ky", vec![]),
            ("KK", vec![]),
            ("kyy", vec![]),
            ("Kyn", vec![]),
            ("Kyy", vec![request("kill")]),
            ("q", vec![]),
            ("qn", vec![]),
            ("qt", vec![request("terminate")]),
            ("qd", vec![Effect::Leave]),
            ("qq", vec![Effect::Leave]),
        ] {
            assert_eq!(requests(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn values_are_sent_once_and_only_with_enter() {
        for (typed, expected) in [
            ("m\n", vec![request("set memory 100M")]),
            ("+\n", vec![request("set memory 125M")]),
            ("-\n", vec![request("set memory 80M")]),
            ("m^u2G\n", vec![request("set memory 2G")]),
            ("m^u80%\n", vec![request("set memory 80%")]),
            ("m^u\n\x1b", vec![]),
            ("m^c", vec![]),
            ("g^u10s\n", vec![request("set grace 10s")]),
            ("gKyy\n\x1bKyy", vec![request("kill")]),
            ("m2G\n", vec![request("set memory 2G")]),
            ("m2G\n\n\n", vec![request("set memory 2G")]),
            ("m2G\n\x1bf", vec![request("set memory 2G"), request("freeze")]),
        ] {
            assert_eq!(requests(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn a_value_that_is_refused_can_be_corrected_and_no_key_of_it_goes_elsewhere() {
        let mut app = App::new(LOOK, true);
        assert_eq!(effects(&mut app, "m40G\n"), [request("set memory 40G")]);
        let reply = |ok: bool, text: &str| WatchLine::Reply { ok, text: text.to_owned() };
        app.take_line(reply(false, "set memory: 40G is more than there is"), NOW);
        let Mode::Prompt(prompt) = &app.mode else { panic!("{:?}", app.mode) };
        assert!(prompt.problem.as_ref().is_some_and(|it| it.contains("more than there is")));
        assert_eq!((app.message.as_ref(), prompt.text.as_str()), (None, "40G"));
        assert_eq!(effects(&mut app, "10M\n"), [request("set memory 10M")]);
        app.take_line(reply(true, "ok: limit 10.0M"), NOW);
        assert_eq!(app.mode, Mode::Normal);
        assert!(app.message.is_some_and(|message| !message.bad));
    }

    const WOULD_END: &str = "limit 10.0M is below the 60.0M in use and would end the workload; 63M would not; nothing was changed; to set it anyway: set memory 10485760 --force";

    /// The request that insists cannot be typed here: `y` sends it, and no other key does, nor Enter once more.
    #[test]
    fn a_limit_that_would_end_the_workload_can_be_insisted_on() {
        let mut app = App::new(LOOK, true);
        let refused = |app: &mut App, typed: &str| {
            assert_eq!(effects(app, typed), [request("set memory 10M")]);
            app.take_reply(None, false, WOULD_END, NOW);
            let Mode::Prompt(prompt) = &app.mode else { panic!("{:?}", app.mode) };
            let problem = prompt.problem.clone().unwrap();
            assert!(problem.ends_with("63M would not; nothing was changed; y sets it anyway"));
        };
        refused(&mut app, "m10M\n");
        refused(&mut app, "\n");
        assert_eq!(effects(&mut app, "y"), [request("set memory 10M --force")]);
        assert_eq!(effects(&mut app, "y\ny"), [], "once");
        app.take_reply(None, true, "ok: limit 10.0M", NOW);
        assert_eq!(app.mode, Mode::Normal);
        refused(&mut app, "m10M\n");
        assert_eq!(effects(&mut app, "20My\n"), [], "another value is no yes to this one");
    }

    /// What was asked before, by a key or in a dialog that was left, is answered first and is not the dialog's.
    #[test]
    fn a_dialog_takes_the_answer_to_its_own_request() {
        let mut app = App::new(LOOK, true);
        let sent = |app: &mut App, typed: &str, number| {
            assert_eq!(effects(app, typed).len(), 1, "{typed}");
            app.sent_as(number);
        };
        sent(&mut app, "f", 1);
        sent(&mut app, "m5G\n", 2);
        app.take_reply(Some(1), true, "ok: frozen", NOW);
        assert!(matches!(app.mode, Mode::Prompt(_)), "{:?}", app.mode);
        assert_eq!(app.message.as_ref().map(|it| it.text.as_str()), Some("ok: frozen"));
        let _ = effects(&mut app, "\x1b");
        sent(&mut app, "m6G\n", 3);
        app.take_reply(Some(2), false, "too much", NOW);
        let Mode::Prompt(prompt) = &app.mode else { panic!("{:?}", app.mode) };
        assert_eq!(prompt.problem, None);
        app.take_reply(Some(3), false, "too much as well", NOW);
        let Mode::Prompt(prompt) = &app.mode else { panic!("{:?}", app.mode) };
        assert_eq!(prompt.problem.as_deref(), Some("too much as well"));
    }

    #[test]
    fn enter_and_tab_alone_do_nothing() {
        let mut app = App::new(LOOK, true);
        let tab = Input::Key(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE));
        assert_eq!(effects(&mut app, "\n"), []);
        assert_eq!(app.take_input(tab, NOW), Effect::None);
        assert_eq!(app.mode, Mode::Normal);
    }

    /// A key of the help that did nothing would be a lie.
    #[test]
    fn every_single_key_of_the_help_does_something() {
        for (has_pane, visiting) in [(true, false), (false, false), (false, true)] {
            let new = || {
                let mut app = App::new(LOOK, has_pane);
                app.visiting = visiting;
                app
            };
            for (names, _) in help::of_dashboard(&new()) {
                for name in names.split_whitespace().filter(|name| name.chars().count() == 1) {
                    let mut app = new();
                    let before = format!("{app:?}");
                    let mut did =
                        !effects(&mut app, name).is_empty() || format!("{app:?}") != before;
                    // Without events and processes there is nowhere to go.
                    did |= matches!(name, "[" | "]" | "j" | "k");
                    assert!(did, "{name:?} of {names:?}, pane {has_pane}, visiting {visiting}");
                }
            }
            let has = |name: &str| help::of_dashboard(&new()).iter().any(|(key, _)| key == name);
            assert_eq!((has("z"), has("i  Ctrl-]")), (has_pane, has_pane));
        }
    }

    #[test]
    fn a_filter_takes_every_letter_and_no_command() {
        let mut app = App::new(LOOK, true);
        assert_eq!(effects(&mut app, "/kyyqw"), []);
        assert_eq!((app.mode.clone(), app.table.filter.as_str()), (Mode::Filter, "kyyqw"));
        assert_eq!(effects(&mut app, "\nf"), [request("freeze")]);
        assert_eq!(app.table.filter, "kyyqw");
        let _ = effects(&mut app, "/\x1b");
        assert_eq!((app.mode, app.table.filter.as_str()), (Mode::Normal, ""));
    }

    #[test]
    fn saving_is_asked_for_with_w_and_pss_only_of_a_chosen_process() {
        let mut app = App::new(LOOK, true);
        assert_eq!(effects(&mut app, "wd"), [Effect::Save]);
        assert_eq!(app.wanted(NOW), None);
        assert!(app.message.is_some_and(|message| message.bad));
    }

    #[test]
    fn typing_goes_to_the_command_until_it_is_left() {
        let mut app = App::new(LOOK, true);
        let to_command =
            |text: &str| keys(text).into_iter().map(Effect::Command).collect::<Vec<_>>();
        assert_eq!(effects(&mut app, "iqkyy^c^z\n\x1b"), to_command("qkyy^c^z\n\x1b"));
        assert_eq!(effects(&mut app, "^]f"), [request("freeze")]);
        assert_eq!(app.mode, Mode::Normal);
    }

    #[test]
    fn ctrl_c_always_means_the_workload() {
        let mut app = App::new(LOOK, true);
        assert_eq!(
            effects(&mut app, "^c"),
            keys("^c").into_iter().map(Effect::Command).collect::<Vec<_>>()
        );
        let mut app = App::new(LOOK, false);
        assert_eq!(effects(&mut app, "^c"), []);
        assert_eq!(effects(&mut app, "^c"), [request("terminate")]);
        assert_eq!(effects(&mut app, "i"), []);
        assert_eq!(app.mode, Mode::Normal);
    }

    #[test]
    fn ctrl_z_means_the_whole_job_but_for_one_who_types_into_the_command() {
        assert_eq!(requests("^z^l"), [Effect::Suspend, Effect::Redraw]);
        assert_eq!(requests("m^z\x1b"), []);
        let to_command = keys("^z").into_iter().map(Effect::Command).collect::<Vec<_>>();
        assert_eq!(requests("i^z"), to_command);
    }

    #[test]
    fn a_paste_is_never_a_command() {
        let mut app = App::new(LOOK, true);
        for input in [Input::PasteStart, Input::Pasted(b"kyy".to_vec()), Input::PasteEnd] {
            assert_eq!(app.take_input(input, NOW), Effect::None);
        }
        assert_eq!(app.mode, Mode::Normal);
    }

    #[test]
    fn a_refusal_is_told_and_goes_by_itself() {
        let mut app = App::new(LOOK, true);
        let text = "set memory: too small\nmore".to_owned();
        app.take_line(WatchLine::Reply { ok: false, text }, NOW);
        let message = app.message.clone().unwrap();
        assert!(message.bad && message.text == "set memory: too small");
        let until = app.next_deadline().unwrap();
        assert!(!app.tick(NOW) && app.tick(until) && app.message.is_none());
    }

    #[test]
    fn events_are_bounded_and_can_be_read_back() {
        let mut app = App::new(LOOK, false);
        for at_ms in 0..2000 {
            let event = crate::status::EventLine {
                at_ms,
                level: crate::status::Level::Info,
                text: String::new(),
            };
            app.take_line(WatchLine::Event(event), NOW);
        }
        assert_eq!(app.picture().events.len(), crate::tui::app::EVENTS);
        let page_up = Input::Key(KeyEvent::new(KeyCode::PageUp, KeyModifiers::NONE));
        assert_eq!(app.take_input(page_up, NOW), Effect::None);
        assert_eq!(app.events_back, PAGE);
    }

    #[test]
    fn a_pause_holds_the_panels_and_not_the_title() {
        let mut app = App::new(LOOK, true);
        assert_eq!(effects(&mut app, "p"), []);
        let event = crate::status::EventLine {
            at_ms: 1,
            level: crate::status::Level::Info,
            text: String::new(),
        };
        app.take_line(WatchLine::Event(event), NOW);
        assert!(app.is_paused() && app.picture().events.is_empty());
        assert_eq!(effects(&mut app, "p"), []);
        assert_eq!(app.picture().events.len(), 1);
    }
}
