//! Text of /proc/PID/status, smaps_rollup and smaps to numbers (proc_pid_status(5), proc_pid_smaps(5), vm/…/proc.rst), in KiB.
//! Pure, and without allocation.

use crate::cgroup::files;

/// One process, or a sum of them, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Anonymous memory.
    pub anon: u64,
    /// Pages of files.
    pub file: u64,
    /// tmpfs, memfd and shared mappings.
    pub shmem: u64,
    /// Anonymous memory in swap.
    pub swap: u64,
    /// Page tables.
    pub tables: u64,
}

impl Sums {
    /// Adds to each.
    pub fn add(&mut self, other: &Sums) {
        self.anon += other.anon;
        self.file += other.file;
        self.shmem += other.shmem;
        self.swap += other.swap;
        self.tables += other.tables;
    }

    /// What is left of each.
    pub fn less(&self, other: &Sums) -> Sums {
        Sums {
            anon: self.anon.saturating_sub(other.anon),
            file: self.file.saturating_sub(other.file),
            shmem: self.shmem.saturating_sub(other.shmem),
            swap: self.swap.saturating_sub(other.swap),
            tables: self.tables.saturating_sub(other.tables),
        }
    }

    /// What the kernel cannot simply take back and others may share.
    pub fn kept(&self) -> u64 {
        self.anon + self.shmem + self.swap
    }
}

/// /proc/PID/status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcStatus {
    /// Resident sets: a page that several processes share counts whole in each.
    pub memory: Sums,
    /// Size of the program's code: the same for all that were forked of it.
    pub code: u64,
    /// Size of what is locked, resident or not, of any kind.
    pub locked: u64,
}

/// /proc/PID/status.
pub fn status(text: &[u8]) -> ProcStatus {
    let mut status = ProcStatus::default();
    for (key, value) in lines(text) {
        match key {
            b"RssAnon" => status.memory.anon = value,
            b"RssFile" => status.memory.file = value,
            b"RssShmem" => status.memory.shmem = value,
            b"VmSwap" => status.memory.swap = value,
            b"VmPTE" => status.memory.tables = value,
            b"VmExe" => status.code = value,
            b"VmLck" => status.locked = value,
            _ => {}
        }
    }
    status
}

/// What one process alone has, KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// Anonymous memory.
    pub anon: u64,
    /// tmpfs, memfd and shared mappings.
    pub shmem: u64,
}

/// /proc/PID/smaps_rollup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Proportional sets: a page counts in each by its part.
    pub share: Sums,
    /// All of it whole, of the same moment.
    pub resident: u64,
    /// Anonymous memory whole.
    pub anon: u64,
    /// Proportional set of what is locked, of any kind.
    pub locked: u64,
    /// What nobody else has mapped, of any kind.
    pub private: u64,
}

/// /proc/PID/smaps_rollup; `None` from a kernel that does not tell the kinds apart (before 5.4), or when the process has no
/// memory any more.
pub fn rollup(text: &[u8]) -> Option<Rollup> {
    let (mut rollup, mut kinds) = (Rollup::default(), 0);
    for (key, value) in lines(text) {
        match key {
            b"Pss_Anon" => (rollup.share.anon, kinds) = (value, kinds + 1),
            b"Pss_File" => (rollup.share.file, kinds) = (value, kinds + 1),
            b"Pss_Shmem" => (rollup.share.shmem, kinds) = (value, kinds + 1),
            b"SwapPss" => rollup.share.swap = value,
            b"Rss" => rollup.resident = value,
            b"Anonymous" => rollup.anon = value,
            b"Locked" => rollup.locked = value,
            b"Private_Clean" | b"Private_Dirty" => rollup.private += value,
            _ => {}
        }
    }
    (kinds == 3).then_some(rollup)
}

impl Rollup {
    /// Shared memory whole, of the same moment, of a process with so much memory of files.
    pub fn shmem(&self, file: u64) -> u64 {
        self.resident.saturating_sub(self.anon + file).max(self.share.shmem)
    }

    /// The least of anonymous memory and of `shmem` that nobody else has, of so much shared memory. A page that others have too is a half
    /// of one at most in a proportional set.
    pub fn least_private(&self, shmem: u64) -> Private {
        let Sums { anon, file, shmem: share, .. } = self.share;
        let rest = self.private.saturating_sub(file);
        Private {
            anon: rest.saturating_sub(share).max((2 * anon).saturating_sub(self.anon)),
            shmem: rest.saturating_sub(anon).max((2 * share).saturating_sub(shmem)),
        }
    }

