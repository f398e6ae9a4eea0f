//! The way to the file of `--log`: all that is read from the command's terminal goes there too. Never blocks: while it takes nothing,
//! nothing further is read, and the command waits as it would for a slow terminal.

use nix::poll::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd as _;

/// Where output is kept. Its writer has its own process; how that fared the guardian says.
#[derive(Debug)]
pub struct OutputLogState {
    pipe: Option<File>,
    waiting: Vec<u8>,
}

impl OutputLogState {
    /// Takes a non-blocking pipe over.
    pub fn new(pipe: File) -> Self {
        OutputLogState { pipe: Some(pipe), waiting: Vec::new() }
    }

    /// Takes more of the output.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        self.flush();
    }

    /// Passes on what can be. True when nothing waits any more.
    pub fn flush(&mut self) -> bool {
        while let Some(pipe) = self.pipe.as_mut().filter(|_| !self.waiting.is_empty()) {
            match pipe.write(&self.waiting) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // Nobody writes it down any more.
                Err(_) => self.pipe = None,
            }
        }
        self.waiting.clear();
        true
    }

    /// Whether something waits.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits until it takes more, at most so many milliseconds. False when that was in vain.
    pub fn wait(&self, milliseconds: u16) -> bool {
        let Some(pipe) = &self.pipe else { return true };
        let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, milliseconds).is_ok_and(|ready| ready > 0)
    }
}
