//! Where a process runs: in a cgroup of its own, or among others, whose memory is not to be counted and who are not to be ended.

use super::{Located, Place};
use crate::cgroup::hierarchy::{directory_of, place_of_process};
use crate::escape::{escape, shown};
use crate::sys::process::own;
use anyhow::{Context, Result, bail, ensure};
use procfs::process::Process;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Linux keeps so much of a program's name (TASK_COMM_LEN, less the NUL).
const COMM: usize = 15;
/// How often those who seem to be others are looked at again.
const LOOKS: u32 = 3;
/// So many are named where several are meant.
const NAMED: usize = 3;

/// This process, and from whom it descends, the nearest first.
pub fn upwards(pid: i32) -> Vec<i32> {
    Ancestry::read().upwards(pid)
}

/// Where this process runs.
pub(super) fn find(pid: i32) -> Result<Located> {
    let name = escape(&comm(pid).with_context(|| format!("there is no process {pid}"))?);
    ensure_can_be_guarded(pid, &name)?;
    let ancestry = Ancestry::read();
    if ancestry.upwards(own().cast_signed()).contains(&pid) {
        bail!("{name} ({pid}) is sentinel itself, or what started it");
    }
    let place = place_of_process(pid).with_context(|| format!("read /proc/{pid}/cgroup"))?;
    let place = match place {
        None => Place::Shared { pid, with: "there is no cgroup v2 on this machine".to_owned() },
        Some(place) => place_for(pid, &place, &ancestry),
    };
    Ok(Located { place, name })
}

/// Flag of a process that is the kernel's own (PF_KTHREAD in include/linux/sched.h; proc_pid_stat(5), field 9).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Fails for what no signal ends, or is only a part of a process.
fn ensure_can_be_guarded(pid: i32, name: &str) -> Result<()> {
    let process = Process::new(pid).with_context(|| format!("read process {pid}"))?;
    let stat = process.stat().with_context(|| format!("read process {pid}"))?;
    ensure!(
        stat.flags & KERNEL_THREAD == 0,
        "{name} ({pid}) is a thread of the kernel: it cannot be ended"
    );
    // One whose first thread has ended lives on in the others.
    let has_ended = stat.state == 'Z' && stat.num_threads <= 1;
    ensure!(!has_ended, "{name} ({pid}) has ended already");
    let group = process.status().with_context(|| format!("read process {pid}"))?.tgid;
    ensure!(group == pid, "{pid} is a thread of process {group}: use --pid {group}");
    Ok(())
}

fn place_for(pid: i32, place: &Path, ancestry: &Ancestry) -> Place {
    let Some(directory) = directory_of(place) else {
        let with = format!("its cgroup, {}, is not in what is mounted here", shown(place));
        return Place::Shared { pid, with };
    };
    let others = still_others(others_in(&directory, pid, ancestry), pid, Ancestry::read);
    if others.is_empty() {
        return Place::Cgroup(directory);
    }
    let with = format!("it shares its cgroup, {}, with {}", shown(place), named(&others));
    Place::Shared { pid, with }
}

/// Where the process of this program runs.
pub(super) fn find_program(program: &[u8]) -> Result<Located> {
    let shown = escape(program);
    let ancestry = Ancestry::read();
    let ours = ancestry.upwards(own().cast_signed());
    let called = ancestry.pids().filter(|pid| !ours.contains(pid) && is_called(*pid, program));
    let called: Vec<i32> = called.collect();
    // Those that descend from another of them belong to that one.
    let first = |pid: &&i32| ancestry.upwards(**pid).iter().skip(1).all(|it| !called.contains(it));
    match called.iter().filter(first).collect::<Vec<_>>()[..] {
        [] => bail!("no process is called {shown}"),
        [pid] => find(*pid),
        ref several => {
            let several: Vec<i32> = several.iter().map(|pid| **pid).collect();
            bail!(
                "{} processes are called {shown}: {}; choose one with --pid",
                several.len(),
                named(&several)
            )
        }
    }
}

