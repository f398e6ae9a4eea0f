//! What others get to see: the status, the process table, the dashboard. All of it made aside, a little at a time.

use super::Guardian;
use super::output_log::OutputLog;
use super::relay::Relay;
use crate::cgroup::Cgroup;
use crate::clock::Timestamp;
use crate::control::protocol::Request;
use crate::control::server::ClientId;
use crate::dashboard::Dashboard;
use crate::escape::escape;
use crate::event::Ending;
use crate::exporter::Exporter;
use crate::policy::Rung;
use crate::processes::{ProcessScan, Trends, rss_sum};
use crate::report::state;
use crate::status::{
    Io, Level, Limits, Memory, ProcessRow, SCHEMA_VERSION, State, Status, Tier, Usage, WatchLine,
};
use crate::sys::process::Spent;
use crate::units::{Bytes, Limit, millis};
use crate::workload::Workload;
use crate::workload::usage::{Reading, UsageMeter};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Watchers get a status this often.
const STATUS_EVERY: Duration = Duration::from_millis(200);
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
pub(super) struct Publisher {
    scan: Option<ProcessScan>,
    trends: Trends,
    meter: Option<UsageMeter>,
    usage: Option<Usage>,
    /// What the workload's processes had used that we reaped.
    pub(super) ended: Spent,
    /// When its next step is due.
    step_at: Timestamp,
    rows: Vec<ProcessRow>,
    rows_at: Option<Timestamp>,
    rows_sent: bool,
    /// The rung at the last status.
    rung: Option<std::mem::Discriminant<Rung>>,
    waiting: Vec<(ClientId, Request)>,
    status_at: Option<Timestamp>,
    pub(super) dashboard: Option<Dashboard>,
    /// The dashboard ended, and had drawn something.
    dashboard_drew: bool,
    /// Where the command's output is kept.
    pub(super) log: Option<OutputLog>,
    exporter: Option<Exporter>,
    /// Output of the command that stdout did not take yet.
    pub(super) relay: Option<Relay>,
}

impl Publisher {
    /// With a file that gets the command's output.
    pub(super) fn keeping(log: Option<OutputLog>) -> Publisher {
        Publisher { log, ..Publisher::default() }
    }

    pub(super) fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let step_at = if self.waiting.is_empty() { self.step_at } else { now };
        let scan = self.scan.is_some().then_some(step_at);
        let relay = self.relay.as_ref().and_then(|relay| relay.next_deadline(now));
        [scan, self.status_at, relay].into_iter().flatten().min()
    }

    pub(super) fn close_terminal_of_child(&mut self) {
        if let Some(dashboard) = &mut self.dashboard {
            dashboard.slave = None;
        }
    }

    pub(super) fn dashboard_pid(&self) -> Option<i32> {
        self.dashboard.as_ref().filter(|_| self.relay.is_none()).and_then(Dashboard::pid)
    }

    /// The command has a terminal of its own, whoever shows it.
    pub(super) fn had_dashboard(&self) -> bool {
        self.dashboard.is_some()
    }

    /// A request that needs the process table waits for the next one.
    pub(super) fn wait_for_table(
        &mut self,
        (id, request): (ClientId, Request),
        pids: &[i32],
        now: Timestamp,
    ) {
        self.waiting.push((id, request));
        if self.scan.is_none() {
            self.begin_scan(pids, now);
        }
    }

    fn begin_scan(&mut self, pids: &[i32], now: Timestamp) {
        let trends = std::mem::take(&mut self.trends);
        self.scan = Some(ProcessScan::following(pids, trends, now));
    }

    /// Where it is our own cgroup that tells, it was in use before: what it says at the start is not of the run.
    pub(super) fn begin_usage(&mut self, workload: &Workload, now: Timestamp) {
        if workload.cgroup().is_none() && workload.watched().is_some() {
            let meter = self.meter.insert(UsageMeter::of_ours(workload.watched()));
            self.usage = meter.read(now);
        }
    }

    /// Where the workload's cgroup does not tell, the process table does, and at the end those who are reaped.
    pub(super) fn take_usage(
        &mut self,
        cgroup: Option<&Cgroup>,
        (scan, all_ended): (Option<&ProcessScan>, bool),
        now: Timestamp,
    ) {
        let meter = self.meter.get_or_insert_with(|| UsageMeter::of_its_own(cgroup));
        let living = scan.map(ProcessScan::cpu_usec).or(all_ended.then_some(0));
        let usage = match living.filter(|_| !meter.reads_files()) {
            Some(living) => {
                let cpu_usec = self.ended.cpu_usec.saturating_add(living);
                Some(meter.take(Reading { cpu_usec, io: None }, now))
            }
            None => meter.read(now),
        };
        // The last is kept when the cgroup is gone.
        // A process that ended between two tables must not make it less: it is a counter for those who read metrics.
        let before = self.usage.map_or(0, |usage| usage.cpu_usec);
        let usage = usage.map(|usage| Usage { cpu_usec: usage.cpu_usec.max(before), ..usage });
        self.usage = usage.or(self.usage);
        if all_ended && let Some(usage) = self.usage.as_mut().filter(|usage| usage.io.is_none()) {
            let (read, written) = (Bytes(self.ended.read), Bytes(self.ended.written));
            usage.io = Some(Io { read, written, ..Io::default() });
        }
    }
}

