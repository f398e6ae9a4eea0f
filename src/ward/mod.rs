//! One guarded workload with all that belongs to it: its rules, its policy, the workload itself, what is remembered of it and what
//! is published. It hands events to its policy and does what that says. It writes to nobody: what it has to say waits for the host.

mod answers;
mod deeds;
mod ending;
mod escapes;
mod evidence;
mod floor;
mod huge_pages;
mod one_process;
mod post_mortem;
mod single;
mod stop;
mod story;
mod unseen;
mod view;

pub use answers::{Answer, Wanted};
pub use ending::End;
pub use floor::MachineFloor;
pub use huge_pages::HugePagePool;
pub use post_mortem::{Added, Origin};
pub use story::Said;

use crate::cgroup::hierarchy::OuterLimit;
use crate::clock::{Clock, Timestamp};
use crate::config::WardRules;
use crate::event::{Cause, Command, Event, Outcome, Sample};
use crate::lines::Lines;
use crate::policy::{Policy, PolicyConfig};
use crate::report::post_mortem::Milestone;
use crate::status::{Level, Tier};
use crate::stopper::StopRequest;
use crate::sys::spawn::{SpawnError, Starting};
use crate::trace::queue::{Queue, Step};
use crate::workload::{Observation, Workload};
use escapes::Escapes;
use evidence::Evidence;
use huge_pages::HugePagesWatch;
use std::path::Path;
use std::time::Duration;
use story::Story;
use unseen::TmpfsBefore;
use view::View;

/// A look that people get to see is no older than this, unless looks are dear: then they take a tenth of the time.
const OLD: Duration = Duration::from_millis(200);
const REST: u32 = 9;
const UNREAD_SHARES: &str = "cannot read how much memory some processes share";

/// Which ward: a number that no other has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WardId(u32);

impl WardId {
    /// The first.
    pub const FIRST: WardId = WardId(0);

    /// The one after it.
    #[must_use]
    pub fn next(self) -> WardId {
        WardId(self.0.wrapping_add(1))
    }

    /// As a number that the kernel keeps for us.
    pub fn to_number(self) -> u32 {
        self.0
    }

    /// Of such a number.
    pub fn from_number(number: u32) -> WardId {
        WardId(number)
    }
}

/// The command's process, which we started.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: i32,
    /// Says whether the command runs, until it does.
    pub starting: Option<Starting>,
    /// It was asked to end before it ran, and is ended by us if that does not do.
    end_at: Option<Timestamp>,
}

/// One guarded workload.
#[derive(Debug)]
pub struct Ward {
    id: WardId,
    clock: Clock,
    /// What is asked for it.
    pub rules: WardRules,
    policy: Policy,
    /// Its processes and its cgroup.
    pub workload: Workload,
    child: Option<Child>,
    emptied: Emptied,
    outer: OuterLimit,
    tier_reason: String,
    story: Story,
    evidence: Evidence,
    view: View,
    escapes: Escapes,
    huge_pages: HugePagesWatch,
    tmpfs: TmpfsBefore,
    floor: Option<MachineFloor>,
    stop: Option<StopRequest>,
    looked_at: Timestamp,
    /// Events on their way to the trace, where one is kept.
    steps: Option<Queue>,
}

/// Where a workload is, and why there.
#[derive(Debug)]
pub struct Location {
    /// The workload, which is not running yet or runs already.
    pub workload: Workload,
    /// The lines to begin with.
    pub lines: Lines,
    /// The least limit around it.
    pub outer: OuterLimit,
    /// Why the tier is no better; empty for the best.
    pub tier_reason: String,
    /// What it is when nobody is in it.
    pub emptied: Emptied,
    /// What is to be left of the machine's memory.
    pub floor: Option<MachineFloor>,
    /// How its owner is asked to stop it.
    pub stop: Option<StopRequest>,
}

/// What a ward is in which nobody is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptied {
    /// Over.
    Ends,
    /// It waits for others to come, as long as its cgroup is there and nobody ends it.
    Waits,
}

