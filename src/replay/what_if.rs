//! What other rules would have done in a recorded run, as far as that can be known: up to the first moment at which the workload was
//! told something that it would not have been told, or the other way round. Behind it the trace says nothing about the other run.

pub use super::changes::Changes;
use crate::clock::Timestamp;
use crate::event::{Action, Cause, Event, KillReason, Notice, Outcome, Reason, Sample};
use crate::lines::LinesError;
use crate::policy::{Policy, PolicyConfig, Rung};
use crate::status::Tier;
use crate::trace::format::moment;
use crate::trace::reader::{Recorded, Trace};
use crate::units::Bytes;
use std::time::Duration;

/// A breach is looked at twice; where the trace has no second look so soon, the same is seen again.
const SECOND_LOOK: Duration = Duration::from_millis(20);

/// What would have come of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    /// It would have come to the end that it came to.
    Lived,
    /// SIGTERM (or, by an operator, SIGKILL) would have been sent.
    Ended {
        /// When.
        at: Timestamp,
        /// The last look before that found nothing.
        after: Timestamp,
        /// Why.
        reason: Reason,
        /// SIGKILL, if that is known to have followed.
        killed: Option<(Timestamp, KillReason)>,
        /// What followed is known, because it was told the same in the recorded run.
        known: bool,
    },
    /// It would have lived until then, where the recorded run was ended, or the recording.
    Unknown {
        /// When.
        at: Timestamp,
        /// What ended there.
        why: Why,
        /// Time from there to the limit, had it gone on growing as it did.
        left: Option<Duration>,
    },
}

/// Why nothing is known from some moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Sentinel sent SIGTERM or SIGKILL in the recorded run.
    RecordedEnd,
    /// Sentinel froze the recorded run for a breach.
    RecordedFreeze,
    /// A single process was ended there, or would be: what the others did then nobody knows.
    SingleProcess,
    /// The kernel's OOM killer acted.
    KernelOom,
    /// The recording stops.
    Cut,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIfAnswer {
    /// The rules.
    pub config: PolicyConfig,
    /// The first warning of each kind.
    pub warnings: Vec<(Timestamp, Notice)>,
    /// What would have come of it.
    pub verdict: Prediction,
    /// The highest footprint, and the highest `memory.current`, up to there.
    pub peaks: (Bytes, Bytes),
    /// From this moment on the recorded run was slowed down at its own limit, which is below.
    pub slowed: Option<Timestamp>,
}

/// Plays the trace by other rules.
///
/// # Errors
/// When the lines leave no room for one another.
pub fn ask(trace: &Trace, changes: &Changes) -> Result<WhatIfAnswer, LinesError> {
    let recorded = PolicyConfig::from(trace.start.rules);
    let config = changes.apply(recorded)?;
    let started = moment(trace.start.t);
    let mut game = Game {
        policy: Policy::new(config, started),
        reclaims: trace.start.tier == Tier::Kernel && (changes.moves_lines() || recorded.dry_run),
        calm: started,
        warnings: Vec::new(),
        told: Told::default(),
        recorded: (false, false),
    };
    let verdict = game.play(trace, changes);
    let (peak, peak_footprint) = game.policy.peaks();
    let slowed = slowed(trace).filter(|_| config.lines.limit > recorded.lines.limit);
    let (warnings, peaks) = (game.warnings, (peak_footprint, peak));
    Ok(WhatIfAnswer { config, warnings, verdict, peaks, slowed })
}

/// When the kernel first slowed the recorded run down at its trip-wire.
fn slowed(trace: &Trace) -> Option<Timestamp> {
    let (_, first) = trace.samples().next()?;
    trace.samples().find(|(_, s)| s.counters.high > first.counters.high).map(|(at, _)| at)
}

/// A look with as much page cache as the limit leaves room for.
fn reclaimed(sample: Sample, limit: Bytes) -> Sample {
    let over = sample.current.saturating_sub(limit).min(sample.cache);
    let (current, cache) = (sample.current.saturating_sub(over), sample.cache.saturating_sub(over));
    Sample { current, cache, ..sample }
}

/// What the other rules did so far.
#[derive(Debug, Default)]
struct Told {
    term: Option<(Timestamp, Timestamp, Reason)>,
    kill: Option<(Timestamp, KillReason)>,
    outcome: Option<Outcome>,
    /// A single process was, or would be, ended.
    process: bool,
}

struct Game {
    policy: Policy,
    /// Page cache above the limit, which the recorded run did not have or which lay elsewhere, is what the kernel would take back.
    reclaims: bool,
    /// The last look that found nothing.
    calm: Timestamp,
    warnings: Vec<(Timestamp, Notice)>,
    told: Told,
    /// Whether the recorded run got SIGTERM and SIGKILL by now.
    recorded: (bool, bool),
}

