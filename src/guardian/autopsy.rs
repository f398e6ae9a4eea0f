//! The end's last act: what was gathered becomes a post-mortem and is kept.

use super::Guardian;
use super::evidence::micros;
use crate::cli::ReportSetting;
use crate::escape::{escape, shown};
use crate::event::{Cause, Ending, Outcome, Reason};
use crate::lines::Lines;
use crate::report::post_mortem::verdict::{advice, verdict};
use crate::report::post_mortem::{
    EndReason, Milestone, Moment, PostMortem, Run, SCHEMA, Verdict, archive,
};
use crate::report::state::memory_at;
use crate::status::{Counters, Level, Limits, Memory, Pressure, Remains, Status, Tier};
use crate::units::{Limit, millis};
use crate::workload::Workload;
use anyhow::{Context, Result};
use nix::libc::SIGINT;
use std::os::unix::ffi::OsStrExt;

impl Guardian {
    /// Whether there will be one, as far as can be known while it runs.
    pub(super) fn wants_report(&self) -> bool {
        self.config.report != ReportSetting::Never && !self.config.dry_run
    }

    /// Keeps the post-mortem, if this end is worth one, and says where.
    pub(super) fn keep_post_mortem(
        &mut self,
        (outcome, text, code): (&Outcome, &str, u8),
        status: &Status,
        remains: Option<&Remains>,
    ) {
        let verdict = verdict(outcome, status, text, code, self.config.term_signal);
        let acted = verdict.reason != EndReason::Exited && !self.was_interrupted(outcome);
        let wanted = match self.config.report {
            ReportSetting::Always => true,
            ReportSetting::Acted => acted,
            ReportSetting::Never => false,
        };
        if !wanted || self.config.dry_run {
            self.evidence.dismiss_witness();
            return;
        }
        let mappings = self.evidence.mappings();
        let samples = self.evidence.readings();
        let (memory, pressure) = self.at_the_decision(status);
        let report = PostMortem {
            schema: SCHEMA,
            version: status.version.clone(),
            run: self.run_of(status),
            advice: advice(&verdict, &status.limits, self.evidence.earlier_lines(), &samples),
            verdict,
            limits: status.limits,
            earlier_lines: self.evidence.earlier_lines().to_vec(),
            timeline: self.timeline(),
            samples,
            memory,
            pressure,
            events: status.events,
            processes: self.evidence.processes(),
            growers: self.evidence.growers(),
            mappings,
            left_in_tmpfs: remains.cloned(),
        };
        match archive::save(&report, self.caller_id) {
            Ok(path) => {
                self.say(Level::Info, format!("post-mortem: sentinel report ({})", shown(&path)))
            }
            Err(error) => self.say(Level::Warning, format!("no post-mortem: {error:#}")),
        }
    }

    /// Whether Ctrl-C is why it ended: who pressed it knows.
    fn was_interrupted(&self, outcome: &Outcome) -> bool {
        let by_child = outcome.child == Ending::Signaled(SIGINT);
        match outcome.cause {
            Cause::Itself => by_child,
            Cause::Guardian { reason: Reason::ChildExited, killed: None } => by_child,
            Cause::Guardian { reason: Reason::Operator, .. } => self.foreground.was_interrupted(),
            Cause::Guardian { .. } | Cause::KernelOom | Cause::SystemdStop | Cause::SystemdOomd => {
                false
            }
        }
    }

    /// What the keeper writes when we are killed, as far as it is known at the start.
    pub(super) fn report_of_our_death(
        &mut self,
        workload: &Workload,
        lines: &Lines,
        child: i32,
    ) -> Result<String> {
        let limits = Limits {
            limit: lines.limit,
            trip_wire: Limit::Max,
            relief_line: lines.relief,
            second_line: lines.second,
            ceiling: lines.ceiling,
            swap: self.config.swap,
            swap_room: lines.swap,
            pids: self.config.pids.0,
            grace_ms: millis(self.config.grace),
        };
        let verdict = Verdict {
            reason: EndReason::GuardianDeath,
            ended_by: "keeper".to_owned(),
            signal: None,
            text: String::new(),
            exit_status: 137,
            child_exited: None,
            child_signal: None,
        };
        let run = Run {
            tier: workload.tier(),
            placement: workload.row().map(|row| row.name().to_owned()),
            cgroup: workload.cgroup().map(|cgroup| shown(cgroup.path())),
            child_pid: child.cast_unsigned(),
            ..self.this_run()
        };
        let report = PostMortem {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run,
            advice: advice(&verdict, &limits, &[], &[]),
            verdict,
            limits,
            earlier_lines: Vec::new(),
            timeline: self.evidence.moments(),
            samples: Vec::new(),
            memory: Memory::default(),
            pressure: None,
            events: Counters::default(),
            processes: Vec::new(),
            growers: Vec::new(),
            mappings: None,
            left_in_tmpfs: None,
        };
        serde_json::to_string(&report).context("render what it may have to tell")
    }

    /// Memory and pressure as the look had them that decided; those of the last look where nothing was.
    fn at_the_decision(&self, status: &Status) -> (Memory, Option<Pressure>) {
        let guard = &self.guards[0];
        let Some((_, sample)) = guard.term.or(guard.kill) else {
            return (status.memory, status.pressure);
        };
        (memory_at(&sample, status.memory), sample.pressure)
    }

    fn run_of(&self, status: &Status) -> Run {
        Run {
            tier: status.tier,
            placement: status.placement.clone(),
            cgroup: status.cgroup.clone(),
            child_pid: status.child_pid,
            ran_ms: status.uptime_ms,
            ..self.this_run()
        }
    }

    /// What is the same for every workload of this guardian.
    fn this_run(&self) -> Run {
        let now = millis(crate::clock::unix_time());
        let lived = millis(self.clock.now().0);
        let system = nix::sys::utsname::uname().ok();
        let kernel = system.as_ref().map(|name| name.release().to_string_lossy().into_owned());
        let host = system.as_ref().map(|name| escape(name.nodename().as_bytes()));
        let directory = std::env::current_dir().ok().map(|path| shown(&path));
        Run {
            name: self.config.name.clone(),
            command: self.config.command.iter().map(|word| escape(word.as_bytes())).collect(),
            host: host.filter(|name| !name.is_empty()),
            user: Some(self.user()),
            directory,
            kernel: kernel.unwrap_or_default(),
            tier: Tier::Polled,
            placement: None,
            cgroup: None,
            guardian_pid: std::process::id(),
            child_pid: 0,
            started_unix_ms: now.saturating_sub(lived),
            ran_ms: lived,
        }
    }

    fn user(&self) -> String {
        let caller = crate::account::name_of(self.caller_id.uid);
        match &self.config.account {
            Some(account) => format!("{caller}, ran as {}", account.name()),
            None => caller,
        }
    }

    /// With the decision, which is known by the look that it was made with.
    fn timeline(&self) -> Vec<Moment> {
        let mut moments = self.evidence.moments();
        // The summary is told behind the end, and is the verdict.
        if let Some(end) = moments.iter().position(|moment| moment.what == Milestone::Empty) {
            moments.truncate(end + 1);
        }
        if let Some((at, sample)) = self.guards[0].term {
            let text = format!(
                "decided: footprint {}, memory.current {}",
                sample.footprint(),
                sample.current
            );
            let decided = Moment { at_us: micros(at.0), what: Milestone::Decided, text };
            let place = moments.partition_point(|moment| moment.at_us < decided.at_us);
            moments.insert(place, decided);
        }
        moments
    }
}
