//! What happened to a policy and what it did, step by step; and the two ways to get there: a list of events played as it
//! is, or a guardian that obeys each action on a simulated workload.

use crate::policy::deeds::deed;
use crate::policy::workload::{Plan, Workload};
use sentinel::clock::Timestamp;
use sentinel::event::{Action, Command, DeedResult, Event, Glance, Sample};
use sentinel::lines::Lines;
use sentinel::policy::{Actions, Policy, PolicyConfig};
use std::time::Duration;

/// One event and what it led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// What was done.
    pub actions: Actions,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its rules.
    pub config: PolicyConfig,
    /// All that happened.
    pub steps: Vec<Step>,
    /// Lines and grace period in force at each step.
    in_force: Vec<(Lines, Duration, Option<Duration>)>,
}

/// A run to be simulated.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its rules.
    pub config: PolicyConfig,
    /// What the workload does.
    pub plan: Plan,
    /// What operators ask for, and when.
    pub commands: Vec<(u64, Command)>,
}

/// A simulated run ends at the latest when an operator has had enough, at this millisecond.
pub const LAST: u64 = 8_000;

impl Trace {
    /// Plays events as they are, whether or not they answer an action.
    pub fn play(config: PolicyConfig, events: &[(Timestamp, Event)]) -> Trace {
        let mut policy = Policy::new(config, Timestamp::default());
        let play = |(at, event): &(Timestamp, Event)| Step {
            at: *at,
            event: *event,
            actions: policy.handle(*event, *at),
        };
        Trace::new(config, events.iter().map(play).collect())
    }

    /// Guards a simulated workload to its end. At each of `early` a deadline comes that nobody asked for.
    pub fn simulate(story: &Story, early: &[u64]) -> Trace {
        let workload = Workload::new(story.plan.clone(), &story.config.lines);
        let policy = Policy::new(story.config, Timestamp::default());
        let mut guard = Guard { policy, workload, now: 0, steps: Vec::new() };
        while guard.policy.next_deadline().is_some() {
            guard.millisecond(&story.commands);
            if early.contains(&guard.now) {
                guard.needless_deadline();
            }
            guard.now += 1;
            assert!(guard.now < LAST + 10_000, "the run never ends");
        }
        Trace::new(story.config, guard.steps)
    }

    /// The first step in which this was done.
    pub fn first(&self, wanted: Action) -> Option<usize> {
        self.steps.iter().position(|step| step.actions.contains(&wanted))
    }

    /// The lines in force at a step.
    pub fn lines(&self, index: usize) -> Lines {
        self.in_force[index].0
    }

    /// The grace period in force at a step.
    pub fn grace(&self, index: usize) -> Duration {
        self.in_force[index].1
    }

    /// The wall-clock limit in force at a step.
    pub fn timeout(&self, index: usize) -> Option<Duration> {
        self.in_force[index].2
    }

    /// The step with which the run was over, if it was.
    pub fn end(&self) -> Option<usize> {
        let finishes = |action: &Action| matches!(action, Action::Finish(_));
        self.steps.iter().position(|step| step.actions.iter().any(finishes))
    }

    fn new(config: PolicyConfig, steps: Vec<Step>) -> Trace {
        let mut now = (config.lines, config.grace, config.timeout);
        let mut in_force = Vec::with_capacity(steps.len());
        let (mut footprint, mut ending, mut held_back) = (0, false, None::<Lines>);
        for step in &steps {
            match step.event {
                Event::Sample(sample) => {
                    footprint = sample.footprint().0;
                    // Cache that reclaim was seen not to get is in use, too: whether it was is the policy's to tell.
                    let sets = step.actions.iter().any(|it| matches!(it, Action::SetLines(_)));
                    let tells = sets || config.dry_run;
                    let fits = |lines: &Lines| match tells {
                        true => footprint < lines.allowance().0,
                        false => sample.current < lines.allowance(),
                    };
                    now.0 = held_back.take_if(|lines| !ending && fits(lines)).unwrap_or(now.0);
                }
                Event::Operator(Command::SetLines(lines)) => {
                    (now.0, held_back) = after_command(now.0, lines, footprint);
                }
                Event::Operator(Command::SetGrace(grace)) => now.1 = grace,
                Event::Operator(Command::SetTimeout(timeout)) => now.2 = timeout,
                Event::Operator(_)
                | Event::Deadline
                | Event::ChildExited(_)
                | Event::Empty
                | Event::Yielded
                | Event::Processes(_)
                | Event::Done(..) => {}
            }
            ending |= [Action::Terminate, Action::Kill].iter().any(|it| step.actions.contains(it));
            in_force.push(now);
        }
        Trace { config, steps, in_force }
    }
}

