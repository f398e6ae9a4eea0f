//! Text of the kernel's cgroup files to values, one function a file, named after it. Pure, and without allocation: the kill path uses them.
//! Formats: kernel documentation, admin-guide/cgroup-v2.rst and accounting/psi.rst.

use crate::status::{Counters, Pressure};
use crate::units::{Bytes, Limit};

/// What is used of `memory.stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStat {
    /// Anonymous memory.
    pub anon: Bytes,
    /// Shared memory, tmpfs and memfd.
    pub shmem: Bytes,
    /// Kernel memory; before 5.18 the sum of its larger parts.
    pub kernel: Bytes,
    /// Whether that is all of it.
    pub kernel_is_whole: bool,
    /// Buffers of sockets.
    pub sock: Bytes,
    /// All pages of the page cache, shared memory among them.
    pub file: Bytes,
    /// Pages that are locked, of whatever kind.
    pub unevictable: Bytes,
    /// Anonymous and shared memory on the active list.
    pub active_anon: Bytes,
    /// Anonymous and shared memory on the inactive list.
    pub inactive_anon: Bytes,
    /// File pages on the active list.
    pub active_file: Bytes,
    /// File pages on the inactive list.
    pub inactive_file: Bytes,
    /// Slab that may be taken back: dentries, inodes. Those in use are counted too.
    pub slab_reclaimable: Bytes,
    /// File pages not written to their disk yet.
    pub file_dirty: Bytes,
    /// File pages, and pages on their way to swap, that are being written.
    pub file_writeback: Bytes,
    /// Pages in memory that are in swap too; absent before 5.13.
    pub swapcached: Bytes,
    /// Pages that reclaim looked at so far.
    pub pgscan: u64,
    /// Pages that it got.
    pub pgsteal: u64,
}

impl MemoryStat {
    /// What reclaim may look at. Pages that are on their way to a list, or off it while they are being reclaimed, are on none: with the large
    /// folios of Linux 7.3 some MiB at a moment. They are no usage; were they locked, `unevictable` has them.
    pub fn cache(&self) -> Bytes {
        let listed = self.active_file.saturating_add(self.inactive_file);
        let files = self.file.saturating_sub(self.shmem).saturating_sub(self.unevictable);
        listed.max(files).saturating_add(self.slab_reclaimable)
    }

    /// All that is told of, by use or by list, whichever has more; `None` where the kernel does not tell of all of its own (before 5.18).
    pub fn told(&self) -> Option<Bytes> {
        let lists = [self.inactive_anon, self.active_file, self.inactive_file, self.unevictable];
        let listed = lists.into_iter().fold(self.active_anon, Bytes::saturating_add);
        let pages = listed.max(self.anon.saturating_add(self.file));
        let others = self.kernel.saturating_add(self.sock);
        self.kernel_is_whole.then_some(pages.saturating_add(others))
    }
}

/// What is used of `cgroup.events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupEvents {
    /// Whether a live process is in the cgroup or below it.
    pub populated: bool,
    /// Whether it is frozen.
    pub frozen: bool,
}

/// A file with one number (`memory.current`, `memory.peak`, `memory.swap.current`).
pub fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// A file with one number or `max` (`memory.max`, `memory.high`, `pids.max`).
pub fn limit(text: &[u8]) -> Option<Limit> {
    match text.trim_ascii() {
        b"max" => Some(Limit::Max),
        digits => number(digits).map(Limit::At),
    }
}

/// The `key value` lines of a flat keyed file. Lines of another form are left out: newer kernels may add them.
fn keyed(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let space = line.iter().position(|byte| *byte == b' ')?;
        Some((&line[..space], number(&line[space + 1..])?))
    })
}

/// `memory.stat`.
pub fn memory_stat(text: &[u8]) -> MemoryStat {
    let mut stat = MemoryStat::default();
    let (mut stack, mut tables, mut slab) = (0, 0, 0);
    for (key, value) in keyed(text) {
        match key {
            b"anon" => stat.anon = Bytes(value),
            b"shmem" => stat.shmem = Bytes(value),
            b"file" => stat.file = Bytes(value),
            b"unevictable" => stat.unevictable = Bytes(value),
            b"kernel" => (stat.kernel, stat.kernel_is_whole) = (Bytes(value), true),
            b"active_anon" => stat.active_anon = Bytes(value),
            b"inactive_anon" => stat.inactive_anon = Bytes(value),
            b"active_file" => stat.active_file = Bytes(value),
            b"inactive_file" => stat.inactive_file = Bytes(value),
            b"slab_reclaimable" => stat.slab_reclaimable = Bytes(value),
            b"file_dirty" => stat.file_dirty = Bytes(value),
            b"file_writeback" => stat.file_writeback = Bytes(value),
            b"swapcached" => stat.swapcached = Bytes(value),
            b"pgscan" => stat.pgscan = value,
            b"pgsteal" => stat.pgsteal = value,
            b"kernel_stack" => stack = value,
            b"pagetables" => tables = value,
            b"slab" => slab = value,
            b"sock" => stat.sock = Bytes(value),
            _ => {}
        }
    }
    if !stat.kernel_is_whole {
        let parts = [tables, slab, stat.sock.0];
        let parts = parts.iter().fold(stack, |sum: u64, n| sum.saturating_add(*n));
        stat.kernel = Bytes(parts);
    }
    stat
}

