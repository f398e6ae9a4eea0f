//! What was asked for, in force as far as this place allows, and an error or a line for what is not.

use super::demands;
use super::tier::{self, Found};
use crate::cgroup::ancestors::Ancestors;
use crate::cgroup::limits::{self, WorkloadLimits};
use crate::config::Config;
use crate::escape::shown;
use crate::lines::Lines;
use crate::placement::Wish;
use crate::placement::demand::Unmet;
use crate::placement::surroundings::Surroundings;
use crate::policy::on_breach::OnBreach;
use crate::status::Tier;
use crate::units::Limit;
use anyhow::{Context, Result, bail};

/// The best tier, and the cgroup that was named if one without it had to do.
pub(super) fn find_tier(
    around: &Surroundings,
    config: &Config,
    child: &dyn Fn() -> Result<i32>,
) -> Result<(Found, Option<Unmet>)> {
    let name = format!("sentinel-{}-{}", config.rules.name, crate::sys::process::own());
    let slice = config.slice.as_deref();
    let find =
        |given| tier::find(around, &Wish { name: &name, given, slice, child }, config.require);
    let Some(given) = config.cgroup.as_deref() else { return Ok((find(None)?, None)) };
    let option = format!("--cgroup {}", shown(given));
    match find(Some(given)) {
        Ok(found) => Ok((found, None)),
        Err(error) if config.best_effort || config.rules.dry_run => {
            Ok((find(None)?, Some(Unmet { option, why: format!("{error:#}") })))
        }
        Err(error) => {
            bail!("{option} cannot be used: {error:#}; leave it out, or go without: --best-effort")
        }
    }
}

/// The lines here, in force, and what is to be said about what is not.
pub(super) fn settle(
    config: &mut Config,
    found: &Found,
    around: &Surroundings,
    ancestors: &mut Ancestors,
    refused: Option<Unmet>,
) -> Result<(Lines, Vec<String>)> {
    let placed = found.placed.as_ref().filter(|_| found.tier == Tier::Kernel);
    let swap = placed.map(|placed| {
        ancestors.add_above(placed.cgroup.path());
        ancestors.swap_around(placed.cgroup.path())
    });
    let outer = &ancestors.outer_limit();
    let means = demands::means(config, found, swap.as_ref());
    let mut unmet = demands::unmet(config, &means);
    unmet.extend(refused);
    let without = demands::answer(&unmet, config, found, around)?;
    if config.rules.on_breach.deed == OnBreach::Freeze && !means.freezer {
        config.rules.on_breach.deed = OnBreach::Terminate;
    }
    let (room, less_swap) = swap.map_or((Limit::At(0), None), |swap| swap.room(config.rules.swap));
    config.rules.swap_room = room;
    let lines = config.rules.lines(config.rules.wanted_memory(found.tier, outer), outer)?;
    let note = put_in_force(config, found, &lines, means.pids)?;
    Ok((lines, [without, less_swap, note].into_iter().flatten().collect()))
}

/// Writes the limits of the cgroup, as far as the tier has them. Gives what could not be had and was not asked for.
fn put_in_force(
    config: &mut Config,
    found: &Found,
    lines: &Lines,
    has_pids: bool,
) -> Result<Option<String>> {
    let Some(placed) = found.placed.as_ref().filter(|_| found.tier == Tier::Kernel) else {
        config.rules.pids.0 = Limit::Max;
        return Ok(None);
    };
    if config.rules.dry_run {
        config.rules.pids.0 = Limit::Max;
        return Ok(None);
    }
    let mut note = None;
    if !has_pids {
        let text = "cannot limit processes: the pids controller is not available here";
        note = (!config.rules.pids.1).then(|| text.to_owned());
        config.rules.pids.0 = Limit::Max;
    }
    let limits =
        WorkloadLimits { lines: *lines, swap: config.rules.swap, pids: config.rules.pids.0 };
    let files = placed.lines().context("find the files of the kernel's lines")?;
    limits::apply(&placed.cgroup, files, &limits).context("cannot put the limits in force")?;
    Ok(note)
}
