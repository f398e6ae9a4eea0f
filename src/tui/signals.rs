//! Signals of the dashboard's process as a descriptor for its poll. Keys make none (raw mode); these come from outside.

use anyhow::Context as _;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// Leaving is asked for.
const LEAVE: [Signal; 2] = [Signal::SIGTERM, Signal::SIGHUP];
/// The guardian's or nobody's matter, but they must not end us with the terminal changed; SIGWINCH only wakes the loop.
const NOTED: [Signal; 3] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGWINCH];
/// We are to stop, when the terminal is as it was found.
const STOP: Signal = Signal::SIGTSTP;

/// What the signals ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalRequests {
    /// To leave.
    pub leave: bool,
    /// To stop until somebody continues us.
    pub stop: bool,
}

/// Holds the signals; the mask is as before when dropped.
#[derive(Debug)]
pub struct HeldSignals {
    fd: SignalFd,
    before: SigSet,
}

impl HeldSignals {
    /// Blocks the signals and opens the descriptor.
    ///
    /// # Errors
    /// When the kernel refuses either.
    pub fn hold() -> anyhow::Result<Self> {
        let set: SigSet = LEAVE.into_iter().chain(NOTED).chain([STOP]).collect();
        let mut before = SigSet::empty();
        // These alone: the guardian, which blocks all, hands its mask down, and a job in the background must be stoppable.
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&set), Some(&mut before))
            .context("block signals")?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("open a signal descriptor")?;
        Ok(HeldSignals { fd, before })
    }

    /// Takes what came.
    pub fn take(&self) -> SignalRequests {
        let mut asked = SignalRequests::default();
        while let Ok(Some(info)) = self.fd.read_signal() {
            let is = |signal: &Signal| u32::try_from(*signal as i32) == Ok(info.ssi_signo);
            asked.leave |= LEAVE.iter().any(is);
            asked.stop |= is(&STOP);
        }
        asked
    }

    /// Stops us by the signal that tells the guardian to follow; returns when we are continued, or at once where nobody could
    /// (POSIX: orphaned process group).
    pub fn stop(&self) {
        // Neither can fail: the signal is a real one.
        let _ = nix::sys::signal::raise(STOP);
        let _ = SigSet::from(STOP).thread_unblock();
        let _ = SigSet::from(STOP).thread_block();
    }
}

impl AsFd for HeldSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        // What can fail here is a bad `how`, which this is not.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}
