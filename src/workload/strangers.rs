//! Children that were ours before the command was, as of a shell that became us by exec(3): `exec > >(tee log)`, a helper in the
//! background. They and what they start are nobody's of the workload: neither counted nor ended, named or waited for.
//!
//! As subreaper we become the parent of their orphans too. Whose an orphan is tells the last list of who descends from them; of
//! those that came since, a [mark](super::mark) that the command has and hands on. Where it cannot have one, the process group
//! does: the command has one of its own.

use super::children::children_of;
use super::mark;
use super::proc_stat::Stat;
use crate::sys::process::has_children;
use nix::unistd::{Pid, getpgid, getpid};

/// Children of ours that are no part of the workload.
#[derive(Debug)]
pub(super) struct Apart<'a> {
    pub(super) left_out: &'a mut Vec<i32>,
    pub(super) strangers: &'a mut Strangers,
}

impl Apart<'_> {
    /// Whether this child of ours is no part of the workload.
    pub(super) fn has(&mut self, child: i32) -> bool {
        if self.left_out.contains(&child) {
            return true;
        }
        let theirs = self.strangers.adopt(child);
        if theirs {
            self.left_out.push(child);
        }
        theirs
    }
}

/// All that is known of them.
#[derive(Debug, Default)]
pub struct Strangers {
    /// Our children among them.
    children: Vec<i32>,
    /// They and their descendants, when these were last listed, each with its time of start.
    known: Vec<(i32, u64)>,
    groups: Vec<i32>,
    /// The command: it is not one of them, whatever group it is in at first.
    command: Option<i32>,
    /// The command and what it starts have a mark.
    marked: bool,
}

impl Strangers {
    /// The children that we have by now.
    pub fn so_far() -> Strangers {
        let mut strangers = Strangers { children: children_now(), ..Strangers::default() };
        strangers.groups = strangers.children.iter().filter_map(|pid| group(*pid)).collect();
        strangers.learn(&mut children_of);
        strangers
    }

    /// Our children among them.
    pub fn children(&self) -> &[i32] {
        &self.children
    }

    /// They and their descendants, when these were last listed.
    pub fn all(&self) -> impl Iterator<Item = i32> {
        self.known.iter().map(|(pid, _)| *pid)
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty() && self.known.is_empty()
    }

    /// Marks the command, which waits to be run, so that what it starts is known by that.
    pub fn mark(&mut self, command: i32) {
        self.marked = !self.is_empty() && mark::put_on(command);
    }

    /// The command has this number.
    pub fn set_command(&mut self, pid: i32) {
        self.command = Some(pid);
    }

    /// This child of ours ended.
    pub fn forget(&mut self, pid: i32) {
        self.children.retain(|child| *child != pid);
    }

    /// Whether a process that became our child is one of theirs. From then on it counts as a child of theirs.
    pub fn adopt(&mut self, orphan: i32) -> bool {
        if self.is_empty() {
            return false;
        }
        let theirs = self.command != Some(orphan) && self.is_theirs(orphan);
        if theirs {
            self.children.push(orphan);
        }
        theirs
    }

    fn is_theirs(&self, orphan: i32) -> bool {
        let known = |(pid, start): &(i32, u64)| *pid == orphan && start_of(orphan) == Some(*start);
        let in_their_group = || group(orphan).is_some_and(|group| self.groups.contains(&group));
        let marked = self.marked.then(|| mark::is_on(orphan)).flatten();
        self.known.iter().any(known) || marked.map_or_else(in_their_group, |marked| !marked)
    }

    /// Lists who descends from them by now; `children_of` adds the children of a process to a list.
    pub fn learn(&mut self, children_of: &mut dyn FnMut(i32, &mut Vec<i32>)) {
        if self.is_empty() {
            return;
        }
        let mut found = self.children.clone();
        let mut next = 0;
        while let Some(&pid) = found.get(next) {
            children_of(pid, &mut found);
            next += 1;
        }
        self.known = found.into_iter().filter_map(|pid| Some((pid, start_of(pid)?))).collect();
    }
}

fn group(pid: i32) -> Option<i32> {
    getpgid(Some(Pid::from_raw(pid))).ok().map(Pid::as_raw)
}

fn start_of(pid: i32) -> Option<u64> {
    let mut text = [0; 2048];
    Stat::of(pid, &mut text).ok().flatten().map(|stat| stat.start)
}

fn children_now() -> Vec<i32> {
    let mut found = Vec::new();
    if !has_children() {
        return found;
    }
    children_of(getpid().as_raw(), &mut found);
    found
}
