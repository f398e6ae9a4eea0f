//! A directory below our own cgroup, or below the nearest above it that leaves us no freer.

use super::surroundings::Surroundings;
use super::{Placed, enable, inner, usable};
use crate::cgroup::Cgroup;
use crate::cgroup::hierarchy::unrestricted;
use crate::escape::shown;
use anyhow::{Context, Result, anyhow};
use std::path::Path;

/// Makes it.
pub(super) fn make(around: &Surroundings, name: &str) -> Result<Placed> {
    let hierarchy = around.memory().context("no memory controller")?;
    let own =
        hierarchy.own.as_deref().context("our own cgroup is outside the mounted hierarchy")?;
    let mut first_refusal = None;
    for directory in hierarchy.upwards() {
        // What systemd manages is not ours to rearrange; at its root a directory more does no harm.
        let managed = around.systemd && directory != hierarchy.mount_point;
        let made = match directory == own && !managed {
            _ if managed => Err(anyhow!("{} is systemd's", shown(directory))),
            true => inner::make_in(&around.machine, directory, name, false),
            false => below(around, directory, name),
        };
        match made {
            Ok(placed) => return Ok(placed),
            Err(error) => first_refusal.get_or_insert(error),
        };
        if let Err(limit) = unrestricted(directory) {
            let refusal = first_refusal.unwrap_or_else(|| anyhow!("no cgroup can be made"));
            return Err(refusal.context(format!("cannot leave {}: {limit}", shown(directory))));
        }
    }
    Err(first_refusal.unwrap_or_else(|| anyhow!("no cgroup can be made")))
}

fn below(around: &Surroundings, directory: &Path, name: &str) -> Result<Placed> {
    let parent = Cgroup::open(directory)?;
    enable(&parent, &around.machine)?;
    let beside = parent.names();
    let mut placed = parent.create_child(name).and_then(usable)?;
    placed.beside = Some(beside);
    Ok(placed)
}
