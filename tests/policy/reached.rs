//! Which rungs and rules a run reached: properties of what is never reached would hold of anything.

use crate::policy::trace::Trace;
use sentinel::event::{
    Action, AtBreach, Cause, Command, Event, KillReason, Notice, Outcome, Reason,
};
use std::collections::BTreeMap;

/// All that the runs together must reach.
pub const ALL: [&str; 25] = [
    "SIGTERM: breach",
    "SIGTERM: climb",
    "SIGTERM: stuck",
    "SIGTERM: thrash",
    "SIGTERM: timeout",
    "SIGTERM: host memory",
    "SIGTERM: operator",
    "SIGTERM: command ended",
    "SIGKILL: grace over",
    "SIGKILL: second line",
    "SIGKILL: ahead of it",
    "SIGKILL: host memory",
    "SIGKILL: operator",
    "SIGKILL again",
    "warned by share",
    "warned by time",
    "frozen",
    "thawed by SIGTERM",
    "limit set",
    "limit held back",
    "grace set",
    "timeout set",
    "dry run would",
    "ended by itself",
    "ended by us",
];

/// And where a breach is answered in other ways.
pub const AT_BREACH: [&str; 6] = [
    "frozen at a breach",
    "thawed below the limit",
    "thawed over the limit",
    "frozen for all its time",
    "told of a breach",
    "would be frozen",
];

/// In how many runs each was reached.
#[derive(Debug, Default)]
pub struct Reached {
    runs: BTreeMap<&'static str, u64>,
}

impl Reached {
    /// Counts a run.
    pub fn count(&mut self, trace: &Trace) {
        let mut names: Vec<_> = trace
            .steps
            .iter()
            .flat_map(|step| step.actions.iter().filter_map(|action| name(action, &step.actions)))
            .collect();
        let kills = trace.steps.iter().filter(|step| step.actions.contains(&Action::Kill)).count();
        names.extend((kills > 1).then_some("SIGKILL again"));
        let held_back = trace.steps.iter().any(|step| {
            matches!(step.event, Event::Operator(Command::SetLines(_)))
                && !trace.config.dry_run
                && !step.actions.is_empty()
                && !step.actions.iter().any(|action| matches!(action, Action::SetLines(_)))
        });
        names.extend(held_back.then_some("limit held back"));
        names.sort_unstable();
        names.dedup();
        names.into_iter().for_each(|name| *self.runs.entry(name).or_default() += 1);
    }

    /// In how many runs.
    pub fn of(&self, name: &str) -> u64 {
        self.runs.get(name).copied().unwrap_or(0)
    }
}

fn name(action: &Action, beside: &[Action]) -> Option<&'static str> {
    Some(match action {
        Action::Tell(notice) => return notice_name(notice),
        Action::Thaw if beside.contains(&Action::Terminate) => "thawed by SIGTERM",
        Action::Freeze => "frozen",
        Action::SetLines(_) => "limit set",
        Action::Finish(Outcome { cause: Cause::Itself, .. }) => "ended by itself",
        Action::Finish(Outcome { cause: Cause::Guardian { .. }, .. }) => "ended by us",
        Action::Finish(_) | Action::Look | Action::SetTripWire(_) | Action::Thaw => return None,
        Action::SetPids(_) | Action::Signal(_) => return None,
        Action::Terminate | Action::Kill | Action::Choose(_) => return None,
        Action::Weigh | Action::EndProcess(_) => return None,
    })
}

fn notice_name(notice: &Notice) -> Option<&'static str> {
    Some(match notice {
        Notice::Terminating { reason, .. } => match reason {
            Reason::Breach { .. } => "SIGTERM: breach",
            Reason::Climb { .. } => "SIGTERM: climb",
            Reason::Stuck { .. } => "SIGTERM: stuck",
            Reason::Thrash { .. } => "SIGTERM: thrash",
            Reason::Pool(_) => "SIGTERM: pool",
            Reason::Process { .. } => "SIGTERM: process-memory",
            Reason::Timeout { .. } => "SIGTERM: timeout",
            Reason::HostMemory { .. } => "SIGTERM: host memory",
            Reason::Operator => "SIGTERM: operator",
            Reason::ChildExited => "SIGTERM: command ended",
        },
        Notice::Killing { why, .. } => match why {
            KillReason::GraceOver { .. } => "SIGKILL: grace over",
            KillReason::SecondLine { .. } => "SIGKILL: second line",
            KillReason::Ahead { .. } => "SIGKILL: ahead of it",
            KillReason::Pool(_) => "SIGKILL: pool",
            KillReason::HostMemory { .. } => "SIGKILL: host memory",
            KillReason::Operator => "SIGKILL: operator",
        },
        Notice::NearLimit { .. } => "warned by share",
        Notice::NearInTime { .. } => "warned by time",
        Notice::NewGrace(_) => "grace set",
        Notice::NewTimeout(_) => "timeout set",
        Notice::WouldTerminate { .. } => "dry run would",
        Notice::AtBreach(what) => breach_name(what),
        Notice::NewLines(_) | Notice::Frozen | Notice::Thawed => return None,
        Notice::Leftover { .. }
        | Notice::StillThere { .. }
        | Notice::KernelOom { .. }
        | Notice::PidsMax { .. } => {
            return None;
        }
        Notice::SignalRefused { .. } | Notice::NewPids(_) | Notice::Signalled(_) => return None,
        Notice::Process(_) | Notice::NobodyToEnd { .. } => return None,
    })
}

fn breach_name(what: &AtBreach) -> &'static str {
    match what {
        AtBreach::Frozen { .. } => "frozen at a breach",
        AtBreach::ThawedBelow { .. } => "thawed below the limit",
        AtBreach::ThawedOver { .. } => "thawed over the limit",
        AtBreach::FreezeOver { .. } => "frozen for all its time",
        AtBreach::OverLimit { .. } => "told of a breach",
        AtBreach::WouldFreeze { .. } => "would be frozen",
    }
}
