//! Whom the keeper ends: everybody in a cgroup, or, where there is none, those who were named and their descendants. The keeper
//! is no parent of theirs: nobody tells it of an end, and it looks.

use crate::cgroup::Cgroup;
use crate::sys::process::PidFd;
use crate::units::Limit;
use crate::workload::kill_mode::KillMode;
use crate::workload::knobs::Knobs;
use crate::workload::members::{Members, Source};
use crate::workload::process_sampler::ProcessSampler;
use anyhow::Result;
use nix::fcntl::OFlag;
use nix::libc::{SIGCONT, SIGKILL};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A workload without a guardian.
#[derive(Debug)]
pub enum Quarry {
    /// All in this cgroup, with what ending them needs held open.
    Cgroup(Box<Fold>),
    /// These and their descendants.
    Listed(BTreeSet<i32>),
    /// Nobody: the run was over, and its cgroup gone, before the keeper had come.
    Gone,
}

/// A cgroup.
#[derive(Debug)]
pub struct Fold {
    cgroup: Cgroup,
    knobs: Knobs,
    members: Members,
    current: Option<File>,
}

impl Quarry {
    /// Those in a cgroup.
    ///
    /// # Errors
    /// When a file of it cannot be opened.
    pub fn of(cgroup: Cgroup) -> Result<Quarry> {
        let knobs = Knobs::open(&cgroup)?;
        let mut members = Members::new(Source::of(&cgroup))?;
        members.touch();
        let current = cgroup.file("memory.current", OFlag::O_RDONLY).ok();
        Ok(Quarry::Cgroup(Box::new(Fold { cgroup, knobs, members, current })))
    }

    /// Those in the cgroup at this path, if there is one still; nobody yet of a run without one.
    ///
    /// # Errors
    /// When a file of it cannot be opened.
    pub fn of_run(cgroup: Option<&Path>) -> Result<Quarry> {
        let Some(path) = cgroup else { return Ok(Quarry::Listed(BTreeSet::new())) };
        match Cgroup::open(path).and_then(Quarry::of) {
            Err(_) if matches!(path.try_exists(), Ok(false)) => Ok(Quarry::Gone),
            found => found,
        }
    }

    /// Whether nobody is left.
    pub fn is_empty(&mut self) -> bool {
        match self {
            // What cannot be read any more is gone (ENODEV).
            Quarry::Cgroup(fold) => !fold.knobs.populated().unwrap_or(false),
            Quarry::Listed(_) => self.pids().is_empty(),
            Quarry::Gone => true,
        }
    }

    /// Memory in use, as the tier counts it, bytes.
    pub fn current(&mut self, sampler: &mut ProcessSampler) -> u64 {
        if let Quarry::Cgroup(fold) = self
            && let Some(file) = &fold.current
        {
            let mut text = [0; 24];
            let length = file.read_at(&mut text, 0).unwrap_or(0);
            return crate::cgroup::files::number(text[..length].trim_ascii()).unwrap_or(0);
        }
        sampler.sample(&self.pids()).current.0
    }

    fn pids(&mut self) -> Vec<i32> {
        match self {
            Quarry::Cgroup(fold) => fold.members.refresh().to_vec(),
            Quarry::Listed(pids) => {
                *pids = with_descendants(pids);
                pids.iter().copied().collect()
            }
            Quarry::Gone => Vec::new(),
        }
    }

    /// Lets a frozen workload go on.
    pub fn thaw(&self) {
        if let Quarry::Cgroup(fold) = self {
            // Without the file nothing is frozen by it.
            let _ = fold.knobs.freeze(false);
        }
    }

    /// The trip-wire; nothing where there is none. Where more is in use it stays: the write would wait, and SIGTERM with it.
    pub fn set_trip_wire(&mut self, limit: Limit) {
        if let Quarry::Cgroup(fold) = self {
            // In tier hybrid there is no such file.
            let _ = fold.knobs.set_memory_high(limit);
        }
    }

    /// No limit of ours holds any longer.
    pub fn lift_limits(&mut self) {
        self.set_trip_wire(Limit::Max);
        if let Quarry::Cgroup(fold) = self {
            for file in ["memory.max", "memory.swap.max", "pids.max"] {
                // Not each tier and kernel has each.
                let _ = fold.cgroup.write(file, "max");
            }
        }
    }

    /// The polite signal to whom the mode chooses, and SIGCONT to all.
    pub fn terminate(&mut self, signal: i32, mode: KillMode, child: i32) {
        let pids = self.pids();
        let only = pids.contains(&child) && mode != KillMode::ControlGroup;
        for pid in pids {
            let wanted = !only || pid == child;
            let signals = if wanted { &[signal, SIGCONT][..] } else { &[SIGCONT] };
            send(pid, signals);
        }
    }

    /// SIGKILL to all.
    pub fn kill(&mut self) {
        if let Quarry::Cgroup(fold) = self {
            if matches!(fold.knobs.kill(), Ok(true)) {
                return;
            }
            let frozen = fold.knobs.freeze(true).is_ok();
            for pid in fold.members.refresh().to_vec() {
                // What is left over is met in the next round.
                let _ = fold.members.send_to(pid, &[SIGKILL]);
            }
            if frozen {
                let _ = fold.knobs.freeze(false);
            }
            return;
        }
        for pid in self.pids() {
            send(pid, &[SIGKILL]);
        }
    }

    /// Removes the cgroup.
    ///
    /// # Errors
    /// While somebody is in it.
    pub fn remove(&self) -> Result<()> {
        match self {
            Quarry::Cgroup(fold) => fold.cgroup.remove(),
            Quarry::Listed(_) | Quarry::Gone => Ok(()),
        }
    }
}

fn send(pid: i32, signals: &[i32]) {
    // Gone meanwhile, or somebody else's by now (setuid): outcomes.
    let Ok(handle) = PidFd::open(pid) else { return };
    for signal in signals {
        let _ = handle.send(*signal);
    }
}

/// Those of these who live, and who descends from them. Their numbers are a tenth of a second old at most, which is far less
/// than the kernel takes to come round to a number again.
fn with_descendants(pids: &BTreeSet<i32>) -> BTreeSet<i32> {
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let stats = all.filter_map(|process| process.stat().ok());
    let living: Vec<_> = stats
        // A zombie with threads has lost its first one only.
        .filter(|stat| !matches!(stat.state, 'Z' | 'X') || stat.num_threads > 1)
        .map(|stat| (stat.pid, stat.ppid))
        .collect();
    let mut found: BTreeSet<i32> =
        living.iter().map(|(pid, _)| *pid).filter(|pid| pids.contains(pid)).collect();
    loop {
        let before = found.len();
        let children: Vec<i32> = living
            .iter()
            .filter(|(_, parent)| found.contains(parent))
            .map(|(pid, _)| *pid)
            .collect();
        found.extend(children);
        if found.len() == before {
            return found;
        }
    }
}
