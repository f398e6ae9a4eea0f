//! The directory in which every guardian of a user is listed: `/run/sentinel` for root, else one of the session or of /tmp.

use super::bind::{self, MAX_PATH, others_may_rename};
use crate::escape::escape;
use crate::sys::own_ids;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, stat};
use nix::unistd::Uid;
use rustix::fs::RawDir;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How an entry's name ends.
pub(super) const SUFFIX: &str = ".socket";

/// The longest part of an entry's name that comes from the workload, bytes.
pub(super) const LONGEST_NAME: usize = 40;

/// Entries looked at in one go: more than that is nothing that guardians made.
pub(super) const MOST_ENTRIES: usize = 1024;

/// Where sockets may be put. Tests put them elsewhere.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/tmp`.
    pub tmp: PathBuf,
    /// `/run`.
    pub run: PathBuf,
    /// `$XDG_RUNTIME_DIR`, which is used only if it belongs to us.
    pub session: Option<PathBuf>,
}

impl Roots {
    /// Those of this machine and this session.
    pub fn system() -> Self {
        let session = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        Roots {
            tmp: PathBuf::from("/tmp"),
            run: PathBuf::from("/run"),
            session: session.filter(|path| path.is_absolute()),
        }
    }

    /// The candidates for a directory of this user's, who we are, best first.
    fn candidates(&self, uid: Uid) -> Vec<PathBuf> {
        let own = self.tmp.join(format!("sentinel-{uid}"));
        let better = match uid.is_root() {
            true => Some(self.run.join("sentinel")),
            false => {
                self.session.as_ref().filter(|path| is_private(path)).map(|p| p.join("sentinel"))
            }
        };
        better.into_iter().chain([own]).collect()
    }
}

/// Root's directory is open to lookers: under sudo its sockets belong to users, who must reach theirs and find their names; only root
/// may write in it, and each socket is 0600. A user's own directory is nobody else's business.
fn wanted_mode(uid: Uid) -> Mode {
    Mode::from_bits_truncate(if uid.is_root() { 0o755 } else { 0o700 })
}

/// Ours, and nobody else may write to it.
fn is_ours(stat: &FileStat) -> bool {
    belongs_to(stat, own_ids::euid().as_raw())
}

/// Theirs, and nobody else may write to it.
pub(super) fn belongs_to(stat: &FileStat, uid: u32) -> bool {
    stat.st_uid == uid && stat.st_mode & 0o022 == 0
}

fn is_private(path: &Path) -> bool {
    open(path).and_then(fstat).is_ok_and(|stat| is_ours(&stat))
}

/// The directory itself, for `*at` calls: a symbolic link in the last place is none.
pub(super) fn open(path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, path, flags, Mode::empty())
}

/// Our directory, made if need be and checked: what it is, whose it is, and who may write to it. Open, for `*at` calls and locks.
///
/// # Errors
/// One line for each place that would not do.
pub(super) fn prepare(roots: &Roots) -> Result<(PathBuf, OwnedFd), String> {
    let mut problems = Vec::new();
    let uid = own_ids::euid();
    for path in roots.candidates(uid) {
        match prepare_one(&path, uid) {
            Ok(directory) => return Ok((path, directory)),
            Err(problem) => problems.push(problem),
        }
    }
    Err(problems.join("; "))
}

