//! System V segments that were made within a run and nobody removed: they are tmpfs without a name.

use super::{LEAST_PART, Search};
use crate::kernel_file;
use crate::status::RemainsPart;
use crate::units::Bytes;

/// Those of this machine, or of this namespace.
pub(super) fn find(search: &Search) -> Vec<RemainsPart> {
    if crate::sys::memory::of_segments().is_some_and(|size| size < LEAST_PART) {
        return Vec::new();
    }
    let text = kernel_file::text("/proc/sysvipc/shm").unwrap_or_default();
    parse(&text, search)
}

/// Columns (ipc/shm.c, sysvipc_shm_proc_show()): key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss
/// swap. Times are whole seconds.
fn parse(text: &str, search: &Search) -> Vec<RemainsPart> {
    let segment = |line: &str| {
        let columns: Vec<i64> =
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let at = |index: usize| u64::try_from(*columns.get(index)?).ok();
        let size = Bytes(at(14)?.saturating_add(at(15)?));
        let fits = at(13)? >= search.since.as_secs()
            && size >= LEAST_PART
            && search.uid.is_none_or(|uid| at(9) == Some(u64::from(uid)));
        let name = format!("System V segment {} of process {}", at(1)?, at(4)?);
        fits.then_some(RemainsPart { name, size })
    };
    text.lines().skip(1).filter_map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::time::Duration;

    const TEXT: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap
         0          3  1600              50331648  4711  4711      0  1000  1000  1000  1000 1700000100 1700000101 1700000100              50331648                  4096
-1234567890         4   600                  4096     1     1      0     0     0     0     0          0          0 1700000200                  4096                     0
";

    fn found(since: u64, uid: Option<u32>) -> Vec<RemainsPart> {
        let since = Duration::from_secs(since);
        parse(TEXT, &Search { since, uid, ours: HashSet::new() })
    }

    #[test]
    fn segments_of_the_run_are_found() {
        let one = RemainsPart {
            name: "System V segment 3 of process 4711".to_owned(),
            size: Bytes(50_335_744),
        };
        for uid in [None, Some(1000)] {
            assert_eq!(found(1_700_000_100, uid), std::slice::from_ref(&one));
        }
        assert_eq!(found(1_700_000_101, None), []);
        assert_eq!(found(1_700_000_100, Some(0)), []);
    }
}
