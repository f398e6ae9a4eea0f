//! What holds of every run: tried on simulated workloads with a guardian that obeys each action, and on bare lists of events.
//! `PROPTEST_CASES` sets how many cases each property is tried with.

mod policy {
    pub mod answered;
    pub mod deeds;
    pub mod reached;
    pub mod rules;
    pub mod single;
    pub mod stories;
    pub mod trace;
    pub mod workload;
}

use policy::reached::{ALL, AT_BREACH, Reached};
use policy::stories::*;
use policy::trace::{LAST, Step, Story, Trace};
use policy::workload::{OnTerm, Phase, Plan};
use policy::{answered, rules, single};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use sentinel::clock::Timestamp;
use sentinel::event::{Action, Command, Event, KillReason, Notice, Sample};
use sentinel::policy::culprit::CulpritRule;
use sentinel::policy::interval::Cadence;
use sentinel::policy::on_breach::{BreachRule, OnBreach};
use sentinel::policy::reclaim::ReclaimAt;
use sentinel::policy::warn::WarnRule;
use sentinel::policy::{OnExit, Policy, PolicyConfig};
use sentinel::units::{Bytes, Limit, MIB, Percent};
use std::time::Duration;

/// So many cases unless `PROPTEST_CASES` says otherwise; nothing is written to the source tree.
fn tried(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

fn told(trace: &Trace, wanted: fn(&Notice) -> bool) -> bool {
    let told = |action: &Action| matches!(action, Action::Tell(notice) if wanted(notice));
    trace.steps.iter().any(|step| step.actions.iter().any(told))
}

/// The first step with an act against the workload (in a dry run: with word of one), and the first with SIGKILL.
fn acts(trace: &Trace) -> (usize, usize) {
    let ends = |action: &Action| {
        matches!(
            action,
            Action::Terminate | Action::Kill | Action::Tell(Notice::WouldTerminate { .. })
        )
    };
    let first =
        |wanted: &dyn Fn(&Step) -> bool| trace.steps.iter().position(wanted).unwrap_or(usize::MAX);
    (
        first(&|step| step.actions.iter().any(ends)),
        first(&|step| step.actions.contains(&Action::Kill)),
    )
}

proptest! {
    #![proptest_config(tried(512))]

    #[test]
    fn every_promise_holds_of_every_simulated_run(story in stories()) {
        let trace = Trace::simulate(&story, &[]);
        prop_assert!(trace.end().is_some());
        rules::all(&trace)?;
    }

    #[test]
    fn every_promise_holds_however_a_breach_is_answered(
        mut story in stories(),
        rule in breach_rules(),
    ) {
        story.config.on_breach = rule;
        let trace = Trace::simulate(&story, &[]);
        prop_assert!(trace.end().is_some());
        answered::all(&trace)?;
    }

    #[test]
    fn the_kernel_never_has_to_kill_however_a_breach_is_answered(
        mut story in lonely_stories(),
        rule in breach_rules(),
    ) {
        (story.plan.kills, story.config.on_breach) = (1, rule);
        let trace = Trace::simulate(&story, &[]);
        let missed = told(&trace, |notice| matches!(notice, Notice::KernelOom { .. }));
        prop_assert!(!missed, "the kernel came first");
    }

    #[test]
    fn whoever_is_ended_by_itself_was_seen_twice_and_asked_first_and_is_not_the_command(
        config in configs(),
        culprit in single::rules(),
        events in events(),
        crowds in proptest::collection::vec(single::crowds(), 1..20),
    ) {
        single::promises(single::short_grace(config, culprit), &events, &crowds)?;
    }

    #[test]
    fn a_machine_is_never_ended_nor_frozen(
        config in configs(),
        culprit in single::rules(),
        events in events(),
        crowds in proptest::collection::vec(single::crowds(), 1..20),
    ) {
        let machine = PolicyConfig { is_machine: true, has_command: false, ..config };
        single::promises(single::short_grace(machine, culprit), &events, &crowds)?;
    }

    #[test]
    fn deadlines_that_nobody_asked_for_change_nothing(
        story in stories(),
        early in vec(0..6000u64, 0..200),
    ) {
        let (punctual, nervous) = (Trace::simulate(&story, &[]), Trace::simulate(&story, &early));
        prop_assert_eq!(punctual.steps, nervous.steps);
    }

    #[test]
    fn who_ignores_sigterm_is_killed_on_the_millisecond(mut story in lonely_stories()) {
        story.plan.on_term = OnTerm::Ignores;
        let trace = Trace::simulate(&story, &[]);
        let early = told(&trace, |notice| {
            matches!(
                notice,
                Notice::Killing {
                    why: KillReason::SecondLine { .. }
                        | KillReason::Ahead { .. }
                        | KillReason::HostMemory { .. },
                    ..
                }
            )
        });
        if let Some(term) = trace.first(Action::Terminate).filter(|_| !early) {
            let due = trace.steps[term].at + story.config.grace;
            let due = due.min(Timestamp::from_millis(LAST));
            match trace.first(Action::Kill) {
                Some(kill) => prop_assert_eq!(trace.steps[kill].at, due),
                None => prop_assert!(trace.steps.last().is_some_and(|end| end.at <= due)),
            }
        }
    }

    #[test]
    fn who_obeys_sigterm_is_never_killed(
        mut story in lonely_stories(),
        freeze in prop::option::of(0..6000u64),
    ) {
        story.config.grace = Duration::from_millis(51);
        story.config.min_available = None;
        story.plan.on_term = OnTerm::DiesAfter(50);
        story.plan.creep = 10 * 1024;
        // Growth that only the throttle holds would reach the second line before the handler is through.
        story.commands = freeze.map(|at| (at, Command::Freeze)).into_iter().collect();
        story.plan.phases.iter_mut().for_each(|phase| phase.grows = phase.grows.min(100 * 1024));
        let trace = Trace::simulate(&story, &[]);
        // A workload that is frozen for good is ended by the simulated operator.
        let asked = trace.steps.iter().position(|s| s.event == Event::Operator(Command::Kill));
        prop_assert_eq!(trace.first(Action::Kill), asked);
    }

    #[test]
    fn the_kernel_never_has_to_kill(mut story in lonely_stories()) {
        story.plan.kills = 1;
        let trace = Trace::simulate(&story, &[]);
        let missed = told(&trace, |notice| matches!(notice, Notice::KernelOom { .. }));
        prop_assert!(!missed, "the kernel came first");
    }

    #[test]
    fn page_cache_alone_is_never_acted_upon(
        mut story in lonely_stories(),
        reads in vec((1..3000u64, 0..5000u64), 1..5),
    ) {
        story.config.thrash = None;
        story.config.timeout = None;
        story.config.min_available = None;
        story.config.on_exit = sentinel::policy::OnExit::Wait;
        story.plan.ends_at = Some(7000);
        story.plan.phases =
            reads.iter().map(|(lasts, kib)| Phase { lasts: *lasts, grows: 4096, reads: kib * 1024, pins: 0 }).collect();
        let trace = Trace::simulate(&story, &[]);
        prop_assert_eq!(acts(&trace), (usize::MAX, usize::MAX));
    }
}

proptest! {
    #![proptest_config(tried(512))]

    #[test]
    fn every_promise_holds_of_any_events(config in configs(), events in events()) {
        rules::all(&Trace::play(config, &events))?;
    }

    #[test]
    fn more_memory_never_acts_later(
        config in configs(),
        events in events(),
        more in vec(prop_oneof![Just(0), 0..40 * MIB], 60),
        constant in prop::option::of(0..20 * MIB),
        from_cache in any::<bool>(),
    ) {
        let heavier: Vec<_> = events.iter().zip(more.iter().cycle()).map(|((at, event), more)| {
            let more = Bytes(constant.unwrap_or(*more));
            (*at, match *event {
                Event::Sample(s) if from_cache => {
                    Event::Sample(Sample { cache: s.cache.saturating_sub(more), ..s })
                }
                Event::Sample(s) => {
                    Event::Sample(Sample { current: s.current.saturating_add(more), ..s })
                }
                other @ (Event::Deadline | Event::ChildExited(_) | Event::Empty | Event::Operator(_) | Event::Yielded | Event::Processes(_) | Event::Done(..)) => other,
            })
        }).collect();
        let (light, heavy) = (Trace::play(config, &events), Trace::play(config, &heavier));
        prop_assert!(acts(&heavy).0 <= acts(&light).0, "acts {:?} {:?}", acts(&heavy), acts(&light));
        // Lines set below what is in use are held back, and the second line with them: there the grace may be whole.
        let moved = |(_, event): &(_, Event)| matches!(event, Event::Operator(Command::SetLines(_)));
        let kills = (acts(&heavy).1, acts(&light).1);
        // Growth counts ahead of the second line, and the heavier one may grow less; and it may be ended for another reason than the
        // machine's sake, which makes no haste.
        let ahead = told(&light, |notice| {
            let Notice::Killing { why, .. } = notice else { return false };
            matches!(why, KillReason::Ahead { .. } | KillReason::HostMemory { .. })
        });
        let excused = ahead || events.iter().any(moved);
        prop_assert!(kills.0 <= kills.1 || excused, "kills {:?}", kills);
    }

    #[test]
    fn what_fits_into_limit_and_swap_is_never_acted_upon(
        config in configs(),
        room in prop_oneof![(1..4096 * MIB).prop_map(Limit::At), Just(Limit::Max)],
        looks in vec((1..500u64, 0..100 * MIB, any::<u64>(), any::<u64>()), 1..80),
    ) {
        let lines = config.lines.with_swap(room);
        let config = PolicyConfig { lines, thrash: None, timeout: None, slack: Bytes(0), ..config };
        let most = lines.allowance().0 - 1;
        let mut now = 0;
        let events: Vec<_> = looks.iter().map(|(dt, current, swap, cached)| {
            now += dt;
            let (current, swap) = (Bytes(*current), Bytes(swap % (most - current + 1)));
            let swap_cached = Bytes(cached % (swap.0 + 1));
            let sample = Sample { current, swap, swap_cached, ..Sample::default() };
            (Timestamp::from_millis(now), Event::Sample(sample))
        }).collect();
        let trace = Trace::play(config, &events);
        prop_assert_eq!(acts(&trace), (usize::MAX, usize::MAX));
        prop_assert!(trace.steps.iter().all(|step| !step.actions.contains(&Action::Look)));
    }

    #[test]
    fn under_the_limit_by_more_than_the_slack_is_never_acted_upon(
        config in configs(),
        looks in vec((1..500u64, 0..99 * MIB - 1, any::<u64>(), any::<u64>()), 1..80),
    ) {
        let config = PolicyConfig { thrash: None, timeout: None, slack: Bytes(MIB), ..config };
        let mut now = 0;
        let events: Vec<_> = looks.iter().map(|(dt, current, cache, stalled)| {
            now += dt;
            let (current, cache) = (Bytes(*current), Bytes(cache % (current + 1)));
            let stalled_usec = Some(*stalled);
            let sample = Sample { current, cache, stalled_usec, ..Sample::default() };
            (Timestamp::from_millis(now), Event::Sample(sample))
        }).collect();
        let trace = Trace::play(config, &events);
        prop_assert_eq!(acts(&trace), (usize::MAX, usize::MAX));
        prop_assert!(trace.steps.iter().all(|step| !step.actions.contains(&Action::Look)));
    }

    /// A container's counters have the history of all that ran in it: what reclaim got before our time, or did not, is not ours.
    #[test]
    fn what_reclaim_did_before_our_time_changes_nothing(
        config in configs(),
        place in prop::sample::select(vec![ReclaimAt::TripWire, ReclaimAt::Ceiling]),
        events in events(),
        (scanned, got) in (0..1_000_000u64, 0..1_000_000u64),
    ) {
        let config = PolicyConfig { reclaim: place, ..config };
        let behind = |scanned: u64, reclaimed: u64| {
            let mut hits = 0;
            let moved: Vec<_> = events
                .iter()
                .map(|(at, event)| {
                    let mut event = *event;
                    if let Event::Sample(sample) = &mut event {
                        hits += 1;
                        sample.counters.max = hits;
                        sample.scanned += scanned;
                        sample.reclaimed += reclaimed;
                    }
                    (*at, event)
                })
                .collect();
            let trace = Trace::play(config, &moved);
            trace.steps.into_iter().map(|step| (step.at, step.actions)).collect::<Vec<_>>()
        };
        prop_assert_eq!(behind(0, 0), behind(scanned, got.min(scanned)));
    }

    #[test]
    fn no_event_is_too_absurd(config in configs(), events in absurd_events()) {
        let trace = Trace::play(config, &events);
        rules::the_end_comes_once(&trace)?;
        if let (Some(kill), None) = (trace.first(Action::Kill), trace.first(Action::Terminate)) {
            prop_assert_eq!(trace.steps[kill].event, Event::Operator(Command::Kill));
        }
    }

    #[test]
    fn a_deadline_that_was_handled_lies_ahead(config in configs(), events in events()) {
        let mut policy = Policy::new(config, Timestamp::default());
        for (at, event) in events {
            let _ = policy.handle(event, at);
            let Some(due) = policy.next_deadline() else { break };
            let now = at.max(due);
            let _ = policy.handle(Event::Deadline, now);
            prop_assert!(policy.next_deadline() > Some(now), "busy at {:?}", policy.rung());
            let again = policy.handle(Event::Deadline, now);
            prop_assert!(again.is_empty(), "twice: {:?}", again);
        }
    }
}

/// The same runs each time, so that what is rare is reached or is not: the promises are looked at on the way.
#[test]
fn the_runs_that_are_tried_reach_every_rung_and_rule() {
    let same = || {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let config = tried(2048);
        TestRunner::new_with_rng(ProptestConfig { cases: config.cases.max(2048), ..config }, rng)
    };
    let (mut told, mut played) = (Reached::default(), Reached::default());
    let look = |trace: &Trace, reached: &mut Reached| {
        reached.count(trace);
        rules::all(trace)
    };
    let counted = std::cell::RefCell::new((&mut told, &mut played));
    let tell = |story| look(&Trace::simulate(&story, &[]), counted.borrow_mut().0);
    same().run(&stories(), tell).unwrap();
    let play = |(config, events): (PolicyConfig, Vec<_>)| {
        look(&Trace::play(config, &events), counted.borrow_mut().1)
    };
    same().run(&(configs(), events()), play).unwrap();
    for name in ALL {
        println!("{name}: {} simulated runs, {} of bare events", told.of(name), played.of(name));
        // The simulated kernel's counters do not lag, and nothing that it calls cache stays.
        assert!(told.of(name) > 0 || name == "SIGTERM: climb", "never reached: {name}");
        assert!(played.of(name) > 0, "never reached by bare events: {name}");
    }
}

#[test]
fn the_runs_that_are_tried_reach_every_answer_to_a_breach() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = tried(2048);
    let config = ProptestConfig { cases: config.cases.max(2048), ..config };
    let reached = std::cell::RefCell::new(Reached::default());
    let look = |(mut story, rule): (Story, _)| {
        story.config.on_breach = rule;
        let trace = Trace::simulate(&story, &[]);
        reached.borrow_mut().count(&trace);
        answered::all(&trace)
    };
    TestRunner::new_with_rng(config, rng).run(&(stories(), breach_rules()), look).unwrap();
    for name in AT_BREACH {
        println!("{name}: {} simulated runs", reached.borrow().of(name));
        assert!(reached.borrow().of(name) > 0, "never reached: {name}");
    }
}

