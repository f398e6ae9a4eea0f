//! From settings to a running, guarded command. Whatever fails here fails before the command runs, and leaves nothing behind.

use super::attendants::Attendants;
use super::floor::{self, Turn};
use super::foreground::Foreground;
use super::launch::Launch;
use super::not_started;
use super::output_log::OutputLog;
use super::recording::Recording;
use super::settle::{find_tier, settle};
use super::wards::Wards;
use super::{Correspondence, Host, Readiness, Voice};
use crate::cgroup::ancestors::Ancestors;
use crate::clock::Clock;
use crate::command;
use crate::config::{Config, SocketSetting};
use crate::control::server::{Access, Server};
use crate::control::socket::{self, Owner, SocketChoice};
use crate::dashboard::Dashboard;
use crate::event_loop::{EventLoop, Token};
use crate::exporter;
use crate::placement::leftovers;
use crate::placement::surroundings::Surroundings;
use crate::report::console::Console;
use crate::report::log::Log;
use crate::report::record::{CallerId, RecordFile};
use crate::status::{Level, Tier};
use crate::sys::caller::Caller;
use crate::sys::memory;
use crate::sys::signals::Signals;
use crate::ward::{Emptied, HugePagePool, Location};
use crate::workload::Workload;
use crate::workload::strangers::Strangers;
use anyhow::{Context, Result};
use std::net::TcpListener;

/// Starts the command under guard.
///
/// # Errors
/// When a limit cannot be put in force, the mailbox not opened, the command not run: nothing runs then.
pub fn start(config: Config) -> Result<Host> {
    // From here on what is sent to us is for the command, or ends the start: nothing that was made stays behind.
    let caller = Caller::remember();
    let signals = Signals::block().context("cannot read signals")?;
    let strangers = Strangers::so_far();
    let (mut records, name) = (Vec::new(), config.rules.name.clone());
    let result = open_records(&config, &mut records)
        .and_then(|()| begin(config, caller, signals, strangers, &mut records));
    if let Err(error) = &result {
        not_started::record(records, error);
        not_started::count(&name, error);
    }
    result
}

/// First the descriptor that our caller left open, before its number can be anything else's.
fn open_records(config: &Config, records: &mut Vec<RecordFile>) -> Result<()> {
    records.extend(config.json_fd.map(RecordFile::inherited).transpose()?);
    let path = config.json.as_deref();
    records.extend(path.map(|path| RecordFile::open(path, CallerId::find())).transpose()?);
    Ok(())
}

fn begin(
    mut config: Config,
    caller: Caller,
    signals: Signals,
    strangers: Strangers,
    records: &mut Vec<RecordFile>,
) -> Result<Host> {
    let (path, id) = (command::find(&config.rules.command)?, CallerId::find());
    let around = Surroundings::look()?;
    let mut ancestors = Ancestors::ours(&around.hierarchies, around.machine);
    config.rules.lines(config.rules.memory, &ancestors.outer_limit())?;
    let recording = Recording::start(&config, id)?;
    let metrics = open_metrics(&config)?;
    let server = open_mailbox(&config, id)?;
    crate::sys::process::become_subreaper().context("cannot become a subreaper")?;
    let dashboard = open_terminal(&config, server.is_some());
    let has_dashboard = matches!(dashboard, Ok(Some(_)));
    let foreground = Foreground::new(has_dashboard, config.rules.account.is_some(), &caller);
    let log = OutputLog::start(&config, has_dashboard, id)?;
    let launch = Launch::new(&path, &config, dashboard.as_ref().ok(), caller)?;
    let early = || launch.process_for_systemd(&foreground);
    let (found, refused) = find_tier(&around, &config, &early)?;
    let (lines, notes) = settle(&mut config, &found, &around, &mut ancestors, refused)?;
    let outer = ancestors.outer_limit();
    let own = found.placed.as_ref().filter(|_| found.tier == Tier::Kernel);
    let around_it = ancestors.around(own.map(|placed| placed.cgroup.path()));
    let (mut floor, without_floor) = floor::find(&config.rules, around_it, &outer)?;
    let (tier, tier_reason) = (found.tier, found.reason);
    let left = found.placed.as_ref().map(leftovers::clear_beside);
    let mut workload = Workload::new(tier, found.placed, found.observed)?;
    workload.leave_out_strangers(strangers);
    if workload.shares_cgroup() && config.rules.min_available.is_none() {
        floor = floor::beside_others(&lines, ancestors.around(None));
    }
    let traced = recording.is_some();
    let mut host = Host::new(&config, (caller, id), signals, server)?;
    host.foreground = foreground;
    host.attendants = Attendants { recording, log, ..Attendants::default() };
    host.say_notes(left.unwrap_or_default().into_iter().chain(notes).chain(without_floor));
    host.wire()?;
    let insists = config.insists_on_keeper();
    let emptied = Emptied::Ends;
    let location = Location { workload, lines, outer, tier_reason, emptied, floor, stop: None };
    let (ward, rules) = host.adopt(config.rules, location, traced)?;
    host.begin_dashboard(dashboard);
    if let Some(listener) = metrics {
        host.open_exporter(listener)?;
    }
    host.announce(ward, &around);
    // Before we make ourselves hard to kill, which the command has none of.
    let waiting = host.process_in_place(launch, ward)?;
    host.begin_recording(ward, waiting.pid(), &rules);
    host.launch(ward, waiting, insists)?;
    host.records = std::mem::take(records);
    Ok(host)
}

