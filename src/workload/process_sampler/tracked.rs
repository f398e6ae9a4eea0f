//! What is known of one process, and what is to be read of it anew.

use super::page_kib;
use crate::clock::Timestamp;
use crate::workload::estimate::{NEGLIGIBLE, Process, Shares};
use crate::workload::shares::{ProcStatus, Sums};

/// An error of this part of the sum calls for new proportional sets.
pub const PART: u64 = 64;

/// A process, and what is to be read of it anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracked {
    /// What the sum takes of it.
    pub process: Process,
    /// In the list of this look, and alive.
    pub seen: bool,
    /// Nothing is read yet.
    pub fresh: bool,
    /// Its memory was read for the first time in this look.
    pub arrived: bool,
    /// What it shares may have changed.
    pub stale: bool,
    /// When it is read once more behind that: whoever reads a file of /proc of one that ends keeps its pages mapped for so long.
    pub again_at: Option<Timestamp>,
    /// Its shares were read in this look.
    pub current: bool,
    /// Faults when its shares were read.
    pub faults: u64,
    /// Memory then.
    pub at: ProcStatus,
    /// Size of what it has locked.
    pub locked: u64,
}

/// KiB. By so much the sums of `stat` and `status` may differ: each processor counts some pages on its own.
const INEXACT: u64 = 1024;

impl Tracked {
    /// Of whom nothing is read yet.
    pub fn new(pid: i32) -> Tracked {
        let process = Process { pid, ..Process::default() };
        Tracked { process, seen: true, fresh: true, ..Tracked::default() }
    }

    /// Whether its shares are to be read: of one without company only for what it has locked.
    pub fn wants(&self, company: bool) -> bool {
        let something = company && self.process.memory.kept() > 0 || self.locked > 0;
        let unread = self.process.shares == Shares::Unread || self.stale;
        self.seen && self.process.host == 0 && something && unread
    }

    /// Whether what it shares may be another part of it than when that was read. A page that is copied on write is a fault and
    /// changes no size.
    pub fn has_drifted(&self) -> bool {
        let now = self.process.memory.kept();
        let faulted = self.process.stat.faults.saturating_sub(self.faults) * page_kib();
        let fallen = self.at.memory.kept().saturating_sub(now);
        self.process.is_sharing() && faulted.max(fallen) > (now / PART).max(NEGLIGIBLE)
    }

    /// Faults since its shares were read that gave it no more than it had, KiB: of what it let go in between. A fault on a mapping of shared
    /// memory may bring several pages (fault-around).
    fn churn(&self) -> u64 {
        let faulted = self.process.stat.faults.saturating_sub(self.faults) * page_kib();
        faulted.saturating_sub(self.process.memory.kept().saturating_sub(self.at.memory.kept()))
    }

    /// Whether it may share more than when that was read: by a mapping, which others may have too.
    pub fn has_joined(&self) -> bool {
        let ProcStatus { memory, locked, .. } = self.at;
        let room = (memory.shmem / PART).max(NEGLIGIBLE);
        let file =
            self.process.memory.file.abs_diff(memory.file) > (memory.file / PART).max(NEGLIGIBLE);
        self.process.memory.shmem > memory.shmem + room
            || memory.shmem > NEGLIGIBLE && self.churn() > room
            || self.locked != locked
            || self.locked > 0 && file
    }

    /// So much of it is resident, KiB: what it had more when its status was read it gave back, shared memory first, since that it may have
    /// handed on.
    pub fn give_back(&mut self, resident: u64) {
        let process = &mut self.process;
        let Sums { anon, file, shmem, swap, .. } = process.memory;
        let (own, fallen) = (process.own(), (anon + file + shmem).saturating_sub(resident));
        let of_shmem = if fallen > INEXACT.max(own.shmem / 4) { fallen.min(own.shmem) } else { 0 };
        let of_anon = own.kept().saturating_sub(of_shmem + resident + swap);
        process.memory.anon = process.memory.anon.saturating_sub(of_anon);
        process.memory.shmem -= of_shmem;
        process.private.anon = process.private.anon.saturating_sub(of_anon);
        process.private.shmem = process.private.shmem.saturating_sub(of_shmem);
        process.locked_file = process.locked_file.min(resident);
    }
}
