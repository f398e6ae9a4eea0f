//! All signals by one descriptor: blocked, and read where everything else is waited for.

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// Whether the kernel sent it (the terminal, for SIGINT and its like) and not a process.
    pub by_kernel: bool,
}

/// The source of signals.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks every signal that can be and reads them from a descriptor.
    ///
    /// # Errors
    /// Without free descriptors.
    pub fn block() -> io::Result<Signals> {
        notice_children();
        let mut all = SigSet::all();
        // A fault of our own must end us there and not wait in a queue.
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT] {
            if let Ok(signal) = nix::sys::signal::Signal::try_from(fault) {
                all.remove(signal);
            }
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None)?;
        Ok(Signals(SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The next one that somebody else sent, if any. Our own is the SIGPIPE of a write that nobody reads.
    pub fn next(&self) -> Option<Signal> {
        loop {
            let info = self.0.read_signal().ok().flatten()?;
            if info.ssi_code == libc::SI_USER && info.ssi_pid == std::process::id() {
                continue;
            }
            let number = i32::try_from(info.ssi_signo).ok()?;
            return Some(Signal { number, by_kernel: info.ssi_code == libc::SI_KERNEL });
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A caller that ignores SIGCHLD would have children reaped behind our back (wait(2)).
fn notice_children() {
    // SAFETY: the default disposition involves no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}
