//! Finds the best place for a workload's cgroup and makes it there, or says why not.
//! Never gets a workload around a limit that its caller is under, and never moves a process that is not ours.

use super::hierarchy::{Hierarchy, unrestricted};
use super::{Cgroup, files};
use anyhow::{Context, Result, anyhow, bail};
use std::path::Path;

/// The name of the leaf into which the guardian moves itself when it is alone in a cgroup that it needs as an inner node.
const SUPERVISOR: &str = "sentinel-supervisor";

/// A cgroup made for a workload.
#[derive(Debug)]
pub struct Placed {
    /// The workload's cgroup.
    pub cgroup: Cgroup,
    /// Where the guardian moved out of, to go back at the end.
    vacated: Option<(Cgroup, Cgroup)>,
}

impl Placed {
    /// Removes the cgroup and brings the guardian back to where it was.
    ///
    /// # Errors
    /// When a process is left in it.
    pub fn remove(&self) -> Result<()> {
        self.cgroup.remove()?;
        let Some((home, leaf)) = &self.vacated else { return Ok(()) };
        for controller in ["-memory", "-pids"] {
            // Controllers that were not on have nothing to be turned off.
            let _ = home.write("cgroup.subtree_control", controller);
        }
        home.write("cgroup.procs", "0")?;
        leaf.remove()
    }
}

/// Makes a cgroup with the memory controller below our own, or below the nearest above it that leaves us no freer.
///
/// # Errors
/// Why it cannot be had, as a fragment for people.
pub fn with_memory(hierarchies: &[Hierarchy], name: &str) -> Result<Placed> {
    let Some(hierarchy) = hierarchies.iter().find(|h| h.has_controller("memory")) else {
        bail!("{}", no_memory_controller(hierarchies));
    };
    let own = hierarchy.own.as_deref().context("our own cgroup is outside of what is mounted")?;
    let mut first_refusal = None;
    for directory in hierarchy.upwards() {
        match below(directory, directory == own, name) {
            Ok(placed) => return Ok(placed),
            Err(error) => first_refusal.get_or_insert(error),
        };
        if let Err(limit) = unrestricted(directory) {
            let refusal = first_refusal.unwrap_or_else(|| anyhow!("no cgroup can be made"));
            return Err(refusal.context(format!("cannot leave {}: {limit}", directory.display())));
        }
    }
    Err(first_refusal.unwrap_or_else(|| anyhow!("no cgroup can be made")))
}

/// Makes a cgroup without controllers: membership, freezing and an atomic kill.
///
/// # Errors
/// Why it cannot be had.
pub fn without_memory(hierarchies: &[Hierarchy], name: &str) -> Result<Placed> {
    let hierarchy = hierarchies.first().context("no cgroup v2 file system is mounted")?;
    let own = hierarchy.own.as_deref().context("our own cgroup is outside of what is mounted")?;
    let cgroup = Cgroup::open(own)?.create_child(name)?;
    let usable = cgroup.file("cgroup.procs", nix::fcntl::OFlag::O_WRONLY);
    if let Err(error) = usable {
        cgroup.remove()?;
        return Err(error).context("use cgroup.procs of the new cgroup");
    }
    Ok(Placed { cgroup, vacated: None })
}

fn no_memory_controller(hierarchies: &[Hierarchy]) -> String {
    if hierarchies.is_empty() {
        return "no cgroup v2 file system is mounted".to_owned();
    }
    let v1 = std::path::Path::new("/sys/fs/cgroup/memory/memory.usage_in_bytes").exists()
        || v1_memory_mounted();
    if v1 {
        "the memory controller belongs to cgroup v1 here".to_owned()
    } else {
        "the kernel runs without the memory controller".to_owned()
    }
}

fn v1_memory_mounted() -> bool {
    let mounts = procfs::process::Process::myself().and_then(|me| me.mountinfo());
    mounts.is_ok_and(|mounts| {
        mounts.into_iter().any(|m| m.fs_type == "cgroup" && m.super_options.contains_key("memory"))
    })
}

fn below(directory: &Path, is_own: bool, name: &str) -> Result<Placed> {
    let parent = Cgroup::open(directory)?;
    if !files::has_controller(&parent.read("cgroup.controllers")?, "memory") {
        bail!("{} does not have the memory controller", directory.display());
    }
    let vacated = enable(&parent, is_own)?;
    let made = parent.create_child(name).and_then(usable);
    match made {
        Ok(cgroup) => Ok(Placed { cgroup, vacated: vacated.map(|leaf| (parent, leaf)) }),
        Err(error) => {
            if let Some(leaf) = vacated {
                parent.write("cgroup.procs", "0")?;
                leaf.remove()?;
            }
            Err(error)
        }
    }
}

/// The controller being on for the children is not enough: the file must be there and ours to write.
fn usable(cgroup: Cgroup) -> Result<Cgroup> {
    let path = cgroup.path().join("memory.max");
    if let Err(error) = cgroup.file("memory.max", nix::fcntl::OFlag::O_RDWR) {
        cgroup.remove()?;
        return Err(error).with_context(|| format!("use {}", path.display()));
    }
    Ok(cgroup)
}

/// Turns the controllers on for the children; gives the leaf that the guardian moved to if it had to.
fn enable(parent: &Cgroup, is_own: bool) -> Result<Option<Cgroup>> {
    if files::has_controller(&parent.read("cgroup.subtree_control")?, "memory") {
        enable_pids(parent);
        return Ok(None);
    }
    let refused = match parent.write("cgroup.subtree_control", "+memory") {
        Ok(()) => {
            enable_pids(parent);
            return Ok(None);
        }
        Err(error) => error,
    };
    // EBUSY: processes in an inner node (cgroup-v2.rst, "No Internal Process Constraint").
    let busy = refused.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    if busy != Some(nix::libc::EBUSY) || !is_own || !alone_in(parent)? {
        return Err(refused);
    }
    vacate(parent).map(Some)
}

/// Wanted, not needed: without it `--pids` says that it cannot be had.
fn enable_pids(parent: &Cgroup) {
    let _ = parent.write("cgroup.subtree_control", "+pids");
}

fn alone_in(cgroup: &Cgroup) -> Result<bool> {
    let members = cgroup.read("cgroup.procs")?;
    let own = nix::unistd::getpid().as_raw();
    Ok(members.trim() == own.to_string())
}

fn vacate(parent: &Cgroup) -> Result<Cgroup> {
    let leaf = parent.create_child(SUPERVISOR)?;
    leaf.write("cgroup.procs", "0")?;
    if let Err(error) = parent.write("cgroup.subtree_control", "+memory") {
        parent.write("cgroup.procs", "0")?;
        leaf.remove()?;
        return Err(error);
    }
    enable_pids(parent);
    Ok(leaf)
}
