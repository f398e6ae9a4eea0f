//! What was asked for, by an option or in a configuration file, and is not in force here: an error, or with `--best-effort` one line.
//! What nobody asked for is no demand, and a dry run puts nothing in force.

use super::tier::{self, Found};
use crate::cgroup::swap::SwapAround;
use crate::config::Config;
use crate::placement::demand::{Demand, Means, Unmet};
use crate::placement::surroundings::Surroundings;
use crate::policy::on_breach::OnBreach;
use crate::status::Tier;
use crate::units::{Bytes, Limit, show_duration};
use anyhow::{Result, bail};

/// What the place that was found has.
pub(super) fn means(config: &Config, found: &Found, swap: Option<&SwapAround>) -> Means {
    let placed = found.placed.as_ref().filter(|_| found.tier == Tier::Kernel);
    let cgroup = placed.map(|placed| &placed.cgroup);
    // Where nobody asked for what needs it, nothing depends on it, and nobody looks.
    let freezes = config.rules.on_breach.deed == OnBreach::Freeze;
    let stopped = found.placed.as_ref().filter(|_| freezes);
    // With psi=0 the file is there, and reading it fails.
    let pressure = cgroup.or(found.observed.as_ref()).filter(|_| config.asked.thrash);
    Means {
        tier: found.tier,
        row: placed.and_then(|placed| placed.row),
        pids: cgroup.is_some_and(|cgroup| cgroup.has("pids.max")),
        freezer: stopped.is_some_and(|placed| placed.cgroup.has("cgroup.freeze")),
        pressure: pressure.is_some_and(|cgroup| cgroup.read("memory.pressure").is_ok()),
        no_swap: swap.and_then(SwapAround::why_none),
    }
}

/// The demands that these means do not meet, as they were made.
pub(super) fn unmet(config: &Config, means: &Means) -> Vec<Unmet> {
    let value = |demand| match demand {
        Demand::Pids => (config.rules.pids.1 && config.rules.pids.0 != Limit::Max)
            .then(|| config.rules.pids.0.to_string()),
        Demand::Swap => match config.rules.swap {
            Limit::At(0) => None,
            Limit::At(size) => Some(Bytes(size).to_string()),
            Limit::Max => Some("max".to_owned()),
        },
        Demand::Thrash => config
            .rules
            .thrash
            .filter(|_| config.asked.thrash)
            .map(|rule| format!("{}:{}", rule.share, show_duration(rule.hold))),
        Demand::Slice => config.slice.clone(),
        // Its value is a part of its name.
        Demand::Freeze => (config.rules.on_breach.deed == OnBreach::Freeze).then(String::new),
    };
    let unmet = |demand: Demand| {
        let (value, why) = (value(demand)?, demand.why_not(means)?);
        let option = format!("{} {value}", demand.option()).trim_end().to_owned();
        Some(Unmet { option, why })
    };
    Demand::ALL.into_iter().filter_map(unmet).collect()
}

/// What is to be said about unmet demands, if there are any.
///
/// # Errors
/// When there are, and nothing less was said to do.
pub(super) fn answer(
    unmet: &[Unmet],
    config: &Config,
    found: &Found,
    around: &Surroundings,
) -> Result<Option<String>> {
    if unmet.is_empty() {
        return Ok(None);
    }
    let listed: Vec<_> = unmet.iter().map(|it| format!("{} ({})", it.option, it.why)).collect();
    let (listed, tier) = (listed.join(", "), found.tier.name());
    if config.best_effort {
        return Ok(Some(format!("not in force in tier {tier}, as --best-effort allows: {listed}")));
    }
    if config.rules.dry_run {
        let text = format!(
            "without --dry-run this run would be refused: tier {tier} cannot enforce {listed}"
        );
        return Ok(Some(text));
    }
    let better = match found.tier {
        Tier::Kernel => String::new(),
        Tier::Observed | Tier::Hybrid | Tier::Polled => {
            format!("; reason: {}; better: {}", found.reason, tier::way_out(around))
        }
    };
    bail!("tier {tier} cannot enforce {listed}{better}; to run without it: --best-effort")
}
