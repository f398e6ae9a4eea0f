//! The settings of `sentinel attach`: the same as of a run, and what is guarded.

use super::{Config, build, file};
use crate::cli::Attach;
use crate::targets::{Located, Place};
use anyhow::{Context, Result};
use std::path::PathBuf;

const NOTHING: &str = "nothing to guard was named: use --unit, --container, --slice, --pid, --name or --cgroup; try: sentinel attach --help";

/// What is guarded that runs already.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Each of these as a whole.
    pub singles: Vec<Located>,
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
        let found = asked.target().context(NOTHING)?.find()?;
        let each = asked.each;
        let mut settings = asked.settings(file);
        if settings.name.is_none() {
            settings.name = Some(super::name(None, &[found.name.clone().into()])?);
        }
        let config = build(settings, Vec::new())?;
        let mut targets = Targets::default();
        match found.place {
            Place::Cgroup(directory) if each => targets.directories.push(directory),
            Place::Cgroup(_) | Place::Shared { .. } => targets.singles.push(found),
        }
        Ok((config, targets))
    }
}
