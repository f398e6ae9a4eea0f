//! What others started and a guardian guarded that was killed: nothing of it is ended, and what was written to it is put back.

use crate::cgroup::names_in;
use crate::workload::foreign::Foreign;
use anyhow::{Error, Result};
use std::path::{Path, PathBuf};

/// Gives back what this guardian had under guard of these cgroups, and of those in these directories. Gives how many that were, and
/// what could not be put back.
pub fn give_back(guardian: i32, cgroups: &[PathBuf], directories: &[PathBuf]) -> (u64, Vec<Error>) {
    let below =
        directories.iter().flat_map(|it| names_in(it).into_iter().map(|name| it.join(name)));
    let (mut count, mut errors) = (0, Vec::new());
    for directory in cgroups.iter().cloned().chain(below) {
        match give_back_one(guardian, &directory) {
            Ok(was) => count += u64::from(was),
            Err(error) => errors.push(error),
        }
    }
    (count, errors)
}

fn give_back_one(guardian: i32, directory: &Path) -> Result<bool> {
    let left = Foreign::left_by(guardian, directory);
    left.map_or(Ok(false), |mut left| left.give_back().map(|()| true))
}
