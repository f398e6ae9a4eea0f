//! Starts the command so that it never runs an instruction of its own outside its cgroup, and as its caller meant it:
//! signal mask, ignored signals and `oom_score_adj` as they were.

use super::caller::Caller;
use nix::libc;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where the child belongs on the terminal.
#[derive(Clone, Copy, Debug)]
pub enum Place<'fd> {
    /// A process group of its own in our session.
    Group,
    /// The same, and the terminal's foreground.
    Foreground(BorrowedFd<'fd>),
    /// A session of its own whose terminal is its standard input, output or error: this descriptor number of the child.
    Session {
        /// The descriptor that is the terminal.
        terminal: RawFd,
    },
}

/// Why the command did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It could not be put into its cgroup, or a like failure before the command.
    #[error("{step}")]
    Before {
        /// What failed.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// execve(2) refused it.
    #[error("run the command")]
    Exec {
        /// Why.
        source: io::Error,
    },
}

/// What can fail in the child before the command runs; its place in the list travels through the pipe.
const STEPS: [&str; 4] = [
    "put the command into its cgroup",
    "make a process group or session for the command",
    "hand the terminal to the command",
    "restore signals for the command",
];

/// Starts `command`; the child joins the cgroup by `procs` first.
///
/// # Errors
/// See [`SpawnError`]: nothing runs then.
pub fn spawn(
    mut command: Command,
    procs: Option<BorrowedFd<'_>>,
    place: Place<'_>,
    caller: Caller,
) -> Result<std::process::Child, SpawnError> {
    let before = |source| SpawnError::Before { step: "make a pipe", source };
    let (report, reporter) = io::pipe().map_err(before)?;
    let procs = procs.map(|fd| fd.as_raw_fd());
    let place = RawPlace::from(place);
    let reporter_fd = reporter.as_raw_fd();
    let prepare = move || {
        steps(procs, place, &caller).map_err(|(step, error)| {
            write_raw(reporter_fd, &[step]);
            error
        })
    };
    // SAFETY: `prepare` runs between fork and exec and only makes system calls: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
    let result = command.spawn();
    drop(reporter);
    result.map_err(|source| explain(report, source))
}

fn explain(mut report: io::PipeReader, source: io::Error) -> SpawnError {
    use io::Read as _;
    let mut step = [0u8];
    match report.read(&mut step) {
        Ok(1) => SpawnError::Before {
            step: STEPS.get(usize::from(step[0])).copied().unwrap_or("prepare the command"),
            source,
        },
        _ => SpawnError::Exec { source },
    }
}

#[derive(Clone, Copy)]
enum RawPlace {
    Group,
    Foreground(RawFd),
    Session(RawFd),
}

impl From<Place<'_>> for RawPlace {
    fn from(place: Place<'_>) -> RawPlace {
        match place {
            Place::Group => RawPlace::Group,
            Place::Foreground(fd) => RawPlace::Foreground(fd.as_raw_fd()),
            Place::Session { terminal } => RawPlace::Session(terminal),
        }
    }
}

/// In the child: each step by its number in [`STEPS`].
fn steps(procs: Option<RawFd>, place: RawPlace, caller: &Caller) -> Result<(), (u8, io::Error)> {
    if let Some(procs) = procs
        && write_raw(procs, b"0") != 1
    {
        return Err((0, io::Error::last_os_error()));
    }
    position(place)?;
    restore_oom_score(caller);
    restore_signals(caller).map_err(|error| (3, error))
}

fn position(place: RawPlace) -> Result<(), (u8, io::Error)> {
    let check = |step, result: i32| match result {
        -1 => Err((step, io::Error::last_os_error())),
        _ => Ok(()),
    };
    // SAFETY: system calls that take numbers only.
    unsafe {
        match place {
            RawPlace::Group => check(1, libc::setpgid(0, 0)),
            RawPlace::Foreground(terminal) => {
                check(1, libc::setpgid(0, 0))?;
                // The new group is a background one until this: SIGTTOU must not stop it here.
                libc::signal(libc::SIGTTOU, libc::SIG_IGN);
                let handed = check(2, libc::tcsetpgrp(terminal, libc::getpid()));
                libc::signal(libc::SIGTTOU, libc::SIG_DFL);
                handed
            }
            RawPlace::Session(terminal) => {
                check(1, libc::setsid())?;
                check(2, libc::ioctl(terminal, libc::TIOCSCTTY, 0))
            }
        }
    }
}

/// The guardian lowered its own; a child that inherited that could not be killed by its cgroup's limit
/// (hashicorp/nomad#10663). Raising it is always allowed, so a failure here does not happen.
fn restore_oom_score(caller: &Caller) {
    let Some(score) = caller.oom_score_adj else { return };
    let mut text = [0u8; 8];
    let length = decimal(score, &mut text);
    // SAFETY: a literal path; the descriptor is used and closed here.
    unsafe {
        let fd = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            write_raw(fd, &text[..length]);
            libc::close(fd);
        }
    }
}

/// Dispositions first, then the mask: a signal that waits must meet what the caller wanted.
fn restore_signals(caller: &Caller) -> io::Result<()> {
    for signal in [libc::SIGPIPE, libc::SIGCHLD, libc::SIGTTOU] {
        let disposition = if caller.ignores(signal) { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: no handler of ours is installed.
        unsafe { libc::signal(signal, disposition) };
    }
    // SAFETY: a valid set, and no old one wanted.
    let result =
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, caller.mask.as_ref(), std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn write_raw(fd: RawFd, bytes: &[u8]) -> isize {
    // SAFETY: the slice is valid for its length.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }
}

/// Decimal digits without allocation; gives their number.
fn decimal(value: i16, text: &mut [u8; 8]) -> usize {
    use io::Write as _;
    let room = text.len();
    let mut rest = &mut text[..];
    // Six characters at most: it fits.
    let _ = write!(rest, "{value}");
    room - rest.len()
}
