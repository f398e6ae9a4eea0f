//! The one wait: descriptors and the nearest deadline, as tokens. Knows nothing of what they mean.

use crate::clock::{Timestamp, pause};
use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// What became ready. The order is that in which they are served: the workload first, people last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Token {
    /// A file that tells of the workload with this index changed (EPOLLPRI).
    CgroupEvents(u32),
    /// The same by inotify, of some workload.
    Files,
    /// The command runs, or cannot be run.
    Started,
    /// An owner answered.
    Stopper,
    /// A signal.
    Signals,
    /// The mailbox.
    Mailbox,
    /// The command's terminal, once the dashboard is gone.
    Pty,
}

impl Token {
    fn to_data(self) -> u64 {
        match self {
            Token::CgroupEvents(index) => u64::from(index) << 8,
            Token::Files => 1,
            Token::Signals => 2,
            Token::Mailbox => 3,
            Token::Pty => 4,
            Token::Started => 5,
            Token::Stopper => 6,
        }
    }

    fn from_data(data: u64) -> Token {
        match data & 0xff {
            1 => Token::Files,
            2 => Token::Signals,
            3 => Token::Mailbox,
            4 => Token::Pty,
            5 => Token::Started,
            6 => Token::Stopper,
            _ => Token::CgroupEvents(u32::try_from(data >> 8).unwrap_or(u32::MAX)),
        }
    }
}

/// Tokens of one wait.
pub type Ready = ArrayVec<Token, BATCH>;
const BATCH: usize = 64;
/// Between two rounds where nobody tells what is ready.
const WITHOUT_EPOLL: Duration = Duration::from_millis(10);

/// The descriptors waited for.
#[derive(Debug)]
pub struct EventLoop {
    epoll: Epoll,
}

impl EventLoop {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// Without free descriptors.
    pub fn new() -> io::Result<EventLoop> {
        Ok(EventLoop { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    /// Waits for this descriptor to be readable, or, for a kernel file that notifies, to have changed.
    ///
    /// # Errors
    /// When the descriptor cannot be polled.
    pub fn add(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        let flags = match token {
            // Once a change: a level would be reported until the file is read, which nobody does once the workload is gone.
            Token::CgroupEvents(_) => EpollFlags::EPOLLPRI | EpollFlags::EPOLLET,
            Token::Files
            | Token::Started
            | Token::Stopper
            | Token::Signals
            | Token::Mailbox
            | Token::Pty => EpollFlags::EPOLLIN,
        };
        Ok(self.epoll.add(fd, EpollEvent::new(flags, token.to_data()))?)
    }

    /// Waits for it no longer.
    pub fn remove(&self, fd: impl AsFd) {
        // Not being waited for is what is wanted.
        let _ = self.epoll.delete(fd);
    }

    /// Waits until something is ready or the deadline has come. Sorted: what matters first.
    pub fn wait(&self, now: Timestamp, deadline: Option<Timestamp>) -> Ready {
        let mut events = [EpollEvent::empty(); BATCH];
        let timeout = match deadline {
            None => EpollTimeout::NONE,
            // Up to the next millisecond: waking early would be a busy loop.
            Some(at) => {
                let ms = at.since(now).as_micros().div_ceil(1000);
                EpollTimeout::from(u16::try_from(ms).unwrap_or(u16::MAX))
            }
        };
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            // A debugger, a stop: nothing is ready then.
            Err(Errno::EINTR) => 0,
            Err(_) => return self.without_epoll(),
        };
        let tokens = &mut events[..count];
        tokens.sort_unstable_by_key(|event| Token::from_data(event.data()));
        let mut ready = Ready::new();
        for token in tokens.iter().map(|event| Token::from_data(event.data())) {
            // Several files of one workload are one reason to look.
            if ready.last() != Some(&token) {
                ready.push(token);
            }
        }
        ready
    }

    /// It does not fail with valid arguments (epoll_wait(2)). If it does, everything is tried, at intervals: none of it blocks.
    fn without_epoll(&self) -> Ready {
        pause(WITHOUT_EPOLL);
        let all = [
            Token::CgroupEvents(0),
            Token::Files,
            Token::Started,
            Token::Stopper,
            Token::Signals,
            Token::Mailbox,
        ];
        all.into_iter().collect()
    }
}
