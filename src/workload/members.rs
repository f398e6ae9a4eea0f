//! Who is in a workload: by `cgroup.procs` of its cgroup and those below it, or by descent from us.
//! Descent is enough where there is no cgroup: as subreaper every orphan of the workload becomes our child.
//! Allocates nothing up to 8192 processes. Opens what has no descriptor of its own: sub-cgroups, files of /proc, pidfds.

use super::children::children_of;
use super::descent::Descent;
use super::list::{List, PROCS, ROOM, open_in};
use super::proc_file::{self, is_gone};
use super::proc_stat::{Stat, parent_of};
use super::process_tree::ProcessTree;
use super::spares::{Spares, is_shortage};
use super::strangers::{Apart, Strangers};
use crate::cgroup::{Cgroup, files, hierarchy};
use crate::escape::shown;
use crate::event::ProcessId;
use crate::sys::process::PidFd;
use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where the list comes from.
#[derive(Debug)]
pub enum Source {
    /// A cgroup, and what its processes are known by.
    Cgroup(Cgroup, Home),
    /// Our descendants.
    Descendants,
    /// A process of others, and its descendants.
    Tree(ProcessTree),
    /// Everybody.
    Machine,
}

impl Source {
    /// The members of this cgroup.
    pub fn of(cgroup: &Cgroup) -> Source {
        Source::Cgroup(cgroup.clone(), Home::of(cgroup.path()))
    }
}

/// The list of members and the buffers to make it.
#[derive(Debug)]
pub struct Members {
    source: Source,
    root: Rc<File>,
    /// `cgroup.procs` of the cgroup itself, where it is held open.
    procs: Option<File>,
    list: List,
    descent: Descent,
    left_out: Vec<i32>,
    strangers: Strangers,
    spares: Spares,
    /// Nothing is to be exact.
    rehearses: bool,
    /// Our process id.
    own: i32,
}

impl Members {
    /// An empty list.
    ///
    /// # Errors
    /// When the cgroup's directory, its `cgroup.procs` or /proc cannot be opened.
    pub fn new(source: Source) -> Result<Members> {
        let root = match &source {
            Source::Cgroup(cgroup, _) => cgroup.shared_directory(),
            Source::Descendants | Source::Tree(_) | Source::Machine => {
                Rc::new(File::open("/proc").context("open /proc")?)
            }
        };
        let procs = match &source {
            Source::Cgroup(cgroup, _) => {
                Some(open_in(&root, PROCS, OFlag::O_RDONLY).with_context(|| {
                    format!("open {}", shown(&cgroup.path().join("cgroup.procs")))
                })?)
            }
            Source::Descendants | Source::Tree(_) | Source::Machine => None,
        };
        let descent = match &source {
            Source::Cgroup(..) | Source::Tree(_) | Source::Machine => Descent::unused(),
            Source::Descendants => Descent::new(),
        };
        let spares = Spares::take().context("cannot keep descriptors for later")?;
        let (list, left_out, strangers) = (List::new(ROOM), Vec::new(), Strangers::default());
        let (rehearses, own) = (false, crate::sys::process::own().cast_signed());
        Ok(Members {
            source,
            root,
            procs,
            list,
            descent,
            left_out,
            strangers,
            spares,
            rehearses,
            own,
        })
    }

    /// The memory for lists is there from now on.
    pub fn touch(&mut self) {
        self.list.touch();
        self.descent.touch();
        if let Source::Tree(tree) = &mut self.source {
            tree.touch();
        }
    }

    /// Until this is over, a list is made as for a look: a walk through all of /proc would take long on a machine with many processes.
    pub fn rehearse(&mut self, begins: bool) {
        self.rehearses = begins;
        if begins && matches!(self.source, Source::Descendants) {
            let mut apart = Apart { left_out: &mut self.left_out, strangers: &mut self.strangers };
            self.descent.rehearse(&mut self.list, &mut apart);
        }
    }

    /// Those of a cgroup beside many others, with few descriptors and little room.
    pub fn of_others(cgroup: &Cgroup, spares: Spares) -> Members {
        Members {
            source: Source::of(cgroup),
            root: cgroup.shared_directory(),
            procs: None,
            list: List::little(),
            descent: Descent::unused(),
            left_out: Vec::new(),
            strangers: Strangers::default(),
            spares,
            rehearses: false,
            own: crate::sys::process::own().cast_signed(),
        }
    }

    /// Makes room for so many: not on the way to a deed.
    pub fn make_room(&mut self, room: usize) {
        if self.list.pids.capacity() < room {
            self.list = List::new(room);
            self.list.touch();
        }
    }

    /// Children of ours from before the command was, who are no part of the workload, nor are theirs.
    pub fn leave_out_strangers(&mut self, strangers: Strangers) {
        self.left_out.extend_from_slice(strangers.children());
        self.strangers = strangers;
    }

