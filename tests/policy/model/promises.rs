//! The promises, checked at each step of each run, by what the world is like and not by what the policy believes.

use crate::policy::model::tally::{Seen, Tally};
use crate::policy::model::world::{Cache, Rules, World};
use sentinel::event::{
    Action, AtBreach, Cause, Command, Event, KillReason, Notice, Outcome, Reason, Sample,
};
use sentinel::policy::reclaim::tried_line;
use sentinel::policy::{Actions, Rung};
use std::time::Duration;

pub type Verdict = Result<(), String>;

/// Between two looks at a quiet workload, where looks are dear: milliseconds.
const SLOWEST_LOOK: u64 = 600;
/// Milliseconds after which nobody remembers that a workload waited.
pub const LONG_AGO: u64 = 2500;

/// What of the past the promises need. Times in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    pub term: Option<u64>,
    pub first_kill: Option<u64>,
    pub last_kill: Option<u64>,
    /// When the grace period was last set.
    pub regraced: Option<u64>,
    /// Since when every look found `memory.current` over the relief line.
    pub over_relief: Option<u64>,
    /// Since when every look found pinned memory over the line at which it was tried.
    pub over_wire: Option<u64>,
    /// Whether memory can be pinned in this world.
    pub pins: bool,
    /// A signal of ours got through.
    pub reached: bool,
    pub finished: bool,
    /// Something failed in this run.
    pub faulty: bool,
    /// Frozen for a breach, since then.
    pub frozen: Option<u64>,
    /// An operator sets lines right now, in a workload that was not throttled.
    pub ordered_lines: bool,
    pub dry: bool,
    pub on_exit_terminates: bool,
    pub timeout: Option<u64>,
    /// Share, and hold in milliseconds.
    pub thrash: Option<(u64, u64)>,
    /// When it waited for memory, from and to; the last at the end.
    pub waits: Vec<(u64, u64)>,
}

macro_rules! promise {
    ($holds:expr, $($what:tt)+) => { if !$holds { return Err(format!($($what)+)); } };
}

impl Monitor {
    /// A tick of the workload, of which it waited for memory all the time or not at all. After SIGTERM that is of no interest.
    pub fn waited(&mut self, now: u64, tick: u64, stalls: bool) {
        if self.term.is_some() {
            self.waits.clear();
        } else if stalls {
            match self.waits.last_mut().filter(|last| last.1 == now - tick) {
                Some(last) => last.1 = now,
                None => self.waits.push((now - tick, now)),
            }
        }
        self.waits.retain(|(_, to)| now - to < LONG_AGO);
    }

    /// Whether there is a time of at least the hold, up to now, of which it waited at least the share.
    fn thrashes(&self, now: u64) -> bool {
        let Some((share, hold)) = self.thrash else { return false };
        let waited = |from: u64| -> u64 {
            let part = |(start, end): &(u64, u64)| end.saturating_sub(*start.max(&from));
            self.waits.iter().map(part).sum()
        };
        let begins = (0..=now.saturating_sub(hold)).rev().step_by(50);
        begins.take(60).any(|from| waited(from) * 100 >= (now - from) * share)
    }

    /// After the actions of an event were carried out.
    pub fn after_event(
        world: &mut World,
        before: &World,
        event: Event,
        actions: &Actions,
        rules: &Rules,
        tally: &mut Tally,
    ) -> Verdict {
        let did = |wanted: &Action| actions.contains(wanted);
        if before.monitor.finished {
            tally.note(Seen::EventAfterEnd);
            promise!(actions.is_empty(), "acted after the end: {actions:?}");
            return Ok(());
        }
        world.monitor.remember(before, event, rules);
        if let Event::Operator(Command::SetLines(lines)) = event {
            tally.note_if(lines.ceiling != world.policy.lines().ceiling, Seen::HeldBack);
        }
        for action in actions {
            if let Action::Tell(notice) = action {
                tally_notice(notice, tally);
            }
        }
        let now = (world.now, world.frozen);
        world.monitor.follow_freezing(actions, now);
        if let Event::Sample(sample) = event {
            heavier_acts_no_later(before, &sample, actions, rules, tally)?;
        }
        if did(&Action::Terminate) {
            terminates_rightly(world, before, event, actions, rules, tally)?;
        }
        if did(&Action::Kill) {
            kills_rightly(world, before, event, actions, rules, tally)?;
        }
        if before.monitor.dry {
            let writes = |a: &Action| matches!(a, Action::SetTripWire(_) | Action::SetLines(_));
            promise!(!actions.iter().any(writes), "a dry run wrote {actions:?}");
        }
        ends_rightly(world, actions, tally)
    }

