//! The end of a run: the terminal back, the dashboard gone, the cgroup and sockets removed, the summary said, the record written.
//! Nothing is guarded any more, so this may wait.

use super::Guardian;
use crate::clock::Timestamp;
use crate::escape::escape;
use crate::event::{Cause, Ending, Outcome, Sample};
use crate::event_loop::Token;
use crate::ledger::{End, store};
use crate::report::post_mortem::verdict::verdict;
use crate::report::record::{Decision, Ended};
use crate::report::words;
use crate::status::{Level, Status, WatchLine};
use crate::sys::memory::PageFaults;
use crate::sys::process::interrupt_group;
use crate::units::{Bytes, millis, show_duration};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// The dashboard has this long to leave by itself, then this long after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(5);

impl Guardian {
    /// Ends the run. Gives the exit status.
    pub(super) fn finish(mut self) -> u8 {
        self.attribute();
        let Some(outcome) = self.guards[0].outcome else { return 125 };
        let ended_by_signal = matches!(outcome.child, Ending::Signaled(_));
        let killed = ended_by_signal || outcome.cause != Cause::Itself;
        let interrupted = outcome.child == Ending::Signaled(nix::libc::SIGINT)
            && outcome.cause == Cause::Itself
            && self.foreground.has_terminal(self.guards[0].child_pid);
        self.foreground.reclaim(self.guards[0].child_pid, killed);
        self.answer_replaced();
        self.publish_last_words(&outcome);
        if let Some(server) = self.server.take()
            && let Err(error) = server.shutdown()
        {
            self.say(Level::Warning, format!("remove the socket: {error}"));
        }
        let typed_at_dashboard = self.wait_for_dashboard();
        self.finish_relay();
        self.finish_log();
        let now = self.clock.now();
        self.publisher.take_usage(self.guards[0].workload.cgroup(), (None, true), now);
        let mut status = self.status(0);
        status.memory.peak = status.memory.peak.max(self.unseen_peak());
        let page_faults = self.page_faults_of_run();
        self.tell_escaped(0);
        let remains = self.find_remains();
        self.remove_cgroup();
        let signal = words::signal_name(self.config.term_signal);
        let text = words::outcome(&outcome, &self.command_name(), &signal);
        let code =
            words::exit_status(&outcome, self.config.term_signal, self.config.limit_exit_code);
        self.say_summary(&outcome, &text, code, &status);
        if let Some(remains) = &remains {
            self.say(Level::Info, crate::remains::text(remains));
        }
        self.keep_post_mortem((&outcome, &text, code), &status, remains.as_ref());
        self.end_recording(&text, code);
        let events = self.log.lines();
        for record in std::mem::take(&mut self.records) {
            let left_in_tmpfs = remains.clone();
            let ended =
                Ended { left_in_tmpfs, page_faults, ..self.ended(&outcome, text.clone(), code) };
            if let Err(error) = record.write(ended, &status, events.clone()) {
                self.say(Level::Error, format!("{error:#}"));
            }
        }
        self.count_end((&outcome, &text, code), &status);
        self.dismiss_keeper();
        self.console.finish();
        if typed_at_dashboard {
            // What was typed while the dashboard went was meant for it, and not for the shell that comes next.
            crate::sys::terminal::forget_input();
        }
        if interrupted {
            // Only the command's group saw the Ctrl-C: a script or a loop of the shell around us is to end too.
            interrupt_group();
        }
        code
    }

    /// For those who look only now and then.
    fn count_end(&mut self, (outcome, text, code): (&Outcome, &str, u8), status: &Status) {
        let verdict = verdict(outcome, status, text, code, self.config.term_signal);
        let end = End::of(&self.config.name, &verdict, status);
        if let Err(error) = store::count(&end, self.caller_id) {
            self.say(Level::Warning, format!("{error:#}"));
        }
    }