impl Guardian {
    /// Starts the dashboard, or says why there is none and goes on without.
    pub(super) fn open_dashboard(&mut self, mut dashboard: Dashboard, workload: &mut Workload) {
        let Some(server) = &mut self.server else { return };
        let pipe = self.publisher.log.as_ref().and_then(OutputLog::pipe);
        let started = dashboard.start(pipe).and_then(|stream| Ok(server.adopt(stream)?));
        dashboard.pid().into_iter().for_each(|pid| workload.leave_out(pid));
        self.publisher.dashboard = Some(dashboard);
        match started {
            Ok(_) => self.console.hold(true),
            Err(error) => {
                self.say(Level::Warning, format!("no dashboard: {error:#}"));
                self.begin_relay();
            }
        }
    }

    /// Starts the exporter. It ends with us, so nobody waits for it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn open_exporter(
        &mut self,
        listener: TcpListener,
        workload: &mut Workload,
    ) -> anyhow::Result<()> {
        let exporter = Exporter::start(listener)?;
        exporter.pid().into_iter().for_each(|pid| workload.leave_out(pid));
        self.publisher.exporter = Some(exporter);
        Ok(())
    }

    /// A child that is not the command ended: an orphan of the workload, or the dashboard.
    pub(super) fn other_child_ended(&mut self, pid: i32, ending: Ending) {
        self.guards.iter_mut().for_each(|guard| guard.workload.forget(pid));
        if self.guards[0].workload.keeper_ended(pid) {
            return self.scope_stopped();
        }
        if let Some(result) = self.guards[0].workload.line_writer_ended(pid, ending) {
            return result.into_iter().for_each(|result| self.lines_done(0, result));
        }
        if self.keeper_ended(pid) || self.witness_ended(pid) || self.scribe_ended(pid, ending) {
            return;
        }
        if self.log_ended(pid, ending) {
            return;
        }
        if self.publisher.exporter.as_ref().is_some_and(|exporter| exporter.pid() == Some(pid)) {
            self.publisher.exporter = None;
            return self.say(Level::Warning, "the exporter of metrics is gone".to_owned());
        }
        if self.publisher.dashboard_pid() != Some(pid) {
            return;
        }
        self.publisher.dashboard_drew = ending == Ending::Exited(0);
        // First of all the terminal as it was, or the line would be on the dashboard's screen.
        self.begin_relay();
        self.console.hold(false);
        let running = self.guards.iter().any(|guard| guard.outcome.is_none());
        if running {
            let name = &self.config.name;
            let text =
                format!("the dashboard is gone; going on without; to see it: sentinel top {name}");
            self.say(Level::Info, text);
        }
    }

    /// Whether a dashboard was shown, and has gone.
    pub(super) fn has_drawn(&self) -> bool {
        self.publisher.dashboard_drew
    }

    /// The dashboard's process is waited for at the end.
    pub(super) fn has_dashboard(&self) -> bool {
        self.publisher.dashboard_pid().is_some()
    }

    /// Publishes what is due. Called once a turn of the loop.
    pub(super) fn publish(&mut self) {
        self.step_scan();
        self.resume_relay();
        let Some(server) = &self.server else { return };
        let watchers = server.has_watchers();
        if watchers.text + watchers.json == 0 {
            self.publisher.status_at = None;
            return;
        }
        let (now, rung) = (self.clock.now(), std::mem::discriminant(&self.guards[0].policy.rung()));
        // No rung is missed, however short.
        let climbed = self.publisher.rung.replace(rung).is_some_and(|before| before != rung);
        if !climbed && self.publisher.status_at.is_some_and(|at| now < at) {
            return;
        }
        self.publisher.status_at = Some(now + STATUS_EVERY);
        let due = self.publisher.rows_at.is_none_or(|at| now.since(at) >= TABLE_EVERY);
        if due && self.publisher.scan.is_none() {
            let pids = self.guards[0].workload.processes_lately().to_vec();
            self.publisher.begin_scan(&pids, now);
        }
        self.publisher.take_usage(self.guards[0].workload.cgroup(), (None, false), now);
        self.publish_status();
    }

    fn publish_status(&mut self) {
        let status = Box::new(self.status(0));
        let fresh = !std::mem::replace(&mut self.publisher.rows_sent, true);
        let processes =
            fresh.then(|| self.publisher.rows.iter().take(ROWS).cloned().collect::<Vec<_>>());
        if let Some(server) = &mut self.server {
            server.publish(&WatchLine::Status { status, processes });
        }
    }

    fn step_scan(&mut self) {
        let started = self.clock.now();
        let Some(scan) = &mut self.publisher.scan else { return };
        if started < self.publisher.step_at && self.publisher.waiting.is_empty() {
            return;
        }
        scan.set_now(started);
        let done = scan.step();
        let now = self.clock.now();
        let rest = if self.publisher.waiting.is_empty() { REST } else { 0 };
        self.publisher.step_at = now + (now.since(started) * rest).min(LONGEST_REST);
        if !done {
            return;
        }
        if let Some(mut scan) = self.publisher.scan.take() {
            let cgroup = self.guards[0].workload.cgroup();
            self.publisher.take_usage(cgroup, (Some(&scan), false), now);
            self.publisher.trends = scan.take_trends();
            self.publisher.rows = scan.finish();
            if self.guards[0].policy.frozen() {
                still(&mut self.publisher.rows);
            }
            // A table and the footprint beside it are to be of one moment.
            self.publisher.status_at = None;
            self.publisher.rows_at = Some(now);
            self.publisher.rows_sent = false;
        }
        for (id, request) in std::mem::take(&mut self.publisher.waiting) {
            self.answer_with_table(id, &request);
        }
    }

    /// The last process table.
    pub(super) fn rows(&self) -> &[ProcessRow] {
        &self.publisher.rows
    }

    /// Everything about one workload.
    pub(super) fn status(&self, index: usize) -> Status {
        let guard = &self.guards[index];
        let now = self.clock.now();
        let policy = &guard.policy;
        let sample = policy.last();
        let (state, reason, kill_at) = state::of(policy.rung());
        let starting = guard.starting.is_some() && state == State::Running;
        Status {
            schema: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            guardian_pid: std::process::id(),
            child_pid: u32::try_from(guard.child_pid).unwrap_or(0),
            command: self.config.command.iter().map(|word| escape(word.as_bytes())).collect(),
            tier: guard.workload.tier(),
            tier_reason: self.tier_reason.clone(),
            placement: guard.workload.row().map(|row| row.name().to_owned()),
            cgroup: guard.workload.cgroup().map(|c| escape(c.path().as_os_str().as_bytes())),
            started_unix_ms: Some(millis(self.clock.started_unix())),
            uptime_ms: millis(guard.ended_at.unwrap_or(now).0),
            state: if starting { State::Starting } else { state },
            frozen: policy.frozen(),
            dry_run: self.config.dry_run,
            reason,
            kill_in_ms: kill_at.map(|at| millis(at.since(now))),
            limits: self.limits(index),
            memory: self.memory(index),
            growth: if policy.frozen() { 0 } else { policy.growth().per_second() },
            forecast_ms: policy.forecast().filter(|_| !policy.frozen()).map(millis),
            pressure: sample.pressure,
            events: sample.counters,
            warned: policy.warned(),
            processes: sample.processes,
            usage: self.publisher.usage,
        }
    }

    fn limits(&self, index: usize) -> Limits {
        let guard = &self.guards[index];
        let lines = guard.policy.lines();
        let kernel = guard.workload.tier() == Tier::Kernel && !self.config.dry_run;
        // Read at this moment, while the cgroup is there: what the workload itself, or an order on its way, did to them is seen.
        let in_force = guard.workload.in_force().filter(|_| kernel);
        let (high, max) =
            in_force.map_or((guard.policy.trip_wire(), None), |it| (it.high, it.max.value()));
        let ceiling = max.map_or(lines.ceiling, Bytes);
        Limits {
            trip_wire: if kernel { high } else { Limit::Max },
            ceiling,
            swap: if kernel { self.config.swap } else { Limit::Max },
            pids: self.config.pids.0,
            ..state::limits(&guard.policy, kernel)
        }
    }

    fn memory(&self, index: usize) -> Memory {
        let policy = &self.guards[index].policy;
        let counted = self.counts_huge_pages();
        let seen = state::memory(policy);
        Memory {
            rss: self.publisher.rows_at.map(|_| rss_sum(&self.publisher.rows)),
            hugetlb: if counted { seen.hugetlb } else { self.unseen.huge_pages.uncounted },
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
