//! What `sentinel top` shows and what its keys do. No drawing, no I/O, no clock.

use super::member::{Member, MemberKey};
use crate::clock::Timestamp;
use crate::fleet::columns::Column;
use crate::fleet::row::Row;
use crate::status::{Limits, WatchLine};
use crate::tui::keys::{Gesture, Input};
use crate::tui::look::Look;
use crate::tui::prompt::{Prompt, PromptAnswer, Question};
use crate::tui::target::Target;
use crate::tui::view::help;
use crate::tui::wire::GuardianLine;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cmp::{Ordering, Reverse};
use std::time::Duration;

pub use super::member::STAYS;

/// How long a message stays.
const MESSAGE_TIME: Duration = Duration::from_secs(6);
/// Rows that a page key moves by.
const PAGE: isize = 10;
/// Longest filter.
const MAX_FILTER: usize = 40;

/// What the loop has to do for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum TopEffect {
    /// Nothing.
    None,
    /// Show this one's dashboard.
    Enter(MemberKey),
    /// Send this one a request line.
    Request(MemberKey, String),
    /// Draw everything anew.
    Redraw,
    /// Stop, as Ctrl-Z does.
    Suspend,
    /// Leave.
    Leave,
}

/// Where keys go. What is asked stays about the guardian that it was asked about, whatever moves meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TopMode {
    /// They are commands.
    #[default]
    Normal,
    /// Into a value.
    Prompt(MemberKey, Prompt),
    /// They answer.
    Question(MemberKey, Question),
    /// Into the filter of the table.
    Filter,
    /// Any key closes the help, but for those that scroll it.
    Help {
        /// The first row of it that is seen.
        from: usize,
    },
}

/// The columns that the table can be sorted by, in the order of the key `s`.
pub const SORTS: [Column; 7] = [
    Column::Share,
    Column::Used,
    Column::Growth,
    Column::Left,
    Column::Uptime,
    Column::Name,
    Column::Pid,
];

const HELP: &[(&str, &str)] = &[
    ("Up Down j k", "choose a guardian; PgUp PgDn Home End too"),
    ("Enter", "show its dashboard; q comes back"),
    ("/", "filter the guardians as you type"),
    ("s S", "sort by the next or previous column"),
    ("r", "reverse the order"),
    ("f", "freeze it, or thaw it"),
    ("m + -", "set its memory limit"),
    ("g", "set its grace period"),
    ("t", "terminate it: SIGTERM, grace, SIGKILL"),
    ("K", "kill it at once, asked twice"),
    ("Ctrl-L", "redraw the screen"),
    ("Ctrl-Z", "suspend this view; fg resumes"),
    ("q Esc Ctrl-C", "leave the view; the runs continue"),
    ("mouse", "click, wheel; with Shift it selects text"),
];

/// Which keys there are here.
pub fn help() -> Vec<help::KeyHelp> {
    help::entries(&[HELP])
}

/// A line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopMessage {
    /// What.
    pub text: String,
    /// True when something did not work.
    pub bad: bool,
    until: Timestamp,
}

/// All state.
#[derive(Debug)]
pub struct Top {
    /// Colours and characters.
    pub look: Look,
    /// Where keys go.
    pub mode: TopMode,
    /// What the table is sorted by.
    pub sort: Column,
    /// The other way round.
    pub reversed: bool,
    /// Only rows with this in name, command or process id; any case.
    pub filter: String,
    /// Something for the user.
    pub message: Option<TopMessage>,
    /// Rows and columns of the terminal.
    pub size: (u16, u16),
    /// Guardians of other users, and those beyond what can be shown.
    pub unseen: usize,
    members: Vec<Member>,
    selected: Option<MemberKey>,
}

impl Top {
    /// Nothing found yet.
    pub fn new(look: Look) -> Self {
        Top {
            look,
            mode: TopMode::Normal,
            sort: Column::Share,
            reversed: false,
            filter: String::new(),
            message: None,
            size: (24, 80),
            unseen: 0,
            members: Vec::new(),
            selected: None,
        }
    }

    /// All, in the order in which they are shown.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Those that the filter lets through.
    pub fn shown(&self) -> Vec<&Member> {
        let wanted = self.filter.to_lowercase();
        self.members.iter().filter(|member| member.matches(&wanted)).collect()
    }

    /// The row that the keys are about, of those shown.
    pub fn selected(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.shown().iter().position(|member| member.key == *selected)
    }

