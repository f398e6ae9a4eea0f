//! The keeper seen from the guardian: started before the command runs, told what changes, let go at the end.

use super::Guardian;
use crate::cli::OnDeath;
use crate::control::server::Server;
use crate::keeper::VERB;
use crate::keeper::orders::{OrderFile, Orders, Stage};
use crate::lines::Lines;
use crate::policy::Rung;
use crate::status::Level;
use crate::units::millis;
use crate::workload::Workload;
use anyhow::{Context, Result};
use std::io::{PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The process, and what leads to it.
#[derive(Debug)]
pub(super) struct Keeper {
    pid: i32,
    orders: OrderFile,
    written: Orders,
    /// It takes over when this closes.
    leash: PipeWriter,
}

impl Drop for Keeper {
    /// Lets it go, and waits for it to have gone; but a panic lets the leash break.
    fn drop(&mut self) {
        if std::thread::panicking() || self.pid == 0 {
            return;
        }
        // Where it is gone already, nothing is to be let go.
        let _ = self.leash.write_all(b".");
        let _ = crate::sys::process::send(self.pid, nix::libc::SIGKILL);
        crate::sys::process::reap(self.pid);
    }
}

impl Guardian {
    /// Starts the keeper, or says that there is none.
    ///
    /// # Errors
    /// When there is none and `--on-guardian-death` was asked for.
    pub(super) fn start_keeper(
        &mut self,
        workload: &mut Workload,
        lines: &Lines,
        child: i32,
    ) -> Result<()> {
        match self.try_start_keeper(workload, lines, child) {
            Ok(keeper) => {
                workload.leave_out(keeper.pid);
                self.keeper = Some(keeper);
            }
            Err(error) if self.insists_on_keeper() => {
                let option = self.config.on_guardian_death;
                return Err(error.context(format!(
                    "--on-guardian-death {option} cannot be put in force (or go without: --best-effort)"
                )));
            }
            Err(error) => {
                let lost = "if sentinel is killed, the workload goes on without a guardian";
                self.say(Level::Warning, format!("no keeper: {error:#}; {lost}"));
            }
        }
        Ok(())
    }

    fn insists_on_keeper(&self) -> bool {
        let config = &self.config;
        config.asked.on_guardian_death && !config.best_effort && !config.dry_run
    }

    fn try_start_keeper(
        &mut self,
        workload: &Workload,
        lines: &Lines,
        child: i32,
    ) -> Result<Keeper> {
        let orders = OrderFile::create().context("make a file for its orders")?;
        let written = Orders {
            relief: lines.relief.0,
            second: lines.second.0,
            grace_ms: millis(self.config.grace),
            child,
            stage: Stage::Watching,
        };
        orders.write(written).context("write its orders")?;
        let (end, leash) = std::io::pipe().context("make its leash")?;
        let mut command = self.keeper_command(workload);
        if self.wants_report() {
            let report = self.report_of_our_death(workload, lines, child)?;
            // What is told of this is told once, and the keeper is one all the same.
            if let Err(error) = orders.write_report(report.as_bytes()) {
                let text = format!("no post-mortem if sentinel is killed: {error}");
                self.say(Level::Warning, text);
            }
        }
        let output = orders.share().context("share its orders")?;
        // Not in our group, or a Ctrl-C right now would be for it too.
        command.stdin(end).stdout(Stdio::from(output)).process_group(0);
        let child = command.spawn().context("start it")?;
        let pid = i32::try_from(child.id()).context("know its process id")?;
        Ok(Keeper { pid, orders, written, leash })
    }

    fn keeper_command(&self, workload: &Workload) -> Command {
        // The program that runs, also where another has its name by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("sentinel-keeper").arg(VERB);
        // In a dry run nothing is done to the workload.
        let on_death =
            if self.config.dry_run { OnDeath::Release } else { self.config.on_guardian_death };
        for (name, value) in [
            ("--guardian", std::process::id().to_string()),
            ("--name", self.config.name.clone()),
            ("--now-ms", millis(self.clock.now().0).to_string()),
            ("--term-signal", self.config.term_signal.to_string()),
            ("--kill-mode", self.config.kill_mode.to_string()),
            ("--on-death", on_death.to_string()),
        ] {
            command.arg(name).arg(value);
        }
        if let Some(cgroup) = workload.cgroup() {
            command.arg("--cgroup").arg(cgroup.path());
        }
        if let Some(home) = workload.vacated() {
            command.arg("--vacated").arg(home);
        }
        for node in self.server.iter().map(Server::mailbox).flat_map(|mailbox| mailbox.nodes()) {
            command.arg("--socket").arg(node.path());
        }
        command
    }

    /// Tells the keeper what changed. Called once a turn of the loop, behind all deeds.
    pub(super) fn brief_keeper(&mut self) {
        let (Some(keeper), Some(guard)) = (&mut self.keeper, self.guards.first()) else { return };
        let policy = &guard.policy;
        let stage = match policy.rung() {
            Rung::Watching { .. } => Stage::Watching,
            Rung::Terminating { kill_at, .. } => Stage::Terminating(millis(kill_at.0)),
            Rung::Killing { .. } => Stage::Killing,
            Rung::Ended => Stage::Over,
        };
        let lines = policy.lines();
        let orders = Orders {
            relief: lines.relief.0,
            second: lines.second.0,
            grace_ms: millis(policy.grace()),
            child: if guard.workload.child_alive() { guard.child_pid } else { 0 },
            stage,
        };
        if orders != keeper.written && keeper.orders.write(orders).is_ok() {
            keeper.written = orders;
        }
        if guard.workload.cgroup().is_none() {
            // A list that is a little old is better than none.
            let _ = keeper.orders.list(guard.workload.listed());
        }
    }

    /// Whether this process, which ended, was the keeper. Another is not started: somebody meant it, and may mean it again.
    pub(super) fn keeper_ended(&mut self, pid: i32) -> bool {
        if self.keeper.as_ref().map(|keeper| keeper.pid) != Some(pid) {
            return false;
        }
        if let Some(mut keeper) = self.keeper.take() {
            // Reaped: the number may be somebody else's by now.
            keeper.pid = 0;
        }
        if self.guards.iter().any(|guard| guard.outcome.is_none()) {
            let lost = "if sentinel is killed now, the workload goes on without a guardian";
            self.say(Level::Warning, format!("the keeper was ended by somebody: {lost}"));
        }
        true
    }

    /// Where /proc cannot be read, the kernel tells only whether we have children at all: then we must have none of our own.
    /// False when there is no keeper.
    pub(super) fn give_up_company(&mut self) -> bool {
        let witness = self.evidence.dismiss_witness();
        let given_up = self.keeper.take().is_some();
        if given_up {
            let why = "nothing else tells whether the command left somebody behind";
            self.say(Level::Warning, format!("the keeper is given up: {why}"));
        }
        given_up | witness | self.give_up_recording()
    }

    /// The end was a good one.
    pub(super) fn dismiss_keeper(&mut self) {
        self.keeper = None;
    }
}