    fn ended<'a>(&self, outcome: &'a Outcome, text: String, exit_status: u8) -> Ended<'a> {
        let decision = |(at, sample): (Timestamp, Sample)| Decision {
            at_ms: millis(at.0),
            current: sample.current,
            footprint: sample.footprint(),
        };
        let guard = &self.guards[0];
        let (term, kill) = (guard.term_sent().map(decision), guard.kill_sent().map(decision));
        let (guardian_page_faults, memory_locked) = (guard.page_faults, self.memory_locked);
        Ended {
            outcome,
            text,
            exit_status,
            term,
            kill,
            page_faults: PageFaults::default(),
            guardian_page_faults,
            memory_locked,
            left_in_tmpfs: None,
        }
    }

    /// Memory that was in use between two looks: `memory.peak`, or where looks go from process to process the resident set of the
    /// largest. What a process had before its execve(2) is in that too, which in the command's own was ours.
    fn unseen_peak(&self) -> Bytes {
        let workload = &self.guards[0].workload;
        let largest = Bytes(self.publisher.ended.max_rss);
        let theirs = workload.sums() && largest > crate::sys::memory::highest_rss();
        workload.kernel_peak().or(theirs.then_some(largest)).unwrap_or_default()
    }

    /// By the cgroup, or by the processes that ended.
    fn page_faults_of_run(&self) -> PageFaults {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let ended = &self.publisher.ended;
        let (minor, major) = (ended.minor_faults, ended.major_faults);
        let (minor, major) = self.guards[0].workload.page_faults().unwrap_or((minor, major));
        PageFaults { minor: number(minor), major: number(major) }
    }

    fn command_name(&self) -> String {
        let word = self.config.command.first();
        let file = word.map(|word| std::path::Path::new(word).file_name().unwrap_or(word));
        file.map_or_else(|| "the command".to_owned(), |name| escape(name.as_bytes()))
    }

    fn remove_cgroup(&mut self) {
        if let Err(error) = self.guards[0].workload.remove() {
            self.say(Level::Error, format!("{error:#}"));
        }
    }

    /// It draws the last status and leaves when its stream ends. A terminal that nobody reads holds it up: then it is ended.
    /// True where one was shown until now.
    fn wait_for_dashboard(&mut self) -> bool {
        let was_there = self.has_dashboard();
        let started = self.clock.now();
        let mut signal = None;
        while self.has_dashboard() {
            let now = self.clock.now();
            let late = now.since(started);
            let due = match signal {
                None if late >= FAREWELL => Some(nix::libc::SIGTERM),
                Some(nix::libc::SIGTERM) if late >= FAREWELL * 2 => Some(nix::libc::SIGKILL),
                _ => None,
            };
            if let (Some(due), Some(pid)) = (due, self.publisher.dashboard_pid()) {
                signal = Some(due);
                // Gone meanwhile: the next round sees it.
                let _ = crate::sys::process::send(pid, due);
            }
            let ready = self.events.wait(now, Some(Timestamp(now.0 + Duration::from_millis(200))));
            if ready.contains(&Token::Signals) {
                self.take_signals();
            }
            self.reap();
        }
        self.console.hold(false);
        was_there && self.has_drawn()
    }

    /// Who ended what and why, and the figures.
    fn say_summary(&mut self, outcome: &Outcome, text: &str, code: u8, status: &Status) {
        let ran = show_duration(Duration::from_millis(status.uptime_ms));
        let level = if outcome.cause == Cause::Itself { Level::Info } else { Level::Error };
        let memory = &status.memory;
        let limit = words::limit(status.limits.limit, status.limits.swap_room);
        // What nobody looked at has no size.
        let mut figures = match (memory.peak, memory.peak_footprint) {
            (Bytes(0), _) => format!("ran {ran} (limit {limit})"),
            (peak, Bytes(0)) => format!("ran {ran}, peak {peak} (limit {limit})"),
            (peak, footprint) => {
                format!("ran {ran}, peak {peak} (footprint {footprint} of {limit})")
            }
        };
        if let Some(((term, _), ended)) = self.guards[0].term_sent().zip(self.guards[0].ended_at) {
            let signal = words::signal_name(self.config.term_signal);
            figures += &format!(", gone {} after {signal}", show_duration(ended - term));
        }
        let events = &status.events;
        if status.tier == crate::status::Tier::Kernel {
            figures += &format!(
                ", memory.events high {} max {} oom {} oom_kill {}",
                events.high, events.max, events.oom, events.oom_kill
            );
        }
        if outcome.cause == Cause::Itself {
            return self.say(level, format!("{text}; {figures}"));
        }
        self.say(level, format!("{text} (exit {code})"));
        self.say(level, figures);
    }

    /// Watchers see how it ended.
    fn publish_last_words(&mut self, outcome: &Outcome) {
        let status = Box::new(self.status(0));
        let signal = self.config.term_signal;
        let text = words::outcome(outcome, &self.command_name(), &words::signal_name(signal));
        let text = crate::escape::tame(&text);
        let exit_status = words::exit_status(outcome, signal, self.config.limit_exit_code);
        if let Some(server) = &mut self.server {
            server.publish(&WatchLine::Status { status, processes: None });
            server.publish(&WatchLine::End { text, exit_status });
        }
    }
}