/// All processes that can be seen.
pub(super) fn all() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Its name as the kernel has it; `None` where it is gone.
fn comm(pid: i32) -> Option<Vec<u8>> {
    let mut text = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    text.pop_if(|last| *last == b'\n');
    Some(text)
}

/// By the kernel's name, or where that is cut off by the file that runs.
fn is_called(pid: i32, program: &[u8]) -> bool {
    let Some(comm) = comm(pid) else { return false };
    let file = || std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    comm == program
        || program.len() > COMM
            && program.starts_with(&comm)
            && file()
                .is_some_and(|it| it.file_name().is_some_and(|it| it.as_encoded_bytes() == program))
}

/// Who is in this cgroup, or one below it, and does not descend from this process.
fn others_in(directory: &Path, pid: i32, ancestry: &Ancestry) -> Vec<i32> {
    let mut others: Vec<i32> = Vec::new();
    let mut directories: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let procs = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        let pids = procs.lines().filter_map(|line| line.parse().ok());
        others.extend(pids.filter(|other| !ancestry.upwards(*other).contains(&pid)));
        directories.extend(crate::cgroup::names_in(&directory).iter().map(|it| directory.join(it)));
    }
    others
}

/// Those of them who do not descend from this process by later looks either: who came behind a look, or whose parent went during it, is
/// strange to that look only.
fn still_others(others: Vec<i32>, pid: i32, look: impl Fn() -> Ancestry) -> Vec<i32> {
    let mut others = others;
    for _ in 0..LOOKS {
        if others.is_empty() {
            break;
        }
        let now = look();
        others.retain(|other| now.has(*other) && !now.upwards(*other).contains(&pid));
    }
    others
}

fn named(pids: &[i32]) -> String {
    let name = |pid: &i32| match comm(*pid) {
        Some(comm) => format!("{} ({pid})", escape(&comm)),
        None => pid.to_string(),
    };
    let first: Vec<String> = pids.iter().take(NAMED).map(name).collect();
    let rest = pids.len() - first.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    first.join(", ") + &more
}

/// Who is whose child.
struct Ancestry(HashMap<i32, i32>);

impl Ancestry {
    fn read() -> Ancestry {
        let parent = |pid| Some((pid, Process::new(pid).ok()?.stat().ok()?.ppid));
        Ancestry(all().filter_map(parent).collect())
    }

    fn has(&self, pid: i32) -> bool {
        self.0.contains_key(&pid)
    }

    fn pids(&self) -> impl Iterator<Item = i32> {
        self.0.keys().copied()
    }

    /// A process and those above it.
    fn upwards(&self, pid: i32) -> Vec<i32> {
        let above = |pid: &i32| self.0.get(pid).copied().filter(|parent| *parent > 0);
        std::iter::successors(Some(pid), above).take(self.0.len() + 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_are_known() {
        let ancestry = Ancestry(HashMap::from([(1, 0), (5, 1), (7, 5), (8, 9), (9, 8)]));
        assert_eq!(ancestry.upwards(7), [7, 5, 1]);
        // A table that was read while processes came and went may have anything in it.
        assert!(ancestry.upwards(8).len() <= 6);
    }

    /// A process that starts others all the time is alone in its cgroup all the same.
    #[test]
    fn who_comes_and_goes_during_a_look_is_no_other() {
        let tables = [
            vec![(1, 0), (5, 1), (7, 5), (30, 1)],
            // The parent of 8 went while the table was read.
            vec![(1, 0), (5, 1), (8, 7), (30, 1)],
            vec![(1, 0), (5, 1), (8, 5), (30, 1)],
        ];
        let next = std::cell::Cell::new(0);
        let look = || {
            let table = tables[next.replace(next.get() + 1).min(2)].clone();
            Ancestry(table.into_iter().collect())
        };
        assert_eq!(still_others(vec![7, 8, 9, 30], 5, look), [30]);
        assert!(still_others(vec![7], 5, || Ancestry(HashMap::new())).is_empty());
    }

    #[test]
    fn many_are_not_all_named() {
        assert_eq!(named(&[-1, -2]), "-1, -2");
        assert_eq!(named(&[-1, -2, -3, -4, -5, -6, -7]), "-1, -2, -3 and 4 more");
    }
}
