//! A pool: workloads that have one limit together. Where that is reached one of them is ended, and the others live; then there is a rest,
//! for what was its memory to come back, before another is.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_macros))]

use super::rate::Growth;
use super::{Actions, Policy, Rung};
use crate::clock::Timestamp;
use crate::event::{Action, Choice, KillReason, Notice, PoolBreach, Reason, Sample};
use crate::units::{Bytes, Limit};
use std::time::Duration;

/// From the end of one to the choice of the next: pages that were freed are given back a little later.
const REST: Duration = Duration::from_millis(250);
/// Whoever was chosen and is not gone so long after its grace period does not hold up the choice of another.
const PATIENCE: Duration = Duration::from_secs(2);
/// While somebody is being ended the second line is watched this closely.
const WATCHED: Duration = Duration::from_millis(10);

/// The state of it; of a policy that guards one workload, nothing of it changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choosing {
    /// Somebody was chosen, and until then nobody else is.
    rest_until: Option<Timestamp>,
    /// Who was chosen is not gone yet.
    waits: bool,
    /// The trip-wire was lifted for the handlers of who was chosen.
    lifted: bool,
}

impl Choosing {
    /// Whether a look has something to do for it.
    pub(super) fn is_at_work(self) -> bool {
        self.rest_until.is_some() || self.lifted
    }
}

impl Policy {
    /// Whether somebody was chosen, and another is not to be yet.
    pub fn rests(&self) -> bool {
        self.pool.rest_until.is_some()
    }

    /// Whether who was chosen is not gone yet.
    pub fn waits_for_victim(&self) -> bool {
        self.pool.waits
    }

    /// Whoever was chosen is gone.
    pub(super) fn yielded(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.pool.waits) {
            self.pool.rest_until = Some(now + REST);
            // What it grew by, and gave back, is no growth of the others.
            self.growth = Growth::default();
            self.look_at = self.look_at.min(now + WATCHED);
        }
    }

    /// Has one of the pool ended for this reason.
    pub(super) fn choose(&mut self, reason: Reason, now: Timestamp, actions: &mut Actions) {
        let breach = match reason {
            Reason::Timeout { .. } | Reason::Operator | Reason::ChildExited => {
                return self.terminate(reason, now, actions);
            }
            Reason::Breach { .. }
            | Reason::Climb { .. }
            | Reason::Stuck { .. }
            | Reason::Thrash { .. }
            | Reason::HostMemory { .. }
            | Reason::Process { .. }
            | Reason::Pool(_) => {
                PoolBreach { footprint: self.last.footprint(), limit: self.lines.allowance() }
            }
        };
        self.wait_for_victim(now);
        self.relieve(actions);
        actions.push(Action::Choose(Choice { breach, reason, at_once: false }));
        self.look_at = now + WATCHED;
    }

    fn wait_for_victim(&mut self, now: Timestamp) {
        let rest_until = Some(now + self.config.grace + PATIENCE);
        self.pool = Choosing { rest_until, waits: true, lifted: true };
    }

    /// What a look sees while somebody is being ended. True: that is all for now.
    pub(super) fn is_resting(
        &mut self,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) -> bool {
        let Some(until) = self.pool.rest_until else { return false };
        let ahead = self.ahead.reaches(sample);
        if self.breach.at_second_line(sample, ahead, &self.lines) {
            let breach = PoolBreach { footprint: sample.current, limit: self.lines.second };
            let reason = Reason::Breach { footprint: sample.footprint(), limit: self.lines.limit };
            actions.push(Action::Choose(Choice { breach, reason, at_once: true }));
            if !self.pool.waits {
                self.wait_for_victim(now);
            }
            return true;
        }
        let over = now >= until;
        if over {
            (self.pool.rest_until, self.pool.waits) = (None, false);
        }
        !over
    }

    /// The trip-wire back at the limit, once there is room below it.
    pub(super) fn lower_again(&mut self, sample: &Sample, actions: &mut Actions) {
        let limit = self.lines.limit;
        let lifted = self.pool.lifted || self.culprits.lifted;
        if lifted && !self.rests() && sample.current < limit {
            (self.pool.lifted, self.culprits.lifted) = (false, false);
            self.placing.trip_wire = Limit::At(limit.0);
            actions.push(Action::SetTripWire(Limit::At(limit.0)));
        }
    }

    /// How soon the next look comes where somebody is being ended.
    pub(super) fn pool_interval(&self, otherwise: Duration) -> Duration {
        if self.rests() { super::interval::affordable(WATCHED, &self.last) } else { otherwise }
    }

    /// One of a pool that is over its limit. Asked again, or where the pool reached its second line, SIGKILL follows at once.
    pub(super) fn yield_to_others(
        &mut self,
        breach: PoolBreach,
        at_once: bool,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        match self.rung {
            Rung::Watching { .. } if self.config.dry_run => {
                let reason = Reason::Pool(breach);
                actions.push(Action::Tell(Notice::WouldTerminate { reason }));
            }
            Rung::Watching { .. } => self.terminate(Reason::Pool(breach), now, actions),
            Rung::Terminating { .. } if at_once => {
                self.kill(KillReason::Pool(breach), now, actions)
            }
            Rung::Terminating { .. } | Rung::Killing { .. } | Rung::Ended => {}
        }
    }
}

