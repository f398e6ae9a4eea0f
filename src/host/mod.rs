//! The host: what there is once per guardian process. One loop that brings each ward what happens to it, and people what the wards
//! have to say. No `?` leaves it while a workload lives.

mod announce;
mod arrivals;
mod attach;
mod attendants;
mod conclude;
mod demands;
mod directories;
mod finish;
mod floor;
mod foreground;
mod keeper;
mod launch;
mod letting_go;
pub mod not_started;
mod others;
mod output_log;
mod pool;
mod publish;
mod recording;
mod relay;
mod requests;
mod room;
mod say;
mod settle;
mod setup;
mod signals;
mod stopping;
mod tier;
mod visit;
mod wards;
mod warm;

pub use attach::attach;
pub use setup::start;

use crate::clock::{Clock, Timestamp};
use crate::config::WardRules;
use crate::control::protocol::Request;
use crate::control::server::{ClientId, Server};
use crate::event_loop::{EventLoop, Token};
use crate::policy::PolicyConfig;
use crate::report::console::Console;
use crate::report::log::Log;
use crate::report::record::{CallerId, RecordFile};
use crate::status::Level;
use crate::sys::caller::Caller;
use crate::sys::signals::Signals;
use crate::sys::spawn::SpawnError;
use crate::ward::{HugePagePool, Location, Ward, WardId};
use crate::watcher::{Change, Watcher};
use anyhow::{Context, Result};
use attendants::Attendants;
use floor::Turn;
use foreground::Foreground;
use relay::Relay;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use visit::Visit;
use wards::Wards;

/// Who asks, and what they are still owed.
#[derive(Debug, Default)]
struct Correspondence {
    server: Option<Server>,
    /// Who waits for a ward's process table.
    waiting: Vec<(ClientId, WardId, Request)>,
    unanswered: Vec<requests::Unanswered>,
}

/// What is said, and to whom.
#[derive(Debug)]
struct Voice {
    /// Say only what went wrong.
    quiet: bool,
    console: Console,
    log: Log,
}

/// For the worst day, when memory and processors are short.
#[derive(Debug, Default)]
struct Readiness {
    memory_locked: bool,
    /// When to make ready, until that is done.
    warm_at: Option<Timestamp>,
}

/// The guardian of this process.
#[derive(Debug)]
pub struct Host {
    /// As the mailbox is listed.
    name: String,
    caller: Caller,
    caller_id: CallerId,
    clock: Clock,
    events: EventLoop,
    signals: Signals,
    watcher: Option<Watcher>,
    mailbox: Correspondence,
    voice: Voice,
    wards: Wards,
    /// Of several workloads, who is ended first for the machine's sake.
    turn: Turn,
    huge_page_pool: HugePagePool,
    foreground: Foreground,
    /// Where what is guarded was started by others.
    visit: Option<Visit>,
    /// Of the last ward that ended, where others go on.
    exit_status: Option<u8>,
    attendants: Attendants,
    /// Output of the command that stdout did not take yet.
    relay: Option<Relay>,
    records: Vec<RecordFile>,
    /// Files that we write beside the workload.
    own_files: Vec<PathBuf>,
    ready: Readiness,
    /// Why the command could not be run, if that came late.
    not_started: Option<(Vec<OsString>, SpawnError)>,
}

