//! Which single processes are ended, as options and the configuration file say it.

use crate::cli::{BreachSetting, CulpritSetting, Settings};
use crate::policy::culprit::CulpritRule;
use crate::units::{Bytes, MIB};
use anyhow::{Result, bail, ensure};

/// A program needs this much to start.
const LEAST: Bytes = Bytes(MIB);

/// The rule that was asked for.
pub(super) fn rule(s: &Settings) -> Result<CulpritRule> {
    let largest = s.victim == Some(CulpritSetting::Largest);
    if largest && let Some(deed @ (BreachSetting::Freeze | BreachSetting::Warn)) = s.on_breach {
        bail!(
            "--victim largest ends a process at the limit, and --on-breach {deed} nobody: leave one of them out"
        );
    }
    if let Some(limit) = s.process_memory {
        ensure!(
            limit >= LEAST,
            "--process-memory {limit} is too little for any program: write for instance 512M"
        );
    }
    Ok(CulpritRule { process_memory: s.process_memory, largest })
}
