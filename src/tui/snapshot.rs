//! What is known at a moment, saved as JSON: what `status json`, `ps json` and `events json` say. No post-mortem: the run goes on.

use super::app::Picture;
use crate::escape::shown;
use crate::report::record::{CallerId, as_caller};
use crate::status::{EventLine, ProcessRow, Status};
use anyhow::{Context as _, Result, bail};
use nix::libc::O_NOFOLLOW;
use serde::Serialize;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Files of the same second that are told apart.
const SAME_SECOND: u32 = 20;

#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    saved_unix_ms: u128,
    status: &'a Status,
    processes: &'a [ProcessRow],
    events: &'a VecDeque<EventLine>,
}

/// Writes it to a new file where the user is, or with other temporary files. Gives its path.
///
/// # Errors
/// When nothing is known yet, or no file can be written.
pub fn save(picture: &Picture) -> Result<PathBuf> {
    let Some(status) = picture.status.as_deref() else { bail!("nothing to save yet") };
    let now = crate::clock::unix_time();
    let (processes, events) = (&picture.processes, &picture.events);
    let snapshot = Snapshot { saved_unix_ms: now.as_millis(), status, processes, events };
    let mut json = serde_json::to_string_pretty(&snapshot).context("render the report")?;
    json.push('\n');
    let here = std::env::current_dir().context("find the current directory")?;
    let stem = format!("sentinel-{}-{}", status.child_pid, now.as_secs());
    write_new(&here, &stem, &json)
        .or_else(|error| write_new(&std::env::temp_dir(), &stem, &json).map_err(|_| error))
}

/// Never into a file that is there: in a directory that others may write it could be anybody's.
fn write_new(directory: &Path, stem: &str, json: &str) -> Result<PathBuf> {
    for n in 0..SAME_SECOND {
        let suffix = if n == 0 { String::new() } else { format!("-{n}") };
        let path = directory.join(format!("{stem}{suffix}.json"));
        let made = as_caller(CallerId::find(), || {
            // It holds command lines, which are nobody else's business.
            File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(O_NOFOLLOW)
                .open(&path)
        });
        match made {
            Ok(mut file) => {
                let written = file.write_all(json.as_bytes());
                written.with_context(|| format!("write the report to {}", shown(&path)))?;
                return Ok(path);
            }
            Err(error) if is_taken(&error) => (),
            Err(error) => {
                return Err(error).with_context(|| format!("create the report {}", shown(&path)));
            }
        }
    }
    bail!("create a report in {}: too many of this second", shown(directory))
}

fn is_taken(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::AlreadyExists)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn nothing_that_is_there_is_written_over_and_others_may_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let first = write_new(directory.path(), "s", "1").unwrap();
        let second = write_new(directory.path(), "s", "2").unwrap();
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "1");
        assert_eq!(std::fs::read_to_string(&second).unwrap(), "2");
        assert_eq!(first.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::os::unix::fs::symlink("/nonexistent", directory.path().join("l.json")).unwrap();
        let beside = write_new(directory.path(), "l", "3").unwrap();
        assert!(beside.ends_with("l-1.json"));
    }

    #[test]
    fn before_the_first_status_there_is_nothing_to_save() {
        assert!(save(&Picture::default()).is_err());
    }
}
