//! The lines of a trace. The first is a [`Start`], each other a [`Row`]; times are nanoseconds of the guardian's clock, sizes bytes.
//! Kept apart from the types of the policy, so that a change there does not change what is in a file.

use crate::clock::Timestamp;
use crate::event::{Command, Ending, Event, Sample};
use crate::policy::interval::Cadence;
use crate::policy::lines::Lines;
use crate::policy::thrash::ThrashRule;
use crate::policy::warn::WarnRule;
use crate::policy::{OnExit, PolicyConfig};
use crate::status::{Counters, Pressure, Tier};
use crate::units::{Bytes, Percent};
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
}

/// [`PolicyConfig`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    lines: LinesRow,
    grace_ns: u64,
    warn_percent: u32,
    warn_within_ns: u64,
    /// Percent of the time, and for how long.
    thrash: Option<(u32, u64)>,
    timeout_ns: Option<u64>,
    /// True: what is left when the command ends is ended too.
    end_rest: bool,
    dry_run: bool,
    /// True: the kernel tells of growth; false: looks alone do.
    events: bool,
    slack: u64,
}

/// Something that happened, and what was done about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
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
    /// Nobody is left.
    Empty {},
    /// Somebody asked for something.
    Operator(Asked),
    /// So many events are missing here: the disk was too slow.
    Lost(u64),
    /// The run is over.
    End(End),
}

/// [`Command`] in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
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
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
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

/// [`Sample`] in a file; what is zero is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleRow {
    #[serde(skip_serializing_if = "zero")]
    current: u64,
    #[serde(skip_serializing_if = "zero")]
    cache: u64,
    #[serde(skip_serializing_if = "zero")]
    swap: u64,
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
    pids_max: u64,
    #[serde(skip_serializing_if = "zero")]
    stalled_us: Option<u64>,
    /// `some` and `full` of the last ten seconds.
    #[serde(skip_serializing_if = "zero")]
    pressure: Option<(f64, f64)>,
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

impl From<&Lines> for LinesRow {
    fn from(lines: &Lines) -> Self {
        let (limit, relief) = (lines.limit.0, lines.relief.0);
        LinesRow { limit, relief, second: lines.second.0, ceiling: lines.ceiling.0 }
    }
}

impl From<LinesRow> for Lines {
    fn from(row: LinesRow) -> Self {
        let (limit, relief) = (Bytes(row.limit), Bytes(row.relief));
        Lines { limit, relief, second: Bytes(row.second), ceiling: Bytes(row.ceiling) }
    }
}

impl From<&PolicyConfig> for Rules {
    fn from(config: &PolicyConfig) -> Self {
        Rules {
            lines: LinesRow::from(&config.lines),
            grace_ns: nanos(config.grace),
            warn_percent: config.warn.share.0,
            warn_within_ns: nanos(config.warn.within),
            thrash: config.thrash.map(|rule| (rule.share.0, nanos(rule.hold))),
            timeout_ns: config.timeout.map(nanos),
            end_rest: config.on_exit == OnExit::Terminate,
            dry_run: config.dry_run,
            events: config.cadence == Cadence::Events,
            slack: config.slack.0,
        }
    }
}

impl From<Rules> for PolicyConfig {
    fn from(rules: Rules) -> Self {
        let time = Duration::from_nanos;
        let thrash =
            |(share, hold)| ThrashRule { share: Percent(share), hold: Duration::from_nanos(hold) };
        PolicyConfig {
            lines: rules.lines.into(),
            grace: time(rules.grace_ns),
            warn: WarnRule {
                share: Percent(rules.warn_percent),
                within: time(rules.warn_within_ns),
            },
            thrash: rules.thrash.map(thrash),
            timeout: rules.timeout_ns.map(time),
            on_exit: if rules.end_rest { OnExit::Terminate } else { OnExit::Wait },
            dry_run: rules.dry_run,
            cadence: if rules.events { Cadence::Events } else { Cadence::Polled },
            slack: Bytes(rules.slack),
        }
    }
}

impl From<&Sample> for SampleRow {
    fn from(sample: &Sample) -> Self {
        let counters = &sample.counters;
        SampleRow {
            current: sample.current.0,
            cache: sample.cache.0,
            swap: sample.swap.0,
            anon: sample.anon.0,
            shmem: sample.shmem.0,
            kernel: sample.kernel.0,
            high: counters.high,
            max: counters.max,
            oom: counters.oom,
            oom_kill: counters.oom_kill,
            pids_max: counters.pids_max,
            stalled_us: sample.stalled_usec,
            pressure: sample.pressure.map(|it| (it.some_avg10, it.full_avg10)),
            tasks: sample.processes,
            cost_ns: nanos(sample.cost),
        }
    }
}

impl From<SampleRow> for Sample {
    fn from(row: SampleRow) -> Self {
        let pressure = |(some_avg10, full_avg10)| Pressure { some_avg10, full_avg10 };
        Sample {
            current: Bytes(row.current),
            cache: Bytes(row.cache),
            swap: Bytes(row.swap),
            anon: Bytes(row.anon),
            shmem: Bytes(row.shmem),
            kernel: Bytes(row.kernel),
            counters: Counters {
                high: row.high,
                max: row.max,
                oom: row.oom,
                oom_kill: row.oom_kill,
                pids_max: row.pids_max,
            },
            stalled_usec: row.stalled_us,
            pressure: row.pressure.map(pressure),
            processes: row.tasks,
            cost: Duration::from_nanos(row.cost_ns),
        }
    }
}

impl From<&Event> for What {
    fn from(event: &Event) -> Self {
        match event {
            Event::Sample(sample) => What::Sample(sample.into()),
            Event::Deadline => What::Deadline {},
            Event::ChildExited(Ending::Exited(status)) => What::Exited(*status),
            Event::ChildExited(Ending::Signaled(signal)) => What::Signaled(*signal),
            Event::Empty => What::Empty {},
            Event::Operator(command) => What::Operator(match command {
                Command::Terminate => Asked::Terminate,
                Command::Kill => Asked::Kill,
                Command::Freeze => Asked::Freeze,
                Command::Thaw => Asked::Thaw,
                Command::SetLines(lines) => Asked::Lines(lines.into()),
                Command::SetGrace(grace) => Asked::GraceNs(nanos(*grace)),
            }),
        }
    }
}

impl What {
    /// The event that this line is about, if it is about one.
    pub fn event(&self) -> Option<Event> {
        Some(match self {
            What::Sample(row) => Event::Sample((*row).into()),
            What::Deadline {} => Event::Deadline,
            What::Exited(status) => Event::ChildExited(Ending::Exited(*status)),
            What::Signaled(signal) => Event::ChildExited(Ending::Signaled(*signal)),
            What::Empty {} => Event::Empty,
            What::Operator(asked) => Event::Operator(match asked {
                Asked::Terminate => Command::Terminate,
                Asked::Kill => Command::Kill,
                Asked::Freeze => Command::Freeze,
                Asked::Thaw => Command::Thaw,
                Asked::Lines(lines) => Command::SetLines((*lines).into()),
                Asked::GraceNs(grace) => Command::SetGrace(Duration::from_nanos(*grace)),
            }),
            What::Lost(_) | What::End(_) => return None,
        })
    }
}
