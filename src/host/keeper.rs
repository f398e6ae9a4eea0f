//! The keeper seen from the guardian: started before the command runs, told what changes, let go at the end.

use super::Host;
use crate::cli::OnDeath;
use crate::config::{Targets, WardRules};
use crate::control::server::Server;
use crate::keeper::orders::{OrderFile, Orders, Stage};
use crate::keeper::{self, Charge, Handed, Node};
use crate::policy::Rung;
use crate::report::post_mortem::PostMortem;
use crate::status::Level;
use crate::sys::attendant::{self, Given};
use crate::targets::{Located, Place};
use crate::units::millis;
use crate::ward::{Origin, WardId};
use crate::witness::Witness;
use anyhow::{Context, Result};
use std::io::{PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The process, and what leads to it.
#[derive(Debug)]
pub(super) struct KeeperProcess {
    pid: i32,
    orders: OrderFile,
    written: Orders,
    /// It takes over when this closes.
    leash: PipeWriter,
}

impl Drop for KeeperProcess {
    /// But a panic lets the leash break.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.let_go();
        }
    }
}

impl KeeperProcess {
    /// With the line on which the witness is asked, and what makes the start of a post-mortem.
    fn start(
        handed: Handed,
        (orders, written): (OrderFile, Orders),
        line: Option<&OwnedFd>,
        report: impl FnOnce() -> Option<PostMortem>,
    ) -> Result<KeeperProcess> {
        let (end, leash) = std::io::pipe().context("make its pipe")?;
        let third = line.map(AsFd::as_fd);
        let given = Given { input: end.as_fd(), output: orders.as_fd(), third };
        let task = |held| keeper::run(handed, held, report);
        let pid = attendant::start(c"sentinel-keeper", given, task).context("start it")?;
        Ok(KeeperProcess { pid, orders, written, leash })
    }

    /// Lets it go, and waits for it to have gone.
    pub(super) fn let_go(&mut self) {
        let pid = std::mem::take(&mut self.pid);
        if pid == 0 {
            return;
        }
        if crate::sys::process::send(pid, nix::libc::SIGKILL).is_err() {
            // Where it is gone already, nothing is to be let go.
            let _ = self.leash.write_all(b".");
        }
        crate::sys::process::reap(pid);
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

    fn try_start_keeper(&mut self, id: WardId, child: i32) -> Result<KeeperProcess> {
        let ward = self.wards.get(id).context("find whom to keep")?;
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
        // Without it the mappings are missing in a post-mortem, and nothing else.
        let witness = ward.wants_report().then(Witness::hire).and_then(Result::ok);
        let (witness, line) = witness.unzip();
        let rules = &ward.rules;
        let charge = Charge::Run {
            cgroup: ward.workload.cgroup().map(|cgroup| cgroup.path().to_owned()),
            vacated: ward.workload.vacated().map(Path::to_owned),
        };
        // In a dry run nothing is done to the workload.
        let on_death = if rules.dry_run { OnDeath::Release } else { rules.on_guardian_death };
        let handed = self.handed(rules, charge, on_death);
        let report = || {
            let origin = || Origin::find(self.caller_id);
            ward.wants_report().then(|| ward.report_of_our_death(child, origin()))
        };
        let keeper = KeeperProcess::start(handed, (orders, written), line.as_ref(), report)?;
        self.attendants.witness = witness;
        Ok(keeper)
    }

    fn handed(&self, rules: &WardRules, charge: Charge, on_death: OnDeath) -> Handed {
        let nodes =
            self.mailbox.server.iter().map(Server::mailbox).flat_map(|mailbox| mailbox.nodes());
        Handed {
            guardian: crate::sys::process::own(),
            name: rules.name.clone(),
            now_ms: millis(self.clock.now().0),
            charge,
            term_signal: rules.term_signal,
            kill_mode: rules.kill_mode,
            on_death,
            sockets: nodes
                .map(|node| Node { path: node.path().to_owned(), id: node.id() })
                .collect(),
        }
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

    fn try_start_keeper_of_others(
        &self,
        rules: &WardRules,
        targets: &Targets,
    ) -> Result<KeeperProcess> {
        let orders = OrderFile::create().context("make a file for its orders")?;
        let written = Orders::default();
        orders.write(written).context("write its orders")?;
        let cgroup = |found: &Located| match &found.place {
            Place::Cgroup(directory) => Some(directory.clone()),
            Place::Shared { .. } | Place::Pods(_) | Place::Machine => None,
        };
        let of_pods = targets.singles.iter().filter_map(|found| match &found.place {
            Place::Pods(directories) => Some(directories.clone()),
            Place::Cgroup(_) | Place::Shared { .. } | Place::Machine => None,
        });
        let mut directories = targets.directories.clone();
        directories.extend(of_pods.flatten());
        let pools = directories.iter().filter(|_| targets.pool.is_some()).cloned();
        let cgroups = targets.singles.iter().filter_map(cgroup).chain(pools).collect();
        let charge = Charge::Others { cgroups, directories };
        let handed = self.handed(rules, charge, OnDeath::Release);
        KeeperProcess::start(handed, (orders, written), None, || None)
    }

    /// Tells the keeper what changed, and lists whom only we know. Called once a turn of the loop, behind all deeds.
    pub(super) fn brief_keeper(&mut self) {
        self.order_keeper();
        let ward = self.wards.iter().next().filter(|_| self.visit.is_none());
        if let (Some(keeper), Some(ward)) = (&mut self.attendants.keeper, ward)
            && ward.workload.cgroup().is_none()
        {
            // A list that is a little old is better than none.
            let _ = keeper.orders.list(ward.workload.listed());
        }
    }

    /// Tells the keeper what changed. What somebody is answered is so even when we are killed the moment after.
    pub(super) fn order_keeper(&mut self) {
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
