//! A cgroup in a transient scope of systemd's: `<scope>/workload`, with a process beside it, the anchor, for the scope lives only as long
//! as somebody is in it. Nothing is written to the scope's own limits: those are systemd's (CGROUP_DELEGATION.md).

use super::surroundings::Surroundings;
use super::{Placed, WORKLOAD, Wish, enable, usable};
use crate::cgroup::Cgroup;
use crate::clock::{Clock, pause};
use crate::sys::anchor::AnchorProcess;
use crate::systemd::{Manager, Scope};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::time::Duration;

const ANCHOR: &str = "anchor";
/// A job that is not done by then will not be.
const PATIENCE: Duration = Duration::from_secs(5);

/// What holds the scope.
#[derive(Debug)]
pub(super) struct Anchor {
    process: AnchorProcess,
    leaf: Cgroup,
}

impl Anchor {
    pub(super) fn pid(&self) -> Option<i32> {
        Some(self.process.pid()).filter(|pid| *pid > 0)
    }

    pub(super) fn ended(&mut self) {
        self.process.was_reaped();
    }

    /// Lets go: the scope goes with its last process.
    pub(super) fn remove(self) -> Result<()> {
        drop(self.process);
        self.leaf.remove()
    }
}

/// Makes the scope with the waiting child in it, and the cgroup in the scope.
pub(super) fn make(around: &Surroundings, manager: Manager, wish: &Wish<'_>) -> Result<Placed> {
    let unit = format!("{}.scope", wish.name);
    let process = AnchorProcess::start().context("start the scope's anchor")?;
    let child = (wish.child)()?;
    let pids = [child, process.pid()].map(i32::cast_unsigned);
    // Root can bring the anchor there; to anybody else the way from one cgroup to the other is open to systemd only.
    let pids = if manager == Manager::System { &pids[..1] } else { &pids[..] };
    manager.start(around.uid, &Scope { unit: &unit, slice: wish.slice, pids })?;
    let arrive = |pid| wait_for(around, pid, &unit);
    let scope = arrive(child)?;
    if manager == Manager::User {
        arrive(process.pid())?;
    }
    furnish(around, &Cgroup::open(&scope)?, process, child)
}

/// Processes first: controllers can be turned on only when nobody is in the scope itself.
fn furnish(
    around: &Surroundings,
    scope: &Cgroup,
    process: AnchorProcess,
    child: i32,
) -> Result<Placed> {
    let leaf = scope.create_child(ANCHOR)?;
    leaf.write("cgroup.procs", &process.pid().to_string())?;
    let workload = scope.create_child(WORKLOAD)?;
    workload.write("cgroup.procs", &child.to_string())?;
    enable(scope, &around.machine)?;
    let mut placed = usable(workload)?;
    placed.anchor = Some(Anchor { process, leaf });
    Ok(placed)
}

/// The scope's directory, once the process is in it. Where a unit's cgroup is, only systemd knows: its path is never guessed.
fn wait_for(around: &Surroundings, pid: i32, unit: &str) -> Result<PathBuf> {
    let memory = around.memory().context("no memory controller")?;
    let clock = Clock::start();
    while clock.now().0 < PATIENCE {
        if let Some(path) = memory.of_process(pid)
            && path.file_name().is_some_and(|name| name == unit)
        {
            return Ok(path);
        }
        pause(Duration::from_millis(1));
    }
    bail!("systemd did not start {unit} within {} s", PATIENCE.as_secs())
}
