//! Our descendants, cheaply: the kernel's lists of children (/proc/PID/task/TID/children), from ourselves downwards, take as long
//! as the workload is big; a walk through all of /proc opens and reads a file of each process of the machine.
//!
//! The lists are exact only while nobody ends (proc_pid_task(5)): who follows somebody who ends may be missed. So whoever was
//! there before and lives, and is in no list, calls for a walk; and there is one from time to time, and before each deed.

use super::list::{List, ROOM, each_entry, number, touch};
use super::proc_file::{self, is_gone};
use super::proc_stat::parent_of;
use super::strangers::Apart;
use crate::clock::{Clock, Timestamp};
use std::fs::File;
use std::io;
use std::time::Duration;

/// Walks take at most one part in so many of the time,
const SPARSE: u32 = 400;
/// and come no closer than this.
const SELDOM: Duration = Duration::from_secs(2);
/// A process has as many threads as it likes; asking all of very many would take longer than a walk.
const THREADS: usize = 1024;

/// What is needed to follow them.
#[derive(Debug)]
pub(super) struct Descent {
    /// Each process with its parent in front.
    parents: Vec<(i32, i32)>,
    /// Who was there before.
    before: Vec<i32>,
    clock: Clock,
    walk_at: Timestamp,
    /// Whether the kernel has such lists (CONFIG_PROC_CHILDREN).
    has_lists: bool,
    own: i32,
}

impl Descent {
    /// Before there is anybody to follow: nobody was missed.
    pub(super) fn new() -> Descent {
        let has_lists = proc_file::open(format_args!("/proc/thread-self/children")).is_ok();
        let (parents, before) = (Vec::with_capacity(ROOM), Vec::with_capacity(ROOM));
        Descent { parents, before, has_lists, ..Descent::unused() }
    }

    /// For a workload that has a cgroup.
    pub(super) fn unused() -> Descent {
        let (clock, walk_at) = (Clock::start(), Timestamp(SELDOM));
        let own = crate::sys::process::own().cast_signed();
        Descent { parents: Vec::new(), before: Vec::new(), clock, walk_at, has_lists: false, own }
    }

    /// Its memory is there from now on.
    pub(super) fn touch(&mut self) {
        touch(&mut self.parents);
        touch(&mut self.before);
    }

    /// Goes the way of a walk, through our own threads alone: its code is in memory afterwards.
    pub(super) fn rehearse(&mut self, list: &mut List, apart: &mut Apart<'_>) {
        let walk_at = self.walk_at;
        if let Ok(ours) = proc_file::open(format_args!("/proc/self/task")) {
            self.walk_all(list, &ours, apart);
        }
        self.walk_at = walk_at;
    }

    /// Lists our descendants by the lists of children where those can be trusted. Dead ones that nobody has reaped are among them.
    pub(super) fn follow(&mut self, list: &mut List, root: &File, apart: &mut Apart<'_>) {
        if !self.has_lists || self.clock.now() >= self.walk_at {
            self.walk(list, root, apart);
            return self.learn(apart);
        }
        self.before.clear();
        self.before.extend_from_slice(&list.pids);
        let followed = follow_lists(self.own, list, apart);
        list.pids.sort_unstable();
        self.before.sort_unstable();
        if followed.is_err() || self.is_anybody_missing(list) {
            list.trouble = None;
            self.walk(list, root, apart);
            self.learn(apart);
        }
    }

    /// Not on the way to a signal: it allocates.
    fn learn(&self, apart: &mut Apart<'_>) {
        apart.strangers.learn(&mut |pid, found| found.extend(children_in(&self.parents, pid)));
    }

    fn is_anybody_missing(&self, list: &mut List) -> bool {
        let List { pids, text, .. } = list;
        let mut missing = self.before.iter().filter(|pid| pids.binary_search(pid).is_err());
        missing.any(|pid| !matches!(parent_of(*pid, text), Ok(None)))
    }

    /// Everybody whose chain of parents leads to us. Where a walk fails, what the lists say is better than nothing.
    pub(super) fn walk(&mut self, list: &mut List, root: &File, apart: &mut Apart<'_>) {
        self.walk_all(list, root, apart);
        if self.has_lists
            && let Some(trouble) = list.trouble.take()
            && follow_lists(self.own, list, apart).is_err()
        {
            list.trouble = Some(trouble);
        }
    }

    fn walk_all(&mut self, list: &mut List, root: &File, apart: &mut Apart<'_>) {
        let began = self.clock.now();
        parents_of_all(&mut self.parents, list, root);
        let parents = &self.parents;
        let pids = &mut list.pids;
        pids.clear();
        pids.push(self.own);
        let mut next = 0;
        while let Some(&parent) = pids.get(next) {
            let children = children_in(parents, parent);
            // Only our own children are left out.
            pids.extend(children.filter(|pid| next > 0 || !apart.has(*pid)));
            next += 1;
        }
        pids.remove(0);
        let now = self.clock.now();
        self.walk_at = now + ((now - began) * SPARSE).max(SELDOM);
    }
}