    /// From the word of it until it is thawed or ended.
    pub fn follow_freezing(&mut self, actions: &Actions, (now, frozen): (u64, bool)) {
        for action in actions {
            match action {
                Action::Tell(Notice::AtBreach(AtBreach::Frozen { .. })) => {
                    self.frozen.get_or_insert(now);
                }
                Action::Terminate | Action::Kill => self.frozen = None,
                Action::Thaw if !frozen => self.frozen = None,
                Action::Look
                | Action::SetTripWire(_)
                | Action::SetLines(_)
                | Action::SetPids(_)
                | Action::Signal(_)
                | Action::Choose(_)
                | Action::Weigh
                | Action::EndProcess(_)
                | Action::Freeze
                | Action::Thaw
                | Action::Tell(_)
                | Action::Finish(_) => {}
            }
        }
    }

    fn remember(&mut self, before: &World, event: Event, rules: &Rules) {
        match event {
            Event::Sample(sample) => {
                let over = sample.current >= before.policy.lines().relief;
                let climbing = over && sample.footprint().0 * 2 >= before.policy.lines().limit.0;
                self.over_relief = climbing.then_some(self.over_relief.unwrap_or(before.now));
                let lines = before.policy.lines();
                let over = sample.current >= tried_line(lines, sample.processes);
                let pinned = over && before.cache.is_pinned();
                self.over_wire = pinned.then_some(self.over_wire.unwrap_or(before.now));
            }
            Event::Operator(Command::SetGrace(_)) => self.regraced = Some(before.now),
            Event::Operator(Command::SetTimeout(timeout)) => {
                self.timeout = timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
            }
            Event::Operator(_)
            | Event::Deadline
            | Event::ChildExited(_)
            | Event::Empty
            | Event::Yielded
            | Event::Processes(_)
            | Event::Done(..) => {}
        }
        self.faulty |= before.faults < rules.faults;
    }

    /// At the end of a tick, when all that was due is done.
    pub fn after_tick(world: &World, rules: &Rules, tally: &mut Tally) -> Verdict {
        let monitor = &world.monitor;
        if monitor.finished {
            return Ok(());
        }
        always_goes_on(world)?;
        in_time(world, tally)?;
        let long = 1000 + 2 * SLOWEST_LOOK;
        let pinned = monitor.over_wire.is_some_and(|at| world.now >= at + long);
        promise!(
            !pinned || monitor.term.is_some() || monitor.faulty,
            "pinned memory was never ended"
        );
        let faulty = monitor.faulty || world.broken;
        let excused = faulty || monitor.dry || world.faults < rules.faults;
        promise!(!world.oom || excused, "memory reached the ceiling");
        if !excused || matches!(world.policy.rung(), Rung::Watching { .. }) {
            promise!(world.policy.frozen() == world.frozen, "believes frozen: {}", !world.frozen);
        }
        let reader = world.cache == Cache::Read && world.current(rules) >= world.high;
        tally.note_if(reader && monitor.term.is_none(), Seen::ReaderAtTripWire);
        Ok(())
    }
}

/// A next deadline, ahead and not far; while terminating not behind the grace.
fn always_goes_on(world: &World) -> Verdict {
    let Some(next) = world.policy.next_deadline() else { return Err("no deadline".to_owned()) };
    let ahead = next.since(world.at());
    promise!(next > world.at(), "a deadline is missed");
    promise!(ahead <= Duration::from_secs(1), "the next deadline is {ahead:?} ahead");
    if let Rung::Terminating { kill_at, .. } = world.policy.rung() {
        promise!(next <= kill_at, "SIGKILL would come late");
    }
    Ok(())
}

