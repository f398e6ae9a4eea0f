//! The guardian: one loop that feeds the policy with what happens and does what it says. No `?` leaves it while a workload lives.

mod apply;
mod attribution;
mod autopsy;
mod demands;
mod escapes;
mod evidence;
mod finish;
mod foreground;
mod huge_pages;
mod keeper;
pub mod not_started;
mod one_process;
mod output_log;
mod publish;
mod recording;
mod relay;
mod requests;
mod setup;
mod signals;
mod tier;
mod unseen;

pub use setup::start;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::control::server::Server;
use crate::event::{DeedResult, Event, Outcome, Sample};
use crate::event_loop::{EventLoop, Token};
use crate::policy::Policy;
use crate::report::console::Console;
use crate::report::log::Log;
use crate::report::post_mortem::Milestone;
use crate::report::record::{CallerId, RecordFile};
use crate::status::{Level, WatchLine};
use crate::sys::caller::Caller;
use crate::sys::memory::PageFaults;
use crate::sys::signals::Signals;
use crate::sys::spawn::{SpawnError, Starting};
use crate::watcher::Watcher;
use crate::workload::{Look, Workload};
use foreground::Foreground;
use publish::Publisher;
use std::time::Duration;

const UNREAD_SHARES: &str = "what some processes share cannot be read";

/// One workload and its policy, and what is remembered of its run.
#[derive(Debug)]
struct Guard {
    policy: Policy,
    workload: Workload,
    child_pid: i32,
    outcome: Option<Outcome>,
    /// The first SIGTERM and SIGKILL, and the look that decided them.
    term: Option<(Timestamp, Sample)>,
    kill: Option<(Timestamp, Sample)>,
    ended_at: Option<Timestamp>,
    /// From a decision to end it until that was done.
    page_faults: PageFaults,
    /// systemd ended the keeper of the workload's scope.
    scope_stopped: bool,
    /// A failure that repeats is told once.
    told_failures: Vec<&'static str>,
    /// What came of the lines that were set last.
    lines_result: DeedResult,
    /// Why the last deed failed that did.
    deed_error: Option<String>,
    /// Says whether the command runs, until it does.
    starting: Option<Starting>,
    /// It was asked to end before it ran, and is ended by us if that does not do.
    end_at: Option<Timestamp>,
    /// When the last of many processes was signalled.
    signalled_at: Timestamp,
}

impl Guard {
    /// The first SIGTERM, unless it was refused.
    fn term_sent(&self) -> Option<(Timestamp, Sample)> {
        self.term.filter(|_| !self.policy.was_refused(false))
    }

    /// The first SIGKILL, unless it was refused.
    fn kill_sent(&self) -> Option<(Timestamp, Sample)> {
        self.kill.filter(|_| !self.policy.was_refused(true))
    }
}

/// The guardian of this process.
#[derive(Debug)]
pub struct Guardian {
    config: Config,
    caller: Caller,
    clock: Clock,
    events: EventLoop,
    signals: Signals,
    watcher: Option<Watcher>,
    server: Option<Server>,
    console: Console,
    log: Log,
    guards: Vec<Guard>,
    foreground: Foreground,
    publisher: Publisher,
    tier_reason: String,
    records: Vec<RecordFile>,
    keeper: Option<keeper::Keeper>,
    memory_locked: bool,
    evidence: evidence::Evidence,
    caller_id: CallerId,
    recording: Option<recording::Recording>,
    outer: crate::cgroup::hierarchy::OuterLimit,
    unseen: unseen::Unseen,
    /// When to look for who left the workload's cgroup, and who was told to have.
    escapes_at: Timestamp,
    escaped: Vec<i32>,
    unanswered: Vec<requests::Unanswered>,
    /// Why the command could not be run, if that came late.
    not_started: Option<SpawnError>,
}

impl Guardian {
    /// Guards until every workload has ended. Gives the exit status.
    ///
    /// # Errors
    /// When it turned out late that the command cannot be run: nothing ran then.
    pub fn run(mut self) -> anyhow::Result<u8> {
        self.after_start();
        while self.not_started.is_none() && self.guards.iter().any(|guard| guard.outcome.is_none())
        {
            let now = self.clock.now();
            let ready = self.events.wait(now, self.deadline(now));
            for token in ready {
                self.serve(token);
            }
            self.deadlines();
            self.go_on_signalling();
            self.answer_late();
            self.brief_keeper();
            self.record_events();
            self.publish();
            // They go through all of /proc, which can wait where ten thousand are to be signalled.
            if !self.is_signalling() {
                self.notice_escapes();
                self.gather();
                self.watch_huge_pages();
            }
            self.console.flush();
        }
        match self.not_started.take() {
            Some(error) => {
                let error = crate::command::explain(error, &self.config.command);
                not_started::record(std::mem::take(&mut self.records), &error);
                not_started::count(&self.config.name);
                self.abandon();
                Err(error)
            }
            None => Ok(self.finish()),
        }
    }

    /// The command was let go: it runs by now, or it cannot.
    fn look_at_start(&mut self) {
        for index in 0..self.guards.len() {
            let Some(starting) = &mut self.guards[index].starting else { continue };
            let Some(result) = starting.result() else { continue };
            self.events.remove(&*starting);
            self.guards[index].starting = None;
            self.guards[index].end_at = None;
            match result {
                Ok(()) => self.tell_started(),
                Err(error) => self.not_started = Some(error),
            }
        }
    }

    fn tell_started(&mut self) {
        let text = "the command was started".to_owned();
        self.evidence.told(self.clock.now(), Milestone::Started, text);
    }

