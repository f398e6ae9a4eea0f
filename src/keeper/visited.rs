//! What others started and a guardian guarded that was killed: nothing of it is ended, and what was written to it is put back.

use crate::cgroup::names_in;
use crate::workload::foreign::Foreign;
use anyhow::{Error, Result};
use std::path::{Path, PathBuf};

/// Gives back what this guardian had under guard of these cgroups, and of those anywhere below these directories. Gives how many that
/// were, and what could not be put back.
pub fn give_back(guardian: i32, cgroups: &[PathBuf], directories: &[PathBuf]) -> (u64, Vec<Error>) {
    let (mut count, mut errors) = (0, Vec::new());
    let mut below: Vec<PathBuf> = directories.iter().flat_map(|it| children(it)).collect();
    let mut left = cgroups.to_vec();
    while let Some(directory) = below.pop() {
        below.extend(children(&directory));
        left.push(directory);
    }
    for directory in left {
        match give_back_one(guardian, &directory) {
            Ok(was) => count += u64::from(was),
            Err(error) => errors.push(error),
        }
    }
    (count, errors)
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> {
    names_in(directory).into_iter().map(|name| directory.join(name))
}

fn give_back_one(guardian: i32, directory: &Path) -> Result<bool> {
    let left = Foreign::left_by(guardian, directory);
    left.map_or(Ok(false), |mut left| left.give_back().map(|()| true))
}
