//! The promises, each checked on a whole run by arithmetic of its own: nothing here asks the policy.

use crate::policy::trace::{Step, Trace};
use proptest::prelude::*;
use sentinel::clock::Timestamp;
use sentinel::event::{Action, Command, Event, KillReason, Notice, Reason, Sample};
use sentinel::lines::Lines;
use sentinel::policy::OnExit;
use sentinel::policy::interval::Cadence;
use sentinel::policy::reclaim::{ReclaimAt, limit_line, tried_line, wire_line};
use sentinel::units::{Bytes, Limit};
use std::time::Duration;

pub type Verdict = Result<(), TestCaseError>;

/// All of them.
pub fn all(trace: &Trace) -> Verdict {
    the_end_comes_once(trace)?;
    sigterm_comes_first(trace)?;
    sigterm_has_its_reason(trace)?;
    no_breach_is_missed(trace)?;
    no_floor_is_missed(trace)?;
    sigkill_has_its_reason(trace)?;
    no_sigkill_is_missed(trace)?;
    a_dry_run_acts_for_operators_only(trace)
}

/// One SIGTERM, one end, when both command and workload are gone; nothing after it.
pub fn the_end_comes_once(trace: &Trace) -> Verdict {
    let count = |wanted: fn(&Action) -> bool| {
        trace.steps.iter().flat_map(|step| &step.actions).filter(|action| wanted(action)).count()
    };
    prop_assert!(count(|action| matches!(action, Action::Terminate)) <= 1);
    let (mut gone, mut empty, mut over) = (false, false, false);
    for step in &trace.steps {
        prop_assert!(!over || step.actions.is_empty(), "after the end: {step:?}");
        gone |= matches!(step.event, Event::ChildExited(_));
        empty |= matches!(step.event, Event::Empty);
        let finishes = step.actions.iter().any(|action| matches!(action, Action::Finish(_)));
        prop_assert_eq!(finishes, gone && empty && !over);
        over |= finishes;
    }
    Ok(())
}

/// SIGKILL without SIGTERM before it only because an operator wants just that. Before SIGTERM the trip-wire is lifted
/// and the workload thawed.
pub fn sigterm_comes_first(trace: &Trace) -> Verdict {
    if let Some(kill) = trace.first(Action::Kill) {
        let asked = trace.steps[kill].event == Event::Operator(Command::Kill);
        prop_assert!(asked || trace.first(Action::Terminate).is_some_and(|term| term <= kill));
    }
    let Some(term) = trace.first(Action::Terminate) else { return Ok(()) };
    let actions = &trace.steps[term].actions;
    let place = |wanted| actions.iter().position(|action| *action == wanted);
    prop_assert!(place(Action::Kill).is_none_or(|kill| Some(kill) > place(Action::Terminate)));
    let line = trace.lines(term).relief.0;
    let relief = actions
        .iter()
        .position(|action| matches!(action, Action::SetTripWire(Limit::At(at)) if *at >= line));
    prop_assert!(
        trace.config.dry_run || relief.is_some_and(|at| Some(at) < place(Action::Terminate))
    );
    let frozen =
        trace.steps[..term].iter().flat_map(|step| &step.actions).fold(false, |frozen, action| {
            (frozen || *action == Action::Freeze) && *action != Action::Thaw
        });
    let thawed = place(Action::Thaw).is_some_and(|at| Some(at) < place(Action::Terminate));
    prop_assert_eq!(frozen, thawed, "thawed if and only if frozen");
    Ok(())
}

