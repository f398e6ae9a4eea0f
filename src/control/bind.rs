//! Binds one path safely, also in a directory that everybody may write to: nothing is followed, nothing live is touched,
//! and only a dead socket of our own is replaced (root: of anybody's). Where to bind is decided elsewhere.

use super::problem::{Problem, SocketError};
use super::receiving;
use crate::clock::pause;
use crate::escape::escape;
use crate::sys::own_ids;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, unlinkat};
use rustix::fs::{FlockOperation, flock};
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What fits `sun_path` with its closing NUL (unix(7)).
pub(super) const MAX_PATH: usize = 107;

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 64;

/// A lock on a directory is held for some milliseconds by guardians that start; nobody waits longer than this for one.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Whom a socket is given to: the invoking user (`SUDO_UID`, `SUDO_GID` under sudo).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A socket's place in the file system. It holds the inode, so that the comparison in [`SocketNode::remove`] cannot be fooled by a
/// number used again, and it does so without keeping the socket alive.
#[derive(Debug)]
pub struct SocketNode {
    path: PathBuf,
    directory: OwnedFd,
    node: OwnedFd,
    /// Device and number.
    id: (u64, u64),
}

impl SocketNode {
    /// The path as it was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and number of the socket, which are its own as long as this lives.
    pub fn id(&self) -> (u64, u64) {
        self.id
    }

    /// Unlinks the socket if its name still means this socket. True if it did.
    ///
    /// # Errors
    /// Those of stat(2) and unlink(2), but a name that is gone is no error.
    pub fn remove(&self) -> nix::Result<bool> {
        remove(&self.directory, &self.path, self.id)
    }

    /// Lets everybody connect; who may ask what is then the server's decision.
    pub(super) fn open_to_everybody(&self) -> std::io::Result<()> {
        set_mode(&self.node, 0o666)
    }
}

/// Through the descriptor: whatever has the name by now stays as it is.
fn set_mode(node: &OwnedFd, mode: u32) -> std::io::Result<()> {
    let link = format!("/proc/self/fd/{}", node.as_raw_fd());
    std::fs::set_permissions(link, std::fs::Permissions::from_mode(mode))
}

fn give_to(node: &OwnedFd, owner: Owner) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    fchownat(node, "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
}

/// Unlinks what has this name, if it is the one with this device and number.
fn remove(directory: &OwnedFd, path: &Path, id: (u64, u64)) -> nix::Result<bool> {
    let name = file_name(path);
    let found = match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(false),
        found => found?,
    };
    if (found.st_dev, found.st_ino) != id {
        return Ok(false);
    }
    unlinkat(directory, name, UnlinkatFlags::NoRemoveDir).map(|()| true)
}

/// A socket that listens, and what went less than well.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    pub(super) node: SocketNode,
    pub(super) notices: Vec<String>,
}

/// Binds `path` with mode 0600, listens, and gives it to `owner`.
pub(super) fn bind(path: &Path, owner: Owner) -> Result<Bound, SocketError> {
    let fail = |problem| SocketError { path: path.to_owned(), problem };
    check_path(path).map_err(fail)?;
    let directory = open_directory(parent(path)).map_err(fail)?;
    bind_in(directory, path, owner, |_| ())
}

/// The same in a directory that was looked at; `sweep` is done first, while the directory is locked, if it can be.
pub(super) fn bind_in(
    directory: OwnedFd,
    path: &Path,
    owner: Owner,
    sweep: impl FnOnce(&OwnedFd),
) -> Result<Bound, SocketError> {
    check_path(path).map_err(|problem| SocketError { path: path.to_owned(), problem })?;
    let lock = lock(&directory);
    if lock.is_some() {
        sweep(&directory);
    }
    let made = bind_locked(path, &directory, lock.is_some(), owner);
    drop(lock);
    made.map(|made| made.at(path, directory))
}

/// What [`Bound`] will have.
struct Made {
    socket: OwnedFd,
    node: OwnedFd,
    id: (u64, u64),
    notices: Vec<String>,
}

