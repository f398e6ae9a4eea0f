//! Sums a workload's memory over its processes, for tiers without memory accounting. Pages that several of them have count
//! once, at every level, and so does an address space that several of them have.
//! Blind to memory that no process maps (memfd, tmpfs, pipes, sockets): the announcement of those tiers says so.
//!
//! A look reads /proc/PID/stat of each, 9 microseconds; the rest only of those whose faults or sizes moved. Proportional sets
//! (smaps_rollup) take 19 microseconds, and 46 to 79 ms for each GiB of small pages (0.3 ms of huge ones; measured on a busy
//! machine): they are read of newcomers, and again when pages that are shared may have become somebody's own. In between a
//! process's own part is its resident set less what it shared.

use super::estimate::{self, NEGLIGIBLE, Process, Shares};
use super::list::touch;
use super::proc_file;
use super::proc_stat::Stat;
use super::shares::{self, LockedFiles, ProcStatus};
use crate::clock::{Clock, Timestamp};
use crate::event::{ProcessId, Sample, Weight};
use crate::sys::process;
use crate::units::Bytes;
use std::io;
use std::time::Duration;

/// So many processes are known without asking for memory; beyond, the list grows.
const ROOM: usize = 2048;
/// For a file of /proc.
const TEXT: usize = 8192;
/// Proportional sets are read for so long in one look; the others' turn comes with the next. It is looked at between two
/// processes: the one that is being read takes as long as it takes.
const BUDGET: Duration = Duration::from_millis(25);
/// Pages of somebody who is gone are unmapped by then, whoever held them.
const AGAIN: Duration = Duration::from_secs(1);
/// An error of this part of the sum calls for new proportional sets.
const PART: u64 = 64;
/// Several passes over what is shared: a newcomer may show that an elder shares.
const PASSES: usize = 3;
/// Without parent in the workload, so many others are asked whether they have the same address space.
const CANDIDATES: usize = 8;

/// What is known of each process, and the buffer to read it with.
#[derive(Debug)]
pub struct ProcessSampler {
    text: Box<[u8]>,
    rows: Vec<Tracked>,
    /// Where the next reading of proportional sets begins.
    turn: usize,
    /// The first thing of this look that could not be read.
    trouble: Option<io::Error>,
    clock: Clock,
}

/// A process, and what is to be read of it anew.
#[derive(Clone, Copy, Debug, Default)]
struct Tracked {
    process: Process,
    /// In the list of this look, and alive.
    seen: bool,
    /// Nothing is read yet.
    fresh: bool,
    /// Its memory was read for the first time in this look.
    arrived: bool,
    /// What it shares may have changed.
    stale: bool,
    /// When it is read once more behind that: whoever reads a file of /proc of one that ends keeps its pages mapped for so long.
    again_at: Option<Timestamp>,
    /// Its shares were read in this look.
    current: bool,
    /// Faults and memory when its shares were read.
    faults: u64,
    at: ProcStatus,
    /// Size of what it has locked.
    locked: u64,
}

impl Tracked {
    fn new(pid: i32) -> Tracked {
        let process = Process { pid, ..Process::default() };
        Tracked { process, seen: true, fresh: true, ..Tracked::default() }
    }

    /// Whether its shares are to be read: of one without company only for what it has locked.
    fn wants(&self, company: bool) -> bool {
        let something = company && self.process.memory.kept() > 0 || self.locked > 0;
        let unread = self.process.shares == Shares::Unread || self.stale;
        self.seen && !self.current && self.process.host == 0 && something && unread
    }

    /// Whether what it shares may be another part of it than when that was read. A page that is copied on write is a fault and
    /// changes no size.
    fn has_drifted(&self) -> bool {
        let now = self.process.memory.kept();
        let faulted = self.process.stat.faults.saturating_sub(self.faults) * page_kib();
        let fallen = self.at.memory.kept().saturating_sub(now);
        self.process.is_sharing() && faulted.max(fallen) > (now / PART).max(NEGLIGIBLE)
    }

    /// Whether it may share more than when that was read: by a mapping, which others may have too.
    fn has_joined(&self) -> bool {
        let ProcStatus { memory, locked, .. } = self.at;
        let room = (memory.shmem / PART).max(NEGLIGIBLE);
        let file =
            self.process.memory.file.abs_diff(memory.file) > (memory.file / PART).max(NEGLIGIBLE);
        self.process.memory.shmem > memory.shmem + room
            || self.locked != locked
            || self.locked > 0 && file
    }
}

