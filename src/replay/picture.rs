//! What a guardian would have told at one moment of a trace: made of the policy that replays it.

use crate::clock::Timestamp;
use crate::event::{Action, Event};
use crate::policy::{Policy, PolicyConfig, Rung};
use crate::report::{from_policy, words};
use crate::status::{EventLine, Level, Limits, SCHEMA_VERSION, Status, Tier};
use crate::trace::format::moment;
use crate::trace::reader::Trace;
use crate::units::millis;
use std::mem::{Discriminant, discriminant};

/// A trace on its way through its policy.
#[derive(Debug)]
pub(super) struct ReplayPicture<'a> {
    trace: &'a Trace,
    policy: Policy,
    dry_run: bool,
    signal: String,
}

impl<'a> ReplayPicture<'a> {
    /// Before the first event.
    pub(super) fn new(trace: &'a Trace) -> ReplayPicture<'a> {
        let config = PolicyConfig::from(trace.start.rules);
        let policy = Policy::new(config, moment(trace.start.t));
        let signal = words::signal_name(trace.start.term_signal);
        ReplayPicture { trace, policy, dry_run: config.dry_run, signal }
    }

    /// Takes an event; what people are told of it.
    pub(super) fn take(&mut self, event: Event, at: Timestamp) -> Vec<EventLine> {
        let actions = self.policy.handle(event, at);
        let told = |action: &Action| match action {
            Action::Tell(notice) => Some(words::notice(notice, &self.signal)),
            Action::Look
            | Action::SetTripWire(_)
            | Action::SetLines(_)
            | Action::SetPids(_)
            | Action::Signal(_)
            | Action::Weigh
            | Action::EndProcess(_)
            | Action::Freeze
            | Action::Thaw
            | Action::Terminate
            | Action::Kill
            | Action::Choose(_)
            | Action::Finish(_) => None,
        };
        let line = |(level, text)| EventLine { at_ms: millis(at.0), level, text };
        actions.iter().filter_map(told).map(line).collect()
    }

    /// The last words of the run.
    pub(super) fn end(&self) -> Option<EventLine> {
        let end = self.trace.end.as_ref()?;
        let text = format!("{} (exit {})", end.text, end.exit_status);
        Some(EventLine { at_ms: millis(self.trace.last().0), level: Level::Info, text })
    }

    /// What people see of the ladder: it changes when this does.
    pub(super) fn rung(&self) -> (Discriminant<Rung>, bool, bool) {
        let policy = &self.policy;
        (discriminant(&policy.rung()), policy.warned(), policy.frozen())
    }

    /// Everything about the workload at this moment.
    pub(super) fn status(&self, now: Timestamp) -> Status {
        let (policy, start) = (&self.policy, &self.trace.start);
        let sample = policy.last();
        let (state, reason, kill_at) = from_policy::state(policy.rung());
        let breach = from_policy::breach(policy, now);
        Status {
            name: String::new(),
            schema: SCHEMA_VERSION,
            version: start.version.clone(),
            guardian_pid: 0,
            guardian_rss: None,
            child_pid: start.pid,
            tree_pid: None,
            command: start.command.clone(),
            tier: start.tier,
            tier_reason: String::new(),
            placement: None,
            cgroup: None,
            started_unix_ms: None,
            uptime_ms: millis(now.0),
            state,
            frozen: policy.frozen(),
            dry_run: self.dry_run,
            reason: reason.or(breach.reason),
            breach: breach.state,
            breach_left_ms: breach.left_ms,
            process_ending: None,
            kill_in_ms: kill_at.map(|at| millis(at.since(now))),
            limits: self.limits(),
            memory: from_policy::memory(policy),
            growth: if policy.frozen() { 0 } else { policy.growth().per_second() },
            forecast_ms: policy.forecast().filter(|_| !policy.frozen()).map(millis),
            pressure: sample.pressure,
            events: sample.counters,
            warned: policy.warned(),
            processes: sample.processes,
            processes_ended: policy.processes_ended(),
            // Not in the trace.
            usage: None,
        }
    }

    fn limits(&self) -> Limits {
        let kernel = self.trace.start.tier == Tier::Kernel && !self.dry_run;
        from_policy::limits(&self.policy, kernel)
    }
}
