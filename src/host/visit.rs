//! Guarding what somebody else started: cgroups that are there, or come and go in a directory. Little is written to them, and what was
//! there before is put back.

use super::Host;
use super::announce::announcement;
use super::directories::Directories;
use super::others;
use super::pool::GuardedPool;
use super::room::ensure_room;
use super::wards::Wards;
use crate::cgroup::Cgroup;
use crate::cgroup::hierarchy::{OuterLimit, place_of};
use crate::cli::MatchRule;
use crate::config::WardRules;
use crate::escape::{escape, shown};
use crate::event::DeedResult;
use crate::lines::Lines;
use crate::placement::demand::{Demand, NO_FREEZER};
use crate::placement::leftovers::guardian_of;
use crate::policy::on_breach::OnBreach;
use crate::status::{Level, Tier};
use crate::sys::process::PidFd;
use crate::units::{Bytes, Limit};
use crate::ward::{Emptied, Location, MachineFloor, Ward, WardId};
use crate::workload::Workload;
use crate::workload::foreign::Foreign;
use crate::workload::machine::Preference;
use crate::workload::process_tree::ProcessTree;
use crate::workload::spares::Spares;
use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::libc::ENODEV;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Which limits around a cgroup count for it.
pub(super) type LimitsAround = fn(OuterLimit, &Path) -> OuterLimit;

/// What is guarded that others started, and how.
#[derive(Debug)]
pub(super) struct Visit {
    /// For each of them.
    pub(super) rules: WardRules,
    /// The machine's memory.
    pub(super) machine: OuterLimit,
    /// The machine's floor, where one was asked for.
    pub(super) floor: Option<MachineFloor>,
    /// Every cgroup in these is guarded, as they come and go.
    pub(super) directories: Directories,
    /// Descriptors for the worst day.
    pub(super) spares: Spares,
    /// Those of them that are not guarded any more, since somebody asked for it, as long as they are there.
    pub(super) let_go: Vec<PathBuf>,
    /// Rules of their own for some in a directory.
    pub(super) matches: Vec<MatchRule>,
    /// Those in the directory have a limit together.
    pub(super) pool: Option<GuardedPool>,
    /// Owners are asked to stop what is to end.
    pub(super) end_by_stop: bool,
    /// All that was there is guarded: what is found from now on came later.
    pub(super) begun: bool,
    /// We were asked to go: what is being ended is ended first.
    pub(super) released: bool,
}

impl Visit {
    /// Whether it is not to be guarded: it was let go, or the configuration says so.
    pub(super) fn passes_over(&self, path: &Path) -> bool {
        let ignored = || self.rule_for(&name_of(path)).is_some_and(|rule| rule.ignore);
        self.let_go.iter().any(|gone| gone == path) || ignored()
    }

    /// The first that is for this name.
    fn rule_for(&self, name: &str) -> Option<&MatchRule> {
        self.matches.iter().find(|rule| rule.is_for(name))
    }
}

impl Host {
    /// Takes a cgroup under guard that somebody else made.
    ///
    /// # Errors
    /// When it is not one that can be guarded, or the limit cannot be put in force.
    pub(super) fn join(
        &mut self,
        directory: &Path,
        name: String,
        emptied: Emptied,
    ) -> Result<WardId> {
        let visit = self.visit.as_ref().context("not attached to anything")?;
        // The limits above one in a pool are of all together.
        let (mut rules, around): (_, LimitsAround) = match &visit.pool {
            Some(pool) => (visit.rules.within(pool.rules.total), OuterLimit::with),
            None => (visit.rules.clone(), OuterLimit::including),
        };
        if let Some(rule) = visit.rule_for(&name).filter(|_| emptied == Emptied::Waits) {
            rules = rules.matched(rule);
        }
        rules.name = name;
        self.join_by(directory, rules, around, emptied)
    }

