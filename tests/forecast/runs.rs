//! The runs: footprints over time. Recorded ones are from real programs, without a limit; made ones have a known growth.

use sentinel::clock::Timestamp;
use sentinel::trace::reader::read;
use sentinel::units::Bytes;
use std::path::Path;

/// Its readings until memory was given back at the end.
pub struct Run {
    pub readings: Vec<(Timestamp, Bytes)>,
}

/// Nothing behind this counts.
const LONGEST: Timestamp = Timestamp::from_millis(60_000);

pub fn all() -> Vec<Run> {
    let recorded = RECORDED.iter().map(|name| recorded(name));
    recorded.chain(MADE.iter().map(|mib| made(*mib))).collect()
}

const RECORDED: [&str; 9] = [
    "cargo-build",
    "gcc",
    "jvm-leak",
    "jvm-steady",
    "node-cache",
    "node-leak",
    "python-leak",
    "python-list",
    "python-tables",
];

fn recorded(name: &str) -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traces");
    let text = std::fs::read(path.join(format!("{name}.jsonl"))).unwrap();
    let trace = read(text.as_slice()).unwrap();
    let readings = trace.samples().map(|(at, sample)| (at, sample.footprint()));
    let mut readings: Vec<_> = readings.take_while(|(at, _)| *at < LONGEST).collect();
    while readings.last().is_some_and(|(_, footprint)| footprint.0 == 0) {
        readings.pop();
    }
    Run { readings }
}

/// MiB, hundredths, after so many tenths of a second.
type Made = fn(u64) -> u64;

const MADE: [Made; 5] = [
    // Steady: 3 MiB/s.
    |tick| 2000 + 30 * tick,
    // A sawtooth of 60 MiB each four seconds, without growth.
    |tick| 10_000 + 150 * (tick % 40),
    // One of 50 MiB each five seconds, with a leak of 2 MiB/s under it.
    |tick| 6000 + 20 * tick + 100 * (tick % 50),
    // Steps of 25 MiB each six seconds.
    |tick| 2000 + 2500 * (tick / 60),
    // Half a minute of nothing, then 5 MiB/s.
    |tick| 5000 + 50 * tick.saturating_sub(300),
];

fn made(mib: Made) -> Run {
    let bytes = |hundredths: u64| Bytes(Bytes::mib(hundredths).0 / 100);
    let reading = |tick| (Timestamp::from_millis(tick * 100), bytes(mib(tick)));
    Run { readings: (0..600).map(reading).collect() }
}
