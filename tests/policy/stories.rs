//! What the properties are tried with: rules, workloads, operators, and bare lists of events around the lines.

use crate::policy::trace::Story;
use crate::policy::workload::{OnTerm, Phase, Plan};
use proptest::collection::vec;
use proptest::prelude::*;
use sentinel::clock::Timestamp;
use sentinel::event::{Command, Ending, Event, Sample};
use sentinel::lines::Lines;
use sentinel::policy::interval::Cadence;
use sentinel::policy::on_breach::{BreachRule, OnBreach};
use sentinel::policy::reclaim::ReclaimAt;
use sentinel::policy::thrash::ThrashRule;
use sentinel::policy::warn::WarnRule;
use sentinel::policy::{OnExit, PolicyConfig};
use sentinel::status::Counters;
use sentinel::units::{Bytes, Limit, MIB, Percent};
use std::time::Duration;

/// The lines of a limit of so many MiB.
pub fn lines(mib: u64) -> Lines {
    match Lines::new(Bytes::mib(mib), None, None) {
        Ok(lines) => lines,
        Err(error) => panic!("lines of {mib} MiB: {error}"),
    }
}

/// The floor of the machine, where it has one.
const FLOOR: Bytes = Bytes::mib(256);

/// Any rules for 100 MiB.
pub fn configs() -> impl Strategy<Value = PolicyConfig> {
    let grace = prop_oneof![1 => Just(0), 5 => 1..2000u64].prop_map(Duration::from_millis);
    let hold = prop::option::weighted(0.3, (500..3000u64).prop_map(Duration::from_millis));
    let timeout = prop::option::weighted(0.2, (0..6000u64).prop_map(Duration::from_millis));
    let on_exit = prop_oneof![Just(OnExit::Wait), Just(OnExit::Terminate)];
    let cadence = prop_oneof![Just(Cadence::Events), Just(Cadence::Polled)];
    let slack = prop_oneof![Just(0), Just(MIB), Just(10 * MIB)];
    (grace, hold, timeout, on_exit, prop::bool::weighted(0.2), cadence, slack).prop_map(
        |(grace, hold, timeout, on_exit, dry_run, cadence, slack)| PolicyConfig {
            lines: lines(100),
            grace,
            warn: WarnRule { share: Percent(80), within: Duration::from_secs(10) },
            thrash: hold.map(|hold| ThrashRule { share: Percent(70), hold }),
            on_breach: BreachRule::default(),
            culprit: sentinel::policy::culprit::CulpritRule::default(),
            timeout,
            // Of a draw that there is: the fixed runs that must reach what is rare stay the same.
            min_available: (grace.as_millis() % 4 == 3).then_some(FLOOR),
            on_exit,
            has_command: true,
            dry_run,
            cadence,
            reclaim: match cadence {
                Cadence::Events => ReclaimAt::TripWire,
                Cadence::Polled => ReclaimAt::Nowhere,
            },
            slack: Bytes(slack),
            is_pool: false,
            is_machine: false,
        },
    )
}

/// Any way to answer a breach.
pub fn breach_rules() -> impl Strategy<Value = BreachRule> {
    let deed = prop_oneof![
        1 => Just(OnBreach::Terminate),
        3 => Just(OnBreach::Freeze),
        2 => Just(OnBreach::Warn),
    ];
    let hold = prop_oneof![2 => Just(0), 1 => 1..1500u64].prop_map(Duration::from_millis);
    let freeze_for = (1..3000u64).prop_map(Duration::from_millis);
    (deed, hold, freeze_for).prop_map(|(deed, hold, freeze_for)| BreachRule {
        deed,
        hold,
        freeze_for,
    })
}

/// Another grace period, at times another time limit. Both of one draw: the fixed runs that must reach what is rare stay the same.
fn time(ms: u64) -> Command {
    match ms % 16 {
        0 => Command::SetTimeout(None),
        8 => Command::SetTimeout(Some(Duration::from_millis(ms * 2))),
        _ => Command::SetGrace(Duration::from_millis(ms)),
    }
}

