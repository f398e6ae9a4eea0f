//! A signal for one process, by a handle opened first and looked at again: a number that is, or meanwhile became, somebody else's is
//! not hit.

use super::Workload;
use super::members::Members;
use crate::sys::process::PidFd;
use nix::libc::{EINVAL, ESRCH};
use std::io;

impl Workload {
    /// Sends a signal to a process that is of the workload now.
    ///
    /// # Errors
    /// ESRCH for one that is not; EPERM for one that became another user's.
    pub fn signal_process(&mut self, pid: i32, signal: i32) -> io::Result<()> {
        if self.is_machine() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.members.signal_one(pid, signal)
    }
}

impl Members {
    fn signal_one(&mut self, pid: i32, signal: i32) -> io::Result<()> {
        let nobody = || io::Error::from_raw_os_error(ESRCH);
        let handle = PidFd::open(pid).map_err(|error| match error.raw_os_error() {
            // The number is a thread's.
            Some(EINVAL) => nobody(),
            _ => error,
        })?;
        if !self.refresh_all().contains(&pid) || !self.still_member(pid)? {
            return Err(nobody());
        }
        handle.send(signal)
    }
}
