//! A simulated workload and the part of the kernel that it meets, in steps of a millisecond.
//! Coarse on purpose: it throttles, reclaims, freezes, kills and runs out of memory, and nothing else.

use sentinel::event::{Ending, Event, Sample};
use sentinel::lines::Lines;
use sentinel::units::{Bytes, MIB};
use std::time::Duration;

/// What SIGTERM does to a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTerm {
    /// Nothing.
    Ignores,
    /// Its handler takes so many milliseconds, and then it is gone.
    DiesAfter(u64),
    /// The command goes after so many milliseconds and leaves the rest behind.
    LeavesRestAfter(u64),
}

/// Growth for a while.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// Milliseconds.
    pub lasts: u64,
    /// Bytes a millisecond that cannot be reclaimed; negative: given back.
    pub grows: i64,
    /// Bytes of page cache a millisecond.
    pub reads: u64,
    /// Bytes a millisecond that count as cache and that reclaim does not get.
    pub pins: u64,
}

/// What a workload is going to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Growth, one phase after the other; then it stays as it is.
    pub phases: Vec<Phase>,
    /// At SIGTERM.
    pub on_term: OnTerm,
    /// When it ends by itself, in milliseconds.
    pub ends_at: Option<u64>,
    /// Milliseconds from SIGKILL to the end.
    pub dying: u64,
    /// How many SIGKILLs it takes (a fork that races with the first).
    pub kills: u32,
    /// Whether an empty cgroup is noticed before the command's status.
    pub empty_first: bool,
    /// Bytes a millisecond that the throttle lets pass.
    pub creep: u64,
}

/// The workload while it runs.
#[derive(Debug)]
pub struct Workload {
    plan: Plan,
    now: u64,
    firm: u64,
    cache: u64,
    pinned: u64,
    tries: u64,
    scanned: u64,
    reclaimed: u64,
    high: u64,
    max: u64,
    stalled_usec: u64,
    oom_kills: u64,
    frozen: bool,
    kills: u32,
    term_pending: bool,
    /// When the command goes, and how; when the rest goes.
    command_goes: Option<(u64, Ending)>,
    rest_goes: Option<u64>,
    command_gone: bool,
    rest_gone: bool,
}

impl Workload {
    /// A workload between these lines that starts to do this.
    pub fn new(plan: Plan, lines: &Lines) -> Self {
        let own_end = plan.ends_at.map(|at| (at, Ending::Exited(0)));
        Workload {
            now: 0,
            firm: 4 * MIB,
            cache: 0,
            pinned: 0,
            tries: 0,
            scanned: 0,
            reclaimed: 0,
            high: lines.limit.0,
            max: lines.ceiling.0,
            stalled_usec: 0,
            oom_kills: 0,
            frozen: false,
            kills: 0,
            term_pending: false,
            command_goes: own_end,
            rest_goes: own_end.map(|end| end.0),
            command_gone: false,
            rest_gone: false,
            plan,
        }
    }

    /// Lets a millisecond pass; what is noticed of it.
    pub fn step(&mut self, now: u64) -> Vec<Event> {
        self.now = now;
        if !self.frozen && !self.rest_gone {
            self.handle_term();
            self.grow();
        }
        self.ends()
    }

    /// What a look sees.
    pub fn sample(&self) -> Sample {
        let mut sample = Sample {
            current: Bytes(self.used()),
            cache: Bytes(self.cache + self.pinned),
            scanned: self.scanned,
            reclaimed: self.reclaimed,
            stalled_usec: Some(self.stalled_usec),
            available: Some(self.left()),
            processes: 2,
            cost: Duration::from_micros(100),
            ..Sample::default()
        };
        sample.counters.oom_kill = self.oom_kills;
        sample.counters.high = self.tries;
        sample
    }

    /// By a machine of 600 MiB, of which others take more and more, and give it back.
    fn left(&self) -> Bytes {
        let others = (self.now % 4000) * MIB / 8;
        Bytes((600 * MIB).saturating_sub(self.used()).saturating_sub(others))
    }

