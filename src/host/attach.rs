//! The guard of what runs already: nothing is started, and what is written is put back.

use super::Host;
use super::directories::{Directories, Holds};
use super::floor;
use super::setup::{open_mailbox, open_metrics};
use super::visit::{Visit, name_of};
use crate::cgroup::hierarchy::{OuterLimit, directory_of, place_of_process};
use crate::cgroup::machine::MachineMemory;
use crate::config::{Config, PoolRules, Targets, WardRules};
use crate::escape::shown;
use crate::report::record::CallerId;
use crate::report::words;
use crate::status::Level;
use crate::sys::caller::Caller;
use crate::sys::memory;
use crate::sys::signals::Signals;
use crate::targets::{Located, Place};
use crate::units::Bytes;
use crate::ward::{Emptied, MachineFloor};
use crate::workload::spares::Spares;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

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
    let machine = OuterLimit::of(&MachineMemory::look()?);
    let (floor, without_floor) = find_floor(&rules, targets, &machine)?;
    host.visit = Some(Visit {
        rules: rules.clone(),
        machine,
        floor,
        directories: Directories::default(),
        spares: Spares::take().context("cannot keep descriptors for later")?,
        begun: false,
        released: false,
        let_go: Vec::new(),
        matches: targets.matches.clone(),
        pool: None,
        end_by_stop: targets.end_by_stop,
    });
    host.wire()?;
    if let Some(listener) = metrics {
        host.open_exporter(listener)?;
    }
    if targets.end_by_stop && !rules.dry_run {
        host.open_stopper()?;
    }
    host.harden();
    // Of the machine as a whole nothing is written that somebody would have to put back.
    let writes = targets.singles.iter().all(|found| found.place != Place::Machine);
    if !rules.dry_run && writes {
        host.start_keeper_of_others(&rules, targets);
    }
    let joined = host.join_all(targets, without_floor);
    host.visit.iter_mut().for_each(|visit| visit.begun = true);
    match joined {
        Ok(()) => Ok(host),
        Err(error) => {
            // It is the error that is told.
            host.wards.iter_mut().for_each(|ward| drop(ward.workload.remove()));
            Err(error)
        }
    }
}

/// The machine's floor for all of them. What one of them alone has above it bounds the others too: it is the least of all.
fn find_floor(
    rules: &WardRules,
    targets: &Targets,
    machine: &OuterLimit,
) -> Result<(Option<MachineFloor>, Option<String>)> {
    let above = |found: &Located| match &found.place {
        Place::Cgroup(directory) => directory.parent().map(Path::to_owned),
        Place::Shared { pid, .. } => directory_of(&place_of_process(*pid).ok()??),
        Place::Pods(directories) => directories.first().cloned(),
        Place::Machine => None,
    };
    let parents: Vec<PathBuf> =
        targets.singles.iter().filter_map(above).chain(targets.directories.clone()).collect();
    let whole = parents.iter().fold(machine.clone(), |least, parent| least.including(parent));
    let mut around: Vec<&Path> = parents.iter().flat_map(|parent| parent.ancestors()).collect();
    around.sort_unstable();
    around.dedup();
    floor::find(rules, around.into_iter(), &whole)
}

impl Host {
    fn join_all(&mut self, targets: &Targets, note: Option<String>) -> Result<()> {
        self.say_notes(note.into_iter());
        for found in &targets.singles {
            let name = found.name.clone();
            match &found.place {
                Place::Cgroup(directory) => drop(self.join(directory, name, Emptied::Ends)?),
                Place::Shared { pid, with } => drop(self.join_tree(*pid, name, with)?),
                Place::Machine => drop(self.join_machine(name, targets.preference.clone())?),
                Place::Pods(directories) => {
                    let mut all = directories.iter();
                    all.try_for_each(|it| self.visit_all(it, Holds::Pods, None))?;
                }
            }
        }
        for directory in &targets.directories {
            self.visit_all(directory, Holds::Workloads, targets.pool)?;
        }
        self.speak();
        Ok(())
    }

    fn visit_all(&mut self, directory: &Path, holds: Holds, pool: Option<PoolRules>) -> Result<()> {
        if let Some(pool) = pool {
            self.join_pool(directory, name_of(directory), pool)?;
        }
        let before = self.wards.iter().count();
        self.visit_directory(directory, holds)?;
        let count = (self.wards.iter().count() - before) as u64;
        let (one, several) = match holds == Holds::Pods {
            true => ("container", "containers"),
            false => ("cgroup", "cgroups"),
        };
        let many = words::counted(count, one, several);
        let together = pool.map_or_else(String::new, |pool| {
            let limit =
                self.wards.iter().next().map_or(Bytes(0), |ward| ward.policy().lines().limit);
            format!("; together {limit} at most: there {} is ended", words::victim(pool.victim))
        });
        let text = format!("{many} of {}, and what comes there{together}", shown(directory));
        self.say(Level::Info, text);
        Ok(())
    }
}