    /// The least and the most of the locked memory that can be pages of files.
    pub fn locked_file(&self) -> (u64, u64) {
        let most = self.locked.min(self.share.file);
        (self.locked.saturating_sub(self.share.anon + self.share.shmem).min(most), most)
    }
}

/// Locked pages of files, from the lines of /proc/PID/smaps as they come.
#[derive(Clone, Copy, Debug, Default)]
pub struct LockedFiles {
    of_file: bool,
    rss: u64,
    anon: u64,
    /// Proportional set.
    pub sum: u64,
}

impl LockedFiles {
    /// Takes one line.
    pub fn line(&mut self, line: &[u8]) {
        match line_of(line) {
            Some((b"Rss", value)) => self.rss = value,
            Some((b"Anonymous", value)) => self.anon = value,
            // The part of it that was written to a private mapping is anonymous.
            Some((b"Locked", value)) if self.of_file && self.rss > 0 => {
                self.sum += value * self.rss.saturating_sub(self.anon) / self.rss;
            }
            Some(_) => {}
            None => self.head(line),
        }
    }

    /// `7f..-7f.. rw-s 00000000 fe:00 1234   /path`: no inode is anonymous memory; memfd, System V and what was forked of
    /// /dev/zero have one and are shared memory.
    fn head(&mut self, line: &[u8]) {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let Some(range) = words.next().filter(|word| word.contains(&b'-')) else { return };
        let inode = words.nth(3).and_then(files::number).unwrap_or(0);
        let path = words.next().unwrap_or_default();
        let shared = [&b"/memfd:"[..], b"/SYSV", b"/dev/zero", b"/dev/shm/"];
        let of_file = inode != 0 && !shared.iter().any(|prefix| path.starts_with(prefix));
        *self = LockedFiles {
            of_file: of_file && !range.is_empty(),
            sum: self.sum,
            ..LockedFiles::default()
        };
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    text.split(|byte| *byte == b'\n').filter_map(line_of)
}

/// `Key:     123 kB`.
fn line_of(line: &[u8]) -> Option<(&[u8], u64)> {
    let line = line.strip_suffix(b" kB")?;
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..colon], files::number(&line[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_line_starts_only() {
        let text =
            b"Name:\tRssAnon: 5 kB\nRssAnon:\t    1204 kB\nRssFile:\t 88 kB\nVmLck:\t 7 kB\n";
        let found = status(text);
        assert_eq!((found.memory.anon, found.memory.file, found.locked), (1204, 88, 7));
        assert_eq!(found.memory.shmem, 0);
    }

    #[test]
    fn a_rollup_without_kinds_is_none() {
        assert_eq!(
            rollup(b"7f00-7fff ---p 00000000 00:00 0 [rollup]\nRss: 10 kB\nPss: 5 kB\n"),
            None
        );
        let text = b"Rss: 30 kB\nPss: 12 kB\nPss_Anon: 4 kB\nPss_File: 7 kB\nPss_Shmem: 1 kB\nAnonymous: 8 kB\nSwapPss: 2 kB\nLocked: 6 kB\n";
        let found = rollup(text).unwrap();
        assert_eq!(found.share, Sums { anon: 4, file: 7, shmem: 1, swap: 2, tables: 0 });
        assert_eq!((found.anon, found.locked_file()), (8, (1, 6)));
        // Of a moment in which it had more files than now.
        assert_eq!((found.shmem(19), found.shmem(25)), (3, 1));
    }

    #[test]
    fn locked_pages_of_files_are_told_from_locked_memory() {
        let mut found = LockedFiles::default();
        let text = "55-56 r--p 0 fe:00 77  /lib/x y.so\nRss: 100 kB\nAnonymous: 25 kB\nLocked: 40 kB\nVmFlags: rd lo\n\
                    57-58 rw-p 0 00:00 0 \nRss: 50 kB\nAnonymous: 50 kB\nLocked: 50 kB\n\
                    59-60 rw-s 0 00:01 9  /memfd:a (deleted)\nRss: 8 kB\nAnonymous: 0 kB\nLocked: 8 kB\n";
        text.split('\n').for_each(|line| found.line(line.as_bytes()));
        assert_eq!(found.sum, 30);
    }
}
