//! Reads a workload's memory from its cgroup without allocation: in buffers on the stack, for a guardian may have a thousand
//! workloads. About 20 microseconds a look.

use crate::cgroup::hugetlb::{self, HugePages};
use crate::cgroup::kept::{Keeping, Kept, read};
use crate::cgroup::line_files::in_use;
use crate::cgroup::{Cgroup, files, lag};
use crate::escape::shown;
use crate::event::{Glance, Sample};
use crate::status::Counters;
use crate::units::Bytes;
use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

/// `memory.stat` has about 1.5 KiB on 6.12.
const BUFFER: usize = 8192;
/// The others have a few lines.
const LITTLE: usize = 512;

const OWN_EVENTS: &str = "memory.events.local";

/// The open files.
#[derive(Debug)]
pub struct CgroupSampler {
    current: Rc<File>,
    stat: Kept,
    events: File,
    /// `memory.events.local`, and what it said before our time.
    own_events: Option<(Kept, u64)>,
    swap: Option<Kept>,
    pressure: Option<Kept>,
    pids: Option<Kept>,
    /// Where nobody counts them: the processes that are in it itself.
    procs: Option<Kept>,
    pids_events: Option<Kept>,
    huge_pages: HugePages,
    /// What counters may lag.
    lag: Bytes,
    /// What the counters said before our time.
    before: Counters,
}

impl CgroupSampler {
    /// Opens the files. Those that not every kernel has (swap, pressure, pids) may be missing. Of a cgroup that we made, in which nothing was
    /// counted yet, `memory.current` is open.
    ///
    /// # Errors
    /// When one that is needed cannot be opened.
    pub fn open(
        cgroup: &Cgroup,
        keeping: Keeping,
        current: Option<Rc<File>>,
    ) -> Result<CgroupSampler> {
        let needed = |name: &str| {
            cgroup
                .file(name, OFlag::O_RDONLY)
                .with_context(|| format!("open {}", shown(&cgroup.path().join(name))))
        };
        let optional = |name| Kept::new(cgroup, name, keeping).ok();
        let is_new = current.is_some();
        // Read when the kernel killed somebody, and of a new cgroup not before.
        let own_events = match is_new {
            true => Some(Kept::Named(cgroup.clone(), OWN_EVENTS.into())),
            false => optional(OWN_EVENTS),
        };
        let pids = optional("pids.current");
        let mut sampler = CgroupSampler {
            current: current.map_or_else(|| needed("memory.current").map(Rc::new), Ok)?,
            stat: Kept::new(cgroup, "memory.stat", keeping).context("open memory.stat")?,
            events: needed("memory.events")?,
            own_events: own_events.map(|file| (file, 0)),
            swap: optional("memory.swap.current"),
            pressure: optional("memory.pressure"),
            procs: if pids.is_none() { optional("cgroup.procs") } else { None },
            pids,
            pids_events: optional("pids.events"),
            huge_pages: HugePages::open(cgroup, keeping),
            lag: lag::pending(),
            before: Counters::default(),
        };
        if !is_new {
            sampler.remember().context("read memory.events")?;
        }
        Ok(sampler)
    }

    /// What was counted before our time is not of the run.
    fn remember(&mut self) -> io::Result<()> {
        self.before = self.counters()?;
        let own = self.own_oom()?;
        if let Some((_, before)) = &mut self.own_events {
            *before = own.unwrap_or(0);
        }
        Ok(())
    }

    fn counters(&self) -> io::Result<Counters> {
        let buffer = &mut [0; LITTLE][..];
        let mut counters = files::memory_events(read(&self.events, buffer)?);
        if let Some(file) = &self.pids_events {
            counters.pids_max = files::pids_events(file.read(buffer)?);
        }
        Ok(counters.since(&self.before))
    }

    fn own_oom(&self) -> io::Result<Option<u64>> {
        let Some((file, before)) = &self.own_events else { return Ok(None) };
        let own = match file.read(&mut [0; LITTLE]) {
            // Before Linux 5.2.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => files::own_oom(text?),
        };
        Ok(Some(own.saturating_sub(*before)))
    }

    /// Processes and threads. As many of the processes as fit into the buffer where that is all that is known; of threads in a threaded cgroup
    /// the kernel tells nothing.
    fn processes(&self, buffer: &mut [u8]) -> io::Result<u64> {
        match (&self.pids, &self.procs) {
            (Some(file), _) => number(file.read(buffer)?),
            (None, Some(file)) => {
                let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count() as u64;
                Ok(file.read(buffer).map_or(0, lines))
            }
            (None, None) => Ok(0),
        }
    }

    /// `memory.current`, open.
    pub fn current(&self) -> Rc<File> {
        Rc::clone(&self.current)
    }