impl Host {
    /// Takes a workload under guard: makes the watches; the first look comes with the loop.
    ///
    /// # Errors
    /// Without the descriptors that it takes.
    fn adopt(
        &mut self,
        rules: WardRules,
        location: Location,
        traced: bool,
    ) -> Result<(WardId, PolicyConfig)> {
        let id = self.wards.next_id();
        let (mut ward, config) = Ward::new(id, rules, location, self.clock, traced);
        let token = Token::CgroupEvents(id.to_number());
        let told = ward.workload.telling_files().try_for_each(|file| self.events.add(file, token));
        // As they can on every Linux.
        let polled = !matches!(&told, Err(error) if error.raw_os_error() == Some(nix::libc::EPERM));
        if polled {
            told.context("cannot wait for what the files of the cgroup tell")?;
        }
        self.attendants.pids().for_each(|pid| ward.workload.leave_out(pid));
        // Until it is known who is the largest of several.
        ward.stand_back(self.visit.is_some());
        // Where few files are held open. The last close of an inotify descriptor waits for 11 ms: a run takes none.
        if (ward.workload.is_foreign() || !polled)
            && let Err(error) = self.watch(&ward)
        {
            let text = format!(
                "inotify is not available ({error}), so sampling and EPOLLPRI are used alone; raise fs.inotify.max_user_instances or max_user_watches"
            );
            ward.say(Level::Warning, text);
        }
        self.wards.add(ward);
        Ok((id, config))
    }

    /// One inotify for all wards: the first one makes it.
    fn watch(&mut self, ward: &Ward) -> std::io::Result<()> {
        let Some(cgroup) = ward.workload.watched() else { return Ok(()) };
        self.ensure_watcher()?.watch(cgroup.path(), ward.id())
    }

    fn ensure_watcher(&mut self) -> std::io::Result<&mut Watcher> {
        match &mut self.watcher {
            Some(watcher) => Ok(watcher),
            none => {
                let watcher = Watcher::new()?;
                self.events.add(&watcher, Token::Files)?;
                Ok(none.insert(watcher))
            }
        }
    }

    /// Guards until every workload has ended. Gives the exit status.
    ///
    /// # Errors
    /// When it turned out late that the command cannot be run: nothing ran then.
    pub fn run(mut self) -> Result<u8> {
        self.after_start();
        while self.not_started.is_none() && !self.is_done() {
            self.take_turns();
            let now = self.clock.now();
            let ready = self.events.wait(now, self.deadline(now));
            for token in ready {
                self.serve(token);
            }
            self.deadlines();
            self.serve_pool();
            self.warm_up();
            self.wards.iter_mut().for_each(Ward::go_on_signalling);
            self.answer_late();
            self.brief_keeper();
            self.record_events();
            self.speak();
            self.part_with_ended();
            self.publish();
            self.look_aside();
            self.speak();
            self.voice.console.flush();
        }
        match self.not_started.take() {
            Some((command, error)) => {
                let error = crate::command::explain(error, &command);
                not_started::record(std::mem::take(&mut self.records), &error);
                not_started::count(&self.name, &error);
                self.abandon();
                Err(error)
            }
            None if self.visit.is_some() => Ok(self.detach()),
            None => Ok(self.finish()),
        }
    }

    /// What goes through all of /proc, which can wait where ten thousand are to be signalled.
    fn look_aside(&mut self) {
        if self.is_signalling() {
            return;
        }
        let now = self.clock.now();
        for ward in self.wards.iter_mut() {
            ward.notice_escapes(now);
            if let Some(pid) = ward.gather(now) {
                self.attendants.witness.iter_mut().for_each(|witness| witness.ask(pid));
            }
            ward.watch_huge_pages(&mut self.huge_page_pool, now);
        }
    }

    fn is_signalling(&self) -> bool {
        self.wards.iter().any(|ward| ward.workload.is_signalling())
    }

    /// The command was let go: it runs by now, or it cannot.
    fn look_at_start(&mut self) {
        for ward in self.wards.iter_mut() {
            let Some((starting, result)) = ward.look_at_start() else { continue };
            self.events.remove(&starting);
            if let Err(error) = result {
                self.not_started = Some((ward.rules.command.clone(), error));
            }
        }
    }

    /// Undoes what was made for a command that cannot be run.
    fn abandon(mut self) {
        self.foreground.reclaim(0, true);
        // It may be opening the cgroup just now.
        self.attendants.keeper = None;
        for ward in self.wards.iter_mut() {
            ward.child_pid().into_iter().for_each(crate::sys::process::reap);
            // What went wrong with the command is the error to tell; the cgroup is empty.
            let _ = ward.workload.remove();
        }
    }