/// Every process of the machine, with its parent in front, by parents.
pub(super) fn parents_of_all(parents: &mut Vec<(i32, i32)>, list: &mut List, proc: &File) {
    parents.clear();
    let List { text, trouble, .. } = list;
    let walked = each_entry(proc, |name| {
        let Some(pid) = number(name) else { return };
        match parent_of(pid, text) {
            Ok(Some(parent)) => parents.push((parent, pid)),
            Ok(None) => {}
            Err(error) => drop(trouble.get_or_insert(error)),
        }
    });
    list.note(walked);
    parents.sort_unstable();
}

/// The children of one of them.
pub(super) fn children_in(parents: &[(i32, i32)], parent: i32) -> impl Iterator<Item = i32> {
    let first = parents.partition_point(|(of, _)| *of < parent);
    parents[first..].iter().take_while(move |(of, _)| *of == parent).map(|(_, pid)| *pid)
}

/// From ourselves downwards, by the lists of the children of each thread.
fn follow_lists(own: i32, list: &mut List, apart: &mut Apart<'_>) -> io::Result<()> {
    list.pids.clear();
    list.pids.push(own);
    let (mut next, mut result) = (0, Ok(()));
    while let Some(&parent) = list.pids.get(next).filter(|_| result.is_ok()) {
        next += 1;
        result = add_children(list, parent).or_else(unless_hidden);
        // Only our own children are left out.
        if next == 1 {
            list.pids.retain(|pid| *pid == parent || !apart.has(*pid));
        }
    }
    list.pids.swap_remove(0);
    result.and(list.trouble.take().map_or(Ok(()), Err))
}

/// Adds the children of a process, by the lists of its threads.
pub(super) fn add_children(list: &mut List, parent: i32) -> io::Result<()> {
    if has_one_thread(parent)? {
        let file = proc_file::open(format_args!("/proc/{parent}/task/{parent}/children"))?;
        list.collect(&file);
        return Ok(());
    }
    let threads = proc_file::open(format_args!("/proc/{parent}/task"))?;
    let (mut count, mut result) = (0, Ok(()));
    each_entry(&threads, |name| {
        let Some(thread) = number(name).filter(|_| result.is_ok()) else { return };
        count += 1;
        match proc_file::open(format_args!("/proc/{parent}/task/{thread}/children")) {
            Ok(file) => list.collect(&file),
            Err(error) => result = unless_hidden(error),
        }
    })?;
    if count > THREADS {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    result
}

/// A directory's links are itself, `.` and one for each below it (proc_task_getattr() in fs/proc/base.c): cheaper than to list it.
fn has_one_thread(pid: i32) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let path = format_args!("/proc/{pid}/task");
    Ok(proc_file::with_path(path, |path| std::fs::metadata(path))?.nlink() == 3)
}

/// Who is gone has no children any more, and whose children are not for us to see are told of at the start (hidepid).
fn unless_hidden(error: io::Error) -> io::Result<()> {
    let hidden = is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied;
    if hidden { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::strangers::Strangers;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    /// Both ways find the same, children of threads and of children among them.
    #[test]
    fn lists_and_walk_agree() {
        let script = "sleep 1000 & (sleep 1000 & wait) & wait";
        let spawn = || {
            Command::new("sh").args(["-c", script]).stdin(Stdio::null()).process_group(0).spawn()
        };
        let mut child = std::thread::spawn(spawn).join().unwrap().unwrap();
        let (root, own) = (File::open("/proc").unwrap(), i32::try_from(child.id()).unwrap());
        let mut list = List::new(ROOM);
        let mut descent = Descent::new();
        assert!(descent.has_lists);
        // Other tests have children too.
        let mut family = |descent: &mut Descent, walk: bool| loop {
            descent.walk_at =
                if walk { Timestamp::default() } else { Timestamp::from_millis(1 << 40) };
            descent.follow(
                &mut list,
                &root,
                &mut Apart { left_out: &mut Vec::new(), strangers: &mut Strangers::default() },
            );
            assert!(list.trouble.is_none());
            let group = |pid: &i32| nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(*pid)));
            let mut found = list.pids.clone();
            found.retain(|pid| group(pid).is_ok_and(|group| group.as_raw() == own));
            found.sort_unstable();
            if found.len() == 4 {
                return found;
            }
        };
        let (walked, followed) = (family(&mut descent, true), family(&mut descent, false));
        assert_eq!(walked, followed);
        assert!(walked.contains(&own));
        descent.walk_at = Timestamp::from_millis(1 << 40);
        descent.follow(
            &mut list,
            &root,
            &mut Apart { left_out: &mut vec![own], strangers: &mut Strangers::default() },
        );
        assert!(!list.pids.contains(&own));
        crate::sys::process::send_group(own, nix::libc::SIGKILL).unwrap();
        child.wait().unwrap();
    }
}
