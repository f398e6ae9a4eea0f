//! The listening side: accepts a few clients at a time, and rests when there are no descriptors left.

use super::receiving;
use crate::clock::Timestamp;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// How long nobody is accepted after the system said that there is no room for another descriptor.
const REST: Duration = Duration::from_secs(1);

/// What accept came to.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A client, non-blocking.
    Client(UnixStream),
    /// Nobody waits.
    Nobody,
    /// No room: clients wait in the kernel's queue until [`Listening::wake`].
    Resting(io::Error),
}

/// The listeners' part of the epoll set: the tokens `0..count`.
#[derive(Debug)]
pub(super) struct Listening {
    count: usize,
    rests_until: Option<Timestamp>,
}

impl Listening {
    /// Adds the listeners to the set.
    pub(super) fn start(epoll: &Epoll, listeners: &[UnixListener]) -> io::Result<Self> {
        for (token, listener) in (0u64..).zip(listeners) {
            epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        }
        Ok(Listening { count: listeners.len(), rests_until: None })
    }

    /// The listener that a token means.
    pub(super) fn index(&self, token: u64) -> Option<usize> {
        usize::try_from(token).ok().filter(|index| *index < self.count)
    }

    /// Takes one client.
    pub(super) fn accept(listener: &UnixListener) -> Accepted {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accepted::Nobody,
            Err(error) if is_lack(&error) => return Accepted::Resting(error),
            // What went wrong with one client (it left while it waited) is no reason to stop.
            Err(_) => return Accepted::Nobody,
        };
        match stream.set_nonblocking(true) {
            Ok(()) => Accepted::Client(stream),
            Err(error) => Accepted::Resting(error),
        }
    }

    /// Accepts nobody for a while: the set would report the waiting clients without end.
    pub(super) fn rest(&mut self, epoll: &Epoll, listeners: &[UnixListener], now: Timestamp) {
        self.rests_until = Some(now + REST);
        self.watch(epoll, listeners, EpollFlags::empty());
    }

    /// Accepts again: the time is over, or (`room`) a client has left.
    pub(super) fn wake(
        &mut self,
        epoll: &Epoll,
        listeners: &[UnixListener],
        now: Timestamp,
        room: bool,
    ) {
        if self.rests_until.is_some_and(|until| room || until <= now) {
            self.rests_until = None;
            self.watch(epoll, listeners, EpollFlags::EPOLLIN);
        }
    }

    /// When to wake.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.rests_until
    }

    fn watch(&self, epoll: &Epoll, listeners: &[UnixListener], flags: EpollFlags) {
        for (token, listener) in (0u64..).zip(listeners) {
            // Cannot fail for a descriptor in the set; if it did, the listener would be as it was.
            let _ = epoll.modify(listener, &mut EpollEvent::new(flags, token));
        }
    }
}

/// Has a listener take nobody any more, and closes those that wait: what they passed must not be closed on the way (see `receiving`). Its own
/// descriptor goes with the process: where there was no room to accept somebody, closing it would be that.
pub(super) fn close(listener: UnixListener) {
    // From here on nobody can connect; a failure leaves those that do to the loop below.
    let _ = socket::shutdown(listener.as_raw_fd(), socket::Shutdown::Both);
    loop {
        match listener.accept() {
            // What takes time to close is left to the end of this process.
            Ok((stream, _)) => std::mem::forget(receiving::close(stream)),
            Err(_) => return std::mem::forget(listener),
        }
    }
}

/// No room for another descriptor or for what belongs to it (accept(2)).
fn is_lack(error: &io::Error) -> bool {
    let lack = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|raw| lack.contains(&Errno::from_raw(raw)))
}
