//! What a guardian tells the world about its workload: the one schema behind `status json`, `watch json`, the dashboard and the summary.
//! Data only. Text of the workload (names, commands) is already escaped when it gets in here.

mod bounded;

use crate::units::{Bytes, Limit};
use serde::{Deserialize, Serialize};

/// Raised whenever a field changes its meaning or goes away; added fields do not count.
pub const SCHEMA_VERSION: u32 = 1;

/// How much the platform lets the guardian do, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// A cgroup v2 with the memory controller, made by us.
    Kernel,
    /// Our own cgroup can be read but not changed.
    Observed,
    /// A cgroup v2 without the memory controller: membership and an atomic kill, memory summed by process.
    Hybrid,
    /// No cgroup: descendants by /proc.
    Polled,
}

impl Tier {
    /// The word for it, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Kernel => "kernel",
            Tier::Observed => "observed",
            Tier::Hybrid => "hybrid",
            Tier::Polled => "polled",
        }
    }

    /// What memory in use is called, with what the kernel can reclaim: where processes are summed there is no such file.
    pub fn usage_name(self) -> &'static str {
        match self {
            Tier::Kernel | Tier::Observed => "memory.current",
            Tier::Hybrid | Tier::Polled => "in use",
        }
    }
}

/// Where on the ladder the workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The command was let go and does not run yet: its cgroup is frozen, its file system does not answer.
    Starting,
    /// Under the limit.
    Running,
    /// Told to end; the grace period runs.
    Terminating,
    /// Being killed, until nothing is left.
    Killing,
    /// Nothing is left.
    Ended,
}

/// How it stands with a breach that the workload is not ended for (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreachState {
    /// It does not last long enough yet.
    Held,
    /// The workload is frozen for it.
    Frozen,
    /// It goes on: people were told, or an operator thawed it.
    GoesOn,
}

/// All there is to know at one moment. Times are milliseconds since the guardian started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// The guardian's version.
    pub version: String,
    /// What the workload is called; empty in what older ones say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The guardian's process id.
    pub guardian_pid: u32,
    /// Its own resident set; absent where /proc does not say, and in what older ones say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian_rss: Option<Bytes>,
    /// The command's process id.
    pub child_pid: u32,
    /// The process that is guarded with all that descend from it; absent where that is the command, or a cgroup, and in what older ones say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_pid: Option<u32>,
    /// The command as typed, each word escaped. Of a very long one the beginning is read.
    #[serde(deserialize_with = "bounded::words")]
    pub command: Vec<String>,
    /// The tier in use.
    pub tier: Tier,
    /// Why this tier and not a better one; empty for the best.
    pub tier_reason: String,
    /// How the cgroup was had: the row of the placement table, in tier `kernel`.
    #[serde(default)]
    pub placement: Option<String>,
    /// The workload's cgroup directory, escaped.
    pub cgroup: Option<String>,
    /// When the guardian started, milliseconds since 1970; absent in what older ones say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_unix_ms: Option<u64>,
    /// Time since the start.
    pub uptime_ms: u64,
    /// Where on the ladder.
    pub state: State,
    /// True while `cgroup.freeze` (or SIGSTOP) holds the workload.
    pub frozen: bool,
    /// True when decisions are only logged.
    pub dry_run: bool,
    /// Why the workload is being ended, in words, once it is; else what `breach` is about.
    pub reason: Option<String>,
    /// How it stands with a breach that it is not ended for; absent where there is none, and in what older ones say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach: Option<BreachState>,
    /// Time left until a workload is ended that is frozen for a breach, or until a breach is answered that must last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach_left_ms: Option<u64>,
    /// The single process that is being ended while the rest lives; absent where none is, and in what older ones say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_ending: Option<i32>,
    /// Time left until SIGKILL, while terminating, or while a single process is being ended.
    pub kill_in_ms: Option<u64>,
    /// The lines that memory is compared with.
    pub limits: Limits,
    /// The last reading.
    pub memory: Memory,
    /// Growth of the footprint, bytes a second; negative when it shrinks.
    pub growth: i64,
    /// Time to the limit at this growth, if it grows.
    pub forecast_ms: Option<u64>,
    /// Memory pressure of the workload; absent where the kernel has none.
    pub pressure: Option<Pressure>,
    /// The kernel's counters.
    pub events: Counters,
    /// True while the limit is near: the warning was given and is not over.
    #[serde(default)]
    pub warned: bool,
    /// Processes in the workload.
    pub processes: u64,
    /// Single processes that were ended while the rest lived, and are gone; absent in what older ones say.
    #[serde(default)]
    pub processes_ended: u64,
    /// CPU time and disk traffic; absent where nothing tells of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// CPU time and disk traffic of the whole workload since the start. Rates are over the last one or two seconds, and absent
