//! The keeper seen from the guardian: started before the command runs, told what changes, let go at the end.

use super::Host;
use crate::cli::OnDeath;
use crate::config::{Targets, WardRules};
use crate::control::server::Server;
use crate::keeper::VERB;
use crate::keeper::orders::{OrderFile, Orders, Stage};
use crate::policy::Rung;
use crate::status::Level;
use crate::units::millis;
use crate::ward::{Origin, WardId};
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

impl Keeper {
    fn start(mut command: Command, orders: OrderFile, written: Orders) -> Result<Keeper> {
        let (end, leash) = std::io::pipe().context("make its pipe")?;
        let output = orders.share().context("share its orders")?;
        // Not in our group, or a Ctrl-C right now would be for it too.
        command.stdin(end).stdout(Stdio::from(output)).process_group(0);
        let child = command.spawn().context("start it")?;
        let pid = i32::try_from(child.id()).context("know its process id")?;
        Ok(Keeper { pid, orders, written, leash })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }
}

impl Host {
    /// Starts the keeper, or says that there is none.
    ///
    /// # Errors
    /// When there is none and `--on-guardian-death` was asked for and `must` be in force.
    pub(super) fn start_keeper(&mut self, id: WardId, child: i32, must: bool) -> Result<()> {
        match self.try_start_keeper(id, child) {
            Ok(keeper) => {
                self.attendants.keeper = Some(keeper);
                self.leave_out_attendants();
            }
            Err(error) if must => {
                let ward = self.wards.get(id);
                let option = ward.map_or(OnDeath::Terminate, |ward| ward.rules.on_guardian_death);
                return Err(error.context(format!(
                    "cannot put --on-guardian-death {option} in force (to run without it: --best-effort)"
                )));
            }
            Err(error) => {
                let lost = "if sentinel is killed, the workload continues unguarded";
                self.say(Level::Warning, format!("no keeper: {error:#}; {lost}"));
            }
        }
        Ok(())
    }

    fn try_start_keeper(&mut self, id: WardId, child: i32) -> Result<Keeper> {
        let ward = self.wards.get_mut(id).context("find whom to keep")?;
        let orders = OrderFile::create().context("make a file for its orders")?;
        let lines = ward.policy().lines();
        let written = Orders {
            relief: lines.relief.0,
            second: lines.second.0,
            grace_ms: millis(ward.rules.grace),
            child,
            stage: Stage::Watching,
        };
        orders.write(written).context("write its orders")?;
        if ward.wants_report() {
            let report = ward.report_of_our_death(child, Origin::find(self.caller_id))?;
            // What is told of this is told once, and the keeper is one all the same.
            if let Err(error) = orders.write_report(report.as_bytes()) {
                let text = format!("no post-mortem if sentinel is killed: {error}");
                ward.say(Level::Warning, text);
            }
        }
        Keeper::start(self.keeper_command(id)?, orders, written)
    }

    fn keeper_command(&self, id: WardId) -> Result<Command> {
        let ward = self.wards.get(id).context("find whom to keep")?;
        let rules = &ward.rules;
        // In a dry run nothing is done to the workload.
        let on_death = if rules.dry_run { OnDeath::Release } else { rules.on_guardian_death };
        let mut command = self.bare_keeper(rules, on_death);
        if let Some(cgroup) = ward.workload.cgroup() {
            command.arg("--cgroup").arg(cgroup.path());
        }
        if let Some(home) = ward.workload.vacated() {
            command.arg("--vacated").arg(home);
        }
        Ok(command)
    }

    fn bare_keeper(&self, rules: &WardRules, on_death: OnDeath) -> Command {
        // The program that runs, also where another has its name by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("sentinel-keeper").arg(VERB);
        for (name, value) in [
            ("--guardian", std::process::id().to_string()),
            ("--name", rules.name.clone()),
            ("--now-ms", millis(self.clock.now().0).to_string()),
            ("--term-signal", rules.term_signal.to_string()),
            ("--kill-mode", rules.kill_mode.to_string()),
            ("--on-death", on_death.to_string()),
        ] {
            command.arg(name).arg(value);
        }
        for node in self.server.iter().map(Server::mailbox).flat_map(|mailbox| mailbox.nodes()) {
            command.arg("--socket").arg(node.path());
        }
        command
    }

    /// Starts the keeper of what others started, or says that there is none.
    pub(super) fn start_keeper_of_others(&mut self, rules: &WardRules, targets: &Targets) {
        match self.try_start_keeper_of_others(rules, targets) {
            Ok(keeper) => self.attendants.keeper = Some(keeper),
            Err(error) => {
                let lost = "if sentinel is killed, memory.high stays at the limit";
                self.say(Level::Warning, format!("no keeper: {error:#}; {lost}"));
            }
        }
    }

    fn try_start_keeper_of_others(&self, rules: &WardRules, targets: &Targets) -> Result<Keeper> {
        let orders = OrderFile::create().context("make a file for its orders")?;
        let written = Orders::default();
        orders.write(written).context("write its orders")?;
        let mut command = self.bare_keeper(rules, OnDeath::Release);
        for path in &targets.cgroups {
            command.arg("--attached").arg(path);
        }
        for path in &targets.directories {
            command.arg("--attached-in").arg(path);
        }
        Keeper::start(command, orders, written)
    }

    /// Tells the keeper what changed. Called once a turn of the loop, behind all deeds.
    pub(super) fn brief_keeper(&mut self) {
        // What others started is given back, whatever became of it.
        let ward = self.wards.iter().next().filter(|_| self.visit.is_none());
        let (Some(keeper), Some(ward)) = (&mut self.attendants.keeper, ward) else { return };
        let policy = ward.policy();
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
            child: ward.child_pid().unwrap_or(0),
            stage,
        };
        if orders != keeper.written && keeper.orders.write(orders).is_ok() {
            keeper.written = orders;
        }
        if ward.workload.cgroup().is_none() {
            // A list that is a little old is better than none.
            let _ = keeper.orders.list(ward.workload.listed());
        }
    }

    /// Whether this process, which ended, was the keeper. Another is not started: somebody meant it, and may mean it again.
    pub(super) fn keeper_ended(&mut self, pid: i32) -> bool {
        let Some(mut keeper) = self.attendants.keeper.take_if(|keeper| keeper.pid == pid) else {
            return false;
        };
        // Reaped: the number may be somebody else's by now.
        keeper.pid = 0;
        if self.is_guarding() {
            let lost = "if sentinel is killed now, the workload continues unguarded";
            self.say(Level::Warning, format!("the keeper was killed: {lost}"));
        }
        true
    }
}
