//! The promises about single processes: of any weighings, in any order.

use crate::policy::rules::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;
use sentinel::clock::Timestamp;
use sentinel::event::{Action, Crowd, Event, ProcessEnd, ProcessId, Weight};
use sentinel::policy::culprit::CulpritRule;
use sentinel::policy::{Policy, PolicyConfig};
use sentinel::units::Bytes;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

const EACH: u64 = 40;

/// Who may be ended.
pub fn rules() -> impl Strategy<Value = CulpritRule> {
    (any::<bool>(), any::<bool>()).prop_map(|(each, largest)| CulpritRule {
        process_memory: each.then_some(Bytes::mib(EACH)),
        largest,
    })
}

fn id(pid: i32) -> ProcessId {
    ProcessId { pid, started: 7 }
}

/// Five processes at most around the limit of each, of whom one is the command's own, and who of two is gone.
pub fn crowds() -> impl Strategy<Value = Crowd> {
    let weight = (1..6i32, prop_oneof![Just(39), Just(40), 1..100u64]);
    (vec(weight, 0..5), prop::option::weighted(0.3, 2..6i32), prop::option::weighted(0.1, 2..6i32))
        .prop_map(|(mut weights, first, second)| {
            weights.sort_by_key(|(pid, mib)| (*pid, *mib));
            weights.dedup_by_key(|(pid, _)| *pid);
            let mut crowd = Crowd { gone: [first.map(id), second.map(id)], ..Crowd::default() };
            for (place, (pid, mib)) in crowd.largest.iter_mut().zip(weights) {
                *place = Some(Weight {
                    id: id(pid),
                    size: Bytes::mib(mib),
                    own: Bytes::mib(mib),
                    is_command: pid == 1,
                });
            }
            crowd
        })
}

/// Plays them; each wish for a weighing is answered by the next crowd.
pub fn promises(config: PolicyConfig, events: &[(Timestamp, Event)], crowds: &[Crowd]) -> Verdict {
    let mut edge = Edge {
        policy: Policy::new(config, Timestamp::default()),
        config,
        asked: HashMap::new(),
        killed: HashSet::new(),
        last: [None, None],
    };
    let mut crowds = crowds.iter().cycle();
    for (at, event) in events {
        let mut waiting = vec![*event];
        // A look that is wanted at once sees the same again.
        for _ in 0..4 {
            let Some(event) = waiting.pop() else { break };
            let actions = edge.take(event, *at)?;
            let crowd = actions.contains(&Action::Weigh).then(|| crowds.next()).flatten();
            waiting.extend(crowd.map(|crowd| Event::Processes(*crowd)));
        }
    }
    Ok(())
}

struct Edge {
    policy: Policy,
    config: PolicyConfig,
    /// Who has the polite signal, and since when.
    asked: HashMap<i32, Timestamp>,
    killed: HashSet<i32>,
    last: [Option<Crowd>; 2],
}

impl Edge {
    fn take(&mut self, event: Event, now: Timestamp) -> Result<Vec<Action>, TestCaseError> {
        let mut event = event;
        if let Event::Processes(crowd) = &mut event {
            for id in crowd.gone.iter().flatten() {
                self.asked.remove(&id.pid);
                self.killed.remove(&id.pid);
            }
            // As the edge does: who is being ended is not among them.
            let asked = &self.asked;
            let is_asked = |weight: &Weight| asked.contains_key(&weight.id.pid);
            crowd.largest.iter_mut().for_each(|place| {
                place.take_if(|weight| is_asked(weight));
            });
            self.last = [self.last[1], Some(*crowd)];
        }
        let actions = self.policy.handle(event, now);
        for action in &actions {
            let on_all = matches!(action, Action::Terminate | Action::Kill | Action::Freeze);
            prop_assert!(!(on_all && self.config.is_machine), "{action:?} of the machine");
            let Action::EndProcess(end) = action else { continue };
            self.is_right(*end, now)?;
        }
        Ok(actions.to_vec())
    }

    fn is_right(&mut self, end: ProcessEnd, now: Timestamp) -> Verdict {
        prop_assert!(!self.config.dry_run, "a dry run ended {end:?}");
        let pid = end.id.pid;
        prop_assert!(pid != 1, "the command's own process was ended by itself");
        if end.kill {
            let since = self.asked.get(&pid).copied();
            let Some(since) = since else {
                return Err(TestCaseError::fail(format!("not asked: {end:?}")));
            };
            let early = self.killed.insert(pid) && now.since(since) < self.policy.grace();
            // Before its time at the second line alone, which is for the largest of all; of a machine, with half of the floor gone too.
            let may_be = end.with_descendants || self.config.is_machine;
            prop_assert!(!early || may_be, "early: {end:?}");
            return Ok(());
        }
        prop_assert!(self.asked.insert(pid, now).is_none(), "asked twice: {end:?}");
        let weighed = |crowd: &Option<Crowd>| {
            let found = crowd.iter().flat_map(|crowd| crowd.largest.iter().flatten());
            found.copied().find(|weight| weight.id == end.id).map(|weight| weight.size)
        };
        let Some(size) = weighed(&self.last[1]) else {
            return Err(TestCaseError::fail(format!("unseen: {end:?}")));
        };
        if end.with_descendants {
            prop_assert!(self.config.culprit.largest, "{end:?}");
            return Ok(());
        }
        if self.config.is_machine && self.config.culprit.largest {
            return Ok(());
        }
        let limit = self.config.culprit.process_memory;
        prop_assert!(limit.is_some_and(|limit| size >= limit), "{size} of {limit:?}: {end:?}");
        let before = weighed(&self.last[0]);
        prop_assert!(before.is_some_and(|size| size >= Bytes::mib(EACH)), "seen once: {end:?}");
        Ok(())
    }
}

/// A grace period that tests can wait for.
pub fn short_grace(config: PolicyConfig, culprit: CulpritRule) -> PolicyConfig {
    PolicyConfig { culprit, grace: config.grace.min(Duration::from_millis(500)), ..config }
}