    /// `memory.events` and, where it is held open, `pids.events`, for EPOLLPRI. They are read by every sample.
    pub fn telling_files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pids = self.pids_events.as_ref().and_then(Kept::descriptor);
        [Some(self.events.as_fd()), pids].into_iter().flatten()
    }

    /// How far counters may lag.
    pub fn lag(&self) -> Bytes {
        self.lag
    }

    /// Whether it has `memory.pressure`.
    pub fn tells_pressure(&self) -> bool {
        self.pressure.is_some()
    }

    /// Whether a look sees huge pages.
    pub fn counts_huge_pages(&self) -> bool {
        self.huge_pages.are_counted()
    }

    /// What can be read without making the kernel add up anything. Reading `memory.events` arms its descriptor again.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn glance(&self) -> io::Result<Glance> {
        let counters = self.counters()?;
        let current = Bytes(number(read(&self.current, &mut [0; LITTLE])?)?);
        Ok(Glance { current, counters })
    }

    /// `memory.stat` alone.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn stat(&self) -> io::Result<files::MemoryStat> {
        Ok(files::memory_stat(self.stat.read(&mut [0; BUFFER])?))
    }

    /// All page faults and those with a read from disk, where `memory.stat` has them.
    pub fn page_faults(&self) -> Option<(u64, u64)> {
        files::page_faults(self.stat.read(&mut [0; BUFFER]).ok()?)
    }

    /// `memory.current` alone.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn in_use(&self) -> io::Result<Bytes> {
        in_use(&self.current)
    }

    /// What is in swap, where the kernel tells.
    pub fn swapped(&self) -> Option<Bytes> {
        files::number(self.swap.as_ref()?.read(&mut [0; 24]).ok()?).map(Bytes)
    }

    /// One reading. `memory.stat` first and `memory.current` behind it: growth in between then counts as footprint, not as cache. What is in
    /// transit is found by a `memory.current` before both, so that growth in between is none of it.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn sample(&self) -> io::Result<Sample> {
        let counters = self.counters()?;
        let own_oom = if counters.oom_kill > 0 { self.own_oom()? } else { None };
        let buffer = &mut [0; BUFFER][..];
        let before = number(read(&self.current, buffer)?)?;
        let stat = files::memory_stat(self.stat.read(buffer)?);
        let current = number(read(&self.current, buffer)?)?;
        let in_transit = in_transit(Bytes(before.min(current)), &stat, stat_lag(self.lag));
        let swap = self.swap.as_ref().map(|file| number(file.read(buffer)?)).transpose()?;
        let processes = self.processes(buffer)?;
        let hugetlb = self.huge_pages.sum(buffer)?;
        let text = self.pressure.as_ref().and_then(|file| file.read(buffer).ok());
        let pressure = text.and_then(files::memory_pressure);
        Ok(Sample {
            current: Bytes(current),
            cache: stat.cache().saturating_add(in_transit),
            in_transit,
            slab: stat.slab_reclaimable,
            dirty: stat.file_dirty.saturating_add(stat.file_writeback),
            scanned: stat.pgscan,
            reclaimed: stat.pgsteal,
            pinned: Bytes(0),
            swap: Bytes(swap.unwrap_or(0)),
            swap_cached: stat.swapcached,
            hugetlb,
            anon: stat.anon,
            shmem: stat.shmem,
            listed_anon: stat.active_anon.saturating_add(stat.inactive_anon),
            unevictable: stat.unevictable,
            kernel: stat.kernel,
            counters,
            own_oom,
            stalled_usec: pressure.map(|(_, total)| total),
            pressure: pressure.map(|(averages, _)| averages),
            unread_shares: Bytes(0),
            available: None,
            processes,
            cost: std::time::Duration::ZERO,
        })
    }
}

/// What is charged and in no counter, beyond what those may lag behind. With large folios (7.3) each task that reads a file can have a
/// MiB so for as long as `memory.high` throttles it, which is before the page is put into the cache: eight readers of a mapped
/// file with 9.5M of their own were at 16.7M of 16.0M (docs/measurements.md).
fn in_transit(current: Bytes, stat: &files::MemoryStat, lag: Bytes) -> Bytes {
    let told = stat.told().unwrap_or(current);
    current.saturating_sub(told).saturating_sub(lag)
}

/// What is told of may be off by so much. Huge pages in `memory.current` are told of by the newest kernels alone (6.14).
fn stat_lag(lag: Bytes) -> Bytes {
    if hugetlb::in_memory_current() { Bytes(u64::MAX) } else { lag }
}

fn number(text: &[u8]) -> io::Result<u64> {
    files::number(text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_counter_has_is_in_transit_unless_counters_may_lag_so_far() {
        let stat = files::memory_stat(b"anon 9000000\nfile 1000000\nkernel 800000\n");
        let found = |current, lag| in_transit(Bytes(current), &stat, Bytes(lag)).0;
        assert_eq!(found(17_700_000, 500_000), 6_400_000);
        assert_eq!(found(11_300_000, 500_000), 0);
        assert_eq!(found(10_000_000, 0), 0);
        assert_eq!(found(17_700_000, u64::MAX), 0);
        let old = files::memory_stat(b"anon 9000000\nslab 5\n");
        assert_eq!(in_transit(Bytes(17_700_000), &old, Bytes(0)), Bytes(0));
    }

    /// Who attaches finds cgroups whose owner enabled no pids controller: how far memory may go at once depends on the number all the same.
    #[test]
    fn processes_are_counted_without_a_controller_too() {
        let scene = tempfile::tempdir().unwrap();
        let say = |name: &str, text: &str| std::fs::write(scene.path().join(name), text).unwrap();
        say("memory.current", "1000000\n");
        say("memory.stat", "anon 900000\n");
        say("memory.events", "high 0\nmax 0\noom 0\noom_kill 0\n");
        say("cgroup.procs", "17\n4711\n19\n");
        let sampled = || {
            let cgroup = Cgroup::open(scene.path()).unwrap();
            let sampler = CgroupSampler::open(&cgroup, Keeping::Open, None).unwrap();
            sampler.sample().unwrap().processes
        };
        assert_eq!(sampled(), 3);
        say("pids.current", "7\n");
        say("pids.events", "max 0\n");
        assert_eq!(sampled(), 7);
    }
}
