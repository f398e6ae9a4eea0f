//! What waits for a client. It holds bytes and the time of the last progress; how much may wait is decided by who pushes.

use crate::clock::Timestamp;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// So much may lie sent at the buffer's beginning before the rest is moved there.
const COMPACT_ABOVE: usize = 64 << 10;

/// Bytes that the kernel did not take yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    /// `None` until [`Output::stamp`] noted it.
    moved: Option<Timestamp>,
}

impl Outgoing {
    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Sends the bytes, and keeps what the kernel does not take.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) fn push(&mut self, stream: &UnixStream, bytes: &[u8]) -> nix::Result<()> {
        let written = if self.waiting() == 0 { self.write(stream, bytes)? } else { 0 };
        self.bytes.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Sends what waits, as far as the kernel takes it.
    ///
    /// # Errors
    /// The client is gone, and nothing waits for it any more.
    pub(super) fn flush(&mut self, stream: &UnixStream) -> nix::Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut sent = std::mem::take(&mut self.sent);
        while sent < bytes.len() {
            match self.write(stream, &bytes[sent..])? {
                0 => break,
                written => sent += written,
            }
        }
        // An empty buffer is given back, so that clients that once were slow do not hold the memory for ever.
        if sent < bytes.len() {
            (self.bytes, self.sent) = (bytes, sent);
            self.compact();
        }
        Ok(())
    }

    fn compact(&mut self) {
        if self.sent > COMPACT_ABOVE {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// One send; zero when the kernel takes nothing now.
    fn write(&mut self, stream: &UnixStream, bytes: &[u8]) -> nix::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(stream.as_raw_fd(), bytes, flags) {
            Ok(written) => {
                self.moved = None;
                Ok(written)
            }
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    /// Notes the time of progress made since the last call.
    pub(super) fn stamp(&mut self, now: Timestamp) {
        self.moved.get_or_insert(now);
    }

    /// The last progress, `None` if it was not noted yet.
    pub(super) fn moved(&self) -> Option<Timestamp> {
        self.moved
    }
}