/// Which of a pool is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Victim {
    /// The one with the largest footprint.
    #[default]
    Largest,
    /// The one that grows most.
    FastestGrowing,
    /// The one that came last.
    Newest,
    /// The one with the lowest user.sentinel.priority, and of those the largest.
    LowestPriority,
}

/// One that could be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its footprint.
    pub footprint: Bytes,
    /// Growth of that, bytes a second.
    pub growth: i64,
    /// The higher, the later it came.
    pub arrival: u32,
    /// What its owner set; 0 where nothing was.
    pub priority: i32,
    /// What its owner reserves for it (`memory.low`).
    pub low: Bytes,
}

impl Candidate {
    /// What is spared while there are others: who uses no more than what is reserved for it, or whom its owner marked.
    fn is_spared(&self, rule: Victim) -> bool {
        self.footprint <= self.low || self.priority > 0 && rule != Victim::LowestPriority
    }
}

/// The one that is ended; `None` where nobody uses anything.
pub fn choose<Id>(
    rule: Victim,
    candidates: impl Iterator<Item = (Id, Candidate)>,
) -> Option<(Id, Candidate)> {
    let rank = |it: &Candidate| {
        let size = i128::from(it.footprint.0);
        let first = match rule {
            Victim::Largest => size,
            Victim::FastestGrowing => i128::from(it.growth),
            Victim::Newest => i128::from(it.arrival),
            Victim::LowestPriority => -i128::from(it.priority),
        };
        (!it.is_spared(rule), first, size, it.arrival)
    };
    candidates.filter(|(_, it)| it.footprint > Bytes(0)).max_by_key(|(_, it)| rank(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rule: Victim, of: &[(&'static str, Candidate)]) -> Option<&'static str> {
        choose(rule, of.iter().copied()).map(|(name, _)| name)
    }

    fn candidate(mib: u64, growth: i64, arrival: u32) -> Candidate {
        let footprint = Bytes::mib(mib);
        Candidate { footprint, growth, arrival, priority: 0, low: Bytes(0) }
    }

    #[test]
    fn each_rule_has_its_own() {
        let of = [
            ("old", Candidate { priority: -5, ..candidate(10, 0, 1) }),
            ("large", candidate(900, 100, 2)),
            ("leaking", candidate(500, 9000, 3)),
            ("new", candidate(20, -7, 4)),
        ];
        assert_eq!(chosen(Victim::Largest, &of), Some("large"));
        assert_eq!(chosen(Victim::FastestGrowing, &of), Some("leaking"));
        assert_eq!(chosen(Victim::Newest, &of), Some("new"));
        assert_eq!(chosen(Victim::LowestPriority, &of), Some("old"));
        assert_eq!(chosen(Victim::Largest, &[]), None);
        assert_eq!(chosen(Victim::Largest, &[("empty", candidate(0, 0, 1))]), None);
    }

    #[test]
    fn what_is_reserved_or_marked_is_spared_while_there_are_others() {
        let reserved = Candidate { low: Bytes::mib(1000), ..candidate(900, 0, 1) };
        let marked = Candidate { priority: 10, ..candidate(800, 0, 2) };
        let plain = candidate(5, 0, 3);
        let of = [("reserved", reserved), ("marked", marked), ("plain", plain)];
        assert_eq!(chosen(Victim::Largest, &of), Some("plain"));
        assert_eq!(chosen(Victim::Newest, &of[..2]), Some("marked"));
        assert_eq!(chosen(Victim::LowestPriority, &of), Some("plain"));
        assert_eq!(chosen(Victim::LowestPriority, &of[..2]), Some("marked"));
        let over = Candidate { low: Bytes::mib(100), ..reserved };
        assert_eq!(chosen(Victim::Largest, &[("over", over), ("plain", plain)]), Some("over"));
        assert_eq!(chosen(Victim::Largest, &of[..1]), Some("reserved"), "nobody else is there");
    }
}