    /// The same by these rules.
    ///
    /// # Errors
    /// As [`Host::join`].
    pub(super) fn join_by(
        &mut self,
        directory: &Path,
        rules: WardRules,
        around: LimitsAround,
        emptied: Emptied,
    ) -> Result<WardId> {
        let visit = self.visit.as_ref().context("not attached to anything")?;
        let cgroup = Cgroup::open(directory)?;
        check(&cgroup, &self.wards)?;
        let foreign = Foreign::new(cgroup, !rules.dry_run)?;
        // What a guardian that is gone left there is no limit any more.
        let outer = around(visit.machine.clone(), directory);
        let lines = rules.lines_of_others(&outer)?;
        let mut workload = Workload::of_others(foreign, visit.spares.clone())?;
        check_freezer(&rules, &workload)?;
        // Whom its owner stops need not hear us.
        let needed = !rules.dry_run && !visit.end_by_stop;
        let heard = if needed { workload.ensure_hears() } else { Ok(()) };
        heard.map_err(|(pid, error)| {
            let place = shown(directory);
            let text = format!("cannot signal process {pid} of {place}, as nobody there: attach as its user, or as root");
            anyhow::Error::new(error).context(text)
        })?;
        // Whoever comes later with more than it may have is ended for it.
        let begun = visit.begun;
        if !begun {
            ensure_room(&mut workload, &rules, &lines, &format!("{} has", shown(directory)))?;
        }
        let limit = Limit::At(lines.limit.0);
        // Where more is in use nothing is begun: that would reclaim from somebody who was told nothing.
        let in_force = if rules.dry_run { None } else { workload.set_trip_wire(limit) };
        match in_force {
            None | Some(DeedResult::Done) => {}
            Some(DeedResult::InUse(_)) if begun => {}
            Some(result) => return Err(refusal(result, directory, lines.limit)),
        }
        let tier_reason = reason(workload.tier(), directory);
        // All of a pool is ended for nobody's sake.
        let floor = visit.floor.clone().filter(|_| rules.victim.is_none());
        let stop = self.stop_request(directory, &rules, emptied)?;
        self.begin(rules, Location { workload, lines, outer, tier_reason, emptied, floor, stop })
    }

    /// Takes a process that somebody else started under guard, with its descendants: it has no cgroup for itself, for this reason.
    ///
    /// # Errors
    /// When it is gone, or there is no limit for it.
    pub(super) fn join_tree(&mut self, pid: i32, name: String, why: &str) -> Result<WardId> {
        let visit = self.visit.as_ref().context("not attached to anything")?;
        ensure!(
            !visit.end_by_stop,
            "--end-by stop cannot be put in force: {why}, so that nobody stops process {pid} alone"
        );
        let mut rules = visit.rules.clone();
        rules.name = name;
        let outer = visit.machine.clone();
        let lines = rules.lines_of_others(&outer)?;
        others::ensure_free(pid)?;
        let tree = ProcessTree::of(pid).with_context(|| format!("read process {pid}"))?;
        let may = PidFd::open(pid).and_then(|process| process.send(0));
        may.with_context(|| format!("cannot signal process {pid}"))?;
        let mut workload = Workload::of_tree(tree)?;
        check_freezer(&rules, &workload)?;
        let whose = format!("process {pid} and its descendants have");
        ensure_room(&mut workload, &rules, &lines, &whose)?;
        let tier_reason = why.to_owned();
        let (emptied, floor, stop) = (Emptied::Ends, visit.floor.clone(), None);
        self.begin(rules, Location { workload, lines, outer, tier_reason, emptied, floor, stop })
    }

