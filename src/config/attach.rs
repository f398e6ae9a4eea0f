//! The settings of `sentinel attach`: the same as of a run, and what is guarded.

use super::{Config, build, file};
use crate::cli::{Attach, EndBySetting, MatchRule, VictimSetting};
use crate::policy::pool::Victim;
use crate::targets::{Located, Place};
use crate::units::{Percent, Size};
use crate::workload::machine::Preference;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;

const NOTHING: &str = "nothing to guard was named: use --unit, --container, --slice, --pid, --name, --cgroup, --pods or --machine; try: sentinel attach --help";

/// What is guarded that runs already.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Each of these as a whole.
    pub singles: Vec<Located>,
    /// Every cgroup in these directories, as they come and go.
    pub directories: Vec<PathBuf>,
    /// The limit that all in such a directory have together, and who of them is ended there.
    pub pool: Option<PoolRules>,
    /// Of all that runs on the machine, who is ended first, and who never.
    pub preference: Preference,
    /// Its owner is asked to stop it.
    pub end_by_stop: bool,
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

/// What of a machine is to be left where nothing was asked for: as earlyoom has it.
const FLOOR: Size = Size::Share(Percent(10));

/// Of a machine as a whole no limit is kept, and it is never frozen or ended.
fn check_machine(asked: &Attach) -> Result<()> {
    let without = [
        ("--memory", asked.memory.is_some()),
        ("--headroom", asked.headroom.is_some()),
        ("--thrash", asked.thrash.is_some()),
        ("--warn-at", asked.warn_at.is_some()),
        ("--on-breach", asked.on_breach.is_some()),
        ("--freeze-for", asked.freeze_for.is_some()),
        ("--hold", asked.hold.is_some()),
        ("--kill-mode", asked.kill_mode.is_some()),
        ("--end-by", asked.end_by.is_some()),
        ("--victim", asked.victim.is_some()),
    ];
    match without.iter().find(|(_, given)| *given) {
        Some((option, _)) => bail!(
            "{option} is not for --machine, of which single processes are ended for its floor: use --min-available, --process-memory, --prefer, --avoid"
        ),
        None => Ok(()),
    }
}

impl Config {
    /// The settings of the command line, over those of the configuration file, and the targets.
    ///
    /// # Errors
    /// When nothing is named that there is.
    pub fn of_attach(asked: Attach) -> Result<(Config, Targets)> {
        let (file, _) = file::settings(asked.config.clone())?;
        if asked.machine {
            check_machine(&asked)?;
        } else if !asked.prefer.is_empty() || !asked.avoid.is_empty() {
            bail!("--prefer and --avoid choose among all that runs here: they need --machine");
        }
        ensure!(
            asked.total.is_none() || asked.each,
            "--total is for all cgroups of a directory together: it needs --each, with --slice or --cgroup"
        );
        asked.guardian.iter().try_for_each(|name| super::check_name("--as", name))?;
        let found = asked.target().context(NOTHING)?.find()?;
        let (each, machine) = (asked.each, asked.machine);
        let end_by_stop = asked.end_by == Some(EndBySetting::Stop);
        let preference = Preference { prefer: asked.prefer.clone(), avoid: asked.avoid.clone() };
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
        if machine {
            settings.min_available = settings.min_available.or(Some(FLOOR));
        }
        let matches = std::mem::take(&mut settings.matches);
        ensure!(
            matches.iter().all(|rule| !rule.name.is_empty()),
            "a [[match]] of the configuration file has no name: name = \"*\" is for all"
        );
        let config = build(settings, Vec::new())?;
        let mut targets = Targets { pool, matches, preference, end_by_stop, ..Targets::default() };
        match found.place {
            Place::Cgroup(directory) if each => targets.directories.push(directory),
            Place::Cgroup(_) | Place::Shared { .. } | Place::Pods(_) | Place::Machine => {
                targets.singles.push(found);
            }
        }
        Ok((config, targets))
    }
}
