//! Closes descriptors in a process that ends at once, for those that may take long to close: an ending process lingers for nobody
//! (`inet_release` in the kernel looks at PF_EXITING). Nothing is waited for here; the process is reaped like any other child.

use nix::libc;
use std::os::fd::OwnedFd;

/// Lets another process have the last reference to these, and ends it.
///
/// # Errors
/// Gives them back when there can be no other process.
pub fn bury(descriptors: Vec<OwnedFd>) -> Result<(), Vec<OwnedFd>> {
    let parent = std::process::id();
    // SAFETY: the child makes system calls only and never returns.
    match unsafe { libc::fork() } {
        -1 => Err(descriptors),
        0 => hold(parent),
        pid => {
            drop(descriptors);
            // Our own child, not reaped yet: the number is its.
            let _ = super::process::send(pid, libc::SIGKILL);
            Ok(())
        }
    }
}

/// In the child: has everything open that its parent had, until it is killed, or its parent is gone.
fn hold(parent: u32) -> ! {
    // SAFETY: system calls that take numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        while libc::getppid().unsigned_abs() == parent {
            libc::pause();
        }
        libc::_exit(0)
    }
}
