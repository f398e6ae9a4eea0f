//! Who is in a workload: by `cgroup.procs` of its cgroup and those below it, or by descent from us.
//! Descent is enough where there is no cgroup: as subreaper every orphan of the workload becomes our child.

use crate::cgroup::{Cgroup, files};
use crate::report::escape::shown;
use crate::sys::process::PidFd;
use anyhow::{Context, Result};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use rustix::fs::RawDir;
use std::fs::File;
use std::io::Read;
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
    pids: Vec<i32>,
    /// Each process with its parent in front.
    parents: Vec<(i32, i32)>,
    left_out: Vec<i32>,
    text: Box<[u8]>,
}

impl Members {
    /// An empty list.
    ///
    /// # Errors
    /// When the cgroup's directory or /proc cannot be opened.
    pub fn new(source: Source) -> Result<Members> {
        let path = match &source {
            Source::Cgroup(path) => path.as_path(),
            Source::Descendants => std::path::Path::new("/proc"),
        };
        let root = File::open(path).with_context(|| format!("open {}", shown(path)))?;
        Ok(Members {
            source,
            root,
            pids: Vec::with_capacity(ROOM),
            parents: Vec::with_capacity(ROOM),
            left_out: Vec::new(),
            text: vec![0; TEXT].into_boxed_slice(),
        })
    }

    /// A child of ours that is no part of the workload.
    pub fn leave_out(&mut self, pid: i32) {
        self.left_out.push(pid);
    }

    /// Lists the members anew. What cannot be read is gone.
    pub fn refresh(&mut self) -> &[i32] {
        self.pids.clear();
        match self.source {
            Source::Cgroup(_) => walk(&self.root, DEPTH, &mut self.text, &mut self.pids),
            Source::Descendants => self.descendants(),
        }
        &self.pids
    }

    /// Whether nobody is left.
    pub fn is_empty(&mut self) -> bool {
        self.refresh().is_empty()
            && match self.source {
                Source::Cgroup(_) => true,
                Source::Descendants => !self.has_children(),
            }
    }

    /// A walk misses who changes parents meanwhile; our own children cannot be missed.
    fn has_children(&mut self) -> bool {
        if self.left_out.is_empty() || !crate::sys::process::has_children() {
            return crate::sys::process::has_children();
        }
        // Where the kernel has no such file (CONFIG_PROC_CHILDREN), a second walk has to do.
        match read_at(&self.root, "thread-self/children", &mut self.text) {
            Some(list) => list
                .split(|byte| *byte == b' ')
                .filter_map(|word| i32::try_from(files::number(word)?).ok())
                .any(|pid| !self.left_out.contains(&pid)),
            None => !self.refresh().is_empty(),
        }
    }

    /// Sends a signal to all but one, each by a handle opened first and looked at again: a number that went to
    /// somebody else meanwhile is not hit.
    pub fn send(&mut self, signal: i32, but: Option<i32>) {
        self.refresh();
        for index in 0..self.pids.len() {
            let pid = self.pids[index];
            if Some(pid) == but {
                continue;
            }
            if let Ok(handle) = PidFd::open(pid)
                && self.still_member(pid)
            {
                // Gone or not ours to signal: an outcome.
                let _ = handle.send(signal);
            }
        }
    }

    fn still_member(&mut self, pid: i32) -> bool {
        match &self.source {
            Source::Descendants => {
                let parent = parent_of(&self.root, pid, &mut self.text);
                parent.is_some_and(|parent| {
                    parent == nix::unistd::getpid().as_raw() || self.pids.contains(&parent)
                })
            }
            Source::Cgroup(path) => in_cgroup(pid, path, &mut self.text),
        }
    }

    /// Everybody whose chain of parents leads to us.
    fn descendants(&mut self) {
        self.parents.clear();
        let own = nix::unistd::getpid().as_raw();
        let (text, parents) = (&mut self.text, &mut self.parents);
        each_entry(&self.root, |name| {
            let Some(pid) = files::number(name).and_then(|pid| i32::try_from(pid).ok()) else {
                return;
            };
            if let Some(parent) = parent_of(&self.root, pid, text) {
                parents.push((parent, pid));
            }
        });
        parents.sort_unstable();
        let mut found = 0;
        self.pids.push(own);
        while found < self.pids.len() {
            self.add_children_of(self.pids[found]);
            found += 1;
        }
        self.pids.remove(0);
    }

