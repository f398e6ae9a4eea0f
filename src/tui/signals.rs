//! Signals of the dashboard's process as a descriptor for its poll. Keys make none (raw mode); these come from outside.

use anyhow::Context as _;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// Leaving is asked for.
const LEAVE: [Signal; 2] = [Signal::SIGTERM, Signal::SIGHUP];
/// The guardian's or nobody's matter, but they must not end or stop us with the terminal changed; SIGWINCH only wakes the loop.
const NOTED: [Signal; 4] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGWINCH];

/// Holds the signals; the mask is as before when dropped.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Blocks the signals and opens the descriptor.
    ///
    /// # Errors
    /// When the kernel refuses either.
    pub fn hold() -> anyhow::Result<Self> {
        let set: SigSet = LEAVE.into_iter().chain(NOTED).collect();
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before))
            .context("block signals")?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("open a signal descriptor")?;
        Ok(Signals { fd, before })
    }

    /// Takes what came; true when we are to leave.
    pub fn take(&self) -> bool {
        let mut leave = false;
        while let Ok(Some(info)) = self.fd.read_signal() {
            leave |= LEAVE.iter().any(|signal| u32::try_from(*signal as i32) == Ok(info.ssi_signo));
        }
        leave
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What can fail here is a bad `how`, which this is not.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}
