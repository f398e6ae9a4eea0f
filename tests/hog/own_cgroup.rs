//! Shapes that change the cgroup they are in, as a hostile or a careless workload may.

use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// Stops all of its own cgroup, itself included.
pub fn freeze() -> Result<()> {
    write("cgroup.freeze", "1", &own()?)
}

/// Goes into a new cgroup below its own: what it takes there counts in both.
pub fn move_below() -> Result<()> {
    let below = own()?.join(format!("hog-{}", std::process::id()));
    fs::create_dir(&below).with_context(|| format!("make {}", below.display()))?;
    write("cgroup.procs", "0", &below)
}

fn write(file: &str, value: &str, cgroup: &std::path::Path) -> Result<()> {
    let path = cgroup.join(file);
    fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))
}

/// The folder of its own cgroup in the v2 hierarchy, wherever that is mounted.
fn own() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let root = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .context("no cgroup2 is mounted")?[1]
        .to_owned();
    let cgroups = fs::read_to_string("/proc/self/cgroup")?;
    let path =
        cgroups.lines().find_map(|line| line.strip_prefix("0::/")).context("no v2 cgroup")?;
    Ok(PathBuf::from(root).join(path))
}
