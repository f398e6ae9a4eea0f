//! Sums a workload's memory over its processes, for tiers without memory accounting. Pages that several of them have count
//! once, at every level, and so does an address space that several of them have.
//! Blind to memory that no process maps (memfd, tmpfs, pipes, sockets): the announcement of those tiers says so.
//!
//! A look reads /proc/PID/stat of each, 9 microseconds; the rest only of those whose faults or sizes moved. Proportional sets
//! (smaps_rollup) take 19 microseconds, and 46 to 79 ms for each GiB of small pages (0.3 ms of huge ones; measured on a busy
//! machine): they are read of newcomers, and again when pages that are shared may have become somebody's own. In between a
//! process's own part is its resident set less what it shared.

mod tracked;
mod turns;

use super::estimate::{self, NEGLIGIBLE, Process, Shares};
use super::list::touch;
use super::proc_file;
use super::proc_stat::Stat;
use super::shares::{self, ProcStatus, Sums};
use crate::clock::Clock;
use crate::event::{ProcessId, Sample, Weight};
use crate::sys::process;
use crate::units::Bytes;
use std::io;
use std::time::Duration;
use tracked::Tracked;

/// So many processes are known without asking for memory; beyond, the list grows.
const ROOM: usize = 2048;
/// For a file of /proc.
const TEXT: usize = 8192;
/// Pages of somebody who is gone are unmapped by then, whoever held them.
const AGAIN: Duration = Duration::from_secs(1);
/// Without parent in the workload, so many others are asked whether they have the same address space.
const CANDIDATES: usize = 8;

/// What is known of each process, and the buffer to read it with.
#[derive(Debug)]
pub struct ProcessSampler {
    text: Box<[u8]>,
    rows: Vec<Tracked>,
    /// Where the next reading of proportional sets begins.
    turn: usize,
    /// For so long they are read in one look.
    budget: Duration,
    /// So much shared memory others than these have a part in, KiB.
    outside: u64,
    /// The first thing of this look that could not be read.
    trouble: Option<io::Error>,
    clock: Clock,
}

impl ProcessSampler {
    /// A sampler that takes no room yet: most of those whose cgroup tells of its memory never look.
    pub fn new() -> ProcessSampler {
        let (text, rows, clock) = (Box::default(), Vec::new(), Clock::start());
        ProcessSampler {
            text,
            rows,
            turn: 0,
            budget: turns::BUDGET,
            outside: 0,
            trouble: None,
            clock,
        }
    }

    /// Makes room, so that looks allocate nothing.
    pub fn prepare(&mut self) {
        self.rows.reserve(ROOM);
        self.make_text();
    }

    fn make_text(&mut self) {
        if self.text.is_empty() {
            self.text = vec![0; TEXT].into();
        }
    }

    /// The memory of that room is there from now on.
    pub fn touch(&mut self) {
        touch(&mut self.rows);
    }

    /// One reading.
    pub fn sample(&mut self, pids: &[i32]) -> Sample {
        self.trouble = None;
        self.make_text();
        self.meet(pids);
        for index in 0..self.rows.len() {
            self.observe(index);
        }
        self.forget();
        self.rebase();
        self.look_again();
        self.read_shares();
        self.sum()
    }

    /// What each holds, without what several share being told apart: no proportional sets are read.
    pub fn measure(&mut self, pids: &[i32]) {
        self.make_text();
        self.meet(pids);
        for index in 0..self.rows.len() {
            self.observe(index);
        }
        self.forget();
        self.trouble = None;
    }

    /// Those of the last reading that have a memory of their own, and what each holds.
    pub fn weights(&self) -> impl Iterator<Item = Weight> {
        let rows = self.rows.iter().filter(|row| row.process.host == 0);
        rows.map(|Tracked { process, .. }| Weight {
            id: ProcessId { pid: process.pid, started: process.stat.start },
            size: held(process),
            own: held(process).saturating_sub(self.inherited(process)),
            is_command: false,
        })
    }

    /// What it may have of its parent, where it was forked from that and runs the same program still.
    fn inherited(&self, process: &Process) -> Bytes {
        let layout = process.stat.layout;
        let parent = self.find(process.stat.parent).map(|at| self.rows[at].process);
        parent.filter(|it| layout != 0 && it.stat.layout == layout).map_or(Bytes(0), |it| held(&it))
    }

