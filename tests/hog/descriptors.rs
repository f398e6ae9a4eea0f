//! Things that are there as long as a descriptor is: open files, watches, locks, terminals, files on their way.

use crate::kernel_memory::nameless;
use crate::system::{SHM, hold, own_tmpfs, raise, raise_open_files, repeat};
use crate::tmpfs::long_name;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socketpair,
};
use nix::sys::stat::Mode;
use nix::unistd::write;
use sentinel::units::{Bytes, MIB};
use std::fs::{self, File};
use std::io::{IoSlice, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What each costs, roughly: an open file, one with an inode of a disk, one with a page of text, a terminal.
const FILE: u64 = 256;
const DISK_INODE: u64 = 1536;
const TEXT: u64 = 4096;
const TERMINAL: u64 = 2048;
const WATCH: u64 = 1 << 10;
const EVENT: u64 = 320;
const NO_LIMIT: u64 = 1 << 30;

/// Files on a disk that have no name any more, held open.
pub fn disk_inodes(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    repeat(cap.0, DISK_INODE, |_| {
        std::mem::forget(unnamed()?);
        Ok(())
    })
}

fn unnamed() -> Result<File> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    Ok(File::from(open(".", flags, Mode::S_IRUSR | Mode::S_IWUSR)?))
}

/// One file, opened again and again.
pub fn open_files(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    repeat(cap.0, FILE, |_| hold(File::open("/dev/null")?))
}

/// Files of /proc, each with the page that it is being read from.
pub fn open_texts(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    repeat(cap.0, TEXT, |_| {
        let mut file = File::open("/proc/self/status")?;
        file.read_exact(&mut [0])?;
        hold(file)
    })
}

pub fn eventfds(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    repeat(cap.0, FILE, |_| hold(EventFd::from_flags(EfdFlags::empty())?))
}

#[expect(unsafe_code, reason = "timerfd_create(2), for which nix wants a feature of its own")]
pub fn timerfds(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    repeat(cap.0, FILE, |_| {
        // SAFETY: no memory is involved. It stays open.
        Ok(Errno::result(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) }).map(drop)?)
    })
}

/// Waiting sets, each of a hundred descriptors.
pub fn epolls(cap: Bytes) -> Result<()> {
    const MEMBERS: u64 = 100;
    /// One that is watched, in one set.
    const MEMBER: u64 = 200;
    raise("fs/epoll/max_user_watches", NO_LIMIT);
    raise_open_files()?;
    let members: Vec<EventFd> =
        (0..MEMBERS).map(|_| EventFd::from_flags(EfdFlags::empty())).collect::<Result<_, _>>()?;
    repeat(cap.0, MEMBERS * MEMBER, |_| {
        let set = Epoll::new(EpollCreateFlags::empty())?;
        for member in &members {
            set.add(member, EpollEvent::empty())?;
        }
        hold(set)
    })
}

/// A watch on each of many files.
pub fn watches(cap: Bytes) -> Result<()> {
    own_tmpfs()?;
    raise("fs/inotify/max_user_watches", NO_LIMIT);
    let inotify = inotify::Inotify::init()?;
    repeat(cap.0, WATCH, |number| {
        let name = long_name(number);
        drop(File::create(&name)?);
        inotify.watches().add(name, inotify::WatchMask::MODIFY)?;
        Ok(())
    })
}

/// Events that nobody reads, of many watchers of one folder.
pub fn events(cap: Bytes) -> Result<()> {
    const WATCHERS: u64 = 64;
    own_tmpfs()?;
    raise("fs/inotify/max_user_instances", NO_LIMIT);
    raise("fs/inotify/max_queued_events", NO_LIMIT);
    for _ in 0..WATCHERS {
        let inotify = inotify::Inotify::init()?;
        inotify.watches().add(SHM, inotify::WatchMask::CREATE)?;
        std::mem::forget(inotify);
    }
    repeat(cap.0, WATCHERS * EVENT, |number| {
        let name = long_name(number);
        drop(File::create(&name)?);
        Ok(fs::remove_file(name)?)
    })
}

/// Locked files that have no name any more.
pub fn locks(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    repeat(cap.0, WATCH, |_| {
        let file = File::from(nameless()?);
        lock(&file)?;
        hold(file)
    })
}

#[expect(unsafe_code, reason = "fcntl(2)")]
fn lock(file: &File) -> Result<()> {
    let lock = libc::flock {
        l_type: libc::c_short::try_from(libc::F_WRLCK)?,
        l_whence: libc::c_short::try_from(libc::SEEK_SET)?,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: a live local of the type that the command takes.
    let outcome = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) };
    Ok(Errno::result(outcome).map(drop)?)
}

/// Pseudo-terminals.
pub fn terminals(cap: Bytes) -> Result<()> {
    raise("kernel/pty/max", NO_LIMIT);
    raise_open_files()?;
    repeat(cap.0, TERMINAL, |_| hold(nix::pty::posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY)?))
}

/// Memory files that are on their way over a socket, and open nowhere.
pub fn in_flight(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let block = vec![0_u8; 1 << 20];
    repeat(cap.0, MIB, |_| {
        let file = memfd_create("hog", MFdFlags::empty())?;
        write(&file, &block)?;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::empty())?;
        let passed = [file.as_raw_fd()];
        let message = [ControlMessage::ScmRights(&passed)];
        sendmsg::<UnixAddr>(
            ours.as_raw_fd(),
            &[IoSlice::new(b"x")],
            &message,
            MsgFlags::empty(),
            None,
        )?;
        hold((ours, theirs))
    })
}

/// Maps of BPF programs, a MiB each.
#[expect(unsafe_code, reason = "bpf(2)")]
pub fn bpf_maps(cap: Bytes) -> Result<()> {
    const CREATE: libc::c_long = 0;
    const ARRAY: u32 = 2;
    raise_open_files()?;
    repeat(cap.0, MIB, |_| {
        // Kind, bytes of a key and of a value, entries; the rest is as it comes.
        let mut wanted = [0_u32; 16];
        wanted[..4].copy_from_slice(&[ARRAY, 4, 4096, 256]);
        let size = std::mem::size_of_val(&wanted);
        // SAFETY: a live local of the size that is said. It stays open.
        Errno::result(unsafe { libc::syscall(libc::SYS_bpf, CREATE, &raw const wanted, size) })
            .map(drop)
            .context("bpf")
    })
}

/// Rings of io_uring.
#[expect(unsafe_code, reason = "io_uring_setup(2)")]
pub fn rings(cap: Bytes) -> Result<()> {
    /// 64 bytes for an entry, and 32 for its two answers.
    const ENTRIES: u32 = 8192;
    raise_open_files()?;
    repeat(cap.0, u64::from(ENTRIES) * 96, |_| {
        let mut asked = [0_u32; 30];
        // SAFETY: a live local of the size that the call fills.
        let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &raw mut asked) };
        let fd = i32::try_from(Errno::result(fd).context("io_uring_setup")?)?;
        // SAFETY: new, and ours.
        hold(unsafe { OwnedFd::from_raw_fd(fd) })
    })
}
