//! A process that stays in a workload's scope as long as the guardian lives, so that the scope does not vanish with the
//! workload before its last counters are read. It does nothing, and ends when the guardian does.

use super::process;
use nix::libc;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// The process. Dropped, it ends.
#[derive(Debug)]
pub struct AnchorProcess {
    pid: i32,
    leash: Option<io::PipeWriter>,
}

impl AnchorProcess {
    /// Starts it.
    ///
    /// # Errors
    /// Without processes or descriptors.
    pub fn start() -> io::Result<AnchorProcess> {
        let (end, leash) = io::pipe()?;
        // SAFETY: the child makes system calls only and ends in _exit.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => stay(end.as_raw_fd()),
            pid => Ok(AnchorProcess { pid, leash: Some(leash) }),
        }
    }

    /// Its process id; 0 once it is reaped.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// It ended, and somebody else reaped it.
    pub fn was_reaped(&mut self) {
        self.pid = 0;
    }
}

impl Drop for AnchorProcess {
    fn drop(&mut self) {
        drop(self.leash.take());
        if self.pid > 0 {
            // The process that is to be the command has a copy of the leash until it runs: then the end of ours is not seen.
            let _ = process::send(self.pid, libc::SIGKILL);
            process::reap(self.pid);
        }
    }
}

/// In the child. Holds nothing open but the pipe, in a session of its own: Ctrl-C and Ctrl-Z are not for it.
fn stay(end: RawFd) -> ! {
    let mut byte = 0u8;
    // SAFETY: system calls on descriptors of this process and a live local; the mask is a valid set.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"sentinel-scope".as_ptr());
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
        libc::dup2(end, 0);
        super::inherited::close_from(1);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        while libc::read(0, (&raw mut byte).cast(), 1) == -1 {}
        libc::_exit(0)
    }
}
