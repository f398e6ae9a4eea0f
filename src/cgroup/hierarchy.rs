//! Where the cgroup v2 tree is mounted and where in it we are: from mountinfo and /proc/self/cgroup, never a fixed string.

use super::{Cgroup, files};
use crate::report::escape::shown;
use crate::units::{Bytes, Limit};
use anyhow::{Context, Result, anyhow};
use procfs::FromRead as _;
use procfs::process::Process;
use std::path::{Path, PathBuf};

/// One mount of the cgroup v2 file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Our own cgroup's directory below it; `None` when we are outside what is mounted.
    pub own: Option<PathBuf>,
    /// The part of the tree that is mounted.
    pub root: String,
    /// Whether nothing can be changed there.
    pub read_only: bool,
}

/// The least of the limits of a cgroup and all above it that we can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OuterLimit {
    /// `memory.max` or `memory.high`, whichever is lower.
    pub bytes: Bytes,
    /// The file that says so; `None`: the machine's memory.
    pub path: Option<PathBuf>,
}

/// All mounts of cgroup v2, as this process sees them.
///
/// # Errors
/// When /proc is not readable.
pub fn find() -> Result<Vec<Hierarchy>> {
    let myself = Process::myself().context("read /proc/self")?;
    let own = path_of(&myself)?;
    let mounts = myself.mountinfo().context("read /proc/self/mountinfo")?;
    let v2 = mounts.into_iter().filter(|mount| mount.fs_type == "cgroup2");
    Ok(v2
        .map(|mount| Hierarchy {
            own: own.as_deref().and_then(|own| below(&mount.mount_point, &mount.root, own)),
            mount_point: mount.mount_point,
            root: mount.root,
            read_only: mount.mount_options.contains_key("ro"),
        })
        .collect())
}

/// The path of the line `0::PATH`; `None` where there is no v2 hierarchy.
fn path_of(process: &Process) -> Result<Option<String>> {
    let groups = process.cgroups().context("read the cgroup of a process")?;
    let v2 = groups.into_iter().find(|group| group.hierarchy == 0);
    Ok(v2.map(|group| group.pathname))
}

/// The directory of the cgroup `own` under a mount of the part `root` of the tree. A path that leaves the cgroup
/// namespace (`/../x`) is not below it.
fn below(mount_point: &Path, root: &str, own: &str) -> Option<PathBuf> {
    let rest = Path::new(own).strip_prefix(root).ok()?;
    let inside = rest.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    match rest.as_os_str().is_empty() {
        true => Some(mount_point.to_owned()),
        false => inside.then(|| mount_point.join(rest)),
    }
}

impl Hierarchy {
    /// Whether its root has the controller.
    pub fn has_controller(&self, controller: &str) -> bool {
        Cgroup::open(&self.mount_point)
            .and_then(|root| root.read("cgroup.controllers"))
            .is_ok_and(|text| files::has_controller(&text, controller))
    }

    /// The directory of another process's cgroup, if it lies below the mount point.
    pub fn of_process(&self, pid: i32) -> Option<PathBuf> {
        let path = Process::new(pid).ok().and_then(|process| path_of(&process).ok()?)?;
        below(&self.mount_point, &self.root, &path)
    }

    /// Our own cgroup and those above it, innermost first, up to the mount point.
    pub fn upwards(&self) -> impl Iterator<Item = &Path> {
        let own = self.own.as_deref();
        own.into_iter()
            .flat_map(Path::ancestors)
            .take_while(|path| path.starts_with(&self.mount_point))
    }
}

/// What is available to this process: the least limit of all visible cgroups above it, else the machine's memory.
///
/// # Errors
/// When the machine's memory is not known.
pub fn outer_limit(hierarchies: &[Hierarchy]) -> Result<OuterLimit> {
    let machine = procfs::Meminfo::from_file("/proc/meminfo").context("read /proc/meminfo")?;
    let mut least = OuterLimit { bytes: Bytes(machine.mem_total), path: None };
    for directory in hierarchies.iter().flat_map(Hierarchy::upwards) {
        for name in ["memory.max", "memory.high"] {
            let Some(bytes) = read_limit(directory, name) else { continue };
            if bytes < least.bytes {
                least = OuterLimit { bytes, path: Some(directory.join(name)) };
            }
        }
    }
    Ok(least)
}

fn read_limit(directory: &Path, name: &str) -> Option<Bytes> {
    let text = Cgroup::open(directory).and_then(|cgroup| cgroup.read(name)).ok()?;
    files::limit(text.as_bytes())?.value().map(Bytes)
}

/// Fails if leaving this cgroup for one above it would get the workload around a limit.
///
/// # Errors
/// Names the limit that stands.
pub fn unrestricted(directory: &Path) -> Result<()> {
    let cgroup = Cgroup::open(directory)?;
    for name in ["memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max"] {
        let Ok(text) = cgroup.read(name) else { continue };
        let first = text.split_whitespace().next().unwrap_or("max");
        if files::limit(first.as_bytes()) != Some(Limit::Max) {
            return Err(anyhow!("{} is {first}", shown(&directory.join(name))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cgroup_lies_below_the_mount_point() {
        let at = |root, own| below(Path::new("/sys/fs/cgroup"), root, own);
        assert_eq!(at("/", "/"), Some("/sys/fs/cgroup".into()));
        assert_eq!(at("/", "/a/b"), Some("/sys/fs/cgroup/a/b".into()));
        assert_eq!(at("/docker/x", "/docker/x/y"), Some("/sys/fs/cgroup/y".into()));
        assert_eq!(at("/docker/x", "/other"), None);
        assert_eq!(at("/", "/../outside"), None);
    }
}
