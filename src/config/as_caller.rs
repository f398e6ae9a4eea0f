//! Paths and addresses that a configuration file of the caller's names, where we are root for that caller: used with the caller's rights.

use super::Config;
use crate::cgroup::Cgroup;
use crate::escape::shown;
use crate::report::record::{CallerId, as_caller};
use anyhow::{Context, Result, ensure};
use nix::unistd::{AccessFlags, eaccess};
use std::io;
use std::path::{Path, PathBuf};

/// Which of them come from such a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfCaller {
    /// `socket =`.
    pub socket: bool,
    /// `metrics =`.
    pub metrics: bool,
    /// `cgroup =`.
    pub cgroup: bool,
}

impl Config {
    /// Runs `open` as the caller where a setting of theirs says what is opened.
    ///
    /// # Errors
    /// What `open` said, or that we cannot become the caller.
    pub fn with_rights_for<T>(&self, caller: bool, open: impl FnOnce() -> Result<T>) -> Result<T> {
        if !caller {
            return open();
        }
        as_caller(CallerId::find(), || Ok(open()))?
    }

    /// The cgroup that is named, if the caller may work in it: no link of theirs is followed afterwards.
    pub(super) fn check_cgroup(&mut self) -> Result<()> {
        if let Some(path) = self.cgroup.as_ref().filter(|_| self.of_caller.cgroup) {
            let found = as_caller(CallerId::find(), || usable(path));
            let what =
                || format!("--cgroup {} cannot be used with the rights of its user", shown(path));
            self.cgroup = Some(found.with_context(what)?);
        }
        Ok(())
    }
}

fn usable(path: &Path) -> io::Result<PathBuf> {
    let path = path.canonicalize()?;
    let check = || -> Result<()> {
        ensure!(Cgroup::open(&path)?.is_real(), "it is not in a cgroup v2 file system");
        eaccess(&path, AccessFlags::W_OK | AccessFlags::X_OK)?;
        Ok(())
    };
    check().map_err(|error| io::Error::other(format!("{error:#}")))?;
    Ok(path)
}
