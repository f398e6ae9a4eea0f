//! The keyboard: bytes of the real terminal, read without blocking, as inputs. What they mean is `decode.rs`'s matter.

use super::decode::Decoder;
use super::keys::Input;
use crate::clock::Timestamp;
use crate::sys::terminal::open_anew;
use anyhow::Context as _;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::OpenOptions;
use std::io::{IsTerminal as _, stdin};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

/// An Escape that nothing follows for so long is the Escape key.
const ESCAPE: Duration = Duration::from_millis(30);

/// Where keys come from.
#[derive(Debug)]
pub struct Keyboard {
    fd: OwnedFd,
    decoder: Decoder,
    deadline: Option<Timestamp>,
}

impl Keyboard {
    /// Opens stdin's terminal, or the controlling one where stdin is something else.
    ///
    /// # Errors
    /// When there is neither.
    pub fn open() -> anyhow::Result<Self> {
        Ok(Keyboard { fd: terminal()?, decoder: Decoder::default(), deadline: None })
    }

    /// When [`Keyboard::late`] has to be asked, if at all.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// What was typed before anybody looked, as it came.
    pub fn read_ahead(&mut self) -> Vec<u8> {
        let mut bytes = [0; 4096];
        let length = self.take(&mut bytes).unwrap_or(0);
        bytes[..length].to_vec()
    }

    /// What was typed.
    ///
    /// # Errors
    /// When the terminal has hung up.
    pub fn read(&mut self, now: Timestamp) -> Result<Vec<Input>, Errno> {
        let mut bytes = [0; 4096];
        let length = self.take(&mut bytes)?;
        let inputs = self.decoder.feed(&bytes[..length]);
        self.deadline = self.decoder.is_waiting().then(|| now + ESCAPE);
        Ok(inputs)
    }

    /// What is there, and never a wait for more: a terminal that could not be opened anew blocks, and is asked first.
    fn take(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => return Ok(0),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
        let gone = fds[0].revents().is_some_and(|events| events.intersects(gone));
        match nix::unistd::read(&self.fd, bytes) {
            Ok(0) if gone => Err(Errno::EIO),
            Ok(length) => Ok(length),
            // Somebody else was quicker.
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// A sequence that nothing more came for, taken as it is.
    pub fn late(&mut self, now: Timestamp) -> Vec<Input> {
        if self.deadline.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.deadline = None;
        self.decoder.flush().into_iter().collect()
    }
}

impl AsFd for Keyboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opened anew where that is allowed, so that it does not block.
fn terminal() -> anyhow::Result<OwnedFd> {
    let (stdin, mut options) = (stdin(), OpenOptions::new());
    options.read(true);
    if !stdin.is_terminal() {
        options.custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
        return Ok(options.open("/dev/tty").context("open /dev/tty")?.into());
    }
    match open_anew(&stdin, &options) {
        Ok(file) => Ok(file.into()),
        // Somebody else's, and not our controlling one: reading it is allowed, opening it is not.
        Err(_) => stdin.as_fd().try_clone_to_owned().context("duplicate stdin"),
    }
}
