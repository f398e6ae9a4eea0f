//! From settings to a running, guarded command. Whatever fails here fails before the command runs, and leaves nothing behind.

use super::Host;
use super::attendants::Attendants;
use super::demands;
use super::foreground::Foreground;
use super::not_started::{self, Interrupted};
use super::output_log::OutputLog;
use super::recording::Recording;
use super::tier::{self, Found};
use super::visit::Visit;
use super::wards::Wards;
use crate::cgroup::Cgroup;
use crate::cgroup::hierarchy::{self, OuterLimit};
use crate::cgroup::limits::{self, WorkloadLimits};
use crate::cgroup::swap::SwapAround;
use crate::clock::Clock;
use crate::command;
use crate::config::{Config, SocketSetting, Targets};
use crate::control::server::{Access, Server};
use crate::control::socket::{self, Owner, SocketChoice};
use crate::control::told;
use crate::dashboard::Dashboard;
use crate::escape::shown;
use crate::event_loop::{EventLoop, Token};
use crate::exporter;
use crate::lines::Lines;
use crate::placement::Wish;
use crate::placement::demand::Unmet;
use crate::placement::leftovers;
use crate::placement::surroundings::Surroundings;
use crate::report::console::Console;
use crate::report::log::Log;
use crate::report::record::{CallerId, RecordFile};
use crate::report::words;
use crate::status::{Level, Tier};
use crate::sys::caller::Caller;
use crate::sys::memory;
use crate::sys::signals::Signals;
use crate::sys::spawn::{self, Place, Program, Waiting};
use crate::units::Limit;
use crate::ward::{Emptied, Setting, Ward, WardId};
use crate::workload::spares::Spares;
use crate::workload::strangers::Strangers;
use crate::workload::{Workload, proc_file};
use anyhow::{Context, Result, bail};
use std::cell::RefCell;
use std::ffi::CString;
use std::net::TcpListener;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

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
        not_started::count(&name);
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
    let outer = hierarchy::outer_limit(&around.hierarchies)?;
    config.rules.lines(config.rules.memory, &outer)?;
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
    let outer = match found.placed.as_ref().filter(|_| found.tier == Tier::Kernel) {
        Some(placed) => outer.above(placed.cgroup.path()),
        None => outer,
    };
    let (lines, notes) = settle(&mut config, &found, &around, &outer, refused)?;
    let (tier, tier_reason) = (found.tier, found.reason);
    let left = found.placed.as_ref().map(leftovers::clear_beside);
    let mut workload = Workload::new(tier, found.placed, found.observed)?;
    workload.leave_out_strangers(strangers);
    let traced = recording.is_some();
    let mut host = Host::new(&config, (caller, id), signals, server)?;
    host.foreground = foreground;
    host.attendants = Attendants { recording, log, ..Attendants::default() };
    host.say_notes(left.unwrap_or_default().into_iter().chain(notes));
    host.wire()?;
    let insists = config.insists_on_keeper();
    let setting = Setting { workload, lines, outer, tier_reason, emptied: Emptied::Ends };
    let (ward, rules) = host.adopt(config.rules, setting, traced)?;
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

/// The command, ready to be run.
struct Launch {
    program: Program,
    /// As a descriptor number of the command's process: the terminal of its own that it gets.
    terminal: Option<RawFd>,
    caller: Caller,
    as_other_user: bool,
    /// Made before there is a cgroup where systemd is asked for one: it moves processes, and not intentions.
    early: RefCell<Option<Waiting>>,
}

impl Launch {
    fn new(
        path: &Path,
        config: &Config,
        dashboard: Option<&Option<Dashboard>>,
        caller: Caller,
    ) -> Result<Launch> {
        let mut program =
            Program::new(path, &config.rules.command).context("cannot run the command")?;
        program.no_new_privs = config.no_new_privs;
        if let Some(account) = &config.rules.account {
            program.identity = Some(account.identity.clone());
            for (name, value) in account.variables() {
                program.set_variable(name, value).context("cannot run the command")?;
            }
        }
        let mut terminal = None;
        if let Some(dashboard) = dashboard.and_then(Option::as_ref) {
            dashboard.connect(&mut program)?;
            terminal = Some(dashboard.terminal_of_child());
        }
        let (as_other_user, early) = (config.rules.account.is_some(), RefCell::default());
        Ok(Launch { program, terminal, caller, as_other_user, early })
    }

