//! Where the kernel's own lines stand and where they are to go. A limit that is set is compared with at once; second line and
//! ceiling follow `memory.max`, which may take its time: what the edge reads back is what counts.

use super::{Actions, Policy, Rung};
use crate::clock::Timestamp;
use crate::event::{Action, DeedResult, InForce, Notice, Sample};
use crate::lines::{Lines, RELIEF_ROOM};
use crate::units::{Bytes, Limit};

/// Each try goes by what was in use when the one before was refused: growth by a MiB in the microseconds between is no rule.
const RELIEF_TRIES: u8 = 3;

/// The state of it.
#[derive(Clone, Debug)]
pub(super) struct Placing {
    /// `memory.high`.
    pub trip_wire: Limit,
    /// The last lines whose ceiling was in force.
    settled: Lines,
    /// Lines on their way to the kernel: those before stay the lines that memory is killed at.
    wanted: Option<Lines>,
    /// `memory.max` could not go there: more was in use.
    blocked: bool,
    /// Lower lines that an operator set while more than that was in use: they come into force with the first look
    /// that finds less.
    held_back: Option<Lines>,
    relief_tries: u8,
}

impl Placing {
    /// Lines that are in force.
    pub fn new(lines: Lines) -> Placing {
        Placing {
            trip_wire: Limit::At(lines.limit.0),
            settled: lines,
            wanted: None,
            blocked: false,
            held_back: None,
            relief_tries: 0,
        }
    }
}

impl Policy {
    /// A limit below what is in use is a breach, which the next look finds. The kernel's own lines stay then: `memory.max`
    /// below `memory.current` would bring its OOM killer before our SIGTERM, and leave no room for a handler.
    pub(super) fn set_lines(&mut self, lines: Lines, now: Timestamp, actions: &mut Actions) {
        let breached =
            self.last.footprint() >= lines.allowance() && lines.ceiling < self.lines.ceiling;
        self.told_would = false;
        self.placing.held_back = breached.then_some(lines);
        if breached {
            self.lines = self.lines.lowered(lines.limit);
        } else {
            self.enforce(lines, actions);
            if self.is_ending() && !self.config.dry_run {
                self.relieve(actions);
            }
        }
        actions.push(Action::Tell(Notice::NewLines(self.lines)));
        self.response_to_lines(actions);
        self.look_at = now;
    }

    /// What was held back or could not go all the way does so once there is room for it.
    pub(super) fn settle(&mut self, sample: &Sample, actions: &mut Actions) {
        let footprint = sample.footprint();
        if let Some(lines) = self.placing.held_back.take_if(|lines| footprint < lines.allowance()) {
            return self.enforce(lines, actions);
        }
        let needed = sample.current.saturating_add(RELIEF_ROOM);
        if let Some(lines) = self.placing.wanted.filter(|lines| needed < lines.ceiling)
            && self.placing.blocked
        {
            self.enforce(lines, actions);
        }
    }

    fn enforce(&mut self, lines: Lines, actions: &mut Actions) {
        self.lines = lines;
        self.placing.blocked = false;
        if self.config.dry_run {
            self.placing.settled = lines;
        } else {
            self.placing.wanted = Some(lines);
            self.placing.trip_wire = Limit::At(lines.limit.0);
            actions.push(Action::SetLines(lines));
        }
    }

    /// The trip-wire up, so that handlers run.
    pub(super) fn relieve(&mut self, actions: &mut Actions) {
        self.placing.relief_tries = 0;
        self.lift(self.last.current, actions);
    }

    fn lift(&mut self, current: Bytes, actions: &mut Actions) {
        let relief = Limit::At(self.lines.relief_at(current).0);
        self.placing.trip_wire = relief;
        actions.push(Action::SetTripWire(relief));
    }

    fn is_ending(&self) -> bool {
        matches!(self.rung, Rung::Terminating { .. } | Rung::Killing { .. })
    }

    /// What the kernel says of the trip-wire afterwards.
    pub(super) fn trip_wire_is(&mut self, high: Limit, result: DeedResult, actions: &mut Actions) {
        self.placing.trip_wire = high;
        if let DeedResult::InUse(current) = result {
            self.lift_again(current, actions);
        }
    }

    /// More is in use than the last look saw. Over the second line there is no room left to give, and SIGKILL follows.
    fn lift_again(&mut self, current: Bytes, actions: &mut Actions) {
        let room = self.lines.relief_at(current) > current;
        let relieves = self.is_ending() || self.rests() || self.culprits.relieves();
        if room && relieves && self.placing.relief_tries < RELIEF_TRIES {
            self.placing.relief_tries += 1;
            self.lift(current, actions);
        }
    }

    /// What the kernel says of its lines afterwards.
    pub(super) fn lines_are(&mut self, in_force: InForce, result: DeedResult) {
        self.placing.trip_wire = in_force.high;
        let Some(wanted) = self.placing.wanted else { return };
        if in_force.max == Limit::At(wanted.ceiling.0) {
            (self.lines, self.placing.settled) = (wanted, wanted);
        } else {
            // The kernel's ceiling is where it was, and the second line belongs to it.
            self.lines = self.placing.settled.lowered(wanted.limit);
        }
        if let Some(held_back) = self.placing.held_back {
            self.lines = self.lines.lowered(held_back.limit);
        }
        match result {
            DeedResult::Pending => {}
            DeedResult::InUse(_) => self.placing.blocked = true,
            DeedResult::Done | DeedResult::Failed(_) => self.placing.wanted = None,
        }
    }
}
