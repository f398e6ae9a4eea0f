//! What is done at a breach, as asked for.

use crate::cli::{BreachSetting, Settings};
use crate::policy::on_breach::{BreachRule, FREEZE_FOR, OnBreach};
use crate::units::show_duration;
use anyhow::{Result, ensure};
use std::time::Duration;

/// The rule.
///
/// # Errors
/// When a time was given for freezing and there is none, or it is no time.
pub(super) fn rule(s: &Settings) -> Result<BreachRule> {
    let deed = match s.on_breach {
        Some(BreachSetting::Freeze) => OnBreach::Freeze,
        Some(BreachSetting::Warn) => OnBreach::Warn,
        Some(BreachSetting::Terminate) | None => OnBreach::Terminate,
    };
    let asked = s.freeze_for.map(|span| span.0);
    if let Some(asked) = asked {
        let shown = show_duration(asked);
        // Of a time in a file that an option takes the use from nobody need hear.
        ensure!(
            s.on_breach.is_some(),
            "--freeze-for {shown}: nothing is frozen without --on-breach freeze"
        );
        ensure!(
            !asked.is_zero(),
            "--freeze-for 0: nobody could act in no time; use --on-breach terminate"
        );
    }
    let hold = s.hold.map_or(Duration::ZERO, |span| span.0);
    Ok(BreachRule { deed, hold, freeze_for: asked.unwrap_or(FREEZE_FOR) })
}