/// The grace over: SIGKILL was sent; and sent again while anybody lives.
fn in_time(world: &World, tally: &mut Tally) -> Verdict {
    let monitor = &world.monitor;
    let grace = u64::try_from(world.policy.grace().as_millis()).unwrap_or(u64::MAX);
    if let Some(term) = monitor.term {
        let due = (term + grace).max(monitor.regraced.unwrap_or(0));
        let killed = monitor.first_kill.is_some();
        promise!(killed || world.now < due, "alive {} ms after SIGTERM", world.now - term);
        tally.note_if(world.now >= due, Seen::Deaf);
        let frozen = world.frozen && !monitor.faulty && !world.broken;
        promise!(!frozen, "frozen while being ended");
    }
    let most = u64::try_from(world.policy.breach_rule().freeze_for.as_millis()).unwrap_or(u64::MAX);
    let in_time = monitor.frozen.is_none_or(|since| world.now < since + most);
    promise!(in_time, "frozen for a breach for longer than {most} ms");
    if let Some(due) = monitor.timeout.filter(|_| !monitor.dry) {
        let ended = monitor.term.or(monitor.first_kill).is_some();
        promise!(ended || world.now < due, "alive {} ms after its time limit", world.now - due);
    }
    if let (Some((_, hold)), Some(last)) = (monitor.thrash, monitor.waits.last()) {
        let whole = last.1 == world.now && world.now - last.0 >= hold + 2 * SLOWEST_LOOK;
        promise!(!whole || monitor.term.is_some(), "it waits since {} and lives", last.0);
        tally.note_if(last.1 < world.now, Seen::WaitedForAWhile);
    }
    if let Some(last) = monitor.last_kill {
        promise!(world.doomed || world.now < last + 100, "SIGKILL is not repeated");
    }
    Ok(())
}

/// SIGTERM once, for a reason that is true of the workload, with the trip-wire lifted and nothing frozen.
fn terminates_rightly(
    world: &mut World,
    before: &World,
    event: Event,
    actions: &Actions,
    rules: &Rules,
    tally: &mut Tally,
) -> Verdict {
    promise!(before.monitor.term.is_none(), "SIGTERM twice");
    world.monitor.term = Some(world.now);
    let reason = actions.iter().find_map(|action| {
        let Action::Tell(Notice::Terminating { reason, .. }) = action else { return None };
        Some(*reason)
    });
    let monitor = &world.monitor;
    let firm = before.firm(rules);
    let (is_true, seen) = match reason {
        Some(Reason::Breach { .. }) => (firm >= before.policy.lines().limit.0, Seen::Breach),
        Some(Reason::Climb { .. }) => {
            (monitor.over_relief.is_some_and(|at| world.now >= at + 200), Seen::Climb)
        }
        Some(Reason::Stuck { .. }) => {
            (monitor.over_wire.is_some_and(|at| world.now >= at + 200), Seen::Stuck)
        }
        Some(Reason::Operator) => {
            (event == Event::Operator(Command::Terminate), Seen::TerminatedByOperator)
        }
        Some(Reason::Timeout { .. }) => {
            (monitor.timeout.is_some_and(|at| world.now >= at), Seen::TerminatedByTimeout)
        }
        Some(Reason::ChildExited) => {
            (monitor.on_exit_terminates && !world.command, Seen::TerminatedAfterCommand)
        }
        // Its machine has no floor.
        Some(Reason::HostMemory { .. }) => (false, Seen::Terminated),
        Some(Reason::Thrash { .. }) => (monitor.thrashes(world.now), Seen::TerminatedByThrash),
        // There is no pool here, and each process may hold what it likes.
        Some(Reason::Pool(_) | Reason::Process { .. }) | None => (false, Seen::Terminated),
    };
    promise!(is_true, "SIGTERM for {reason:?}, which is not so");
    promise!(!monitor.dry || seen == Seen::TerminatedByOperator, "SIGTERM in a dry run");
    tally.note(seen);
    tally.note(Seen::Terminated);
    tally.note_if(before.frozen, Seen::TerminatedFrozen);
    let works = world.faults == 0 && !world.monitor.faulty || rules.faults == 0;
    if works && !monitor.dry {
        let relief = world.policy.lines().relief.0;
        promise!(world.high >= relief, "the trip-wire stayed at {}", world.high);
        promise!(!world.frozen, "frozen at SIGTERM");
        let throttled = world.high <= world.current(rules);
        promise!(!(monitor.ordered_lines && throttled), "handlers are throttled by an order");
    }
    Ok(())
}

