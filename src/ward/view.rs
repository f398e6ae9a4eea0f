//! What others get to see of a ward: its status and its process table, made a little at a time.

use super::Ward;
use crate::cgroup::kept::Keeping;
use crate::clock::Timestamp;
use crate::escape::escape;
use crate::policy::Rung;
use crate::processes::{ProcessScan, Trends, rss_sum};
use crate::report::{from_policy, words};
use crate::status::{
    Io, Limits, Memory, ProcessRow, SCHEMA_VERSION, State, Status, Tier, Usage, WatchLine,
};
use crate::sys::process::Spent;
use crate::units::{Bytes, Limit, millis};
use crate::workload::usage::{UsageMeter, UsageReading};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Watchers get a status this often.
const STATUS_EVERY: Duration = Duration::from_millis(200);
/// All together tell no more than five hundred a second.
const ONE_OF_MANY: Duration = Duration::from_millis(2);
/// And a process table this often.
const TABLE_EVERY: Duration = Duration::from_millis(500);
/// Rows in a watch line.
const ROWS: usize = 200;
/// After each step of a table so many times as long passes as the step took: however many processes there are, tables take a
/// tenth of one processor. Somebody who waits for one gets it at once.
const REST: u32 = 9;
/// We may have been stopped within a step.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// State of what is published.
#[derive(Debug, Default)]
pub(super) struct View {
    scan: Option<ProcessScan>,
    /// Somebody waits for the table.
    hurried: bool,
    trends: Trends,
    meter: Option<UsageMeter>,
    usage: Option<Usage>,
    /// What the workload's processes had used that we reaped.
    ended: Spent,
    /// When its next step is due.
    step_at: Timestamp,
    rows: Vec<ProcessRow>,
    rows_at: Option<Timestamp>,
    rows_sent: bool,
    /// The rung at the last status.
    rung: Option<std::mem::Discriminant<Rung>>,
    status_at: Option<Timestamp>,
}

impl View {
    pub(super) fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let step_at = if self.hurried { now } else { self.step_at };
        let scan = self.scan.is_some().then_some(step_at);
        scan.into_iter().chain(self.status_at).min()
    }
}

impl Ward {
    /// Somebody waits for the next process table.
    pub fn hurry_table(&mut self) {
        self.look_for_people();
        self.view.hurried = true;
        if self.view.scan.is_none() {
            let pids = self.workload.processes().to_vec();
            self.begin_table(&pids);
        }
    }

    fn begin_table(&mut self, pids: &[i32]) {
        let trends = std::mem::take(&mut self.view.trends);
        self.view.scan = Some(ProcessScan::following(pids, trends, self.clock.now()));
    }

    /// Goes on with the process table. True when it is there.
    pub fn step_table(&mut self) -> bool {
        let started = self.clock.now();
        let view = &mut self.view;
        let Some(scan) = &mut view.scan else { return false };
        if started < view.step_at && !view.hurried {
            return false;
        }
        scan.set_now(started);
        let done = scan.step();
        let now = self.clock.now();
        let rest = if view.hurried { 0 } else { REST };
        view.step_at = now + (now.since(started) * rest).min(LONGEST_REST);
        if done {
            self.take_table(now);
        }
        done
    }

    fn take_table(&mut self, now: Timestamp) {
        let Some(mut scan) = self.view.scan.take() else { return };
        self.take_usage((Some(&scan), false), now);
        self.view.trends = scan.take_trends();
        self.view.rows = scan.finish();
        if self.policy.frozen() {
            still(&mut self.view.rows);
        }
        self.view.hurried = false;
        // A table and the footprint beside it are to be of one moment.
        self.view.status_at = None;
        self.view.rows_at = Some(now);
        self.view.rows_sent = false;
    }

    /// The last process table.
    pub fn rows(&self) -> &[ProcessRow] {
        &self.view.rows
    }

    /// Nobody watches.
    pub fn rest_view(&mut self) {
        self.view.status_at = None;
    }

