//! The machine as a whole: what it has in use, and who of its processes may be ended for its sake. Never the session of somebody who sits
//! there: no shell with a terminal and nobody that it descends from (the terminal, the desktop, sshd), none that is older than any session
//! (init), no service that its owner told the kernel to spare (a negative oom_score_adj), none of ours; and as a user none of others.

use super::proc_file;
use super::process_sampler::ProcessSampler;
use crate::cgroup::available::Available;
use crate::cgroup::files;
use crate::clock::Timestamp;
use crate::event::{ProcessId, Sample, Weight};
use crate::pattern::matches;
use crate::sys::process;
use crate::units::Bytes;
use anyhow::{Result, ensure};
use arrayvec::ArrayVec;

/// So many of the largest are asked for their names and scores.
const ASKED: usize = 64;
/// Programs without which nobody can go on working, wherever they were started from.
const SPARED: [&str; 26] = [
    "systemd",
    "systemd-*",
    "(sd-pam)",
    "init",
    "dbus-*",
    "sshd*",
    "login",
    "agetty",
    "tmux*",
    "screen",
    "SCREEN",
    "Xorg",
    "Xwayland",
    "X",
    "gnome-shell",
    "gnome-session*",
    "gdm*",
    "kwin*",
    "plasmashell",
    "ksmserver",
    "sddm*",
    "lightdm*",
    "sway",
    "weston",
    "pipewire*",
    "wireplumber",
];
/// A process has a name of at most so many bytes (TASK_COMM_LEN).
const NAME: usize = 64;

/// Who is ended first, and who never, by the names of processes, as patterns.
#[derive(Clone, Debug, Default)]
pub struct Preference {
    /// These first.
    pub prefer: Vec<String>,
    /// These never.
    pub avoid: Vec<String>,
}

/// What tells of its memory, and what the choice is made by.
#[derive(Debug)]
pub(super) struct Machine {
    total: Bytes,
    available: Available,
    preference: Preference,
    /// Who is not ended, by process id.
    protected: Vec<i32>,
    /// The largest that were asked, the largest first.
    candidates: Vec<Weight>,
    /// Our user, unless that is root.
    user: Option<u32>,
}

impl Machine {
    /// # Errors
    /// When /proc/meminfo does not say what is available.
    pub(super) fn new(total: Bytes, preference: Preference) -> Result<Machine> {
        let available = Available::open(std::iter::empty());
        let told = available.look(true, Timestamp::default()).is_some();
        ensure!(told, "/proc/meminfo does not say what the machine has available");
        let uid = nix::unistd::geteuid();
        let user = (!uid.is_root()).then(|| uid.as_raw());
        Ok(Machine {
            total,
            available,
            preference,
            protected: Vec::with_capacity(ASKED),
            candidates: Vec::with_capacity(ASKED + 1),
            user,
        })
    }

    /// What is in use: all that is not available.
    pub(super) fn sample(&self) -> Sample {
        let left = self.available.look(true, Timestamp::default()).unwrap_or(self.total);
        let current = self.total.saturating_sub(left);
        Sample { current, anon: current, ..Sample::default() }
    }

    /// Those who may be ended, those who are preferred first, and of those the largest.
    pub(super) fn choose(
        &mut self,
        processes: &ProcessSampler,
        is_going: impl Fn(ProcessId) -> bool,
        largest: &mut [Option<Weight>],
    ) {
        self.protect(processes);
        self.candidates.clear();
        for weight in processes.weights().filter(|it| it.size.0 > 0 && !is_going(it.id)) {
            if self.protected.binary_search(&weight.id.pid).is_ok() {
                continue;
            }
            let at = self.candidates.partition_point(|it| it.own >= weight.own);
            if at < ASKED {
                self.candidates.truncate(ASKED);
                self.candidates.insert(at, weight);
            }
        }
        let (mut places, mut later) = (largest.iter_mut(), ArrayVec::<Weight, ASKED>::new());
        for weight in self.candidates.iter().take(ASKED) {
            match self.rank(weight.id.pid) {
                Some(true) => places.next().into_iter().for_each(|place| *place = Some(*weight)),
                Some(false) => later.push(*weight),
                None => {}
            }
        }
        places.zip(later).for_each(|(place, weight)| *place = Some(weight));
    }

    /// Whether it is preferred; `None` for one that is never ended.
    fn rank(&self, pid: i32) -> Option<bool> {
        let mut text = [0; NAME];
        let name = proc_file::read(pid, "comm", &mut text).ok()??.trim_ascii_end();
        let is = |pattern: &str| matches(pattern.as_bytes(), name);
        if SPARED.into_iter().any(is) || self.preference.avoid.iter().any(|it| is(it)) {
            return None;
        }
        let preferred = self.preference.prefer.iter().any(|it| is(it));
        let mut text = [0; NAME];
        let score = proc_file::read(pid, "oom_score_adj", &mut text).ok()??;
        let may = !score.starts_with(b"-") && self.user.is_none_or(|user| owner(pid) == Some(user));
        may.then_some(preferred)
    }

    /// Ourselves and who leads a session with a terminal, with all that they descend from.
    fn protect(&mut self, processes: &ProcessSampler) {
        let own = process::own().cast_signed();
        self.protected.clear();
        self.protected.push(1);
        let leads =
            processes.stats().filter(|(pid, stat)| stat.session == *pid && stat.terminal != 0);
        let tops = leads.map(|(pid, _)| pid).chain([own]);
        self.protected.extend(tops);
        let mut next = 0;
        while let Some(&pid) = self.protected.get(next) {
            next += 1;
            let parent = processes.parent_of(pid).filter(|parent| *parent > 1);
            self.protected.extend(parent.filter(|parent| !self.protected.contains(parent)));
        }
        // What we started beside us.
        self.protected
            .extend(processes.stats().filter(|(_, stat)| stat.parent == own).map(|(pid, _)| pid));
        self.protected.sort_unstable();
    }
}

/// Whose process it is.
fn owner(pid: i32) -> Option<u32> {
    let mut text = [0; 4096];
    let status = proc_file::read(pid, "status", &mut text).ok()??;
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    let word = line.trim_ascii_start().split(|byte| byte.is_ascii_whitespace()).next()?;
    files::number(word).and_then(|uid| u32::try_from(uid).ok())
}
