//! The table of a workload's processes for screens and reports, made a few processes at a time: never in the way of a kill.
//! Reads only what takes no lock of the process: its command line would wait for a process that is throttled in a fault.

use crate::report::escape::escape;
use crate::status::ProcessRow;
use crate::units::Bytes;
use procfs::FromRead as _;
use procfs::process::Stat;
use std::fs::File;
use std::io::Read as _;

/// So many are read at once: about 1 ms.
const STEP: usize = 32;
/// 52 numbers and a name of 64 bytes at most (proc_pid_stat(5)).
const STAT: usize = 2048;

/// A table in the making.
#[derive(Debug)]
pub struct ProcessScan {
    pids: Vec<i32>,
    next: usize,
    rows: Vec<ProcessRow>,
}

impl ProcessScan {
    /// Begins with these processes.
    pub fn new(pids: &[i32]) -> ProcessScan {
        ProcessScan { pids: pids.to_vec(), next: 0, rows: Vec::with_capacity(pids.len()) }
    }

    /// Reads the next few. True when it is done.
    pub fn step(&mut self) -> bool {
        let end = self.pids.len().min(self.next + STEP);
        self.rows.extend(self.pids[self.next..end].iter().filter_map(|pid| row(*pid)));
        self.next = end;
        end == self.pids.len()
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

/// Sum of the resident sets.
pub fn rss_sum(rows: &[ProcessRow]) -> Bytes {
    rows.iter().fold(Bytes(0), |sum, row| sum.saturating_add(row.rss))
}

fn row(pid: i32) -> Option<ProcessRow> {
    let stat = stat(pid)?;
    let name = escape(stat.comm.as_bytes());
    Some(ProcessRow {
        pid: u32::try_from(stat.pid).ok()?,
        ppid: u32::try_from(stat.ppid).unwrap_or(0),
        command: name.clone(),
        name,
        state: stat.state,
        rss: Bytes(stat.rss.saturating_mul(procfs::page_size())),
        share_permille: 0,
    })
}

/// One file opened and read: a table of thousands is read again and again.
fn stat(pid: i32) -> Option<Stat> {
    let mut text = [0; STAT];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut text).ok()?;
    Stat::from_read(&text[..length]).ok()
}
