//! A pool: what is in a directory has one limit together. Its own cgroup is a ward whose policy asks for one of the others to be ended.

use super::Host;
use crate::cgroup::hierarchy::OuterLimit;
use crate::config::PoolRules;
use crate::escape::shown;
use crate::event::{Choice, Command, Event};
use crate::policy::pool::{Candidate, Victim, choose};
use crate::report::words;
use crate::status::Level;
use crate::ward::{Emptied, Ward, WardId};
use anyhow::{Context, Result};
use std::path::Path;

const NOBODY: &str = "nothing that is guarded in it can be ended for it";

/// The pool, as it is guarded.
#[derive(Clone, Debug)]
pub(super) struct GuardedPool {
    /// All of it.
    pub(super) ward: WardId,
    name: String,
    pub(super) rules: PoolRules,
    /// It was near its limit at the last turn.
    was_near: bool,
}

impl Host {
    /// Takes all that is in a directory under guard as one.
    ///
    /// # Errors
    /// As [`Host::join`].
    pub(super) fn join_pool(
        &mut self,
        directory: &Path,
        name: String,
        of: PoolRules,
    ) -> Result<()> {
        let visit = self.visit.as_ref().context("not attached to anything")?;
        let rules = visit.rules.of_pool(name.clone(), of);
        let ward = self.join_by(directory, rules, OuterLimit::including, Emptied::Waits)?;
        let pool = GuardedPool { ward, name, rules: of, was_near: false };
        self.visit.iter_mut().for_each(|visit| visit.pool = Some(pool.clone()));
        Ok(())
    }

    /// Whether this ward is all of the pool.
    pub(super) fn is_pool(&self, id: WardId) -> bool {
        self.pool().is_some_and(|pool| pool.ward == id)
    }

    fn pool(&self) -> Option<&GuardedPool> {
        self.visit.as_ref()?.pool.as_ref()
    }

    /// All of it was ended, by an operator, and it goes on.
    pub(super) fn join_pool_anew(&mut self, directory: &Path) {
        let Some((name, rules)) = self.pool().map(|pool| (pool.name.clone(), pool.rules)) else {
            return;
        };
        // With its directory it comes again.
        if let Err(error) = self.join_pool(directory, name, rules)
            && directory.is_dir()
        {
            let place = shown(directory);
            self.say(Level::Warning, format!("{place} has no limit together any more: {error:#}"));
        }
    }

    /// Does what the pool asks for. Called once a turn of the loop, behind all looks; allocates nothing unless somebody is chosen.
    pub(super) fn serve_pool(&mut self) {
        let Some(pool) = self.visit.as_mut().and_then(|visit| visit.pool.as_mut()) else { return };
        let (id, rule) = (pool.ward, pool.rules.victim);
        let Some(ward) = self.wards.get_mut(id) else { return };
        let is_near = ward.policy().warned();
        if is_near && !std::mem::replace(&mut pool.was_near, is_near) {
            self.wards.iter_mut().for_each(|ward| ward.workload.refresh_rank());
            return self.serve_pool();
        }
        pool.was_near = is_near;
        match ward.take_choice() {
            Some(choice) if choice.at_once => self.end_at_once(id, choice, rule),
            Some(choice) => self.end_one(id, choice, rule),
            None if ward.policy().waits_for_victim() && !self.is_ending_one(id) => self.yielded(id),
            None => {}
        }
    }

    fn yielded(&mut self, pool: WardId) {
        self.wards.get_mut(pool).into_iter().for_each(|ward| ward.handle(Event::Yielded));
    }

    fn is_ending_one(&self, pool: WardId) -> bool {
        self.wards.iter().any(|ward| ward.id() != pool && is_going(ward))
    }

    /// Whoever is being ended gets SIGKILL now; where nobody is, somebody is chosen.
    fn end_at_once(&mut self, pool: WardId, choice: Choice, rule: Victim) {
        if !self.is_ending_one(pool) {
            return self.end_one(pool, choice, rule);
        }
        let breach = choice.breach;
        let at_once = Event::Operator(Command::Yield { breach, at_once: true });
        let others = self.wards.iter_mut().filter(|ward| ward.id() != pool && is_going(ward));
        others.for_each(|ward| ward.handle(at_once));
    }

    /// One is ended. Whoever is being ended already, for a limit of its own, does as well.
    fn end_one(&mut self, pool: WardId, choice: Choice, rule: Victim) {
        // Far from its own limit, the last look at one may be a second old.
        self.wards.iter_mut().filter(|ward| ward.id() != pool).for_each(Ward::look);
        if self.is_ending_one(pool) {
            return;
        }
        let others = || self.wards.iter().filter(|ward| ward.id() != pool && !ward.has_ended());
        let count = others().count();
        let candidates = others().map(|ward| (ward.id(), candidate(ward)));
        let Some((id, chosen)) = choose(rule, candidates) else {
            let all = self.wards.get_mut(pool);
            all.into_iter().for_each(|ward| ward.say_once(Level::Error, NOBODY));
            return self.yielded(pool);
        };
        let breach = choice.breach;
        let Some(victim) = self.wards.get_mut(id) else { return };
        victim.handle(Event::Operator(Command::Yield { breach, at_once: false }));
        let name = victim.rules.name.clone();
        let (why, among) = (words::reason(&choice.reason), among(rule, &chosen, count));
        let text = format!("all together: {why}: {name} is ended, {among}");
        self.wards.get_mut(pool).into_iter().for_each(|ward| ward.say(Level::Error, text.clone()));
    }
}

/// Whether it is on its way out.
fn is_going(ward: &Ward) -> bool {
    ward.is_being_ended() && !ward.has_ended()
}

fn candidate(ward: &Ward) -> Candidate {
    let (policy, rank) = (ward.policy(), ward.workload.rank());
    Candidate {
        footprint: policy.last().footprint(),
        growth: policy.growth().per_second(),
        arrival: ward.id().to_number(),
        priority: rank.priority,
        low: rank.low,
    }
}

/// Why it and nobody else.
fn among(rule: Victim, chosen: &Candidate, count: usize) -> String {
    let size = chosen.footprint;
    match rule {
        Victim::Largest => format!("the largest of {count} ({size})"),
        Victim::FastestGrowing => {
            let growth = crate::units::Bytes(u64::try_from(chosen.growth).unwrap_or(0));
            format!("which grows most of {count} ({growth}/s, {size})")
        }
        Victim::Newest => format!("the newest of {count} ({size})"),
        Victim::LowestPriority => {
            format!("of the lowest priority of {count} ({}, {size})", chosen.priority)
        }
    }
}
