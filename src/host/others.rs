//! Other guardians of the machine: what one of them guards nobody else does. Of a cgroup its mark says so; of a process they are asked.

use crate::control::listing::find_here;
use crate::fleet::statuses;
use crate::sys::process::own;
use crate::targets::upwards;
use anyhow::{Result, bail, ensure};

/// Fails where this process is guarded already: by itself, or as a descendant of one that is. Whoever is neither root nor us may claim what he
/// likes, and is not asked.
///
/// # Errors
/// Another guardian has it.
pub(super) fn ensure_free(pid: i32) -> Result<()> {
    let ancestors = upwards(pid);
    let mut guardians = find_here().guardians;
    guardians.retain(|listed| listed.comes_first() && listed.pid != own());
    for status in statuses(guardians).into_iter().filter_map(|(_, status)| status.ok()) {
        ensure!(
            status.guardian_pid.cast_signed() != pid,
            "process {pid} is a guardian itself ({}): it is not guarded by another",
            status.name
        );
        let roots = [status.child_pid, status.tree_pid.unwrap_or(0)];
        let root =
            roots.into_iter().find(|root| *root != 0 && ancestors.contains(&root.cast_signed()));
        let Some(root) = root else { continue };
        let descends = if root.cast_signed() == pid {
            String::new()
        } else {
            format!(", a descendant of {root},")
        };
        bail!(
            "process {pid}{descends} is guarded by sentinel {} already ({})",
            status.guardian_pid,
            status.name
        );
    }
    Ok(())
}
