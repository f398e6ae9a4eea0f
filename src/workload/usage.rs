//! CPU time and disk traffic of a workload, from `cpu.stat` and `io.stat` of its cgroup: read aside and for people, never for a decision.
//! /proc/PID/io is not read in the guardian: its reader waits while the process is at execve(2), and that may be throttled.

use crate::baseline::{Baseline, per_second};
use crate::cgroup::kept::{Keeping, Kept};
use crate::cgroup::{Cgroup, files};
use crate::clock::Timestamp;
use crate::status::{Io, Usage};
use crate::units::Bytes;
use std::time::Duration;

/// Rates are over one to two of these.
const SPAN: Duration = Duration::from_secs(1);
/// A rate over more than this says nothing of now.
const STALE: Duration = Duration::from_secs(5);
/// `io.stat` has about 100 bytes a device; what is beyond is left out.
const BUFFER: usize = 16 * 1024;

/// One reading: CPU time, and bytes read and written.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageReading {
    /// Microseconds.
    pub cpu_usec: u64,
    /// Read and written, where that is known.
    pub io: Option<(u64, u64)>,
}

/// The open files, and what was read before.
#[derive(Debug)]
pub struct UsageMeter {
    files: Option<(Kept, Option<Kept>)>,
    first: Option<UsageReading>,
    baseline: Option<Baseline<UsageReading>>,
}

impl UsageMeter {
    /// Opens the files of a cgroup that nobody used before. Without it, or where it has none, readings come by
    /// [`UsageMeter::take`] alone, and begin at nothing too.
    pub fn of_its_own(cgroup: Option<&Cgroup>) -> UsageMeter {
        let first = Some(UsageReading { cpu_usec: 0, io: Some((0, 0)) });
        UsageMeter { first, ..UsageMeter::of_ours(cgroup, Keeping::Open) }
    }

    /// Those of a cgroup that was in use before: what the first reading says was before.
    pub fn of_ours(cgroup: Option<&Cgroup>, keeping: Keeping) -> UsageMeter {
        let open = |name| Kept::new(cgroup?, name, keeping).ok();
        let files = open("cpu.stat").map(|cpu| (cpu, open("io.stat")));
        UsageMeter { files, first: None, baseline: None }
    }

    /// Whether the cgroup's files say all, so that nobody needs to sum over processes.
    pub fn reads_files(&self) -> bool {
        self.files.is_some()
    }

    /// Reads the files. `None` where there are none, or the cgroup is gone.
    pub fn read(&mut self, now: Timestamp) -> Option<Usage> {
        let (cpu, io) = self.files.as_ref()?;
        let mut buffer = [0; BUFFER];
        let buffer = &mut buffer[..];
        let cpu_usec = files::cpu_stat(cpu.read(buffer).ok()?)?;
        let io = io.as_ref().and_then(|io| io.read(buffer).ok()).map(files::io_stat);
        Some(self.take(UsageReading { cpu_usec, io }, now))
    }

    /// Makes of a reading what is told.
    pub fn take(&mut self, reading: UsageReading, now: Timestamp) -> Usage {
        let first = *self.first.get_or_insert(reading);
        let baseline = self.baseline.get_or_insert_with(|| Baseline::new(now, reading));
        let before = baseline.compare(now, reading, SPAN).filter(|(_, age)| *age <= STALE);
        let permille = before.map(|(then, age)| {
            // Microseconds a second, so a thousandth of one CPU is a thousand of them.
            per_second(reading.cpu_usec.saturating_sub(then.cpu_usec), age) / 1000
        });
        Usage {
            cpu_usec: reading.cpu_usec.saturating_sub(first.cpu_usec),
            cpu_permille: permille.map(|permille| u32::try_from(permille).unwrap_or(u32::MAX)),
            io: reading.io.map(|now| io(now, first.io, before)),
        }
    }
}

fn io(now: (u64, u64), first: Option<(u64, u64)>, before: Option<(UsageReading, Duration)>) -> Io {
    let first = first.unwrap_or(now);
    let then = before.and_then(|(then, age)| Some((then.io?, age)));
    let rate = |now: u64, then: u64, age| per_second(now.saturating_sub(then), age);
    Io {
        read: Bytes(now.0.saturating_sub(first.0)),
        written: Bytes(now.1.saturating_sub(first.1)),
        read_rate: then.map(|(then, age)| rate(now.0, then.0, age)),
        write_rate: then.map(|(then, age)| rate(now.1, then.1, age)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn rates_are_of_the_last_seconds_and_totals_of_our_time() {
        let mut meter = UsageMeter::of_ours(None, Keeping::Open);
        let reading = |ms: u64| UsageReading { cpu_usec: 7_000_000 + ms * 500, io: Some((ms, 9)) };
        assert_eq!(meter.take(reading(0), at(0)).cpu_permille, None);
        let mut usage = Usage::default();
        for ms in (200..=3000).step_by(200) {
            usage = meter.take(reading(ms), at(ms));
        }
        assert_eq!((usage.cpu_usec, usage.cpu_permille), (1_500_000, Some(500)));
        let io = usage.io.unwrap();
        assert_eq!((io.read, io.written), (Bytes(3000), Bytes(0)));
        assert_eq!((io.read_rate, io.write_rate), (Some(1000), Some(0)));
    }

    #[test]
    fn what_began_with_the_run_is_all_of_it() {
        let mut meter = UsageMeter::of_its_own(None);
        let usage = meter.take(UsageReading { cpu_usec: 7, io: None }, at(5000));
        assert_eq!((usage.cpu_usec, usage.cpu_permille), (7, None));
    }

    #[test]
    fn after_a_long_silence_there_is_no_rate() {
        let mut meter = UsageMeter::of_ours(None, Keeping::Open);
        let _ = meter.take(UsageReading::default(), at(0));
        let usage = meter.take(UsageReading { cpu_usec: 5, io: None }, at(60_000));
        assert_eq!((usage.cpu_permille, usage.io), (None, None));
    }
}
