//! Files on tmpfs that came or changed within a run. Bounded in number and time, and never over the edge of a file system.

use super::{LEAST_PART, Search};
use crate::cgroup::hierarchy;
use crate::clock::Clock;
use crate::report::escape::escape;
use crate::status::RemainsPart;
use crate::units::Bytes;
use nix::sys::statvfs::statvfs;
use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
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

/// Each tmpfs that is to be seen from here, once.
pub(super) fn mounts() -> Vec<Mount> {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut seen = HashSet::new();
    let look = |path: PathBuf| {
        let device = path.symlink_metadata().ok()?.dev();
        let stat = statvfs(&path).ok()?;
        let used = stat.blocks().saturating_sub(stat.blocks_free());
        Some(Mount { device, used: Bytes(used.saturating_mul(stat.fragment_size())), path })
    };
    let found = hierarchy::mounts(&text, "tmpfs").filter_map(|mount| look(mount.mount_point));
    found.filter(|mount| seen.insert(mount.device)).collect()
}

/// The files in these mounts that came or changed since then.
pub(super) fn find(mounts: &[Mount], search: &Search) -> Vec<RemainsPart> {
    let mut walk = Walk { search, clock: Clock::start(), left: ENTRIES, seen: HashSet::new() };
    mounts.iter().flat_map(|mount| walk.through(mount)).collect()
}

struct Walk<'a> {
    search: &'a Search,
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