/// Everything that one look can lead to at once still leaves room in the list of actions.
#[test]
fn the_fullest_event_fits() {
    let config = PolicyConfig {
        lines: lines(100),
        grace: Duration::ZERO,
        warn: sentinel::policy::warn::WarnRule { share: Percent(80), within: Duration::ZERO },
        thrash: Some(sentinel::policy::thrash::ThrashRule {
            share: Percent(1),
            hold: Duration::from_millis(500),
        }),
        on_breach: sentinel::policy::on_breach::BreachRule::default(),
        culprit: sentinel::policy::culprit::CulpritRule::default(),
        timeout: None,
        min_available: None,
        on_exit: sentinel::policy::OnExit::Wait,
        has_command: true,
        dry_run: false,
        cadence: sentinel::policy::interval::Cadence::Events,
        reclaim: ReclaimAt::TripWire,
        slack: Bytes(0),
        is_pool: false,
        is_machine: false,
    };
    let mut policy = Policy::new(config, Timestamp::default());
    let quiet = Sample { stalled_usec: Some(0), ..Sample::default() };
    let _ = policy.handle(Event::Operator(Command::Freeze), Timestamp::default());
    let _ = policy.handle(Event::Sample(quiet), Timestamp::default());
    let mut loud = Sample { current: lines(100).second, stalled_usec: Some(u64::MAX), ..quiet };
    (loud.counters.oom_kill, loud.counters.pids_max) = (1, 1);
    let actions = policy.handle(Event::Sample(loud), Timestamp::from_millis(500));
    assert_eq!(actions.len(), 9, "{actions:?}");
    assert!(actions.contains(&Action::Thaw) && actions.contains(&Action::Kill), "{actions:?}");
}