impl Ward {
    /// A ward that nothing happened to yet. With `traced` its events are kept for a trace.
    pub fn new(
        id: WardId,
        rules: WardRules,
        location: Location,
        clock: Clock,
        traced: bool,
    ) -> (Ward, PolicyConfig) {
        let Location { workload, lines, outer, tier_reason, emptied, floor, stop } = location;
        let config = PolicyConfig {
            min_available: floor.as_ref().map(|floor| floor.line),
            is_machine: workload.is_machine(),
            ..rules.policy(lines, workload.tier(), workload.lag())
        };
        let mut workload = workload;
        if rules.culprit.is_any() {
            workload.watch_processes();
        }
        let ward = Ward {
            id,
            clock,
            policy: Policy::new(config, clock.now()),
            child: None,
            emptied,
            outer,
            tier_reason,
            story: Story::default(),
            evidence: Evidence::default(),
            view: View::default(),
            escapes: Escapes::default(),
            huge_pages: HugePagesWatch::default(),
            tmpfs: TmpfsBefore::of(workload.tier()),
            floor,
            stop: stop.map(|stop| stop.of(id.to_number())),
            looked_at: Timestamp::default(),
            steps: traced.then(Queue::default),
            rules,
            workload,
        };
        (ward, config)
    }

    /// Hands out the events that are kept for a trace, oldest first, and how many found no place.
    pub fn drain_steps(&mut self, take: impl FnMut(&Step)) -> u64 {
        self.steps.as_mut().map_or(0, |steps| steps.drain(take))
    }

    /// Which one it is.
    pub fn id(&self) -> WardId {
        self.id
    }

    /// The tier.
    pub fn tier(&self) -> Tier {
        self.workload.tier()
    }

    /// What it is when nobody is in it.
    pub fn emptied(&self) -> Emptied {
        self.emptied
    }

    /// Whether it was one of many and went as it came.
    pub fn has_passed(&self) -> bool {
        let itself = self.outcome().is_some_and(|outcome| outcome.cause == Cause::Itself);
        self.emptied == Emptied::Waits && itself
    }

    /// Whether its cgroup is this directory.
    pub fn is_in(&self, directory: &Path) -> bool {
        self.workload.cgroup().is_some_and(|cgroup| cgroup.path() == directory)
    }

    /// Why it is no better.
    pub fn tier_reason(&self) -> &str {
        &self.tier_reason
    }

    /// What decides for it.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How it ended, once it did.
    pub fn outcome(&self) -> Option<Outcome> {
        self.story.outcome
    }

    /// Whether nobody is left.
    pub fn has_ended(&self) -> bool {
        self.story.outcome.is_some()
    }

    /// Whether it is being ended.
    pub fn is_being_ended(&self) -> bool {
        self.story.term.is_some() || self.story.kill.is_some()
    }

    /// Whether it was told to end.
    pub fn is_terminated(&self) -> bool {
        self.story.term.is_some()
    }

    /// The process id of the command, as long as that is its own.
    pub fn child_pid(&self) -> Option<i32> {
        self.child.as_ref().map(|child| child.pid).filter(|_| self.workload.child_alive())
    }

    /// The process id that the command has, or had: nobody may be sent anything by it.
    pub fn command_pid(&self) -> i32 {
        self.child.as_ref().map_or(0, |child| child.pid)
    }

    /// The command was let go.
    pub fn started(&mut self, pid: i32, starting: Option<Starting>) {
        self.workload.started(pid);
        if starting.is_none() {
            self.tell_started();
        }
        self.child = Some(Child { pid, starting, end_at: None });
    }

    /// Says whether the command runs, until it does.
    pub fn starting(&self) -> Option<&Starting> {
        self.child.as_ref().and_then(|child| child.starting.as_ref())
    }

    /// The command runs by now, or it cannot. `None` while that is open. Gives what told of it, and need not be waited for any more.
    pub fn look_at_start(&mut self) -> Option<(Starting, Result<(), SpawnError>)> {
        let child = self.child.as_mut()?;
        let result = child.starting.as_mut()?.result()?;
        let starting = child.starting.take()?;
        child.end_at = None;
        if result.is_ok() {
            self.tell_started();
        }
        Some((starting, result))
    }

    fn tell_started(&mut self) {
        let text = "the command was started".to_owned();
        self.evidence.told(self.clock.now(), Milestone::Started, text);
    }

    /// A command that does not run yet was asked to end: it is ended if it does not run, or end, in time.
    pub fn end_unless_started(&mut self, within: Duration) {
        let at = self.clock.now() + within;
        if let Some(child) = &mut self.child {
            child.end_at.get_or_insert(at);
        }
    }

