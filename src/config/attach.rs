//! The settings of `sentinel attach`: the same as of a run, and what is guarded.

use super::{Config, build, file};
use crate::cli::{Attach, MatchRule, VictimSetting};
use crate::policy::pool::Victim;
use crate::targets::{Located, Place};
use crate::units::Size;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

const NOTHING: &str = "nothing to guard was named: use --unit, --container, --slice, --pid, --name or --cgroup; try: sentinel attach --help";

/// What is guarded that runs already.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Each of these as a whole.
    pub singles: Vec<Located>,
    /// Every cgroup in these directories, as they come and go.
    pub directories: Vec<PathBuf>,
    /// The limit that all in such a directory have together, and who of them is ended there.
    pub pool: Option<PoolRules>,
    /// Rules of their own for some in such a directory; the first that is for a name counts.
    pub matches: Vec<MatchRule>,
}

/// What all in a directory may have together, and who of them is ended there.
#[derive(Clone, Copy, Debug)]
pub struct PoolRules {
    /// The limit of all.
    pub total: Size,
    /// Who is ended.
    pub victim: Victim,
}

fn victim(setting: VictimSetting) -> Victim {
    match setting {
        VictimSetting::Largest => Victim::Largest,
        VictimSetting::FastestGrowing => Victim::FastestGrowing,
        VictimSetting::Newest => Victim::Newest,
        VictimSetting::LowestPriority => Victim::LowestPriority,
    }
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
        let pool = asked.total.map(|total| PoolRules {
            total,
            victim: asked.victim.map_or_else(Victim::default, victim),
        });
        if pool.is_none()
            && let Some(rule) = asked.victim.filter(|rule| *rule != VictimSetting::Largest)
        {
            bail!("--victim {rule} chooses among all of a directory: it needs --each --total SIZE");
        }
        let mut settings = asked.settings(file);
        if settings.name.is_none() {
            settings.name = Some(super::name(None, &[found.name.clone().into()])?);
        }
        let matches = std::mem::take(&mut settings.matches);
        let config = build(settings, Vec::new())?;
        let mut targets = Targets { pool, matches, ..Targets::default() };
        match found.place {
            Place::Cgroup(directory) if each => targets.directories.push(directory),
            Place::Cgroup(_) | Place::Shared { .. } => targets.singles.push(found),
        }
        Ok((config, targets))
    }
}
