//! All signals by one descriptor: blocked, and read where everything else is waited for.

use super::caller::Caller;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::collections::VecDeque;
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
pub struct Signals {
    descriptor: SignalFd,
    /// Read already, and not yet taken.
    held: VecDeque<Signal>,
}

impl Signals {
    /// Blocks every signal that can be and reads them from a descriptor. Those of a fault too, which somebody may send like any
    /// other: a fault of our own ends us all the same, for the kernel does not wait with it (force_sig_info_to_task() in
    /// kernel/signal.c), and abort(3) unblocks its own.
    ///
    /// # Errors
    /// Without free descriptors.
    pub fn block() -> io::Result<Signals> {
        notice_children();
        let all = SigSet::all();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Signals { descriptor: SignalFd::with_flags(&all, flags)?, held: VecDeque::new() })
    }

    /// The next one that somebody else sent, if any. Our own is the SIGPIPE of a write that nobody reads.
    pub fn take(&mut self) -> Option<Signal> {
        self.held.pop_front().or_else(|| self.read())
    }

    /// Whether some were read that nobody took: of those the descriptor does not tell any more.
    pub fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// A signal that came so far and asks to end, if the caller does not ignore it. Nothing is taken.
    pub fn ending(&mut self, caller: &Caller) -> Option<i32> {
        while let Some(signal) = self.read() {
            self.held.push_back(signal);
        }
        let numbers = self.held.iter().map(|signal| signal.number);
        numbers.into_iter().find(|number| asks_to_end(*number) && !caller.ignores(*number))
    }

    fn read(&self) -> Option<Signal> {
        loop {
            let info = self.descriptor.read_signal().ok().flatten()?;
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
        self.descriptor.as_fd()
    }
}

/// A file that may not grow (`ulimit -f`) is an error of a write (EFBIG), and nothing to die of.
pub fn survive_full_files() {
    super::caller::change(libc::SIGXFSZ);
}

/// What a terminal or an operator sends to whom they want to end.
pub fn asks_to_end(signal: i32) -> bool {
    matches!(signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTERM)
}

/// A caller that ignores SIGCHLD would have children reaped behind our back (wait(2)).
fn notice_children() {
    super::caller::change(libc::SIGCHLD);
}
