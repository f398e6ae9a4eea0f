//! From what was read of each process to one sum. Pages that several share count once; where that cannot be read, the sum is the
//! least that it can be, and how much more it may be is told beside it.

use super::proc_stat::Stat;
use super::shares::{Private, Sums};

/// What is known of the part of a process's memory that others have too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shares {
    /// Not read yet.
    #[default]
    Unread,
    /// Not for us to read: it is not dumpable, or another user's (ptrace access mode).
    Denied,
    /// Read.
    Read,
}

/// One process, as it was read last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Who it is, and whether it was read since it moved.
    pub stat: Stat,
    /// Resident sets.
    pub memory: Sums,
    /// Size of the program's code.
    pub code: u64,
    /// Whose address space it has, if that is another process's.
    pub host: i32,
    /// Whether `twice` is known.
    pub shares: Shares,
    /// What is counted elsewhere: resident sets less proportional ones, when they were read.
    pub twice: Sums,
    /// Shares of others, in which it may have a part, were read at another time: they do not add up.
    pub unsettled: bool,
    /// It came since they did.
    pub newcomer: bool,
    /// Its shares are to be read again.
    pub stale: bool,
    /// At least so much was its own when they were read.
    pub private: Private,
    /// Its part of shared memory when all were of one time.
    pub settled_shmem: u64,
    /// Locked pages of files.
    pub locked_file: u64,
    /// Of those what was its own when all were of one time.
    pub settled_locked: u64,
    /// Of what cannot be read: what it had when its family last grew. What came later is its own.
    pub base: u64,
}

impl Process {
    /// Its part of the sum.
    pub fn own(&self) -> Sums {
        self.memory.less(&self.twice)
    }

    /// Whether it has pages that others have, beyond a few of the dynamic linker's.
    pub fn is_sharing(&self) -> bool {
        self.twice.kept() > NEGLIGIBLE
    }

    fn is_known(&self) -> bool {
        self.shares == Shares::Read && !self.newcomer
    }
}

/// KiB. A bare fork of a small shell shares more.
pub const NEGLIGIBLE: u64 = 64;

/// The sum of a workload, KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// By kinds.
    pub sums: Sums,
    /// Locked pages of files, part of `sums.file`.
    pub locked_file: u64,
    /// So much more it may be.
    pub unsure: u64,
    /// The part of that which could not be read, and will not be.
    pub denied: u64,
}

/// Sums over the processes. One that has no company shares nothing.
pub fn estimate<'a>(processes: impl Iterator<Item = &'a Process> + Clone) -> Estimate {
    let mut found = Estimate::default();
    let processes = processes.filter(|process| process.host == 0);
    let alone = !has_company(processes.clone());
    // Whoever it is that has it, it is there once.
    let (mut file, mut locked, mut shmem) = (0, 0, SharedMemory::default());
    for process in processes.clone() {
        let memory = process.memory;
        if alone {
            found.sums.add(&memory);
            found.locked_file += process.locked_file;
        } else if process.is_known() {
            let own = process.own();
            let settled = if process.unsettled { 0 } else { own.shmem };
            found.sums.add(&Sums { shmem: settled, ..own });
            shmem.add(process);
            let settled = if process.unsettled { process.settled_locked } else { u64::MAX };
            found.locked_file += process.locked_file.min(settled);
            locked = locked.max(process.locked_file);
        } else {
            shmem.add(process);
            file = file.max(memory.file);
            locked = locked.max(process.locked_file);
            found.sums.tables += memory.tables;
        }
    }
    found.sums.file = found.sums.file.max(file);
    found.locked_file = found.locked_file.max(locked);
    found.sums.shmem += shmem.least();
    if !alone {
        add_unknown(processes, &mut found);
    }
    found
}

/// Shared memory of those whose shares do not add up.
#[derive(Clone, Copy, Debug, Default)]
struct SharedMemory {
    /// What each has alone, of the newest and of older readings.
    private: u64,
    private_before: u64,
    /// The most that somebody may have together with others.
    shared: u64,
    /// By what was known when all were of one time.
    settled: u64,
}

