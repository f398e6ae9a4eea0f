//! The promises of a run in which a breach is not simply answered by SIGTERM.

use crate::policy::rules::{self, Verdict};
use crate::policy::trace::{Step, Trace};
use proptest::prelude::*;
use sentinel::clock::Timestamp;
use sentinel::event::{Action, AtBreach, Command, Event, Notice, Reason};
use sentinel::policy::on_breach::OnBreach;

/// All of them.
pub fn all(trace: &Trace) -> Verdict {
    rules::the_end_comes_once(trace)?;
    rules::sigterm_comes_first(trace)?;
    rules::sigkill_has_its_reason(trace)?;
    rules::no_sigkill_is_missed(trace)?;
    rules::a_dry_run_acts_for_operators_only(trace)?;
    nothing_stays_frozen_for_a_breach(trace)?;
    only_a_breach_freezes(trace)?;
    sigterm_comes_when_it_is_its_turn(trace)?;
    nobody_passes_the_second_line(trace)
}

/// At the latest with the deadline for it, it is thawed and ended.
fn nothing_stays_frozen_for_a_breach(trace: &Trace) -> Verdict {
    let mut frozen: Option<Timestamp> = None;
    for step in &trace.steps {
        if step
            .actions
            .iter()
            .any(|action| tells(action, |it| matches!(it, AtBreach::Frozen { .. })))
        {
            prop_assert!(!trace.config.dry_run, "frozen by a dry run: {step:?}");
            frozen.get_or_insert(step.at);
        }
        let goes_on =
            |action: &Action| matches!(action, Action::Thaw | Action::Kill | Action::Finish(_));
        frozen = frozen.filter(|_| !step.actions.iter().any(goes_on));
        let due = frozen.is_some_and(|since| step.at >= since + trace.config.on_breach.freeze_for);
        // A breach that is over leaves an operator's own freezing as it was.
        let asked = trace.steps.iter().any(|it| it.event == Event::Operator(Command::Freeze));
        prop_assert!(!due || step.event != Event::Deadline || asked, "frozen still: {step:?}");
    }
    Ok(())
}

/// What no operator froze was at its limit by the last two looks, or thrashed.
fn only_a_breach_freezes(trace: &Trace) -> Verdict {
    for (index, step) in trace.steps.iter().enumerate() {
        let asked = step.event == Event::Operator(Command::Freeze);
        if !step.actions.contains(&Action::Freeze) || asked {
            continue;
        }
        prop_assert!(trace.config.on_breach.deed == OnBreach::Freeze, "{step:?}");
        let thrash = trace.config.thrash.is_some();
        prop_assert!(thrash || rules::confirmed(trace, index), "{step:?}");
    }
    Ok(())
}

/// For memory only where that is asked for and the breach has lasted, at the second line, or when it was frozen for all its time.
fn sigterm_comes_when_it_is_its_turn(trace: &Trace) -> Verdict {
    let Some(term) = trace.first(Action::Terminate) else { return Ok(()) };
    let (step, rule) = (&trace.steps[term], trace.config.on_breach);
    let reason = step.actions.iter().find_map(|action| {
        let Action::Tell(Notice::Terminating { reason, .. }) = action else { return None };
        Some(*reason)
    });
    let thrash = matches!(reason, Some(Reason::Thrash { .. }));
    let memory =
        matches!(reason, Some(Reason::Breach { .. } | Reason::Climb { .. } | Reason::Stuck { .. }));
    if !memory && !thrash {
        return Ok(());
    }
    let over = step
        .actions
        .iter()
        .any(|action| tells(action, |it| matches!(it, AtBreach::FreezeOver { .. })));
    let pressing = rules::sample(step).is_some_and(|it| it.current >= trace.lines(term).relief);
    let lasted = thrash || rules::breached_for(trace, term) >= rule.hold;
    let due = rule.deed == OnBreach::Terminate && lasted;
    prop_assert!(over || pressing || due, "{reason:?} at {step:?}");
    Ok(())
}

/// Two looks in a row beyond it are answered, whatever is done at the limit.
fn nobody_passes_the_second_line(trace: &Trace) -> Verdict {
    if trace.config.dry_run {
        return Ok(());
    }
    let acts = |step: &Step| {
        step.actions.iter().any(|action| matches!(action, Action::Terminate | Action::Kill))
    };
    for (index, step) in trace.steps[..trace.end().unwrap_or(trace.steps.len())].iter().enumerate()
    {
        // By what was seen, or because an operator asked.
        if acts(step) {
            return Ok(());
        }
        let is_seen = rules::sample(step).is_some() && rules::second_line_twice(trace, index);
        prop_assert!(!is_seen || !rules::breached_twice(trace, index), "missed: {step:?}");
    }
    Ok(())
}

fn tells(action: &Action, wanted: fn(&AtBreach) -> bool) -> bool {
    matches!(action, Action::Tell(Notice::AtBreach(what)) if wanted(what))
}
