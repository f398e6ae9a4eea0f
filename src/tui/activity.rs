//! CPU, disk traffic and pressure of the last minutes, a value a second, for small curves. Bounded; no I/O.

use crate::baseline::{Baseline, per_second};
use crate::clock::Timestamp;
use crate::status::Status;
use crate::units::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Seconds kept.
const SECONDS: usize = 300;
/// Rates reckoned here are over one to two of these.
const SPAN: Duration = Duration::from_secs(1);

/// Bytes read and written: in all, or in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Read.
    pub read: Bytes,
    /// Written.
    pub written: Bytes,
}

/// What was going on in a second: the highest values seen in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Second {
    /// CPU in use, thousandths of one.
    pub cpu_permille: Option<u32>,
    /// Disk traffic in a second, both ways.
    pub traffic: Option<Bytes>,
    /// Share of time in which a task waited for memory, hundredths of a percent.
    pub waiting: Option<u64>,
}

/// The last seconds, and what is reckoned from sums over processes.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    seconds: VecDeque<(u64, Second)>,
    summed: Option<(Traffic, Option<Traffic>)>,
    baseline: Option<Baseline<Traffic>>,
}

impl Activity {
    /// Takes what a status says.
    pub fn push(&mut self, status: &Status) {
        let now = Second {
            cpu_permille: status.usage.and_then(|usage| usage.cpu_permille),
            traffic: self.rates(status).map(|rates| rates.read.saturating_add(rates.written)),
            waiting: status.pressure.map(|pressure| hundredths(pressure.some_avg10)),
        };
        let second = status.uptime_ms / 1000;
        match self.seconds.back_mut() {
            Some((last, _)) if second < *last => return,
            Some((last, known)) if second == *last => *known = known.max(now),
            _ => self.seconds.push_back((second, now)),
        }
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
    }

    /// Takes the sum over processes, for tiers in which the kernel has none.
    pub fn sum(&mut self, traffic: Traffic, now: Timestamp) {
        let baseline = self.baseline.get_or_insert_with(|| Baseline::new(now, traffic));
        let rates = baseline.compare(now, traffic, SPAN).map(|(then, age)| {
            // A process that ended takes its part of the sum with it.
            let rate = |now: Bytes, then| Bytes(per_second(now.saturating_sub(then).0, age));
            Traffic {
                read: rate(traffic.read, then.read),
                written: rate(traffic.written, then.written),
            }
        });
        self.summed = Some((traffic, rates));
    }

    /// Disk traffic so far.
    pub fn totals(&self, status: &Status) -> Option<Traffic> {
        let io = status.usage.and_then(|usage| usage.io);
        let told = io.map(|io| Traffic { read: io.read, written: io.written });
        told.or_else(|| self.summed.map(|(totals, _)| totals))
    }

    /// Disk traffic in a second.
    pub fn rates(&self, status: &Status) -> Option<Traffic> {
        match status.usage.and_then(|usage| usage.io) {
            Some(io) => {
                Some(Traffic { read: Bytes(io.read_rate?), written: Bytes(io.write_rate?) })
            }
            None => self.summed?.1,
        }
    }

    /// The last `width` seconds, newest last; `None` where nothing is known.
    pub fn last(&self, width: usize) -> Vec<Option<Second>> {
        let mut columns = vec![None; width];
        let Some((newest, _)) = self.seconds.back() else { return columns };
        for (second, values) in &self.seconds {
            let age = usize::try_from(newest - second).unwrap_or(usize::MAX);
            if let Some(column) = width.checked_sub(age.saturating_add(1)) {
                columns[column] = Some(*values);
            }
        }
        columns
    }
}

impl Second {
    fn max(self, other: Second) -> Second {
        Second {
            cpu_permille: self.cpu_permille.max(other.cpu_permille),
            traffic: self.traffic.max(other.traffic),
            waiting: self.waiting.max(other.waiting),
        }
    }
}

/// A percentage as whole hundredths, so that it compares like the rest. Nothing that a client could send is out of range.
fn hundredths(percent: f64) -> u64 {
    let whole = format!("{:.0}", percent.clamp(0.0, 100.0) * 100.0);
    whole.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_become_rates_and_an_end_no_wild_one() {
        let mut activity = Activity::default();
        let traffic = |mib| Traffic { read: Bytes::mib(mib), written: Bytes(0) };
        activity.sum(traffic(10), Timestamp::from_millis(0));
        assert_eq!(activity.summed, Some((traffic(10), None)));
        activity.sum(traffic(14), Timestamp::from_millis(2000));
        assert_eq!(activity.summed, Some((traffic(14), Some(traffic(2)))));
        activity.sum(traffic(1), Timestamp::from_millis(3000));
        assert_eq!(activity.summed, Some((traffic(1), Some(traffic(0)))));
    }

    #[test]
    fn percentages_are_tamed() {
        for (percent, expected) in
            [(1.25, 125), (0.0, 0), (-1.0, 0), (1e300, 10_000), (f64::NAN, 0)]
        {
            assert_eq!(hundredths(percent), expected, "{percent}");
        }
    }
}