    /// What watchers get, when it is due: no rung is missed, however short. Of many wards each is told of less often.
    pub fn watch_line(&mut self, wards: usize) -> Option<WatchLine> {
        let (now, rung) = (self.clock.now(), std::mem::discriminant(&self.policy.rung()));
        let climbed = self.view.rung.replace(rung).is_some_and(|before| before != rung);
        if !climbed && self.view.status_at.is_some_and(|at| now < at) {
            return None;
        }
        let many = ONE_OF_MANY.saturating_mul(u32::try_from(wards).unwrap_or(u32::MAX));
        self.view.status_at = Some(now + STATUS_EVERY.max(many));
        self.look_for_people();
        let due = self.view.rows_at.is_none_or(|at| now.since(at) >= TABLE_EVERY);
        if due && self.view.scan.is_none() {
            let pids = self.workload.processes_lately().to_vec();
            self.begin_table(&pids);
        }
        self.take_usage((None, false), now);
        let fresh = !std::mem::replace(&mut self.view.rows_sent, true);
        let rows = || self.view.rows.iter().take(ROWS).cloned().collect::<Vec<_>>();
        let processes = fresh.then(rows);
        Some(WatchLine::Status { status: Box::new(self.status()), processes })
    }

    /// Where it is our own cgroup that tells, or one of others, it was in use before: what it says at the start is not of the run.
    pub fn begin_usage(&mut self) {
        let keeping = match self.workload.is_foreign() {
            true => Keeping::Sparing,
            // Of that others have a part in, the process table tells.
            false if self.workload.shares_cgroup() => return,
            false if self.workload.cgroup().is_none() => Keeping::Open,
            false => return,
        };
        if let Some(cgroup) = self.workload.watched() {
            let meter = self.view.meter.insert(UsageMeter::of_ours(Some(cgroup), keeping));
            self.view.usage = meter.read(self.clock.now());
        }
    }

    /// A process of the workload ended and was reaped.
    pub fn add_ended(&mut self, spent: &Spent) {
        self.view.ended.add(spent);
    }

    /// What the processes had used that ended.
    pub(super) fn ended_spent(&self) -> &Spent {
        &self.view.ended
    }

    /// All have ended.
    pub fn take_last_usage(&mut self) {
        self.take_usage((None, true), self.clock.now());
    }

    /// Where the workload's cgroup does not tell, the process table does, and at the end those who are reaped.
    fn take_usage(&mut self, (scan, all_ended): (Option<&ProcessScan>, bool), now: Timestamp) {
        let (view, cgroup) = (&mut self.view, self.workload.cgroup());
        let meter = view.meter.get_or_insert_with(|| UsageMeter::of_its_own(cgroup));
        let living = scan.map(ProcessScan::cpu_usec).or(all_ended.then_some(0));
        let usage = match living.filter(|_| !meter.reads_files()) {
            Some(living) => {
                let cpu_usec = view.ended.cpu_usec.saturating_add(living);
                Some(meter.take(UsageReading { cpu_usec, io: None }, now))
            }
            None => meter.read(now),
        };
        // The last is kept when the cgroup is gone.
        // A process that ended between two tables must not make it less: it is a counter for those who read metrics.
        let before = view.usage.map_or(0, |usage| usage.cpu_usec);
        let usage = usage.map(|usage| Usage { cpu_usec: usage.cpu_usec.max(before), ..usage });
        view.usage = usage.or(view.usage);
        if all_ended && let Some(usage) = view.usage.as_mut().filter(|usage| usage.io.is_none()) {
            let (read, written) = (Bytes(view.ended.read), Bytes(view.ended.written));
            usage.io = Some(Io { read, written, ..Io::default() });
        }
    }

    /// A command of ours since the guardian's start, what others started since we came to it.
    fn guarded_for(&self, now: Timestamp) -> Duration {
        let until = self.story.ended_at.unwrap_or(now);
        if self.workload.is_foreign() { until.since(self.policy.started()) } else { until.0 }
    }

