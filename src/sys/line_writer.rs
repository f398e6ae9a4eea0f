//! A process that writes `memory.high` and `memory.max` of a cgroup where that reclaims before it returns, so that the guardian
//! need not wait for it. Killed, it stops: the kernel's loop looks for signals between two rounds of reclaim, and the line
//! stands since before the first.

use super::process;
use nix::libc;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// The process ends with this status when so much is in use that `memory.max` was left alone, else with 0 or an errno.
pub const IN_USE: u8 = 255;

/// What is to be written: text as the files take it.
#[derive(Clone, Copy, Debug)]
pub struct WrittenLines<'a> {
    /// For `memory.high`.
    pub high: &'a [u8],
    /// For `memory.max`, and the same as a number; `None`: it stays.
    pub max: Option<(&'a [u8], u64)>,
}

/// Starts it. It is a child like any other, to be reaped; it dies with the guardian.
///
/// # Errors
/// Without processes.
pub fn start(cgroup: BorrowedFd<'_>, lines: WrittenLines<'_>) -> io::Result<i32> {
    let parent = std::process::id();
    // SAFETY: this process has one thread; the child makes system calls only and ends in _exit.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => write(cgroup.as_raw_fd(), lines, parent),
        pid => Ok(pid),
    }
}

/// Ends it. Our own child, not reaped yet: the number is its.
pub fn stop(pid: i32) {
    // Ended meanwhile: an outcome.
    let _ = process::send(pid, libc::SIGKILL);
}

/// In the child. Files of its own: what it shared with the guardian would be locked while it writes (kernfs_open_file's mutex).
fn write(cgroup: RawFd, lines: WrittenLines<'_>, parent: u32) -> ! {
    // SAFETY: system calls on numbers, literals and live locals.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"sentinel-lines".as_ptr());
        if libc::getppid().unsigned_abs() != parent {
            libc::_exit(0);
        }
        // The keeper takes over when the last copy of the leash is gone.
        libc::dup2(cgroup, 0);
        super::inherited::close_from(1);
        let status = match write_both(lines) {
            Ok(true) => 0,
            Ok(false) => IN_USE.into(),
            Err(error) => error.raw_os_error().filter(|errno| *errno < 255).unwrap_or(libc::EIO),
        };
        libc::_exit(status)
    }
}

/// False when more than the ceiling is in use.
fn write_both(lines: WrittenLines<'_>) -> io::Result<bool> {
    with(c"memory.high", libc::O_WRONLY, |file| put(file, lines.high))?;
    let Some((max, ceiling)) = lines.max else { return Ok(true) };
    if with(c"memory.current", libc::O_RDONLY, number)? >= ceiling {
        return Ok(false);
    }
    with(c"memory.max", libc::O_WRONLY, |file| put(file, max))?;
    Ok(true)
}

/// The cgroup's directory is descriptor 0.
fn with<T>(
    name: &std::ffi::CStr,
    flags: i32,
    each: impl FnOnce(RawFd) -> io::Result<T>,
) -> io::Result<T> {
    // SAFETY: a literal name; the descriptor is used and closed here.
    let file = unsafe { libc::openat(0, name.as_ptr(), flags | libc::O_CLOEXEC) };
    if file == -1 {
        return Err(io::Error::last_os_error());
    }
    let result = each(file);
    // SAFETY: opened above.
    unsafe { libc::close(file) };
    result
}

fn put(file: RawFd, text: &[u8]) -> io::Result<()> {
    // SAFETY: the slice is valid for its length.
    let written = unsafe { libc::write(file, text.as_ptr().cast(), text.len()) };
    if written == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn number(file: RawFd) -> io::Result<u64> {
    let mut text = [0u8; 24];
    // SAFETY: the buffer is valid for its length.
    let read = unsafe { libc::read(file, text.as_mut_ptr().cast(), text.len()) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    let number = std::str::from_utf8(&text[..read]).ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}
