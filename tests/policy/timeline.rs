//! The notation of the scenarios: what the workload does and when, and what the guardian does about it.
//! A small perfect edge: every look shows the state at that moment, every deadline comes on the millisecond.

use crate::policy::deeds::deed;
use sentinel::clock::Timestamp;
use sentinel::event::{
    Action, Command, Crowd, DeedResult, Ending, Event, Glance, Notice, Outcome, ProcessId, Sample,
    Weight,
};
use sentinel::lines::Lines;
use sentinel::policy::interval::Cadence;
use sentinel::policy::thrash::ThrashRule;
use sentinel::policy::warn::WarnRule;
use sentinel::policy::{OnExit, Policy, PolicyConfig};
use sentinel::units::{Bytes, Percent};
use std::time::Duration;

/// What the kernel says to a signal that is not ours to send.
pub const EPERM: i32 = 1;

/// What happens at a moment.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// From now on looks see this; the kernel's event makes for a look at once.
    State(Sample),
    /// One look sees this; those after it see the state again.
    Glimpse(Sample),
    /// From now on all tasks wait for memory for this share of the time.
    Stalled(u64),
    /// From now on its processes hold this: number, MiB, and whether it is the command's own.
    Processes(&'static [(i32, u64, bool)]),
    /// This process is gone.
    Gone(i32),
    /// From now on the kernel refuses signals and freezing.
    Refused,
    /// Anything else.
    Happens(Event),
}

/// A footprint of so many MiB and no page cache.
pub fn used(mib: u64) -> Step {
    Step::State(memory(mib, 0))
}

/// `memory.current` of so many MiB, so many of them page cache.
pub fn cached(current: u64, cache: u64) -> Step {
    Step::State(memory(current, cache))
}

/// One look at a footprint that is gone at the next.
pub fn glimpse(mib: u64) -> Step {
    Step::Glimpse(memory(mib, 0))
}

/// The command ends with this status.
pub fn exits(status: u8) -> Step {
    Step::Happens(Event::ChildExited(Ending::Exited(status)))
}

/// This signal ends the command.
pub fn dies(signal: i32) -> Step {
    Step::Happens(Event::ChildExited(Ending::Signaled(signal)))
}

/// No process is left.
pub fn empty() -> Step {
    Step::Happens(Event::Empty)
}

/// An operator asks for this.
pub fn asks(command: Command) -> Step {
    Step::Happens(Event::Operator(command))
}

/// A reading in MiB.
pub fn memory(current: u64, cache: u64) -> Sample {
    Sample {
        current: Bytes::mib(current),
        cache: Bytes::mib(cache),
        processes: 3,
        ..Sample::default()
    }
}

/// The lines of a limit of so many MiB. 100: relief line 108, second line 128.75, ceiling 132.
pub fn lines(mib: u64) -> Lines {
    Lines {
        limit: Bytes::mib(mib),
        relief: Bytes::mib(mib + 8),
        second: Bytes::mib(mib * 4 + 115).share(Percent(25)),
        ceiling: Bytes::mib(mib + 32),
        swap: sentinel::units::Limit::At(0),
    }
}

/// 100 MiB, three seconds of grace, a warning at 80 %, 1 MiB of slack; everything else off.
pub fn rules() -> PolicyConfig {
    PolicyConfig {
        lines: lines(100),
        grace: Duration::from_secs(3),
        warn: WarnRule { share: Percent(80), within: Duration::from_secs(10) },
        thrash: None,
        on_breach: sentinel::policy::on_breach::BreachRule::default(),
        culprit: sentinel::policy::culprit::CulpritRule::default(),
        timeout: None,
        min_available: None,
        on_exit: OnExit::Wait,
        has_command: true,
        dry_run: false,
        cadence: Cadence::Events,
        reclaim: sentinel::policy::reclaim::ReclaimAt::TripWire,
        slack: Bytes::mib(1),
        is_pool: false,
        is_machine: false,
    }
}

/// All tasks waiting for 80 % of the time over ten seconds.
pub const THRASH: ThrashRule = ThrashRule { share: Percent(80), hold: Duration::from_secs(10) };

/// What was done, and at which millisecond.
#[derive(Debug, Default)]
pub struct Log(Vec<(u64, Action)>);

/// Plays the steps, and then the time until `until`.
pub fn run(config: PolicyConfig, steps: &[(u64, Step)], until: u64) -> Log {
    let mut edge = Edge {
        policy: Policy::new(config, Timestamp::default()),
        now: 0,
        state: Sample::default(),
        stalled: (0, 0, 0),
        refused: false,
        processes: &[],
        going: Vec::new(),
        gone: Vec::new(),
        log: Log::default(),
    };
    for (ms, step) in steps {
        edge.pass_time(*ms);
        edge.take(*step);
    }
    edge.pass_time(until + 1);
    edge.log
}

