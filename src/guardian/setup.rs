//! From settings to a running, guarded command. Whatever fails here fails before the command runs, and leaves nothing behind.

use super::demands;
use super::evidence::Evidence;
use super::foreground::Foreground;
use super::not_started::{self, Interrupted};
use super::output_log::OutputLog;
use super::publish::Publisher;
use super::recording::Recording;
use super::tier::{self, Found};
use super::unseen::Unseen;
use super::{Guard, Guardian};
use crate::cgroup::hierarchy::{self, OuterLimit};
use crate::cgroup::limits::{self, WorkloadLimits};
use crate::cgroup::swap::SwapAround;
use crate::clock::{Clock, Timestamp};
use crate::command;
use crate::config::{Config, SocketSetting};
use crate::control::server::{Access, Server};
use crate::control::socket::{self, Owner, SocketChoice};
use crate::control::told;
use crate::dashboard::Dashboard;
use crate::escape::shown;
use crate::event::{DeedResult, Event, Sample};
use crate::event_loop::{EventLoop, Token};
use crate::exporter;
use crate::lines::Lines;
use crate::placement::Wish;
use crate::placement::demand::Unmet;
use crate::placement::leftovers;
use crate::placement::surroundings::Surroundings;
use crate::policy::breach::counter_slack;
use crate::policy::interval::Cadence;
use crate::policy::reclaim::ReclaimAt;
use crate::policy::{Policy, PolicyConfig};
use crate::report::console::Console;
use crate::report::log::Log;
use crate::report::record::{CallerId, RecordFile};
use crate::report::words;
use crate::status::{Level, Tier};
use crate::sys::caller::Caller;
use crate::sys::memory::{self, PageFaults};
use crate::sys::signals::Signals;
use crate::sys::spawn::{self, Place, Program, Waiting};
use crate::units::{Bytes, Limit};
use crate::watcher::Watcher;
use crate::workload::strangers::Strangers;
use crate::workload::{Workload, proc_file};
use anyhow::{Context, Result, bail};
use std::ffi::CString;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Starts the command under guard.
///
/// # Errors
/// When a limit cannot be put in force, the mailbox not opened, the command not run: nothing runs then.
pub fn start(config: Config) -> Result<Guardian> {
    // From here on what is sent to us is for the command, or ends the start: nothing that was made stays behind.
    let caller = Caller::remember();
    let signals = Signals::block().context("cannot read signals")?;
    let strangers = Strangers::so_far();
    let (mut records, name) = (Vec::new(), config.name.clone());
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
) -> Result<Guardian> {
    let (path, id) = (command::find(&config.command)?, CallerId::find());
    let around = Surroundings::look()?;
    let outer = hierarchy::outer_limit(&around.hierarchies)?;
    config.lines(config.memory, &outer)?;
    let recording = Recording::start(&config, id)?;
    let metrics = open_metrics(&config)?;
    let server = open_mailbox(&config, id)?;
    crate::sys::process::become_subreaper().context("cannot become a subreaper")?;
    let dashboard = open_terminal(&config, server.is_some());
    let has_dashboard = matches!(dashboard, Ok(Some(_)));
    let foreground = Foreground::new(has_dashboard, config.account.is_some(), &caller);
    let log = OutputLog::start(&config, has_dashboard, id)?;
    let waiting = prepare(&path, &config, dashboard.as_ref().ok(), &foreground, caller)?;
    let (found, refused) = find_tier(&around, &config, waiting.pid())?;
    let outer = found.placed.iter().fold(outer, |outer, placed| outer.above(placed.cgroup.path()));
    let (lines, notes) = settle(&mut config, &found, &around, &outer, refused)?;
    let (tier, reason) = (found.tier, found.reason);
    let left = found.placed.as_ref().map(|placed| leftovers::clear_beside(&placed.cgroup));
    let mut workload = Workload::new(tier, found.placed, found.observed)?;
    workload.leave_out_strangers(strangers);
    recording.iter().for_each(|recording| workload.leave_out(recording.pid()));
    log.iter().for_each(|log| workload.leave_out(log.pid()));
    let mut guardian = Guardian {
        caller,
        clock: Clock::start(),
        events: EventLoop::new().context("cannot make an epoll instance")?,
        signals,
        watcher: None,
        server,
        console: Console::new(),
        log: Log::default(),
        guards: Vec::new(),
        foreground,
        publisher: Publisher::keeping(log),
        tier_reason: reason,
        records: Vec::new(),
        keeper: None,
        memory_locked: false,
        evidence: Evidence::default(),
        caller_id: id,
        recording,
        outer,
        unseen: Unseen::new(tier),
        escapes_at: Timestamp::default(),
        escaped: Vec::new(),
        unanswered: Vec::new(),
        not_started: None,
        config,
    };
    guardian.say_notes(left.unwrap_or_default().into_iter().chain(notes));
    guardian.wire(&workload)?;
    guardian.begin_dashboard(dashboard, &mut workload);
    if let Some(listener) = metrics {
        guardian.open_exporter(listener, &mut workload)?;
    }
    guardian.announce(&around, &workload, &lines);
    guardian.launch(waiting, workload, lines)?;
    guardian.records = std::mem::take(records);
    Ok(guardian)
}

