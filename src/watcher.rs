//! inotify on the cgroup files that notify (`memory.events`, `cgroup.events`, `pids.events`), on the line of theirs that others may write
//! (`memory.high`), and on directories whose cgroups come and go: one instance for all wards.

use crate::ward::WardId;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// The files that notify, and the one that is written.
const FILES: [&str; 4] = ["cgroup.events", "memory.events", "pids.events", "memory.high"];
/// Room for many events of watches without names, and some with; a buffer too small for one is EINVAL for ever.
const BUFFER: usize = 16384;

/// What a watch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A file of this ward's cgroup.
    Ward(WardId),
    /// Cgroups come and go in the directory with this number.
    Directory(usize),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// In a file of this ward's cgroup.
    Ward(WardId),
    /// A cgroup was made in the directory with this number.
    Made(usize, OsString),
    /// One is gone from there.
    Removed(usize, OsString),
    /// A directory is gone.
    Vanished,
    /// More happened than was kept for us.
    Lost,
}

/// The watches.
#[derive(Debug)]
pub struct Watcher {
    inotify: Inotify,
    owners: HashMap<WatchDescriptor, Purpose>,
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

    /// Watches the files of a cgroup that exist. The caller reads them once afterwards: what changed before is not told.
    ///
    /// # Errors
    /// ENOSPC when the user's watches are used up (`fs.inotify.max_user_watches`).
    pub fn watch(&mut self, cgroup: &Path, ward: WardId) -> io::Result<()> {
        for path in FILES.map(|file| cgroup.join(file)) {
            match self.inotify.watches().add(&path, WatchMask::MODIFY) {
                Ok(descriptor) => self.owners.insert(descriptor, Purpose::Ward(ward)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Watches the files of this ward's cgroup no more.
    pub fn unwatch(&mut self, ward: WardId) {
        let theirs = |(descriptor, purpose): (&WatchDescriptor, &Purpose)| {
            (*purpose == Purpose::Ward(ward)).then(|| descriptor.clone())
        };
        let theirs: Vec<_> = self.owners.iter().filter_map(theirs).collect();
        for descriptor in theirs {
            self.owners.remove(&descriptor);
            // The cgroup may be gone, and its watch with it.
            let _ = self.inotify.watches().remove(descriptor);
        }
    }

    /// Watches the directory with this number no more.
    pub fn unwatch_directory(&mut self, number: usize) {
        let its =
            |(_, purpose): &(&WatchDescriptor, &Purpose)| **purpose == Purpose::Directory(number);
        let descriptor = self.owners.iter().find(its).map(|(descriptor, _)| descriptor.clone());
        if let Some(descriptor) = descriptor {
            self.owners.remove(&descriptor);
            // It may be gone, and its watch with it.
            let _ = self.inotify.watches().remove(descriptor);
        }
    }

    /// Watches which cgroups come and go in a directory, which gets this number. The caller lists it once afterwards.
    ///
    /// # Errors
    /// As [`Watcher::watch`].
    pub fn watch_directory(&mut self, directory: &Path, number: usize) -> io::Result<()> {
        let descriptor =
            self.inotify.watches().add(directory, WatchMask::CREATE | WatchMask::DELETE)?;
        self.owners.insert(descriptor, Purpose::Directory(number));
        Ok(())
    }

    /// What happened, in its order. Allocates nothing but the names of cgroups that come and go.
    pub fn changed(&mut self) -> arrayvec::ArrayVec<Change, 64> {
        let mut changes = arrayvec::ArrayVec::new();
        let Ok(events) = self.inotify.read_events(&mut self.buffer[..]) else { return changes };
        let mut lost = false;
        for event in events {
            if event.mask.contains(EventMask::Q_OVERFLOW) {
                lost = true;
            } else if event.mask.contains(EventMask::IGNORED) {
                // What it watched is gone; its number may be another watch's from now on.
                let purpose = self.owners.remove(&event.wd);
                if let Some(Purpose::Directory(_)) = purpose {
                    lost |= changes.try_push(Change::Vanished).is_err();
                }
            } else if let Some(change) = change(self.owners.get(&event.wd), &event)
                && !changes.contains(&change)
            {
                lost |= changes.try_push(change).is_err();
            }
        }
        if lost {
            changes.pop();
            changes.push(Change::Lost);
        }
        changes
    }
}

fn change(purpose: Option<&Purpose>, event: &inotify::Event<&std::ffi::OsStr>) -> Option<Change> {
    match (*purpose?, event.name) {
        (Purpose::Ward(ward), _) => Some(Change::Ward(ward)),
        (Purpose::Directory(number), Some(name)) if event.mask.contains(EventMask::ISDIR) => {
            let name = name.to_owned();
            Some(match event.mask.contains(EventMask::DELETE) {
                true => Change::Removed(number, name),
                false => Change::Made(number, name),
            })
        }
        (Purpose::Directory(_), _) => None,
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
