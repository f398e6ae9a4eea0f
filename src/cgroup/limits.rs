//! Writes the limits of a workload's cgroup, and reads every one of them back: the kernel's lines by the descriptors that are kept for them,
//! the number of processes through cgroups-rs. Only its writer is used: its readers turn errors into numbers.

use super::Cgroup;
use super::line_files::{LineFiles, in_use};
use super::machine::MachineMemory;
use crate::escape::shown;
use crate::lines::Lines;
use crate::units::{Bytes, Limit};
use anyhow::{Context, Result, anyhow, bail};
use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::pid::PidController;
use std::io;

/// The limits of a workload's cgroup.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadLimits {
    /// Trip-wire and ceiling.
    pub lines: Lines,
    /// `memory.swap.max`.
    pub swap: Limit,
    /// `pids.max`.
    pub pids: Limit,
}

/// Writes them all and reads them back.
///
/// # Errors
/// The first that is not in force afterwards, with its file.
pub fn apply(cgroup: &Cgroup, files: &LineFiles, limits: &WorkloadLimits) -> Result<()> {
    set_lines(cgroup, files, &limits.lines)?;
    cgroup.set("memory.oom.group", "1")?;
    set_swap(cgroup, limits.swap)?;
    set_pids(cgroup, limits.pids)
}

/// Of a cgroup in which nothing runs yet: such a write can wait, see `workload/knobs.rs`.
fn set_lines(cgroup: &Cgroup, files: &LineFiles, lines: &Lines) -> Result<()> {
    cgroup.put(&files.high, "memory.high", &lines.limit.0.to_string())?;
    let path = |name| shown(&cgroup.path().join(name));
    let current = in_use(&files.current);
    let current = current.with_context(|| format!("read {}", path("memory.current")))?;
    if current >= lines.ceiling {
        bail!("{} stays: {} bytes are in use", path("memory.max"), current.0);
    }
    cgroup.put(&files.max, "memory.max", &lines.ceiling.0.to_string())
}

/// `memory.swap.max`. Where the kernel does not account swap there is no such file, and nothing to write if there is no swap.
fn set_swap(cgroup: &Cgroup, limit: Limit) -> Result<()> {
    match cgroup.set("memory.swap.max", &limit.to_string()) {
        Err(error) if is_missing(&error) => no_swap_accounting(limit),
        set => set,
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn no_swap_accounting(limit: Limit) -> Result<()> {
    if limit == Limit::Max || MachineMemory::look()?.swap == Bytes(0) {
        return Ok(());
    }
    Err(anyhow!(
        "limit swap: this kernel does not account swap by cgroup (boot with swapaccount=1, or allow swap with --swap max)"
    ))
}

/// `pids.max`; without the controller only `max` can be had.
///
/// # Errors
/// When it is not in force afterwards.
pub fn set_pids(cgroup: &Cgroup, limit: Limit) -> Result<()> {
    if limit == Limit::Max && !cgroup.has("pids.max") {
        return Ok(());
    }
    let pids = PidController::new(cgroup.path().into(), cgroup.path().into(), true);
    let value = to_max(limit)?.unwrap_or(MaxValue::Max);
    pids.set_pid_max(value).map_err(|error| wrong(cgroup, "pids.max", &error))?;
    cgroup.verify("pids.max", &limit.to_string())
}

fn to_max(limit: Limit) -> Result<Option<MaxValue>> {
    Ok(Some(match limit {
        Limit::Max => MaxValue::Max,
        Limit::At(value) => MaxValue::Value(i64::try_from(value).context("limit too large")?),
    }))
}

/// cgroups-rs names neither file nor cause in its `Display`; its source does.
fn wrong(cgroup: &Cgroup, what: &str, error: &cgroups_rs::fs::error::Error) -> anyhow::Error {
    let cause = std::error::Error::source(error).map_or_else(String::new, |c| format!(": {c}"));
    anyhow!("write {what} of {}: {error}{cause}", shown(cgroup.path()))
}
