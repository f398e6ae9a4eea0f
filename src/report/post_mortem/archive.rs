//! Where post-mortems are kept: the caller's state directory, a file for each, the newest alone. Everything is done with the
//! caller's rights, so that under sudo the files are the user's, and nothing is written where the user could not.

use super::{PostMortem, SCHEMA};
use crate::escape::{shown, tame};
use crate::report::file_kind::FileKind;
use crate::report::given_file;
use crate::report::misread::misread;
use crate::report::record::{CallerId, as_caller};
use crate::sys::own_ids;
use anyhow::{Context, Result, anyhow, bail};
use nix::libc;
use serde_json::Value;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// So many are kept, as long as they are not more bytes than that.
const KEPT: usize = 50;
const MOST: u64 = 64 << 20;
/// A file larger than this is none of ours.
const LARGEST: u64 = 16 << 20;
/// Nor is one with a number beyond this: of bytes 8 PiB, of microseconds 285 years, and as far as JSON's readers agree on numbers
/// (RFC 8259, section 6). Figures and plots multiply.
const LARGEST_NUMBER: u64 = 1 << 53;

/// Where to find one, for whoever gave something else.
const OTHERS: &str = "sentinel report list shows the post-mortems that are kept";

/// The directory of a caller: `$XDG_STATE_HOME/sentinel`, else `~/.local/state/sentinel`; of root `/var/lib/sentinel`
/// (XDG base directories; file-hierarchy(7)). Behind sudo the home is the user's, and not what the environment says. What root finds in
/// its environment may be another user's, kept by sudo or su: it counts where it leads to a place of the caller's.
pub fn directory(caller: CallerId) -> Option<PathBuf> {
    let behind_sudo = own_ids::uid().as_raw() != caller.uid;
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = variable("XDG_STATE_HOME").filter(|state| match own_ids::euid().is_root() {
        true => belongs_to(&state.join("sentinel"), caller.uid),
        false => !behind_sudo,
    });
    let home = || match behind_sudo {
        true => crate::account::home_of(caller.uid),
        false => variable("HOME"),
    };
    if let Some(state) = state {
        return Some(state.join("sentinel"));
    }
    if caller.uid == 0 {
        return Some(PathBuf::from("/var/lib/sentinel"));
    }
    Some(home()?.join(".local/state/sentinel"))
}

/// Whose it is, or would be if it were made: that of the nearest directory that is there.
fn belongs_to(directory: &Path, uid: u32) -> bool {
    let owner = directory.ancestors().find_map(|path| Some(path.metadata().ok()?.uid()));
    owner == Some(uid)
}

/// Writes it under a name of its own, and removes the oldest. Gives the path.
///
/// # Errors
/// When the caller may not write there, or the disk is full.
pub fn save(report: &PostMortem, caller: CallerId) -> Result<PathBuf> {
    let directory =
        directory(caller).context("cannot find a directory to keep the post-mortem in")?;
    let json = serde_json::to_vec(report).context("render the post-mortem")?;
    let ended = (report.run.started_unix_ms + report.run.ran_ms) / 1000;
    let name = format!("{ended:010}-{}-{}.json", report.run.name, report.run.guardian_pid);
    let path = directory.join(name);
    as_caller(caller, || {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        write_whole(&path, &json)?;
        forget_the_oldest(&directory);
        Ok(())
    })
    .with_context(|| format!("keep the post-mortem as {}", shown(&path)))?;
    Ok(path)
}

/// Under another name first: who reads it never sees a half.
fn write_whole(path: &Path, json: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("part");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&unfinished)?;
    let written = file.write_all(json).and_then(|()| std::fs::rename(&unfinished, path));
    written.inspect_err(|_| {
        // It is the first error that is told.
        let _ = std::fs::remove_file(&unfinished);
    })
}

fn forget_the_oldest(directory: &Path) {
    let files = list(directory);
    let mut bytes = 0;
    for (number, (path, _)) in files.iter().enumerate() {
        bytes += path.symlink_metadata().map_or(0, |data| data.len());
        if number >= KEPT || number > 0 && bytes > MOST {
            // One too many is no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The files in a directory, newest first, with the second in which each run ended.
pub fn list(directory: &Path) -> Vec<(PathBuf, u64)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<(PathBuf, u64)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let ended = name.strip_suffix(".json")?.split_once('-')?.0.parse().ok()?;
            Some((entry.path(), ended))
        })
        .collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| b.0.cmp(&a.0)));
    found
}