    /// Who lived at the last reading, and what /proc/PID/stat said.
    pub fn stats(&self) -> impl Iterator<Item = (i32, Stat)> {
        self.rows.iter().map(|row| (row.process.pid, row.process.stat))
    }

    /// Whose child it was then.
    pub fn parent_of(&self, pid: i32) -> Option<i32> {
        self.find(pid).map(|at| self.rows[at].process.stat.parent)
    }

    /// Whether this very process lived at the last reading.
    pub fn has(&self, id: ProcessId) -> bool {
        self.find(id.pid).is_some_and(|at| self.rows[at].process.stat.start == id.started)
    }

    /// Adds those who descend from somebody of these, up to so many in all, and not this one.
    pub fn add_descendants(&self, all: &mut Vec<ProcessId>, most: usize, but: Option<i32>) {
        loop {
            let before = all.len();
            for Tracked { process, .. } in &self.rows {
                let id = ProcessId { pid: process.pid, started: process.stat.start };
                let parent = process.stat.parent;
                let is_child = all.iter().any(|it| it.pid == parent) && !all.contains(&id);
                if is_child && Some(id.pid) != but && all.len() < most {
                    all.push(id);
                }
            }
            if all.len() == before {
                return;
            }
        }
    }

    fn look_again(&mut self) {
        let now = self.clock.now();
        for row in &mut self.rows {
            row.stale |= row.again_at.take_if(|at| now >= *at).is_some();
        }
    }

    /// Whether this process was alive at the last look.
    pub fn knows(&self, pid: i32) -> bool {
        self.find(pid).is_some()
    }

    fn find(&self, pid: i32) -> Option<usize> {
        self.rows.binary_search_by_key(&pid, |row| row.process.pid).ok()
    }

    /// Who is new, and who is not there any more.
    fn meet(&mut self, pids: &[i32]) {
        for row in &mut self.rows {
            (row.seen, row.current, row.arrived) = (false, false, false);
        }
        let known = self.rows.len();
        for pid in pids {
            match self.rows[..known].binary_search_by_key(pid, |row| row.process.pid) {
                Ok(at) => self.rows[at].seen = true,
                Err(_) => self.rows.push(Tracked::new(*pid)),
            }
        }
        self.forget();
        self.rows.sort_unstable_by_key(|row| row.process.pid);
        self.rows.dedup_by_key(|row| row.process.pid);
    }

    /// Leaves out who is gone: what they shared belongs to fewer now.
    fn forget(&mut self) {
        for index in 0..self.rows.len() {
            if !self.rows[index].seen {
                self.disturb(index);
            }
        }
        self.rows.retain(|row| row.seen);
    }

    /// Those who may share pages with this one are to be read again. What nobody has read of it, over budget or refused, may have been in the
    /// others' parts all the same.
    fn disturb(&mut self, index: usize) {
        self.disturb_by(index, self.rows[index].process.twice);
    }

    /// As `disturb`, of one that shares so much, or did.
    fn disturb_by(&mut self, index: usize, twice: Sums) {
        let Process { stat, shares, .. } = self.rows[index].process;
        self.disturb_locked(index);
        let is_known = shares == Shares::Read;
        let again_at = self.clock.now() + AGAIN;
        if is_known && twice.kept() <= NEGLIGIBLE {
            return;
        }
        for (other, row) in self.rows.iter_mut().enumerate() {
            let relative = stat.layout != 0 && row.process.stat.layout == stat.layout;
            let has_shmem = !is_known || twice.shmem > NEGLIGIBLE;
            let shared = has_shmem && row.process.memory.shmem > NEGLIGIBLE;
            if relative || shared {
                // Its own shares may be what was just read.
                row.stale |= other != index || !row.current;
                row.again_at = Some(again_at);
            }
        }
    }

    /// Locked pages of a file may be another's too.
    fn disturb_locked(&mut self, index: usize) {
        if self.rows[index].process.locked_file <= NEGLIGIBLE {
            return;
        }
        for (other, row) in self.rows.iter_mut().enumerate() {
            row.stale |= other != index && row.locked > 0;
        }
    }