fn prepare_one(path: &Path, uid: Uid) -> Result<OwnedFd, String> {
    let shown = escape(path.as_os_str().as_bytes());
    let cannot = |what: &str, errno: Errno| format!("cannot {what} {shown}: {}", errno.desc());
    let root = path.parent().unwrap_or(Path::new("/"));
    let above = stat(root).map_err(|errno| cannot("make", errno))?;
    if others_may_rename(&above) {
        return Err(format!(
            "will not use {shown}: other users could rename files in its directory"
        ));
    }
    let mode = wanted_mode(uid);
    let (directory, is_new) = match open_to_read(path) {
        Err(Errno::ENOENT) => {
            let made = std::fs::DirBuilder::new().mode(mode.bits()).create(path);
            let directory = open_to_read(path).map_err(|errno| match &made {
                Err(error) => format!("cannot make {shown}: {error}"),
                Ok(()) => cannot("open", errno),
            })?;
            (directory, made.is_ok())
        }
        opened => (opened.map_err(|errno| cannot("open", errno))?, false),
    };
    let found = fstat(&directory).map_err(|errno| cannot("look at", errno))?;
    if !belongs_to(&found, uid.as_raw()) {
        let way_out = "it must belong to us and be writable by no one else";
        return Err(format!("will not use {shown} (uid {}): {way_out}", found.st_uid));
    }
    if is_new {
        // What the umask took from it.
        fchmod(&directory, mode).map_err(|errno| cannot("set the mode of", errno))?;
    }
    Ok(directory)
}

fn open_to_read(path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, path, flags, Mode::empty())
}

/// The path of our entry: `<name>-<pid>.socket`, the name cut to what fits and free of what is awkward in a path.
pub(super) fn entry(directory: &Path, name: &str, pid: u32) -> PathBuf {
    let tail = format!("-{pid}{SUFFIX}");
    let room = MAX_PATH.saturating_sub(directory.as_os_str().len() + 1 + tail.len());
    directory.join(plain(name, room) + &tail)
}

/// The name of a run as it is listed, wherever there is room for it.
pub fn listed_name(name: &str) -> String {
    plain(name, LONGEST_NAME)
}

fn plain(name: &str, room: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).take(room.min(LONGEST_NAME)).collect();
    // A leading dot would hide the entry, and a leading dash look like an option.
    match name.trim_start_matches(['.', '-']) {
        "" => "command"[..room.min(7)].to_owned(),
        name => name.to_owned(),
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = found.take(MOST_ENTRIES).filter_map(|entry| Some(entry.ok()?.path()));
    let mut sockets: Vec<_> =
        paths.filter(|path| path.as_os_str().as_bytes().ends_with(SUFFIX.as_bytes())).collect();
    sockets.sort();
    sockets
}

/// Unlinks the entries of guardians that died, in this directory of ours, which is locked. What could not be removed is left for the
/// next one.
pub(super) fn sweep(path: &Path, directory: &OwnedFd) {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let (mut entries, mut found) = (RawDir::new(directory, &mut buffer), Vec::new());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        if name.ends_with(SUFFIX.as_bytes()) {
            found.push(path.join(OsStr::from_bytes(name)));
        }
        if found.len() == MOST_ENTRIES {
            break;
        }
    }
    for entry in found {
        let _ = bind::sweep(directory, &entry);
    }
}

/// The sockets of all guardians that we may find: root's, which under sudo are their users', and our own. Some may be dead.
pub fn list(roots: &Roots) -> Vec<PathBuf> {
    let own = |path: &PathBuf| {
        open(path).and_then(fstat).is_ok_and(|stat| belongs_to(&stat, 0) || is_ours(&stat))
    };
    places(roots).iter().filter(|path| own(path)).flat_map(|path| entries(path)).collect()
}

/// Where guardians that we may find are listed: our own candidates and root's directory.
pub(super) fn places(roots: &Roots) -> Vec<PathBuf> {
    let mut places = roots.candidates(own_ids::euid());
    places.push(roots.run.join("sentinel"));
    places.sort();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_plain_and_fit() {
        let dir = Path::new("/run/sentinel");
        assert_eq!(entry(dir, "python3", 7), dir.join("python3-7.socket"));
        assert_eq!(entry(dir, "../a b\n", 7), dir.join("_a_b_-7.socket"));
        assert_eq!(entry(dir, "", 7), dir.join("command-7.socket"));
        assert_eq!(entry(dir, &"x".repeat(300), 7).as_os_str().len(), 14 + 40 + 9);
        let long = PathBuf::from(format!("/{}", "d".repeat(80)));
        assert_eq!(
            entry(&long, "python3-with-a-long-name", 4_000_000_000).as_os_str().len(),
            MAX_PATH
        );
    }
}
