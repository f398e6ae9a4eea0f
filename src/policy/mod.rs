//! What is to be done, decided without files, clocks or logs: events and the time go in, actions come out.
//! One [`Policy`] guards one workload; a loop can hold thousands.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_macros))]

pub mod ahead;
pub mod breach;
pub mod culprit;
mod deeds;
pub mod floor;
pub mod glance;
pub mod interval;
mod ladder;
pub mod on_breach;
mod placing;
pub mod pool;
pub mod rate;
pub mod reclaim;
mod rest;
pub mod thrash;
pub mod warn;

pub use ladder::Rung;

use crate::clock::Timestamp;
use crate::event::{Action, Command, Ending, Event, Glance, Notice, Reason, Sample};
use crate::lines::Lines;
use crate::status::Counters;
use crate::units::{Bytes, Limit};
use ahead::Ahead;
use arrayvec::ArrayVec;
use breach::Breach;
use culprit::{CulpritRule, Culprits};
use deeds::Signalled;
use floor::Floor;
use glance::Known;
use interval::Cadence;
use on_breach::{BreachRule, Response};
use placing::Placing;
use pool::Choosing;
use rate::Growth;
use reclaim::{Reclaim, ReclaimAt};
use rest::Rest;
use std::time::Duration;
use thrash::{Thrash, ThrashRule};
use warn::{Warn, WarnRule};

/// What one event leads to: never more than this, so that deciding allocates nothing.
pub type Actions = ArrayVec<Action, 12>;

/// What happens to the rest of the workload when the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// It is guarded until it ends by itself.
    Wait,
    /// It is ended like at a breach.
    Terminate,
}

/// The rules for one workload, fixed at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyConfig {
    /// The lines to begin with.
    pub lines: Lines,
    /// Time from SIGTERM to SIGKILL; zero means SIGKILL right behind it.
    pub grace: Duration,
    /// When to warn.
    pub warn: WarnRule,
    /// When thrashing ends the workload; `None`: never.
    pub thrash: Option<ThrashRule>,
    /// What is done at a breach.
    pub on_breach: BreachRule,
    /// Which single processes are ended.
    pub culprit: CulpritRule,
    /// Wall-clock limit.
    pub timeout: Option<Duration>,
    /// What is to be left of the machine's memory: below that the workload is ended; `None`: nobody asked.
    pub min_available: Option<Bytes>,
    /// What happens to the rest when the command ends.
    pub on_exit: OnExit,
    /// Whether there is a command that we started, and whose end is told. Else it is over as soon as nobody is left.
    pub has_command: bool,
    /// Decide and tell, never act.
    pub dry_run: bool,
    /// How the tier learns of growth.
    pub cadence: Cadence,
    /// Where the kernel reclaims from the workload.
    pub reclaim: ReclaimAt,
    /// The counters may be off by so much.
    pub slack: Bytes,
    /// It is a pool: not all of it is ended, but one of those in it.
    pub is_pool: bool,
    /// It is all that runs on the machine: single processes are ended for its floor, and nothing else ever is.
    pub is_machine: bool,
}

/// The state of one workload and the rules for it.
#[derive(Clone, Debug)]
pub struct Policy {
    config: PolicyConfig,
    lines: Lines,
    rung: Rung,
    started: Timestamp,
    look_at: Timestamp,
    rest: Rest,
    last: Sample,
    peak: Bytes,
    peak_footprint: Bytes,
    /// When the last reading was.
    seen_at: Option<Timestamp>,
    growth: Growth,
    ahead: Ahead,
    reclaim: Reclaim,
    breach: Breach,
    response: Response,
    thrash: Thrash,
    floor: Floor,
    warn: Warn,
    /// Where the kernel's own lines stand, and where they are to go.
    placing: Placing,
    pool: Choosing,
    culprits: Culprits,
    frozen: bool,
    signalled: Signalled,
    child: Option<Ending>,
    /// Whether the command had ended when the ladder began.
    command_first: bool,
    emptied: bool,
    /// The wall-clock limit was reached, which is one reason to end the workload and not one at every look.
    time_is_up: bool,
    /// Dry run: what would have been done was told, until the footprint falls again and no thrashing lasts.
    told_would: bool,
}