/// The command's terminal, where a dashboard is wanted and can get what it shows.
fn open_terminal(config: &Config, has_mailbox: bool) -> Result<Option<Dashboard>> {
    let wanted = has_mailbox && Dashboard::wanted(config.plain);
    let user = config.account.as_ref().map(|account| account.identity.uid());
    wanted.then(|| Dashboard::new(user)).transpose()
}

/// The process that will be the command. It exists first because systemd moves processes and not intentions.
fn prepare(
    path: &Path,
    config: &Config,
    dashboard: Option<&Option<Dashboard>>,
    foreground: &Foreground,
    caller: Caller,
) -> Result<Waiting> {
    let mut program = Program::new(path, &config.command).context("cannot run the command")?;
    program.no_new_privs = config.no_new_privs;
    if let Some(account) = &config.account {
        program.identity = Some(account.identity.clone());
        for (name, value) in account.variables() {
            program.set_variable(name, value).context("cannot run the command")?;
        }
    }
    let place = match (dashboard.and_then(Option::as_ref), foreground.to_hand_over()) {
        (Some(dashboard), _) => {
            dashboard.connect(&mut program)?;
            Place::Session { terminal: dashboard.terminal_of_child() }
        }
        (None, _) if config.account.is_some() => Place::Detached,
        (None, Some(terminal)) => Place::Foreground(terminal.as_fd()),
        (None, None) if foreground.is_shared() => Place::Ours,
        (None, None) => Place::Group,
    };
    Ok(spawn::prepare(&program, place, caller)?)
}