    /// Undoes what was made for a command that cannot be run.
    fn abandon(mut self) {
        self.foreground.reclaim(0, true);
        // It may be opening the cgroup just now.
        self.dismiss_keeper();
        for guard in &mut self.guards {
            if guard.workload.child_alive() {
                crate::sys::process::reap(guard.child_pid);
            }
            // What went wrong with the command is the error to tell; the cgroup is empty.
            let _ = guard.workload.remove();
        }
    }

    /// What happened between making the watches and now is seen by looking once.
    fn after_start(&mut self) {
        for index in 0..self.guards.len() {
            self.look(index);
        }
        self.take_signals();
        self.reap();
        self.brief_keeper();
    }

    fn serve(&mut self, token: Token) {
        match token {
            Token::MemoryEvents(workload) => self.changed(workload),
            Token::Files => {
                let changed = self.watcher.as_mut().map(Watcher::changed).unwrap_or_default();
                for workload in changed {
                    self.changed(workload);
                }
            }
            Token::Started => self.look_at_start(),
            Token::Signals => self.take_signals(),
            Token::Mailbox => self.take_requests(),
            Token::Pty => self.relay(),
        }
    }

    /// A file of the workload's cgroup changed: look, and see whether anybody is left.
    fn changed(&mut self, workload: u32) {
        let index = usize::try_from(workload).unwrap_or(usize::MAX);
        if index < self.guards.len() {
            self.look(index);
            self.check_empty(index);
        }
    }

    fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let policies = self.guards.iter().filter_map(|guard| guard.policy.next_deadline());
        let impatient = self.guards.iter().filter_map(|guard| guard.end_at);
        let server = self.server.as_ref().and_then(Server::next_deadline);
        let console = self.console.waits().then(|| now + Duration::from_millis(50));
        let publisher = self.publisher.next_deadline(now);
        let evidence = Some(self.evidence.next_deadline(now));
        let signalling = self.is_signalling().then_some(now);
        let others = [console, publisher, evidence, signalling, self.answer_at()];
        policies.chain(impatient).chain(server).chain(others.into_iter().flatten()).min()
    }

    fn deadlines(&mut self) {
        for index in 0..self.guards.len() {
            let now = self.clock.now();
            if self.guards[index].end_at.is_some_and(|at| now >= at) {
                self.guards[index].end_at = None;
                self.deliver(index, Event::Operator(crate::event::Command::Terminate));
            }
            if self.guards[index].policy.next_deadline().is_some_and(|at| now >= at) {
                self.deliver(index, Event::Deadline);
                let guard = &self.guards[index];
                // Where looks go from process to process, the last one saw somebody, or it did not.
                if !guard.workload.sums() || guard.policy.last().processes == 0 {
                    self.check_empty_without_events(index);
                }
            }
        }
        let now = self.clock.now();
        if self.server.as_ref().and_then(Server::next_deadline).is_some_and(|at| now >= at) {
            self.take_requests();
        }
    }

    /// Takes a sample and hands it to the policy.
    fn look(&mut self, index: usize) {
        let before = self.clock.now();
        let event = match self.guards[index].workload.look() {
            Look::Seen(sample) => {
                self.note_unread_shares(index, &sample);
                let mut sample = self.not_less_than_known(index, sample);
                sample.cost = self.clock.now() - before;
                Event::Sample(sample)
            }
            Look::Gone => Event::Empty,
        };
        self.deliver(index, event);
    }

    /// A look that failed in part saw too little: what was known before counts then, and people are told once.
    fn not_less_than_known(&mut self, index: usize, seen: Sample) -> Sample {
        let guard = &mut self.guards[index];
        let Some(error) = guard.workload.trouble() else { return seen };
        let known = *guard.policy.last();
        self.note_failure(index, "read all of the workload's memory", &Err(error));
        if seen.current < known.current { known } else { seen }
    }

    /// A sum of which a part may be counted more than once is the least that it can be: that is told once, when it matters.
    fn note_unread_shares(&mut self, index: usize, sample: &Sample) {
        let unsure = sample.unread_shares;
        let told = &mut self.guards[index].told_failures;
        if unsure.0 < sample.footprint().0 / 20 || unsure.0 == 0 || told.contains(&UNREAD_SHARES) {
            return;
        }
        told.push(UNREAD_SHARES);
        let (least, most) = (sample.footprint(), sample.footprint().saturating_add(unsure));
        let text = format!(
            "{UNREAD_SHARES} (not dumpable, or another user's): memory in use is between {least} and {most}, and the least of it is compared with the limit"
        );
        self.say(Level::Warning, text);
    }

    /// Tells the policy when nobody is left; the counters are read once more before.
    fn check_empty(&mut self, index: usize) {
        if self.guards[index].outcome.is_some() {
            return;
        }
        let mut empty = self.guards[index].workload.is_empty();
        if !empty && self.guards[index].workload.is_unsure() && self.give_up_company() {
            empty = self.guards[index].workload.is_empty();
        }
        if empty {
            self.look(index);
            self.deliver(index, Event::Empty);
        }
    }

    /// Without `cgroup.events` nobody tells that the last process is gone, unless it was our child.
    fn check_empty_without_events(&mut self, index: usize) {
        if self.watcher.is_none() || self.guards[index].workload.cgroup().is_none() {
            self.check_empty(index);
        }
    }

    fn say(&mut self, level: Level, text: String) {
        self.say_as(Milestone::Told, level, text);
    }

    fn say_as(&mut self, what: Milestone, level: Level, text: String) {
        let (now, text) = (self.clock.now(), crate::escape::tame(&text));
        self.evidence.told(now, what, text.clone());
        let line = self.log.add(now, level, text);
        if let Some(server) = &mut self.server {
            server.publish(&WatchLine::Event(line.clone()));
        }
        if !self.config.quiet || level != Level::Info {
            let text = line.text.clone();
            self.console.say(&text);
        }
    }
}
