//! Descriptors that our parent left open for us by agreement.

use nix::libc;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers taken so far: a descriptor has one owner.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Takes over an open descriptor, 3 to 63, once, and closes it on exec.
///
/// # Errors
/// EBADF when it is not open, not in that range, or taken already.
pub fn take(fd: RawFd) -> io::Result<OwnedFd> {
    let bad = || io::Error::from_raw_os_error(libc::EBADF);
    if !(3..64).contains(&fd) || TAKEN.fetch_or(1 << fd, Ordering::Relaxed) & (1 << fd) != 0 {
        return Err(bad());
    }
    // SAFETY: takes numbers only; fails with EBADF when the descriptor is not open.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(bad());
    }
    // SAFETY: it is open, and TAKEN shows that nobody took it before; this runs before anything else is opened.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes every descriptor from this number on. To be called before anything else is opened.
pub fn close_from(first: u32) {
    // SAFETY: takes numbers only. Nobody owns these yet: they are our caller's.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) == -1 {
            // Before Linux 5.9.
            for fd in first..1024 {
                libc::close(fd.cast_signed());
            }
        }
    }
}