    fn observe(&mut self, index: usize) {
        let pid = self.rows[index].process.pid;
        let stat = match Stat::of(pid, &mut self.text[..]) {
            Ok(Some(stat)) if stat.living => stat,
            Ok(_) => {
                self.rows[index].seen = false;
                return;
            }
            Err(error) => return self.note(error),
        };
        let before = self.rows[index].process.stat;
        if !self.rows[index].fresh && stat.start == before.start && stat.size == 0 {
            // It has given up its memory, and its pages are unmapped one by one: what it shared belongs to the others when it is gone.
            self.rows[index].process.memory = Sums::default();
            return;
        }
        if !self.rows[index].fresh && !stat.is_same_program(&before) {
            self.disturb(index);
            self.rows[index] = Tracked::new(pid);
        }
        let had_host = self.rows[index].process.host != 0;
        let moved = self.rows[index].fresh || had_host || !stat.is_unmoved(&before);
        self.rows[index].process.stat = stat;
        if !moved {
            return;
        }
        // Before its memory is read: one that leaves its host now has a small one of its own, which does not matter then.
        if self.rows[index].fresh || had_host {
            let host = self.host_of(index);
            if host != 0 {
                let row = &mut self.rows[index];
                (row.fresh, row.process.host) = (false, host);
                return;
            }
            if had_host {
                self.rows[index] = Tracked::new(pid);
                self.rows[index].process.stat = stat;
            }
        }
        self.read_memory(index);
    }

    /// Whose address space this process has, if another's: its parent's until it calls execve(2), where it is a child of
    /// vfork(2) or posix_spawn(3); CLONE_VM makes others.
    fn host_of(&mut self, index: usize) -> i32 {
        let Process { pid, stat, .. } = self.rows[index].process;
        if stat.layout == 0 {
            return 0;
        }
        if let Some(parent) = self.find(stat.parent) {
            let parent = self.rows[parent].process;
            let host = if parent.host == 0 { parent.pid } else { parent.host };
            // A layout is of the parent's last look: a parent that is new was not looked at, if its number is greater.
            let related = parent.stat.layout == stat.layout || parent.stat.layout == 0;
            return if related && host != pid && self.is_one(index, host) { host } else { 0 };
        }
        let alike = |row: &&Tracked| {
            let other = &row.process;
            other.pid != pid
                && other.host == 0
                && other.stat.layout == stat.layout
                && other.stat.size == stat.size
        };
        let mut candidates = [0; CANDIDATES];
        let found = self.rows.iter().filter(alike).map(|row| row.process.pid);
        let count = candidates.iter_mut().zip(found).map(|(slot, pid)| *slot = pid).count();
        candidates[..count].iter().copied().find(|host| self.is_one(index, *host)).unwrap_or(0)
    }

    fn is_one(&mut self, index: usize, host: i32) -> bool {
        // Who has no memory of its own to be compared has it by a thread.
        let (pid, host_reader) = (self.rows[index].process.stat.reader, self.reader_of(host));
        match process::share_memory(pid, host_reader) {
            Ok(one) => one,
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => false,
            Err(_) => self.looks_like_one(index, host),
        }
    }

    /// Whose files tell of this process's memory, as was known at the last look.
    fn reader_of(&self, pid: i32) -> i32 {
        let known = self.find(pid).map(|row| self.rows[row].process.stat.reader);
        known.filter(|reader| *reader != 0).unwrap_or(pid)
    }

    /// Where the kernel does not compare (no CONFIG_KCMP, a seccomp filter): the same numbers in both, and hardly a fault of
    /// its own. A child of fork(2) that has written to what it inherited has the same numbers too, and a fault for each page.
    fn looks_like_one(&mut self, index: usize, host: i32) -> bool {
        let (stat, host) = (self.rows[index].process.stat, self.reader_of(host));
        let (own, theirs) = (self.status(stat.reader), self.status(host));
        let (Some(own), Some(theirs)) = (own, theirs) else { return false };
        own == theirs && stat.faults * page_kib() < own.memory.kept() / 4
    }

    /// Whether it is there still.
    fn read_status(&mut self, index: usize) -> bool {
        let Some(status) = self.status(self.rows[index].process.stat.reader) else { return false };
        let row = &mut self.rows[index];
        (row.process.memory, row.process.code, row.locked) =
            (status.memory, status.code, status.locked);
        true
    }

    fn read_memory(&mut self, index: usize) {
        if !self.read_status(index) {
            return;
        }
        let row = &mut self.rows[index];
        (row.arrived, row.fresh) = (row.fresh, false);
        row.stale |= row.process.shares != Shares::Unread && row.has_joined();
        let has_drifted = row.has_drifted();
        // What it unmaps and maps again may be another's by then.
        row.at.memory.shmem = row.at.memory.shmem.min(row.process.memory.shmem);
        if has_drifted {
            self.disturb(index);
        }
    }