impl SharedMemory {
    fn add(&mut self, process: &Process) {
        if !process.unsettled || process.shares != Shares::Read {
            return;
        }
        let whole = process.memory.shmem;
        let private = process.private.shmem.min(whole);
        match process.stale {
            true => self.private_before += private,
            false => self.private += private,
        }
        self.shared = self.shared.max(whole - private);
        self.settled += process.settled_shmem.min(whole);
    }

    /// What somebody had alone before may be what another shares with it now.
    fn least(&self) -> u64 {
        (self.private + self.private_before.max(self.shared)).max(self.settled)
    }
}

/// Whether there is more than one memory: else nobody shares, whatever was read before.
pub fn has_company<'a>(processes: impl Iterator<Item = &'a Process>) -> bool {
    let with_memory = processes.filter(|process| process.host == 0 && process.memory.kept() > 0);
    with_memory.take(2).count() == 2
}

/// Adds the least that those can have whose shares are not known. Pages are shared by fork within a family, which has one
/// program; shared memory with anybody.
fn add_unknown<'a>(processes: impl Iterator<Item = &'a Process> + Clone, found: &mut Estimate) {
    let unknown = processes.clone().filter(|process| !process.is_known());
    let (mut shmem, mut denied_shmem) = (0, false);
    for (index, process) in unknown.clone().enumerate() {
        if process.shares != Shares::Read {
            shmem = shmem.max(process.memory.shmem);
            found.unsure += process.memory.shmem;
        }
        denied_shmem |= process.shares == Shares::Denied;
        if unknown.clone().take(index).any(|other| other.code == process.code) {
            continue;
        }
        let (least, most, denied) = family(processes.clone(), process.code);
        found.sums.anon += least;
        found.unsure += most - least;
        if denied {
            found.denied += most - least;
        }
    }
    found.unsure -= shmem;
    if denied_shmem {
        found.denied = found.unsure;
    }
    found.sums.shmem = found.sums.shmem.max(shmem);
}

