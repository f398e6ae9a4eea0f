//! Who is in a workload: by `cgroup.procs` of its cgroup and those below it, or by descent from us.
//! Descent is enough where there is no cgroup: as subreaper every orphan of the workload becomes our child.
//! Allocates nothing up to [`ROOM`] processes. Opens what has no descriptor of its own: sub-cgroups, files of /proc, pidfds.

use super::descent::{self, Descent};
use super::proc_file::{self, is_gone, read_some};
use super::spares::{Spares, is_shortage};
use super::strangers::{self, Strangers};
use crate::cgroup::{Cgroup, files};
use crate::report::escape::shown;
use crate::sys::process::PidFd;
use anyhow::{Context, Result};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use rustix::fs::RawDir;
use std::fs::File;
use std::io::{self, Seek as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// Room for this many processes from the start, so that listing them seldom allocates.
const ROOM: usize = 8192;
const TEXT: usize = 64 * 1024;
/// Sub-cgroups below this depth are not walked: `cgroup.max.depth` of the kernel is higher, no sane workload is.
const DEPTH: usize = 32;

/// Where the list comes from.
#[derive(Debug)]
pub enum Source {
    /// A cgroup.
    Cgroup(std::path::PathBuf),
    /// Our descendants.
    Descendants,
}

impl Source {
    /// The members of this cgroup.
    pub fn of(cgroup: &Cgroup) -> Source {
        Source::Cgroup(cgroup.path().to_owned())
    }
}

/// The list of members and the buffers to make it.
#[derive(Debug)]
pub struct Members {
    source: Source,
    root: File,
    /// `cgroup.procs` of the cgroup itself, held open.
    procs: Option<File>,
    list: List,
    descent: Descent,
    left_out: Vec<i32>,
    strangers: Strangers,
    spares: Spares,
}

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

/// What a walk finds, and what kept it from finding all.
#[derive(Debug)]
pub(super) struct List {
    pub(super) pids: Vec<i32>,
    pub(super) text: Box<[u8]>,
    pub(super) trouble: Option<io::Error>,
}

impl Members {
    /// An empty list.
    ///
    /// # Errors
    /// When the cgroup's directory, its `cgroup.procs` or /proc cannot be opened.
    pub fn new(source: Source) -> Result<Members> {
        let path = match &source {
            Source::Cgroup(path) => path.as_path(),
            Source::Descendants => std::path::Path::new("/proc"),
        };
        let root = File::open(path).with_context(|| format!("open {}", shown(path)))?;
        let procs = match &source {
            Source::Cgroup(path) => Some(
                open_in(&root, PROCS, OFlag::O_RDONLY)
                    .with_context(|| format!("open {}", shown(&path.join(PROCS))))?,
            ),
            Source::Descendants => None,
        };
        let list = List { pids: touched(0), text: vec![1; TEXT].into(), trouble: None };
        let descent = match &source {
            Source::Cgroup(_) => Descent::unused(),
            Source::Descendants => Descent::new(),
        };
        let spares = Spares::take().context("keep descriptors for later")?;
        let (left_out, strangers) = (Vec::new(), Strangers::default());
        Ok(Members { source, root, procs, list, descent, left_out, strangers, spares })
    }

    /// Children of ours from before the command was, who are no part of the workload, nor are theirs.
    pub fn leave_out_strangers(&mut self, strangers: Strangers) {
        self.left_out.extend_from_slice(strangers.children());
        self.strangers = strangers;
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

    /// Children of ours that are no part of the workload, orphans of strangers among them.
    pub fn left_out(&mut self) -> &[i32] {
        if !self.strangers.is_empty() {
            let mut children = Vec::new();
            strangers::children_of(nix::unistd::getpid().as_raw(), &mut children);
            let mut apart = Apart { left_out: &mut self.left_out, strangers: &mut self.strangers };
            for child in children {
                apart.has(child);
            }
            self.strangers.learn(&mut strangers::children_of);
        }
        &self.left_out
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
        match &mut self.procs {
            Some(procs) => {
                self.list.pids.clear();
                let rewound = procs.rewind();
                self.list.note(rewound);
                self.list.collect(procs);
                self.list.walk_below(&self.root, DEPTH);
            }
            None => {
                let mut apart =
                    Apart { left_out: &mut self.left_out, strangers: &mut self.strangers };
                if exactly {
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
        if self.is_anybody_listed() || !self.refresh_all().is_empty() {
            return Ok(false);
        }
        match (self.trouble(), &self.source) {
            (None, Source::Cgroup(_)) => Ok(true),
            (None, Source::Descendants) => Ok(!self.has_children()),
            (Some(error), _) => Err(error),
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
    fn has_children(&mut self) -> bool {
        if self.left_out.is_empty() || !crate::sys::process::has_children() {
            return crate::sys::process::has_children();
        }
        // Where the kernel has no such file (CONFIG_PROC_CHILDREN), a second walk has to do.
        let own = nix::unistd::getpid().as_raw();
        let left_out = &self.left_out;
        let list = format!("task/{own}/children");
        match proc_file::read(own, &list, &mut self.list.text) {
            Ok(Some(list)) => list
                .split(|byte| *byte == b' ')
                .filter_map(|word| i32::try_from(files::number(word)?).ok())
                .any(|pid| !left_out.contains(&pid)),
            Ok(None) => !self.refresh_all().is_empty(),
            Err(_) => true,
        }
    }

    /// Sends these signals, in their order, to one of the last list, by a handle opened first and looked at again: a number
    /// that went to somebody else meanwhile is not hit.
    ///
    /// # Errors
    /// What kept them from it, other than its end.
    pub fn send_to(&mut self, pid: i32, signals: &[i32]) -> io::Result<()> {
        let handle = match PidFd::open(pid) {
            Ok(handle) => handle,
            Err(error) if is_shortage(&error) => {
                self.spares.release();
                PidFd::open(pid)?
            }
            // EINVAL: the number is a thread's by now.
            Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::InvalidInput => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.still_member(pid)? {
            for signal in signals {
                // Gone or not ours to signal (setuid): an outcome.
                let _ = handle.send(*signal);
            }
        }
        Ok(())
    }

    pub(super) fn still_member(&mut self, pid: i32) -> io::Result<bool> {
        let text = &mut self.list.text;
        match &self.source {
            Source::Descendants => {
                let parent = descent::parent_of(pid, text)?;
                Ok(parent.is_some_and(|parent| {
                    parent == nix::unistd::getpid().as_raw() || self.list.pids.contains(&parent)
                }))
            }
            Source::Cgroup(path) => in_cgroup(pid, path, text),
        }
    }
}

const PROCS: &str = "cgroup.procs";

/// Room whose pages are there: the first use of a page must not wait for memory on the day when there is none.
pub(super) fn touched<T: Clone>(value: T) -> Vec<T> {
    let mut room = vec![value; ROOM];
    std::hint::black_box(room.as_mut_slice());
    room.clear();
    room
}

impl List {
    /// Remembers the first thing that kept the list from being whole.
    pub(super) fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && !is_gone(&error)
        {
            self.trouble.get_or_insert(error);
        }
    }

    /// The processes of a cgroup directory and all below it.
    fn walk(&mut self, directory: &File, depth: usize) {
        match open_in_cgroup(directory, PROCS, OFlag::O_RDONLY) {
            Ok(mut file) => self.collect(&mut file),
            Err(error) => self.note(Err(error)),
        }
        self.walk_below(directory, depth);
    }

    fn walk_below(&mut self, directory: &File, depth: usize) {
        if depth == 0 {
            return;
        }
        let walked = each_directory(directory, |child| match child {
            Ok(child) => self.walk(&child, depth - 1),
            Err(error) => self.note(Err(error)),
        });
        self.note(walked);
    }

    /// The list can be longer than the buffer: what is cut off at its end is read again with the next part.
    pub(super) fn collect(&mut self, file: &mut File) {
        let mut kept = 0;
        loop {
            let length = match read_some(file, &mut self.text[kept..]) {
                Ok(0) => return,
                Ok(read) => kept + read,
                // In a threaded cgroup: its processes are listed in the one above.
                Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => return,
                Err(error) => return self.note(Err(error)),
            };
            let text = &self.text[..length];
            let end = text.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
            self.pids.extend(files::cgroup_procs(&text[..end]));
            self.text.copy_within(end..length, 0);
            kept = length - end;
        }
    }
}

fn in_cgroup(pid: i32, path: &std::path::Path, text: &mut [u8]) -> io::Result<bool> {
    let Some(text) = proc_file::read(pid, "cgroup", text)? else { return Ok(false) };
    let mut lines = text.split(|byte| *byte == b'\n');
    Ok(lines.any(|line| line.strip_prefix(b"0::").is_some_and(|place| is_below(place, path))))
}

/// Whether a place that /proc/PID/cgroup names is the cgroup with this directory, or one below it.
pub fn is_below(place: &[u8], path: &std::path::Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Some(name) = unique_name(path).map(OsStrExt::as_bytes) else { return true };
    place.split(|byte| *byte == b'/').any(|part| part == name)
}

/// The part of the path that is unique on the machine, `sentinel-NAME-PID`: the last, or in a scope the last but one.
fn unique_name(path: &std::path::Path) -> Option<&std::ffi::OsStr> {
    match path.file_name() {
        Some(name) if name == crate::placement::WORKLOAD => path.parent()?.file_name(),
        name => name,
    }
}

/// A workload of ours, not root, may take the rights of its cgroups away, to hide in them: they are given back.
fn open_in_cgroup(directory: &File, name: &str, flags: OFlag) -> io::Result<File> {
    use nix::sys::stat::{FchmodatFlags, fchmod, fchmodat};
    let opened = open_in(directory, name, flags);
    if !opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        return opened;
    }
    // Where they are not ours to give, the second try says so.
    let _ = fchmod(directory, Mode::S_IRWXU);
    if flags.contains(OFlag::O_DIRECTORY) {
        let _ = fchmodat(directory, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink);
    }
    open_in(directory, name, flags)
}

fn open_in(directory: &File, name: &str, flags: OFlag) -> io::Result<File> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    Ok(File::from(openat(directory.as_fd(), name, flags, Mode::empty())?))
}

/// The directories in this one, opened, or why not.
fn each_directory(directory: &File, mut each: impl FnMut(io::Result<File>)) -> io::Result<()> {
    rewind(directory)?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        if entry.file_type() == rustix::fs::FileType::Directory && !matches!(name, "." | "..") {
            each(open_in_cgroup(directory, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY));
        }
    }
    Ok(())
}

/// The names in a directory.
pub(super) fn each_entry(directory: &File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    rewind(directory)?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        each(entry?.file_name().to_bytes());
    }
    Ok(())
}

/// The position belongs to the descriptor, which is kept.
fn rewind(directory: &File) -> io::Result<()> {
    let mut directory = directory;
    directory.rewind()
}
