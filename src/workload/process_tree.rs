//! A process that others started, with all that descend from it. None of them becomes our child when its parent ends, so whoever was
//! seen once stays known: by its number and when it started, which together are nobody else's. Who was never seen beside its parent is missed.
//! Up to [`ROOM`] of them nothing is allocated.

use super::descent::{add_children, children_in, parents_of_all};
use super::list::{List, ROOM, touch};
use super::proc_file;
use super::proc_stat::Stat;
use std::fs::File;
use std::io;

/// Who is known.
#[derive(Debug)]
pub struct ProcessTree {
    root: i32,
    /// By number.
    known: Vec<Relative>,
    /// Each process of the machine with its parent in front.
    parents: Vec<(i32, i32)>,
    /// Whether the kernel has lists of children (CONFIG_PROC_CHILDREN).
    has_lists: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Relative {
    pid: i32,
    start: u64,
    parent: i32,
}

impl ProcessTree {
    /// That of this process.
    ///
    /// # Errors
    /// When it is gone, or cannot be read.
    pub fn of(pid: i32) -> io::Result<ProcessTree> {
        let has_lists = proc_file::open(format_args!("/proc/thread-self/children")).is_ok();
        let (mut known, parents) = (Vec::with_capacity(ROOM), Vec::with_capacity(ROOM));
        let stat = Stat::of(pid, &mut [0; 4096])?.filter(|stat| stat.living);
        let stat = stat.ok_or(io::ErrorKind::NotFound)?;
        known.push(Relative { pid, start: stat.start, parent: stat.parent });
        Ok(ProcessTree { root: pid, known, parents, has_lists })
    }

    /// From whom they descend.
    pub fn root(&self) -> i32 {
        self.root
    }

    /// Its memory is there from now on.
    pub(super) fn touch(&mut self) {
        touch(&mut self.known);
        touch(&mut self.parents);
    }

    /// Lists who lives. `exactly`: by the parents of all processes, since a list of children that changes while it is read may lack some.
    pub(super) fn list(&mut self, list: &mut List, proc: &File, exactly: bool) {
        self.forget_gone(list);
        list.pids.clear();
        let known = &self.known;
        let tops = known.iter().filter(|one| place(known, one.parent).is_err());
        list.pids.extend(tops.map(|one| one.pid));
        if exactly || !self.has_lists {
            self.descend_by_parents(list, proc);
        } else {
            descend_by_lists(list);
        }
        self.learn(list);
        list.pids.clear();
        list.pids.extend(self.known.iter().map(|one| one.pid));
    }

    /// Whether this is one of them, as of the last list, and lives.
    pub(super) fn has(&self, pid: i32, text: &mut [u8]) -> io::Result<bool> {
        let Ok(place) = place(&self.known, pid) else { return Ok(false) };
        Ok(Stat::of(pid, text)?.is_some_and(|it| it.living && it.start == self.known[place].start))
    }

    fn forget_gone(&mut self, list: &mut List) {
        let List { text, trouble, .. } = list;
        self.known.retain_mut(|one| match Stat::of(one.pid, text) {
            Ok(stat) => stat.filter(|it| it.living && it.start == one.start).is_some_and(|stat| {
                one.parent = stat.parent;
                true
            }),
            Err(error) => {
                trouble.get_or_insert(error);
                true
            }
        });
    }

    fn descend_by_parents(&mut self, list: &mut List, proc: &File) {
        parents_of_all(&mut self.parents, list, proc);
        let mut next = 0;
        while let Some(&parent) = list.pids.get(next) {
            next += 1;
            list.pids.extend(children_in(&self.parents, parent));
        }
    }

    /// Those of the list who are new. Who has another parent by now than one of them is somebody else under a number of theirs.
    fn learn(&mut self, list: &mut List) {
        let List { pids, text, trouble, .. } = list;
        pids.sort_unstable();
        let before = self.known.len();
        for index in 0..pids.len() {
            let pid = pids[index];
            if place(&self.known[..before], pid).is_ok() {
                continue;
            }
            match Stat::of(pid, text) {
                Ok(Some(stat)) if stat.living && pids.binary_search(&stat.parent).is_ok() => {
                    self.known.push(Relative { pid, start: stat.start, parent: stat.parent });
                }
                Ok(_) => {}
                Err(error) => drop(trouble.get_or_insert(error)),
            }
        }
        self.known.sort_unstable_by_key(|one| one.pid);
    }
}

fn place(known: &[Relative], pid: i32) -> Result<usize, usize> {
    known.binary_search_by_key(&pid, |one| one.pid)
}

fn descend_by_lists(list: &mut List) {
    let mut next = 0;
    while let Some(&parent) = list.pids.get(next) {
        next += 1;
        let added = add_children(list, parent);
        list.note(added);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    /// A shell with a child that has one, which outlives its parent.
    #[test]
    fn who_was_seen_stays_known_when_its_parent_is_gone() {
        let script = "sh -c 'sleep 100 & echo $!; wait' & echo $!; wait";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut shell = shell.spawn().unwrap();
        let lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        let mut born: Vec<i32> = lines.take(2).map(|it| it.unwrap().parse().unwrap()).collect();
        let root = shell.id().cast_signed();
        born.push(root);
        let is_parent = |pid: &i32| {
            let stat = Stat::of(*pid, &mut [0; 4096]).unwrap().unwrap();
            born.contains(&stat.parent)
        };
        let (orphans_parent, leaf) = if is_parent(&born[0]) && is_parent(&born[1]) {
            let of = |pid| Stat::of(pid, &mut [0; 4096]).unwrap().unwrap().parent;
            if of(born[0]) == born[1] { (born[1], born[0]) } else { (born[0], born[1]) }
        } else {
            panic!("{born:?}")
        };
        born.sort_unstable();
        let proc = File::open("/proc").unwrap();
        for exactly in [true, false] {
            let (mut tree, mut list) = (ProcessTree::of(root).unwrap(), List::new(ROOM));
            tree.list(&mut list, &proc, exactly);
            assert_eq!(list.pids, born, "{exactly}");
        }
        let (mut tree, mut list) = (ProcessTree::of(root).unwrap(), List::new(ROOM));
        tree.list(&mut list, &proc, false);
        let kill = |pid| crate::sys::process::send(pid, nix::libc::SIGKILL).unwrap();
        kill(orphans_parent);
        let lives = |pid| Stat::of(pid, &mut [0; 4096]).unwrap().is_some_and(|stat| stat.living);
        while lives(orphans_parent) {
            std::thread::yield_now();
        }
        for exactly in [true, false] {
            tree.list(&mut list, &proc, exactly);
            assert!(list.pids.contains(&leaf), "{exactly}: {:?} of {born:?}", list.pids);
            assert!(!list.pids.contains(&orphans_parent));
            assert!(tree.has(leaf, &mut list.text).unwrap());
            assert!(!tree.has(orphans_parent, &mut list.text).unwrap());
        }
        kill(leaf);
        kill(root);
        shell.wait().unwrap();
        while lives(leaf) {
            std::thread::yield_now();
        }
        tree.list(&mut list, &proc, true);
        assert!(list.pids.is_empty() && list.trouble.is_none());
        assert!(ProcessTree::of(root).is_err());
    }
}
