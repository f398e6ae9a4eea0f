//! A workload's cgroup in a given cgroup. Where processes are in the way of controllers, they move into a leaf beside it
//! as long as the workload lives: ours alone, or all where the place was given to us as a whole.

use super::{Placed, enable, is_busy, usable};
use crate::cgroup::machine::MachineMemory;
use crate::cgroup::{Cgroup, files};
use crate::escape::shown;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// The leaf.
pub(super) const SUPERVISOR: &str = "sentinel-supervisor";
/// Processes that fork while they are moved are found in the next round.
const ROUNDS: usize = 100;

/// A cgroup whose processes moved into the leaf.
#[derive(Debug)]
pub(super) struct Vacated {
    home: Cgroup,
    leaf: Cgroup,
}

impl Vacated {
    /// The one that was made for this cgroup, by a guardian that is gone.
    pub(super) fn found(home: Cgroup) -> Result<Vacated> {
        let leaf = Cgroup::open(&home.path().join(SUPERVISOR))?;
        Ok(Vacated { home, leaf })
    }

    /// The cgroup whose processes moved.
    pub(super) fn home(&self) -> &Cgroup {
        &self.home
    }

    /// Brings everybody back, unless another workload still needs the controllers.
    pub(super) fn undo(self) -> Result<()> {
        if has_other_children(&self.home, &self.leaf) {
            return Ok(());
        }
        for controller in ["-memory", "-pids", "-hugetlb"] {
            // Controllers that were not on have nothing to be turned off.
            let _ = self.home.write("cgroup.subtree_control", controller);
        }
        move_all(&self.leaf, &self.home)?;
        self.leaf.remove()
    }
}

/// Makes a cgroup in `directory`. `all` says that every process there may be moved aside; else we alone.
pub(super) fn make_in(
    machine: &MachineMemory,
    directory: &Path,
    name: &str,
    all: bool,
) -> Result<Placed> {
    let parent = Cgroup::open(directory)?;
    let vacated = match enable(&parent, machine) {
        Ok(()) => None,
        Err(error) if is_busy(&error) && (all || alone_in(&parent)?) => {
            Some(vacate(parent.clone(), machine)?)
        }
        Err(error) => return Err(error),
    };
    match parent.create_child(name).and_then(usable) {
        Ok(mut placed) => {
            placed.vacated = vacated;
            Ok(placed)
        }
        Err(error) => {
            vacated.map_or(Ok(()), Vacated::undo)?;
            Err(error)
        }
    }
}

fn vacate(home: Cgroup, machine: &MachineMemory) -> Result<Vacated> {
    let leaf =
        Cgroup::open(&home.path().join(SUPERVISOR)).or_else(|_| home.create_child(SUPERVISOR))?;
    let vacated = Vacated { home, leaf };
    let moved = move_all(&vacated.home, &vacated.leaf);
    let enabled = moved.and_then(|()| enable(&vacated.home, machine));
    match enabled {
        Ok(()) => Ok(vacated),
        Err(error) => {
            vacated.undo()?;
            Err(error)
        }
    }
}

/// The command's process that waits counts as ours: it is our child and will leave.
fn alone_in(cgroup: &Cgroup) -> Result<bool> {
    let members = cgroup.read("cgroup.procs")?;
    let own = nix::unistd::getpid().as_raw();
    let ours = |pid: i32| pid == own || parent_of(pid) == Some(own);
    Ok(files::cgroup_procs(members.as_bytes()).all(ours))
}

fn parent_of(pid: i32) -> Option<i32> {
    procfs::process::Process::new(pid).and_then(|process| process.stat()).ok().map(|stat| stat.ppid)
}

/// Until nobody is left; who ended on the way is gone.
fn move_all(from: &Cgroup, to: &Cgroup) -> Result<()> {
    for _ in 0..ROUNDS {
        let members = from.read("cgroup.procs")?;
        let mut left = false;
        for pid in files::cgroup_procs(members.as_bytes()) {
            left = true;
            match to.write("cgroup.procs", &pid.to_string()) {
                Err(error) if !is_gone(&error) => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        if !left {
            return Ok(());
        }
    }
    bail!("{} does not become empty", shown(from.path()))
}

fn is_gone(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    error == Some(nix::libc::ESRCH)
}

fn has_other_children(home: &Cgroup, leaf: &Cgroup) -> bool {
    let entries = std::fs::read_dir(home.path()).context("list").into_iter().flatten().flatten();
    let mut folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.any(|entry| entry.path() != leaf.path())
}