/// The command's terminal, where a dashboard is wanted and can get what it shows.
fn open_terminal(config: &Config, has_mailbox: bool) -> Result<Option<Dashboard>> {
    let wanted = has_mailbox && Dashboard::wanted(config.plain);
    let user = config.rules.account.as_ref().map(|account| account.identity.uid());
    wanted.then(|| Dashboard::new(user)).transpose()
}

/// The socket of the exporter, with the caller's rights where their own configuration names the address.
pub(super) fn open_metrics(config: &Config) -> Result<Option<TcpListener>> {
    let Some(address) = config.metrics.as_deref() else { return Ok(None) };
    config
        .with_rights_for(config.of_caller.metrics, || exporter::listen(address))
        .map(Some)
        .context("--metrics")
}

pub(super) fn open_mailbox(config: &Config, id: CallerId) -> Result<Option<Server>> {
    let choice = match &config.socket {
        SocketSetting::Off => SocketChoice::Off,
        SocketSetting::Default => SocketChoice::Default,
        SocketSetting::At(path) if config.of_caller.socket => SocketChoice::AsOwner(path.clone()),
        SocketSetting::At(path) => SocketChoice::At(path.clone()),
    };
    let owner = Owner { uid: id.uid, gid: id.gid };
    let mailbox =
        socket::open_mailbox(choice, owner, &config.rules.name, crate::sys::process::own())?;
    let access = Access { owner_uid: id.uid, others_may_read: false };
    Server::new(mailbox, access).map(Some).context("cannot serve the mailbox")
}

impl Host {
    /// A host that guards nothing yet.
    pub(super) fn new(
        config: &Config,
        (caller, caller_id): (Caller, CallerId),
        signals: Signals,
        server: Option<Server>,
    ) -> Result<Host> {
        Ok(Host {
            name: config.rules.name.clone(),
            caller,
            caller_id,
            clock: Clock::start(),
            events: EventLoop::new().context("cannot make an epoll instance")?,
            signals,
            watcher: None,
            mailbox: Correspondence { server, ..Correspondence::default() },
            voice: Voice { quiet: config.quiet, console: Console::new(), log: Log::default() },
            wards: Wards::default(),
            turn: Turn::default(),
            huge_page_pool: HugePagePool::default(),
            foreground: Foreground::default(),
            visit: None,
            exit_status: None,
            attendants: Attendants::default(),
            relay: None,
            records: Vec::new(),
            own_files: config.record.iter().chain(&config.json).cloned().collect(),
            ready: Readiness::default(),
            not_started: None,
        })
    }

    /// Whatever the memory of the machine: we stay, and act.
    pub(super) fn harden(&mut self) {
        memory::lower_oom_score();
        self.voice.console.prepare();
        self.ready.memory_locked = memory::lock();
        crate::sys::priority::raise();
    }

    fn begin_dashboard(&mut self, found: Result<Option<Dashboard>>) {
        match found {
            Ok(Some(dashboard)) => self.open_dashboard(dashboard),
            Ok(None) => {}
            Err(error) => self.say(Level::Warning, format!("no dashboard: {error:#}")),
        }
    }

    /// What is waited for whatever is guarded.
    pub(super) fn wire(&mut self) -> Result<()> {
        self.events.add(&self.signals, Token::Signals).context("cannot wait for signals")?;
        if let Some(server) = &self.mailbox.server {
            self.events.add(server, Token::Mailbox).context("cannot wait for the mailbox")?;
        }
        Ok(())
    }
}
