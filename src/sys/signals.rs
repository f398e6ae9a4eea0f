//! All signals by one descriptor: blocked, and read where everything else is waited for.

use super::caller::Caller;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

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
    /// Those held are all that there were.
    all_held: bool,
}

/// So many are read at once.
const BATCH: usize = 8;

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
        Ok(Signals {
            descriptor: SignalFd::with_flags(&all, flags)?,
            held: VecDeque::with_capacity(BATCH),
            all_held: false,
        })
    }

    /// The next one that somebody else sent, if any. Our own is the SIGPIPE of a write that nobody reads.
    pub fn take(&mut self) -> Option<Signal> {
        if self.held.is_empty() && !std::mem::take(&mut self.all_held) {
            self.read();
        }
        self.held.pop_front()
    }

    /// Whether some were read that nobody took: of those the descriptor does not tell any more.
    pub fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// A signal that came so far and asks to end, if the caller does not ignore it. Nothing is taken.
    pub fn ending(&mut self, caller: &Caller) -> Option<i32> {
        while self.read() {}
        let numbers = self.held.iter().map(|signal| signal.number);
        numbers.into_iter().find(|number| asks_to_end(*number) && !caller.ignores(*number))
    }

    /// Leaves out those of this number that came so far.
    pub fn forget(&mut self, number: i32) {
        while self.read() {}
        self.held.retain(|signal| signal.number != number);
        self.all_held &= !self.held.is_empty();
    }

    /// Takes in those that there are. False when that was all.
    fn read(&mut self) -> bool {
        let mut infos = [MaybeUninit::<libc::signalfd_siginfo>::zeroed(); BATCH];
        // SAFETY: the kernel writes whole structures (signalfd(2)), and all zeroes are one too.
        let (length, infos) = unsafe {
            let (to, room) = (infos.as_mut_ptr().cast(), size_of_val(&infos));
            let length = libc::read(self.descriptor.as_fd().as_raw_fd(), to, room);
            (length, infos.map(|info| info.assume_init()))
        };
        let count = usize::try_from(length).unwrap_or(0) / size_of::<libc::signalfd_siginfo>();
        let others = infos
            .iter()
            .take(count)
            .filter(|info| info.ssi_code != libc::SI_USER || info.ssi_pid != std::process::id());
        self.held.extend(others.filter_map(|info| {
            let number = i32::try_from(info.ssi_signo).ok()?;
            Some(Signal { number, by_kernel: info.ssi_code == libc::SI_KERNEL })
        }));
        self.all_held = !self.held.is_empty() && count < BATCH;
        count == BATCH
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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal as Number, raise};

    /// What came while one was acted on is left out, too: a batch that was read before does not have it.
    #[test]
    fn what_is_forgotten_is_not_taken() {
        // In a thread of its own: signals are blocked by thread.
        let test = || {
            let mut signals = Signals::block().unwrap();
            let raise = |number| raise(number).unwrap();
            raise(Number::SIGUSR1);
            assert_eq!(signals.take().map(|signal| signal.number), Some(libc::SIGUSR1));
            raise(Number::SIGCONT);
            raise(Number::SIGWINCH);
            signals.forget(libc::SIGCONT);
            assert_eq!(signals.take().map(|signal| signal.number), Some(libc::SIGWINCH));
            assert_eq!(signals.take(), None);
            raise(Number::SIGCONT);
            signals.forget(libc::SIGCONT);
            raise(Number::SIGUSR2);
            assert_eq!(signals.take().map(|signal| signal.number), Some(libc::SIGUSR2));
        };
        std::thread::spawn(test).join().unwrap();
    }
}
