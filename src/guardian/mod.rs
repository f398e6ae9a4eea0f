//! The guardian: one loop that feeds the policy with what happens and does what it says. No `?` leaves it while a workload lives.

mod apply;
mod attribution;
mod autopsy;
mod escapes;
mod evidence;
mod finish;
mod foreground;
mod huge_pages;
mod keeper;
mod publish;
mod recording;
mod relay;
mod requests;
mod setup;
mod signals;
mod tier;
mod unseen;

pub(crate) use publish::describe;
pub use setup::start;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::control::server::Server;
use crate::event::{Event, Outcome, Sample};
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
use crate::watcher::Watcher;
use crate::workload::{Look, Workload};
use foreground::Foreground;
use publish::Publisher;
use std::time::Duration;

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
}

impl Guardian {
    /// Guards until every workload has ended. Gives the exit status.
    pub fn run(mut self) -> u8 {
        self.after_start();
        while self.guards.iter().any(|guard| guard.outcome.is_none()) {
            let now = self.clock.now();
            let ready = self.events.wait(now, self.deadline(now));
            for token in ready {
                self.serve(token);
            }
            self.deadlines();
            self.brief_keeper();
            self.record_events();
            self.notice_escapes();
            self.publish();
            self.gather();
            self.watch_huge_pages();
            self.console.flush();
        }
        self.finish()
    }

    /// What happened between making the watches and now is seen by looking once.
    fn after_start(&mut self) {
        for index in 0..self.guards.len() {
            self.look(index);
        }
        self.reap();
        self.brief_keeper();
    }

    fn serve(&mut self, token: Token) {
        match token {
            Token::MemoryEvents(workload) => self.memory_changed(workload),
            Token::Files => {
                let changed = self.watcher.as_mut().map(Watcher::changed).unwrap_or_default();
                for workload in changed {
                    self.changed(workload);
                }
            }
            Token::Signals => self.take_signals(),
            Token::Mailbox => self.take_requests(),
            Token::Pty => self.relay(),
        }
    }

    /// `memory.events` changed: look. Whether anybody is left `cgroup.events` tells, where it can be watched.
    fn memory_changed(&mut self, workload: u32) {
        let index = usize::try_from(workload).unwrap_or(usize::MAX);
        if index < self.guards.len() {
            self.look(index);
            self.check_empty_without_events(index);
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
        let server = self.server.as_ref().and_then(Server::next_deadline);
        let console = self.console.waits().then(|| now + Duration::from_millis(50));
        let publisher = self.publisher.next_deadline(now);
        let evidence = Some(self.evidence.next_deadline(now));
        policies.chain(server).chain(console).chain(publisher).chain(evidence).min()
    }

    fn deadlines(&mut self) {
        for index in 0..self.guards.len() {
            let now = self.clock.now();
            if self.guards[index].policy.next_deadline().is_some_and(|at| now >= at) {
                self.deliver(index, Event::Deadline);
                self.check_empty_without_events(index);
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
        self.note_failure(index, "read all of the workload's memory", Err(error));
        if seen.current < known.current { known } else { seen }
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
        let (now, text) = (self.clock.now(), crate::report::escape::tame(&text));
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