/// SIGKILL after SIGTERM and its grace, at the second line, or because an operator wants it.
fn kills_rightly(
    world: &mut World,
    before: &World,
    event: Event,
    actions: &Actions,
    rules: &Rules,
    tally: &mut Tally,
) -> Verdict {
    let monitor = &mut world.monitor;
    let (now, again) = (world.now, before.monitor.last_kill);
    let grace = u64::try_from(before.policy.grace().as_millis()).unwrap_or(u64::MAX);
    let lines = before.policy.lines();
    let held = before.firm(rules) >= lines.limit.0 || before.cache.is_pinned();
    let at_second = before.current(rules) >= lines.second.0 && held;
    // A level a tick: whoever is over the relief line may be at the ceiling before SIGKILL has worked.
    let soon = before.current(rules) >= lines.relief.0 && held;
    let ahead = soon && actions.iter().any(is_ahead);
    let grace_over = monitor.term.is_some_and(|term| now >= term + grace);
    let seen = match event {
        Event::Operator(Command::Kill) => Some(Seen::KillByOperator),
        Event::Operator(Command::Terminate) if before.monitor.term.is_some() => {
            Some(Seen::KillBySecondRequest)
        }
        Event::Operator(Command::Terminate) if again.is_some() => Some(Seen::KillAgain),
        Event::Deadline if again.is_some_and(|last| now >= last + 100) => Some(Seen::KillAgain),
        _ if again.is_some() => None,
        Event::Sample(_) if at_second && monitor.term.is_some() => Some(Seen::KillBySecondLine),
        Event::Sample(_) if ahead && monitor.term.is_some() => Some(Seen::KillAheadOfIt),
        Event::Sample(_) | Event::Deadline | Event::ChildExited(_) | Event::Operator(_)
            if grace_over =>
        {
            Some(Seen::KillByGrace)
        }
        Event::Sample(_) | Event::Deadline | Event::ChildExited(_) => None,
        Event::Operator(_)
        | Event::Empty
        | Event::Yielded
        | Event::Processes(_)
        | Event::Done(..) => None,
    };
    promise!(seen.is_some(), "SIGKILL without a reason at {event:?}");
    seen.into_iter().for_each(|seen| tally.note(seen));
    monitor.first_kill.get_or_insert(now);
    monitor.last_kill = Some(now);
    Ok(())
}

fn is_ahead(action: &Action) -> bool {
    matches!(action, Action::Tell(Notice::Killing { why: KillReason::Ahead { .. }, .. }))
}

