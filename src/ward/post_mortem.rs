//! What was gathered becomes a post-mortem.

use super::Ward;
use super::evidence::micros;
use crate::cli::ReportSetting;
use crate::escape::{escape, shown};
use crate::event::{Cause, Ending, Reason};
use crate::report::from_policy::memory_at;
use crate::report::post_mortem::verdict::advice;
use crate::report::post_mortem::{
    EndReason, Mappings, Milestone, Moment, PostMortem, RunFacts, SCHEMA, Verdict,
};
use crate::report::record::CallerId;
use crate::status::{Counters, Limits, Memory, Pressure, Remains, Status, Tier};
use crate::units::{Limit, millis};
use nix::libc::SIGINT;
use std::os::unix::ffi::OsStrExt;

/// Where a run was, and whose: what is the same for every workload of a guardian.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The machine's name.
    pub host: Option<String>,
    /// Who called, by name.
    pub caller: String,
    /// The working directory.
    pub directory: Option<String>,
    /// The kernel's release.
    pub kernel: String,
}

impl Origin {
    /// As of now.
    pub fn find(caller: CallerId) -> Origin {
        let system = nix::sys::utsname::uname().ok();
        let kernel = system.as_ref().map(|name| name.release().to_string_lossy().into_owned());
        let host = system.as_ref().map(|name| escape(name.nodename().as_bytes()));
        Origin {
            host: host.filter(|name| !name.is_empty()),
            caller: crate::account::name_of(caller.uid),
            directory: std::env::current_dir().ok().map(|path| shown(&path)),
            kernel: kernel.unwrap_or_default(),
        }
    }
}

/// What comes to a post-mortem from outside of the ward.
#[derive(Debug)]
pub struct Added {
    /// The largest mappings, if somebody could look.
    pub mappings: Option<Mappings>,
    /// What stays in tmpfs.
    pub left_in_tmpfs: Option<Remains>,
}

impl Ward {
    /// Whether there will be one, as far as can be known while it runs.
    pub fn wants_report(&self) -> bool {
        self.rules.report != ReportSetting::Never && !self.rules.dry_run
    }

    /// Whether this end is worth one. Of their own doing users know why it ended.
    pub fn is_worth_a_report(&self, verdict: &Verdict, users_doing: bool) -> bool {
        let wanted = match self.rules.report {
            ReportSetting::Always => true,
            ReportSetting::Acted => verdict.reason != EndReason::Exited && !users_doing,
            ReportSetting::Never => false,
        };
        wanted && !self.rules.dry_run
    }

    /// The post-mortem.
    pub fn post_mortem(
        &self,
        verdict: Verdict,
        status: &Status,
        origin: Origin,
        added: Added,
    ) -> PostMortem {
        let samples = self.evidence.readings();
        let (memory, pressure) = self.at_the_decision(status);
        let run = RunFacts {
            tier: status.tier,
            placement: status.placement.clone(),
            cgroup: status.cgroup.clone(),
            child_pid: status.child_pid,
            ran_ms: status.uptime_ms,
            ..self.this_run(origin)
        };
        PostMortem {
            schema: SCHEMA,
            version: status.version.clone(),
            run,
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
            mappings: added.mappings,
            left_in_tmpfs: added.left_in_tmpfs,
        }
    }

    /// Whether Ctrl-C is why it ended: its own, or one that we passed on since the command did not run.
    pub fn was_interrupted(&self, passed_on: bool) -> bool {
        let Some(outcome) = self.outcome() else { return false };
        let by_child = outcome.child == Ending::Signaled(SIGINT);
        match outcome.cause {
            Cause::Itself => by_child,
            Cause::Guardian { reason: Reason::ChildExited, killed: None } => by_child,
            Cause::Guardian { reason: Reason::Operator, .. } => passed_on,
            Cause::Guardian { .. } | Cause::KernelOom | Cause::SystemdStop | Cause::SystemdOomd => {
                false
            }
        }
    }

    /// What the keeper writes when we are killed, as far as it is known at the start: in its copy of us.
    pub fn report_of_our_death(&self, child: i32, origin: Origin) -> PostMortem {
        let lines = self.policy.lines();
        let limits = Limits {
            limit: lines.limit,
            trip_wire: Limit::Max,
            relief_line: lines.relief,
            second_line: lines.second,
            ceiling: lines.ceiling,
            swap: self.rules.swap,
            swap_room: lines.swap,
            pids: self.rules.pids.0,
            grace_ms: millis(self.rules.grace),
            timeout_ms: self.rules.timeout.map(millis),
            min_available: self.policy.min_available(),
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
        let run = RunFacts {
            tier: self.tier(),
            placement: self.workload.row().map(|row| row.name().to_owned()),
            cgroup: self.workload.cgroup().map(|cgroup| shown(cgroup.path())),
            child_pid: child.cast_unsigned(),
            ..self.this_run(origin)
        };
        PostMortem {
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
        }
    }

    /// Memory and pressure as the look had them that decided; those of the last look where nothing was.
    fn at_the_decision(&self, status: &Status) -> (Memory, Option<Pressure>) {
        let Some((_, sample)) = self.story.term.or(self.story.kill) else {
            return (status.memory, status.pressure);
        };
        (memory_at(&sample, status.memory), sample.pressure)
    }

    fn this_run(&self, origin: Origin) -> RunFacts {
        let now = millis(crate::clock::unix_time());
        let lived = millis(self.clock.now().0);
        let user = match &self.rules.account {
            Some(account) => format!("{}, ran as {}", origin.caller, account.name()),
            None => origin.caller,
        };
        RunFacts {
            name: self.rules.name.clone(),
            command: self.rules.command.iter().map(|word| escape(word.as_bytes())).collect(),
            host: origin.host,
            user: Some(user),
            directory: origin.directory,
            kernel: origin.kernel,
            tier: Tier::Polled,
            placement: None,
            cgroup: None,
            guardian_pid: crate::sys::process::own(),
            child_pid: 0,
            started_unix_ms: now.saturating_sub(lived),
            ran_ms: lived,
        }
    }

    /// With the decision, which is known by the look that it was made with.
    fn timeline(&self) -> Vec<Moment> {
        let mut moments = self.evidence.moments();
        // The summary is told behind the end, and is the verdict.
        if let Some(end) = moments.iter().position(|moment| moment.what == Milestone::Empty) {
            moments.truncate(end + 1);
        }
        if let Some((at, sample)) = self.story.term {
            let text = format!(
                "decided: footprint {}, {} {}",
                sample.footprint(),
                self.workload.tier().usage_name(),
                sample.current
            );
            let decided = Moment { at_us: micros(at.0), what: Milestone::Decided, text };
            let place = moments.partition_point(|moment| moment.at_us < decided.at_us);
            moments.insert(place, decided);
        }
        moments
    }
}
