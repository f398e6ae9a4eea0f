//! The guardians that are listed in the runtime directories, and the way to each. What is no guardian's entry is passed over:
//! other files, links, names that no guardian gives. Nothing is followed, nothing waited for. Asking them is `asking`'s.

use super::runtime_dir::{
    self, LONGEST_NAME, MOST_ENTRIES, Roots, SUFFIX, belongs_to, open, places,
};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::socket::{
    self, AddressFamily, SockFlag, SockType, UnixAddr, getsockopt, sockopt::PeerCredentials,
};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::geteuid;
use rustix::fs::Dir;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// More guardians than this are counted and not listed: each of them costs whoever asks a descriptor. Where there are more, users get
/// fair shares, root and we ourselves first, so that nobody's entries hide another's.
pub const MOST_GUARDIANS: usize = 256;

/// Entries of one directory that are counted; at most [`MOST_ENTRIES`] of them are remembered.
const MOST_COUNTED: usize = 4 * MOST_ENTRIES;

/// Whether a name and a process id are those that are looked for.
type Selector<'a> = &'a dyn Fn(&str, u32) -> bool;

/// Users whose directories root looks into.
const MOST_USERS: usize = 1024;

/// One guardian, as its entry tells. Whether it still lives is known when it answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name of its run, plain letters only.
    pub name: String,
    /// The guardian's process id, as it was listed.
    pub pid: u32,
    /// Its socket.
    pub socket: PathBuf,
    /// Whose it is: under sudo the user's, though root's directory lists it.
    pub uid: u32,
    /// Whose directory it is listed in.
    owner: u32,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// By name, then by id.
    pub guardians: Vec<Listed>,
    /// Entries of other users, which only they and root may ask.
    pub foreign: usize,
    /// Entries beyond [`MOST_GUARDIANS`].
    pub left_out: usize,
    /// The same by the user in whose directory they are.
    pub left_out_of: BTreeMap<u32, usize>,
}

/// Why a guardian cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The entry is gone, or is a dead guardian's.
    #[error("gone")]
    Gone,
    /// Too many wait already.
    #[error("it accepts no connections")]
    Full,
    /// Whoever listens there is neither root nor the one in whose directory it is.
    #[error("run by uid {0}, who does not own the directory")]
    Stranger(u32),
    /// The kernel said no.
    #[error("{}", .0.desc())]
    System(Errno),
}

/// A connection on which nothing was said yet. It does not block.
#[derive(Debug)]
pub struct Contact {
    /// The connection.
    pub stream: UnixStream,
    /// Who listens, by the kernel's word; 0 for a process of another pid namespace.
    pub pid: i32,
}

/// Finds the guardians that we may ask: our own and those under root's eyes that are ours; root finds those of all who run a process.
pub fn find(roots: &Roots) -> Listing {
    find_those(roots, &|_, _| true)
}

/// Only those that are `wanted`: what is not cannot crowd them out.
pub fn find_those(roots: &Roots, wanted: Selector<'_>) -> Listing {
    let own = geteuid().as_raw();
    let mut listing = Listing::default();
    for path in places(roots) {
        look_into(&path, &[0, own], wanted, &mut listing);
    }
    for uid in users().into_iter().filter(|uid| *uid != own) {
        let session = roots.run.join("user").join(uid.to_string()).join("sentinel");
        for path in [session, roots.tmp.join(format!("sentinel-{uid}"))] {
            look_into(&path, &[uid], wanted, &mut listing);
        }
    }
    // One of this name, id and user in two directories is one: that in root's directory, else in ours.
    listing.guardians.sort_by_key(|listed| (!listed.comes_first(), listed.owner != 0));
    let mut known = BTreeSet::new();
    listing.guardians.retain(|it| known.insert((it.name.clone(), it.pid, it.uid)));
    listing.bound();
    listing.guardians.sort();
    listing
}

impl Listing {
    /// Leaves out what is too much.
    fn bound(&mut self) {
        let mut entries: BTreeMap<u32, usize> = BTreeMap::new();
        self.guardians.iter().for_each(|listed| *entries.entry(listed.owner).or_default() += 1);
        let wanted: Vec<(u32, usize)> = entries.into_iter().collect();
        let mut shares = crate::fair::shares(&wanted, &[0, geteuid().as_raw()], MOST_GUARDIANS);
        self.guardians.sort();
        let left_out_of = &mut self.left_out_of;
        self.guardians.retain(|listed| {
            let share = shares.entry(listed.owner).or_default();
            if *share == 0 {
                *left_out_of.entry(listed.owner).or_default() += 1;
                return false;
            }
            *share -= 1;
            true
        });
        self.left_out = self.left_out_of.values().sum();
    }
}

/// Everybody who runs a process, for root; for others nobody.
fn users() -> BTreeSet<u32> {
    let mut users = BTreeSet::new();
    let processes = if geteuid().is_root() { std::fs::read_dir("/proc").ok() } else { None };
    for entry in processes.into_iter().flatten().flatten() {
        let is_process = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if let Some(stat) = is_process.then(|| entry.metadata().ok()).flatten()
            && users.len() < MOST_USERS
        {
            users.insert(stat.uid());
        }
    }
    users
}

