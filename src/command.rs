//! Finds the program that a command names, as execvp(3) would, so that a wrong name is told before anything is made for it; and says
//! why the kernel would not run one.

mod interpreter;
pub mod runtimes;

use crate::escape::escape;
use crate::nearest::nearest;
use crate::sys::spawn::SpawnError;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What sentinel does besides running a command: as the first word none of these is a command.
pub const VERBS: [&str; 10] =
    ["attach", "status", "ps", "top", "ctl", "report", "replay", "metrics", "doctor", "help"];

/// Why a command cannot be run. The exit statuses are those of env(1) and timeout(1).
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No such file.
    #[error("command not found: {0}{1}")]
    NotFound(String, String),
    /// There is one, and it cannot be executed.
    #[error("not executable: {0}: {1}")]
    NotExecutable(String, String),
}

impl CommandError {
    /// 127 or 126.
    pub fn exit_status(&self) -> u8 {
        match self {
            CommandError::NotFound(..) => 127,
            CommandError::NotExecutable(..) => 126,
        }
    }

    /// Whether this word, the first behind the program's name, is no command but a verb with a typing mistake: nobody meant to run
    /// anything.
    pub fn is_mistyped_verb(&self, first: &OsStr) -> bool {
        match self {
            CommandError::NotFound(word, meant) => {
                !word.is_empty() && !meant.is_empty() && *word == escape(first.as_bytes())
            }
            CommandError::NotExecutable(..) => false,
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
    if word.is_empty() {
        return Err(CommandError::NotFound(shown, "the name is empty".to_owned()));
    }
    let has_slash = word.as_bytes().contains(&b'/');
    // What execvp(3) takes where PATH is not set.
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let candidates: Vec<PathBuf> = match has_slash {
        true => vec![PathBuf::from(word)],
        false => std::env::split_paths(&path).map(|directory| directory.join(word)).collect(),
    };
    let mut barred = None;
    for candidate in candidates {
        match why_not(&candidate) {
            None => return Ok(candidate),
            Some(CommandObstacle::Absent) => {}
            // A directory of PATH that may not be looked into says nothing about the command.
            Some(CommandObstacle::Closed(_)) if !has_slash => {}
            Some(CommandObstacle::Barred(why) | CommandObstacle::Closed(why)) => {
                barred.get_or_insert(why);
            }
        }
    }
    match barred {
        Some(why) => Err(CommandError::NotExecutable(shown, why)),
        None => Err(CommandError::NotFound(shown, guess(word, has_slash))),
    }
}

enum CommandObstacle {
    /// There is no such file.
    Absent,
    /// There is one, and it cannot be run.
    Barred(String),
    /// What is there cannot be seen.
    Closed(String),
}

fn why_not(path: &Path) -> Option<CommandObstacle> {
    let barred = |why: &str| Some(CommandObstacle::Barred(why.to_owned()));
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(CommandObstacle::Absent),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(CommandObstacle::Closed(cause(&error)))
        }
        // Below a file, a name too long, links in a circle.
        Err(error) => Some(CommandObstacle::Barred(cause(&error))),
        Ok(data) if data.is_dir() => barred("it is a directory"),
        Ok(data) if !data.is_file() => barred("it is not a regular file"),
        Ok(_) => match access(path, AccessFlags::X_OK) {
            Ok(()) => None,
            Err(Errno::EACCES) => barred("it is not executable (chmod +x)"),
            Err(errno) => Some(CommandObstacle::Barred(errno.desc().to_owned())),
        },
    }
}

/// Without the number that `io::Error` adds.
fn cause(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}

/// What was probably meant instead.
fn guess(word: &OsStr, has_slash: bool) -> String {
    let Some(word) = word.to_str().filter(|_| !has_slash) else { return String::new() };
    match word.to_ascii_lowercase().as_str() {
        // As with systemd-run and docker.
        "run" => " (a command needs no verb: sentinel [OPTIONS] -- COMMAND)".to_owned(),
        "version" => " (did you mean: sentinel --version?)".to_owned(),
        word => nearest(word, &VERBS)
            .map_or_else(String::new, |(verb, _)| format!(" (did you mean: sentinel {verb}?)")),
    }
}

/// What kept the kernel from running the program of a command, with what it needs besides itself.
pub fn explain(error: SpawnError, command: &[OsString]) -> anyhow::Error {
    let (SpawnError::Exec { .. }, Some(word)) = (&error, command.first()) else {
        return error.into();
    };
    let shown = escape(word.as_bytes());
    let needs = find(command).ok().and_then(|path| interpreter::of(&path));
    let text = match needs.and_then(|needed| Some((why_not(&needed)?, needed))) {
        Some((CommandObstacle::Absent, needed)) => {
            format!(
                "cannot run {shown}: its interpreter {} is not there",
                escape(needed.as_os_str().as_bytes())
            )
        }
        Some((CommandObstacle::Barred(why) | CommandObstacle::Closed(why), needed)) => {
            format!(
                "cannot run {shown}: its interpreter {}: {why}",
                escape(needed.as_os_str().as_bytes())
            )
        }
        None => format!("cannot run {shown}"),
    };
    anyhow::Error::new(error).context(text)
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
        assert_eq!(status("."), Some(126));
        assert_eq!(status(".."), Some(126));
        assert_eq!(status(&"x".repeat(256)), Some(126));
        assert_eq!(status(&format!("/{}", "x/".repeat(3000))), Some(126));
    }

    #[test]
    fn a_verb_with_a_typing_mistake_is_named() {
        for (word, verb) in [
            ("staus", "status"),
            ("docter", "doctor"),
            ("repor", "report"),
            ("STATUS", "status"),
            ("hlep", "help"),
            ("version", "--version"),
        ] {
            let error = find(&[word.into()]).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean: sentinel {verb}?")), "{error}");
        }
        for (command, first, verb) in [
            ("staus", "staus", true),
            ("run", "run", true),
            // A job, which a service or a script starts with options.
            ("reporter", "-m", false),
            ("no-such-command", "no-such-command", false),
            ("", "", false),
        ] {
            let error = find(&[command.into()]).unwrap_err();
            assert_eq!(error.is_mistyped_verb(OsStr::new(first)), verb, "{command} {first}");
        }
        let error = find(&["no-such-command".into()]).unwrap_err().to_string();
        assert_eq!(error, "command not found: no-such-command");
    }
}
