//! A coarse kernel, workload and edge around a policy, in ticks of 50 ms: what may happen next is a list of moves, and each is made.
//! Memory has a level just at or above each line; over the trip-wire it gains one level a tick at most, below it any number.

use crate::policy::model::promises::{Monitor, Verdict};
use crate::policy::model::tally::{Seen, Tally};
use sentinel::clock::Timestamp;
use sentinel::event::{Action, Command, Deed, DeedResult, Ending, Event, InForce, Sample};
use sentinel::lines::Lines;
use sentinel::policy::reclaim::tried_line;
use sentinel::policy::{Policy, Rung};
use sentinel::units::{Bytes, Limit, MIB};
use std::time::Duration;

/// Milliseconds.
pub const TICK: u64 = 50;

/// What a world allows.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Footprints in MiB, lowest first.
    pub levels: &'static [u64],
    /// What operators ask for.
    pub commands: Vec<Command>,
    /// Writes and signals that fail, in a whole run.
    pub faults: u8,
    /// Ticks that a kernel event may be late: coalesced, or the guardian had no processor.
    pub late: u8,
    /// Whether the workload reads files.
    pub reads: bool,
    /// Whether the workload or parts of it end by themselves.
    pub ends: bool,
    /// Whether it pins what counts as cache: pages in pipes, inodes in use.
    pub pins: bool,
    /// How often the workload begins to wait for memory, or ceases to; it waits while it is at the trip-wire.
    pub turns: u8,
}

/// What the workload does in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Rests,
    Grows,
    /// To the first level at or above the trip-wire, in one call.
    Leaps,
    GivesBack,
    /// Page cache up to the trip-wire, which reclaim keeps there.
    Reads,
    /// Memory that `memory.stat` calls cache and reclaim does not get: up to the relief line.
    Hoards,
    /// The same, just over the line at which the kernel has tried, or up to the second line.
    Pins,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    /// A tick. `late`: the kernel's event of it is not delivered yet.
    Tick { act: Act, late: bool },
    /// Somebody looks without need.
    Wake,
    /// From now on all tasks wait for memory, or no longer do.
    Turn,
    /// An operator.
    Ask(Command),
    /// The command ends and leaves the rest behind.
    CommandEnds,
    /// Whatever is left ends.
    AllEnd { empty_first: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    None,
    Read,
    Hoarded,
    Pinned,
    PinnedToSecond,
}

impl Cache {
    /// Whether reclaim does not get it.
    pub fn is_pinned(self) -> bool {
        matches!(self, Cache::Hoarded | Cache::Pinned | Cache::PinnedToSecond)
    }
}

/// One state.
#[derive(Clone, Debug)]
pub struct World {
    pub policy: Policy,
    pub now: u64,
    pub level: usize,
    pub cache: Cache,
    pub high: u64,
    pub max: u64,
    pub frozen: bool,
    /// Ticks for which an event of the kernel waits.
    pub waiting: Option<u8>,
    pub command: bool,
    pub rest: bool,
    /// SIGKILL got through: gone with the next tick.
    pub doomed: bool,
    pub oom: bool,
    pub faults: u8,
    pub turns: u8,
    pub waits: bool,
    /// Pages that reclaim got in the last tick: of what is read all, of what is pinned none.
    pub got: u64,
    /// Ticks at the trip-wire: in each the kernel tried.
    pub tries: u64,
    pub reclaimed: u64,
    /// `total` of the `full` line of `memory.pressure`, microseconds.
    pub stalled: u64,
    pub monitor: Monitor,
    /// All that this move writes fails.
    pub broken: bool,
}

impl World {
    pub fn new(policy: Policy, rules: &Rules) -> World {
        let lines = *policy.lines();
        World {
            policy,
            now: 0,
            level: 0,
            cache: Cache::None,
            high: lines.limit.0,
            max: lines.ceiling.0,
            frozen: false,
            waiting: None,
            command: true,
            rest: true,
            doomed: false,
            oom: false,
            faults: rules.faults,
            turns: rules.turns,
            waits: false,
            got: 0,
            tries: 0,
            reclaimed: 0,
            stalled: 0,
            monitor: Monitor { pins: rules.pins, ..Monitor::default() },
            broken: false,
        }
    }