impl Game {
    fn play(&mut self, trace: &Trace, changes: &Changes) -> Prediction {
        for (index, step) in trace.steps.iter().enumerate() {
            self.pass_time(step.at);
            let left_out = match &step.event {
                Event::Deadline => true,
                Event::Operator(command) => changes.overrides(command),
                // Other rules may have moved other lines: what they did is taken to have been done.
                Event::Done(..) => true,
                Event::Sample(_) | Event::ChildExited(_) | Event::Empty | Event::Yielded => false,
                Event::Processes(_) => false,
            };
            if !left_out {
                let soon = trace.steps[index + 1..].iter().find(|next| next.sample().is_some());
                let again = soon.is_none_or(|next| next.at.since(step.at) > SECOND_LOOK);
                self.take(step, changes, again);
            }
            self.recorded.0 |= step.did("terminate");
            self.recorded.1 |= step.did("kill");
            let froze = step.did.iter().any(|did| did.starts_with("tell frozen-at-breach"));
            self.told.process |= step.did.iter().any(|did| did.starts_with("end-process"));
            let unknown = || match (froze, self.told.process) {
                (true, _) => Some(self.unknown(step.at, Why::RecordedFreeze)),
                (false, true) => Some(self.unknown(step.at, Why::SingleProcess)),
                (false, false) => None,
            };
            let parted = self.parted(step.at).or_else(unknown);
            if let Some(verdict) = parted.or_else(|| self.over(step.at)) {
                return verdict;
            }
        }
        self.unknown(trace.last(), Why::Cut)
    }

    /// The moments that the policy waits for: the end of the grace period, the wall-clock limit.
    fn pass_time(&mut self, now: Timestamp) {
        let due = match self.policy.rung() {
            Rung::Watching { .. } => self.policy.timeout_at(),
            Rung::Terminating { kill_at, .. } => Some(kill_at),
            Rung::Killing { .. } | Rung::Ended => None,
        };
        if let Some(at) = due.filter(|at| *at <= now) {
            self.deliver(Event::Deadline, at);
        }
    }

    fn take(&mut self, step: &Recorded, changes: &Changes, again: bool) {
        let limit = self.policy.lines().limit;
        let event = match step.sample().filter(|_| self.reclaims) {
            Some(sample) => Event::Sample(reclaimed(*sample, limit)),
            None => changes.applied_to(step.event),
        };
        let wants_another = self.deliver(event, step.at);
        let watching = matches!(self.policy.rung(), Rung::Watching { confirming: true });
        if wants_another && watching && again {
            self.deliver(event, step.at);
        }
        if matches!(self.policy.rung(), Rung::Watching { confirming: false }) {
            self.calm = step.at;
        }
    }

    /// True when another look is wanted.
    fn deliver(&mut self, event: Event, at: Timestamp) -> bool {
        let actions = self.policy.handle(event, at);
        let rule = self.policy.culprit_rule();
        for action in &actions {
            match action {
                Action::Tell(Notice::Terminating { reason, .. }) => {
                    self.told.term = Some((at, self.calm, *reason));
                }
                Action::Tell(Notice::Killing { why, .. }) => self.told.kill = Some((at, *why)),
                Action::Tell(notice @ (Notice::NearLimit { .. } | Notice::NearInTime { .. })) => {
                    self.warn(at, *notice)
                }
                Action::Finish(outcome) => self.told.outcome = Some(*outcome),
                Action::EndProcess(_) => self.told.process = true,
                // Which one would be chosen was not recorded.
                Action::Weigh if rule.largest && rule.process_memory.is_none() => {
                    self.told.process = true;
                }
                Action::Tell(_)
                | Action::Weigh
                | Action::Look
                | Action::SetTripWire(_)
                | Action::SetLines(_)
                | Action::SetPids(_)
                | Action::Signal(_)
                | Action::Freeze
                | Action::Thaw
                | Action::Terminate
                | Action::Kill
                | Action::Choose(_) => {}
            }
        }
        actions.contains(&Action::Look)
    }

    fn warn(&mut self, at: Timestamp, notice: Notice) {
        let kind = std::mem::discriminant(&notice);
        if self.warnings.iter().all(|(_, told)| std::mem::discriminant(told) != kind) {
            self.warnings.push((at, notice));
        }
    }

    /// Whether one of the two runs was told something by now that the other was not.
    fn parted(&self, now: Timestamp) -> Option<Prediction> {
        let ours = (self.told.term.is_some(), self.told.kill.is_some());
        match (ours, self.recorded) {
            (ours, recorded) if ours == recorded => None,
            ((false, false), _) => Some(self.unknown(now, Why::RecordedEnd)),
            ((_, true), _) => self.ended(false),
            // The recorded run was killed where this one would still have had time.
            ((true, false), _) => self.ended(false),
        }
    }

    /// Whether the workload came to its end.
    fn over(&self, now: Timestamp) -> Option<Prediction> {
        match self.told.outcome?.cause {
            Cause::KernelOom => Some(self.unknown(now, Why::KernelOom)),
            Cause::Itself | Cause::SystemdStop | Cause::SystemdOomd => Some(Prediction::Lived),
            Cause::Guardian { .. } => self.ended(true),
        }
    }

    fn ended(&self, known: bool) -> Option<Prediction> {
        let killed = self.told.kill;
        let (at, after, reason) = match (self.told.term, killed) {
            (Some(term), _) => term,
            (None, Some((at, _))) => (at, self.calm, Reason::Operator),
            (None, None) => return None,
        };
        Some(Prediction::Ended { at, after, reason, killed, known })
    }

    fn unknown(&self, at: Timestamp, why: Why) -> Prediction {
        let left = self.policy.forecast().filter(|_| why != Why::KernelOom);
        Prediction::Unknown { at, why, left }
    }
}
