//! Shapes that take memory which no process has mapped: files in memory, pipes, sockets, inodes.

use crate::system::{SHM, raise_open_files};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl, open};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::stat::Mode;
use nix::unistd::{pipe2, write};
use sentinel::units::{Bytes, MIB};
use std::os::fd::{AsFd, OwnedFd};

/// What an empty file costs: inode, directory entry and open file, roughly.
const INODE_BYTES: u64 = 1 << 10;

/// A memory file, written by so much a call.
pub fn mem_file(cap: Bytes, call: Bytes) -> Result<()> {
    fill(memfd_create("hog", MFdFlags::MFD_CLOEXEC)?, cap, call)
}

/// A memory file that is allocated in one call.
pub fn reserve(cap: Bytes) -> Result<()> {
    let file = memfd_create("hog", MFdFlags::MFD_CLOEXEC)?;
    let outcome = fallocate(&file, FallocateFlags::empty(), 0, i64::try_from(cap.0)?);
    std::mem::forget(file);
    outcome.context("fallocate")
}

/// A file without a name on /dev/shm.
pub fn shm(cap: Bytes) -> Result<()> {
    fill(nameless()?, cap, Bytes::mib(1))
}

/// A segment of System V shared memory, page after page. It is gone with its last process.
#[expect(unsafe_code, reason = "shmget(2), shmat(2) and shmctl(2), which nix does not have")]
pub fn segment(cap: Bytes) -> Result<()> {
    const PAGE: usize = 4096;
    let size = usize::try_from(cap.0)?;
    let flags = libc::IPC_CREAT | libc::SHM_NORESERVE | 0o600;
    // SAFETY: no memory of ours is involved.
    let id =
        Errno::result(unsafe { libc::shmget(libc::IPC_PRIVATE, size, flags) }).context("shmget")?;
    // SAFETY: attached wherever there is room.
    let address = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    // SAFETY: the command takes no buffer; the segment goes when nobody has it attached any more.
    Errno::result(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) })
        .context("shmctl")?;
    Errno::result(address as isize).context("shmat")?;
    for at in (0..size).step_by(PAGE) {
        // SAFETY: within the segment, which nobody else has.
        unsafe { address.cast::<u8>().add(at).write_volatile(1) };
    }
    Ok(())
}

/// Pipes of 1 MiB, full.
pub fn pipes(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let size = i32::try_from(MIB)?;
    let mut taken = 0;
    while taken < cap.0 {
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).context("pipe")?;
        // Without privilege a user's pipes may hold only so much: smaller ones go on.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(size));
        taken += stuff(&writer)?;
        std::mem::forget((reader, writer));
    }
    Ok(())
}

/// Pairs of sockets whose buffers are full.
pub fn sockets(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let mut taken = 0;
    while taken < cap.0 {
        let (left, right) =
            socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_NONBLOCK)
                .context("socketpair")?;
        // As root only; the usual buffer does it as well, with more sockets.
        let _ = setsockopt(&left, sockopt::SndBufForce, &usize::try_from(MIB)?);
        taken += stuff(&left)?;
        std::mem::forget((left, right));
    }
    Ok(())
}

/// Empty files, as many as there may be open.
pub fn inodes(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    for _ in 0..cap.0 / INODE_BYTES {
        match nameless() {
            Ok(file) => std::mem::forget(file),
            Err(Errno::EMFILE | Errno::ENFILE | Errno::ENOSPC) => break,
            Err(error) => return Err(error).context("open a file on /dev/shm"),
        }
    }
    Ok(())
}

/// A file on /dev/shm.
pub fn nameless() -> nix::Result<OwnedFd> {
    open(SHM, OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::S_IRUSR | Mode::S_IWUSR)
}

/// Writes up to the cap. The source is never touched, so it is the kernel's one zero page and costs nothing.
fn fill(file: OwnedFd, cap: Bytes, call: Bytes) -> Result<()> {
    let source = vec![0_u8; usize::try_from(call.0)?];
    let mut taken = 0;
    while taken < cap.0 {
        taken += write(&file, &source).context("write")? as u64;
    }
    std::mem::forget(file);
    Ok(())
}

/// Writes until nothing more goes in.
pub fn stuff(writer: impl AsFd) -> Result<u64> {
    let source = [0_u8; 64 << 10];
    let mut taken = 0;
    loop {
        match write(&writer, &source) {
            Ok(written) => taken += written as u64,
            Err(Errno::EAGAIN) => return Ok(taken.max(1)),
            Err(error) => return Err(error).context("write"),
        }
    }
}