/// Of 108 MiB, 58 are cache that reclaim does not get: all of it is in use, and a limit of 50 that was set meanwhile moves no line of the kernel's.
#[test]
fn cache_that_is_in_use_holds_lower_lines_back() {
    let config = PolicyConfig {
        lines: lines(100),
        grace: Duration::ZERO,
        warn: WarnRule { share: Percent(80), within: Duration::from_secs(10) },
        thrash: None,
        on_breach: BreachRule { deed: OnBreach::Warn, ..BreachRule::default() },
        culprit: CulpritRule::default(),
        timeout: None,
        min_available: None,
        on_exit: OnExit::Wait,
        has_command: true,
        dry_run: false,
        cadence: Cadence::Events,
        reclaim: ReclaimAt::TripWire,
        slack: Bytes(MIB),
        is_pool: false,
        is_machine: false,
    };
    let phase = |lasts, grows, pins| Phase { lasts, grows, reads: 0, pins };
    let plan = Plan {
        phases: vec![phase(1334, 67584, 51200), phase(950, 0, 9216), phase(442, -30720, 9216)],
        on_term: OnTerm::Ignores,
        ends_at: None,
        dying: 0,
        kills: 1,
        empty_first: false,
        creep: 9216,
    };
    let commands = vec![(850, Command::SetLines(lines(50)))];
    let trace = Trace::simulate(&Story { config, plan, commands }, &[]);
    answered::all(&trace).unwrap();
}