/// The reason that is told for SIGTERM is true of the event that led to it, and of the looks before it.
pub fn sigterm_has_its_reason(trace: &Trace) -> Verdict {
    let Some(term) = trace.first(Action::Terminate) else { return Ok(()) };
    let step = &trace.steps[term];
    let reason = step.actions.iter().find_map(|action| match action {
        Action::Tell(Notice::Terminating { reason, .. }) => Some(*reason),
        Action::Tell(_) | Action::Look | Action::SetTripWire(_) | Action::SetLines(_) => None,
        Action::Freeze | Action::Thaw | Action::Terminate => None,
        Action::Kill | Action::Choose(_) | Action::Weigh | Action::EndProcess(_) => None,
        Action::SetPids(_) | Action::Signal(_) | Action::Finish(_) => None,
    });
    let true_reason = match reason {
        None => false,
        Some(Reason::Operator) => step.event == Event::Operator(Command::Terminate),
        // Each process may hold what it likes.
        Some(Reason::Process { .. }) => false,
        Some(Reason::Pool(breach)) => {
            step.event == Event::Operator(Command::Yield { breach, at_once: false })
        }
        Some(Reason::ChildExited) => {
            matches!(step.event, Event::ChildExited(_)) && trace.config.on_exit == OnExit::Terminate
        }
        Some(Reason::Timeout { after }) => {
            let set = Event::Operator(Command::SetTimeout(Some(after)));
            (step.event == Event::Deadline || step.event == set)
                && trace.timeout(term) == Some(after)
                && step.at >= Timestamp::default() + after
        }
        Some(Reason::Thrash { held, .. }) => thrashed(trace, term, held),
        Some(Reason::Breach { footprint, limit }) => {
            let last = sample(step);
            last.is_some_and(|last| {
                limit == trace.lines(term).allowance()
                    && footprint == footprint_of(last)
                    && at_limit(trace, term, last)
            }) && confirmed(trace, term)
        }
        Some(Reason::HostMemory { available, floor }) => {
            let last = sample(step).is_some_and(|last| last.available == Some(available));
            last && trace.config.min_available == Some(floor) && short_twice(trace, term)
        }
        Some(Reason::Climb { .. }) => climbs(trace, term) && confirmed(trace, term),
        Some(Reason::Stuck { current, limit, .. }) => {
            let last = sample(step).filter(|last| last.current == current);
            last.is_some() && limit == trace.lines(term).limit && stuck(trace, term)
        }
    };
    prop_assert!(true_reason, "{reason:?} at {step:?}");
    Ok(())
}

/// Two looks in a row that say breach are answered by SIGTERM (or, in a dry run, were told).
pub fn no_breach_is_missed(trace: &Trace) -> Verdict {
    let acts = |step: &Step| {
        step.actions.iter().any(|action| matches!(action, Action::Terminate | Action::Kill))
    };
    if trace.config.dry_run {
        return Ok(());
    }
    for index in 0..trace.end().unwrap_or(trace.steps.len()) {
        let step = &trace.steps[index];
        if sample(step).is_some() && breached_twice(trace, index) {
            prop_assert!(acts(step), "missed: {step:?}");
        }
        if acts(step) {
            return Ok(());
        }
    }
    Ok(())
}

/// Two looks in a row at a machine below its floor, at a workload that holds enough of it, are answered by SIGTERM.
pub fn no_floor_is_missed(trace: &Trace) -> Verdict {
    let first = |wanted| trace.first(wanted).unwrap_or(usize::MAX);
    let ends = first(Action::Terminate).min(first(Action::Kill)).min(trace.steps.len() - 1);
    let ends = ends.min(trace.end().unwrap_or(usize::MAX));
    let missed = (0..ends)
        .find(|index| sample(&trace.steps[*index]).is_some() && short_twice(trace, *index));
    prop_assert!(trace.config.dry_run || missed.is_none(), "missed: {missed:?}");
    Ok(())
}

/// The first SIGKILL comes for an operator, for the second line or when the grace is over; the others at least 100 ms apart.
pub fn sigkill_has_its_reason(trace: &Trace) -> Verdict {
    let mut last: Option<Timestamp> = None;
    for (index, step) in trace.steps.iter().enumerate() {
        if !step.actions.contains(&Action::Kill) {
            continue;
        }
        let due = match (step.event, last) {
            (Event::Operator(Command::Kill | Command::Terminate), _) => true,
            (Event::Deadline, Some(last)) => step.at >= last + Duration::from_millis(100),
            (_, Some(_)) => false,
            (Event::Sample(sample), None) => {
                at_second_line(trace, index, &sample)
                    || stuck_at_second_line(trace, index, &sample)
                    || ahead_of_second_line(trace, index, &sample)
                    || half_gone(trace, &sample)
                    || grace_is_over(trace, index)
            }
            // With no grace it comes right behind the SIGTERM that any of these led to.
            (
                Event::Deadline | Event::ChildExited(_) | Event::Operator(Command::SetTimeout(_)),
                None,
            ) => grace_is_over(trace, index),
            (Event::Operator(Command::Yield { at_once, .. }), None) => at_once,
            (
                Event::Empty
                | Event::Operator(_)
                | Event::Yielded
                | Event::Processes(_)
                | Event::Done(..),
                None,
            ) => false,
        };
        prop_assert!(due, "{step:?}");
        last = Some(step.at);
    }
    Ok(())
}