/// where the reading before is older than some seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, microseconds: `usage_usec` of `cpu.stat`; in tier `polled` that of the processes that live or were reaped, and of the children
    /// that they waited for.
    pub cpu_usec: u64,
    /// CPU time in use, thousandths of one CPU.
    pub cpu_permille: Option<u32>,
    /// `io.stat`; absent where the io controller is not there.
    pub io: Option<Io>,
}

/// Disk traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Io {
    /// Read.
    pub read: Bytes,
    /// Written.
    pub written: Bytes,
    /// Bytes read in a second.
    pub read_rate: Option<u64>,
    /// Bytes written in a second.
    pub write_rate: Option<u64>,
}

/// The lines, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Limits {
    /// The user's number.
    pub limit: Bytes,
    /// Where `memory.high` stands now.
    pub trip_wire: Limit,
    /// Where it goes at SIGTERM.
    pub relief_line: Bytes,
    /// SIGKILL at once from here on.
    pub second_line: Bytes,
    /// `memory.max`, where the kernel holds one: see [`Limits::memory_max`].
    pub ceiling: Bytes,
    /// `memory.swap.max`.
    pub swap: Limit,
    /// Room beyond the limit for what is swapped out: the footprint may be limit and room together. `null`: without end.
    #[serde(default = "no_room")]
    pub swap_room: Limit,
    /// `pids.max`.
    pub pids: Limit,
    /// Time from SIGTERM to SIGKILL.
    pub grace_ms: u64,
    /// Wall-clock limit, counted from the start of the run; absent where there is none, and in what older ones say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What is to be left of the machine's memory (`--min-available`): below that the workload is ended. Absent where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<Bytes>,
}

fn no_room() -> Limit {
    Limit::At(0)
}

/// A limit with the room beyond it for what is swapped out.
pub fn allowance(limit: Bytes, swap_room: Limit) -> Limit {
    let room = swap_room.value();
    room.map_or(Limit::Max, |room| Limit::At(limit.saturating_add(Bytes(room)).0))
}

impl Status {
    /// Time to the limit, where one can be told: the workload runs, grows, and is below it.
    pub fn time_left(&self) -> Option<u64> {
        let runs = matches!(self.state, State::Starting | State::Running) && !self.frozen;
        let below = self.limits.share(self.memory.footprint).is_some_and(|share| share < 100);
        self.forecast_ms.filter(|left| runs && below && *left > 0)
    }
}

impl Limits {
    /// What the footprint is compared with: the limit, and what may lie in swap beyond it.
    pub fn allowance(&self) -> Limit {
        allowance(self.limit, self.swap_room)
    }

    /// Where `memory.max` stands, if the kernel holds it: where there is no trip-wire of the kernel's there is no ceiling either.
    pub fn memory_max(&self) -> Limit {
        self.trip_wire.value().map_or(Limit::Max, |_| Limit::At(self.ceiling.0))
    }

    /// So much of the allowance in percent; `None` where there is no end to it.
    pub fn share(&self, footprint: Bytes) -> Option<u64> {
        let whole = self.allowance().value()?;
        let percent = u128::from(footprint.0) * 100 / u128::from(whole.max(1));
        Some(u64::try_from(percent).unwrap_or(u64::MAX))
    }
}

