//! The post-mortems that are kept: which one is meant by a word, and the list of them for programs.

use super::post_mortem::{EndReason, PostMortem, archive};
use crate::escape::{escape, shown};
use crate::nearest::nearest;
use anyhow::{Result, bail};
use serde::Serialize;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file, and the second in which its run ended.
pub type KeptFile = (PathBuf, u64);

/// The file that a word means: `last`, a number (1 is the newest), the name of a run or its guardian's process id (the newest of them),
/// else a path.
///
/// # Errors
/// When none is kept that it could mean.
pub fn choose(kept: &[KeptFile], word: &OsStr) -> Result<PathBuf> {
    if word.is_empty() {
        bail!(
            "no post-mortem is named: last, a number, the name of a run or a file (see sentinel report list)"
        );
    }
    let shown = escape(word.as_bytes());
    let text = word.to_str().unwrap_or_default();
    if word == "last" {
        return match kept.first() {
            Some((path, _)) => Ok(path.clone()),
            None => bail!(
                "there are no post-mortems yet: no run was ended, or only with --report never"
            ),
        };
    }
    let of_run = kept
        .iter()
        .find(|(path, _)| run_of(path).is_some_and(|(name, pid)| name == text || pid == text));
    if let Some((path, _)) = of_run {
        return Ok(path.clone());
    }
    let path = PathBuf::from(word);
    let count = kept.len();
    match text.parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(kept[number - 1].0.clone()),
        Ok(_) if !path.exists() => {
            bail!(
                "no post-mortem {shown}: {count} are kept, 1 is the newest (see sentinel report list)"
            )
        }
        _ if word.as_bytes().contains(&b'/') || path.exists() => Ok(path),
        _ => {
            let runs = kept.iter().filter_map(|(path, _)| Some(run_of(path)?.0));
            let names: Vec<&str> = ["last", "list"].into_iter().chain(runs).collect();
            let meant = nearest(text, &names).map(|(name, _)| format!(" (did you mean {name}?)"));
            let meant = meant.unwrap_or_default();
            bail!(
                "no post-mortem of a run {shown} is kept, and there is no such file{meant} (see sentinel report list)"
            )
        }
    }
}

/// Name of the run and process id of the guardian, from the name of the file: `SECONDS-NAME-PID.json`.
fn run_of(path: &Path) -> Option<(&str, &str)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    name.split_once('-')?.1.rsplit_once('-')
}

/// One of the list.
#[derive(Debug, Serialize)]
struct ListEntry {
    number: usize,
    file: String,
    ended_unix: u64,
    #[serde(flatten)]
    report: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Summary {
    name: String,
    guardian_pid: u32,
    started_unix_ms: u64,
    ran_ms: u64,
    reason: EndReason,
    ended_by: String,
    signal: Option<String>,
    exit_status: u8,
    text: String,
}

impl From<PostMortem> for Summary {
    fn from(PostMortem { run, verdict, .. }: PostMortem) -> Summary {
        Summary {
            name: run.name,
            guardian_pid: run.guardian_pid,
            started_unix_ms: run.started_unix_ms,
            ran_ms: run.ran_ms,
            reason: verdict.reason,
            ended_by: verdict.ended_by,
            signal: verdict.signal,
            exit_status: verdict.exit_status,
            text: verdict.text,
        }
    }
}

/// All of them as JSON, newest first.
///
/// # Errors
/// When it cannot be rendered.
pub fn list_json(kept: &[KeptFile]) -> Result<String> {
    let entries = kept.iter().enumerate().map(|(index, (path, ended))| {
        let (report, error) = match archive::load(path) {
            Ok(report) => (Some(Summary::from(report)), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        ListEntry { number: index + 1, file: shown(path), ended_unix: *ended, report, error }
    });
    let entries: Vec<ListEntry> = entries.collect();
    Ok(serde_json::to_string_pretty(&entries)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Vec<KeptFile> {
        ["0000000300-train-7.json", "0000000200-my-job-8.json", "0000000100-train-9.json"]
            .map(|name| (Path::new("/kept").join(name), 0))
            .to_vec()
    }

    #[test]
    fn a_word_means_the_newest_that_it_fits() {
        for (word, file) in [
            ("last", "0000000300-train-7.json"),
            ("1", "0000000300-train-7.json"),
            ("2", "0000000200-my-job-8.json"),
            ("train", "0000000300-train-7.json"),
            ("my-job", "0000000200-my-job-8.json"),
            ("9", "0000000100-train-9.json"),
        ] {
            let found = choose(&kept(), OsStr::new(word)).unwrap();
            assert_eq!(found, Path::new("/kept").join(file), "{word}");
        }
        assert_eq!(choose(&kept(), OsStr::new("/x/y")).unwrap(), Path::new("/x/y"));
    }

    #[test]
    fn what_fits_none_is_told_with_the_nearest() {
        for (word, says) in [
            ("trian", "did you mean train?"),
            ("lsit", "did you mean list?"),
            ("4", "3 are kept, 1 is the newest"),
            ("0", "3 are kept"),
            ("nothing-like-it", "no post-mortem of a run nothing-like-it is kept"),
        ] {
            let error = choose(&kept(), OsStr::new(word)).unwrap_err().to_string();
            assert!(error.contains(says), "{word}: {error}");
        }
        assert!(choose(&[], OsStr::new("last")).unwrap_err().to_string().contains("no run was"));
    }
}
