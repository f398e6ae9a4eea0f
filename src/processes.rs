//! The table of a workload's processes for screens and reports, made a few processes at a time: never in the way of a kill.
//! Reads only what takes no lock of the process: its command line would wait for a process that is throttled in a fault.

use crate::baseline::{Baseline, per_second};
use crate::clock::Timestamp;
use crate::escape::escape;
use crate::status::ProcessRow;
use crate::units::Bytes;
use procfs::FromRead as _;
use procfs::process::Stat;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

/// So many are read at once: about 1 ms.
const STEP: usize = 32;
/// 52 numbers and a name of 64 bytes at most (proc_pid_stat(5)).
const STAT: usize = 2048;
/// Growth and CPU of a process are over one to two of these.
const SPAN: Duration = Duration::from_secs(2);

/// A table in the making.
#[derive(Debug)]
pub struct ProcessScan {
    pids: Vec<i32>,
    next: usize,
    rows: Vec<ProcessRow>,
    trends: Option<(Trends, Timestamp)>,
    ticks: u64,
}

/// What processes had used before: what their growth and CPU are reckoned from, from one table to the next.
#[derive(Debug, Default)]
pub struct Trends {
    known: HashMap<i32, Trend>,
    round: u64,
}

/// Of one process: resident bytes and clock ticks. A number may belong to another process by now: then its start is another.
#[derive(Debug)]
struct Trend {
    start: u64,
    baseline: Baseline<(u64, u64)>,
    round: u64,
}

impl ProcessScan {
    /// Begins with these processes.
    pub fn new(pids: &[i32]) -> ProcessScan {
        let rows = Vec::with_capacity(pids.len());
        ProcessScan { pids: pids.to_vec(), next: 0, rows, trends: None, ticks: 0 }
    }

    /// Begins with these processes at `now`, and tells what became of them since the tables before.
    pub fn following(pids: &[i32], mut trends: Trends, now: Timestamp) -> ProcessScan {
        trends.round += 1;
        ProcessScan { trends: Some((trends, now)), ..ProcessScan::new(pids) }
    }

    /// What is read from here on is of this moment: a long table takes its time.
    pub fn set_now(&mut self, now: Timestamp) {
        if let Some((_, at)) = &mut self.trends {
            *at = now;
        }
    }

    /// Reads the next few. True when it is done.
    pub fn step(&mut self) -> bool {
        let end = self.pids.len().min(self.next + STEP);
        for pid in &self.pids[self.next..end] {
            let Some((mut row, stat)) = row(*pid) else { continue };
            self.ticks = self.ticks.saturating_add(all_ticks(&stat));
            if let Some((trends, now)) = &mut self.trends {
                trends.follow(&mut row, &stat, *now);
            }
            self.rows.push(row);
        }
        self.next = end;
        end == self.pids.len()
    }

    /// CPU time of the processes, and of the children that they waited for, microseconds.
    pub fn cpu_usec(&self) -> u64 {
        micros(self.ticks)
    }

    /// For the next scan; those who are gone are forgotten.
    pub fn take_trends(&mut self) -> Trends {
        let Some((mut trends, _)) = self.trends.take() else { return Trends::default() };
        let round = trends.round;
        trends.known.retain(|_, trend| trend.round == round);
        trends
    }

    /// The table, largest first.
    pub fn finish(mut self) -> Vec<ProcessRow> {
        let total: u128 = self.rows.iter().map(|row| u128::from(row.rss.0)).sum();
        for row in &mut self.rows {
            let permille = u128::from(row.rss.0) * 1000 / total.max(1);
            row.share_permille = u32::try_from(permille).unwrap_or(1000);
        }
        self.rows.sort_by(|a, b| b.rss.cmp(&a.rss).then(a.pid.cmp(&b.pid)));
        self.rows
    }
}