    /// Guards all that runs here: for the machine's floor, and for what each process may hold.
    ///
    /// # Errors
    /// Without a floor, and where nothing tells what is available.
    pub(super) fn join_machine(&mut self, name: String, preference: Preference) -> Result<WardId> {
        let visit = self.visit.as_ref().context("not attached to anything")?;
        let rules = visit.rules.of_machine(name);
        let outer = visit.machine.clone();
        let lines = Lines::new(outer.bytes, None, None)?;
        let mut workload = Workload::of_machine(outer.bytes, preference)?;
        ensure_room(&mut workload, &rules, &lines, "the machine has")?;
        let tier_reason = "it is all that runs on the machine".to_owned();
        let (emptied, floor) = (Emptied::Waits, visit.floor.clone());
        let left = floor.as_ref().map_or(Bytes(0), |floor| floor.line);
        let text = format!(
            "{} of memory, of which {left} are to stay available: below that the largest process that may be ended is asked to end",
            outer.bytes
        );
        let location = Location { workload, lines, outer, tier_reason, emptied, floor, stop: None };
        let id = self.begin(rules, location)?;
        self.wards.get_mut(id).into_iter().for_each(|ward| ward.say(Level::Info, text.clone()));
        Ok(id)
    }

    fn begin(&mut self, rules: WardRules, location: Location) -> Result<WardId> {
        let alone = location.emptied == Emptied::Ends;
        let (id, _) = self.adopt(rules, location, false)?;
        if let Some(ward) = self.wards.get_mut(id) {
            if alone {
                announcement(ward).into_iter().for_each(|(level, text)| ward.say(level, text));
            }
            ward.begin_usage();
            ward.look();
            ward.rehearse();
        }
        Ok(id)
    }

    pub(super) fn join_while_there(&mut self, path: &Path, name: String, otherwise: &str) {
        if let Err(error) = self.join(path, name, Emptied::Waits)
            && is_there(path, &error)
        {
            self.say(Level::Warning, format!("{} {otherwise}: {error:#}", shown(path)));
        }
    }

    /// Concludes those that ended, and guards anew what goes on in the same cgroup.
    pub(super) fn part_with_ended(&mut self) {
        if self.visit.is_none() {
            return;
        }
        self.each_ward(|host, id| {
            if host.wards.get(id).is_some_and(Ward::has_ended) {
                host.part_with(id);
            }
        });
    }

    fn part_with(&mut self, id: WardId) {
        self.answer_replaced(id);
        self.publish_last_words(id);
        // Of those that come and go all day, only what we did is worth telling.
        let passing = self.wards.get(id).is_some_and(Ward::has_passed);
        let exit_status = if passing { None } else { self.conclude(id, false) };
        let Some(ward) = self.take_out(id) else { return };
        let stays = ward.emptied() == Emptied::Waits;
        match ward.workload.cgroup().filter(|_| stays).map(|cgroup| cgroup.path().to_owned()) {
            Some(path) if self.is_pool(id) => self.join_pool_anew(&path),
            Some(path) => {
                let name = ward.rules.name.clone();
                self.join_while_there(&path, name, "is not guarded any more");
            }
            None => self.exit_status = exit_status.or(self.exit_status),
        }
    }

    /// It is none of ours any more, and nothing of it is watched.
    pub(super) fn take_out(&mut self, id: WardId) -> Option<Ward> {
        if let Some(watcher) = &mut self.watcher {
            watcher.unwatch(id);
        }
        self.wards.remove(id)
    }

    /// Whether there is nothing to do any more: we were asked to go and end nobody, or nobody is left and nobody can come.
    pub(super) fn is_done(&self) -> bool {
        let Some(visit) = &self.visit else { return self.wards.iter().all(Ward::has_ended) };
        let ending = self.wards.iter().any(Ward::is_being_ended);
        let nobody = self.wards.iter().next().is_none() && visit.directories.is_empty();
        nobody || visit.released && !ending
    }

    /// Whether others are guarded, or may come.
    pub(super) fn goes_on_without(&self, id: WardId) -> bool {
        let others = self.wards.iter().any(|ward| ward.id() != id);
        self.visit.as_ref().is_some_and(|visit| others || !visit.directories.is_empty())
    }

