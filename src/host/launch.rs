//! The command: made ready, put into its place, run.

use super::Host;
use super::foreground::Foreground;
use super::not_started::Interrupted;
use crate::cgroup::Cgroup;
use crate::command::{self, runtimes};
use crate::config::Config;
use crate::dashboard::Dashboard;
use crate::event_loop::Token;
use crate::status::Tier;
use crate::sys::caller::Caller;
use crate::sys::memory;
use crate::sys::spawn::{self, Program, TerminalPlace, Waiting};
use crate::ward::{Ward, WardId};
use crate::workload::Workload;
use anyhow::{Context, Result};
use std::cell::RefCell;
use std::ffi::CString;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// The command, ready to be run.
pub(super) struct Launch {
    program: Program,
    /// As a descriptor number of the command's process: the terminal of its own that it gets.
    terminal: Option<RawFd>,
    caller: Caller,
    as_other_user: bool,
    /// Made before there is a cgroup where systemd is asked for one: it moves processes, and not intentions.
    early: RefCell<Option<Waiting>>,
}

impl Launch {
    pub(super) fn new(
        path: &Path,
        config: &Config,
        dashboard: Option<&Option<Dashboard>>,
        caller: Caller,
    ) -> Result<Launch> {
        let mut program =
            Program::new(path, &config.rules.command).context("cannot run the command")?;
        program.no_new_privs = config.no_new_privs;
        for name in runtimes::names(config.rules.tell_runtimes, |name| std::env::var_os(name)) {
            program.remove_variable(name);
        }
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

    fn place<'a>(&self, foreground: &'a Foreground) -> TerminalPlace<'a> {
        match (self.terminal, foreground.to_hand_over()) {
            (Some(terminal), _) => TerminalPlace::Session { terminal },
            (None, _) if self.as_other_user => TerminalPlace::Detached,
            (None, Some(terminal)) => TerminalPlace::Foreground(terminal.as_fd()),
            (None, None) if foreground.is_shared() => TerminalPlace::Ours,
            (None, None) => TerminalPlace::Group,
        }
    }

    /// The process that will be the command, before there is a place for it. The same one if asked for again.
    pub(super) fn process_for_systemd(&self, foreground: &Foreground) -> Result<i32> {
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

impl Host {
    pub(super) fn process_in_place(&self, launch: Launch, id: WardId) -> Result<Waiting> {
        let ward = self.wards.get(id).context("find where the command belongs")?;
        launch.process(&self.foreground, &ward.workload)
    }

    /// Runs the command and begins to guard it.
    pub(super) fn launch(&mut self, id: WardId, waiting: Waiting, insists: bool) -> Result<()> {
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
        let mut added = if shared { pressure_variables(&ward.workload) } else { Vec::new() };
        added.extend(limit_variables(ward));
        ward.begin_usage();
        let pid = waiting.pid();
        ward.workload.mark(pid);
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
        self.ready.warm_at = Some(self.clock.now() + SHORT);
        self.attendants.close_terminal_of_child();
        if let Some(starting) = &starting {
            let wait = self.events.add(starting, Token::Started);
            wait.context("cannot wait for the command to run")?;
        }
        ward.started(pid, starting);
        Ok(())
    }
}

/// The limit as it is when the command begins.
fn limit_variables(ward: &Ward) -> impl Iterator<Item = CString> {
    let limit = ward.policy().lines().limit;
    runtimes::words(runtimes::variables(limit, ward.rules.tell_runtimes, |name| {
        std::env::var_os(name)
    }))
}

/// A command that is over by then needs none of what is made ready for the worst day.
const SHORT: Duration = Duration::from_millis(20);

/// `some 200000 2000000` and a NUL, in base64: what systemd offers, and what an unprivileged process may write
/// (systemd: MEMORY_PRESSURE.md; windows without privilege are multiples of 2 s).
const PRESSURE_TRIGGER: &str = "c29tZSAyMDAwMDAgMjAwMDAwMAA=";

/// Programs that know the protocol shrink by themselves when their cgroup is under pressure. Where the caller has somebody
/// else's watch, that stays.
fn pressure_variables(workload: &Workload) -> Vec<CString> {
    let tells = workload.tier() == Tier::Kernel && workload.tells_pressure();
    let file = workload.cgroup().filter(|_| tells);
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
