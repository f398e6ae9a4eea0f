//! What goes to the real terminal: a frame waits here until the terminal has taken it, so that a slow one, or one that nobody
//! reads, holds nobody up. Never blocks where the terminal can be opened anew.

use super::signals::HeldSignals;
use crate::clock::{Clock, Timestamp, pause};
use crate::sys::terminal::open_anew;
use anyhow::Context as _;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Write, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Who takes nothing for so long takes nothing any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries then: a terminal may say that it takes something, and then not take it (a line's end that becomes two bytes).
const PAUSE: Duration = Duration::from_millis(10);
/// Written at once where the terminal is shared, and so may block after all.
const PIECE: usize = 256;
/// What the kernel holds back for a slow terminal is less: once so much was taken, nothing from before us is left in there.
const OURS: u64 = 32 * 1024;

/// The terminal holds frames back that nobody needs any more: there is one terminal, so one flag.
static BEHIND: AtomicBool = AtomicBool::new(false);

/// The way to the terminal; clones are the same.
#[derive(Clone, Debug)]
pub struct Outlet(Rc<OutletWay>);

#[derive(Debug)]
struct OutletWay {
    terminal: File,
    /// Opened anew, and so never blocking.
    own: bool,
    queue: RefCell<OutletQueue>,
}

#[derive(Debug, Default)]
struct OutletQueue {
    waiting: Vec<u8>,
    /// Bytes of those that are out.
    written: usize,
    taken: u64,
}

impl Outlet {
    /// Opens standard output anew: whether it blocks is otherwise shared with everybody who has it open.
    ///
    /// # Errors
    /// Without free descriptors.
    pub fn open() -> anyhow::Result<Self> {
        let (terminal, own) = match open_anew(stdout(), File::options().write(true)) {
            Ok(terminal) => (terminal, true),
            // Somebody else's, and not our controlling one: writing to it is allowed, opening it is not.
            Err(_) => {
                let shared = stdout().as_fd().try_clone_to_owned();
                (File::from(shared.context("duplicate stdout")?), false)
            }
        };
        Ok(Outlet(Rc::new(OutletWay { terminal, own, queue: RefCell::default() })))
    }

    /// True when everything is out: there is room for a new frame.
    pub fn is_empty(&self) -> bool {
        self.0.queue.borrow().waiting.is_empty()
    }

    /// Writes what the terminal takes now.
    ///
    /// # Errors
    /// When the terminal has gone.
    pub fn advance(&self) -> io::Result<()> {
        let mut queue = self.0.queue.borrow_mut();
        let result = queue.push(&self.0);
        BEHIND.store(!queue.waiting.is_empty() && queue.taken >= OURS, Ordering::SeqCst);
        result
    }

    /// Forgets what is not out yet.
    pub fn discard(&self) {
        let mut queue = self.0.queue.borrow_mut();
        queue.waiting.clear();
        queue.written = 0;
    }

    /// Writes all of it, for as long as the terminal takes some and nobody asks us to leave. True when all of it is out.
    ///
    /// # Errors
    /// When the terminal has gone.
    pub fn deliver(&self, bytes: &[u8], signals: Option<&HeldSignals>) -> io::Result<bool> {
        self.0.queue.borrow_mut().waiting.extend_from_slice(bytes);
        let clock = Clock::start();
        let (mut moved, mut left) = (Timestamp::default(), usize::MAX);
        loop {
            self.advance()?;
            let now_left = self.0.queue.borrow().left();
            if now_left == 0 {
                return Ok(true);
            }
            if now_left < left {
                (left, moved) = (now_left, clock.now());
            }
            let asked = signals.is_some_and(|signals| signals.take().leave);
            if asked || clock.now().since(moved) >= PATIENCE {
                self.discard();
                return Ok(false);
            }
            // Cut short by a signal, the next round only comes sooner.
            pause(PAUSE);
        }
    }
}

/// Whether the terminal is behind, asked once.
pub fn take_behind() -> bool {
    BEHIND.swap(false, Ordering::SeqCst)
}

impl OutletQueue {
    fn left(&self) -> usize {
        self.waiting.len() - self.written
    }

    fn push(&mut self, way: &OutletWay) -> io::Result<()> {
        while self.left() > 0 {
            match way.write(&self.waiting[self.written..]) {
                Ok(count) => {
                    self.written += count;
                    self.taken += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.waiting.clear();
        self.written = 0;
        Ok(())
    }
}

impl OutletWay {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.own {
            return (&self.terminal).write(bytes);
        }
        let mut fds = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, PollTimeout::ZERO)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            _ => (&self.terminal).write(&bytes[..bytes.len().min(PIECE)]),
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.queue.borrow_mut().waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Whoever has the loop says when.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Outlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.terminal.as_fd()
    }
}
