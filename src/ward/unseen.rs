//! Memory that no limit sees and that stays: what is left on tmpfs behind the end.

use super::Ward;
use crate::remains::{self, Search, TmpfsUse};
use crate::status::{Remains, Tier};
use crate::sys::own_ids;
use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// What each tmpfs held before.
#[derive(Debug)]
pub(super) struct TmpfsBefore {
    /// When that was, since 1970.
    at: Duration,
    /// Where no cgroup counts what a run leaves there.
    used: TmpfsUse,
}

impl TmpfsBefore {
    pub(super) fn of(tier: Tier) -> TmpfsBefore {
        TmpfsBefore {
            at: crate::clock::unix_time(),
            used: if tier == Tier::Kernel { TmpfsUse::default() } else { TmpfsUse::now() },
        }
    }
}

impl Ward {
    /// What is left in tmpfs, if it is worth telling; `ours` are files that we write. To be found before the cgroup goes: nobody could
    /// tell it from others' then.
    pub fn find_remains(&self, ours: impl Iterator<Item = Metadata>) -> Option<Remains> {
        let mut search = Search { since: self.tmpfs.at, uid: None, ours: HashSet::new() };
        if self.tier() == Tier::Kernel {
            return remains::of_cgroup(self.workload.left_in_tmpfs()?, &search);
        }
        let own = || own_ids::euid().as_raw();
        let account = self.rules.account.as_ref();
        search.uid = Some(account.map_or_else(own, |account| account.identity.uid()));
        search.ours = ours.map(|data| (data.dev(), data.ino())).collect();
        self.tmpfs.used.left_since(&search)
    }
}
