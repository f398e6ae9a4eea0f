//! A few descriptors held for the worst day: given back when there are no others, so that a look and a signal to every
//! process are possible then. Clients of the mailbox may use up ours, and others those of the whole system.

use arrayvec::ArrayVec;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The deepest that a look or a signal goes: sub-cgroups of a few levels, a file in them, a handle of a process.
const COUNT: usize = 8;

/// The descriptors. A copy of it shares them.
#[derive(Clone, Debug)]
pub struct Spares(Rc<RefCell<ArrayVec<OwnedFd, COUNT>>>);

impl Spares {
    /// Takes them.
    ///
    /// # Errors
    /// Without so many descriptors a run is not begun.
    pub fn take() -> io::Result<Spares> {
        let spares = Spares(Rc::default());
        spares.refill()?;
        Ok(spares)
    }

    /// Gives them back to the system, for what is to be done now.
    pub fn release(&self) {
        self.0.borrow_mut().clear();
    }

    /// Takes them again, as many as can be had.
    ///
    /// # Errors
    /// As pipe(2); those that were had are kept.
    pub fn refill(&self) -> io::Result<()> {
        let mut spares = self.0.borrow_mut();
        while spares.remaining_capacity() >= 2 {
            // A file of its own each: the system's limit counts files, ours descriptors. And where there is no /dev.
            let (one, other) = pipe2(OFlag::O_CLOEXEC)?;
            spares.extend([one, other]);
        }
        Ok(())
    }
}

/// Whether this failed for want of descriptors: ours (EMFILE) or the system's (ENFILE).
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EMFILE | nix::libc::ENFILE))
}
