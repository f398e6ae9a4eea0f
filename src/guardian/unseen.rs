//! Memory that no limit sees: huge pages meanwhile, and what is left on tmpfs behind the end.

use super::Guardian;
use super::huge_pages::HugePagesWatch;
use crate::remains::{self, Search, TmpfsUse};
use crate::status::{Remains, Tier};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// What is remembered of it.
#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) huge_pages: HugePagesWatch,
    /// When we started, since 1970.
    started: Duration,
    /// What each tmpfs held then, where no cgroup counts what a run leaves there.
    tmpfs: TmpfsUse,
}

impl Unseen {
    pub(super) fn new(tier: Tier) -> Unseen {
        Unseen {
            huge_pages: HugePagesWatch::default(),
            started: crate::clock::unix_time(),
            tmpfs: if tier == Tier::Kernel { TmpfsUse::default() } else { TmpfsUse::now() },
        }
    }
}

impl Guardian {
    /// What is left in tmpfs, if it is worth telling. To be found before the cgroup goes: nobody could tell it from others' then.
    pub(super) fn find_remains(&self) -> Option<Remains> {
        let workload = &self.guards[0].workload;
        let mut search = Search { since: self.unseen.started, uid: None, ours: HashSet::new() };
        if workload.tier() == Tier::Kernel {
            return remains::of_cgroup(workload.left_in_tmpfs()?, &search);
        }
        let own = || nix::unistd::geteuid().as_raw();
        let account = self.config.account.as_ref();
        search.uid = Some(account.map_or_else(own, |account| account.identity.uid()));
        let files = [&self.config.record, &self.config.json];
        let ours = files.into_iter().flatten().filter_map(|path| path.metadata().ok());
        search.ours = ours.map(|data| (data.dev(), data.ino())).collect();
        self.unseen.tmpfs.left_since(&search)
    }
}