/// All page faults, and those with a read from disk, of `memory.stat`.
pub fn page_faults(text: &[u8]) -> Option<(u64, u64)> {
    let of = |name: &[u8]| keyed(text).find(|(key, _)| *key == name).map(|(_, value)| value);
    Some((of(b"pgfault")?, of(b"pgmajfault")?))
}

/// What `memory.events.local` says of the OOM killer: all of its counters of it.
pub fn own_oom(text: &[u8]) -> u64 {
    let of_it = |key: &[u8]| matches!(key, b"oom" | b"oom_kill" | b"oom_group_kill");
    keyed(text).filter(|(key, _)| of_it(key)).fold(0, |sum, (_, value)| sum.saturating_add(value))
}

/// `memory.events`.
pub fn memory_events(text: &[u8]) -> Counters {
    let mut counters = Counters::default();
    for (key, value) in keyed(text) {
        match key {
            b"high" => counters.high = value,
            b"max" => counters.max = value,
            b"oom" => counters.oom = value,
            b"oom_kill" => counters.oom_kill = value,
            _ => {}
        }
    }
    counters
}

/// `pids.events`: how often a fork was refused.
pub fn pids_events(text: &[u8]) -> u64 {
    keyed(text).find(|(key, _)| *key == b"max").map_or(0, |(_, value)| value)
}

/// `cgroup.events`; `None` when it says nothing of `populated`.
pub fn cgroup_events(text: &[u8]) -> Option<CgroupEvents> {
    let populated = keyed(text).find(|(key, _)| *key == b"populated")?.1 != 0;
    let frozen = keyed(text).any(|(key, value)| key == b"frozen" && value != 0);
    Some(CgroupEvents { populated, frozen })
}

/// `memory.pressure`: the averages, and the microseconds in which all tasks waited.
pub fn memory_pressure(text: &[u8]) -> Option<(Pressure, u64)> {
    let line = |kind: &[u8]| {
        text.split(|byte| *byte == b'\n').find(|line| line.starts_with(kind)).unwrap_or_default()
    };
    let (some, full) = (line(b"some "), line(b"full "));
    let total = number(field(full, b"total=")?)?;
    let pressure = Pressure {
        some_avg10: average(some)?,
        full_avg10: average(full)?,
        some_usec: number(field(some, b"total=")?)?,
        full_usec: total,
    };
    Some((pressure, total))
}

/// A share in percent. Rust would also read `nan` and `inf`, which JSON cannot say.
fn average(line: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(field(line, b"avg10=")?).ok()?;
    text.parse().ok().filter(|share: &f64| share.is_finite())
}

fn field<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    line.split(|byte| *byte == b' ').find_map(|word| word.strip_prefix(key))
}

/// `cpu.stat`: CPU time in microseconds. The first lines are there without the cpu controller too.
pub fn cpu_stat(text: &[u8]) -> Option<u64> {
    keyed(text).find(|(key, _)| *key == b"usage_usec").map(|(_, value)| value)
}

/// `io.stat`: bytes read and written, over all devices. A last line that is cut counts as far as it goes.
pub fn io_stat(text: &[u8]) -> (u64, u64) {
    let sum = |key: &[u8]| {
        let values = text.split(|byte| matches!(byte, b' ' | b'\n'));
        let values = values.filter_map(|word| number(word.strip_prefix(key)?));
        values.fold(0u64, u64::saturating_add)
    };
    (sum(b"rbytes="), sum(b"wbytes="))
}

/// `cgroup.procs`, and `children` of /proc/PID/task/TID: the process ids; 0 stands for a process of another pid namespace and is
/// left out.
pub fn cgroup_procs(text: &[u8]) -> impl Iterator<Item = i32> {
    text.split(u8::is_ascii_whitespace)
        .filter_map(|line| i32::try_from(number(line)?).ok())
        .filter(|pid| *pid > 0)
}