    /// The guardian that the keys are about.
    pub fn chosen(&self) -> Option<&Member> {
        let selected = self.selected.as_ref()?;
        self.shown().into_iter().find(|member| member.key == *selected)
    }

    /// One does not answer, for this reason.
    pub fn silence(&mut self, key: &MemberKey, why: &str) {
        if let Some(member) = self.member(key) {
            member.fall_silent(why.to_owned());
        }
    }

    /// One is no more, for this reason.
    pub fn end(&mut self, key: &MemberKey, why: &str, now: Timestamp) {
        if let Some(member) = self.member(key) {
            member.end(why.to_owned(), now);
        }
    }

    fn member(&mut self, key: &MemberKey) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.key == *key)
    }

    /// Adds one, unless it is there. One that has ended can be reached for a moment yet, and stays ended.
    pub fn add(&mut self, key: &MemberKey, name: &str, pid: u32) {
        if self.member(key).is_some() {
            return;
        }
        self.members.push(Member::new(key.clone(), name, pid));
        self.selected.get_or_insert_with(|| key.clone());
        self.order();
    }

    /// Takes a line of a guardian.
    pub fn take_line(&mut self, key: &MemberKey, line: WatchLine, now: Timestamp) {
        self.take_told(key, GuardianLine { line, answers: None }, now);
    }

    /// Takes a line of a guardian, and to which request it is the answer.
    pub fn take_told(&mut self, key: &MemberKey, told: GuardianLine, now: Timestamp) {
        let GuardianLine { line, answers } = told;
        let Some(member) = self.member(key) else { return };
        let name = member.row.name.clone();
        let Some((text, bad)) = member.take_line(line, now) else { return };
        self.answer(key, answers, &text, &format!("{name}: {text}"), bad, now);
    }

    /// A request was sent to it, under this number: where a value was sent, its answer is waited for.
    pub fn sent_as(&mut self, key: &MemberKey, number: u64) {
        if let TopMode::Prompt(asked, prompt) = &mut self.mode
            && asked == key
        {
            prompt.sent_as(number);
        }
    }

    /// What came of a request: a value that was not taken can be corrected where it was typed.
    pub fn answer(
        &mut self,
        key: &MemberKey,
        request: Option<u64>,
        text: &str,
        full: &str,
        bad: bool,
        now: Timestamp,
    ) {
        if let TopMode::Prompt(asked, prompt) = &mut self.mode
            && prompt.waits_for(request)
            && asked == key
        {
            if bad {
                return prompt.refuse(text);
            }
            self.mode = TopMode::Normal;
        }
        self.tell(full, bad, now);
    }

    /// Shows a line for some seconds.
    pub fn tell(&mut self, text: &str, bad: bool, now: Timestamp) {
        self.message = Some(TopMessage { text: text.to_owned(), bad, until: now + MESSAGE_TIME });
    }

    /// Lets time pass, and brings the rows into order. True when something went.
    pub fn tick(&mut self, now: Timestamp) -> bool {
        let before = self.members.len();
        let place = self.selected();
        self.members.retain(|member| member.until.is_none_or(|until| now < until));
        let gone = before != self.members.len();
        if gone && self.selected().is_none() {
            self.select(place.unwrap_or(0));
        }
        self.order();
        let told = self.message.as_ref().is_some_and(|message| message.until <= now);
        if told {
            self.message = None;
        }
        gone || told
    }

    fn select(&mut self, place: usize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        self.selected = shown.get(place.min(last)).map(|member| member.key.clone());
    }

    fn order(&mut self) {
        let (sort, reversed) = (self.sort, self.reversed);
        self.members.sort_by(|a, b| {
            let order = compare(sort, &a.row, &b.row);
            let order = if reversed { order.reverse() } else { order };
            order.then_with(|| (&a.row.name, a.row.pid).cmp(&(&b.row.name, b.row.pid)))
        });
    }

    /// Takes one thing typed.
    pub fn take_input(&mut self, input: &Input) -> TopEffect {
        match (&mut self.mode, input) {
            (TopMode::Normal, Input::Key(key)) => self.command(*key),
            (TopMode::Prompt(key, prompt), input) => {
                let (key, answer) = (key.clone(), prompt.take(input));
                match answer {
                    PromptAnswer::Open => TopEffect::None,
                    PromptAnswer::Left => self.back(TopEffect::None),
                    // Open until it is known what came of it.
                    PromptAnswer::Request(line) => TopEffect::Request(key, line),
                    // Of a single process only its own dashboard asks.
                    PromptAnswer::Ask(question) => {
                        self.mode = TopMode::Question(key, question);
                        TopEffect::None
                    }
                }
            }
            (TopMode::Question(key, question), Input::Key(typed)) => {
                let (key, question) = (key.clone(), *question);
                self.decided(key, question, *typed)
            }
            (TopMode::Filter, Input::Key(key)) => self.filter(*key),
            (TopMode::Help { from }, Input::Key(key)) => {
                let from = help::scrolled(&help(), *from, key.code, self.size);
                self.mode = from.map_or(TopMode::Normal, |from| TopMode::Help { from });
                TopEffect::None
            }
            // A paste into nothing must not become commands.
            (
                TopMode::Normal | TopMode::Question(..) | TopMode::Filter | TopMode::Help { .. },
                _,
            ) => TopEffect::None,
        }
    }

    fn back(&mut self, effect: TopEffect) -> TopEffect {
        self.mode = TopMode::Normal;
        effect
    }

    fn decided(&mut self, key: MemberKey, question: Question, typed: KeyEvent) -> TopEffect {
        let yes = matches!(typed.code, KeyCode::Char('y' | 'Y')) && typed.modifiers.is_empty();
        match question {
            Question::Kill if yes => {
                self.mode = TopMode::Question(key, Question::KillReally);
                TopEffect::None
            }
            Question::KillReally if yes => self.back(TopEffect::Request(key, "kill".to_owned())),
            Question::Terminate if yes => {
                self.back(TopEffect::Request(key, "terminate".to_owned()))
            }
            Question::Kill
            | Question::KillReally
            | Question::Terminate
            | Question::Quit
            | Question::Signal { .. } => self.back(TopEffect::None),
        }
    }

    /// What is typed filters at once; Enter keeps it, Escape takes it off.
    fn filter(&mut self, key: KeyEvent) -> TopEffect {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Enter, _) => self.mode = TopMode::Normal,
            (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => {
                self.filter.clear();
                self.mode = TopMode::Normal;
            }
            (KeyCode::Char('u'), true) => self.filter.clear(),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => drop(self.filter.pop()),
            (KeyCode::Char(c), false) if !c.is_control() && self.filter.len() < MAX_FILTER => {
                self.filter.push(c);
            }
            (KeyCode::Up, _) => self.move_by(-1),
            (KeyCode::Down, _) => self.move_by(1),
            _ => {}
        }
        if self.selected().is_none() {
            self.select(0);
        }
        TopEffect::None
    }

    /// Takes what the mouse did there.
    pub fn point(&mut self, gesture: Gesture, target: Target) -> TopEffect {
        match (&self.mode, gesture, target) {
            (TopMode::Help { .. }, Gesture::Click, _) => return self.back(TopEffect::None),
            (TopMode::Help { from }, gesture, _) => {
                let code = if gesture == Gesture::WheelUp { KeyCode::Up } else { KeyCode::Down };
                let moved = help::scrolled(&help(), *from, code, self.size);
                self.mode = TopMode::Help { from: moved.unwrap_or(*from) };
            }
            // What is asked is answered by keys.
            (TopMode::Prompt(..) | TopMode::Question(..), ..) => {}
            (_, Gesture::Click, Target::Key(key)) => return self.take_input(&Input::Key(key)),
            (_, Gesture::Click, Target::Process(place)) => self.select(place),
            (_, Gesture::Click, _) => {}
            (_, Gesture::WheelUp, _) => self.move_by(-1),
            (_, Gesture::WheelDown, _) => self.move_by(1),
        }
        TopEffect::None
    }

    fn command(&mut self, key: KeyEvent) -> TopEffect {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return match (key.code, key.modifiers) {
                (KeyCode::Char('c'), KeyModifiers::CONTROL) => TopEffect::Leave,
                (KeyCode::Char('l'), KeyModifiers::CONTROL) => TopEffect::Redraw,
                (KeyCode::Char('z'), KeyModifiers::CONTROL) => TopEffect::Suspend,
                _ => TopEffect::None,
            };
        }
        match (key.code,) {
            (KeyCode::Char('q'),) => return TopEffect::Leave,
            // One thing at a time, the newest first.
            (KeyCode::Esc,) if self.message.is_some() => self.message = None,
            (KeyCode::Esc,) if !self.filter.is_empty() => self.filter.clear(),
            (KeyCode::Esc,) => return TopEffect::Leave,
            (KeyCode::Char('/'),) => self.mode = TopMode::Filter,
            (KeyCode::Up | KeyCode::Char('k'),) => self.move_by(-1),
            (KeyCode::Down | KeyCode::Char('j'),) => self.move_by(1),
            (KeyCode::PageUp,) => self.move_by(-PAGE),
            (KeyCode::PageDown,) => self.move_by(PAGE),
            (KeyCode::Home,) => self.select(0),
            (KeyCode::End,) => self.select(usize::MAX),
            (KeyCode::Char('s'),) => self.sort_by(1),
            (KeyCode::Char('S'),) => self.sort_by(SORTS.len() - 1),
            (KeyCode::Char('r'),) => self.reversed = !self.reversed,
            (KeyCode::Char('?' | 'h') | KeyCode::F(1),) => self.mode = TopMode::Help { from: 0 },
            (code,) => return self.about_selected(code),
        }
        self.order();
        TopEffect::None
    }

    fn move_by(&mut self, rows: isize) {
        self.select(self.selected().unwrap_or(0).saturating_add_signed(rows));
    }

    fn sort_by(&mut self, steps: usize) {
        let now = SORTS.iter().position(|column| *column == self.sort).unwrap_or(0);
        self.sort = SORTS[(now + steps) % SORTS.len()];
    }

    /// Keys that need a guardian which lives.
    fn about_selected(&mut self, code: KeyCode) -> TopEffect {
        let Some(member) = self.chosen() else { return TopEffect::None };
        if member.is_gone() {
            return TopEffect::None;
        }
        let key = member.key.clone();
        let limits = member.row.status.as_ref().map(|status| &status.limits);
        match (code,) {
            (KeyCode::Enter,) => return TopEffect::Enter(key),
            (KeyCode::Char('g'),) => self.mode = TopMode::Prompt(key, Prompt::grace(limits)),
            (KeyCode::Char('f'),) => {
                let frozen = member.row.status.as_ref().is_some_and(|status| status.frozen);
                return TopEffect::Request(key, if frozen { "thaw" } else { "freeze" }.to_owned());
            }
            (KeyCode::Char('m'),) => self.mode = TopMode::Prompt(key, Prompt::memory(limits, 100)),
            (KeyCode::Char('+' | '='),) => {
                self.mode = TopMode::Prompt(key, Prompt::memory(limits, 125));
            }
            (KeyCode::Char('-'),) => self.mode = TopMode::Prompt(key, Prompt::memory(limits, 80)),
            (KeyCode::Char('t'),) => self.mode = TopMode::Question(key, Question::Terminate),
            (KeyCode::Char('K'),) => self.mode = TopMode::Question(key, Question::Kill),
            _ => {}
        }
        TopEffect::None
    }

    /// The lines of one, and its name, for a question about it.
    pub fn asked_about(&self, key: &MemberKey) -> (String, Option<&Limits>) {
        let member = self.members.iter().find(|member| member.key == *key);
        let limits = member.and_then(|member| member.row.status.as_ref()).map(|s| &s.limits);
        let name = member.map(|member| format!("{} {}", member.row.name, member.row.pid));
        (name.unwrap_or_default(), limits)
    }
}

/// What needs a look first: the largest first, the nearest to its limit first, names and ids from the beginning.
fn compare(sort: Column, a: &Row, b: &Row) -> Ordering {
    // Those that tell nothing come last.
    let of = |row: &Row| Reverse(row.status.as_ref().map(|status| number(sort, row, status)));
    match (sort,) {
        (Column::Name,) => a.name.cmp(&b.name),
        (Column::Pid,) => a.pid.cmp(&b.pid),
        _ => of(a).cmp(&of(b)),
    }
}

/// The larger, the higher up.
fn number(sort: Column, row: &Row, status: &crate::status::Status) -> i128 {
    match (sort,) {
        (Column::Used,) => i128::from(status.memory.footprint.0),
        (Column::Growth,) => i128::from(status.growth),
        (Column::Left,) => -status.time_left().map_or(i128::MAX, i128::from),
        (Column::Uptime,) => i128::from(status.uptime_ms),
        _ => row.share().map_or(0, i128::from),
    }
}