    /// What happened between making the watches and now is seen by looking once.
    fn after_start(&mut self) {
        self.wards.iter_mut().for_each(Ward::look);
        if self.signals.holds_any() {
            self.take_signals();
        }
        self.reap();
        self.brief_keeper();
        self.speak();
        // What others started may be over by now, and then nobody tells anything any more.
        self.part_with_ended();
    }

    fn serve(&mut self, token: Token) {
        match token {
            Token::CgroupEvents(number) => self.changed(WardId::from_number(number)),
            Token::Files => {
                let changes = self.watcher.as_mut().map(Watcher::changed).unwrap_or_default();
                for change in changes {
                    match change {
                        Change::Ward(id) => self.changed(id),
                        Change::Made(directory, name) => self.arrived(directory, &name),
                        Change::Removed(directory, name) => self.left(directory, &name),
                        Change::Vanished => self.look_for_directories(),
                        Change::Lost => self.catch_up(),
                    }
                }
            }
            Token::Started => self.look_at_start(),
            Token::Stopper => self.take_stops(),
            Token::Signals => self.take_signals(),
            Token::Mailbox => self.take_requests(),
            Token::Pty => self.relay(),
        }
    }

    /// A file of the workload's cgroup changed: see whether anybody is left, which is a look if not, and else look.
    fn changed(&mut self, id: WardId) {
        if !self.check_empty(id)
            && let Some(ward) = self.wards.get_mut(id)
        {
            ward.keep_in_force();
            ward.look_where_due();
        }
    }

    /// Tells the policy when nobody is left. Where the kernel tells only whether we have children at all, we must have none of our own.
    /// True if there was a look for it.
    fn check_empty(&mut self, id: WardId) -> bool {
        let Some(ward) = self.wards.get_mut(id) else { return false };
        let looked = ward.check_empty();
        let is_unsure = !ward.has_ended() && ward.workload.is_unsure();
        if !(is_unsure && self.give_up_company()) {
            return looked;
        }
        self.wards.get_mut(id).is_some_and(Ward::check_empty) || looked
    }

    /// Without `cgroup.events` nobody tells that the last process is gone, unless it was our child.
    fn check_empty_without_events(&mut self, id: WardId) {
        let has_watcher = self.watcher.is_some();
        let ward = self.wards.get(id);
        let told = |ward: &Ward| {
            ward.workload.cgroup().is_some() && (has_watcher || !ward.workload.is_foreign())
        };
        if ward.is_some_and(|ward| !told(ward)) {
            let _ = self.check_empty(id);
        }
    }

    /// Does something for each ward, oldest first, which may take that one away or bring others. Allocates nothing.
    fn each_ward(&mut self, mut act: impl FnMut(&mut Host, WardId)) {
        let mut id = self.wards.after(None);
        while let Some(this) = id {
            act(self, this);
            id = self.wards.after(id);
        }
    }

    fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let wards = self.wards.iter().filter_map(|ward| ward.next_deadline(now));
        let server = self.mailbox.server.as_ref().and_then(Server::next_deadline);
        let console = self.voice.console.waits().then(|| now + Duration::from_millis(50));
        let relay = self.relay.as_ref().and_then(|relay| relay.next_deadline(now));
        let others = [server, console, relay, self.answer_at(), self.ready.warm_at];
        wards.chain(others.into_iter().flatten()).min()
    }

    fn deadlines(&mut self) {
        self.each_ward(|host, id| {
            if host.wards.get_mut(id).is_some_and(Ward::deadlines) {
                host.check_empty_without_events(id);
            }
        });
        let now = self.clock.now();
        if self.mailbox.server.as_ref().and_then(Server::next_deadline).is_some_and(|at| now >= at)
        {
            self.take_requests();
        }
    }
}
