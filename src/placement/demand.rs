//! Options that only some places can put in force. What was asked for and cannot be had is an error of the run, or a line of
//! it; `sentinel doctor` says the same beforehand.

use super::Route;
use crate::status::Tier;
use serde::Serialize;

/// An option that a place has the means for, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// `--pids`.
    Pids,
    /// `--swap`.
    Swap,
    /// `--thrash`.
    Thrash,
    /// `--slice`.
    Slice,
    /// `--on-breach freeze`.
    Freeze,
}

/// What a place has for them.
#[derive(Clone, Debug)]
pub struct Means {
    /// The tier.
    pub tier: Tier,
    /// How the cgroup was had, in tier `kernel`.
    pub row: Option<Route>,
    /// Whether its cgroup has `pids.max`.
    pub pids: bool,
    /// Whether it has a cgroup of its own with `cgroup.freeze`.
    pub freezer: bool,
    /// Whether the workload's `memory.pressure` can be read.
    pub pressure: bool,
    /// Why there is no swap to be had, if so.
    pub no_swap: Option<String>,
}

/// A demand that cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The option, with its value if one was given.
    pub option: String,
    /// Why it cannot be put in force.
    pub why: String,
}

/// Why nothing is frozen.
pub const NO_FREEZER: &str =
    "cgroup.freeze needs a cgroup for it (tier kernel or hybrid) and Linux 5.2";

impl Demand {
    /// All of them.
    pub const ALL: [Demand; 5] =
        [Demand::Pids, Demand::Swap, Demand::Thrash, Demand::Slice, Demand::Freeze];

    /// As on the command line.
    pub fn option(self) -> &'static str {
        match self {
            Demand::Pids => "--pids",
            Demand::Swap => "--swap",
            Demand::Thrash => "--thrash",
            Demand::Slice => "--slice",
            Demand::Freeze => "--on-breach freeze",
        }
    }

    /// Why it cannot be put in force with these means; `None` where it can.
    pub fn why_not(self, means: &Means) -> Option<String> {
        let kernel = means.tier == Tier::Kernel;
        let why = match (self, means.row) {
            (Demand::Pids, _) if !kernel => "pids.max needs tier kernel",
            (Demand::Pids, _) if !means.pids => "the pids controller is not available",
            (Demand::Swap, _) if !kernel => "swapped memory counts as memory in this tier",
            (Demand::Swap, _) => return means.no_swap.clone(),
            (Demand::Thrash, _) if matches!(means.tier, Tier::Hybrid | Tier::Polled) => {
                "memory.pressure is read only in tiers kernel and observed"
            }
            (Demand::Thrash, _) if !means.pressure => {
                "memory.pressure is not available here (boot with psi=1)"
            }
            (Demand::Slice, Some(Route::SystemScope | Route::UserScope)) => return None,
            (Demand::Slice, Some(row)) => {
                return Some(format!("the cgroup is not a systemd scope here, but made by {row}"));
            }
            (Demand::Slice, None) => "the cgroup is not a systemd scope here",
            (Demand::Freeze, _) if !means.freezer => NO_FREEZER,
            (Demand::Pids | Demand::Thrash | Demand::Freeze, _) => return None,
        };
        Some(why.to_owned())
    }

    /// Those that cannot be met, by the option alone.
    pub fn unmet(means: &Means) -> Vec<Unmet> {
        let unmet = |demand: Demand| {
            Some(Unmet { option: demand.option().to_owned(), why: demand.why_not(means)? })
        };
        Demand::ALL.into_iter().filter_map(unmet).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(tier: Tier, row: Option<Route>) -> Means {
        let kernel = tier == Tier::Kernel;
        Means {
            tier,
            row,
            pids: kernel,
            freezer: kernel || tier == Tier::Hybrid,
            pressure: kernel || tier == Tier::Observed,
            no_swap: None,
        }
    }

    fn options(means: &Means) -> Vec<String> {
        Demand::unmet(means).into_iter().map(|unmet| unmet.option).collect()
    }

    #[test]
    fn each_tier_has_its_own() {
        let none: [&str; 0] = [];
        for (tier, row, unmet) in [
            (Tier::Kernel, Some(Route::SystemScope), &none[..]),
            (Tier::Kernel, Some(Route::UserScope), &none),
            (Tier::Kernel, Some(Route::Plain), &["--slice"]),
            (Tier::Kernel, Some(Route::Given), &["--slice"]),
            (Tier::Observed, None, &["--pids", "--swap", "--slice", "--on-breach freeze"]),
            (Tier::Hybrid, None, &["--pids", "--swap", "--thrash", "--slice"]),
            (
                Tier::Polled,
                None,
                &["--pids", "--swap", "--thrash", "--slice", "--on-breach freeze"],
            ),
        ] {
            assert_eq!(options(&means(tier, row)), unmet, "{tier:?} {row:?}");
        }
    }

    #[test]
    fn a_kernel_that_lacks_a_part_is_asked_for_it_in_vain() {
        let bare = Means {
            pids: false,
            freezer: false,
            pressure: false,
            no_swap: Some("this machine has no swap".to_owned()),
            ..means(Tier::Kernel, Some(Route::UserScope))
        };
        assert_eq!(options(&bare), ["--pids", "--swap", "--thrash", "--on-breach freeze"]);
        assert_eq!(Demand::Swap.why_not(&bare).as_deref(), Some("this machine has no swap"));
    }
}
