//! Our own lines on stderr, without ever waiting for it: a terminal stopped with Ctrl-S or a full pipe must not hold up a kill.

use super::words::counted;
use crate::clock::{Clock, pause};
use crate::sys::terminal::open_anew;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

/// Lines that wait for a reader; the oldest go when there are more.
const WAITING: usize = 256;
/// At the end somebody who does not read for so long does not read any more: whoever waits for us must not wait for ever. A person may have
/// stopped the terminal for a moment (Ctrl-S); a pipe or socket that is full has a reader that does something else.
const PATIENCE_WITH_PEOPLE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two tries then.
const PAUSE: Duration = Duration::from_millis(10);
/// A pipe that takes anything takes so much at once (pipe(7), PIPE_BUF).
const PIECE: usize = 4096;

/// Where our lines go.
#[derive(Debug)]
pub struct Console {
    /// Opened for the first line, or when there is time for it.
    out: OnceCell<Option<File>>,
    waiting: VecDeque<String>,
    /// Bytes of the first waiting line that are out already.
    written: usize,
    lost: u64,
    held: bool,
}

impl Console {
    /// For lines that are still to come.
    pub fn new() -> Console {
        let waiting = VecDeque::with_capacity(WAITING);
        Console { out: OnceCell::new(), waiting, written: 0, lost: 0, held: false }
    }

    /// Opens what lines are written to, before the day when that may not be possible.
    pub fn prepare(&self) {
        self.out.get_or_init(open);
    }

    /// Keeps lines back while the dashboard has the terminal.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Says a line, or keeps it until somebody reads.
    pub fn say(&mut self, text: &str) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            self.written = 0;
            self.lost += 1;
        }
        self.waiting.push_back(format!("sentinel: {text}\n"));
        self.flush();
    }

    /// Writes what can be written now; nothing while lines are kept back.
    pub fn flush(&mut self) {
        if self.held {
            return;
        }
        while let Some(line) = self.waiting.front() {
            match self.write(&line.as_bytes()[self.written..]) {
                Ok(n) if self.written + n < line.len() => self.written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Nobody will ever read it: not worth more than the line.
                Ok(_) | Err(_) => {
                    self.waiting.pop_front();
                    self.written = 0;
                }
            }
        }
    }

    /// Whether lines wait.
    pub fn waits(&self) -> bool {
        !self.held && !self.waiting.is_empty()
    }

    /// Writes all that waits, and waits itself for a reader, for a while: nothing is guarded any more.
    pub fn finish(&mut self) {
        self.held = false;
        if self.lost > 0 {
            let lost = counted(self.lost, "line was", "lines were");
            self.waiting.push_front(format!("sentinel: {lost} lost\n"));
            self.written = 0;
        }
        if self.waiting.is_empty() {
            return;
        }
        let patience = if io::stderr().is_terminal() { PATIENCE_WITH_PEOPLE } else { PATIENCE };
        let clock = Clock::start();
        let mut moved = clock.now();
        while !self.waiting.is_empty() && clock.now().since(moved) < patience {
            let before = (self.waiting.len(), self.written);
            self.flush();
            if before != (self.waiting.len(), self.written) {
                moved = clock.now();
            } else {
                // A terminal may say that it takes something, and then not take it.
                pause(PAUSE);
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        match self.out.get_or_init(open) {
            Some(file) => (&*file).write(piece),
            None if takes() => io::stderr().write(piece),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Opens stderr anew where that can be made non-blocking: the flag of the descriptor that we share with others must stay.
fn open() -> Option<File> {
    let kind = std::fs::metadata("/proc/self/fd/2").map(|meta| meta.file_type());
    let can_block = kind.is_ok_and(|kind| kind.is_char_device() || kind.is_fifo());
    // A socket cannot be opened so, nor can another user's pipe: they are asked before each write.
    can_block.then(|| open_anew(io::stderr(), File::options().write(true)).ok()).flatten()
}

/// Whether stderr takes something now. What cannot be polled is for the write to tell.
fn takes() -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::ZERO) != Ok(0)
}

impl Default for Console {
    fn default() -> Self {
        Console::new()
    }
}