impl Policy {
    /// A policy for a workload that starts now.
    pub fn new(config: PolicyConfig, now: Timestamp) -> Self {
        Policy {
            config,
            lines: config.lines,
            rung: Rung::Watching { confirming: false },
            started: now,
            look_at: now,
            rest: Rest::default(),
            last: Sample::default(),
            peak: Bytes(0),
            peak_footprint: Bytes(0),
            seen_at: None,
            growth: Growth::default(),
            ahead: Ahead::default(),
            breach: Breach::new(config.slack, config.reclaim == ReclaimAt::TripWire),
            reclaim: Reclaim::new(config.reclaim),
            response: Response::default(),
            thrash: Thrash::new(config.thrash),
            // What is all of a pool is ended for nobody's sake: one of them is.
            floor: Floor::new(config.min_available.filter(|_| !config.is_pool)),
            warn: Warn::new(config.warn),
            placing: Placing::new(config.lines),
            pool: Choosing::default(),
            culprits: Culprits::default(),
            frozen: false,
            signalled: Signalled::default(),
            child: (!config.has_command).then_some(Ending::Unseen),
            command_first: false,
            emptied: false,
            time_is_up: false,
            told_would: false,
        }
    }

    /// Decides what to do about one event. Never blocks, reads no clock, touches no file.
    #[must_use = "an action that is dropped is a process that is not ended"]
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Actions {
        let mut actions = Actions::new();
        if matches!(self.rung, Rung::Ended) {
            return actions;
        }
        match event {
            Event::Sample(sample) => self.observe(sample, now, &mut actions),
            Event::Deadline => self.deadline(now, &mut actions),
            Event::ChildExited(ending) => self.child_exited(ending, now, &mut actions),
            Event::Empty => self.empty(&mut actions),
            Event::Operator(command) => self.obey(command, now, &mut actions),
            Event::Yielded => self.yielded(now),
            Event::Processes(crowd) => self.weighed(&crowd, now, &mut actions),
            Event::Done(deed, result) => self.done(deed, result, now, &mut actions),
        }
        actions
    }

    /// Whether a look that sees no more than this decides nothing, and need not become a whole one.
    pub fn suffices(&mut self, glance: Glance, now: Timestamp) -> bool {
        let reclaims = self.config.reclaim == ReclaimAt::TripWire;
        let watching = matches!(self.rung, Rung::Watching { confirming: false });
        let at_work = self.pool.is_at_work() || self.culprits.is_at_work();
        let rests = !self.response.is_open() && !at_work;
        let open = watching && reclaims && !self.breach.is_near() && rests;
        let Some(seen_at) = self.seen_at.filter(|_| open) else { return false };
        let waits = [self.floor.wait(), self.culprits.wait(&self.config.culprit)];
        if waits.into_iter().flatten().any(|wait| now.since(seen_at) >= wait) {
            return false;
        }
        let known = Known {
            last: &self.last,
            since: now.since(seen_at),
            growth: self.growth.per_second(),
            reclaimed: self.reclaim.works(),
        };
        let suffices = glance::suffices(&glance, &known, &self.lines);
        if suffices {
            self.reclaim.glance(glance.current, self.last.processes, &self.lines);
            self.breach.fell_below_relief();
        }
        suffices
    }