    /// Of a family that grew, any of its pages may be shared from now on; where that cannot be read, only what comes later is
    /// known to be whose it is.
    fn rebase(&mut self) {
        let mut codes = [0; CANDIDATES];
        let arrived = self.rows.iter().filter(|row| row.arrived).map(|row| row.process.code);
        let mut count = 0;
        for code in arrived {
            if !codes[..count.min(CANDIDATES)].contains(&code) {
                codes.get_mut(count).into_iter().for_each(|slot| *slot = code);
                count += 1;
            }
        }
        for row in &mut self.rows {
            let family = count > CANDIDATES || codes[..count].contains(&row.process.code);
            if family && row.process.shares != Shares::Read {
                row.process.base = row.process.memory.anon + row.process.memory.swap;
            }
        }
    }

    /// /proc/PID/status; `None` for a process that is gone.
    fn status(&mut self, pid: i32) -> Option<ProcStatus> {
        self.read(pid, "status").map(shares::status)
    }

    fn sum(&self) -> Sample {
        let found = estimate::estimate(self.rows.iter().map(|row| &row.process));
        let bytes = |kib: u64| Bytes(kib.saturating_mul(1024));
        let sums = found.sums;
        Sample {
            current: bytes(sums.anon + sums.file + sums.shmem + sums.tables),
            cache: bytes(sums.file.saturating_sub(found.locked_file)),
            swap: bytes(sums.swap),
            anon: bytes(sums.anon),
            shmem: bytes(sums.shmem),
            kernel: bytes(sums.tables),
            unread_shares: bytes(found.denied),
            processes: u64::try_from(self.rows.len()).unwrap_or(u64::MAX),
            ..Sample::default()
        }
    }

    fn read(&mut self, pid: i32, name: &str) -> Option<&[u8]> {
        match proc_file::read(pid, name, &mut self.text[..]) {
            Ok(text) => text,
            Err(error) => {
                self.trouble.get_or_insert(error);
                None
            }
        }
    }

    fn note(&mut self, error: io::Error) {
        self.trouble.get_or_insert(error);
    }

    /// Why the last reading may be too small.
    pub fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }
}

impl Default for ProcessSampler {
    fn default() -> Self {
        ProcessSampler::new()
    }
}

/// Anonymous memory, in memory and in swap.
fn held(process: &Process) -> Bytes {
    Bytes((process.memory.anon + process.memory.swap).saturating_mul(1024))
}

fn page_kib() -> u64 {
    crate::sys::memory::page_size() / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_is_seen() {
        let own = i32::try_from(std::process::id()).unwrap();
        let sample = ProcessSampler::new().sample(&[own]);
        assert!(sample.anon > Bytes(0) && sample.footprint() <= sample.current);
        assert_eq!(ProcessSampler::new().sample(&[i32::MAX]).current, Bytes(0));
    }

    /// A relative that goes leaves its part to the others, whether or not anybody had read what it shared; and who held its pages for a
    /// moment longer has let them go a second later.
    #[test]
    fn who_goes_leaves_its_part_to_its_relatives() {
        for shares in [Shares::Read, Shares::Unread, Shares::Denied] {
            let mut sampler = ProcessSampler::new();
            for (pid, layout) in [(1, 7), (2, 7), (3, 8)] {
                let mut row = Tracked { fresh: false, ..Tracked::new(pid) };
                (row.process.stat.layout, row.process.shares) = (layout, Shares::Read);
                row.process.twice.anon = 1000;
                sampler.rows.push(row);
            }
            let gone = &mut sampler.rows[1];
            (gone.seen, gone.process.shares) = (false, shares);
            if shares != Shares::Read {
                gone.process.twice = Sums::default();
            }
            sampler.forget();
            let stale: Vec<_> =
                sampler.rows.iter().map(|row| (row.process.pid, row.stale)).collect();
            assert_eq!(stale, [(1, true), (3, false)], "{shares:?}");
            sampler.rows[0].stale = false;
            sampler.look_again();
            assert!(!sampler.rows[0].stale);
            sampler.rows[0].again_at = Some(sampler.clock.now());
            sampler.look_again();
            assert!(sampler.rows[0].stale && sampler.rows[0].again_at.is_none());
        }
    }
}
