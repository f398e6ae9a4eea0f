//! What is left for everybody: by the machine, and by the cgroups around a workload. The files are open from the start, and reading them
//! allocates nothing.

use super::Cgroup;
use super::files;
use super::kept::read;
use super::line_files::{in_use, read_limit};
use crate::clock::Timestamp;
use crate::units::{Bytes, Limit};
use nix::fcntl::OFlag;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// A reading serves all who ask within this time.
const FRESH: Duration = Duration::from_millis(20);
/// MemAvailable is the third line.
const MEMINFO: usize = 512;
/// `memory.stat` has about 1.5 KiB on 6.12.
const STAT: usize = 8192;

/// The open files.
#[derive(Debug)]
pub struct Available {
    meminfo: Option<File>,
    around: Vec<Around>,
    last: Cell<Option<(Timestamp, Bytes)>>,
}

/// Those of a cgroup that may bound others. Its limit may be set later.
#[derive(Debug)]
struct Around {
    max: File,
    current: File,
    stat: File,
}

impl Around {
    /// `None` where there is no memory controller, or no limit: the root has none.
    fn open(directory: &Path) -> Option<Around> {
        let cgroup = Cgroup::open(directory).ok().filter(Cgroup::is_real)?;
        let open = |name| cgroup.file(name, OFlag::O_RDONLY).ok();
        Some(Around {
            max: open("memory.max")?,
            current: open("memory.current")?,
            stat: open("memory.stat")?,
        })
    }

    /// What it leaves, if that is less than this. `memory.stat` is dear, so it is read only where that may be.
    fn left(&self, most: Bytes) -> Option<Bytes> {
        let Limit::At(max) = read_limit(&self.max).ok()? else { return None };
        let unused = Bytes(max).saturating_sub(in_use(&self.current).ok()?);
        if unused >= most {
            return None;
        }
        let stat = files::memory_stat(read(&self.stat, &mut [0; STAT]).ok()?);
        let files = stat.active_file.saturating_add(stat.inactive_file);
        Some(unused.saturating_add(files).min(Bytes(max)))
    }
}

impl Available {
    /// Opens what tells. A /proc/meminfo that is not the kernel's (lxcfs) is none: reading it may wait for another process.
    pub fn open<'a>(around: impl Iterator<Item = &'a Path>) -> Available {
        let meminfo = File::open("/proc/meminfo").ok();
        let is_kernels = |file: &File| {
            fstatfs(file).is_ok_and(|found| found.filesystem_type() == PROC_SUPER_MAGIC)
        };
        Available {
            meminfo: meminfo.filter(is_kernels),
            around: around.filter_map(Around::open).collect(),
            last: Cell::default(),
        }
    }

    /// What is left. One who insists gets what is so now, others what was a moment ago. `None` where nothing tells.
    pub fn look(&self, insists: bool, now: Timestamp) -> Option<Bytes> {
        let lately = self.last.get().filter(|(at, _)| !insists && now.since(*at) < FRESH);
        let found = lately.or_else(|| self.read().map(|left| (now, left)));
        self.last.set(found);
        found.map(|(_, left)| left)
    }

    fn read(&self) -> Option<Bytes> {
        let machine = self.meminfo.as_ref().and_then(of_machine);
        self.around.iter().fold(machine, |least, around| {
            let left = around.left(least.unwrap_or(Bytes(u64::MAX)));
            [least, left].into_iter().flatten().min()
        })
    }
}

/// `MemAvailable` of /proc/meminfo (proc(5)).
fn of_machine(meminfo: &File) -> Option<Bytes> {
    in_meminfo(read(meminfo, &mut [0; MEMINFO]).ok()?)
}

fn in_meminfo(text: &[u8]) -> Option<Bytes> {
    let line =
        text.split(|byte| *byte == b'\n').find_map(|it| it.strip_prefix(b"MemAvailable:"))?;
    let kib = files::number(line.trim_ascii().strip_suffix(b"kB")?)?;
    Some(Bytes(kib.saturating_mul(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO_TEXT: &[u8] =
        b"MemTotal:       24683740 kB\nMemFree:        13752560 kB\nMemAvailable:   22889944 kB\nBuffers: 9 kB\n";

    #[test]
    fn what_the_machine_has_left_is_one_line() {
        assert_eq!(in_meminfo(MEMINFO_TEXT), Some(Bytes(22_889_944 << 10)));
        assert_eq!(in_meminfo(b"MemTotal: 1 kB\n"), None);
        assert_eq!(in_meminfo(b"MemAvailable: much kB\n"), None);
        assert_eq!(in_meminfo(b"MemAvailable: 7\n"), None);
    }

    #[test]
    fn the_kernel_s_own_file_tells_and_a_reading_serves_for_a_moment() {
        let available = Available::open(std::iter::empty());
        let at = Timestamp::from_millis;
        let first = available.look(false, at(0)).unwrap();
        assert!(first > Bytes(0));
        available.last.set(Some((at(0), Bytes(7))));
        assert_eq!(available.look(false, at(19)), Some(Bytes(7)));
        assert!(available.look(true, at(19)).unwrap() > Bytes(7));
        available.last.set(Some((at(0), Bytes(7))));
        assert!(available.look(false, at(20)).unwrap() > Bytes(7));
    }

    /// Some files in a directory, as of a cgroup.
    fn around(max: &str, current: &str) -> (tempfile::TempDir, Around) {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            File::open(path).unwrap()
        };
        let stat = file("stat", "anon 50\nactive_file 20\ninactive_file 10\nslab_reclaimable 7\n");
        let around = Around { max: file("max", max), current: file("current", current), stat };
        (directory, around)
    }

    #[test]
    fn a_cgroup_leaves_its_limit_less_what_is_in_use_and_no_file() {
        let left = |max, current, most| around(max, current).1.left(Bytes(most));
        assert_eq!(left("1000", "600", 9000), Some(Bytes(430)));
        assert_eq!(left("1000", "600", 400), None, "others leave less");
        assert_eq!(left("1000", "1010", 9000), Some(Bytes(30)));
        assert_eq!(left("1000", "0", 9000), Some(Bytes(1000)));
        assert_eq!(left("max", "600", 9000), None);
        assert_eq!(left("", "600", 9000), None);
        let (_directory, tight) = around("1000", "600");
        let all = Available { meminfo: None, around: vec![tight], last: Cell::default() };
        assert_eq!(all.look(true, Timestamp::default()), Some(Bytes(430)));
        let none = Available { meminfo: None, around: vec![], last: Cell::default() };
        assert_eq!(none.look(true, Timestamp::default()), None);
    }
}
