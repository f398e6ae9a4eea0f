//! Writes the limits of a workload's cgroup through cgroups-rs, and reads every one of them back.
//! Only its writers are used: its readers turn errors into numbers.

use super::{Cgroup, files};
use crate::escape::shown;
use crate::lines::Lines;
use crate::units::Limit;
use anyhow::{Context, Result, anyhow, bail};
use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::memory::{MemController, SetMemory};
use cgroups_rs::fs::pid::PidController;
use procfs::FromRead as _;

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
pub fn apply(cgroup: &Cgroup, limits: &WorkloadLimits) -> Result<()> {
    set_lines(cgroup, &limits.lines)?;
    cgroup.write("memory.oom.group", "1")?;
    cgroup.verify("memory.oom.group", "1")?;
    set_swap(cgroup, limits.swap)?;
    set_pids(cgroup, limits.pids)
}

/// Of a cgroup in which nothing runs yet: such a write can wait, see `workload/knobs.rs`.
fn set_lines(cgroup: &Cgroup, lines: &Lines) -> Result<()> {
    set_memory(cgroup, "memory.high", Limit::At(lines.limit.0))?;
    let current = cgroup.read("memory.current")?;
    if files::number(current.as_bytes()).is_some_and(|current| current >= lines.ceiling.0) {
        let path = cgroup.path().join("memory.max");
        bail!("{} stays: {} bytes are in use", shown(&path), current.trim());
    }
    set_memory(cgroup, "memory.max", Limit::At(lines.ceiling.0))
}

fn set_memory(cgroup: &Cgroup, name: &str, limit: Limit) -> Result<()> {
    let memory = MemController::new(cgroup.path().into(), cgroup.path().into(), true);
    let value = to_max(limit)?;
    let none = SetMemory { low: None, min: None, max: None, high: None };
    let set = match name {
        "memory.high" => SetMemory { high: value, ..none },
        _ => SetMemory { max: value, ..none },
    };
    memory.set_mem(set).map_err(|error| wrong(cgroup, name, &error))?;
    cgroup.verify(name, &limit.to_string())
}

/// `memory.swap.max`. Where the kernel does not account swap there is no such file, and nothing to write if there is no swap.
fn set_swap(cgroup: &Cgroup, limit: Limit) -> Result<()> {
    if !cgroup.has("memory.swap.max") {
        return no_swap_accounting(limit);
    }
    cgroup.write("memory.swap.max", &limit.to_string())?;
    cgroup.verify("memory.swap.max", &limit.to_string())
}

fn no_swap_accounting(limit: Limit) -> Result<()> {
    let machine = procfs::Meminfo::from_file("/proc/meminfo").context("read /proc/meminfo")?;
    if limit == Limit::Max || machine.swap_total == 0 {
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