impl ProcessSampler {
    /// A sampler that takes no room yet: most of those whose cgroup tells of its memory never look.
    pub fn new() -> ProcessSampler {
        let (text, rows, clock) = (Box::default(), Vec::new(), Clock::start());
        ProcessSampler { text, rows, turn: 0, trouble: None, clock }
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
        let Process { stat, twice, shares, .. } = self.rows[index].process;
        let is_known = shares == Shares::Read;
        let again_at = self.clock.now() + AGAIN;
        if is_known && !self.rows[index].process.is_sharing() {
            return;
        }
        for row in &mut self.rows {
            let relative = stat.layout != 0 && row.process.stat.layout == stat.layout;
            let has_shmem = !is_known || twice.shmem > NEGLIGIBLE;
            let shared = has_shmem && row.process.memory.shmem > NEGLIGIBLE;
            if relative || shared {
                row.stale |= !row.current;
                row.again_at = Some(again_at);
            }
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
            self.rows[index].process.memory = shares::Sums::default();
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

    fn read_memory(&mut self, index: usize) {
        let Some(status) = self.status(self.rows[index].process.stat.reader) else { return };
        let row = &mut self.rows[index];
        row.process.memory = status.memory;
        row.process.code = status.code;
        row.locked = status.locked;
        (row.arrived, row.fresh) = (row.fresh, false);
        row.stale |= row.process.shares != Shares::Unread && row.has_joined();
        if row.has_drifted() {
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

    fn read_shares(&mut self) {
        let company = estimate::has_company(self.rows.iter().map(|row| &row.process));
        let (clock, count) = (Clock::start(), self.rows.len());
        let mut read = false;
        self.rows.iter_mut().for_each(|row| row.process.joined = 0);
        for _ in 0..PASSES {
            let mut found = false;
            let turn = self.turn;
            for index in (0..count).map(|step| (turn + step) % count) {
                if !self.rows[index].wants(company) {
                    continue;
                }
                if clock.now().0 > BUDGET {
                    self.turn = index;
                    self.leave_out_joined();
                    return self.confirm();
                }
                self.read_shares_of(index);
                found = true;
            }
            read |= found;
            if !found {
                break;
            }
        }
        if read && company {
            self.confirm();
        }
    }

    /// Those who have mapped more since, and whose turn has not come: to count all of it as their own would count it once for each of
    /// them. It is as much as nobody's until the next look, which begins with them.
    fn leave_out_joined(&mut self) {
        for row in self.rows.iter_mut().filter(|row| row.stale && !row.current) {
            let before = row.at.memory.shmem;
            row.process.joined = row.process.memory.shmem.saturating_sub(before);
        }
    }

    /// /proc/PID/smaps_rollup.
    fn read_shares_of(&mut self, index: usize) {
        let row = &mut self.rows[index];
        (row.current, row.stale) = (true, false);
        let text =
            match proc_file::attempt(row.process.stat.reader, "smaps_rollup", &mut self.text[..]) {
                Ok(text) => text,
                Err(error) if proc_file::is_gone(&error) => return,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    row.process.shares = Shares::Denied;
                    row.process.locked_file = unread_locks(row);
                    return;
                }
                Err(error) => {
                    (row.current, row.stale) = (true, true);
                    return self.note(error);
                }
            };
        let Some(rollup) = shares::rollup(text) else {
            // Without text the process has no memory any more.
            let old_kernel = !text.is_empty();
            row.process.shares = if old_kernel { Shares::Denied } else { row.process.shares };
            return;
        };
        let memory = row.process.memory;
        let before = row.process.twice.kept();
        row.process.twice = memory.less(&rollup.share);
        // Of the same moment, so that what it took since `status` is not held for shared, nor counted again.
        row.process.twice.anon = rollup.anon.saturating_sub(rollup.share.anon);
        row.process.twice.tables = 0;
        row.process.shares = Shares::Read;
        row.faults = row.process.stat.faults;
        row.at = ProcStatus { memory, code: row.process.code, locked: row.locked };
        // The others' parts changed as much.
        let room = (memory.kept() / PART).max(NEGLIGIBLE);
        if row.process.twice.kept().abs_diff(before) > room {
            self.disturb(index);
        }
        self.read_locked(index, rollup.locked_file());
    }

    /// Locked pages of files: reclaim does not get them. Where the sum over all mappings leaves open whether it is they that are
    /// locked, or memory that is counted already, the mappings are read one by one.
    fn read_locked(&mut self, index: usize, (least, most): (u64, u64)) {
        let row = &mut self.rows[index];
        row.process.locked_file = if row.locked == 0 { 0 } else { least };
        if row.locked == 0 || most - least <= row.process.memory.kept() / PART {
            return;
        }
        let (pid, mut found) = (row.process.stat.reader, LockedFiles::default());
        match proc_file::each_line(pid, "smaps", &mut self.text[..], |line| found.line(line)) {
            Ok(()) => self.rows[index].process.locked_file = found.sum.clamp(least, most),
            Err(error) => self.note(error),
        }
    }

    /// Whoever shares pages and goes while the others are being read leaves them with more each: read one after the other, they
    /// would add up to a multiple of what there is. Those who went, or are another program by now, count no more: of who calls execve(2)
    /// in between, the memory is that of before and the shares are those of after, which makes all of it its own.
    fn confirm(&mut self) {
        for index in 0..self.rows.len() {
            let Tracked { process, current, .. } = self.rows[index];
            if !current {
                continue;
            }
            let row = &mut self.rows[index];
            match Stat::of(process.pid, &mut self.text[..]) {
                Ok(Some(stat)) if stat.living && stat.is_same_program(&process.stat) => {
                    // What it gave back meanwhile.
                    let given = process
                        .own()
                        .kept()
                        .saturating_sub(stat.resident * page_kib() + process.memory.swap);
                    row.process.memory.anon = process.memory.anon.saturating_sub(given);
                }
                Ok(_) => row.seen = false,
                Err(error) => self.note(error),
            }
        }
        self.rows.iter_mut().for_each(|row| row.current = false);
        self.forget();
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

/// Of one whose mappings are not for us to read: what must be pages of files, since the rest has no room for it.
fn unread_locks(row: &Tracked) -> u64 {
    let memory = row.process.memory;
    row.locked.saturating_sub(memory.anon + memory.shmem).min(memory.file)
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
                gone.process.twice = shares::Sums::default();
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