/// Once SIGTERM is sent, neither a deadline after the grace nor a look beyond the second line goes without SIGKILL.
pub fn no_sigkill_is_missed(trace: &Trace) -> Verdict {
    let Some(term) = trace.first(Action::Terminate) else { return Ok(()) };
    let last = trace.first(Action::Kill).map(|kill| kill + 1);
    let last = last.or(trace.end()).unwrap_or(trace.steps.len());
    for index in term + 1..last {
        let step = &trace.steps[index];
        let due = match step.event {
            Event::Deadline => grace_is_over(trace, index),
            // Which part of the time is looked at is the policy's to choose.
            Event::Sample(sample) if stuck_at_second_line(trace, index, &sample) => continue,
            Event::Sample(_) if kills_ahead(step).is_some() => continue,
            Event::Sample(sample) => {
                at_second_line(trace, index, &sample) || half_gone(trace, &sample)
            }
            Event::Operator(Command::Kill | Command::Terminate) => true,
            Event::Operator(Command::Yield { at_once, .. }) => at_once,
            Event::Operator(_) | Event::ChildExited(_) | Event::Empty => false,
            Event::Yielded | Event::Processes(_) | Event::Done(..) => false,
        };
        prop_assert_eq!(due, step.actions.contains(&Action::Kill), "{:?}", step);
    }
    Ok(())
}

/// A dry run writes no limit, and sends no signal that no operator asked for.
pub fn a_dry_run_acts_for_operators_only(trace: &Trace) -> Verdict {
    if !trace.config.dry_run {
        return Ok(());
    }
    for step in &trace.steps {
        let writes =
            |action: &Action| matches!(action, Action::SetTripWire(_) | Action::SetLines(_));
        prop_assert!(!step.actions.iter().any(writes), "{step:?}");
        let asked = step.event == Event::Operator(Command::Terminate);
        prop_assert!(asked || !step.actions.contains(&Action::Terminate), "{step:?}");
    }
    Ok(())
}

pub fn sample(step: &Step) -> Option<&Sample> {
    if let Event::Sample(sample) = &step.event { Some(sample) } else { None }
}

fn footprint_of(sample: &Sample) -> Bytes {
    let firm = sample.current.0.saturating_sub(sample.cache.0);
    Bytes(firm.saturating_add(sample.swap.0))
}

fn reaches(trace: &Trace, sample: &Sample, line: Bytes) -> bool {
    let slack = trace.config.slack.0.min(line.0 / 32);
    u128::from(footprint_of(sample).0) + u128::from(slack) >= u128::from(line.0)
}

/// At what it may be at most; or below it by less than the slack at every look of the last 50 ms, where the kernel throttles.
fn at_limit(trace: &Trace, index: usize, sample: &Sample) -> bool {
    let near = |(index, _, sample): &(usize, &Step, &Sample)| {
        reaches(trace, sample, trace.lines(*index).allowance())
    };
    let since = looks(trace, index).take_while(near).last().map(|(_, step, _)| step.at);
    let hold = match trace.config.reclaim {
        ReclaimAt::TripWire => Duration::from_millis(50),
        ReclaimAt::Ceiling | ReclaimAt::Nowhere => Duration::ZERO,
    };
    footprint_of(sample) >= trace.lines(index).allowance()
        || since.is_some_and(|since| trace.steps[index].at.since(since) >= hold)
}

/// The looks up to a step, the latest first, each with its step's number.
fn looks(trace: &Trace, index: usize) -> impl Iterator<Item = (usize, &Step, &Sample)> {
    let steps = trace.steps[..=index].iter().enumerate().rev();
    steps.filter_map(|(index, step)| sample(step).map(|sample| (index, step, sample)))
}

/// Over the relief line, with half the limit not reclaimable, at every look of the last 200 ms, where the kernel throttles.
fn climbs(trace: &Trace, index: usize) -> bool {
    if trace.config.cadence != Cadence::Events {
        return false;
    }
    let held = |(index, _, sample): &(usize, &Step, &Sample)| {
        let lines = trace.lines(*index);
        lines.swap == Limit::At(0)
            && sample.current >= lines.relief
            && footprint_of(sample).0 >= lines.limit.0 / 2
    };
    let since = looks(trace, index).take_while(held).last().map(|(_, step, _)| step.at);
    since.is_some_and(|since| trace.steps[index].at.since(since) >= Duration::from_millis(200))
}