/// Reads one.
///
/// # Errors
/// When it cannot be read, or is no post-mortem that this version knows.
pub fn load(path: &Path) -> Result<PostMortem> {
    let open = || -> io::Result<Vec<u8>> {
        let file = given_file::open(path)?;
        if file.metadata()?.size() > LARGEST {
            return Err(io::Error::other("it is too large"));
        }
        let mut json = Vec::new();
        file.take(LARGEST).read_to_end(&mut json)?;
        Ok(json)
    };
    let json = open().with_context(|| format!("cannot read the post-mortem {}", shown(path)))?;
    let report: PostMortem = serde_json::from_slice(&json).map_err(|error| {
        let why = FileKind::of(&json)
            .and_then(|kind| kind.told_instead_of(Some(FileKind::PostMortem), OTHERS));
        let why =
            why.unwrap_or_else(|| format!("line {}: {}", error.line(), tame(&misread(&error))));
        anyhow!("cannot read {} as a post-mortem: {why}", shown(path))
    })?;
    if report.schema != SCHEMA {
        bail!(
            "cannot read the post-mortem {}: it has schema {}, and this sentinel knows {SCHEMA}",
            shown(path),
            report.schema
        );
    }
    let mut value = serde_json::to_value(&report).context("read its texts")?;
    if let Some(number) = beyond(&value) {
        bail!("cannot read the post-mortem {}: {number} is out of range", shown(path));
    }
    tame_all(&mut value);
    let mut report: PostMortem = serde_json::from_value(value).context("read its texts")?;
    // In the order of time, as whoever shows them takes for granted.
    report.samples.sort_by_key(|reading| reading.at_us);
    report.timeline.sort_by_key(|moment| moment.at_us);
    Ok(report)
}

/// A number that is too large, if there is one.
fn beyond(value: &Value) -> Option<&serde_json::Number> {
    match value {
        Value::Number(number) => {
            let size = number.as_u64().or(number.as_i64().map(i64::unsigned_abs));
            let finite = number.as_f64().is_some_and(|size| size.abs() <= LARGEST_NUMBER as f64);
            (!size.map_or(finite, |size| size <= LARGEST_NUMBER)).then_some(number)
        }
        Value::Array(values) => values.iter().find_map(beyond),
        Value::Object(fields) => fields.values().find_map(beyond),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// Whoever wrote the file may have put anything into its texts, and all of them are shown.
fn tame_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = tame(text),
        Value::Array(values) => values.iter_mut().for_each(tame_all),
        Value::Object(fields) => fields.values_mut().for_each(tame_all),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_strange_names_do_not_count() {
        let place = tempfile::tempdir().unwrap();
        for name in ["0000000007-a-1.json", "0000000010-b-2.json", "x.json", "9-a-1.part", "n"] {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        let ended: Vec<u64> = list(place.path()).iter().map(|file| file.1).collect();
        assert_eq!(ended, [10, 7]);
        assert!(list(Path::new("/nonexistent")).is_empty());
    }

    #[test]
    fn a_place_is_that_of_the_nearest_directory() {
        let place = tempfile::tempdir().unwrap();
        let (uid, far) = (nix::unistd::geteuid().as_raw(), place.path().join("a/b/sentinel"));
        assert!(belongs_to(&far, uid) && !belongs_to(&far, uid + 1));
        assert!(belongs_to(Path::new("/nonexistent/sentinel"), 0));
    }

    #[test]
    fn only_so_many_are_kept_and_none_is_half() {
        let place = tempfile::tempdir().unwrap();
        for second in 0..60 {
            write_whole(&place.path().join(format!("{second:010}-a-1.json")), b"{}").unwrap();
            forget_the_oldest(place.path());
        }
        let left = list(place.path());
        assert_eq!((left.len(), left[0].1), (KEPT, 59));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), KEPT);
    }

    #[test]
    fn what_is_no_post_mortem_is_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("1-a-1.json");
        for (text, said) in [("{}", "as a post-mortem"), ("\0\u{1}", "as a post-mortem")] {
            std::fs::write(&path, text).unwrap();
            assert!(format!("{:#}", load(&path).unwrap_err()).contains(said));
        }
        assert!(format!("{:#}", load(place.path()).unwrap_err()).contains("Is a directory"));
    }

    #[test]
    fn numbers_that_no_run_has_are_found() {
        let value = |number: &str| serde_json::from_str(&format!("[{{\"a\":{number}}}]")).unwrap();
        for fine in ["0", "-9007199254740992", "9007199254740992", "1e15", "0.5", "\"x\""] {
            assert_eq!(beyond(&value(fine)), None, "{fine}");
        }
        for wild in ["9007199254740993", "18446744073709551615", "-9223372036854775808", "1e300"] {
            assert!(beyond(&value(wild)).is_some(), "{wild}");
        }
    }
}
