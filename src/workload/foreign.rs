//! A cgroup that somebody else made and goes on to own: little of it is written, and what was there before is put back.

use crate::cgroup::{Cgroup, files, write_whole};
use crate::escape::shown;
use crate::units::Limit;
use anyhow::{Context, Result};
use nix::fcntl::OFlag;

/// The cgroup, and what its files said before us.
#[derive(Debug)]
pub struct Foreign {
    cgroup: Cgroup,
    /// `memory.high`, where we move it.
    high: Option<Limit>,
    frozen: bool,
    given_back: bool,
}

impl Foreign {
    /// Remembers what is there. Nothing is written yet.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn new(cgroup: Cgroup) -> Result<Foreign> {
        let writable = |name| cgroup.file(name, OFlag::O_RDWR).is_ok();
        let high = match writable("memory.high") {
            true => files::limit(cgroup.read("memory.high")?.as_bytes()),
            false => None,
        };
        let frozen = cgroup.read("cgroup.freeze").is_ok_and(|text| text.trim() == "1");
        Ok(Foreign { cgroup, high, frozen, given_back: false })
    }

    /// Its directory.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Whether `memory.high` is ours to move.
    pub fn has_trip_wire(&self) -> bool {
        self.high.is_some()
    }

    /// Whether it was frozen before us.
    pub fn was_frozen(&self) -> bool {
        self.frozen
    }

    /// Puts back what was there. A cgroup that is gone needs nothing.
    ///
    /// # Errors
    /// The first that the kernel does not take.
    pub fn give_back(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.given_back, true) || self.is_gone() {
            return Ok(());
        }
        let high = self.high.map_or(Ok(()), |high| self.put_back("memory.high", &high.to_string()));
        let frozen = if self.frozen { "1" } else { "0" };
        let frozen = match self.cgroup.read("cgroup.freeze") {
            Ok(now) if now.trim() != frozen => self.put_back("cgroup.freeze", frozen),
            _ => Ok(()),
        };
        high.and(frozen)
    }

    /// Does not wait where the kernel knows `O_NONBLOCK`; before, a line that is raised does not wait either.
    fn put_back(&self, name: &str, value: &str) -> Result<()> {
        let written = self
            .cgroup
            .file(name, OFlag::O_WRONLY | OFlag::O_NONBLOCK)
            .and_then(|file| write_whole(&file, value.as_bytes()));
        let path = || shown(&self.cgroup.path().join(name));
        written.with_context(|| format!("put back {value} in {}", path()))?;
        self.cgroup.verify(name, value)
    }

    fn is_gone(&self) -> bool {
        // ENODEV: the directory that we hold open was removed.
        self.cgroup.file("cgroup.events", OFlag::O_RDONLY).is_err()
    }
}