impl Made {
    fn at(self, path: &Path, directory: OwnedFd) -> Bound {
        let Made { socket, node, id, notices } = self;
        let node = SocketNode { path: path.to_owned(), directory, node, id };
        Bound { listener: UnixListener::from(socket), node, notices }
    }
}

fn bind_locked(
    path: &Path,
    directory: &OwnedFd,
    locked: bool,
    owner: Owner,
) -> Result<Made, SocketError> {
    let fail = |problem| SocketError { path: path.to_owned(), problem };
    let socket = match bind_new(path) {
        Err(Errno::EADDRINUSE) => {
            clear_the_way(path, directory, locked).map_err(fail)?;
            bind_new(path)
        }
        bound => bound,
    };
    let socket = socket.map_err(|errno| fail(Problem::System(errno.into())))?;
    let (node, stat) = match pin(path, directory) {
        Ok(pinned) => pinned,
        Err(problem) => {
            // Closed, it is as dead as it looks. What cannot be removed is replaced by the next guardian.
            drop(socket);
            if matches!(problem, Problem::System(_)) && locked {
                let _ = sweep(directory, path);
            }
            return Err(fail(problem));
        }
    };
    let (id, mut notices) = ((stat.st_dev, stat.st_ino), Vec::new());
    settle((path, &node), &stat, owner, &mut notices);
    if let Err(errno) = Backlog::new(BACKLOG).and_then(|backlog| socket::listen(&socket, backlog)) {
        // What comes first is the reason; a dead socket is replaced by the next guardian.
        let _ = remove(directory, path, id);
        return Err(fail(Problem::System(errno.into())));
    }
    Ok(Made { socket, node, id, notices })
}

fn check_path(path: &Path) -> Result<(), Problem> {
    let length = path.as_os_str().len();
    if length > MAX_PATH {
        return Err(Problem::TooLong { length });
    }
    let bytes = path.as_os_str().as_bytes();
    if path.file_name().is_none() || bytes.ends_with(b"/") || bytes.contains(&0) {
        return Err(Problem::NoName);
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn file_name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Opens the directory for `*at` calls. One in which others may rename our socket away is refused.
fn open_directory(path: &Path) -> Result<OwnedFd, Problem> {
    let open = |flags| {
        openat(AT_FDCWD, path, flags | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
    };
    let directory = match open(OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
        // It can be used all the same, and not be locked.
        Err(Errno::EACCES) => open(OFlag::O_PATH),
        opened => opened,
    };
    let directory = directory.map_err(|errno| Problem::Directory(errno.into()))?;
    let stat = fstat(&directory).map_err(|errno| Problem::Directory(errno.into()))?;
    match others_may_rename(&stat) {
        true => Err(Problem::UnsafeDirectory),
        false => Ok(directory),
    }
}

/// True for a directory that everybody may write to and in which the sticky bit does not protect what is not theirs.
pub(super) fn others_may_rename(directory: &FileStat) -> bool {
    let mode = Mode::from_bits_truncate(directory.st_mode);
    mode.contains(Mode::S_IWOTH) && !mode.contains(Mode::S_ISVTX)
}

/// A lock on a directory.
struct Lock<'fd>(BorrowedFd<'fd>);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Else it ends with the descriptor.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Takes turns with other guardians that start: between its bind and its listen a socket looks dead. Any user can hold such a lock
/// on a public directory for ever, so nobody waits for it long, and without it nothing is replaced.
fn lock(directory: &OwnedFd) -> Option<Lock<'_>> {
    for _ in 0..LOCK_TRIES {
        match flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(Lock(directory.as_fd())),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(_) => return None,
        }
        // At the start, before there is a workload to guard.
        pause(LOCK_PAUSE);
    }
    None
}

