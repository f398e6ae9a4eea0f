//! Files that a run writes: no two of them are the same one, in which neither could be read afterwards.

use super::{Config, SocketSetting};
use crate::escape::shown;
use anyhow::{Result, bail};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What makes a file the same by another name.
#[derive(Debug, PartialEq, Eq)]
enum FileIdentity {
    /// It is there: device and inode.
    There(u64, u64),
    /// It will be made: its directory without links, and its name.
    ToBe(PathBuf),
}

impl Config {
    /// # Errors
    /// Two outputs name the same file.
    pub(super) fn check_outputs(&self) -> Result<()> {
        let inherited = self.json_fd.map(|number| PathBuf::from(format!("/proc/self/fd/{number}")));
        let socket = match &self.socket {
            SocketSetting::At(path) => Some(path.as_path()),
            SocketSetting::Default | SocketSetting::Off => None,
        };
        let outputs = [
            ("--json", self.json.as_deref()),
            ("--json-fd", inherited.as_deref()),
            ("--record", self.record.as_deref()),
            ("--log", self.log.as_deref()),
            ("--socket", socket),
        ];
        let mut seen: Vec<(&str, FileIdentity)> = Vec::new();
        for (option, path) in outputs {
            let Some(path) = path else { continue };
            let Some(identity) = identity(path) else { continue };
            if let Some((other, _)) = seen.iter().find(|(_, known)| *known == identity) {
                bail!(
                    "{other} and {option} write to the same file {}: give each its own",
                    shown(path)
                );
            }
            seen.push((option, identity));
        }
        Ok(())
    }
}

/// `None` for what many may write to (a terminal, a pipe, /dev/null).
fn identity(path: &Path) -> Option<FileIdentity> {
    match path.metadata() {
        Ok(data) if data.is_file() => Some(FileIdentity::There(data.dev(), data.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            let directory = directory.unwrap_or(Path::new(".")).canonicalize().ok()?;
            Some(FileIdentity::ToBe(directory.join(path.file_name()?)))
        }
        // What cannot be looked at cannot be opened either, and says so then.
        Ok(_) | Err(_) => None,
    }
}
