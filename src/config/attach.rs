//! The settings of `sentinel attach`: the same as of a run, and what is guarded.

use super::{Config, build, file};
use crate::cli::Attach;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// What is guarded that runs already.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// These cgroups.
    pub cgroups: Vec<PathBuf>,
    /// Every cgroup in these directories, as they come and go.
    pub directories: Vec<PathBuf>,
}

impl Config {
    /// The settings of the command line, over those of the configuration file, and the targets.
    ///
    /// # Errors
    /// When nothing is named that there is.
    pub fn of_attach(asked: Attach) -> Result<(Config, Targets)> {
        let (file, _) = file::settings(asked.config.clone())?;
        let (cgroup, each) = (absolute(&asked.cgroup)?, asked.each);
        let mut settings = asked.settings(file);
        if settings.name.is_none() {
            let name = cgroup.file_name().map(|name| name.to_string_lossy().into_owned());
            settings.name = Some(super::name(None, &[name.unwrap_or_default().into()])?);
        }
        let config = build(settings, Vec::new())?;
        let mut targets = Targets::default();
        match each {
            true => targets.directories.push(cgroup),
            false => targets.cgroups.push(cgroup),
        }
        Ok((config, targets))
    }
}

/// A path as the kernel has it; one without a slash in front is meant in the tree of cgroups.
fn absolute(path: &Path) -> Result<PathBuf> {
    let path =
        if path.is_absolute() { path.to_owned() } else { Path::new("/sys/fs/cgroup").join(path) };
    let found = path.canonicalize();
    let found =
        found.with_context(|| format!("cannot find the cgroup {}", crate::escape::shown(&path)))?;
    ensure!(found.is_dir(), "{} is not a directory", crate::escape::shown(&found));
    Ok(found)
}
