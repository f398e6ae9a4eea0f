//! The keyboard: bytes of the real terminal, read without blocking, as inputs. What they mean is `decode.rs`'s matter.

use super::decode::Decoder;
use super::keys::Input;
use crate::clock::Timestamp;
use anyhow::Context as _;
use nix::errno::Errno;
use nix::fcntl::OFlag;
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
        match nix::unistd::read(&self.fd, &mut bytes) {
            Ok(length) => bytes[..length].to_vec(),
            Err(_) => Vec::new(),
        }
    }

    /// What was typed.
    ///
    /// # Errors
    /// When the terminal has hung up.
    pub fn read(&mut self, now: Timestamp) -> Result<Vec<Input>, Errno> {
        let mut bytes = [0; 4096];
        let length = match nix::unistd::read(&self.fd, &mut bytes) {
            Ok(0) => return Err(Errno::EIO),
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            Err(error) => return Err(error),
        };
        let inputs = self.decoder.feed(&bytes[..length]);
        self.deadline = self.decoder.is_waiting().then(|| now + ESCAPE);
        Ok(inputs)
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

/// Opened anew, since whether it blocks is otherwise shared with everybody who has the same terminal open.
fn terminal() -> anyhow::Result<OwnedFd> {
    let is_terminal = stdin().is_terminal();
    let path = if is_terminal { "/proc/self/fd/0" } else { "/dev/tty" };
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => Ok(file.into()),
        // Somebody else's terminal (su): reading it is allowed, opening it is not.
        Err(_) if is_terminal => stdin().as_fd().try_clone_to_owned().context("duplicate stdin"),
        Err(error) => Err(error).context("open /dev/tty"),
    }
}
