//! Memory that `memory.stat` counts as page cache and that reclaim does not get: somebody holds the pages.

use crate::files::written;
use crate::system::{PAGE, raise, raise_open_files};
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mlock, mmap, mmap_anonymous};
use nix::unistd::pipe2;
use sentinel::units::{Bytes, MIB};
use std::ffi::c_void;
use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;

const BLOCK: usize = 1 << 20;

/// The pages of a file, in pipes that nobody reads.
pub fn splice_pipes(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    splice_into(cap, MIB)
}

/// The same with one pipe for all of it, in one call.
pub fn splice_huge(cap: Bytes) -> Result<()> {
    splice_into(cap, cap.0.next_power_of_two())
}

fn splice_into(cap: Bytes, pipe: u64) -> Result<()> {
    let file = written(cap)?;
    file.sync_all().context("fsync")?;
    let end = i64::try_from(cap.0)?;
    let mut at = 0;
    while at < end {
        let (reader, writer) = sized_pipe(pipe)?;
        while splice(&file, &mut at, &writer, pipe)? {}
        std::mem::forget((reader, writer));
    }
    std::mem::forget(file);
    Ok(())
}

fn sized_pipe(size: u64) -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK).context("pipe")?;
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(i32::try_from(size)?)).context("make a pipe larger")?;
    Ok((reader, writer))
}

/// False when no more goes in.
#[expect(unsafe_code, reason = "splice(2), for which nix wants a feature of its own")]
fn splice(file: &File, at: &mut i64, writer: &OwnedFd, length: u64) -> Result<bool> {
    let (from, to) = (file.as_raw_fd(), writer.as_raw_fd());
    let (flags, length) = (libc::SPLICE_F_NONBLOCK, usize::try_from(length)?);
    // SAFETY: open descriptors, and a live local for the position.
    let moved = unsafe { libc::splice(from, at, to, std::ptr::null_mut(), length, flags) };
    Ok(moved > 0)
}

/// The pages of a mapped file, in pipes that nobody reads; the mapping is gone.
pub fn vmsplice_file(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let file = written(cap)?;
    file.sync_all().context("fsync")?;
    let address = map_file(&file, cap, ProtFlags::PROT_READ)?;
    into_pipes(address, cap)?;
    std::mem::forget(file);
    Ok(())
}

/// Anonymous pages in pipes that nobody reads; no process has them mapped.
#[expect(unsafe_code, reason = "mmap(2)")]
pub fn vmsplice_own(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let block = NonZeroUsize::new(BLOCK).context("no block")?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    for _ in 0..cap.0 / MIB {
        // SAFETY: a new mapping, wherever there is room.
        let address = unsafe { mmap_anonymous(None, block, protection, MapFlags::MAP_PRIVATE) }
            .context("mmap")?;
        for at in (0..BLOCK).step_by(PAGE) {
            // SAFETY: within the mapping, which is ours alone.
            unsafe { address.cast::<u8>().add(at).write_volatile(1) };
        }
        into_pipes(address, Bytes::mib(1))?;
    }
    Ok(())
}

/// A pipe for each block, and then the mapping is taken away.
#[expect(unsafe_code, reason = "vmsplice(2) and munmap(2)")]
fn into_pipes(address: NonNull<c_void>, size: Bytes) -> Result<()> {
    for block in 0..size.0 / MIB {
        let (reader, writer) = sized_pipe(MIB)?;
        // SAFETY: within the mapping, whose whole size this is.
        let start = unsafe { address.add(usize::try_from(block * MIB)?) };
        let piece = libc::iovec { iov_base: start.as_ptr(), iov_len: BLOCK };
        // SAFETY: one piece, which lives as long as the call, of memory that is mapped.
        let moved = unsafe {
            libc::vmsplice(writer.as_raw_fd(), &raw const piece, 1, libc::SPLICE_F_NONBLOCK)
        };
        Errno::result(moved).context("vmsplice")?;
        // SAFETY: a block of our mapping that nobody uses any more.
        Errno::result(unsafe { libc::munmap(start.as_ptr(), BLOCK) }).context("munmap")?;
        std::mem::forget((reader, writer));
    }
    Ok(())
}

/// A file sent to peers that do not read.
pub fn sendfile(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let file = written(cap)?;
    file.sync_all().context("fsync")?;
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    let end = i64::try_from(cap.0)?;
    let mut at = 0;
    while at < end {
        let ours = TcpStream::connect(listener.local_addr()?).context("connect")?;
        let peers = listener.accept().context("accept")?;
        ours.set_nonblocking(true)?;
        send_all(&file, &mut at, &ours)?;
        std::mem::forget((ours, peers));
    }
    std::mem::forget(file);
    Ok(())
}

/// Until no more goes in.
#[expect(unsafe_code, reason = "sendfile(2), for which nix wants a feature of its own")]
fn send_all(file: &File, at: &mut i64, peer: &TcpStream) -> Result<()> {
    loop {
        // SAFETY: open descriptors, and a live local for the position.
        let sent = unsafe { libc::sendfile(peer.as_raw_fd(), file.as_raw_fd(), at, BLOCK) };
        match Errno::result(sent) {
            Ok(0) | Err(Errno::EAGAIN) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error).context("sendfile"),
        }
    }
}

/// Connections whose peers do not read.
pub fn tcp(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    let block = [0_u8; 64 << 10];
    let mut taken = 0;
    while taken < cap.0 {
        let mut ours = TcpStream::connect(listener.local_addr()?).context("connect")?;
        let peers = listener.accept().context("accept")?;
        ours.set_nonblocking(true)?;
        while let Ok(written) = ours.write(&block) {
            taken += written as u64;
        }
        std::mem::forget((ours, peers));
    }
    Ok(())
}

/// A file on a disk, mapped and locked.
pub fn locked_file(cap: Bytes) -> Result<()> {
    lock(&written(cap)?, cap)
}

/// A file in memory, mapped and locked.
pub fn locked_memory(cap: Bytes) -> Result<()> {
    let file = File::from(crate::kernel_memory::nameless()?);
    file.set_len(cap.0).context("set the size")?;
    lock(&file, cap)
}

/// Block by block: one call for all of it would be another shape.
#[expect(unsafe_code, reason = "mlock(2)")]
fn lock(file: &File, cap: Bytes) -> Result<()> {
    let address = map_file(file, cap, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
    for at in (0..usize::try_from(cap.0)?).step_by(BLOCK) {
        // SAFETY: within the mapping, whose whole size is a number of blocks.
        unsafe { mlock(address.add(at), BLOCK) }.context("mlock")?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "mmap(2)")]
fn map_file(file: &File, size: Bytes, protection: ProtFlags) -> Result<NonNull<c_void>> {
    let size = NonZeroUsize::new(usize::try_from(size.0)?).context("nothing to map")?;
    // SAFETY: a new mapping, wherever there is room.
    unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, file, 0) }.context("mmap")
}

/// Rings of asynchronous input and output: page cache of a file that nobody can see.
#[expect(unsafe_code, reason = "io_setup(2)")]
pub fn aio(cap: Bytes) -> Result<()> {
    // The kernel makes room for twice as many events, of 32 bytes.
    const EVENTS: u32 = 1 << 14;
    raise("fs/aio-max-nr", 1 << 28);
    for _ in 0..cap.0 / MIB {
        let mut context: libc::c_ulong = 0;
        // SAFETY: a live local of the type that the call fills.
        let outcome = unsafe { libc::syscall(libc::SYS_io_setup, EVENTS, &raw mut context) };
        ensure!(outcome == 0, "io_setup: {}", Errno::last());
    }
    Ok(())
}