    fn place<'a>(&self, foreground: &'a Foreground) -> Place<'a> {
        match (self.terminal, foreground.to_hand_over()) {
            (Some(terminal), _) => Place::Session { terminal },
            (None, _) if self.as_other_user => Place::Detached,
            (None, Some(terminal)) => Place::Foreground(terminal.as_fd()),
            (None, None) if foreground.is_shared() => Place::Ours,
            (None, None) => Place::Group,
        }
    }

    /// The process that will be the command, before there is a place for it. The same one if asked for again.
    fn process_for_systemd(&self, foreground: &Foreground) -> Result<i32> {
        let mut early = self.early.borrow_mut();
        if let Some(waiting) = early.as_ref() {
            return Ok(waiting.pid());
        }
        let made = spawn::prepare(&self.program, self.place(foreground), self.caller, None)?;
        Ok(early.insert(made).pid())
    }

    /// The process that will be the command, in its cgroup as far as that can be had at once.
    fn process(self, foreground: &Foreground, workload: &Workload) -> Result<Waiting> {
        let early = self.early.take();
        match early.filter(|_| workload.has_anchor()) {
            Some(moved_by_systemd) => Ok(moved_by_systemd),
            None => {
                let place = self.place(foreground);
                let cgroup = workload.cgroup().map(Cgroup::directory);
                Ok(spawn::prepare(&self.program, place, self.caller, cgroup)?)
            }
        }
    }
}

/// The best tier, and the cgroup that was named if one without it had to do.
fn find_tier(
    around: &Surroundings,
    config: &Config,
    child: &dyn Fn() -> Result<i32>,
) -> Result<(Found, Option<Unmet>)> {
    let name = format!("sentinel-{}-{}", config.rules.name, crate::sys::process::own());
    let slice = config.slice.as_deref();
    let find =
        |given| tier::find(around, &Wish { name: &name, given, slice, child }, config.require);
    let Some(given) = config.cgroup.as_deref() else { return Ok((find(None)?, None)) };
    let option = format!("--cgroup {}", shown(given));
    match find(Some(given)) {
        Ok(found) => Ok((found, None)),
        Err(error) if config.best_effort || config.rules.dry_run => {
            Ok((find(None)?, Some(Unmet { option, why: format!("{error:#}") })))
        }
        Err(error) => {
            bail!("{option} cannot be used: {error:#}; leave it out, or go without: --best-effort")
        }
    }
}

/// The lines here, in force, and what is to be said about what is not.
fn settle(
    config: &mut Config,
    found: &Found,
    around: &Surroundings,
    outer: &OuterLimit,
    refused: Option<Unmet>,
) -> Result<(Lines, Vec<String>)> {
    let placed = found.placed.as_ref().filter(|_| found.tier == Tier::Kernel);
    let swap = placed.map(|placed| SwapAround::of(placed.cgroup.path())).transpose()?;
    let mut unmet = demands::unmet(config, &demands::means(found, swap.as_ref()));
    unmet.extend(refused);
    let without = demands::answer(&unmet, config, found, around)?;
    let (room, less_swap) = swap.map_or((Limit::At(0), None), |swap| swap.room(config.rules.swap));
    config.rules.swap_room = room;
    let lines = config.rules.lines(config.rules.wanted_memory(found.tier, outer), outer)?;
    let note = put_in_force(config, found, &lines)?;
    Ok((lines, [without, less_swap, note].into_iter().flatten().collect()))
}

/// Writes the limits of the cgroup, as far as the tier has them. Gives what could not be had and was not asked for.
fn put_in_force(config: &mut Config, found: &Found, lines: &Lines) -> Result<Option<String>> {
    let Some(placed) = found.placed.as_ref().filter(|_| found.tier == Tier::Kernel) else {
        config.rules.pids.0 = Limit::Max;
        return Ok(None);
    };
    if config.rules.dry_run {
        config.rules.pids.0 = Limit::Max;
        return Ok(None);
    }
    let mut note = None;
    if !placed.cgroup.has("pids.max") {
        let text = "cannot limit processes: the pids controller is not available here";
        note = (!config.rules.pids.1).then(|| text.to_owned());
        config.rules.pids.0 = Limit::Max;
    }
    let limits =
        WorkloadLimits { lines: *lines, swap: config.rules.swap, pids: config.rules.pids.0 };
    limits::apply(&placed.cgroup, &limits).context("cannot put the limits in force")?;
    Ok(note)
}

/// The socket of the exporter, with the caller's rights where their own configuration names the address.
fn open_metrics(config: &Config) -> Result<Option<TcpListener>> {
    let Some(address) = config.metrics.as_deref() else { return Ok(None) };
    config
        .with_rights_for(config.of_caller.metrics, || exporter::listen(address))
        .map(Some)
        .context("--metrics")
}