/// Lines below what is in use are held back: the kernel's own stay where they are, and only the limit is lower at once.
fn after_command(before: Lines, wanted: Lines, footprint: u64) -> (Lines, Option<Lines>) {
    if footprint < wanted.allowance().0 || wanted.ceiling >= before.ceiling {
        return (wanted, None);
    }
    (Lines { limit: before.limit.min(wanted.limit), ..before }, Some(wanted))
}

struct Guard {
    policy: Policy,
    workload: Workload,
    now: u64,
    steps: Vec<Step>,
}

impl Guard {
    fn millisecond(&mut self, commands: &[(u64, Command)]) {
        for event in self.workload.step(self.now) {
            // The edge looks a last time before it says that all is over: the kernel's counters are in it.
            self.deliver(Event::Sample(self.workload.sample()));
            self.deliver(event);
        }
        if self.now.is_multiple_of(10) && self.workload.at_trip_wire() {
            self.look();
        }
        for (at, command) in commands {
            if *at == self.now {
                self.deliver(Event::Operator(*command));
            }
        }
        if self.now == LAST {
            self.deliver(Event::Operator(Command::Kill));
        }
        self.deadline();
    }

    /// Delivers what is due, on the millisecond: handling it makes the next one lie ahead.
    fn deadline(&mut self) {
        let now = Timestamp::from_millis(self.now);
        if self.policy.next_deadline().is_some_and(|at| at <= now) {
            self.deliver(Event::Deadline);
            let next = self.policy.next_deadline();
            assert!(next.is_none_or(|at| at > now), "busy at {now:?}: {:?}", self.policy.rung());
            self.needless_deadline();
        }
    }

    fn needless_deadline(&mut self) {
        let (rung, next) = (self.policy.rung(), self.policy.next_deadline());
        let actions = self.policy.handle(Event::Deadline, Timestamp::from_millis(self.now));
        assert_eq!(actions, Actions::new(), "at {}", self.now);
        assert_eq!((self.policy.rung(), self.policy.next_deadline()), (rung, next));
    }

    fn deliver(&mut self, event: Event) {
        let at = Timestamp::from_millis(self.now);
        let actions = self.policy.handle(event, at);
        self.steps.push(Step { at, event, actions: actions.clone() });
        for action in &actions {
            self.obey(action);
            if let Some(deed) = deed(action) {
                self.deliver(Event::Done(deed, DeedResult::Done));
            }
        }
        if actions.contains(&Action::Look) {
            self.look();
        }
    }

    /// As the edge does.
    fn look(&mut self) {
        let sample = self.workload.sample();
        let Sample { current, counters, .. } = sample;
        let now = Timestamp::from_millis(self.now);
        if !self.policy.suffices(Glance { current, counters }, now) {
            self.deliver(Event::Sample(sample));
        }
    }

    fn obey(&mut self, action: &Action) {
        match action {
            Action::SetTripWire(high) => self.workload.set_high(high.value().unwrap_or(u64::MAX)),
            Action::SetLines(lines) => self.workload.set_lines(lines),
            Action::Freeze => self.workload.freeze(true),
            Action::Thaw => self.workload.freeze(false),
            Action::Terminate => self.workload.terminate(),
            Action::Kill => self.workload.kill(),
            Action::SetPids(_) | Action::Signal(_) => {}
            Action::Look | Action::Choose(_) | Action::Tell(_) | Action::Finish(_) => {}
            Action::Weigh | Action::EndProcess(_) => {}
        }
    }
}
