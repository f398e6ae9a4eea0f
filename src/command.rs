//! Finds the program that a command names, as execvp(3) would, so that a wrong name is told before anything is made for it.

use crate::report::escape::escape;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a command cannot be run. The exit statuses are those of env(1) and timeout(1).
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No such file.
    #[error("command not found: {0}")]
    NotFound(String),
    /// There is one, and it cannot be executed.
    #[error("not executable: {0}")]
    NotExecutable(String),
}

impl CommandError {
    /// 127 or 126.
    pub fn exit_status(&self) -> u8 {
        match self {
            CommandError::NotFound(_) => 127,
            CommandError::NotExecutable(_) => 126,
        }
    }
}

/// The file that the first word names: itself where it has a slash, else the first executable of that name in `PATH`.
///
/// # Errors
/// When there is none.
pub fn find(command: &[OsString]) -> Result<PathBuf, CommandError> {
    let word = command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let shown = escape(word.as_bytes());
    if word.as_bytes().contains(&b'/') {
        let path = PathBuf::from(word);
        return match (executable(&path), path.try_exists()) {
            (true, _) => Ok(path),
            (false, Ok(false)) => Err(CommandError::NotFound(shown)),
            // There, or behind a directory that we may not look into.
            (false, Ok(true) | Err(_)) => Err(CommandError::NotExecutable(shown)),
        };
    }
    // What execvp(3) takes where PATH is not set.
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let candidates = || std::env::split_paths(&path).map(|directory| directory.join(word));
    if let Some(found) = candidates().find(|path| !word.is_empty() && executable(path)) {
        return Ok(found);
    }
    if !word.is_empty() && candidates().any(|path| path.is_file()) {
        return Err(CommandError::NotExecutable(shown));
    }
    Err(CommandError::NotFound(shown))
}

fn executable(path: &Path) -> bool {
    let may = nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok();
    may && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(word: &str) -> Option<u8> {
        find(&[word.into()]).err().map(|error| error.exit_status())
    }

    #[test]
    fn found_not_found_not_executable() {
        assert_eq!(status("sh"), None);
        assert_eq!(status("/bin/sh"), None);
        assert_eq!(status("no-such-command"), Some(127));
        assert_eq!(status("/no/such/command"), Some(127));
        assert_eq!(status(""), Some(127));
        assert_eq!(status("/etc/passwd"), Some(126));
        assert_eq!(status("/etc"), Some(126));
    }
}
