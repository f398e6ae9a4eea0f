//! Every run that a model of kernel, workload, edge and operators allows, up to a number of moves, against the design's promises.
//! `MODEL_DEPTH` sets that number; the tests print what they saw and fail if they did not meet what the promises are about.
#![expect(clippy::expect_used, reason = "what cannot fail here is not under test")]

mod policy {
    pub mod model {
        pub mod promises;
        pub mod search;
        pub mod tally;
        pub mod world;
    }
}

use policy::model::search::{Found, explore};
use policy::model::tally::Seen;
use policy::model::world::{Rules, World};
use sentinel::clock::Timestamp;
use sentinel::event::Command;
use sentinel::lines::Lines;
use sentinel::policy::interval::Cadence;
use sentinel::policy::on_breach::{BreachRule, OnBreach};
use sentinel::policy::thrash::ThrashRule;
use sentinel::policy::warn::WarnRule;
use sentinel::policy::{OnExit, Policy, PolicyConfig};
use sentinel::units::{Bytes, Percent};
use std::time::Duration;

/// Around the lines of 100 MiB: nothing, warned, at the limit, the relief line, the second line, the ceiling.
const LEVELS: &[u64] = &[40, 85, 100, 129, 158, 164];
/// And around those of 60 and 200 MiB.
const MORE_LEVELS: &[u64] = &[40, 60, 90, 100, 118, 129, 158, 164, 200, 229, 258, 264];

