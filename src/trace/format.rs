//! The lines of a trace. The first is a [`Start`], each other a [`EventRow`]; times are nanoseconds of the guardian's clock, sizes bytes.
//! Kept apart from the types of the policy, so that a change there does not change what is in a file.

mod convert;

use crate::clock::Timestamp;
use crate::status::Tier;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Raised whenever a field changes its meaning or goes away; added fields do not count.
pub const VERSION: u32 = 1;

/// The first line: whose run, and by which rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// [`VERSION`].
    #[serde(rename = "sentinel-trace")]
    pub format: u32,
    /// The guardian's version.
    pub version: String,
    /// The command, each word escaped, cut.
    pub command: Vec<String>,
    /// The command's process id.
    #[serde(default)]
    pub pid: u32,
    /// The tier.
    pub tier: Tier,
    /// Wall clock at the start, milliseconds since the epoch.
    pub unix_ms: u64,
    /// When the policy started.
    pub t: u64,
    /// The polite signal's number.
    pub term_signal: i32,
    /// The rules.
    pub rules: Rules,
}

/// The lines that memory is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesRow {
    limit: u64,
    relief: u64,
    second: u64,
    ceiling: u64,
    /// Room beyond the limit for what is swapped out; absent: without end.
    #[serde(default = "no_room", skip_serializing_if = "is_no_room")]
    swap: Option<u64>,
}

fn no_room() -> Option<u64> {
    Some(0)
}

fn is_no_room(room: &Option<u64>) -> bool {
    *room == no_room()
}

/// [`crate::policy::reclaim::ReclaimAt`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReclaimRow {
    /// At our trip-wire.
    TripWire,
    /// At somebody's `memory.max`.
    Ceiling,
    /// Nowhere.
    Nowhere,
}

/// [`crate::policy::on_breach::BreachRule`] in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreachRow {
    /// The workload is frozen for at most so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    freeze_ns: Option<u64>,
    /// People are told, and no more.
    #[serde(skip_serializing_if = "zero")]
    warn: bool,
    /// It must last so long first.
    #[serde(skip_serializing_if = "zero")]
    hold_ns: u64,
}

/// [`crate::policy::PolicyConfig`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    lines: LinesRow,
    grace_ns: u64,
    warn_percent: u32,
    warn_within_ns: u64,
    /// Percent of the time, and for how long.
    thrash: Option<(u32, u64)>,
    timeout_ns: Option<u64>,
    /// What is to be left of the machine's memory; absent where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_available: Option<u64>,
    /// What each process may hold; absent where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process_memory: Option<u64>,
    /// True: the largest process is ended at the limit.
    #[serde(default, skip_serializing_if = "zero")]
    end_largest: bool,
    /// What is done at a breach; absent: the workload is ended, when the breach was seen twice.
    #[serde(default, skip_serializing_if = "zero")]
    on_breach: BreachRow,
    /// True: what is left when the command ends is ended too.
    end_rest: bool,
    /// True: it was not started by us, and nobody tells how it ends.
    #[serde(default, skip_serializing_if = "zero")]
    attached: bool,
    dry_run: bool,
    /// True: the kernel tells of growth; false: looks alone do.
    events: bool,
    slack: u64,
    /// True: not all of it is ended, but one of those in it.
    #[serde(default, skip_serializing_if = "zero")]
    pool: bool,
    /// True: it is the machine as a whole.
    #[serde(default, skip_serializing_if = "zero")]
    machine: bool,
    /// Where the kernel reclaims; absent in traces of 0.1.0, which knew of the trip-wire only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reclaim: Option<ReclaimRow>,
}

/// Something that happened, and what was done about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// When.
    pub t: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// What the policy did, in the words of [`super::deed`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub did: Vec<String>,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The workload was looked at.
    Sample(SampleRow),
    /// The moment came that the policy waited for.
    Deadline {},
    /// The command exited with this status.
    Exited(u8),
    /// This signal ended the command.
    Signaled(i32),
    /// The command ended, and nobody told how.
    Unseen {},
    /// Nobody is left.
    Empty {},
    /// Somebody asked for something.
    Operator(AskedRow),
    /// Of a pool: whoever was chosen is gone.
    Yielded {},
    /// The processes were weighed.
    Processes(CrowdRow),
    /// What came of moving `memory.high`.
    TripWire(Standing),
    /// What came of new lines.
    Lines(Standing),
    /// What came of another deed.
    Done(DoneRow),
    /// So many events are missing here: the disk was too slow.
    Lost(u64),
    /// The run is over.
    End(LastLine),
}