    /// What cannot be reclaimed.
    pub fn firm(&self, rules: &Rules) -> u64 {
        if self.rest { rules.levels[self.level] * MIB } else { 0 }
    }

    /// `memory.current`.
    pub fn current(&self, rules: &Rules) -> u64 {
        let cache_to = match self.cache {
            Cache::None => 0,
            Cache::Read => self.high,
            Cache::Hoarded => self.policy.lines().relief.0,
            Cache::Pinned => tried_line(self.policy.lines(), 1).0,
            Cache::PinnedToSecond => self.policy.lines().second.0,
        };
        if self.rest { self.firm(rules).max(cache_to.min(self.max - 1)) } else { 0 }
    }

    /// Each is tried as it is and, while faults are left, with all writes of it failing.
    pub fn moves(&self, rules: &Rules) -> Vec<Move> {
        let mut moves = Vec::new();
        for act in self.acts(rules) {
            moves.push(Move::Tick { act, late: false });
            if self.waiting.unwrap_or(0) < rules.late {
                moves.push(Move::Tick { act, late: true });
            }
        }
        moves.push(Move::Wake);
        if self.turns > 0 && self.rest && !self.doomed {
            moves.push(Move::Turn);
        }
        moves.extend(rules.commands.iter().copied().map(Move::Ask));
        if rules.ends && self.rest {
            if self.command {
                moves.push(Move::CommandEnds);
            }
            moves.extend([false, true].map(|empty_first| Move::AllEnd { empty_first }));
        }
        moves
    }

    fn acts(&self, rules: &Rules) -> Vec<Act> {
        if self.frozen || self.doomed || !self.rest {
            return vec![Act::Rests];
        }
        let mut acts = vec![Act::Rests];
        if self.level + 1 < rules.levels.len() {
            acts.push(Act::Grows);
        }
        if self.level > 0 {
            acts.push(Act::GivesBack);
        }
        if self.leap(rules).is_some_and(|level| level > self.level + 1) {
            acts.push(Act::Leaps);
        }
        if rules.reads && self.cache == Cache::None {
            acts.extend([Act::Reads, Act::Hoards]);
        }
        if rules.pins && matches!(self.cache, Cache::None | Cache::Pinned) {
            acts.push(Act::Pins);
        }
        acts
    }

    fn leap(&self, rules: &Rules) -> Option<usize> {
        rules.levels.iter().position(|level| level * MIB >= self.high)
    }

    /// The world after a move.
    pub fn after(
        &self,
        chosen: Move,
        broken: bool,
        rules: &Rules,
        tally: &mut Tally,
    ) -> Result<World, String> {
        let mut world = self.clone();
        world.broken = broken;
        match chosen {
            Move::Tick { act, late } => world.tick(act, late, rules, tally)?,
            Move::Wake => world.look(rules, tally)?,
            Move::Turn => (world.waits, world.turns) = (!world.waits, world.turns - 1),
            Move::Ask(command) => world.ask(command, rules, tally)?,
            Move::CommandEnds => world.command_ends(Ending::Exited(0), rules, tally)?,
            Move::AllEnd { empty_first } => {
                world.all_end(Ending::Exited(0), empty_first, rules, tally)?;
            }
        }
        if broken {
            world.faults -= 1;
            world.broken = false;
        }
        Ok(world)
    }

    fn tick(&mut self, act: Act, late: bool, rules: &Rules, tally: &mut Tally) -> Verdict {
        self.now += TICK;
        if self.doomed {
            return self.all_end(Ending::Signaled(9), act == Act::Grows, rules, tally);
        }
        let raised = self.act(act, rules);
        if self.rest && self.firm(rules) >= self.max {
            tally.note(Seen::Ceiling);
            (self.oom, self.doomed) = (true, true);
        }
        self.stall(rules);
        self.reclaim(rules);
        if raised && self.current(rules) >= self.high {
            self.waiting.get_or_insert(0);
        }
        if let Some(ticks) = self.waiting {
            self.waiting = late.then_some(ticks + 1);
            tally.note_if(late, Seen::LateEvent);
            if !late {
                self.look(rules, tally)?;
            }
        }
        self.deadlines(rules, tally)?;
        Monitor::after_tick(self, rules, tally)
    }