/// Memory in use. In tiers without memory accounting `current` is the sum over processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Memory {
    /// `memory.current`.
    pub current: Bytes,
    /// What is compared with the limit: what the kernel cannot simply take back.
    pub footprint: Bytes,
    /// Sum of the processes' resident sets; absent until they were looked at.
    pub rss: Option<Bytes>,
    /// Anonymous memory.
    pub anon: Bytes,
    /// Shared memory, tmpfs, memfd.
    pub shmem: Bytes,
    /// Reclaimable page cache and slab.
    pub cache: Bytes,
    /// Kernel memory (stacks, page tables, sockets, slab).
    pub kernel: Bytes,
    /// Swap in use.
    pub swap: Bytes,
    /// Of that, what is in memory too and counted there.
    #[serde(default)]
    pub swap_cached: Bytes,
    /// Huge pages of hugetlbfs, which `current` does not have.
    #[serde(default)]
    pub hugetlb: Bytes,
    /// Whether they are in the footprint.
    #[serde(default)]
    pub hugetlb_counted: bool,
    /// The highest `current`.
    pub peak: Bytes,
    /// The highest footprint.
    pub peak_footprint: Bytes,
    /// What the machine, and the cgroups around the workload, have left for everybody: no part of the workload's memory. Absent without
    /// `--min-available`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Bytes>,
}

impl Memory {
    /// What is in swap and not in memory: that part of the footprint.
    pub fn swapped(&self) -> Bytes {
        self.swap.saturating_sub(self.swap_cached)
    }
}

/// Memory that a run left behind: files on tmpfs and System V segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remains {
    /// In all.
    pub size: Bytes,
    /// The largest that could be found, largest first.
    pub parts: Vec<RemainsPart>,
}

/// A file or a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RemainsPart {
    /// Its path, escaped, or what it is.
    pub name: String,
    /// What it takes.
    pub size: Bytes,
}

/// Share of the last ten seconds lost waiting for memory, in percent, and the whole time lost (kernel: accounting/psi.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pressure {
    /// At least one task waited.
    pub some_avg10: f64,
    /// All tasks waited.
    pub full_avg10: f64,
    /// Time since the start in which at least one task waited, microseconds.
    #[serde(default)]
    pub some_usec: u64,
    /// Time since the start in which all tasks waited, microseconds.
    #[serde(default)]
    pub full_usec: u64,
}

/// Counters of `memory.events` and `pids.events` (kernel: cgroup-v2.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counters {
    /// Throttled at `memory.high`.
    pub high: u64,
    /// About to go over `memory.max`.
    pub max: u64,
    /// Out of memory at `memory.max`.
    pub oom: u64,
    /// Processes killed by the kernel's OOM killer.
    pub oom_kill: u64,
    /// Forks refused at `pids.max`.
    pub pids_max: u64,
}

impl Counters {
    /// What was added since then.
    #[must_use]
    pub fn since(self, then: &Counters) -> Counters {
        Counters {
            high: self.high.saturating_sub(then.high),
            max: self.max.saturating_sub(then.max),
            oom: self.oom.saturating_sub(then.oom),
            oom_kill: self.oom_kill.saturating_sub(then.oom_kill),
            pids_max: self.pids_max.saturating_sub(then.pids_max),
        }
    }
}

/// One process of the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessRow {
    /// Process id.
    pub pid: u32,
    /// Its parent's id.
    pub ppid: u32,
    /// Its name (comm), escaped.
    pub name: String,
    /// State letter as in proc(5): R S D T Z…
    pub state: char,
    /// Resident set.
    pub rss: Bytes,
    /// Share of all processes' resident sets, thousandths.
    pub share_permille: u32,
    /// Command line, escaped, cut.
    pub command: String,
    /// Growth of the resident set, bytes a second over the last two to four seconds; absent until it was seen twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<i64>,
    /// CPU time in use over the same time, thousandths of one CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_permille: Option<u32>,
}

/// Something that happened, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// When.
    pub at_ms: u64,
    /// How much it matters.
    pub level: Level,
    /// What, one escaped line.
    pub text: String,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the record.
    Info,
    /// Somebody should look.
    Warning,
    /// The workload is being ended, or something is broken.
    Error,
}

/// One line of `watch json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum WatchLine {
    /// The state, some times a second.
    Status {
        /// The state.
        status: Box<Status>,
        /// The largest processes, largest first, at most 200; absent when they were not looked at since the last line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        processes: Option<Vec<ProcessRow>>,
    },
    /// As it happens.
    Event(EventLine),
    /// The answer to a request line sent on the same connection.
    Reply {
        /// False when the request was refused.
        ok: bool,
        /// The answer's text.
        text: String,
    },
    /// The last line: how it ended.
    End {
        /// Who ended what and why, one escaped line.
        text: String,
        /// The exit status of `sentinel`.
        exit_status: u8,
        /// It was one of several workloads, or others may come: the guardian goes on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        goes_on: bool,
    },
}