/// [`crate::event::Command`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AskedRow {
    /// End the workload politely.
    Terminate,
    /// End it at once.
    Kill,
    /// Stop it.
    Freeze,
    /// Let it go on.
    Thaw,
    /// Other lines.
    Lines(LinesRow),
    /// Another grace period.
    GraceNs(u64),
    /// Another wall-clock limit; `None` is none.
    TimeoutNs(Option<u64>),
    /// So many processes; `None` is `max`.
    Pids(Option<u64>),
    /// A signal for one process.
    Signal {
        /// Which.
        pid: i32,
        /// Its number.
        signal: i32,
    },
    /// Its pool is over its limit.
    Yield {
        /// What the pool has in use.
        footprint: u64,
        /// The line that was reached.
        limit: u64,
        /// That is its second line.
        at_once: bool,
    },
}

/// [`crate::event::Crowd`] in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrowdRow {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    largest: Vec<WeightRow>,
    /// Number and start of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<(i32, u64)>,
    #[serde(skip_serializing_if = "zero")]
    cost_ns: u64,
}

/// [`crate::event::Weight`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightRow {
    pid: i32,
    started: u64,
    size: u64,
    own: u64,
    #[serde(default, skip_serializing_if = "zero")]
    command: bool,
}

/// A deed of which it is known only whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneRow {
    deed: DeedRow,
    result: ResultRow,
}

/// [`crate::event::Deed`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeedRow {
    /// Another limit of processes; `None` is `max`.
    Pids(Option<u64>),
    /// A signal for one process.
    Signal {
        /// Which.
        pid: i32,
        /// Its number.
        signal: i32,
    },
    /// Ending a single process.
    EndProcess {
        /// Which.
        pid: i32,
        /// When it started.
        started: u64,
        /// With all that descend from it.
        #[serde(default, skip_serializing_if = "zero")]
        with_descendants: bool,
        /// By SIGKILL.
        #[serde(default, skip_serializing_if = "zero")]
        kill: bool,
    },
    /// Stopped.
    Freeze,
    /// Let go on.
    Thaw,
    /// The polite signal.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// Where the kernel's lines stand after a deed, and what came of it. `None` is `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    high: Option<u64>,
    /// Of `memory.high` alone nothing is said of `memory.max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    result: ResultRow,
}

/// [`crate::event::DeedResult`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultRow {
    /// Done.
    Done,
    /// It takes a while.
    Pending,
    /// So much was in use.
    InUse(u64),
    /// This errno.
    Failed(i32),
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLine {
    /// Who ended what and why.
    pub text: String,
    /// Sentinel's exit status.
    pub exit_status: u8,
    /// Events that are missing because the disk was too slow or the file had its size.
    pub lost: u64,
    /// Looks left out so that the file keeps its size.
    pub thinned: u64,
}

fn zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// [`crate::event::Sample`] in a file; what is zero is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleRow {
    #[serde(skip_serializing_if = "zero")]
    current: u64,
    #[serde(skip_serializing_if = "zero")]
    cache: u64,
    #[serde(skip_serializing_if = "zero")]
    in_transit: u64,
    #[serde(skip_serializing_if = "zero")]
    slab: u64,
    #[serde(skip_serializing_if = "zero")]
    dirty: u64,
    #[serde(skip_serializing_if = "zero")]
    scanned: u64,
    #[serde(skip_serializing_if = "zero")]
    reclaimed: u64,
    #[serde(skip_serializing_if = "zero")]
    swap: u64,
    #[serde(skip_serializing_if = "zero")]
    swap_cached: u64,
    #[serde(skip_serializing_if = "zero")]
    hugetlb: u64,
    #[serde(skip_serializing_if = "zero")]
    listed_anon: u64,
    #[serde(skip_serializing_if = "zero")]
    unevictable: u64,
    #[serde(skip_serializing_if = "zero")]
    anon: u64,
    #[serde(skip_serializing_if = "zero")]
    shmem: u64,
    #[serde(skip_serializing_if = "zero")]
    kernel: u64,
    #[serde(skip_serializing_if = "zero")]
    high: u64,
    #[serde(skip_serializing_if = "zero")]
    max: u64,
    #[serde(skip_serializing_if = "zero")]
    oom: u64,
    #[serde(skip_serializing_if = "zero")]
    oom_kill: u64,
    #[serde(skip_serializing_if = "zero")]
    own_oom: Option<u64>,
    #[serde(skip_serializing_if = "zero")]
    pids_max: u64,
    #[serde(skip_serializing_if = "zero")]
    stalled_us: Option<u64>,
    /// `some` and `full` of the last ten seconds.
    #[serde(skip_serializing_if = "zero")]
    pressure: Option<(f64, f64)>,
    #[serde(skip_serializing_if = "zero")]
    unread_shares: u64,
    #[serde(skip_serializing_if = "zero")]
    available: Option<u64>,
    #[serde(skip_serializing_if = "zero")]
    tasks: u64,
    #[serde(skip_serializing_if = "zero")]
    cost_ns: u64,
}

/// Nanoseconds; more than 584 years are as many.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment of a line.
pub fn moment(t: u64) -> Timestamp {
    Timestamp(Duration::from_nanos(t))
}