/// Over exactly when command and rest are gone; and the word about it is true.
fn ends_rightly(world: &mut World, actions: &Actions, tally: &mut Tally) -> Verdict {
    let end = actions.iter().find_map(|action| {
        if let Action::Finish(outcome) = action { Some(*outcome) } else { None }
    });
    let Some(Outcome { cause, .. }) = end else { return Ok(()) };
    promise!(!world.command && !world.rest, "over, and somebody lives");
    world.monitor.finished = true;
    let (acted, seen) = match cause {
        Cause::Itself => (false, Seen::EndByItself),
        Cause::Guardian { .. } => (true, Seen::EndByUs),
        Cause::KernelOom | Cause::SystemdStop | Cause::SystemdOomd => (false, Seen::EndByKernel),
    };
    let tried = world.monitor.term.is_some() || world.monitor.first_kill.is_some();
    // Whom no signal of ours reached has ended by itself, whatever was tried.
    let did = tried && world.monitor.reached;
    tally.note_if(tried && !did, Seen::InVain);
    // Whom the kernel killed after our SIGTERM and before our SIGKILL was the kernel's.
    let miss = cause == Cause::KernelOom && world.oom && world.monitor.first_kill.is_none();
    promise!(acted == did || miss, "said to be ended by {cause:?}");
    if let Cause::Guardian { killed: Some(_), .. } = cause {
        promise!(world.monitor.first_kill.is_some(), "said to be killed");
    }
    tally.note(seen);
    tally.note_if(!did, Seen::Healthy);
    Ok(())
}

/// The same world with the next level of memory would have acted as much, or more.
fn heavier_acts_no_later(
    before: &World,
    sample: &Sample,
    actions: &Actions,
    rules: &Rules,
    tally: &mut Tally,
) -> Verdict {
    if !before.rest || before.level + 1 >= rules.levels.len() {
        return Ok(());
    }
    let heavier = before.sample(rules, before.level + 1);
    let heavy = before.policy.clone().handle(Event::Sample(heavier), before.at());
    let (light, heavy) = (weight(actions), weight(&heavy));
    tally.note_if(heavy > light, Seen::HeavierActs);
    promise!(heavy >= light, "{sample:?} does {light}, {heavier:?} does {heavy}");
    Ok(())
}

fn weight(actions: &Actions) -> u8 {
    let weight = |action: &Action| match action {
        Action::Kill => 3,
        Action::Terminate | Action::Choose(_) | Action::Freeze | Action::EndProcess(_) => 2,
        Action::Tell(Notice::WouldTerminate { .. }) => 2,
        Action::Tell(Notice::AtBreach(AtBreach::OverLimit { .. })) => 2,
        Action::Look | Action::Weigh => 1,
        Action::SetTripWire(_) | Action::SetLines(_) | Action::SetPids(_) => 0,
        Action::Thaw | Action::Signal(_) => 0,
        Action::Tell(_) | Action::Finish(_) => 0,
    };
    actions.iter().map(weight).max().unwrap_or(0)
}

fn tally_notice(notice: &Notice, tally: &mut Tally) {
    match notice {
        Notice::Frozen => tally.note(Seen::Frozen),
        Notice::Thawed => tally.note(Seen::Thawed),
        Notice::AtBreach(what) => tally_breach(what, tally),
        Notice::NewLines(_) => tally.note(Seen::NewLines),
        Notice::NewGrace(_) => tally.note(Seen::NewGrace),
        Notice::NewTimeout(_) => tally.note(Seen::NewTimeout),
        Notice::WouldTerminate { .. } => tally.note(Seen::WouldTerminate),
        Notice::Killing { .. }
        | Notice::NearLimit { .. }
        | Notice::NearInTime { .. }
        | Notice::Terminating { .. }
        | Notice::StillThere { .. }
        | Notice::SignalRefused { .. }
        | Notice::NewPids(_)
        | Notice::Signalled(_)
        | Notice::Process(_)
        | Notice::NobodyToEnd { .. }
        | Notice::KernelOom { .. }
        | Notice::PidsMax { .. }
        | Notice::Leftover { .. } => {}
    }
}

fn tally_breach(what: &AtBreach, tally: &mut Tally) {
    tally.note(match what {
        AtBreach::Frozen { .. } => Seen::FrozenAtBreach,
        AtBreach::ThawedBelow { .. } => Seen::ThawedBelow,
        AtBreach::ThawedOver { .. } => Seen::ThawedOver,
        AtBreach::FreezeOver { .. } => Seen::FreezeOver,
        AtBreach::OverLimit { .. } => Seen::OverLimit,
        AtBreach::WouldFreeze { .. } => Seen::WouldTerminate,
    });
}