impl Trends {
    fn follow(&mut self, row: &mut ProcessRow, stat: &Stat, now: Timestamp) {
        let value = (row.rss.0, stat.utime.saturating_add(stat.stime));
        let new = || Trend { start: stat.starttime, baseline: Baseline::new(now, value), round: 0 };
        let trend = self.known.entry(stat.pid).or_insert_with(new);
        if trend.start != stat.starttime {
            *trend = new();
        }
        trend.round = self.round;
        let Some(((rss, ticks), age)) = trend.baseline.compare(now, value, SPAN) else { return };
        let rate = i64::try_from(per_second(value.0.abs_diff(rss), age)).unwrap_or(i64::MAX);
        row.growth = Some(if value.0 < rss { -rate } else { rate });
        let used = micros(value.1.saturating_sub(ticks));
        row.cpu_permille = u32::try_from(per_second(used, age) / 1000).ok();
    }
}

/// Sum of the resident sets.
pub fn rss_sum(rows: &[ProcessRow]) -> Bytes {
    rows.iter().fold(Bytes(0), |sum, row| sum.saturating_add(row.rss))
}

fn micros(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000) / procfs::ticks_per_second().max(1)
}

fn all_ticks(stat: &Stat) -> u64 {
    let waited_for = [stat.cutime, stat.cstime].map(|ticks| u64::try_from(ticks).unwrap_or(0));
    [stat.utime, stat.stime].into_iter().chain(waited_for).fold(0, u64::saturating_add)
}

fn row(pid: i32) -> Option<(ProcessRow, Stat)> {
    let stat = stat(pid)?;
    let name = escape(stat.comm.as_bytes());
    let row = ProcessRow {
        pid: u32::try_from(stat.pid).ok()?,
        ppid: u32::try_from(stat.ppid).unwrap_or(0),
        command: name.clone(),
        name,
        state: stat.state,
        rss: Bytes(resident(&stat).saturating_mul(procfs::page_size())),
        share_permille: 0,
        growth: None,
        cpu_permille: None,
    };
    Some((row, stat))
}

/// Pages. Where the first thread has ended, a living one tells.
fn resident(stat: &Stat) -> u64 {
    let whole = || crate::workload::proc_stat::Stat::of(stat.pid, &mut [0; STAT]).ok().flatten();
    match stat.state {
        'Z' if stat.num_threads > 1 => whole().map_or(0, |stat| stat.resident),
        _ => stat.rss,
    }
}

/// One file opened and read: a table of thousands is read again and again.
fn stat(pid: i32) -> Option<Stat> {
    let mut text = [0; STAT];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut text).ok()?;
    Stat::from_read(&text[..length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(trends: Trends, ms: u64) -> (ProcessRow, Trends) {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut scan = ProcessScan::following(&[own], trends, Timestamp::from_millis(ms));
        assert!(scan.step());
        let trends = scan.take_trends();
        (scan.finish().remove(0), trends)
    }

    #[test]
    fn growth_and_cpu_are_known_from_the_second_table_on() {
        let (row, trends) = table(Trends::default(), 0);
        assert_eq!((row.growth, row.cpu_permille), (None, None));
        let (before, trends) = (row.rss, trends);
        let held = vec![1u8; 64 << 20];
        let (row, trends) = table(trends, 1000);
        let grown = i64::try_from(row.rss.0).unwrap() - i64::try_from(before.0).unwrap();
        assert_eq!(row.growth, Some(grown));
        assert!(grown > 32 << 20 && row.cpu_permille.is_some(), "{row:?}");
        drop(held);
        let (row, _) = table(trends, 5000);
        assert!(row.growth.is_some_and(|growth| growth < 32 << 20), "{row:?}");
    }

    #[test]
    fn a_number_with_another_start_is_another_process() {
        let (_, mut trends) = table(Trends::default(), 0);
        for trend in trends.known.values_mut() {
            trend.start += 1;
        }
        let (row, trends) = table(trends, 1000);
        assert_eq!(row.growth, None);
        assert_eq!(trends.known.len(), 1);
        let mut scan = ProcessScan::following(&[], trends, Timestamp::from_millis(2000));
        assert!(scan.step() && scan.take_trends().known.is_empty());
    }
}