/// The best tier, and the cgroup that was named if one without it had to do.
fn find_tier(around: &Surroundings, config: &Config, child: i32) -> Result<(Found, Option<Unmet>)> {
    let name = format!("sentinel-{}-{}", config.name, std::process::id());
    let slice = config.slice.as_deref();
    let find =
        |given| tier::find(around, &Wish { name: &name, given, slice, child }, config.require);
    let Some(given) = config.cgroup.as_deref() else { return Ok((find(None)?, None)) };
    let option = format!("--cgroup {}", shown(given));
    match find(Some(given)) {
        Ok(found) => Ok((found, None)),
        Err(error) if config.best_effort || config.dry_run => {
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
    let (room, less_swap) = swap.map_or((Limit::At(0), None), |swap| swap.room(config.swap));
    config.swap_room = room;
    let lines = config.lines(config.wanted_memory(found.tier, outer), outer)?;
    let note = put_in_force(config, found, &lines)?;
    Ok((lines, [without, less_swap, note].into_iter().flatten().collect()))
}

/// Writes the limits of the cgroup, as far as the tier has them. Gives what could not be had and was not asked for.
fn put_in_force(config: &mut Config, found: &Found, lines: &Lines) -> Result<Option<String>> {
    let Some(placed) = found.placed.as_ref().filter(|_| found.tier == Tier::Kernel) else {
        config.pids.0 = Limit::Max;
        return Ok(None);
    };
    if config.dry_run {
        config.pids.0 = Limit::Max;
        return Ok(None);
    }
    let mut note = None;
    if !placed.cgroup.has("pids.max") {
        let text = "no pids controller here: the number of processes is not limited";
        note = (!config.pids.1).then(|| text.to_owned());
        config.pids.0 = Limit::Max;
    }
    let limits = WorkloadLimits { lines: *lines, swap: config.swap, pids: config.pids.0 };
    limits::apply(&placed.cgroup, &limits).context("cannot put the limits in force")?;
    Ok(note)
}

/// The socket of the exporter, with the caller's rights where their own configuration names the address.
fn open_metrics(config: &Config) -> Result<Option<TcpListener>> {
    let Some(address) = config.metrics.as_deref() else { return Ok(None) };
    config.with_rights_for(config.of_caller.metrics, || exporter::listen(address)).map(Some)
}

fn open_mailbox(config: &Config, id: CallerId) -> Result<Option<Server>> {
    let choice = match &config.socket {
        SocketSetting::Off => SocketChoice::Off,
        SocketSetting::Default => SocketChoice::Default,
        SocketSetting::At(path) if config.of_caller.socket => SocketChoice::AsOwner(path.clone()),
        SocketSetting::At(path) => SocketChoice::At(path.clone()),
    };
    let owner = Owner { uid: id.uid, gid: id.gid };
    let mailbox = socket::open_mailbox(choice, owner, &config.name, std::process::id())?;
    let access = Access { owner_uid: id.uid, others_may_read: false };
    Server::new(mailbox, access).map(Some).context("cannot serve the mailbox")
}

impl Guardian {
    fn say_notes(&mut self, notes: impl Iterator<Item = String>) {
        let notices = self.server.as_mut().map(Server::take_notices).unwrap_or_default();
        for text in notices.into_iter().chain(notes) {
            self.say(Level::Warning, text);
        }
    }

    fn begin_dashboard(&mut self, found: Result<Option<Dashboard>>, workload: &mut Workload) {
        match found {
            Ok(Some(dashboard)) => self.open_dashboard(dashboard, workload),
            Ok(None) => {}
            Err(error) => self.say(Level::Warning, format!("no dashboard: {error:#}")),
        }
    }

    /// Makes the watches; the first look comes after the start.
    fn wire(&mut self, workload: &Workload) -> Result<()> {
        self.events.add(&self.signals, Token::Signals).context("cannot wait for signals")?;
        if let Some(server) = &self.server {
            self.events.add(server, Token::Mailbox).context("cannot wait for the mailbox")?;
        }
        if let Some(file) = workload.memory_events() {
            self.events
                .add(file, Token::MemoryEvents(0))
                .context("cannot wait for memory.events")?;
        }
        if let Some(cgroup) = workload.watched() {
            let watch = || {
                let mut watcher = Watcher::new()?;
                watcher.watch(cgroup.path(), 0)?;
                Ok::<Watcher, std::io::Error>(watcher)
            };
            match watch() {
                Ok(watcher) => {
                    self.events.add(&watcher, Token::Files).context("cannot wait for inotify")?;
                    self.watcher = Some(watcher);
                }
                Err(error) => {
                    let text = format!(
                        "inotify cannot be had ({error}): sampling and EPOLLPRI do alone; raise fs.inotify.max_user_instances or max_user_watches"
                    );
                    self.say(Level::Warning, text);
                }
            }
        }
        Ok(())
    }

    /// The tier, where the workload is, and what is lost, one line each.
    fn announce(&mut self, around: &Surroundings, workload: &Workload, lines: &Lines) {
        let tier = workload.tier();
        let place = workload.watched().map_or_else(
            || "no cgroup".to_owned(),
            |cgroup| crate::escape::escape(cgroup.path().as_os_str().as_encoded_bytes()),
        );
        let ceiling = match tier {
            _ if self.config.dry_run => "dry run: no limit in force, nothing is ended".to_owned(),
            Tier::Kernel => format!("memory.max {}", lines.ceiling),
            Tier::Observed | Tier::Hybrid | Tier::Polled => {
                format!("SIGKILL without grace from {} on", lines.second)
            }
        };
        let row = workload.row().map_or_else(String::new, |row| format!(" ({row})"));
        let limit = words::limit(lines.limit, lines.swap);
        self.say(
            Level::Info,
            format!("tier {}{row}: {place}, limit {limit}, {ceiling}", tier.name()),
        );
        if let Some(note) = self.config.crowd_note(lines).filter(|_| tier == Tier::Kernel) {
            self.say(Level::Warning, note);
        }
        if let Some(lost) = tier::lost(tier) {
            let (reason, hint) = (&self.tier_reason, tier::way_out(around));
            // To somebody who hears it: what is quiet tells nothing and remembers nothing. The reason can name this very run's cgroup.
            if !self.config.quiet
                && told::is_news(self.caller_id.uid, &format!("{lost}; better: {hint}"))
            {
                let text = format!(
                    "{lost}; because {reason}; better: {hint} (said once; later: sentinel doctor)"
                );
                self.say(Level::Info, text);
            }
        }
        if matches!(tier, Tier::Hybrid | Tier::Polled) && proc_file::hides_others() {
            let text = "/proc is mounted with hidepid: memory of what the command starts as another user is not seen";
            self.say(Level::Warning, text.to_owned());
        }
    }

    /// Runs the command and begins to guard it.
    fn launch(&mut self, waiting: Waiting, mut workload: Workload, lines: Lines) -> Result<()> {
        let (rules, now) = (self.policy_config(lines, workload.tier()), self.clock.now());
        let policy = Policy::new(rules, now);
        self.begin_recording((waiting.pid(), workload.tier()), &rules, now);
        // Another user could not open the file that they name: it is ours, as all of the cgroup.
        let shared = self.config.account.is_none();
        let added = if shared { pressure_variables(&workload) } else { Vec::new() };
        // The command's process was forked before: it has none of this.
        memory::lower_oom_score();
        self.memory_locked = memory::lock();
        crate::sys::priority::raise();
        if let Err(error) = self.start_keeper(&mut workload, &lines, waiting.pid()) {
            // What went wrong with the command is the error to tell; the cgroup is empty.
            let _ = workload.remove();
            return Err(error);
        }
        self.start_witness(&mut workload);
        self.publisher.begin_usage(&workload, self.clock.now());
        let admitted =
            workload.admit(waiting.pid()).context("cannot put the command into its cgroup");
        let asked_to_end = match self.signals.ending(&self.caller) {
            Some(signal) => Err(Interrupted(signal).into()),
            None => Ok(()),
        };
        let go =
            |()| waiting.go(&added).map_err(|error| command::explain(error, &self.config.command));
        let (child_pid, starting) = match admitted.and(asked_to_end).and_then(go) {
            Ok(started) => started,
            Err(error) => {
                self.foreground.reclaim(0, true);
                // It may be opening the cgroup just now.
                self.dismiss_keeper();
                // What went wrong with the command is the error to tell; the cgroup is empty.
                let _ = workload.remove();
                return Err(error);
            }
        };
        self.publisher.close_terminal_of_child();
        workload.started(child_pid);
        match &starting {
            None => self.tell_started(),
            Some(starting) => {
                self.events
                    .add(starting, Token::Started)
                    .context("cannot wait for the command to run")?;
            }
        }
        rehearse(&mut workload, policy.clone(), &lines, self.clock.now());
        self.guards.push(Guard {
            policy,
            workload,
            child_pid,
            outcome: None,
            term: None,
            kill: None,
            ended_at: None,
            page_faults: PageFaults::default(),
            scope_stopped: false,
            told_failures: Vec::new(),
            lines_result: DeedResult::Done,
            deed_error: None,
            starting,
            end_at: None,
            signalled_at: Timestamp::default(),
        });
        Ok(())
    }

    fn policy_config(&self, lines: Lines, tier: Tier) -> PolicyConfig {
        let config = &self.config;
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let (cadence, slack, reclaim) = match tier {
            Tier::Kernel => {
                let slack = counter_slack(cpus, procfs::page_size(), lines.limit);
                (Cadence::Events, slack, ReclaimAt::TripWire)
            }
            Tier::Observed => (Cadence::Polled, Bytes(0), ReclaimAt::Ceiling),
            // Sums over processes do not lag.
            Tier::Hybrid | Tier::Polled => (Cadence::Polled, Bytes(0), ReclaimAt::Nowhere),
        };
        PolicyConfig {
            lines,
            grace: config.grace,
            warn: config.warn,
            thrash: config.thrash,
            timeout: config.timeout,
            on_exit: config.on_exit,
            dry_run: config.dry_run,
            cadence: if config.dry_run { Cadence::Polled } else { cadence },
            reclaim: if config.dry_run { ReclaimAt::Nowhere } else { reclaim },
            slack,
        }
    }
}

/// Goes the way to a kill once without doing anything, so that its code and data are in memory, where they are locked.
fn rehearse(workload: &mut Workload, mut policy: Policy, lines: &Lines, now: Timestamp) {
    let over = Sample { current: lines.ceiling, ..Sample::default() };
    let later = now + Duration::from_secs(1 << 30);
    for (event, at) in
        [(Event::Sample(over), now), (Event::Sample(over), now), (Event::Deadline, later)]
    {
        std::hint::black_box(policy.handle(event, at));
    }
    workload.rehearse();
}

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
