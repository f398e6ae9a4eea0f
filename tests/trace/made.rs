//! Traces made without a kernel: a workload that grows by so much, looked at every 50 ms, guarded by the real policy.

use sentinel::clock::Timestamp;
use sentinel::event::{Action, Ending, Event, Sample};
use sentinel::lines::Lines;
use sentinel::policy::interval::Cadence;
use sentinel::policy::warn::WarnRule;
use sentinel::policy::{OnExit, Policy, PolicyConfig};
use sentinel::status::Tier;
use sentinel::trace::format::{Rules, Start, VERSION};
use sentinel::trace::queue::Step;
use sentinel::trace::reader::{Trace, read};
use sentinel::trace::writer::Writer;
use sentinel::units::{Bytes, Percent};
use std::time::Duration;

/// A workload.
#[derive(Clone, Copy)]
pub struct Leak {
    /// MiB a second.
    pub rate: u64,
    /// It ends by itself with status 0 after so many milliseconds.
    pub ends_at: u64,
    /// And so long after SIGTERM; `None`: it does not listen.
    pub handler_ms: Option<u64>,
    /// The limit that it is recorded under, in MiB.
    pub limit: u64,
    /// Nothing is done to it.
    pub dry_run: bool,
}

/// 10 MiB/s for 20 s under a limit of 100 MiB, ended 300 ms after SIGTERM.
pub const LEAK: Leak =
    Leak { rate: 10, ends_at: 20_000, handler_ms: Some(300), limit: 100, dry_run: false };

pub fn rules(leak: &Leak) -> PolicyConfig {
    PolicyConfig {
        lines: Lines::new(Bytes::mib(leak.limit), None, None).unwrap(),
        grace: Duration::from_secs(1),
        warn: WarnRule { share: Percent(80), within: Duration::from_secs(3) },
        thrash: None,
        on_breach: sentinel::policy::on_breach::BreachRule::default(),
        culprit: sentinel::policy::culprit::CulpritRule::default(),
        timeout: None,
        min_available: None,
        on_exit: OnExit::Wait,
        has_command: true,
        dry_run: leak.dry_run,
        cadence: Cadence::Polled,
        reclaim: sentinel::policy::reclaim::ReclaimAt::Nowhere,
        slack: Bytes(0),
        is_pool: false,
        is_machine: false,
    }
}

pub fn start(rules: &PolicyConfig) -> Start {
    Start {
        format: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: vec!["leak".to_owned()],
        pid: 4711,
        tier: Tier::Hybrid,
        unix_ms: 0,
        t: 0,
        term_signal: 15,
        rules: Rules::from(rules),
    }
}

/// Its lines.
pub fn text(leak: &Leak) -> Vec<u8> {
    let rules = rules(leak);
    let (mut writer, mut policy) =
        (Writer::new(64 << 20), Policy::new(rules, Timestamp::default()));
    writer.start(&start(&rules));
    let (mut ends_at, mut killed) = (leak.ends_at, false);
    for ms in (0..).step_by(50) {
        let at = Timestamp::from_millis(ms);
        let current = Bytes(leak.rate * ms * 1024 * 1024 / 1000);
        let sample = Event::Sample(Sample { current, processes: 1, ..Sample::default() });
        let over = ms >= ends_at;
        let signal = if killed { 9 } else { 15 };
        let ending = if ms >= leak.ends_at { Ending::Exited(0) } else { Ending::Signaled(signal) };
        let events = match over {
            true => vec![Event::Empty, Event::ChildExited(ending)],
            // A breach is looked at twice.
            false => vec![Event::Deadline, sample, sample],
        };
        for event in events {
            let actions = policy.handle(event, at);
            if actions.contains(&Action::Terminate) {
                ends_at = leak.handler_ms.map_or(ends_at, |handler| ms + handler);
            }
            if actions.contains(&Action::Kill) {
                (ends_at, killed) = (ms + 50, true);
            }
            writer.step(&Step { at, event, actions });
        }
        if over {
            writer.end(at, "over".to_owned(), 0);
            break;
        }
    }
    writer.waiting().to_vec()
}

/// The trace.
pub fn trace(leak: &Leak) -> Trace {
    read(text(leak).as_slice()).unwrap()
}
