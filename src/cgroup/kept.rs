//! A file of a cgroup that is read again and again: held open, or, where there are many cgroups and descriptors are dear, opened for each
//! reading.

use super::Cgroup;
use nix::fcntl::OFlag;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

/// How the files of a cgroup are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// All open from the start: what is read, and what ends a workload, can be had on the worst day too.
    Open,
    /// Only what a look in need and a kill take.
    Sparing,
}

/// The file.
#[derive(Debug)]
pub enum Kept {
    /// Held open.
    Open(File),
    /// Opened for each reading.
    Named(Cgroup, Box<str>),
}

impl Kept {
    /// Keeps a file that is there.
    ///
    /// # Errors
    /// As openat(2).
    pub fn new(cgroup: &Cgroup, name: &str, keeping: Keeping) -> io::Result<Kept> {
        let file = cgroup.file(name, OFlag::O_RDONLY)?;
        Ok(match keeping {
            Keeping::Open => Kept::Open(file),
            Keeping::Sparing => Kept::Named(cgroup.clone(), name.into()),
        })
    }

    /// Its descriptor, where it is held open.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Kept::Open(file) => Some(file.as_fd()),
            Kept::Named(..) => None,
        }
    }

    /// Reads it from its beginning. Allocates nothing.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone; what openat(2) says.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        match self {
            Kept::Open(file) => read(file, buffer),
            Kept::Named(cgroup, name) => read(&cgroup.file(name, OFlag::O_RDONLY)?, buffer),
        }
    }
}

/// Reads an open file of a cgroup from its beginning.
///
/// # Errors
/// As pread(2); ENODEV when the cgroup is gone.
pub fn read<'a>(file: &File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match file.read_at(buffer, 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            length => return Ok(&buffer[..length?]),
        }
    }
}