/// Adds the entries of a directory, if it belongs to one of `owners` and nobody else may write to it.
fn look_into(path: &Path, owners: &[u32], wanted: Selector<'_>, listing: &mut Listing) {
    let Some((directory, owner)) = open_of(path, owners) else { return };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(readable) = openat(&directory, ".", flags, Mode::empty()) else { return };
    let Ok(entries) = Dir::new(readable) else { return };
    let mut room = MOST_ENTRIES;
    for entry in entries.take(MOST_COUNTED).flatten() {
        let Some((file, name, pid)) = parse(entry.file_name().to_bytes()) else { continue };
        if !wanted(name, pid) {
            continue;
        }
        let Ok(stat) = fstatat(&directory, file, AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
        let own = geteuid();
        match is_socket(&stat) {
            false => {}
            true if !own.is_root() && stat.st_uid != own.as_raw() => listing.foreign += 1,
            true if room == 0 => *listing.left_out_of.entry(owner).or_default() += 1,
            true => {
                room -= 1;
                let (name, socket) = (name.to_owned(), path.join(file));
                let uid = stat.st_uid;
                listing.guardians.push(Listed { name, pid, socket, uid, owner });
            }
        }
    }
}

fn open_of(path: &Path, owners: &[u32]) -> Option<(OwnedFd, u32)> {
    let directory = open(path).ok()?;
    let stat = fstat(&directory).ok()?;
    let owner = owners.iter().find(|uid| belongs_to(&stat, **uid))?;
    Some((directory, *owner))
}

fn is_socket(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFSOCK
}

/// `NAME-PID.socket` as a guardian writes it: the whole, the name and the id.
fn parse(file: &[u8]) -> Option<(&str, &str, u32)> {
    let file = std::str::from_utf8(file).ok()?;
    let (name, pid) = file.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let digits = !pid.starts_with('0') && pid.bytes().all(|c| c.is_ascii_digit());
    let fits = (1..=LONGEST_NAME).contains(&name.len());
    let proper = fits && name.chars().all(plain) && !name.starts_with(['.', '-']);
    (proper && digits).then_some(())?;
    Some((file, name, pid.parse().ok()?))
}

impl Listed {
    /// Connects without waiting. What is reached is the entry's own socket, whatever its name means by now, and whoever serves it is
    /// the owner of the directory, root or ourselves.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub fn connect(&self) -> Result<Contact, Unreachable> {
        let path = self.socket.parent().unwrap_or(Path::new("/"));
        let name = self.socket.file_name().unwrap_or_default();
        let (directory, _) = open_of(path, &[self.owner]).ok_or(Unreachable::Gone)?;
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let node = openat(&directory, name, flags, Mode::empty()).map_err(unreachable)?;
        let stat = fstat(&node).map_err(unreachable)?;
        if !is_socket(&stat) {
            return Err(Unreachable::Gone);
        }
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let stream = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .map_err(Unreachable::System)?;
        // By the open node, which also is a short enough path wherever it is.
        let link = format!("/proc/self/fd/{}", node.as_raw_fd());
        let address = UnixAddr::new(link.as_str()).map_err(Unreachable::System)?;
        socket::connect(stream.as_raw_fd(), &address).map_err(unreachable)?;
        let peer = getsockopt(&stream, PeerCredentials).map_err(Unreachable::System)?;
        let expected = [0, geteuid().as_raw(), self.owner];
        match expected.contains(&peer.uid()) {
            true => Ok(Contact { stream: stream.into(), pid: peer.pid() }),
            false => Err(Unreachable::Stranger(peer.uid())),
        }
    }

    /// Whether it is listed by root or by ourselves: before any other user's of the same name.
    pub fn comes_first(&self) -> bool {
        self.owner == 0 || self.owner == geteuid().as_raw()
    }

    /// `NAME-PID`, which no other guardian has.
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.pid)
    }
}

fn unreachable(errno: Errno) -> Unreachable {
    if matches!(errno, Errno::ENOENT | Errno::ECONNREFUSED | Errno::ENOTDIR | Errno::ELOOP) {
        return Unreachable::Gone;
    }
    // The queue of those that wait to be accepted is full.
    if errno == Errno::EAGAIN { Unreachable::Full } else { Unreachable::System(errno) }
}

/// Those of this machine and this session.
pub fn find_here() -> Listing {
    find(&runtime_dir::Roots::system())
}

/// Those of them that are `wanted`.
pub fn find_here_those(wanted: Selector<'_>) -> Listing {
    find_those(&runtime_dir::Roots::system(), wanted)
}

/// Whether the process stands still by a signal (SIGSTOP, Ctrl-Z), so that no answer can be waited for.
pub fn is_stopped(pid: i32) -> bool {
    let stat = match pid {
        1.. => std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default(),
        _ => Vec::new(),
    };
    // proc_pid_stat(5): the state is behind the name, which may hold anything and ends with the last bracket.
    let name_end = stat.iter().rposition(|byte| *byte == b')');
    name_end.and_then(|at| stat.get(at + 2)).is_some_and(|state| *state == b'T')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_guardians_give_are_entries() {
        assert_eq!(parse(b"python3-7.socket"), Some(("python3-7.socket", "python3", 7)));
        assert_eq!(parse(b"a-b-7.socket").map(|(_, name, pid)| (name, pid)), Some(("a-b", 7)));
        let long = format!("{}-7.socket", "x".repeat(41));
        for file in [
            "python3.socket",
            "-7.socket",
            ".x-7.socket",
            "x-.socket",
            "x-0.socket",
            "x-07.socket",
            "x-99999999999.socket",
            "x-7.sock",
            "x y-7.socket",
            "x\x1b[2J-7.socket",
            "x-+7.socket",
            &long,
        ] {
            assert_eq!(parse(file.as_bytes()), None, "{file:?}");
        }
        assert_eq!(parse(b"\xff-7.socket"), None);
    }
}
