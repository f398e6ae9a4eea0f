//! What is remembered of a ward, and what it has to say.

use super::Ward;
use super::single::Singles;
use crate::clock::Timestamp;
use crate::escape::tame;
use crate::event::{Choice, DeedResult, Outcome, Sample};
use crate::report::post_mortem::Milestone;
use crate::status::Level;
use crate::sys::memory::PageFaults;

/// Something for people, not yet said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When it happened.
    pub at: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// Escaped.
    pub text: String,
}

/// What happened to a ward so far.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) outcome: Option<Outcome>,
    /// The first SIGTERM and SIGKILL, and the look that decided them.
    pub(super) term: Option<(Timestamp, Sample)>,
    pub(super) kill: Option<(Timestamp, Sample)>,
    pub(super) ended_at: Option<Timestamp>,
    /// From a decision to end it until that was done.
    pub(super) page_faults: PageFaults,
    /// systemd ended what holds the workload's scope.
    pub(super) scope_stopped: bool,
    /// The terminal that we were started on is gone.
    pub(super) hung_up: bool,
    /// What repeats is told once.
    told: Vec<&'static str>,
    /// What came of the lines that were set last.
    pub(super) lines_result: DeedResult,
    /// Why the last deed failed that did.
    pub(super) deed_error: Option<String>,
    /// Who was not reached by the last signal that was to end it, in words.
    pub(super) refusal: Option<String>,
    /// When the last of many processes was signalled.
    pub(super) signalled_at: Timestamp,
    /// Somebody of the pool that this is is to be ended.
    pub(super) choice: Option<Choice>,
    /// Single processes that were ended.
    pub(super) singles: Singles,
    unsaid: Vec<Said>,
}

impl Default for Story {
    fn default() -> Story {
        Story {
            outcome: None,
            term: None,
            kill: None,
            ended_at: None,
            page_faults: PageFaults::default(),
            scope_stopped: false,
            hung_up: false,
            told: Vec::new(),
            lines_result: DeedResult::Done,
            deed_error: None,
            refusal: None,
            signalled_at: Timestamp::default(),
            choice: None,
            singles: Singles::default(),
            unsaid: Vec::new(),
        }
    }
}

impl Story {
    /// Whether this was not told yet. It counts as told from now on.
    pub(super) fn is_news(&mut self, what: &'static str) -> bool {
        let news = !self.told.contains(&what);
        if news {
            self.told.push(what);
        }
        news
    }

    /// Whether this was told.
    pub(super) fn was_told(&self, what: &'static str) -> bool {
        self.told.contains(&what)
    }
}

impl Ward {
    /// The first SIGTERM, unless it was refused.
    pub fn term_sent(&self) -> Option<(Timestamp, Sample)> {
        self.story.term.filter(|_| !self.policy.was_refused(false))
    }

    /// The first SIGKILL, unless it was refused.
    pub fn kill_sent(&self) -> Option<(Timestamp, Sample)> {
        self.story.kill.filter(|_| !self.policy.was_refused(true))
    }

    /// Has something to say.
    pub fn say(&mut self, level: Level, text: String) {
        self.say_as(Milestone::Told, level, text);
    }

    /// The same of what is said once in its life.
    pub fn say_once(&mut self, level: Level, text: &'static str) {
        if self.story.is_news(text) {
            self.say(level, text.to_owned());
        }
    }

    /// Whom its policy wants to be ended, of those in it.
    pub fn take_choice(&mut self) -> Option<Choice> {
        self.story.choice.take()
    }

    pub(super) fn say_as(&mut self, what: Milestone, level: Level, text: String) {
        let (at, text) = (self.clock.now(), tame(&text));
        self.evidence.told(at, what, text.clone());
        self.story.unsaid.push(Said { at, level, text });
    }

    /// Somebody else told people of something that this ward's post-mortem is to have too.
    pub fn heard(&mut self, said: &Said) {
        self.evidence.told(said.at, Milestone::Told, said.text.clone());
    }

    /// What it has to say, oldest first; it is said from now on.
    pub fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.story.unsaid)
    }
}