struct Edge {
    policy: Policy,
    now: u64,
    state: Sample,
    /// Since when, in milliseconds; microseconds stalled until then; share of the time from then on.
    stalled: (u64, u64, u64),
    refused: bool,
    processes: &'static [(i32, u64, bool)],
    /// Those that were signalled by themselves, and those of them that are gone and nobody was told of.
    going: Vec<ProcessId>,
    gone: Vec<ProcessId>,
    log: Log,
}

/// A process by its number.
pub fn id(pid: i32) -> ProcessId {
    ProcessId { pid, started: 7 }
}

impl Edge {
    /// Delivers every deadline before this moment.
    fn pass_time(&mut self, ms: u64) {
        while let Some(at) = self.policy.next_deadline() {
            let due = u64::try_from(at.0.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            let due = due.max(self.now);
            if due >= ms {
                break;
            }
            self.now = due;
            self.deliver(Event::Deadline);
            let next = self.policy.next_deadline();
            assert!(next.is_none_or(|at| at > Timestamp::from_millis(due)), "busy at {due} ms");
        }
        self.now = ms;
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::State(state) => {
                self.state = state;
                self.look();
            }
            Step::Glimpse(sample) => self.deliver(Event::Sample(sample)),
            Step::Stalled(share) => self.stalled = (self.now, self.stalled_so_far(), share),
            Step::Processes(processes) => {
                self.processes = processes;
                self.look();
            }
            Step::Gone(pid) => {
                self.processes = &[];
                self.gone.extend(self.going.extract_if(.., |it| it.pid == pid));
            }
            Step::Refused => self.refused = true,
            Step::Happens(event) => self.deliver(event),
        }
    }

    fn stalled_so_far(&self) -> u64 {
        let (since, before, share) = self.stalled;
        before + (self.now - since) * 10 * share
    }

    fn look(&mut self) {
        let (current, counters) = (self.state.current, self.state.counters);
        let now = Timestamp::from_millis(self.now);
        if self.policy.suffices(Glance { current, counters }, now) {
            return;
        }
        let stalled_usec = Some(self.stalled_so_far());
        self.deliver(Event::Sample(Sample { stalled_usec, ..self.state }));
    }

    fn weigh(&mut self) {
        let mut crowd = Crowd::default();
        let others = self.processes.iter().filter(|(pid, ..)| !self.going.contains(&id(*pid)));
        for (place, (pid, mib, is_command)) in crowd.largest.iter_mut().zip(others) {
            let (id, size, is_command) = (id(*pid), Bytes::mib(*mib), *is_command);
            *place = Some(Weight { id, size, own: size, is_command });
        }
        let told = self.gone.len().min(crowd.gone.len());
        for (place, id) in crowd.gone.iter_mut().zip(self.gone.drain(..told)) {
            *place = Some(id);
        }
        self.deliver(Event::Processes(crowd));
    }

    fn deliver(&mut self, event: Event) {
        let actions = self.policy.handle(event, Timestamp::from_millis(self.now));
        for action in &actions {
            self.log.0.push((self.now, *action));
            if *action == Action::Weigh {
                self.weigh();
            }
            if let Action::EndProcess(end) = action
                && !self.going.contains(&end.id)
            {
                self.going.push(end.id);
            }
            if let Some(deed) = deed(action) {
                let result =
                    if self.refused { DeedResult::Failed(EPERM) } else { DeedResult::Done };
                self.deliver(Event::Done(deed, result));
            }
        }
        if actions.contains(&Action::Look) {
            self.look();
        }
    }
}

impl Log {
    /// Everything that touches the workload, the end of the run included.
    pub fn does(&self, expected: &[(u64, Action)]) -> &Self {
        let acts: Vec<_> = self
            .0
            .iter()
            .filter(|(_, action)| !matches!(action, Action::Look | Action::Weigh | Action::Tell(_)))
            .copied()
            .collect();
        assert_eq!(acts, expected, "acts");
        self
    }

    /// How it ended.
    pub fn end(&self) -> Option<Outcome> {
        self.0.iter().find_map(|(_, action)| {
            if let Action::Finish(outcome) = action { Some(*outcome) } else { None }
        })
    }

    /// Everything that people are told.
    pub fn tells(&self, expected: &[(u64, Notice)]) -> &Self {
        let told: Vec<_> =
            self.0
                .iter()
                .filter_map(|(ms, action)| {
                    if let Action::Tell(notice) = action { Some((*ms, *notice)) } else { None }
                })
                .collect();
        assert_eq!(told, expected, "told");
        self
    }

    /// How often the processes were weighed.
    pub fn weighings(&self) -> usize {
        self.0.iter().filter(|(_, action)| *action == Action::Weigh).count()
    }

    /// How often it was looked from this millisecond to that one (excluded).
    pub fn looks(&self, from: u64, to: u64) -> usize {
        let look =
            |(ms, action): &&(u64, Action)| *action == Action::Look && (from..to).contains(ms);
        self.0.iter().filter(look).count()
    }
}
