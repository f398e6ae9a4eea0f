//! Files on tmpfs that came or changed within a run. Bounded in number and time, and never over the edge of a file system.

use super::{LEAST_PART, Search};
use crate::cgroup::hierarchy;
use crate::clock::Clock;
use crate::escape::escape;
use crate::kernel_file;
use crate::status::RemainsPart;
use crate::units::Bytes;
use nix::sys::statvfs::statvfs;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// So many entries are looked at in all.
const ENTRIES: usize = 20_000;
/// And for so long.
const PATIENCE: Duration = Duration::from_millis(200);
/// Stamps of files are of the last tick (current_time() in fs/inode.c), up to 10 ms old.
const TICK: Duration = Duration::from_millis(20);

/// A tmpfs, by one of the places where it is mounted.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) device: u64,
    pub(super) used: Bytes,
    path: PathBuf,
}

/// What is mounted here.
#[derive(Debug, Default)]
struct MountTable {
    /// Every place with a mount: to touch one of a server that does not answer would take for ever.
    places: HashSet<PathBuf>,
    /// Those where a tmpfs is on top, and its device.
    tmpfs: Vec<(PathBuf, u64)>,
}

/// From /proc/self/mountinfo (proc(5)): id, parent, device, root, place, options, tags, a dash, type.
fn table(mountinfo: &[u8]) -> MountTable {
    let mut top: Vec<(PathBuf, Option<u64>)> = Vec::new();
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let mut words = line.split(|byte| *byte == b' ');
        let device = words.nth(2).and_then(device);
        let Some(place) = words.nth(1).map(unescaped) else { continue };
        let is_tmpfs = words.skip_while(|word| *word != b"-").nth(1) == Some(b"tmpfs");
        top.retain(|(other, _)| *other != place);
        top.push((place, device.filter(|_| is_tmpfs)));
    }
    let tmpfs = top.iter().filter_map(|(place, device)| Some((place.clone(), (*device)?)));
    MountTable { tmpfs: tmpfs.collect(), places: top.into_iter().map(|(place, _)| place).collect() }
}

/// `0:24`: the number that stat(2) gives for it.
fn device(word: &[u8]) -> Option<u64> {
    let (major, minor) = std::str::from_utf8(word).ok()?.split_once(':')?;
    Some(nix::sys::stat::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// Space, tab, line end and backslash are three octal digits there.
fn unescaped(word: &[u8]) -> PathBuf {
    let (mut path, mut rest) = (Vec::with_capacity(word.len()), word);
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).and_then(|three| std::str::from_utf8(three).ok());
        let byte = digits.and_then(|three| u8::from_str_radix(three, 8).ok());
        match byte.filter(|_| *first == b'\\') {
            Some(byte) => {
                path.push(byte);
                rest = &rest[4..];
            }
            None => {
                path.push(*first);
                rest = behind;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

fn read_table() -> MountTable {
    table(&kernel_file::read("/proc/self/mountinfo").unwrap_or_default())
}

/// Each tmpfs that is to be seen from here, once.
pub(super) fn mounts() -> Vec<Mount> {
    used(read_table())
}

/// The same of those that were mounted when we started.
pub(super) fn mounts_at_start() -> Vec<Mount> {
    used(table(hierarchy::mounts_at_start()))
}

fn used(table: MountTable) -> Vec<Mount> {
    let mut seen = HashSet::new();
    let look = |(path, device): (PathBuf, u64)| {
        let stat = statvfs(&path).ok()?;
        let used = stat.blocks().saturating_sub(stat.blocks_free());
        Some(Mount { device, used: Bytes(used.saturating_mul(stat.fragment_size())), path })
    };
    let first = table.tmpfs.into_iter().filter(|(_, device)| seen.insert(*device));
    first.filter_map(look).collect()
}

/// The files in these mounts that came or changed since then.
pub(super) fn find(mounts: &[Mount], search: &Search) -> Vec<RemainsPart> {
    if mounts.is_empty() {
        return Vec::new();
    }
    let (clock, places, seen) = (Clock::start(), read_table().places, HashSet::new());
    let mut walk = Walk { search, places, clock, left: ENTRIES, seen };
    mounts.iter().flat_map(|mount| walk.through(mount)).collect()
}

struct Walk<'a> {
    search: &'a Search,
    places: HashSet<PathBuf>,
    clock: Clock,
    left: usize,
    /// Files with several names count once.
    seen: HashSet<(u64, u64)>,
}

impl Walk<'_> {
    fn through(&mut self, mount: &Mount) -> Vec<RemainsPart> {
        let (mut found, mut folders) = (Vec::new(), vec![mount.path.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if self.left == 0 || self.clock.now().0 >= PATIENCE {
                    return found;
                }
                self.left -= 1;
                if self.places.contains(&entry.path()) {
                    continue;
                }
                // Does not follow links.
                let Ok(data) = entry.metadata() else { continue };
                if data.dev() != mount.device {
                    continue;
                }
                if data.is_dir() {
                    folders.push(entry.path());
                } else if let Some(size) = self.size(&data) {
                    let name = escape(entry.path().as_os_str().as_bytes());
                    found.push(RemainsPart { name, size });
                }
            }
        }
        found
    }

    /// What a file takes, if it is of this run.
    fn size(&mut self, data: &Metadata) -> Option<Bytes> {
        let changed = Duration::new(
            u64::try_from(data.ctime()).ok()?,
            u32::try_from(data.ctime_nsec()).ok()?.min(999_999_999),
        );
        let size = Bytes(data.blocks().saturating_mul(512));
        let id = (data.dev(), data.ino());
        let fits = changed + TICK >= self.search.since
            && size >= LEAST_PART
            && self.search.uid.is_none_or(|uid| uid == data.uid())
            && !self.search.ours.contains(&id);
        (fits && self.seen.insert(id)).then_some(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_that_is_covered_is_none_and_every_place_is_known() {
        let table = table(
            b"21 1 0:20 / /run rw shared:2 master:1 - tmpfs tmpfs rw
22 1 0:21 / /dev/shm rw - tmpfs shm rw
23 21 0:22 / /run/a\\040b rw - fuse x rw
24 22 0:23 / /dev/shm rw - nfs4 server:/x rw
25 1 0:24 / /x\xff rw - tmpfs tmpfs rw
nonsense
",
        );
        let strange = PathBuf::from(OsString::from_vec(b"/x\xff".to_vec()));
        assert_eq!(table.tmpfs, [(PathBuf::from("/run"), 20), (strange.clone(), 24)]);
        let places = ["/run", "/dev/shm", "/run/a b"].map(PathBuf::from);
        assert_eq!(table.places, places.into_iter().chain([strange]).collect());
    }
}