/// What an operator may ask for; limits of these MiB.
pub fn commands(limits: &'static [u64]) -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => Just(Command::Terminate),
        1 => Just(Command::Kill),
        2 => Just(Command::Freeze),
        2 => Just(Command::Thaw),
        2 => prop::sample::select(limits).prop_map(|mib| Command::SetLines(lines(mib))),
        2 => (0..3000u64).prop_map(time),
    ]
}

fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let kib = prop_oneof![3 => Just(0), 3 => 0..200i64, 2 => 0..1000i64, 1 => -100..0i64];
    // More than the simulated kernel takes back in that time: all wait for it.
    let thrashes = 5000..8000u64;
    let reads = prop_oneof![6 => Just(0), 2 => 0..2000u64, 1 => thrashes];
    let pins = prop_oneof![6 => Just(0), 1 => 0..400u64];
    let phase = (1..2000u64, kib, reads, pins).prop_map(|(lasts, kib, reads, pins)| Phase {
        lasts,
        grows: kib * 1024,
        reads: reads * 1024,
        pins: pins * 1024,
    });
    vec(phase, 1..5)
}

/// Any workload. One that obeys is gone 50 ms after SIGTERM at the latest.
pub fn plans() -> impl Strategy<Value = Plan> {
    let on_term = prop_oneof![
        Just(OnTerm::Ignores),
        (0..50u64).prop_map(OnTerm::DiesAfter),
        (0..50u64).prop_map(OnTerm::LeavesRestAfter),
    ];
    let ends_at = prop::option::weighted(0.5, 0..6000u64);
    (phases(), on_term, ends_at, 0..30u64, 1..4u32, any::<bool>(), 1..25u64).prop_map(
        |(phases, on_term, ends_at, dying, kills, empty_first, creep)| Plan {
            phases,
            on_term,
            ends_at,
            dying,
            kills,
            empty_first,
            creep: creep * 1024,
        },
    )
}

/// Any run that an operator may meddle with.
pub fn stories() -> impl Strategy<Value = Story> {
    let commands = vec((0..6000u64, commands(&[50, 100, 150, 400])), 0..4);
    (configs(), plans(), commands).prop_map(|(config, plan, commands)| Story {
        config,
        plan: as_seen(plan, &config),
        commands,
    })
}

/// A sum over processes sees nothing that reclaim does not get.
fn as_seen(mut plan: Plan, config: &PolicyConfig) -> Plan {
    if config.reclaim == ReclaimAt::Nowhere {
        plan.phases.iter_mut().for_each(|phase| phase.pins = 0);
    }
    plan
}

/// Any run that is left alone, and is not a dry one.
pub fn lonely_stories() -> impl Strategy<Value = Story> {
    (configs(), plans()).prop_map(|(config, plan)| Story {
        config: PolicyConfig { dry_run: false, ..config },
        plan: as_seen(plan, &config),
        commands: Vec::new(),
    })
}

/// Readings at the lines and a byte beside them, and anywhere.
fn sizes() -> impl Strategy<Value = (Bytes, Bytes, Bytes)> {
    let l = lines(100);
    let at = |line: Bytes| prop_oneof![Just(line.0), Just(line.0 - 1), Just(line.0 + 1)];
    let current = prop_oneof![
        4 => at(l.limit),
        2 => at(Bytes(l.limit.0 - MIB)),
        4 => at(l.relief),
        4 => at(l.second),
        1 => at(Bytes(l.limit.0 - l.limit.0 / 16)),
        4 => 0..l.ceiling.0,
    ];
    let firm = prop_oneof![
        Just(l.limit.0),
        Just(l.limit.0 - 1),
        Just(l.limit.0 - MIB),
        Just(l.limit.0 - MIB - 1),
        Just(l.limit.0 / 2),
        Just(l.limit.0 / 2 - 1),
        Just(u64::MAX),
    ];
    let swap = prop_oneof![9 => Just(0), 1 => 0..l.limit.0];
    (current, firm, swap).prop_map(|(current, firm, swap)| {
        (Bytes(current), Bytes(current.saturating_sub(firm)), Bytes(swap))
    })
}

