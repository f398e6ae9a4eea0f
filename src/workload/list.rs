//! Lists of process ids from a tree of cgroups. Up to the room that is there from the start nothing is allocated.

use super::proc_file::is_gone;
use crate::cgroup::files;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use rustix::fs::RawDir;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Seek as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;

/// Room for this many processes from the start, so that listing them seldom allocates.
pub(super) const ROOM: usize = 8192;
/// The same where there are many workloads: more is made as they grow, between the deeds.
pub(super) const LITTLE_ROOM: usize = 64;
/// Of text, for each process.
const TEXT: usize = 8;
/// The least of text: any file of /proc that is read into it.
const LEAST_TEXT: usize = 8192;
/// And for cgroups so deep.
const DEEP: usize = 256;
const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY);

/// The processes of a cgroup, one a line.
pub(super) const PROCS: &CStr = c"cgroup.procs";

/// What a walk finds, and what kept it from finding all.
#[derive(Debug)]
pub(super) struct List {
    pub(super) pids: Vec<i32>,
    /// Where to go on in the directories above the one that is gone through.
    places: Vec<u64>,
    pub(super) text: Box<[u8]>,
    pub(super) trouble: Option<io::Error>,
}

/// Room whose pages are there: the first use of a page must not wait for memory on the day when there is none.
pub(super) fn touched<T: Clone + Default>(room: usize) -> Vec<T> {
    let mut room = Vec::with_capacity(room);
    touch(&mut room);
    room
}

/// Sees to it that the pages of this room are there.
pub(super) fn touch<T: Clone + Default>(room: &mut Vec<T>) {
    let length = room.len();
    room.resize(room.capacity(), T::default());
    std::hint::black_box(room.as_mut_slice());
    room.truncate(length);
}

impl List {
    /// An empty one with its room.
    pub(super) fn new(room: usize) -> List {
        let text = vec![0; (room * TEXT).max(LEAST_TEXT)].into();
        let (pids, places) = (Vec::with_capacity(room), Vec::with_capacity(DEEP));
        List { pids, places, text, trouble: None }
    }

    /// One of many, for few processes: of its text the pages come as they are used.
    pub(super) fn little() -> List {
        let text = vec![0; LEAST_TEXT].into();
        List { pids: touched(LITTLE_ROOM), places: Vec::new(), text, trouble: None }
    }

    /// Its memory is there from now on.
    pub(super) fn touch(&mut self) {
        touch(&mut self.pids);
        touch(&mut self.places);
        self.text.fill(1);
    }

    /// Remembers the first thing that kept the list from being whole.
    pub(super) fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && !is_gone(&error)
        {
            self.trouble.get_or_insert(error);
        }
    }

    /// The processes of all cgroups below this directory. However deep they go, two of them are open at a time: a workload that nests
    /// its cgroups hides in none.
    pub(super) fn walk_below(&mut self, root: &File) {
        self.places.clear();
        // The directory itself and its name in the one above: nobody is below (in a file system that counts so, as the kernel's).
        if nix::sys::stat::fstat(root).is_ok_and(|found| found.st_nlink == 2) {
            return;
        }
        let (mut below, mut place) = (None, 0);
        loop {
            let here = below.as_ref().unwrap_or(root);
            let next = next_directory(here, place, &mut |error| self.note(Err(error)));
            let next = next.unwrap_or_else(|error| {
                self.note(Err(error));
                None
            });
            if let Some((child, behind)) = next {
                self.collect_in(&child);
                self.places.push(behind);
                (below, place) = (Some(child), 0);
                continue;
            }
            let Some(behind) = self.places.pop() else { return };
            let up = match self.places.is_empty() {
                true => Ok(None),
                false => open_in_cgroup(here, c"..", DIRECTORY).map(Some),
            };
            match up {
                Ok(above) => (below, place) = (above, behind),
                Err(error) => return self.note(Err(error)),
            }
        }
    }

    pub(super) fn collect_in(&mut self, directory: &File) {
        match open_in_cgroup(directory, PROCS, OFlag::O_RDONLY) {
            Ok(file) => self.collect(&file),
            Err(error) => self.note(Err(error)),
        }
    }

    /// The list can be longer than the buffer: what is cut off at its end is read again with the next part.
    /// Every process of the machine, from /proc.
    pub(super) fn collect_all(&mut self, proc: &File) {
        self.pids.clear();
        let pids = &mut self.pids;
        let walked = each_entry(proc, |name| {
            pids.extend(number(name));
        });
        self.note(walked);
    }

    /// Those of an open `cgroup.procs`.
    pub(super) fn collect(&mut self, file: &File) {
        let (mut kept, mut place) = (0, 0);
        loop {
            let length = match read_at(file, &mut self.text[kept..], place) {
                Ok(0) => return,
                Ok(read) => {
                    place += u64::try_from(read).unwrap_or(0);
                    kept + read
                }
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

/// One read, begun again when a signal or a debugger came in between.
fn read_at(file: &File, text: &mut [u8], place: u64) -> io::Result<usize> {
    loop {
        match file.read_at(text, place) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A workload of ours, not root, may take the rights of its cgroups away, to hide in them: they are given back.
fn open_in_cgroup(directory: &File, name: &CStr, flags: OFlag) -> io::Result<File> {
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

pub(super) fn open_in(directory: &File, name: &CStr, flags: OFlag) -> io::Result<File> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    Ok(File::from(openat(directory.as_fd(), name, flags, Mode::empty())?))
}

/// The next directory in this one from a place on (`d_off`, getdents(2)), and the place behind it. Those that cannot be opened are
/// passed over, with a note.
fn next_directory(
    directory: &File,
    place: u64,
    note: &mut impl FnMut(io::Error),
) -> io::Result<Option<(File, u64)>> {
    let mut position = directory;
    position.seek(io::SeekFrom::Start(place))?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let is_directory = entry.file_type() == rustix::fs::FileType::Directory;
        if !is_directory || matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        match open_in_cgroup(directory, entry.file_name(), DIRECTORY) {
            Ok(child) => return Ok(Some((child, entry.next_entry_cookie()))),
            Err(error) => note(error),
        }
    }
    Ok(None)
}

/// The number that a name in /proc or in a `task` directory is.
pub(super) fn number(name: &[u8]) -> Option<i32> {
    i32::try_from(files::number(name)?).ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    fn cgroup(path: &Path, pid: i32) {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join("cgroup.procs"), format!("{pid}\n")).unwrap();
    }

    /// Deeper than any path is long, many in one, with names that are no text.
    #[test]
    fn all_cgroups_below_are_found() {
        let scene = tempfile::tempdir().unwrap();
        let mut deep = scene.path().to_owned();
        for depth in 1..=400 {
            deep.push("d");
            cgroup(&deep, depth);
        }
        for (number, name) in (1000..).zip([&b"\xff\xfe"[..], b"a b", b"\n"]) {
            cgroup(&scene.path().join("d/d").join(std::ffi::OsStr::from_bytes(name)), number);
        }
        for number in 2000..2300 {
            cgroup(&deep.join(number.to_string()), number);
        }
        let mut list = List::new(ROOM);
        list.walk_below(&File::open(scene.path()).unwrap());
        list.pids.sort_unstable();
        let wanted: Vec<i32> = (1..=400).chain(1000..1003).chain(2000..2300).collect();
        assert!(list.trouble.is_none(), "{:?}", list.trouble);
        assert_eq!(list.pids, wanted);
    }
}
