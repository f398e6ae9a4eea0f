//! `memory.high`, `memory.max` and `memory.current` of a cgroup that we made, opened once: what puts the first lines in force is what moves
//! them later.

use super::{Cgroup, files};
use crate::escape::shown;
use crate::units::{Bytes, Limit};
use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use std::fs::File;
use std::io;
use std::rc::Rc;

/// How the kernel's lines are opened: from Linux 6.16 on a write below what is in use then does not wait (`workload/knobs.rs`).
pub const WRITABLE: OFlag = OFlag::O_RDWR.union(OFlag::O_NONBLOCK);

/// The open files.
#[derive(Debug)]
pub struct LineFiles {
    /// `memory.high`.
    pub high: File,
    /// `memory.max`.
    pub max: File,
    /// `memory.current`.
    pub current: Rc<File>,
}

impl LineFiles {
    /// Opens them.
    ///
    /// # Errors
    /// When one is not there or not ours to write; the message names it.
    pub fn open(cgroup: &Cgroup) -> Result<LineFiles> {
        let open = |name: &str, flags| {
            let file = cgroup.file(name, flags);
            file.with_context(|| format!("use {}", shown(&cgroup.path().join(name))))
        };
        Ok(LineFiles {
            max: open("memory.max", WRITABLE)?,
            high: open("memory.high", WRITABLE)?,
            current: Rc::new(open("memory.current", OFlag::O_RDONLY)?),
        })
    }
}

/// What `memory.current` says. Allocates nothing.
///
/// # Errors
/// ENODEV when the cgroup is gone.
pub fn in_use(current: &File) -> io::Result<Bytes> {
    let mut text = [0; 24];
    let text = super::kept::read(current, &mut text)?;
    files::number(text).map(Bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What `memory.high` or `memory.max` says. Allocates nothing.
///
/// # Errors
/// ENODEV when the cgroup is gone.
pub fn read_limit(file: &File) -> io::Result<Limit> {
    let mut text = [0; 24];
    limit_in(super::kept::read(file, &mut text)?)
}

/// The limit that this text says.
///
/// # Errors
/// `InvalidData` where it is none.
pub fn limit_in(text: &[u8]) -> io::Result<Limit> {
    files::limit(text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
