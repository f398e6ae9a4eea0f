//! What is asked for of something that runs already leaves room for it: a slip of the pen ends nobody.

use crate::config::WardRules;
use crate::lines::Lines;
use crate::units::Bytes;
use crate::workload::{Observation, Workload};
use anyhow::{Result, bail};

/// Fails where it would be ended at the first look: it has more in use than its limit, or one of its processes holds what each may.
///
/// # Errors
/// With what is in use.
pub(super) fn ensure_room(
    workload: &mut Workload,
    rules: &WardRules,
    lines: &Lines,
    whose: &str,
) -> Result<()> {
    if rules.dry_run {
        return Ok(());
    }
    let Observation::Seen(sample) = workload.look() else { return Ok(()) };
    let (in_use, limit) = (sample.footprint(), lines.limit);
    if in_use >= limit && !workload.is_machine() {
        let asked = if rules.victim.is_some() { "--total" } else { "limit" };
        bail!("{asked} {limit} is below what {whose} in use, {in_use}: choose a limit above it");
    }
    ensure_room_for_each(workload, rules.culprit.process_memory)
}

fn ensure_room_for_each(workload: &mut Workload, most: Option<Bytes>) -> Result<()> {
    let Some(most) = most else { return Ok(()) };
    let largest = workload.weigh().largest.into_iter().flatten().max_by_key(|weight| weight.size);
    if let Some(weight) = largest.filter(|weight| weight.size >= most) {
        let (pid, size) = (weight.id.pid, weight.size);
        bail!(
            "--process-memory {most} is below what process {pid} holds, {size}: choose a size above it"
        );
    }
    Ok(())
}
