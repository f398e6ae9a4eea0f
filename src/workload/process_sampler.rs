//! Sums a workload's memory over its processes, for tiers without memory accounting.
//! Blind to memory that no process maps (memfd, tmpfs, pipes, sockets): the announcement of those tiers says so.

use super::proc_file;
use crate::cgroup::files;
use crate::event::Sample;
use crate::units::Bytes;
use std::io;

/// The buffer for /proc/PID/status and smaps_rollup.
#[derive(Debug)]
pub struct ProcessSampler {
    text: Box<[u8; 8192]>,
    /// The first thing of this look that could not be read.
    trouble: Option<io::Error>,
    /// What the exact sum was, of the cheap one, at the last look that needed it.
    dear_from: u64,
}

/// One process, or a sum of them, in KiB.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    anon: u64,
    file: u64,
    shmem: u64,
    swap: u64,
    tables: u64,
}

impl ProcessSampler {
    /// A sampler with its buffer.
    pub fn new() -> ProcessSampler {
        ProcessSampler { text: Box::new([0; 8192]), trouble: None, dear_from: u64::MAX }
    }

    /// From this sum of resident sets on, pages that several processes share are looked at more closely.
    pub fn count_shared_from(&mut self, bytes: Bytes) {
        self.dear_from = bytes.0 / 1024;
    }

    /// One reading. Resident sets count a shared page once for each process (copy-on-write after fork, shared memory);
    /// near the limit the proportional sets (smaps_rollup) count it once in all, so that forks alone are no breach.
    pub fn sample(&mut self, pids: &[i32]) -> Sample {
        self.trouble = None;
        let mut sums = Sums::default();
        for pid in pids {
            sums.add(&self.resident(*pid).unwrap_or_default());
        }
        let shared = pids.len() > 1;
        if shared && sums.anon + sums.shmem + sums.swap >= self.dear_from {
            sums = self.proportional(pids);
        }
        sums.into_sample(u64::try_from(pids.len()).unwrap_or(u64::MAX))
    }

    fn proportional(&mut self, pids: &[i32]) -> Sums {
        let mut sums = Sums::default();
        for pid in pids {
            let resident = self.resident(*pid).unwrap_or_default();
            let own = self.proportional_of(*pid, &resident);
            sums.add(&own.unwrap_or(resident));
        }
        sums
    }

    /// /proc/PID/status (proc_pid_status(5)); `None` for a process that is gone.
    fn resident(&mut self, pid: i32) -> Option<Sums> {
        let text = self.read(pid, "status")?;
        let field = |key| kib(text, key).unwrap_or(0);
        Some(Sums {
            anon: field(b"RssAnon:"),
            file: field(b"RssFile:"),
            shmem: field(b"RssShmem:"),
            swap: field(b"VmSwap:"),
            tables: field(b"VmPTE:"),
        })
    }

    /// /proc/PID/smaps_rollup; `None` where it may not be read (another user's process).
    fn proportional_of(&mut self, pid: i32, resident: &Sums) -> Option<Sums> {
        let text = self.read(pid, "smaps_rollup")?;
        Some(Sums {
            anon: kib(text, b"Pss_Anon:")?,
            shmem: kib(text, b"Pss_Shmem:")?,
            swap: kib(text, b"SwapPss:")?,
            ..*resident
        })
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

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.anon += other.anon;
        self.file += other.file;
        self.shmem += other.shmem;
        self.swap += other.swap;
        self.tables += other.tables;
    }

    fn into_sample(self, processes: u64) -> Sample {
        let bytes = |kib: u64| Bytes(kib.saturating_mul(1024));
        Sample {
            current: bytes(self.anon + self.file + self.shmem + self.tables),
            cache: bytes(self.file),
            swap: bytes(self.swap),
            anon: bytes(self.anon),
            shmem: bytes(self.shmem),
            kernel: bytes(self.tables),
            processes,
            ..Sample::default()
        }
    }
}

/// The number behind a key at the start of a line, `Key:   123 kB`.
pub fn kib(text: &[u8], key: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key))?;
    files::number(line.trim_ascii().strip_suffix(b"kB")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_line_starts_only() {
        let text = b"Name:\tRssAnon: 5 kB\nRssAnon:\t    1204 kB\nRssFile:\t 88 kB\n";
        assert_eq!(kib(text, b"RssAnon:"), Some(1204));
        assert_eq!(kib(text, b"RssShmem:"), None);
    }

    #[test]
    fn our_own_memory_is_seen() {
        let own = i32::try_from(std::process::id()).unwrap();
        let sample = ProcessSampler::new().sample(&[own]);
        assert!(sample.anon > Bytes(0) && sample.footprint() <= sample.current);
        assert_eq!(ProcessSampler::new().sample(&[i32::MAX]).current, Bytes(0));
    }
}