    fn add_children_of(&mut self, parent: i32) {
        let first = self.parents.partition_point(|(of, _)| *of < parent);
        let children = self.parents[first..].iter().take_while(|(of, _)| *of == parent);
        let left_out = &self.left_out;
        self.pids.extend(children.map(|(_, pid)| *pid).filter(|pid| !left_out.contains(pid)));
    }
}

/// The parent of a process that is not a zombie, from /proc/PID/stat (proc_pid_stat(5)): behind the name, which may hold anything.
fn parent_of(proc: &File, pid: i32, text: &mut [u8]) -> Option<i32> {
    let mut path = [0u8; 32];
    let length = {
        use std::io::Write as _;
        let mut rest = &mut path[..];
        write!(rest, "{pid}/stat").ok()?;
        32 - rest.len()
    };
    let name = std::str::from_utf8(&path[..length]).ok()?;
    let stat = read_at(proc, name, text)?;
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = stat[after + 1..].split(|byte| *byte == b' ').skip(1);
    let state = fields.next()?;
    let parent = i32::try_from(files::number(fields.next()?)?).ok()?;
    (state != b"Z" && state != b"X").then_some(parent)
}

fn in_cgroup(pid: i32, path: &std::path::Path, text: &mut [u8]) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let Some(name) = unique_name(path) else { return true };
    let Ok(mut file) = File::open(format!("/proc/{pid}/cgroup")) else { return false };
    let length = file.read(text).unwrap_or(0);
    let name = name.as_bytes();
    text[..length].split(|byte| *byte == b'\n').any(|line| {
        line.starts_with(b"0::") && line.split(|byte| *byte == b'/').any(|part| part == name)
    })
}

/// The part of the path that is unique on the machine, `sentinel-NAME-PID`: the last, or in a scope the last but one.
fn unique_name(path: &std::path::Path) -> Option<&std::ffi::OsStr> {
    match path.file_name() {
        Some(name) if name == crate::placement::WORKLOAD => path.parent()?.file_name(),
        name => name,
    }
}

/// The processes of a cgroup directory and all below it.
fn walk(directory: &File, depth: usize, text: &mut [u8], pids: &mut Vec<i32>) {
    if let Ok(mut file) = open_in_cgroup(directory, "cgroup.procs", OFlag::O_RDONLY) {
        collect(&mut file, text, pids);
    }
    if depth == 0 {
        return;
    }
    each_directory(directory, |child| walk(child, depth - 1, text, pids));
}

/// The list can be longer than the buffer: what is cut off at its end is read again with the next part.
fn collect(file: &mut File, text: &mut [u8], pids: &mut Vec<i32>) {
    let mut kept = 0;
    while let Ok(read @ 1..) = file.read(&mut text[kept..]) {
        let length = kept + read;
        let end = text[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        pids.extend(files::cgroup_procs(&text[..end]));
        text.copy_within(end..length, 0);
        kept = length - end;
    }
}

/// A workload of ours, not root, may take the rights of its cgroups away, to hide in them: they are given back.
fn open_in_cgroup(directory: &File, name: &str, flags: OFlag) -> nix::Result<File> {
    use nix::sys::stat::{FchmodatFlags, fchmod, fchmodat};
    let opened = open_in(directory, name, flags);
    if !matches!(opened, Err(nix::Error::EACCES)) {
        return opened;
    }
    // Where they are not ours to give, the second try says so.
    let _ = fchmod(directory, Mode::S_IRWXU);
    if flags.contains(OFlag::O_DIRECTORY) {
        let _ = fchmodat(directory, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink);
    }
    open_in(directory, name, flags)
}

fn open_in(directory: &File, name: &str, flags: OFlag) -> nix::Result<File> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    openat(directory.as_fd(), name, flags, Mode::empty()).map(File::from)
}

fn read_at<'a>(directory: &File, name: &str, text: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut file = open_in(directory, name, OFlag::O_RDONLY).ok()?;
    let length = file.read(text).ok()?;
    Some(&text[..length])
}

fn each_directory(directory: &File, mut each: impl FnMut(&File)) {
    // A descriptor of its own: the position in the directory belongs to it.
    let Ok(again) = open_in(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY) else { return };
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut entries = RawDir::new(&again, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_str().unwrap_or_default();
        if entry.file_type() == rustix::fs::FileType::Directory && !matches!(name, "." | "..") {
            let opened = open_in_cgroup(directory, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY);
            if let Ok(child) = opened {
                each(&child);
            }
        }
    }
}

fn each_entry(directory: &File, mut each: impl FnMut(&[u8])) {
    let Ok(again) = open_in(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY) else { return };
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
    let mut entries = RawDir::new(&again, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        each(entry.file_name().to_bytes());
    }
}