    /// When it must be served next.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let impatient = self.child.as_ref().and_then(|child| child.end_at);
        let evidence = (!self.has_ended()).then(|| self.evidence.next_deadline(now));
        let signalling = self.workload.is_signalling().then_some(now);
        let view = self.view.next_deadline(now);
        let huge_pages = self.huge_pages_at();
        let all = [self.policy.next_deadline(), impatient, evidence, signalling, view, huge_pages];
        all.into_iter().flatten().min()
    }

    /// Serves what is due. True where the workload may be empty, and nobody tells.
    pub fn deadlines(&mut self) -> bool {
        let now = self.clock.now();
        if let Some(child) = self.child.as_mut().filter(|it| it.end_at.is_some_and(|at| now >= at))
        {
            child.end_at = None;
            self.handle(Event::Operator(Command::Terminate));
        }
        if self.policy.next_deadline().is_none_or(|at| now < at) {
            return false;
        }
        self.handle(Event::Deadline);
        // Where looks go from process to process, the last one saw somebody, or it did not.
        !self.workload.sums() || self.policy.last().processes == 0
    }

    /// So many are guarded by us.
    pub fn share_looks(&mut self, wards: usize) {
        self.policy.share_looks(self.id.to_number(), wards);
    }

    /// Looks, unless a glance is enough.
    pub fn look_where_due(&mut self) {
        let glance = self.workload.glance();
        let now = self.clock.now();
        if !glance.is_some_and(|glance| self.policy.suffices(glance, now)) {
            self.look();
        }
    }

    /// Takes a sample and hands it to the policy.
    pub fn look(&mut self) {
        self.note_thawed_by_others();
        let before = self.clock.now();
        self.looked_at = before;
        let event = match self.workload.look() {
            Observation::Seen(sample) => {
                self.note_unread_shares(&sample);
                let mut sample = self.not_less_than_known(sample);
                sample.available = self.available(before);
                sample.cost = self.clock.now() - before;
                Event::Sample(sample)
            }
            Observation::Gone => Event::Empty,
        };
        self.handle(event);
    }

    /// Whether its owner, or anybody else, froze it.
    pub(super) fn is_frozen_by_others(&self) -> bool {
        !self.policy.frozen()
            && self.workload.is_foreign()
            && self.workload.frozen_in_kernel() == Some(true)
    }

    /// What we froze goes on when somebody else thaws it, and is watched as one that an operator let go on.
    fn note_thawed_by_others(&mut self) {
        if self.policy.frozen() && self.workload.frozen_in_kernel() == Some(false) {
            self.say(Level::Warning, "thawed by others (cgroup.freeze is 0)".to_owned());
            self.handle(Event::Operator(Command::Thaw));
        }
    }

    /// Looks for people who watch, where the last look is old: looks that decide may be a second apart.
    pub(super) fn look_for_people(&mut self) {
        let cost = self.policy.last().cost;
        let rest = OLD.max(cost.saturating_mul(REST));
        if self.clock.now().since(self.looked_at) >= rest && !self.has_ended() {
            self.look();
        }
    }

    /// A look that failed in part saw too little: what was known before counts then, and people are told once.
    fn not_less_than_known(&mut self, seen: Sample) -> Sample {
        let Some(error) = self.workload.trouble() else { return seen };
        let known = *self.policy.last();
        self.note_failure("read all of the workload's memory", &Err(error));
        if seen.current < known.current { known } else { seen }
    }

    /// A sum of which a part may be counted more than once is the least that it can be: that is told once, when it matters.
    fn note_unread_shares(&mut self, sample: &Sample) {
        let unsure = sample.unread_shares;
        if unsure.0 < sample.footprint().0 / 20
            || unsure.0 == 0
            || !self.story.is_news(UNREAD_SHARES)
        {
            return;
        }
        let (least, most) = (sample.footprint(), sample.footprint().saturating_add(unsure));
        let text = format!(
            "{UNREAD_SHARES} (not dumpable, or another user's): memory in use is between {least} and {most}; the lower figure is compared with the limit"
        );
        self.say(Level::Warning, text);
    }

    /// Tells the policy when nobody is left; the counters are read once more before. True if they were.
    pub fn check_empty(&mut self) -> bool {
        let waits = self.emptied == Emptied::Waits && !self.is_being_ended();
        let is_known = self.policy.is_empty() || self.has_ended();
        let is_news = !is_known && !waits && self.workload.is_empty();
        if is_news {
            self.look();
            self.handle(Event::Empty);
        }
        is_news
    }
}