/// Over a line at which the kernel reclaims at every look for the hold, tried there, and in a part of that time not with success; or
/// with success that says nothing, since what is not a file's is over the line by itself.
fn stuck(trace: &Trace, index: usize) -> bool {
    let at_wire = |lines: &Lines, sample: &Sample| {
        let written = sample.current.saturating_sub(sample.dirty);
        let line = tried_line(lines, sample.processes);
        (written >= line, beyond_files(sample) >= line)
    };
    let at_second = |lines: &Lines, sample: &Sample| {
        (sample.current >= lines.second, beyond_files(sample) >= lines.second)
    };
    let at_first = |lines: &Lines, sample: &Sample| {
        let written = sample.current.saturating_sub(sample.dirty);
        (written >= wire_line(lines, sample.processes), false)
    };
    let at_limit = |lines: &Lines, sample: &Sample| {
        let near = lines.limit.saturating_sub(Bytes(lines.limit.0 / 32));
        (sample.current >= near, false)
    };
    let beyond_limit = |lines: &Lines, sample: &Sample| {
        let beyond = beyond_files(sample) >= limit_line(lines);
        (beyond, beyond)
    };
    let place = trace.config.reclaim;
    if place == ReclaimAt::TripWire
        && (stays(trace, index, Duration::from_secs(2), at_first)
            || stays(trace, index, Duration::from_secs(10), at_limit)
            || stays(trace, index, Duration::from_secs(10), beyond_limit))
    {
        return true;
    }
    (place == ReclaimAt::TripWire && stays(trace, index, Duration::from_secs(1), at_wire))
        || (place != ReclaimAt::Nowhere
            && stays(trace, index, Duration::from_millis(200), at_second))
}

fn beyond_files(sample: &Sample) -> Bytes {
    sample.current.saturating_sub(sample.cache.saturating_sub(sample.slab))
}

fn stays(
    trace: &Trace,
    index: usize,
    hold: Duration,
    over: impl Fn(&Lines, &Sample) -> (bool, bool),
) -> bool {
    let Some(last) = sample(&trace.steps[index]) else { return false };
    let there: Vec<_> = looks(trace, index)
        .take_while(|(at, _, sample)| over(&trace.lines(*at), sample).0)
        .map(|(_, step, sample)| (step.at, sample))
        .collect();
    let tries = |sample: &Sample| sample.counters.high + sample.counters.max + sample.scanned;
    let Some((since, first)) = there.last() else { return false };
    let lasted = trace.steps[index].at.since(*since) >= hold && there.len() >= 4;
    let failed = looks(trace, index).any(|(_, _, from)| {
        let (scanned, got) = (last.scanned - from.scanned, last.reclaimed - from.reclaimed);
        tries(last) > tries(from) && (got == 0 || got * 8 < scanned)
    });
    lasted && tries(last) > tries(first) && (failed || over(&trace.lines(index), last).1)
}

fn breached(trace: &Trace, index: usize, sample: &Sample) -> bool {
    at_limit(trace, index, sample) || climbs(trace, index)
}

/// The same, where reclaim got nothing: what it gets does not climb, and over which time is the policy's to choose.
fn breached_for_sure(trace: &Trace, index: usize, sample: &Sample) -> bool {
    at_limit(trace, index, sample) || (climbs(trace, index) && sample.reclaimed == 0)
}

pub fn breached_twice(trace: &Trace, index: usize) -> bool {
    let last = looks(trace, index).take(2);
    last.filter(|(index, _, sample)| breached_for_sure(trace, *index, sample)).count() == 2
}

/// The last two looks found it beyond the second line.
pub fn second_line_twice(trace: &Trace, index: usize) -> bool {
    let beyond =
        |(index, _, sample): &(usize, &Step, &Sample)| at_second_line(trace, *index, sample);
    looks(trace, index).take(2).filter(beyond).count() == 2
}

/// The last two looks gave a reason, be it the one or the other.
pub fn confirmed(trace: &Trace, index: usize) -> bool {
    let gives = |(index, _, sample): &(usize, &Step, &Sample)| {
        breached(trace, *index, sample) || stuck(trace, *index) || short(trace, sample)
    };
    looks(trace, index).take(2).filter(gives).count() == 2
}

/// The machine is below its floor, and the workload holds a sixteenth of what is missing and 16 MiB.
fn short(trace: &Trace, sample: &Sample) -> bool {
    let Some((floor, left)) = trace.config.min_available.zip(sample.available) else {
        return false;
    };
    let held = sample.current.saturating_sub(sample.cache);
    left < floor && held >= Bytes::mib(16) && held.0 >= (floor.0 - left.0) / 16
}