    /// Gives everything back and says so.
    pub(super) fn detach(mut self) -> u8 {
        for ward in self.wards.iter_mut() {
            ward.remove_cgroup();
        }
        let there = || self.wards.iter().filter(|ward| !ward.workload.has_lost_cgroup());
        let count = there().filter(|ward| ward.workload.cgroup().is_some()).count();
        if count > 0 {
            let many = crate::report::words::counted(count as u64, "cgroup is", "cgroups are");
            self.say(Level::Info, format!("detached: {many} as before, and guarded no more"));
        } else if there().next().is_some() {
            // Of processes alone nothing was written that could be put back.
            self.say(Level::Info, "detached: guarded no more".to_owned());
        }
        self.speak();
        if let Some(server) = self.mailbox.server.take()
            && let Err(error) = server.shutdown()
        {
            self.say(Level::Warning, format!("remove the socket: {error}"));
        }
        self.attendants.keeper = None;
        self.voice.console.finish();
        self.exit_status.unwrap_or(0)
    }
}

/// What cannot be guarded.
fn check(cgroup: &Cgroup, wards: &Wards) -> Result<()> {
    let path = cgroup.path();
    ensure!(cgroup.is_real(), "{} is not in a cgroup v2 file system", shown(path));
    let place = place_of(path).with_context(|| format!("find {} in a mount", shown(path)))?;
    let own = std::fs::read("/proc/self/cgroup").unwrap_or_default();
    let own = own.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"));
    let above = own.is_some_and(|own| Path::new(OsStr::from_bytes(own)).starts_with(&place));
    ensure!(!above, "{} is the cgroup that sentinel itself is in, or above it", shown(path));
    if let Some(guardian) = guardian_of(path) {
        bail!(
            "{} is guarded by sentinel {guardian} already: it is the cgroup of its run",
            shown(path)
        );
    }
    let twice = wards.iter().any(|ward| ward.is_in(path));
    ensure!(!twice, "{} is guarded already", shown(path));
    Ok(())
}

/// What was asked for must be in force.
fn check_freezer(rules: &WardRules, workload: &Workload) -> Result<()> {
    let wanted = rules.on_breach.deed == OnBreach::Freeze && !rules.dry_run;
    ensure!(
        !wanted || workload.freezes_at_once(),
        "{} cannot be put in force: {NO_FREEZER}; leave it out, or attach to a cgroup that can be written",
        Demand::Freeze.option()
    );
    Ok(())
}

/// Why the tier is no better.
fn reason(tier: Tier, directory: &Path) -> String {
    let place = shown(directory);
    match tier {
        Tier::Kernel => String::new(),
        Tier::Observed => format!("memory.high of {place} cannot be written"),
        Tier::Hybrid | Tier::Polled => format!(
            "{place} has no memory controller: its parent's cgroup.subtree_control does not list memory"
        ),
    }
}

/// Whether what could not be guarded is there all the same. While a cgroup is removed, its files are gone one after the other, and it is
/// to be seen in its directory until the last (cgroup_destroy_locked() in kernel/cgroup/cgroup.c).
fn is_there(directory: &Path, error: &anyhow::Error) -> bool {
    let errno = |error: &io::Error| error.raw_os_error();
    let dying =
        error.chain().filter_map(|cause| cause.downcast_ref()).any(|it| errno(it) == Some(ENODEV));
    !dying && std::fs::read(directory.join("cgroup.procs")).is_ok()
}

fn refusal(result: DeedResult, directory: &Path, limit: Bytes) -> anyhow::Error {
    let place = shown(directory);
    match result {
        DeedResult::InUse(current) => anyhow!(
            "limit {limit} is below what {place} has in use, {current}: choose a limit above it"
        ),
        DeedResult::Failed(errno) => anyhow::Error::new(io::Error::from_raw_os_error(errno))
            .context(format!("cannot write {limit} to memory.high of {place}")),
        DeedResult::Pending | DeedResult::Done => {
            anyhow!("limit {limit} of {place} is not in force")
        }
    }
}

/// The cgroup's own name, as it can be shown and typed.
pub(super) fn name_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or(directory.as_os_str());
    escape(name.as_bytes())
}
