//! Directories whose cgroups are guarded as they come and go, by numbers.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What the cgroups in a directory are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Workloads.
    Workloads,
    /// Pods of a kubelet's, and classes of them.
    Pods,
    /// The containers of a pod.
    Containers,
    /// One that leads to a directory that was named. A cgroup's directory does not tell of its own end on most kernels: the one around
    /// it does.
    Way,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) holds: Holds,
    /// It was asked for, and not found in another one.
    pub(super) named: bool,
    inode: Option<u64>,
}

impl Directory {
    /// That which is there now.
    pub(super) fn new(path: &Path, holds: Holds, named: bool) -> Directory {
        Directory { path: path.to_owned(), holds, named, inode: inode(path) }
    }

    /// Whether it, and not another one of its name, is there.
    pub(super) fn is_there(&self) -> bool {
        self.inode.is_some() && inode(&self.path) == self.inode
    }
}

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.ino())
}

/// Those that are watched, by numbers that are never used twice, and those that are gone and waited for.
#[derive(Debug, Default)]
pub(super) struct Directories {
    watched: BTreeMap<usize, Directory>,
    next: usize,
    /// Asked for, and not there.
    pub(super) awaited: Vec<Directory>,
}

impl Directories {
    /// Whether nothing can come.
    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty() && self.awaited.is_empty()
    }

    /// Keeps one that is watched by this number.
    pub(super) fn add(&mut self, number: usize, directory: Directory) {
        // One directory has one watch, and that one number.
        self.watched.retain(|_, known| known.path != directory.path);
        self.watched.insert(number, directory);
    }

    /// For the next one.
    pub(super) fn next_number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    /// One that is watched.
    pub(super) fn get(&self, number: usize) -> Option<&Directory> {
        self.watched.get(&number)
    }

    /// The numbers of those in which something is guarded.
    pub(super) fn numbers(&self) -> Vec<usize> {
        let guarded = self.watched.iter().filter(|(_, known)| known.holds != Holds::Way);
        guarded.map(|(number, _)| *number).collect()
    }

    /// Whether this one is watched.
    pub(super) fn watches(&self, path: &Path) -> bool {
        self.watched.values().any(|known| known.path == path && known.is_there())
    }

    /// Of what has this name in one of them, and what such a one is.
    pub(super) fn path_of(&self, number: usize, name: &OsStr) -> Option<(PathBuf, Holds)> {
        let directory = self.watched.get(&number)?;
        Some((directory.path.join(name), directory.holds))
    }

    /// Those that are gone, which are not among them any more.
    pub(super) fn take_gone(&mut self) -> Vec<(usize, Directory)> {
        let gone = self.watched.iter().filter(|(_, known)| !known.is_there());
        let gone: Vec<usize> = gone.map(|(number, _)| *number).collect();
        gone.into_iter().filter_map(|number| self.watched.remove_entry(&number)).collect()
    }
}