    /// A tick of waiting at the trip-wire.
    fn stall(&mut self, rules: &Rules) {
        let stalls = self.waits && self.rest && !self.frozen && self.current(rules) >= self.high;
        self.stalled += if stalls { TICK * 1000 } else { 0 };
        self.monitor.waited(self.now, TICK, stalls);
    }

    /// A tick at the trip-wire, in which the kernel tries.
    fn reclaim(&mut self, rules: &Rules) {
        let tries = rules.pins && self.rest && !self.frozen && self.current(rules) >= self.high;
        self.got = if tries && self.cache == Cache::Read { 64 } else { 0 };
        (self.tries, self.reclaimed) = (self.tries + u64::from(tries), self.reclaimed + self.got);
    }

    fn act(&mut self, act: Act, rules: &Rules) -> bool {
        match act {
            Act::Rests => return false,
            Act::Grows => self.level += 1,
            Act::Leaps => self.level = self.leap(rules).unwrap_or(self.level),
            Act::Reads => self.cache = Cache::Read,
            Act::Hoards => self.cache = Cache::Hoarded,
            Act::Pins if self.cache == Cache::Pinned => self.cache = Cache::PinnedToSecond,
            Act::Pins => self.cache = Cache::Pinned,
            Act::GivesBack => (self.level, self.cache) = (0, Cache::None),
        }
        act != Act::GivesBack
    }

    /// All that are due, as the loop delivers them; each must lead on.
    fn deadlines(&mut self, rules: &Rules, tally: &mut Tally) -> Verdict {
        for _ in 0..3 {
            let due = self.policy.next_deadline().is_some_and(|at| at <= self.at());
            if !due {
                return Ok(());
            }
            self.deliver(Event::Deadline, rules, tally)?;
        }
        Err(format!("busy: {:?}", self.policy.rung()))
    }

    /// As the guardian does: new lines are compared with a look of now, whatever the last one was.
    fn ask(&mut self, command: Command, rules: &Rules, tally: &mut Tally) -> Verdict {
        let free = self.current(rules) < self.high;
        self.monitor.ordered_lines = matches!(command, Command::SetLines(_)) && free;
        if matches!(command, Command::SetLines(_)) {
            self.look(rules, tally)?;
        }
        self.deliver(Event::Operator(command), rules, tally)?;
        self.deadlines(rules, tally)?;
        self.monitor.ordered_lines = false;
        Ok(())
    }

    fn command_ends(&mut self, ending: Ending, rules: &Rules, tally: &mut Tally) -> Verdict {
        self.command = false;
        tally.note(Seen::Orphans);
        self.deliver(Event::ChildExited(ending), rules, tally)
    }

    fn all_end(
        &mut self,
        ending: Ending,
        empty_first: bool,
        rules: &Rules,
        tally: &mut Tally,
    ) -> Verdict {
        (self.rest, self.doomed, self.waiting) = (false, false, None);
        let exit = std::mem::replace(&mut self.command, false);
        if exit && !empty_first {
            self.deliver(Event::ChildExited(ending), rules, tally)?;
        }
        self.look(rules, tally)?;
        self.deliver(Event::Empty, rules, tally)?;
        if exit && empty_first {
            self.deliver(Event::ChildExited(ending), rules, tally)?;
        }
        Ok(())
    }

    fn look(&mut self, rules: &Rules, tally: &mut Tally) -> Verdict {
        self.deliver(Event::Sample(self.sample(rules, self.level)), rules, tally)
    }