fn open_mailbox(config: &Config, id: CallerId) -> Result<Option<Server>> {
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

/// Guards what runs already.
///
/// # Errors
/// When something of it cannot be guarded: what was written until then is put back.
pub fn attach(config: Config, targets: &Targets) -> Result<Host> {
    let (caller, id) = (Caller::remember(), CallerId::find());
    let signals = Signals::block().context("cannot read signals")?;
    memory::raise_descriptors();
    let metrics = open_metrics(&config)?;
    let server = open_mailbox(&config, id)?;
    let mut host = Host::new(&config, (caller, id), signals, server)?;
    let rules = config.rules;
    host.visit = Some(Visit {
        rules: rules.clone(),
        machine: hierarchy::outer_limit(&[])?,
        directories: Vec::new(),
        spares: Spares::take().context("cannot keep descriptors for later")?,
        released: false,
    });
    host.wire()?;
    if let Some(listener) = metrics {
        host.open_exporter(listener)?;
    }
    host.harden();
    if !rules.dry_run {
        host.start_keeper_of_others(&rules, targets);
    }
    match host.join_all(targets) {
        Ok(()) => Ok(host),
        Err(error) => {
            // It is the error that is told.
            host.wards.iter_mut().for_each(|ward| drop(ward.workload.remove()));
            Err(error)
        }
    }
}

impl Host {
    /// A host that guards nothing yet.
    fn new(
        config: &Config,
        (caller, caller_id): (Caller, CallerId),
        signals: Signals,
        server: Option<Server>,
    ) -> Result<Host> {
        Ok(Host {
            name: config.rules.name.clone(),
            quiet: config.quiet,
            caller,
            caller_id,
            clock: Clock::start(),
            events: EventLoop::new().context("cannot make an epoll instance")?,
            signals,
            watcher: None,
            server,
            console: Console::new(),
            log: Log::default(),
            wards: Wards::default(),
            foreground: Foreground::default(),
            visit: None,
            exit_status: None,
            attendants: Attendants::default(),
            relay: None,
            waiting: Vec::new(),
            unanswered: Vec::new(),
            records: Vec::new(),
            own_files: config.record.iter().chain(&config.json).cloned().collect(),
            memory_locked: false,
            warm_at: None,
            not_started: None,
        })
    }

    fn join_all(&mut self, targets: &Targets) -> Result<()> {
        let notices = std::iter::empty();
        self.say_notes(notices);
        for cgroup in &targets.cgroups {
            let id = self.join(cgroup, Emptied::Ends)?;
            if let Some(ward) = self.wards.get_mut(id) {
                let lines = announcement(ward);
                lines.into_iter().for_each(|(level, text)| ward.say(level, text));
            }
        }
        for directory in &targets.directories {
            self.visit_directory(directory)?;
            let count = self.wards.iter().count() as u64;
            let many = words::counted(count, "cgroup", "cgroups");
            let text = format!("{many} of {}, and what comes there", shown(directory));
            self.say(Level::Info, text);
        }
        self.speak();
        Ok(())
    }

    /// Whatever the memory of the machine: we stay, and act.
    fn harden(&mut self) {
        memory::lower_oom_score();
        self.memory_locked = memory::lock();
        crate::sys::priority::raise();
    }

    fn say_notes(&mut self, notes: impl Iterator<Item = String>) {
        let notices = self.server.as_mut().map(Server::take_notices).unwrap_or_default();
        for text in notices.into_iter().chain(notes) {
            self.say(Level::Warning, text);
        }
    }

    fn begin_dashboard(&mut self, found: Result<Option<Dashboard>>) {
        match found {
            Ok(Some(dashboard)) => self.open_dashboard(dashboard),
            Ok(None) => {}
            Err(error) => self.say(Level::Warning, format!("no dashboard: {error:#}")),
        }
    }

    /// What is waited for whatever is guarded.
    fn wire(&mut self) -> Result<()> {
        self.events.add(&self.signals, Token::Signals).context("cannot wait for signals")?;
        if let Some(server) = &self.server {
            self.events.add(server, Token::Mailbox).context("cannot wait for the mailbox")?;
        }
        Ok(())
    }

    /// The tier, where the workload is, and what is lost, one line each.
    fn announce(&mut self, id: WardId, around: &Surroundings) {
        let Some(ward) = self.wards.get_mut(id) else { return };
        let tier = ward.tier();
        for (level, text) in announcement(ward) {
            ward.say(level, text);
        }
        let lost = tier::lost(tier).map(|lost| (lost, tier::better(around, tier)));
        // To somebody who hears it: what is quiet tells nothing and remembers nothing. The reason can name this very run's cgroup.
        let lost = lost.filter(|(lost, hint)| {
            !self.quiet && told::is_news(self.caller_id.uid, &format!("{lost}; better: {hint}"))
        });
        if let Some((lost, hint)) = lost {
            let reason = ward.tier_reason();
            let text = format!(
                "{lost}; reason: {reason}; better: {hint} (said once per boot; see sentinel doctor)"
            );
            ward.say(Level::Info, text);
        }
        if matches!(tier, Tier::Hybrid | Tier::Polled) && proc_file::hides_others() {
            let text = "/proc is mounted with hidepid: processes that the command starts as another user are not counted";
            ward.say(Level::Warning, text.to_owned());
        }
        self.speak();
    }

    fn process_in_place(&self, launch: Launch, id: WardId) -> Result<Waiting> {
        let ward = self.wards.get(id).context("find where the command belongs")?;
        launch.process(&self.foreground, &ward.workload)
    }

    /// Runs the command and begins to guard it.
    fn launch(&mut self, id: WardId, waiting: Waiting, insists: bool) -> Result<()> {
        memory::lower_oom_score();
        match self.let_go(id, waiting, insists) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.foreground.reclaim(0, true);
                // It may be opening the cgroup just now.
                self.attendants.keeper = None;
                // What went wrong with the command is the error to tell; the cgroup is empty.
                self.wards.get_mut(id).into_iter().for_each(|ward| drop(ward.workload.remove()));
                Err(error)
            }
        }
    }

    fn let_go(&mut self, id: WardId, waiting: Waiting, insists: bool) -> Result<()> {
        self.start_keeper(id, waiting.pid(), insists)?;
        let Some(ward) = self.wards.get_mut(id) else { return Ok(()) };
        // Another user could not open the file that they name: it is ours, as all of the cgroup.
        let shared = ward.rules.account.is_none();
        let added = if shared { pressure_variables(&ward.workload) } else { Vec::new() };
        ward.begin_usage();
        let pid = waiting.pid();
        if !waiting.is_in_cgroup() {
            ward.workload.admit(pid).context("cannot put the command into its cgroup")?;
        }
        if let Some(signal) = self.signals.ending(&self.caller) {
            return Err(Interrupted(signal).into());
        }
        // Before the command runs, which may be fast and many: its process was made before, and has none of this.
        crate::sys::priority::raise();
        let started = waiting.go(&added);
        let (pid, starting) =
            started.map_err(|error| command::explain(error, &ward.rules.command))?;
        self.warm_at = Some(self.clock.now() + SHORT);
        self.attendants.close_terminal_of_child();
        if let Some(starting) = &starting {
            let wait = self.events.add(starting, Token::Started);
            wait.context("cannot wait for the command to run")?;
        }
        ward.started(pid, starting);
        Ok(())
    }
}

