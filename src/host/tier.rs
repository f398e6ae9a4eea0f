//! The best tier that can be had here, and what to say when it is not the best.

use crate::cgroup::Cgroup;
use crate::placement::obstacle;
use crate::placement::surroundings::Surroundings;
use crate::placement::{self, Placed, RefusedRoute, Wish};
use crate::status::Tier;
use anyhow::{Result, anyhow};

/// A tier and the cgroup for it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) tier: Tier,
    pub(super) placed: Option<Placed>,
    /// Our own cgroup, in tier `observed`.
    pub(super) observed: Option<Cgroup>,
    /// Why no better one; empty for the best.
    pub(super) reason: String,
}

/// Tries the tiers, best first.
///
/// # Errors
/// When the best that can be had is below what is required, or the cgroup that was named does not do.
pub(super) fn find(around: &Surroundings, wish: &Wish<'_>, require: Tier) -> Result<Found> {
    let found = |tier, placed, observed, reason| Ok(Found { tier, placed, observed, reason });
    let why = match placement::with_memory(around, wish) {
        Ok(placed) => return found(Tier::Kernel, Some(placed), None, String::new()),
        Err(refusals) if wish.given.is_some() => return Err(anyhow!(last(&refusals))),
        Err(refusals) => obstacle::reason(around, &refusals),
    };
    insist(around, require, Tier::Observed, &why)?;
    if let Some(own) = around.own_limits() {
        return found(Tier::Observed, None, Some(Cgroup::open(own)?), why);
    }
    insist(around, require, Tier::Hybrid, &why)?;
    let why_not_hybrid = match placement::without_memory(around, wish.name) {
        Ok(placed) => return found(Tier::Hybrid, Some(placed), None, why),
        Err(error) => format!("{error:#}"),
    };
    insist(around, require, Tier::Polled, &why_not_hybrid)?;
    let reason = if why == why_not_hybrid { why } else { format!("{why}; {why_not_hybrid}") };
    found(Tier::Polled, None, None, reason)
}

fn last(refusals: &[RefusedRoute]) -> String {
    refusals.last().map_or_else(String::new, |refusal| refusal.why.clone())
}

fn insist(around: &Surroundings, required: Tier, best: Tier, why: &str) -> Result<()> {
    if best <= required {
        return Ok(());
    }
    Err(anyhow!(
        "--require {}: that tier is not available here: {why}; to get it: {} (more: sentinel doctor)",
        required.name(),
        obstacle::remedy_for(around, required).into_iter().next().unwrap_or_default()
    ))
}

/// What is lost in this tier, in a line of its own.
pub(super) fn lost(tier: Tier) -> Option<&'static str> {
    match tier {
        Tier::Kernel => None,
        Tier::Observed => Some(
            "no limit of its own: the whole container's memory is read, so everything else in it counts too; checked every 5 ms to 1 s",
        ),
        Tier::Hybrid => Some(
            "no kernel limit: memory is summed over processes (memfd, tmpfs and pipes are not included) and checked every 5 ms to 1 s",
        ),
        Tier::Polled => Some(
            "no kernel limit and no cgroup: memory is summed over descendants (memfd, tmpfs and pipes are not included) and checked every 5 ms to 1 s",
        ),
    }
}

/// What to do to get the best tier: the first thing to try.
pub(super) fn way_out(around: &Surroundings) -> String {
    obstacle::remedy(around).into_iter().next().unwrap_or_default()
}

/// The same for the line of a run, with what would give a better tier at once.
pub(super) fn better(around: &Surroundings, tier: Tier) -> String {
    let best = way_out(around);
    let sudo = obstacle::remedy_for(around, Tier::Hybrid).into_iter().next();
    match sudo.filter(|_| tier == Tier::Polled && around.memory().is_none()) {
        Some(sudo) if sudo != best => format!("{sudo} (tier hybrid), or {best} (tier kernel)"),
        _ => best,
    }
}
