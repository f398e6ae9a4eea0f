//! The best tier that can be had here, and what to say when it is not the best.

use crate::cgroup::hierarchy::Hierarchy;
use crate::cgroup::placement::{self, Placed};
use crate::status::Tier;
use anyhow::{Result, anyhow};

/// A tier and the cgroup for it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) tier: Tier,
    pub(super) placed: Option<Placed>,
    /// Why no better one; empty for the best.
    pub(super) reason: String,
}

/// Tries the tiers, best first.
///
/// # Errors
/// When the best that can be had is below what is required.
pub(super) fn find(hierarchies: &[Hierarchy], name: &str, require: Tier) -> Result<Found> {
    let why_not_kernel = match placement::with_memory(hierarchies, name) {
        Ok(placed) => {
            return Ok(Found { tier: Tier::Kernel, placed: Some(placed), reason: String::new() });
        }
        Err(error) => format!("{error:#}"),
    };
    insist(require, Tier::Hybrid, &why_not_kernel)?;
    let why_not_hybrid = match placement::without_memory(hierarchies, name) {
        Ok(placed) => {
            let reason = why_not_kernel;
            return Ok(Found { tier: Tier::Hybrid, placed: Some(placed), reason });
        }
        Err(error) => format!("{error:#}"),
    };
    insist(require, Tier::Polled, &why_not_hybrid)?;
    let reason = if why_not_kernel == why_not_hybrid {
        why_not_kernel
    } else {
        format!("{why_not_kernel}; {why_not_hybrid}")
    };
    Ok(Found { tier: Tier::Polled, placed: None, reason })
}

fn insist(required: Tier, best: Tier, why: &str) -> Result<()> {
    if best <= required {
        return Ok(());
    }
    Err(anyhow!(
        "tier {} is required and cannot be had: {why}; better: {}",
        required.name(),
        way_out(why)
    ))
}

/// What is lost in this tier, in a line of its own.
pub(super) fn lost(tier: Tier) -> Option<&'static str> {
    match tier {
        Tier::Kernel | Tier::Observed => None,
        Tier::Hybrid => Some(
            "no kernel limit: memory is summed over processes (memfd, tmpfs and pipes are not seen), looked at every 5 to 100 ms",
        ),
        Tier::Polled => Some(
            "no kernel limit and no cgroup: memory is summed over descendants (memfd, tmpfs and pipes are not seen), looked at every 5 to 100 ms",
        ),
    }
}

/// What to do to get the best tier.
pub(super) fn way_out(why: &str) -> &'static str {
    if is_wsl() && why.contains("cgroup v1") {
        return "in PowerShell: wsl --update, then wsl --shutdown; or kernelCommandLine = cgroup_no_v1=all under [wsl2] in .wslconfig";
    }
    if why.contains("cgroup v1") {
        return "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all";
    }
    if !nix::unistd::geteuid().is_root() {
        return "run it with sudo";
    }
    "mount cgroup v2 with the memory controller, writable, or run it as a service with Delegate=yes"
}

fn is_wsl() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.to_ascii_lowercase().contains("microsoft")
}