    fn used(&self) -> u64 {
        self.firm + self.cache + self.pinned
    }

    /// Whether the kernel has an event for whoever watches the trip-wire.
    pub fn at_trip_wire(&self) -> bool {
        !self.rest_gone && self.used() >= self.high
    }

    /// `memory.high`.
    pub fn set_high(&mut self, high: u64) {
        self.high = high;
    }

    /// `memory.max` and `memory.high`.
    pub fn set_lines(&mut self, lines: &Lines) {
        (self.high, self.max) = (lines.limit.0, lines.ceiling.0);
    }

    /// `cgroup.freeze`.
    pub fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// SIGTERM: a frozen workload gets it when it is thawed.
    pub fn terminate(&mut self) {
        self.term_pending = true;
    }

    /// `cgroup.kill`, which the frozen die of too.
    pub fn kill(&mut self) {
        self.kills += 1;
        if self.kills == self.plan.kills {
            self.die_at(self.now + self.plan.dying, Ending::Signaled(9));
        }
    }

    fn handle_term(&mut self) {
        if !std::mem::take(&mut self.term_pending) || self.kills >= self.plan.kills {
            return;
        }
        match self.plan.on_term {
            OnTerm::Ignores => {}
            OnTerm::DiesAfter(ms) => self.die_at(self.now + ms, Ending::Signaled(15)),
            OnTerm::LeavesRestAfter(ms) => {
                self.command_goes = Some((self.now + ms, Ending::Signaled(15)));
                self.rest_goes = None;
            }
        }
    }

    fn die_at(&mut self, at: u64, ending: Ending) {
        if self.command_goes.is_none_or(|(end, _)| at < end) {
            self.command_goes = Some((at, ending));
        }
        self.rest_goes = Some(self.rest_goes.map_or(at, |end| end.min(at)));
    }

    fn grow(&mut self) {
        let mut begins = 0;
        let phase = self.plan.phases.iter().find(|phase| {
            begins += phase.lasts;
            self.now < begins
        });
        let Some(phase) = phase.copied() else { return };
        if self.used() >= self.high {
            self.reclaim();
        }
        let wanted = u64::try_from(phase.grows).unwrap_or(0);
        let given_back = phase.grows.unsigned_abs() - wanted;
        let throttled = self.firm + self.pinned >= self.high;
        let passes = |bytes: u64| if throttled { bytes.min(self.plan.creep) } else { bytes };
        let (grown, pins) = (passes(wanted), passes(phase.pins));
        self.firm = self.firm.saturating_sub(given_back).max(MIB) + grown;
        self.pinned += pins;
        let held = self.firm + self.pinned;
        self.cache = (self.cache + phase.reads).min(self.high.saturating_sub(held) + MIB);
        self.cache = self.cache.min(self.max.saturating_sub(held));
        if held > self.max {
            self.oom_kills += 1;
            self.die_at(self.now, Ending::Signaled(9));
        }
    }

    /// Page cache is taken first, some MiB a millisecond; what is pinned is looked at and left.
    fn reclaim(&mut self) {
        const PAGE: u64 = 4096;
        let got = self.cache.min(4 * MIB);
        self.cache -= got;
        self.tries += 1;
        self.reclaimed += got / PAGE;
        self.scanned += (got + self.pinned) / PAGE;
        self.stalled_usec += 900;
    }

    fn ends(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some((at, ending)) = self.command_goes
            && at <= self.now
            && !self.command_gone
        {
            self.command_gone = true;
            events.push(Event::ChildExited(ending));
        }
        if self.rest_goes.is_some_and(|at| at <= self.now) && !self.rest_gone {
            self.rest_gone = true;
            events.push(Event::Empty);
        }
        if self.plan.empty_first {
            events.reverse();
        }
        events
    }
}