/// A socket bound to `path`, which must be free: bind(2) follows no symbolic link in the last place.
fn bind_new(path: &Path) -> nix::Result<OwnedFd> {
    let socket = new_socket()?;
    // The node takes its mode from the socket's, less the umask: so it never is open to others, not even for a moment.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket::bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
}

fn new_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// Holds on to the node just bound, after making sure that it is the one.
fn pin(path: &Path, directory: &OwnedFd) -> Result<(OwnedFd, FileStat), Problem> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let node = openat(directory, file_name(path), flags, Mode::empty())
        .map_err(|errno| Problem::System(errno.into()))?;
    let stat = fstat(&node).map_err(|errno| Problem::System(errno.into()))?;
    // One name only: a second one would be another's socket, linked here in place of ours.
    if !is_socket(&stat) || stat.st_uid != own_ids::euid().as_raw() || stat.st_nlink != 1 {
        return Err(Problem::Replaced);
    }
    Ok((node, stat))
}

/// Mode and owner. A failure leaves a socket that fewer can use, never more.
fn settle(
    (path, node): (&Path, &OwnedFd),
    stat: &FileStat,
    owner: Owner,
    notices: &mut Vec<String>,
) {
    let shown = escape(path.as_os_str().as_bytes());
    if stat.st_mode & 0o777 != 0o600
        && let Err(error) = set_mode(node, 0o600)
    {
        notices.push(format!("cannot set mode 0600 on {shown}: {error}"));
    }
    if (stat.st_uid, stat.st_gid) != (owner.uid, owner.gid)
        && let Err(errno) = give_to(node, owner)
    {
        notices.push(format!("cannot give {shown} to uid {}: {}", owner.uid, errno.desc()));
    }
}

/// Unlinks what is at `path` if that is a dead socket that we may replace.
fn clear_the_way(path: &Path, directory: &OwnedFd, locked: bool) -> Result<(), Problem> {
    let stat = match fstatat(directory, file_name(path), AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(()),
        stat => stat.map_err(|errno| Problem::System(errno.into()))?,
    };
    if !is_socket(&stat) {
        return Err(Problem::Occupied { what: kind(&stat) });
    }
    if is_live(path) {
        return Err(Problem::Busy);
    }
    // Root may replace anybody's: a socket on which nobody listens serves no one, and unlinking follows nothing.
    if stat.st_uid != own_ids::euid().as_raw() && !own_ids::euid().is_root() {
        return Err(Problem::Foreign { uid: stat.st_uid });
    }
    if !locked {
        return Err(Problem::Locked);
    }
    match unlinkat(directory, file_name(path), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(Problem::System(errno.into())),
    }
}

/// False only when the kernel says that nobody listens there: in doubt a socket is somebody's.
fn is_live(path: &Path) -> bool {
    let Ok(socket) = new_socket() else { return true };
    let connected =
        UnixAddr::new(path).and_then(|address| socket::connect(socket.as_raw_fd(), &address));
    // Whoever listens there may have answered with descriptors; what takes time to close is left to the end of this process.
    std::mem::forget(receiving::close(socket.into()));
    !matches!(connected, Err(Errno::ECONNREFUSED | Errno::ENOENT))
}

fn file_kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn is_socket(stat: &FileStat) -> bool {
    file_kind(stat) == SFlag::S_IFSOCK
}

fn kind(stat: &FileStat) -> &'static str {
    match file_kind(stat) {
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFREG => "a file",
        SFlag::S_IFIFO => "a pipe",
        _ => "something that is not a socket",
    }
}

/// Unlinks `name` in the locked runtime directory if it is a dead socket that we may remove.
pub(super) fn sweep(directory: &impl AsFd, path: &Path) -> nix::Result<bool> {
    let stat = fstatat(directory, file_name(path), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let ours = stat.st_uid == own_ids::euid().as_raw() || own_ids::euid().is_root();
    if !is_socket(&stat) || !ours || is_live(path) {
        return Ok(false);
    }
    unlinkat(directory, file_name(path), UnlinkatFlags::NoRemoveDir).map(|()| true)
}