    /// What a look would see at this level. Looks are so dear while watching that the next is as late as ever it can be; that
    /// somebody looks earlier is a move.
    pub fn sample(&self, rules: &Rules, level: usize) -> Sample {
        let other = World { level, ..self.clone() };
        let (current, firm) = (other.current(rules), other.firm(rules));
        let dear = matches!(self.policy.rung(), Rung::Watching { .. });
        let mut sample = Sample {
            current: Bytes(current),
            cache: Bytes(current - firm),
            processes: u64::from(self.rest),
            cost: if dear { Duration::from_millis(125) } else { Duration::ZERO },
            ..Sample::default()
        };
        sample.counters.oom_kill = u64::from(self.oom);
        (sample.scanned, sample.reclaimed) = (self.tries * 64, self.reclaimed);
        sample.stalled_usec = (rules.turns > 0).then_some(self.stalled);
        sample
    }

    pub fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn deliver(&mut self, event: Event, rules: &Rules, tally: &mut Tally) -> Verdict {
        let before = self.clone();
        let actions = self.policy.handle(event, self.at());
        for action in &actions {
            self.obey(action, rules, tally);
        }
        Monitor::after_event(self, &before, event, &actions, rules, tally)?;
        for action in &actions {
            if let Some(done) = self.came_of(action, rules) {
                self.deliver(done, rules, tally)?;
            }
        }
        if actions.contains(&Action::Look) {
            self.look(rules, tally)?;
        }
        Ok(())
    }

    /// What the edge reads back.
    fn came_of(&self, action: &Action, rules: &Rules) -> Option<Event> {
        let (high, max) = (Limit::At(self.high), Limit::At(self.max));
        let failed = self.broken.then_some(DeedResult::Failed(5));
        let came = match action {
            Action::SetTripWire(_) => {
                Some((Deed::TripWire(high), failed.unwrap_or(DeedResult::Done)))
            }
            Action::SetLines(lines) => {
                let in_use = DeedResult::InUse(Bytes(self.current(rules)));
                let done = if self.max == lines.ceiling.0 { DeedResult::Done } else { in_use };
                Some((Deed::Lines(InForce { high, max }), failed.unwrap_or(done)))
            }
            Action::SetPids(limit) => Some((Deed::Pids(*limit), self.refusal())),
            Action::Signal(one) => Some((Deed::Signal(*one), self.refusal())),
            Action::Freeze => Some((Deed::Freeze, self.refusal())),
            Action::Thaw => Some((Deed::Thaw, self.refusal())),
            Action::Terminate => Some((Deed::Terminate, self.refusal())),
            Action::Kill => Some((Deed::Kill, self.refusal())),
            Action::Look | Action::Choose(_) | Action::Tell(_) | Action::Finish(_) => None,
            // Nobody is ended by itself here.
            Action::Weigh | Action::EndProcess(_) => None,
        };
        came.map(|(deed, result)| Event::Done(deed, result))
    }

    fn refusal(&self) -> DeedResult {
        if self.broken { DeedResult::Failed(1) } else { DeedResult::Done }
    }

    fn obey(&mut self, action: &Action, rules: &Rules, tally: &mut Tally) {
        let works = !self.broken;
        match action {
            Action::SetTripWire(high) if works => self.high = high.value().unwrap_or(u64::MAX),
            Action::SetLines(lines) if works => self.set_lines(lines, rules),
            Action::Freeze if works => self.frozen = true,
            Action::Thaw if works => self.frozen = false,
            Action::Kill if works && self.rest => {
                (self.doomed, self.monitor.reached) = (true, true);
            }
            Action::Terminate if works => self.monitor.reached = true,
            Action::SetTripWire(_)
            | Action::SetLines(_)
            | Action::SetPids(_)
            | Action::Signal(_)
            | Action::Freeze
            | Action::Thaw
            | Action::Terminate
            | Action::Kill => tally.note_if(!works, Seen::Fault),
            Action::Look | Action::Choose(_) | Action::Tell(_) | Action::Finish(_) => {}
            Action::Weigh | Action::EndProcess(_) => {}
        }
    }

    /// As the edge does: `memory.max` is left where more is in use.
    fn set_lines(&mut self, lines: &Lines, rules: &Rules) {
        let current = self.current(rules);
        self.high = lines.limit.0;
        if current < lines.ceiling.0 {
            self.max = lines.ceiling.0;
        }
    }
}
