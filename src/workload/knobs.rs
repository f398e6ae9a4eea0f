//! The files of a workload's cgroup that the ladder writes, held open from the start: pulling a knob opens and allocates nothing.

use crate::cgroup::{Cgroup, files, write_whole};
use crate::report::escape::shown;
use crate::units::Limit;
use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;

/// The knobs.
#[derive(Debug)]
pub struct Knobs {
    events: File,
    high: Option<File>,
    freeze: Option<File>,
    kill: Option<File>,
}

impl Knobs {
    /// Opens them. Those that the kernel does not have (`cgroup.kill` before 5.14) or the tier has not are left out.
    ///
    /// # Errors
    /// When `cgroup.events` cannot be opened.
    pub fn open(cgroup: &Cgroup) -> Result<Knobs> {
        let name = |file| format!("open {}", shown(&cgroup.path().join(file)));
        let writable = |file| cgroup.file(file, OFlag::O_RDWR).ok();
        Ok(Knobs {
            events: cgroup
                .file("cgroup.events", OFlag::O_RDONLY)
                .with_context(|| name("cgroup.events"))?,
            high: writable("memory.high"),
            freeze: writable("cgroup.freeze"),
            kill: cgroup.file("cgroup.kill", OFlag::O_WRONLY).ok(),
        })
    }

    /// Whether a live process is in the cgroup or below it.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn populated(&self) -> io::Result<bool> {
        let mut text = [0; 128];
        let length = self.events.read_at(&mut text, 0)?;
        let events = files::cgroup_events(&text[..length]);
        Ok(events.ok_or(io::ErrorKind::InvalidData)?.populated)
    }

    /// Writes `memory.high` and reads it back.
    ///
    /// # Errors
    /// When the kernel refuses it or says something else afterwards.
    pub fn set_memory_high(&mut self, limit: Limit) -> io::Result<()> {
        let Some(file) = &self.high else { return Err(io::ErrorKind::Unsupported.into()) };
        let mut text = [0u8; 24];
        let room = text.len();
        let mut rest = &mut text[..];
        write!(rest, "{limit}")?;
        let length = room - rest.len();
        write_whole(file, &text[..length])?;
        let mut back = [0u8; 24];
        let read = file.read_at(&mut back, 0)?;
        match files::limit(&back[..read]) {
            Some(now) if now == limit => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }

    /// Whether `cgroup.freeze` is there (from Linux 5.2).
    pub fn can_freeze(&self) -> bool {
        self.freeze.is_some()
    }

    /// Writes `cgroup.freeze`.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn freeze(&self, frozen: bool) -> io::Result<()> {
        let Some(file) = &self.freeze else { return Err(io::ErrorKind::Unsupported.into()) };
        write_whole(file, if frozen { b"1" } else { b"0" })
    }

    /// Writes `cgroup.kill`; false where there is none.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn kill(&self) -> io::Result<bool> {
        match &self.kill {
            None => Ok(false),
            Some(file) => match write_whole(file, b"1") {
                Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(true),
                other => other.map(|()| true),
            },
        }
    }
}