    /// As [`Strangers::mark`].
    pub fn mark(&mut self, command: i32) {
        self.strangers.mark(command);
    }

    /// A child of ours that is no part of the workload.
    pub fn leave_out(&mut self, pid: i32) {
        self.left_out.push(pid);
    }

    /// The command's process, which is of the workload whatever else is said of our children.
    pub fn set_command(&mut self, pid: i32) {
        self.strangers.set_command(pid);
    }

    /// It ended: the number may become anybody's.
    pub fn forget(&mut self, pid: i32) {
        self.left_out.retain(|left_out| *left_out != pid);
        self.strangers.forget(pid);
    }

    /// Whether this child of ours is no part of the workload, as far as that is known by now.
    pub fn leaves_out(&self, pid: i32) -> bool {
        self.left_out.contains(&pid)
    }

    /// Children of ours that are no part of the workload, orphans of strangers among them; and the cgroup of those that are.
    pub fn left_out(&mut self) -> (&[i32], Option<&Home>) {
        self.find_strangers();
        let home = match &self.source {
            Source::Cgroup(_, home) => Some(home),
            Source::Descendants | Source::Tree(_) | Source::Machine => None,
        };
        (&self.left_out, home)
    }

    /// Children from before the command, and those who descend from them.
    pub fn strangers(&mut self) -> impl Iterator<Item = i32> {
        self.find_strangers();
        self.strangers.all()
    }

    fn find_strangers(&mut self) {
        if self.strangers.is_empty() {
            return;
        }
        let mut children = Vec::new();
        children_of(self.own, &mut children);
        let mut apart = Apart { left_out: &mut self.left_out, strangers: &mut self.strangers };
        for child in children {
            apart.has(child);
        }
        self.strangers.learn(&mut children_of);
    }

    /// Lists the members anew. What is gone is left out, and so is what cannot be read: see [`Members::trouble`]. Of descendants
    /// it may have dead ones that nobody has reaped.
    pub fn refresh(&mut self) -> &[i32] {
        self.list_with(false)
    }

    /// The same, as exactly as can be: for deeds.
    pub fn refresh_all(&mut self) -> &[i32] {
        self.list_with(true)
    }

    fn list_with(&mut self, exactly: bool) -> &[i32] {
        self.list_once(exactly);
        if self.list.trouble.as_ref().is_some_and(is_shortage) {
            self.spares.release();
            self.list_once(exactly);
        }
        &self.list.pids
    }

    /// Leaves those of the list that are meant.
    pub fn keep(&mut self, mut meant: impl FnMut(i32) -> bool) {
        self.list.pids.retain(|pid| meant(*pid));
    }

    fn list_once(&mut self, exactly: bool) {
        self.list.trouble = None;
        match (&mut self.source, &self.procs) {
            (Source::Tree(tree), _) => {
                tree.list(&mut self.list, &self.root, exactly && !self.rehearses);
            }
            (Source::Machine, _) => self.list.collect_all(&self.root),
            (Source::Cgroup(..), procs) => {
                self.list.pids.clear();
                match procs {
                    Some(procs) => self.list.collect(procs),
                    None => self.list.collect_in(&self.root),
                }
                self.list.walk_below(&self.root);
            }
            (Source::Descendants, _) => {
                let mut apart =
                    Apart { left_out: &mut self.left_out, strangers: &mut self.strangers };
                if exactly && !self.rehearses {
                    self.descent.walk(&mut self.list, &self.root, &mut apart);
                } else {
                    self.descent.follow(&mut self.list, &self.root, &mut apart);
                }
            }
        }
    }

    /// The descriptors for the worst day: given back by whatever needs one and has none.
    pub fn spares(&mut self) -> &mut Spares {
        &mut self.spares
    }

    /// Those of the last [`Members::refresh`].
    pub fn listed(&self) -> &[i32] {
        &self.list.pids
    }

    /// Why the last list may not have all of them.
    pub fn trouble(&mut self) -> Option<io::Error> {
        self.list.trouble.take()
    }

    /// Whether nobody is left.
    ///
    /// # Errors
    /// When it cannot be known.
    pub fn is_empty(&mut self) -> io::Result<bool> {
        if self.is_anybody_listed() {
            return Ok(false);
        }
        let descendants = matches!(self.source, Source::Descendants);
        // Whoever descends from us has a chain of living parents, whose first is our child. Orphans of strangers are told apart by a list.
        if descendants && self.strangers.is_empty() {
            return Ok(!self.has_children()?);
        }
        if !self.refresh_all().is_empty() {
            return Ok(false);
        }
        match self.trouble() {
            None if descendants => Ok(!self.has_children()?),
            None => Ok(true),
            Some(error) => Err(error),
        }
    }

