//! The post-mortem: the saved record of how a run ended, as data. What is gathered, how it is kept and how it is shown is
//! elsewhere; this is the schema that all of them share, and docs/post-mortem.schema.json is made from it (`schema.rs`).

pub mod archive;
#[cfg(test)]
mod schema;
pub mod text;
pub mod verdict;

use crate::status::{Counters, Limits, Memory, Pressure, ProcessRow, Remains, Tier, allowance};
use crate::units::{Bytes, Limit};
use serde::{Deserialize, Serialize};

/// Raised whenever a field changes its meaning or goes away; added fields do not count.
pub const SCHEMA: u32 = 1;

/// All of it. Fields may be added; a change of meaning raises `schema`. Text of the workload (names, commands, mappings) is already
/// escaped. Times in `at_us` are microseconds since the guardian started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PostMortem {
    /// The version of this schema.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// The guardian's version.
    pub version: String,
    /// What ran.
    pub run: RunFacts,
    /// How it ended.
    pub verdict: Verdict,
    /// What to do about it, one sentence each.
    pub advice: Vec<String>,
    /// The lines at the end.
    pub limits: Limits,
    /// The lines before, if an operator moved them, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_lines: Vec<EarlierLines>,
    /// What happened, oldest first.
    pub timeline: Vec<Moment>,
    /// The last minute before the end, oldest first.
    pub samples: Vec<Reading>,
    /// The split of memory at the decision, or at the last look when nothing was decided.
    pub memory: Memory,
    /// Memory pressure then.
    pub pressure: Option<Pressure>,
    /// The kernel's counters at the end.
    pub events: Counters,
    /// Processes when it was decided, largest first.
    pub processes: Vec<ProcessRow>,
    /// Who grew in the last minute, most first.
    pub growers: Vec<Grower>,
    /// The biggest mappings of the biggest process, if they could be read in time.
    pub mappings: Option<Mappings>,
    /// What the run left in tmpfs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_in_tmpfs: Option<Remains>,
}

/// Lines that were compared with for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EarlierLines {
    /// Until when.
    pub until_us: u64,
    /// The user's number.
    pub limit: Bytes,
    /// Room beyond it for what is swapped out.
    pub swap_room: Limit,
    /// SIGKILL at once from there on.
    pub second_line: Bytes,
    /// `memory.max`.
    pub ceiling: Bytes,
}

impl EarlierLines {
    /// What the footprint was compared with.
    pub fn allowance(&self) -> Limit {
        allowance(self.limit, self.swap_room)
    }
}

impl PostMortem {
    /// The lines of all times, oldest first; the last hold for ever.
    pub fn all_lines(&self) -> Vec<EarlierLines> {
        let Limits { limit, swap_room, second_line, ceiling, .. } = self.limits;
        let last = EarlierLines { until_us: u64::MAX, limit, swap_room, second_line, ceiling };
        self.earlier_lines.iter().copied().chain([last]).collect()
    }
}

/// What ran, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunFacts {
    /// Name of the run.
    pub name: String,
    /// The command as typed.
    pub command: Vec<String>,
    /// The machine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Who started it, and as whom it ran if that was somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The tier.
    pub tier: Tier,
    /// How the cgroup was had, in tier `kernel`.
    pub placement: Option<String>,
    /// The workload's cgroup.
    pub cgroup: Option<String>,
    /// The guardian's process id.
    pub guardian_pid: u32,
    /// The command's process id.
    pub child_pid: u32,
    /// When it started, milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long it ran, milliseconds.
    pub ran_ms: u64,
}

/// Why a run ended: the closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The footprint reached the limit.
    Breach,
    /// `memory.current` stayed over the relief line despite throttling.
    Climb,
    /// Memory reached the second line: SIGKILL before the grace period was over.
    SecondLine,
    /// Memory stayed over the trip-wire, and reclaim did not get what counts as cache.
    Stuck,
    /// All tasks were stalled on memory most of the time.
    Thrash,
    /// It was one of a pool that reached its limit, and was chosen.
    Pool,
    /// The command's own process held more than each may.
    ProcessMemory,
    /// It failed by itself after forks were refused at `pids.max`.
    Pids,
    /// The machine was short of memory: what was available fell below the floor.
    HostMemory,
    /// The wall-clock limit.
    Timeout,
    /// An operator asked.
    Operator,
    /// The command ended, and the rest was not to outlive it.
    ChildExited,
    /// The command ended by itself.
    Exited,
    /// A signal ended it that was not ours.
    Signaled,
    /// The kernel's OOM killer.
    KernelOom,
    /// systemd-oomd.
    SystemdOomd,
    /// systemd stopped its scope.
    SystemdStop,
    /// The guardian was killed, and its keeper ended the workload.
    GuardianDeath,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Why.
    pub reason: EndReason,
    /// Who: `sentinel`, `command`, `kernel-oom`, `systemd-oomd`, `systemd-stop`, `keeper`, `somebody`.
    #[cfg_attr(test, schemars(extend("enum" = schema::ENDERS)))]
    pub ended_by: String,
    /// The signal that it took: `SIGTERM`, `SIGKILL`; none when it was not ours.
    pub signal: Option<String>,
    /// The same in one sentence.
    pub text: String,
    /// Our exit status.
    pub exit_status: u8,
    /// The command's own exit status.
    pub child_exited: Option<u8>,
    /// The signal that ended the command.
    pub child_signal: Option<i32>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Moment {
    /// When.
    pub at_us: u64,
    /// What kind, for programs.
    pub what: Milestone,
    /// What, for people.
    pub text: String,
}

/// Kinds of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Milestone {
    /// The command was started.
    Started,
    /// The warning.
    Warned,
    /// It was decided to end the workload.
    Decided,
    /// SIGTERM was sent.
    Term,
    /// SIGKILL was sent.
    Kill,
    /// The command itself ended.
    ChildEnded,
    /// Nobody is left.
    Empty,
    /// Anything else that was told.
    Told,
}

/// One look at the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reading {
    /// When.
    pub at_us: u64,
    /// `memory.current`.
    pub current: Bytes,
    /// The footprint.
    pub footprint: Bytes,
    /// Anonymous memory.
    pub anon: Bytes,
    /// Shared memory.
    pub shmem: Bytes,
    /// Reclaimable cache.
    pub cache: Bytes,
    /// Kernel memory.
    pub kernel: Bytes,
    /// Swap in use.
    pub swap: Bytes,
    /// Processes.
    pub processes: u64,
    /// Share of the last ten seconds in which all tasks waited for memory, percent.
    pub full_avg10: Option<f64>,
}

/// A process that grew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Grower {
    /// Process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Resident set when it was first seen in the last minute.
    pub from: Bytes,
    /// Resident set at the end.
    pub to: Bytes,
    /// Time between the two, milliseconds.
    pub over_ms: u64,
}

/// Mappings of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mappings {
    /// Process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Largest first.
    pub largest: Vec<Mapping>,
}

/// One mapping, or all of one name added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mapping {
    /// The file, `[heap]`, `[stack]`, `anonymous`.
    pub name: String,
    /// So many mappings.
    pub count: u32,
    /// Address space.
    pub size: Bytes,
    /// Resident.
    pub rss: Bytes,
    /// Swapped out.
    pub swap: Bytes,
}