    /// The next moment at which [`Event::Deadline`] must be delivered, if any.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let rung = match self.rung {
            Rung::Ended => return None,
            Rung::Watching { .. } => {
                let all = [self.timeout_at(), self.frozen_until(), self.culprits.next_deadline()];
                all.into_iter().flatten().min()
            }
            Rung::Terminating { kill_at, .. } => Some(kill_at),
            Rung::Killing { again_at, .. } => Some(again_at),
        };
        Some(rung.map_or(self.look_at, |at| at.min(self.look_at)))
    }

    fn observe(&mut self, mut sample: Sample, now: Timestamp, actions: &mut Actions) {
        self.reclaim.observe(&sample, &self.lines, now);
        if self.reclaim.held().is_some() {
            sample.pinned = sample.cache;
        }
        let before = std::mem::replace(&mut self.last, sample);
        self.seen_at = Some(now);
        let footprint = sample.footprint();
        self.peak = self.peak.max(sample.current);
        self.peak_footprint = self.peak_footprint.max(footprint);
        self.growth.observe(footprint, now);
        self.ahead.observe(sample.current, self.look_at, now);
        self.floor.observe(&sample, now);
        tell_counters(&before.counters, &sample.counters, actions);
        match self.rung {
            Rung::Watching { .. } => {
                self.watch(&sample, now, actions);
                self.weigh_where_due(now, actions);
            }
            Rung::Terminating { .. } => {
                self.watch_second_line(&sample, now, actions);
                self.watch_floor(&sample, now, actions);
            }
            Rung::Killing { .. } | Rung::Ended => {}
        }
        self.response.observe(before.current, &sample, &self.lines, now);
        let due = self.rest.after(self.look_interval(), now);
        let held = self.response.held_until(&self.config.on_breach, now);
        self.look_at = held.map_or(due, |at| at.min(due));
    }

    /// A breach must be seen twice: the last look before SIGTERM still says so.
    fn watch(&mut self, sample: &Sample, now: Timestamp, actions: &mut Actions) {
        let footprint = sample.footprint();
        self.settle(sample, actions);
        actions.extend(self.warn.judge(footprint, &self.lines, &self.growth).map(Action::Tell));
        let thrash = self.thrash.judge(sample, self.lines.limit, now);
        // Thrash first: it needs no second look, and a breach seen once must not put it off.
        let breach = self.breach.judge(sample, &self.reclaim, &self.lines, now);
        let reason = thrash.or(breach).or(self.floor.judge(sample));
        self.rung = Rung::Watching { confirming: false };
        if self.is_resting(sample, now, actions) || self.is_ending_largest(sample, now, actions) {
            return;
        }
        match reason {
            _ if self.response.is_frozen() => {
                self.watch_frozen(sample, now, actions);
            }
            None => {
                self.calm(footprint);
                self.lower_again(sample, actions);
            }
            Some(reason @ Reason::HostMemory { .. }) => self.end_for_machine(reason, now, actions),
            Some(reason) if self.is_answered(&reason, sample) => {}
            Some(reason @ Reason::Thrash { .. }) => self.answer(reason, sample, now, actions),
            Some(reason) => self.hold(reason, sample, now, actions),
        }
    }

    fn calm(&mut self, footprint: Bytes) {
        let allowance = self.lines.allowance().0;
        let near = footprint.0 >= allowance - allowance / 10;
        self.response.breaks_off();
        if !near && !self.thrash.lasts() && !self.floor.is_near() {
            self.told_would = false;
            self.response.forget();
        }
    }

    /// Below the machine's floor nothing is frozen or held: neither gives memory back.
    fn end_for_machine(&mut self, reason: Reason, now: Timestamp, actions: &mut Actions) {
        self.response.was_short(reason, &self.config.on_breach, now);
        if self.floor.confirms(&reason) {
            self.end(reason, now, actions);
        } else if !(self.config.dry_run && self.told_would) {
            self.rung = Rung::Watching { confirming: true };
            actions.push(Action::Look);
        }
    }

    /// Ends the workload for a reason of our own, unless this is a dry run.
    fn end(&mut self, reason: Reason, now: Timestamp, actions: &mut Actions) {
        if !self.config.dry_run && self.config.is_pool {
            return self.choose(reason, now, actions);
        }
        if self.ends_largest_for(&reason) && !self.told_would {
            return self.choose_process(reason, actions);
        }
        self.end_all(reason, now, actions);
    }

    fn end_all(&mut self, reason: Reason, now: Timestamp, actions: &mut Actions) {
        if !self.config.dry_run {
            return self.terminate(reason, now, actions);
        }
        if !std::mem::replace(&mut self.told_would, true) {
            actions.push(Action::Tell(Notice::WouldTerminate { reason }));
        }
    }

    fn deadline(&mut self, now: Timestamp, actions: &mut Actions) {
        match self.rung {
            Rung::Watching { .. } if self.timeout_at().is_some_and(|at| now >= at) => {
                self.time_is_up(now, actions);
            }
            Rung::Watching { .. } if self.frozen_until().is_some_and(|at| now >= at) => {
                self.freeze_is_over(now, actions);
            }
            Rung::Watching { .. } if self.culprits.next_deadline().is_some_and(|at| now >= at) => {
                self.process_deadline(now, actions);
            }
            Rung::Terminating { kill_at, .. } if now >= kill_at => self.grace_over(now, actions),
            Rung::Killing { again_at, .. } if now >= again_at => self.kill_again(now, actions),
            Rung::Watching { .. }
            | Rung::Terminating { .. }
            | Rung::Killing { .. }
            | Rung::Ended => {}
        }
        if now >= self.look_at {
            self.look_at = self.rest.after(self.look_interval(), now);
            actions.push(Action::Look);
        }
    }

    fn time_is_up(&mut self, now: Timestamp, actions: &mut Actions) {
        let after = self.config.timeout.unwrap_or_default();
        self.time_is_up = true;
        self.end(Reason::Timeout { after }, now, actions);
    }

    /// Whether another workload is to be ended for the machine's sake before this one.
    pub fn stand_back(&mut self, stands_back: bool, now: Timestamp) {
        if self.floor.stand_back(stands_back) && matches!(self.rung, Rung::Watching { .. }) {
            self.look_at = self.look_at.min(now);
        }
    }

    /// This is one of so many workloads that are guarded side by side: they share the looks at rest.
    pub fn share_looks(&mut self, number: u32, workloads: usize) {
        self.rest = Rest::among(number, workloads);
    }

    /// The longest time between two looks.
    pub fn longest_rest(&self) -> Duration {
        self.rest.longest()
    }

    /// What can wait so long is done in the second of the workload's turn.
    pub fn turn_after(&self, wait: Duration, now: Timestamp) -> Timestamp {
        self.rest.after(wait, now)
    }

    /// When the wall-clock limit is reached, unless it was already.
    pub fn timeout_at(&self) -> Option<Timestamp> {
        let ahead = self.config.timeout.filter(|_| !self.time_is_up);
        ahead.map(|timeout| self.started + timeout)
    }

    fn look_interval(&self) -> Duration {
        match self.rung {
            Rung::Terminating { .. } => self.closest_interval(),
            Rung::Watching { .. } if self.response.is_rushing() => self.closest_interval(),
            Rung::Watching { .. } => {
                let otherwise = self.watching_interval();
                let floor = self.floor.wait().map(|wait| interval::affordable(wait, &self.last));
                self.culprit_interval(floor.map_or(otherwise, |wait| wait.min(otherwise)))
            }
            Rung::Killing { .. } | Rung::Ended => interval::FROZEN,
        }
    }

    fn watching_interval(&self) -> Duration {
        if self.config.is_machine {
            // Its floor alone says when.
            return interval::AT_REST;
        }
        if self.frozen {
            return interval::FROZEN;
        }
        let (growth, lines) = (self.growth.per_second(), self.watched_lines());
        let wait = interval::watching(
            self.config.cadence,
            &self.last,
            &lines,
            growth,
            self.rest.longest(),
        );
        let watched = self.reclaim.is_watched() || self.breach.is_near();
        self.pool_interval(if watched { wait.min(interval::WATCHED) } else { wait })
    }

    /// Where the kernel accounts, a look is cheap; that one took long is for want of a processor, and no reason to rest.
    fn closest_interval(&self) -> Duration {
        match self.config.cadence {
            Cadence::Events => interval::TERMINATING,
            Cadence::Polled => interval::affordable(interval::TERMINATING, &self.last),
        }
    }

    fn obey(&mut self, command: Command, now: Timestamp, actions: &mut Actions) {
        match command {
            Command::Terminate => self.operator_terminate(now, actions),
            Command::Kill => self.operator_kill(now, actions),
            Command::Freeze => self.freeze(actions),
            Command::Thaw => self.thaw(now, actions),
            Command::SetLines(lines) => self.set_lines(lines, now, actions),
            Command::SetGrace(grace) => self.set_grace(grace, actions),
            Command::SetTimeout(timeout) => self.set_timeout(timeout, now, actions),
            Command::SetPids(limit) if !self.config.dry_run => {
                actions.push(Action::SetPids(limit));
            }
            Command::Yield { breach, at_once } => {
                self.yield_to_others(breach, at_once, now, actions);
            }
            Command::Signal(one) => actions.push(Action::Signal(one)),
            Command::SetPids(_) => {}
        }
    }

    fn set_grace(&mut self, grace: Duration, actions: &mut Actions) {
        self.config.grace = grace;
        if let Rung::Terminating { since, ref mut kill_at, .. } = self.rung {
            *kill_at = since + grace;
        }
        self.culprits.set_grace(grace);
        actions.push(Action::Tell(Notice::NewGrace(grace)));
    }

    /// A time that is over already ends the workload at once, and not at the next deadline: who set it is told what came of it.
    fn set_timeout(&mut self, timeout: Option<Duration>, now: Timestamp, actions: &mut Actions) {
        (self.config.timeout, self.time_is_up) = (timeout, false);
        actions.push(Action::Tell(Notice::NewTimeout(timeout)));
        let over = self.timeout_at().is_some_and(|at| now >= at);
        if over && matches!(self.rung, Rung::Watching { .. }) {
            self.time_is_up(now, actions);
        }
    }

    /// The lines that memory is compared with. Second line and ceiling move with `memory.max`.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// What is to be left of the machine's memory.
    pub fn min_available(&self) -> Option<Bytes> {
        self.config.min_available
    }

    /// Where the trip-wire stands, by the last that was read back.
    pub fn trip_wire(&self) -> Limit {
        self.placing.trip_wire
    }

    /// Where on the ladder the workload is.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// The last reading.
    pub fn last(&self) -> &Sample {
        &self.last
    }

    /// The highest `current` and the highest footprint of all looks.
    pub fn peaks(&self) -> (Bytes, Bytes) {
        (self.peak, self.peak_footprint)
    }

    /// Growth of the footprint.
    pub fn growth(&self) -> &Growth {
        &self.growth
    }

    /// Time until the footprint is what it may be at most, at the growth seen. Swap without limit has no such time.
    pub fn forecast(&self) -> Option<Duration> {
        let bounded = self.lines.swap != Limit::Max;
        bounded.then(|| self.growth.time_until(self.lines.allowance())).flatten()
    }

    /// Whether a warning was given that is not over.
    pub fn warned(&self) -> bool {
        self.warn.is_on()
    }

    /// Whether nobody was left, as it was told.
    pub fn is_empty(&self) -> bool {
        self.emptied
    }

    /// Whether the workload is frozen.
    pub fn frozen(&self) -> bool {
        self.frozen
    }

    /// When it began to guard, from which the wall-clock limit counts.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Time from SIGTERM to SIGKILL.
    pub fn grace(&self) -> Duration {
        self.config.grace
    }

    /// Wall-clock limit, also when it was reached.
    pub fn timeout(&self) -> Option<Duration> {
        self.config.timeout
    }
}

/// Tells of kernel counters that matter and rose.
fn tell_counters(before: &Counters, after: &Counters, actions: &mut Actions) {
    if after.oom_kill > before.oom_kill {
        actions.push(Action::Tell(Notice::KernelOom { killed: after.oom_kill }));
    }
    if after.pids_max > before.pids_max && before.pids_max == 0 {
        actions.push(Action::Tell(Notice::PidsMax { refused: after.pids_max }));
    }
}
