//! How a ward ended: the verdict, and the figures. Nothing is guarded any more, so this may take its time.

use super::Ward;
use crate::clock::Timestamp;
use crate::event::{Cause, Ending, Outcome, Sample};
use crate::report::post_mortem::Verdict;
use crate::report::post_mortem::verdict::verdict;
use crate::report::record::{Decision, Ended};
use crate::report::words;
use crate::status::{Level, Remains, Status, Tier};
use crate::sys::memory::PageFaults;
use crate::units::{Bytes, millis, show_duration};
use std::time::Duration;

/// How it ended, in words and as an exit status.
#[derive(Clone, Debug)]
pub struct End {
    /// As the policy has it.
    pub outcome: Outcome,
    /// Who ended what and why.
    pub text: String,
    /// For our caller.
    pub exit_status: u8,
}

impl Ward {
    /// What holds the workload's scope ended, and only we or systemd end it.
    pub fn scope_stopped(&mut self) {
        self.story.scope_stopped = true;
        if !self.has_ended() {
            self.say(Level::Warning, "systemd is stopping the workload's scope".to_owned());
        }
    }

    /// Whether a signal that looks like nobody's may be systemd's, whose signal for the scope's anchor comes a little later.
    pub fn may_be_systemds(&self) -> bool {
        let unexplained = self.outcome().is_some_and(is_unexplained);
        unexplained && !self.story.scope_stopped && self.workload.has_anchor()
    }

    /// Corrects an outcome that looks like the command's own. To be called while the cgroup is still there.
    pub fn attribute(&mut self, terminal_is_gone: bool) {
        self.story.hung_up = terminal_is_gone;
        let Some(outcome) = self.story.outcome.as_mut().filter(|outcome| is_unexplained(**outcome))
        else {
            return;
        };
        if self.workload.killed_by_oomd() {
            outcome.cause = Cause::SystemdOomd;
        } else if self.story.scope_stopped {
            outcome.cause = Cause::SystemdStop;
        }
    }

    /// How it ended; `None` while it lives.
    pub fn end(&self) -> Option<End> {
        let outcome = self.outcome()?;
        let signal = self.rules.term_signal;
        let name = self.rules.command_name();
        let text = words::outcome(&outcome, &name, &self.polite());
        let by_terminal = self.story.hung_up
            && outcome.cause == Cause::Itself
            && outcome.child == Ending::Signaled(nix::libc::SIGHUP);
        let text = if by_terminal { format!("{text}: its terminal was closed") } else { text };
        let exit_status = words::exit_status(&outcome, signal, self.rules.limit_exit_code);
        Some(End { outcome, text, exit_status })
    }

    /// The same as it is kept.
    pub fn verdict(&self, end: &End, status: &Status) -> Verdict {
        verdict(&end.outcome, status, &end.text, end.exit_status, self.rules.term_signal)
    }

    /// The status with all that is known behind the end.
    pub fn last_status(&mut self) -> Status {
        self.take_last_usage();
        let mut status = self.status();
        status.memory.peak = status.memory.peak.max(self.unseen_peak());
        status
    }

    /// Memory that was in use between two looks: `memory.peak`, or where looks go from process to process the resident set of the
    /// largest. What a process had before its execve(2) is in that too, which in the command's own was ours.
    fn unseen_peak(&self) -> Bytes {
        let largest = Bytes(self.ended_spent().max_rss);
        let theirs = self.workload.sums() && largest > crate::sys::memory::highest_rss();
        self.workload.kernel_peak().or(theirs.then_some(largest)).unwrap_or_default()
    }

    /// By the cgroup, or by the processes that ended.
    pub fn page_faults(&self) -> PageFaults {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let ended = self.ended_spent();
        let (minor, major) =
            self.workload.page_faults().unwrap_or((ended.minor_faults, ended.major_faults));
        PageFaults { minor: number(minor), major: number(major) }
    }

    /// For the record.
    pub fn ended<'a>(
        &'a self,
        end: &'a End,
        page_faults: PageFaults,
        left_in_tmpfs: Option<Remains>,
        memory_locked: bool,
    ) -> Ended<'a> {
        let decision = |(at, sample): (Timestamp, Sample)| Decision {
            at_ms: millis(at.0),
            current: sample.current,
            footprint: sample.footprint(),
        };
        Ended {
            outcome: &end.outcome,
            text: end.text.clone(),
            exit_status: end.exit_status,
            term: self.term_sent().map(decision),
            kill: self.kill_sent().map(decision),
            page_faults,
            guardian_page_faults: self.story.page_faults,
            memory_locked,
            ended_processes: self.ended_processes().collect(),
            left_in_tmpfs,
        }
    }

    /// Who ended what and why, and the figures: one line each, or one for an end of its own.
    pub fn summary(&self, end: &End, status: &Status) -> (Level, Vec<String>) {
        let figures = self.figures(status);
        if end.outcome.cause == Cause::Itself {
            return (Level::Info, vec![format!("{}; {figures}", end.text)]);
        }
        (Level::Error, vec![format!("{} (exit {})", end.text, end.exit_status), figures])
    }

    fn figures(&self, status: &Status) -> String {
        let verb = words::ran(status.child_pid);
        let ran = format!("{verb} {}", show_duration(Duration::from_millis(status.uptime_ms)));
        let memory = &status.memory;
        let limit = words::limit(status.limits.limit, status.limits.swap_room);
        // What nobody looked at has no size.
        let mut figures = match (memory.peak, memory.peak_footprint) {
            (Bytes(0), _) => format!("{ran} (limit {limit})"),
            (peak, Bytes(0)) => format!("{ran}, peak {peak} (limit {limit})"),
            (peak, footprint) => {
                format!("{ran}, peak {peak} (footprint {footprint} of {limit})")
            }
        };
        if let Some(((term, _), ended)) = self.term_sent().zip(self.story.ended_at) {
            let signal = self.polite();
            figures +=
                &format!(", all processes gone {} after {signal}", show_duration(ended - term));
        }
        let events = &status.events;
        if status.tier == Tier::Kernel {
            figures += &format!(
                ", memory.events high {} max {} oom {} oom_kill {}",
                events.high, events.max, events.oom, events.oom_kill
            );
        }
        figures
    }

    /// Removes the cgroup that was made for it.
    pub fn remove_cgroup(&mut self) {
        if let Err(error) = self.workload.remove() {
            self.say(Level::Error, format!("{error:#}"));
        }
    }
}

/// A signal ended it, and nobody is known to have sent one.
fn is_unexplained(outcome: Outcome) -> bool {
    matches!(outcome.child, Ending::Signaled(_)) && outcome.cause == Cause::Itself
}