    /// One of the last list who lives is enough. Not of a cgroup's, whose list is cheap.
    fn is_anybody_listed(&mut self) -> bool {
        let descendants = matches!(self.source, Source::Descendants);
        descendants
            && (0..self.list.pids.len())
                .any(|index| self.still_member(self.list.pids[index]).unwrap_or(false))
    }

    /// A walk misses who changes parents meanwhile; our own children cannot be missed.
    fn has_children(&mut self) -> io::Result<bool> {
        if self.left_out.is_empty() {
            return Ok(crate::sys::process::has_children());
        }
        // Where the kernel has no such file (CONFIG_PROC_CHILDREN), a second walk has to do.
        let own = self.own;
        let left_out = &self.left_out;
        let list = format!("task/{own}/children");
        match proc_file::read(own, &list, &mut self.list.text) {
            Ok(Some(list)) => Ok(list
                .split(|byte| *byte == b' ')
                .filter_map(|word| i32::try_from(files::number(word)?).ok())
                .any(|pid| !left_out.contains(&pid))),
            Ok(None) => {
                let nobody = self.refresh_all().is_empty();
                self.trouble().map_or(Ok(!nobody), Err)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends these signals, in their order, to one of the last list, by a handle opened first and looked at again: a number
    /// that went to somebody else meanwhile is not hit.
    ///
    /// True if it has them.
    ///
    /// # Errors
    /// What kept them from it, other than its end: EPERM where it is not ours to signal (setuid).
    pub fn send_to(&mut self, pid: i32, signals: &[i32]) -> io::Result<bool> {
        self.send_if(pid, signals, |_| true)
    }

    /// The same to this very process.
    ///
    /// # Errors
    /// As [`Members::send_to`].
    pub fn send_to_one(&mut self, id: ProcessId, signals: &[i32]) -> io::Result<bool> {
        let is_meant = |text: &mut [u8]| matches!(Stat::of(id.pid, text), Ok(Some(stat)) if stat.start == id.started);
        self.send_if(id.pid, signals, is_meant)
    }

    fn send_if(
        &mut self,
        pid: i32,
        signals: &[i32],
        is_meant: impl Fn(&mut [u8]) -> bool,
    ) -> io::Result<bool> {
        let handle = match PidFd::open(pid) {
            Ok(handle) => handle,
            Err(error) if is_shortage(&error) => {
                self.spares.release();
                PidFd::open(pid)?
            }
            // EINVAL: the number is a thread's by now.
            Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::InvalidInput => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if !is_meant(&mut self.list.text) || !self.still_member(pid)? {
            return Ok(false);
        }
        for signal in signals {
            match handle.send(*signal) {
                Err(error) if is_gone(&error) => return Ok(false),
                result => result?,
            }
        }
        Ok(true)
    }

    pub(super) fn still_member(&mut self, pid: i32) -> io::Result<bool> {
        let text = &mut self.list.text;
        match &self.source {
            Source::Descendants => {
                let parent = parent_of(pid, text)?;
                Ok(parent
                    .is_some_and(|parent| parent == self.own || self.list.pids.contains(&parent)))
            }
            Source::Cgroup(_, home) => in_cgroup(pid, home, text),
            Source::Tree(tree) => tree.has(pid, text),
            Source::Machine => Ok(Stat::of(pid, text)?.is_some_and(|stat| stat.living)),
        }
    }
}

/// The cgroup whose processes are meant, as /proc/PID/cgroup names it.
#[derive(Clone, Debug)]
pub struct Home(Named);

#[derive(Clone, Debug)]
enum Named {
    /// By its whole path.
    Place(PathBuf),
    /// By its directory's name, where no mounted tree has it.
    Name(Option<OsString>),
}

impl Home {
    /// Of the cgroup with this directory.
    pub fn of(directory: &Path) -> Home {
        let name = || Named::Name(directory.file_name().map(OsStr::to_owned));
        Home(hierarchy::place_of(directory).map_or_else(name, Named::Place))
    }

    /// Whether a place that /proc/PID/cgroup names is this cgroup, or one below it.
    pub fn holds(&self, place: &[u8]) -> bool {
        let place = Path::new(OsStr::from_bytes(place));
        match &self.0 {
            Named::Place(home) => place.starts_with(home),
            Named::Name(Some(name)) => place.iter().any(|part| part == name),
            Named::Name(None) => true,
        }
    }
}

fn in_cgroup(pid: i32, home: &Home, text: &mut [u8]) -> io::Result<bool> {
    let Some(text) = proc_file::read(pid, "cgroup", text)? else { return Ok(false) };
    let mut lines = text.split(|byte| *byte == b'\n');
    Ok(lines.any(|line| line.strip_prefix(b"0::").is_some_and(|place| home.holds(place))))
}