/// The least and the most that the unknown ones of a family add, and whether somebody's shares are denied. At least one of its
/// members is really there as a whole, and what came since the family last grew is whose it is.
fn family<'a>(processes: impl Iterator<Item = &'a Process>, code: u64) -> (u64, u64, bool) {
    let (mut known, mut most, mut grown, mut denied) = (0, 0, 0, false);
    let (mut greatest, mut growth_of_greatest) = (0, 0);
    for process in processes.filter(|process| process.code == code) {
        let whole = process.memory.anon + process.memory.swap;
        let mut growth = 0;
        if process.is_known() {
            let own = process.own();
            known += own.anon + own.swap;
        } else {
            growth = whole.saturating_sub(process.base).max(process.private.anon.min(whole));
            most += whole;
            grown += growth;
            denied |= process.shares == Shares::Denied;
        }
        if whole > greatest {
            (greatest, growth_of_greatest) = (whole, growth);
        }
    }
    let by_greatest = greatest.saturating_add(grown - growth_of_greatest).saturating_sub(known);
    (by_greatest.max(grown).min(most), most, denied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(processes: &[Process]) -> Estimate {
        super::estimate(processes.iter())
    }

    fn process(pid: i32, shares: Shares, anon: u64) -> Process {
        let memory = Sums { anon, file: 10, tables: 1, ..Sums::default() };
        Process { pid, shares, memory, code: 7, base: anon, ..Process::default() }
    }

    #[test]
    fn one_alone_is_exact_whatever_can_be_read() {
        let found = estimate(&[process(1, Shares::Denied, 500)]);
        assert_eq!((found.sums.anon, found.sums.file, found.unsure), (500, 10, 0));
    }

    #[test]
    fn who_is_left_alone_shares_no_more() {
        let half = Sums { anon: 50, ..Sums::default() };
        let ending = Process { pid: 2, shares: Shares::Read, ..Process::default() };
        let found = estimate(&[Process { twice: half, ..process(1, Shares::Read, 100) }, ending]);
        assert_eq!(found.sums.anon, 100);
    }

    #[test]
    fn shared_pages_count_once_and_one_address_space_too() {
        let half = Sums { anon: 50, ..Sums::default() };
        let sharing = |pid| Process { twice: half, ..process(pid, Shares::Read, 100) };
        let guest = Process { host: 1, ..process(3, Shares::Unread, 100) };
        let found = estimate(&[sharing(1), sharing(2), guest]);
        assert_eq!((found.sums.anon, found.unsure), (100, 0));
    }

    /// Children of one that has a shared mapping touch all of it, and there was time to read a few of them only.
    #[test]
    fn what_was_mapped_since_the_shares_were_read_is_nobody_s_alone() {
        let shared = |pid, twice, private, stale| Process {
            memory: Sums { shmem: 300, ..Sums::default() },
            twice: Sums { shmem: twice, ..Sums::default() },
            private: Private { shmem: private, anon: 0 },
            unsettled: true,
            stale,
            ..process(pid, Shares::Read, 0)
        };
        let all = [shared(1, 0, 300, true), shared(2, 150, 0, true), shared(3, 200, 0, false)];
        assert_eq!(estimate(&all).sums.shmem, 300);
        let each = [shared(1, 0, 300, true), shared(2, 0, 300, true), shared(3, 0, 300, false)];
        assert_eq!(estimate(&each).sums.shmem, 900);
    }

    /// Of those who live for one look alone, each has written to what it inherited.
    #[test]
    fn what_newcomers_have_alone_counts() {
        let newcomer = |pid| Process {
            private: Private { anon: 20, shmem: 0 },
            unsettled: true,
            newcomer: true,
            ..process(pid, Shares::Read, 100)
        };
        let elder = Process { unsettled: true, ..process(1, Shares::Read, 100) };
        let all = [elder, newcomer(2), newcomer(3), newcomer(4)];
        assert_eq!(estimate(&all).sums.anon, 160);
    }

    #[test]
    fn of_what_cannot_be_read_one_is_there_and_all_that_came_since() {
        let mut family = [process(1, Shares::Denied, 100), process(2, Shares::Denied, 100)];
        let found = estimate(&family);
        assert_eq!((found.sums.anon, found.unsure, found.denied), (100, 100, 100));
        family[0].memory.anon = 130;
        family[1].memory.anon = 120;
        let found = estimate(&family);
        assert_eq!((found.sums.anon, found.unsure), (150, 100), "grown by 30 and 20");
    }

    /// Programs and libraries are mapped by all that run them.
    #[test]
    fn of_files_one_has_as_much_as_is_there_at_least() {
        let mut all = [process(1, Shares::Denied, 100), process(2, Shares::Denied, 100)];
        all.iter_mut().for_each(|it| it.locked_file = 8);
        let found = estimate(&all);
        assert_eq!((found.sums.file, found.locked_file, found.sums.tables), (10, 8, 2));
        all[1].shares = Shares::Read;
        assert_eq!(estimate(&all).sums.file, 10);
    }

    #[test]
    fn another_program_is_another_family() {
        let other = Process { code: 8, ..process(2, Shares::Denied, 100) };
        let found = estimate(&[process(1, Shares::Denied, 100), other]);
        assert_eq!((found.sums.anon, found.unsure), (200, 0));
    }

    #[test]
    fn what_is_half_read_is_not_counted_half_again() {
        let half = Sums { anon: 50, ..Sums::default() };
        let readable = Process { twice: half, ..process(1, Shares::Read, 100) };
        let found = estimate(&[readable, process(2, Shares::Denied, 100)]);
        assert_eq!((found.sums.anon, found.unsure), (100, 50));
    }

    #[test]
    fn shared_memory_that_cannot_be_read_counts_once_over_all() {
        let memory = Sums { shmem: 300, ..Sums::default() };
        let of = |pid, code| Process { memory, code, ..process(pid, Shares::Denied, 0) };
        let found = estimate(&[of(1, 7), of(2, 8), of(3, 9)]);
        assert_eq!((found.sums.shmem, found.unsure, found.denied), (300, 600, 600));
    }
}