    /// Everything about it.
    pub fn status(&self) -> Status {
        let (now, policy) = (self.clock.now(), &self.policy);
        let sample = policy.last();
        let (state, reason, kill_at) = from_policy::state(policy.rung());
        let refused = |reason: String| match self.refusal() {
            Some(refusal) => format!("{reason}; {refusal}"),
            None => reason,
        };
        let reason = reason.map(refused);
        let breach = from_policy::breach(policy, now);
        let process = policy.process_being_ended();
        let process_reason = process.map(|(id, why, _)| words::process::being_ended(id, &why));
        let kill_at = kill_at.or(process.map(|(_, _, kill_at)| kill_at));
        let starting = self.starting().is_some() && state == State::Running;
        Status {
            schema: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.rules.name.clone(),
            guardian_pid: crate::sys::process::own(),
            guardian_rss: (!self.has_ended()).then(crate::sys::memory::rss).flatten(),
            child_pid: u32::try_from(self.command_pid()).unwrap_or(0),
            tree_pid: self.workload.tree_pid(),
            command: self.rules.command.iter().map(|word| escape(word.as_bytes())).collect(),
            tier: self.tier(),
            tier_reason: self.tier_reason.clone(),
            placement: self.workload.row().map(|row| row.name().to_owned()),
            cgroup: self.workload.cgroup().map(|c| escape(c.path().as_os_str().as_bytes())),
            started_unix_ms: Some(millis(self.clock.started_unix())),
            uptime_ms: millis(self.guarded_for(now)),
            state: if starting { State::Starting } else { state },
            frozen: policy.frozen() || self.is_frozen_by_others(),
            dry_run: self.rules.dry_run,
            reason: reason.or(process_reason).or(breach.reason),
            process_ending: process.map(|(id, ..)| id.pid),
            breach: breach.state,
            breach_left_ms: breach.left_ms,
            kill_in_ms: kill_at.map(|at| millis(at.since(now))),
            limits: self.limits(),
            memory: self.memory(),
            growth: if policy.frozen() { 0 } else { policy.growth().per_second() },
            forecast_ms: policy.forecast().filter(|_| !policy.frozen()).map(millis),
            pressure: sample.pressure,
            events: sample.counters,
            warned: policy.warned(),
            processes: sample.processes,
            processes_ended: policy.processes_ended(),
            usage: self.view.usage,
        }
    }

    fn limits(&self) -> Limits {
        let lines = self.policy.lines();
        let kernel = self.tier() == Tier::Kernel && !self.rules.dry_run;
        // Read at this moment, while the cgroup is there: what the workload itself, or an order on its way, did to them is seen.
        let in_force = self.workload.in_force().filter(|_| kernel);
        let (high, max) =
            in_force.map_or((self.policy.trip_wire(), None), |it| (it.high, it.max.value()));
        // Whoever SIGKILL was sent to was guarded with the lines until then: it makes room above them.
        let killed = self.has_ended() && self.kill_sent().is_some();
        let ceiling = max.filter(|_| !killed).map_or(lines.ceiling, Bytes);
        Limits {
            trip_wire: if kernel { high } else { Limit::Max },
            ceiling,
            swap: if kernel { self.rules.swap } else { Limit::Max },
            // Of a cgroup of others it is theirs, and no limit of ours.
            pids: if self.workload.is_foreign() { Limit::Max } else { self.rules.pids.0 },
            ..from_policy::limits(&self.policy, kernel)
        }
    }

    fn memory(&self) -> Memory {
        let counted = self.counts_huge_pages();
        let seen = from_policy::memory(&self.policy);
        Memory {
            rss: self.view.rows_at.map(|_| rss_sum(&self.view.rows)),
            hugetlb: if counted { seen.hugetlb } else { self.huge_pages.uncounted },
            hugetlb_counted: counted,
            ..seen
        }
    }
}

/// What is frozen neither grows nor works, whatever it did a moment before.
fn still(rows: &mut [ProcessRow]) {
    for row in rows {
        (row.growth, row.cpu_permille) = (row.growth.map(|_| 0), row.cpu_permille.map(|_| 0));
    }
}