fn lines(mib: u64) -> Lines {
    Lines::new(Bytes::mib(mib), None, None).expect("room for the lines")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn config() -> PolicyConfig {
    PolicyConfig {
        lines: lines(100),
        grace: ms(200),
        warn: WarnRule { share: Percent(80), within: Duration::ZERO },
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
        slack: Bytes(0),
        is_pool: false,
        is_machine: false,
    }
}

fn rules() -> Rules {
    Rules {
        levels: LEVELS,
        commands: Vec::new(),
        faults: 0,
        late: 0,
        reads: true,
        ends: true,
        pins: false,
        turns: 0,
    }
}

/// Explores, tells, and looks whether all of `met` was met.
fn all_runs(name: &str, config: PolicyConfig, rules: &Rules, depth: usize, met: &[Seen]) -> Found {
    let depth = std::env::var("MODEL_DEPTH").map_or(depth, |n| n.parse().expect("MODEL_DEPTH"));
    let mut world = World::new(Policy::new(config, Timestamp::default()), rules);
    world.monitor.dry = config.dry_run;
    world.monitor.on_exit_terminates = config.on_exit == OnExit::Terminate;
    world.monitor.thrash = config.thrash.map(|rule| {
        (u64::from(rule.share.0), u64::try_from(rule.hold.as_millis()).expect("short"))
    });
    world.monitor.timeout = config.timeout.map(|t| u64::try_from(t.as_millis()).expect("short"));
    let found = explore(world, rules, depth);
    let extent = if found.complete { "all there are" } else { "and more beyond" };
    println!(
        "{name}: {} states, {} moves, depth {} ({extent})",
        found.states, found.moves, found.depth
    );
    for seen in met {
        println!("  {seen:?}: {}", found.tally.count(*seen));
        assert!(found.tally.count(*seen) > 0, "{name}: never met {seen:?}");
    }
    found
}

#[test]
fn a_run_that_is_left_alone() {
    let rules = Rules { late: 2, ..rules() };
    let met = [
        Seen::Breach,
        Seen::Climb,
        Seen::KillByGrace,
        Seen::KillBySecondLine,
        Seen::Deaf,
        Seen::Healthy,
        Seen::ReaderAtTripWire,
        Seen::LateEvent,
        Seen::Orphans,
        Seen::HeavierActs,
        Seen::EndByItself,
        Seen::EndByUs,
        Seen::EventAfterEnd,
    ];
    let found = all_runs("left alone", config(), &rules, 10, &met);
    assert_eq!(found.tally.count(Seen::Ceiling), 0);
}

#[test]
fn an_operator_meddles_at_any_moment() {
    use Command::{Freeze, Kill, SetGrace, Terminate, Thaw};
    let commands = vec![Freeze, Thaw, Terminate, Kill, SetGrace(ms(100)), SetGrace(ms(300))];
    let rules = Rules { commands, reads: false, ..rules() };
    let met = [
        Seen::Frozen,
        Seen::Thawed,
        Seen::TerminatedFrozen,
        Seen::TerminatedByOperator,
        Seen::KillByOperator,
        Seen::KillBySecondRequest,
        Seen::KillByGrace,
        Seen::KillAgain,
        Seen::NewGrace,
        Seen::EventAfterEnd,
    ];
    all_runs("operator", config(), &rules, 8, &met);
}

/// To a time that is ahead, to one that is over, and to none.
#[test]
fn an_operator_sets_the_timeout_at_any_moment() {
    let times = [Some(ms(100)), Some(ms(300)), None];
    let commands = times.map(Command::SetTimeout).to_vec();
    let rules = Rules { levels: &LEVELS[..3], commands, reads: false, ..rules() };
    let met = [Seen::NewTimeout, Seen::TerminatedByTimeout, Seen::Breach, Seen::EndByItself];
    all_runs("set timeout", config(), &rules, 10, &met);
    let dry = PolicyConfig { dry_run: true, ..config() };
    let found = all_runs("set timeout, dry run", dry, &rules, 8, &[Seen::WouldTerminate]);
    assert_eq!(found.tally.count(Seen::TerminatedByTimeout), 0);
}

#[test]
fn an_operator_sets_the_limit_at_any_moment() {
    let commands = [60, 100, 200].map(|mib| Command::SetLines(lines(mib))).to_vec();
    let rules = Rules { levels: MORE_LEVELS, commands, ends: false, ..rules() };
    let met = [Seen::NewLines, Seen::HeldBack, Seen::Breach, Seen::KillBySecondLine, Seen::Deaf];
    let found = all_runs("set memory", config(), &rules, 8, &met);
    assert_eq!(found.tally.count(Seen::Ceiling), 0);
}

#[test]
fn what_the_guardian_writes_may_fail() {
    let commands = vec![Command::Freeze, Command::Terminate];
    let rules = Rules { commands, faults: 2, reads: false, ..rules() };
    let met = [
        Seen::Fault,
        Seen::Deaf,
        Seen::KillAgain,
        Seen::TerminatedFrozen,
        Seen::EndByUs,
        Seen::InVain,
    ];
    all_runs("faults", config(), &rules, 9, &met);
}

#[test]
fn a_workload_that_does_nothing_but_wait() {
    let rule = ThrashRule { share: Percent(80), hold: ms(350) };
    let config = PolicyConfig { thrash: Some(rule), ..config() };
    let rules = Rules { levels: &LEVELS[..1], turns: 2, ends: false, ..rules() };
    let met = [Seen::TerminatedByThrash, Seen::WaitedForAWhile, Seen::KillByGrace];
    all_runs("thrash", config, &rules, 14, &met);
}

/// A reader at the trip-wire is left alone, whatever was there before; what reclaim does not get is ended, the sooner the nearer it is
/// to the second line.
#[test]
fn a_workload_that_pins_what_counts_as_cache() {
    let rules = Rules { levels: &LEVELS[..1], pins: true, ends: false, ..rules() };
    let met = [Seen::Stuck, Seen::KillBySecondLine, Seen::KillByGrace, Seen::ReaderAtTripWire];
    let found = all_runs("pinned", config(), &rules, 48, &met);
    assert_eq!(found.tally.count(Seen::Ceiling), 0);
}

#[test]
fn other_rules() {
    let met = [Seen::TerminatedByTimeout, Seen::KillByGrace];
    let timeout = PolicyConfig { timeout: Some(ms(300)), ..config() };
    all_runs("timeout", timeout, &rules(), 12, &met);

    let met = [Seen::TerminatedAfterCommand, Seen::Orphans];
    let on_exit = PolicyConfig { on_exit: OnExit::Terminate, ..config() };
    all_runs("on exit terminate", on_exit, &rules(), 9, &met);

    let no_grace = PolicyConfig { grace: Duration::ZERO, ..config() };
    all_runs("no grace", no_grace, &rules(), 9, &[Seen::Breach, Seen::KillByGrace]);

    let commands = vec![Command::Terminate, Command::Freeze, Command::SetLines(lines(60))];
    let dry = PolicyConfig { dry_run: true, ..config() };
    let met = [Seen::WouldTerminate, Seen::TerminatedByOperator, Seen::Ceiling, Seen::EndByKernel];
    all_runs("dry run", dry, &Rules { commands, ..rules() }, 8, &met);
}

/// Frozen for a while and no longer, whatever operators do and whatever fails.
#[test]
fn a_workload_that_is_frozen_at_its_limit() {
    let rule = BreachRule { deed: OnBreach::Freeze, freeze_for: ms(300), ..BreachRule::default() };
    let config = PolicyConfig { on_breach: rule, ..config() };
    let commands =
        vec![Command::Thaw, Command::Freeze, Command::Terminate, Command::SetLines(lines(200))];
    let rules = Rules { levels: MORE_LEVELS, commands, reads: false, ends: false, ..rules() };
    let met = [
        Seen::FrozenAtBreach,
        Seen::ThawedBelow,
        Seen::ThawedOver,
        Seen::FreezeOver,
        Seen::TerminatedFrozen,
        Seen::TerminatedByOperator,
        Seen::KillBySecondLine,
    ];
    let found = all_runs("frozen at the limit", config, &rules, 9, &met);
    assert_eq!(found.tally.count(Seen::Ceiling), 0);

    let commands = vec![Command::Thaw];
    let rules = Rules { commands, faults: 2, reads: false, ..rules };
    let met = [Seen::Fault, Seen::FrozenAtBreach, Seen::ThawedOver, Seen::FreezeOver];
    all_runs("frozen at the limit, faults", config, &rules, 8, &met);
}

/// Told and no more, or after a while; and ended at the second line.
#[test]
fn a_breach_that_is_told_or_must_last() {
    let warn = BreachRule { deed: OnBreach::Warn, ..BreachRule::default() };
    let met = [Seen::OverLimit, Seen::Breach, Seen::KillBySecondLine];
    let config = PolicyConfig { on_breach: warn, ..config() };
    let found = all_runs("told of the limit", config, &rules(), 8, &met);
    assert_eq!(found.tally.count(Seen::Ceiling), 0);

    let hold = BreachRule { hold: ms(200), ..BreachRule::default() };
    let met = [Seen::Breach, Seen::KillBySecondLine, Seen::KillByGrace];
    let config = PolicyConfig { on_breach: hold, ..config };
    let found = all_runs("a breach must last", config, &rules(), 10, &met);
    assert_eq!(found.tally.count(Seen::Ceiling), 0);
}

/// The model has teeth: events later than it can bear, and the ceiling is reached.
#[test]
#[should_panic(expected = "memory reached the ceiling")]
fn a_guardian_that_is_told_too_late_comes_too_late() {
    let rules = Rules { late: 3, reads: false, ends: false, ..rules() };
    all_runs("too late", config(), &rules, 10, &[]);
}