/// `cgroup.controllers`, `cgroup.subtree_control`: whether this controller is among them.
pub fn has_controller(text: &str, controller: &str) -> bool {
    text.split_whitespace().any(|word| word == controller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_on_no_list_are_cache_and_locked_ones_are_not() {
        let cache = |text: &[u8]| memory_stat(text).cache().0;
        assert_eq!(cache(b"file 100\nshmem 20\nactive_file 10\ninactive_file 60\n"), 80);
        let locked = b"file 100\nshmem 20\nunevictable 50\nactive_file 10\ninactive_file 20\n";
        assert_eq!(cache(locked), 30);
        assert_eq!(cache(b"active_file 10\ninactive_file 20\nslab_reclaimable 5\n"), 35);
    }

    #[test]
    fn numbers_and_limits() {
        assert_eq!(number(b"4096\n"), Some(4096));
        for text in [&b""[..], b"\n", b"max", b"-1", b"1 2", b"99999999999999999999"] {
            assert_eq!(number(text), None);
        }
        assert_eq!(limit(b"max\n"), Some(Limit::Max));
        assert_eq!(limit(b"0\n"), Some(Limit::At(0)));
    }

    #[test]
    fn events_of_an_older_kernel_have_no_group_kill() {
        assert_eq!(page_faults(b"anon 1\npgfault 7\npgmajfault 2\n"), Some((7, 2)));
        assert_eq!(page_faults(b"anon 1\n"), None);
        assert_eq!(own_oom(b"low 0\nhigh 12\nmax 3\noom 1\noom_kill 4\noom_group_kill 1\n"), 6);
        let counters = memory_events(b"low 0\nhigh 12\nmax 3\noom 1\noom_kill 1\n");
        let expected = Counters { high: 12, max: 3, oom: 1, oom_kill: 1, pids_max: 0 };
        assert_eq!(counters, expected);
        assert_eq!(pids_events(b"max 7\n"), 7);
    }

    #[test]
    fn pressure_needs_both_lines() {
        let text = b"some avg10=1.50 avg60=0.00 avg300=0.00 total=700\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=600\n";
        let (pressure, total) = memory_pressure(text).unwrap();
        assert_eq!((pressure.some_avg10, pressure.full_avg10, total), (1.5, 0.25, 600));
        assert_eq!((pressure.some_usec, pressure.full_usec), (700, 600));
        assert_eq!(memory_pressure(b"some avg10=1.50 avg60=0 avg300=0 total=7\n"), None);
        assert_eq!(memory_pressure(b"some avg10=nan total=7\nfull avg10=inf total=7\n"), None);
    }

    #[test]
    fn traffic_is_summed_over_devices() {
        let text = b"8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n253:0 rbytes=800 wbytes=4\n7:0 \n";
        assert_eq!(io_stat(text), (1_460_000, 314_773_508));
        assert_eq!(io_stat(b""), (0, 0));
    }

    #[test]
    fn cpu_time_is_found_among_other_lines() {
        let text = b"usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnr_periods 0\n";
        assert_eq!(cpu_stat(text), Some(1_234_567));
        assert_eq!(cpu_stat(b"user_usec 1\n"), None);
    }

    #[test]
    fn what_is_told_of_is_pages_by_use_or_by_list_and_the_kernel_s_own() {
        let told = |text: &[u8]| memory_stat(text).told();
        let text = b"anon 100\nfile 50\nkernel 7\nsock 2\ninactive_anon 90\nactive_anon 5\n";
        assert_eq!(told(text), Some(Bytes(159)), "pages on their way to a list");
        let text = b"anon 10\nfile 50\nkernel 7\nactive_anon 95\ninactive_file 40\nunevictable 9\nactive_file 1\n";
        assert_eq!(told(text), Some(Bytes(152)), "pages that nobody has mapped any more");
        assert_eq!(told(b"anon 100\nslab 7\npagetables 5\nfile 50\n"), None, "before 5.18");
    }

    #[test]
    fn processes_of_other_namespaces_are_left_out() {
        assert_eq!(cgroup_procs(b"0\n12\n0\n345\n").collect::<Vec<_>>(), [12, 345]);
    }

    #[test]
    fn cgroup_events_say_populated_or_nothing() {
        let events = cgroup_events(b"populated 1\nfrozen 0\n");
        assert_eq!(events, Some(CgroupEvents { populated: true, frozen: false }));
        assert_eq!(cgroup_events(b""), None);
    }
}
