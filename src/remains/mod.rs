//! Memory that outlives a run: files on tmpfs and System V segments. No process maps it, it stays charged to a cgroup that is
//! gone, and nobody gets it back but who removes it. Looked for when all is over: this may take a moment, and has an end.

mod sysv;
mod tmpfs;

use crate::escape::tame;
use crate::status::{Remains, RemainsPart};
use crate::units::Bytes;
use std::collections::HashSet;
use std::time::Duration;

/// Less than this is not worth a line, and within what the kernel's counters may lag.
pub const LEAST: Bytes = Bytes::mib(1);
/// A file of less is none of those that a line could name.
const LEAST_PART: Bytes = Bytes(64 << 10);
/// So many are named.
const NAMED: usize = 5;

/// What to look for.
#[derive(Debug)]
pub struct Search {
    /// When the run began, since 1970.
    pub since: Duration,
    /// The only user whose files and segments they can be.
    pub uid: Option<u32>,
    /// Files of our own: device and number.
    pub ours: HashSet<(u64, u64)>,
}

/// The use of each tmpfs that is mounted here: what has not grown need not be looked through.
#[derive(Debug, Default)]
pub struct TmpfsUse(Vec<tmpfs::Mount>);

impl TmpfsUse {
    /// Of this moment, of what was mounted when we started.
    pub fn now() -> TmpfsUse {
        TmpfsUse(tmpfs::mounts_at_start())
    }

    /// What has grown in a run for which nobody counts what its cgroup leaves. What others left meanwhile is told apart by its
    /// owner and its time only.
    pub fn left_since(&self, search: &Search) -> Option<Remains> {
        let before = |mount: &tmpfs::Mount| {
            let known = self.0.iter().find(|known| known.device == mount.device);
            known.map_or(Bytes(0), |known| known.used)
        };
        let mut grown = tmpfs::mounts();
        grown.retain(|mount| mount.used.saturating_sub(before(mount)) >= LEAST);
        // What is written again had its room before.
        let most = grown.iter().fold(Bytes(0), |sum, mount| {
            sum.saturating_add(mount.used.saturating_sub(before(mount)))
        });
        let (mut parts, segments) = (tmpfs::find(&grown, search), sysv::find(search));
        let size = sum(&parts).min(most).saturating_add(sum(&segments));
        parts.extend(segments);
        remains(size, parts)
    }
}

/// Where so much, which a cgroup without processes still has, may be.
pub fn of_cgroup(size: Bytes, search: &Search) -> Option<Remains> {
    if size < LEAST {
        return None;
    }
    let mut parts = tmpfs::find(&tmpfs::mounts(), search);
    parts.extend(sysv::find(search));
    remains(size, parts)
}

fn sum(parts: &[RemainsPart]) -> Bytes {
    parts.iter().fold(Bytes(0), |sum, part| sum.saturating_add(part.size))
}

fn remains(size: Bytes, mut parts: Vec<RemainsPart>) -> Option<Remains> {
    parts.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    parts.truncate(NAMED);
    (size >= LEAST).then_some(Remains { size, parts })
}

/// In words, one line.
pub fn text(remains: &Remains) -> String {
    let Remains { size, parts } = remains;
    let Some(RemainsPart { name, size: largest }) = parts.first() else {
        return format!(
            "left in tmpfs: {size}, not visible from here (another mount namespace, or a deleted file that is still open)"
        );
    };
    let most = largest.0 >= size.0 / 2;
    let rank = if most { "most of it" } else { "the largest" };
    tame(&format!("left in tmpfs: {size}, {rank} {name} ({largest})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, mib: u64) -> RemainsPart {
        RemainsPart { name: name.to_owned(), size: Bytes::mib(mib) }
    }

    #[test]
    fn the_largest_is_named() {
        let said = |parts| text(&remains(Bytes::mib(60), parts).unwrap());
        assert_eq!(
            said(vec![part("/dev/shm/y", 12), part("/dev/shm/x", 48)]),
            "left in tmpfs: 60.0M, most of it /dev/shm/x (48.0M)"
        );
        assert!(said(vec![part("/a", 20), part("/b", 19)]).ends_with("the largest /a (20.0M)"));
        assert!(said(vec![]).contains("60.0M, not visible from here"));
        assert_eq!(remains(Bytes(LEAST.0 - 1), vec![]), None);
    }
}