/// The tier, where the workload is, and what is compared.
fn announcement(ward: &Ward) -> Vec<(Level, String)> {
    let (tier, lines, workload) = (ward.tier(), ward.policy().lines(), &ward.workload);
    let place = workload.watched().map_or_else(
        || "no cgroup".to_owned(),
        |cgroup| crate::escape::escape(cgroup.path().as_os_str().as_encoded_bytes()),
    );
    let ceiling = match tier {
        _ if ward.rules.dry_run => "dry run: nothing is limited or ended".to_owned(),
        Tier::Kernel => format!("memory.max {}", lines.ceiling),
        Tier::Observed | Tier::Hybrid | Tier::Polled => {
            format!("immediate SIGKILL at {}", lines.second)
        }
    };
    let row = workload.row().map_or_else(String::new, |row| format!(" ({row})"));
    let limit = words::limit(lines.limit, lines.swap);
    let text = format!("tier {}{row}: {place}, limit {limit}, {ceiling}", tier.name());
    let note = ward.rules.crowd_note(lines).filter(|_| tier == Tier::Kernel);
    [Some((Level::Info, text)), note.map(|note| (Level::Warning, note))]
        .into_iter()
        .flatten()
        .collect()
}

/// A command that is over by then needs none of what is made ready for the worst day.
const SHORT: Duration = Duration::from_millis(20);

/// `some 200000 2000000` and a NUL, in base64: what systemd offers, and what an unprivileged process may write
/// (systemd: MEMORY_PRESSURE.md; windows without privilege are multiples of 2 s).
const PRESSURE_TRIGGER: &str = "c29tZSAyMDAwMDAgMjAwMDAwMAA=";

/// Programs that know the protocol shrink by themselves when their cgroup is under pressure. Where the caller has somebody
/// else's watch, that stays.
fn pressure_variables(workload: &Workload) -> Vec<CString> {
    let cgroup = workload.cgroup().filter(|_| workload.tier() == Tier::Kernel);
    let file = cgroup.filter(|cgroup| cgroup.has("memory.pressure"));
    let Some(file) = file.map(|cgroup| cgroup.path().join("memory.pressure")) else {
        return Vec::new();
    };
    if std::env::var_os("MEMORY_PRESSURE_WATCH").is_some() {
        return Vec::new();
    }
    let watch = [b"MEMORY_PRESSURE_WATCH=", file.as_os_str().as_bytes()].concat();
    let write = format!("MEMORY_PRESSURE_WRITE={PRESSURE_TRIGGER}").into_bytes();
    [watch, write].into_iter().filter_map(|word| CString::new(word).ok()).collect()
}