/// What the machine has left, by another draw: mostly enough, at times just too little, or less than half of what is to be left.
fn left(draw: u64) -> Option<Bytes> {
    Some(match draw {
        0..=2 => return None,
        3..=9 => Bytes(FLOOR.0 / 2 - 1),
        10..=24 => Bytes(FLOOR.0 - 1),
        25..=40 => FLOOR,
        _ => Bytes::mib(1024),
    })
}

/// Readings as a kernel could give them, events and times in order; mostly readings.
pub fn events() -> impl Strategy<Value = Vec<(Timestamp, Event)>> {
    let dt = prop_oneof![2 => Just(0), 5 => 1..120u64, 1 => 120..3000u64];
    let event = prop_oneof![
        20 => sizes().prop_map(|(current, cache, swap)| {
            Event::Sample(Sample { current, cache, swap, ..Sample::default() })
        }),
        4 => Just(Event::Deadline),
        1 => commands(&[50, 100, 150]).prop_map(Event::Operator),
        1 => any::<u8>().prop_map(|status| Event::ChildExited(Ending::Exited(status))),
    ];
    let step = (dt, prop_oneof![1 => Just(0), 2 => 0..=100u64], event);
    // Of what reclaim looks at at each look it gets all, or next to nothing; or it is not tried.
    let reclaim = prop_oneof![2 => Just((0, 0)), 1 => Just((64, 64)), 3 => Just((64, 1))];
    (vec(step, 1..60), any::<bool>(), reclaim).prop_map(|(steps, empties, (scans, gets))| {
        let (mut now, mut stalled, mut looks) = (0, 0, 0);
        let mut events: Vec<_> = steps
            .into_iter()
            .map(|(dt, share, mut event)| {
                now += dt;
                stalled += dt * 10 * share;
                if let Event::Sample(sample) = &mut event {
                    sample.stalled_usec = Some(stalled);
                    looks += 1;
                    (sample.scanned, sample.reclaimed) = (looks * scans, looks * gets);
                    sample.available = left(share);
                }
                (Timestamp::from_millis(now), event)
            })
            .collect();
        if empties {
            events.push((Timestamp::from_millis(now), Event::Empty));
        }
        events
    })
}

/// Events that no kernel and no sane edge would give, at times in any order.
pub fn absurd_events() -> impl Strategy<Value = Vec<(Timestamp, Event)>> {
    let n = || prop_oneof![Just(0), Just(u64::MAX), Just(lines(100).limit.0), any::<u64>()];
    let time = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..9000u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_micros)
    ];
    let sample = (n(), n(), n(), n(), n(), prop::option::of(n()), time.clone()).prop_map(
        |(current, cache, swap, oom_kill, pids_max, stalled_usec, cost)| {
            Event::Sample(Sample {
                current: Bytes(current),
                cache: Bytes(cache),
                swap: Bytes(swap),
                counters: Counters { oom_kill, pids_max, ..Counters::default() },
                stalled_usec,
                processes: swap,
                cost,
                ..Sample::default()
            })
        },
    );
    let room = prop_oneof![Just(Limit::At(0)), n().prop_map(Limit::At), Just(Limit::Max)];
    let set_lines =
        (n(), n(), n(), n(), room).prop_map(|(limit, relief, second, ceiling, swap)| {
            let [limit, relief, second, ceiling] = [limit, relief, second, ceiling].map(Bytes);
            Command::SetLines(Lines { limit, relief, second, ceiling, swap })
        });
    let event = prop_oneof![
        8 => sample,
        3 => Just(Event::Deadline),
        1 => commands(&[2, 100, 1_000_000]).prop_map(Event::Operator),
        1 => set_lines.prop_map(Event::Operator),
        1 => time.clone().prop_map(|grace| Event::Operator(Command::SetGrace(grace))),
        1 => prop::option::of(time.clone()).prop_map(|timeout| Event::Operator(Command::SetTimeout(timeout))),
        1 => any::<i32>().prop_map(|signal| Event::ChildExited(Ending::Signaled(signal))),
        1 => Just(Event::Empty),
    ];
    vec((time.prop_map(Timestamp), event), 1..40)
}