fn short_twice(trace: &Trace, index: usize) -> bool {
    looks(trace, index).take(2).filter(|(_, _, sample)| short(trace, sample)).count() == 2
}

/// Less than half of the floor is left, and the workload is being ended for the machine's sake.
fn half_gone(trace: &Trace, sample: &Sample) -> bool {
    let for_the_machine = |action: &Action| {
        let Action::Tell(Notice::Terminating { reason, .. }) = action else { return false };
        matches!(reason, Reason::HostMemory { .. })
    };
    let floor = trace.config.min_available.zip(sample.available);
    floor.is_some_and(|(floor, left)| left.0 < floor.0 / 2)
        && trace.steps.iter().any(|step| step.actions.iter().any(for_the_machine))
}

/// For how long every look has given a reason.
pub fn breached_for(trace: &Trace, index: usize) -> Duration {
    let gives = |(index, _, sample): &(usize, &Step, &Sample)| {
        breached(trace, *index, sample) || stuck(trace, *index)
    };
    let first = looks(trace, index).take_while(gives).last();
    first.map_or(Duration::ZERO, |(_, step, _)| trace.steps[index].at.since(step.at))
}

/// Stalled for the share of the time since then, by the kernel's own total, and at the trip-wire now.
fn thrashed(trace: &Trace, index: usize, held: Duration) -> bool {
    let (Some(rule), Some(last)) = (trace.config.thrash, sample(&trace.steps[index])) else {
        return false;
    };
    let limit = trace.lines(index).limit.0;
    let begins = |step: &Step| trace.steps[index].at.since(step.at) == held;
    let total = |sample: &Sample| u128::from(sample.stalled_usec.unwrap_or(0));
    held >= rule.hold
        && last.current.0 >= limit - limit / 16
        && looks(trace, index).any(|(_, step, first)| {
            let stalled = total(last).saturating_sub(total(first));
            begins(step) && stalled * 100 >= held.as_micros() * u128::from(rule.share.0)
        })
}

fn at_second_line(trace: &Trace, index: usize, sample: &Sample) -> bool {
    let lines = trace.lines(index);
    !trace.config.dry_run
        && sample.current >= lines.second
        && reaches(trace, &Sample { swap: Bytes(0), ..*sample }, lines.limit)
}

fn kills_ahead(step: &Step) -> Option<(Bytes, Bytes, Bytes)> {
    step.actions.iter().find_map(|action| {
        let Action::Tell(Notice::Killing { why, .. }) = action else { return None };
        let KillReason::Ahead { current, ahead, ceiling } = why else { return None };
        Some((*current, *ahead, *ceiling))
    })
}

/// Over the relief line, not reclaimable, and at the ceiling within a second at the worst growth that two looks in a row have seen, or by
/// the batches of its processes.
fn ahead_of_second_line(trace: &Trace, index: usize, sample: &Sample) -> bool {
    let lines = trace.lines(index);
    let Some((current, ahead, ceiling)) = kills_ahead(&trace.steps[index]) else { return false };
    let seen: Vec<_> = looks(trace, index).map(|(_, step, look)| (step.at, look.current)).collect();
    let worst = seen.windows(2).map(|pair| {
        let micros = pair[0].0.since(pair[1].0).as_micros().max(1000);
        u128::from(pair[0].1.saturating_sub(pair[1].1).0) * 1_000_000 / micros
    });
    let batches = u128::from(sample.processes) * 256 * 1024;
    let most = u128::from(current.0) + worst.max().unwrap_or(0) * 2 + batches;
    let held = Sample { swap: Bytes(0), ..*sample };
    current == sample.current
        && ceiling == lines.ceiling
        && current >= lines.relief
        && ahead >= ceiling
        && u128::from(ahead.0) <= most
        && (reaches(trace, &held, lines.limit) || stuck(trace, index))
}

fn stuck_at_second_line(trace: &Trace, index: usize, sample: &Sample) -> bool {
    !trace.config.dry_run && sample.current >= trace.lines(index).second && stuck(trace, index)
}

fn grace_is_over(trace: &Trace, index: usize) -> bool {
    let term = trace.first(Action::Terminate);
    term.is_some_and(|term| trace.steps[index].at >= trace.steps[term].at + trace.grace(index))
}
