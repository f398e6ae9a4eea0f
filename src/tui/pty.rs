//! The master side of the command's terminal: bytes out, keys in, its size. Never blocks. What the bytes mean is `pane.rs`'s matter.

use anyhow::Context as _;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use rustix::termios::{Winsize, tcsetwinsize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Keys that the command has not read yet; what is typed beyond is dropped, as a terminal does.
const MAX_OUT: usize = 1 << 20;

/// The command's terminal.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    outbox: Vec<u8>,
    size: Option<(u16, u16)>,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PtyRead {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nobody has the other side open: nothing until somebody opens it again.
    Closed,
}

impl Pty {
    /// Takes the master side over.
    ///
    /// # Errors
    /// When it cannot be made non-blocking.
    pub fn open(master: OwnedFd) -> anyhow::Result<Self> {
        let set = fcntl(&master, FcntlArg::F_GETFL).and_then(|flags| {
            let flags = OFlag::from_bits_truncate(flags) | OFlag::O_NONBLOCK;
            fcntl(&master, FcntlArg::F_SETFL(flags))
        });
        set.context("make the command's terminal non-blocking")?;
        Ok(Pty { master, outbox: Vec::new(), size: None })
    }

    /// Reads what the command wrote.
    pub fn read(&self, buffer: &mut [u8]) -> PtyRead {
        match nix::unistd::read(&self.master, buffer) {
            Ok(0) => PtyRead::Closed,
            Ok(length) => PtyRead::Bytes(length),
            Err(Errno::EAGAIN | Errno::EINTR) => PtyRead::Nothing,
            // Linux: EIO when no process has the slave open.
            Err(_) => PtyRead::Closed,
        }
    }

    /// True while keys wait for the command to read.
    pub fn wants_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Queues keys and sends what can be sent.
    pub fn write(&mut self, bytes: &[u8]) {
        let room = MAX_OUT.saturating_sub(self.outbox.len()).min(bytes.len());
        self.outbox.extend_from_slice(&bytes[..room]);
        self.flush();
    }

    /// Sends what can be sent.
    pub fn flush(&mut self) {
        while !self.outbox.is_empty() {
            match nix::unistd::write(&self.master, &self.outbox) {
                Ok(written) => drop(self.outbox.drain(..written)),
                Err(Errno::EINTR) => (),
                Err(Errno::EAGAIN) => return,
                // Nobody is there to read them.
                Err(_) => self.outbox.clear(),
            }
        }
    }

    /// Tells the command its size, if that is a new one. One that cannot be set is not worth an end: the text only wraps elsewhere.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        if self.size == Some((rows, columns)) {
            return;
        }
        self.size = Some((rows, columns));
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = tcsetwinsize(&self.master, size);
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}
