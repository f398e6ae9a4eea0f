//! inotify on the cgroup files that notify (`cgroup.events`, `pids.events`, and `memory.events` where no poll of it tells), one instance
//! for all workloads.

use inotify::{Inotify, WatchDescriptor, WatchMask};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// The files that notify.
const FILES: [&str; 3] = ["cgroup.events", "pids.events", MEMORY];
const MEMORY: &str = "memory.events";
/// Room for many events of watches without names; a buffer too small for one is EINVAL for ever.
const BUFFER: usize = 4096;

/// The watches, and which workload each belongs to.
#[derive(Debug)]
pub struct Watcher {
    inotify: Inotify,
    owners: HashMap<WatchDescriptor, u32>,
    buffer: Box<[u8; BUFFER]>,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// EMFILE when the user's inotify instances are used up (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Watcher> {
        let inotify = Inotify::init()?;
        Ok(Watcher { inotify, owners: HashMap::new(), buffer: Box::new([0; BUFFER]) })
    }

    /// Watches the files of a cgroup that exist. The caller reads them once afterwards: what changed before is not told. `polled`: somebody
    /// waits for `memory.events` itself (EPOLLPRI), and one change, of up to a hundred a second, is to be one look and not two.
    ///
    /// # Errors
    /// ENOSPC when the user's watches are used up (`fs.inotify.max_user_watches`).
    pub fn watch(&mut self, cgroup: &Path, workload: u32, polled: bool) -> io::Result<()> {
        for file in FILES.into_iter().filter(|file| !(polled && *file == MEMORY)) {
            match self.inotify.watches().add(cgroup.join(file), WatchMask::MODIFY) {
                Ok(descriptor) => self.owners.insert(descriptor, workload),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// The workloads whose files changed.
    pub fn changed(&mut self) -> arrayvec::ArrayVec<u32, 64> {
        let mut workloads = arrayvec::ArrayVec::new();
        let Ok(events) = self.inotify.read_events(&mut self.buffer[..]) else { return workloads };
        for event in events {
            if let Some(workload) = self.owners.get(&event.wd)
                && !workloads.contains(workload)
            {
                // What does not fit is found by its next sample.
                let _ = workloads.try_push(*workload);
            }
        }
        workloads
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
