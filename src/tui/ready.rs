//! The one place where the dashboard waits: who has something to read, or takes what waits to be written.

use super::keyboard::Keyboard;
use super::outlet::Outlet;
use super::pty::Pty;
use super::signals::HeldSignals;
use super::wire::Wire;
use anyhow::Context as _;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd as _;
use std::time::Duration;

/// Who is ready.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadySet {
    /// The guardian.
    pub wire: bool,
    /// The command's terminal.
    pub pty: bool,
    /// The keyboard.
    pub keyboard: bool,
    /// A signal.
    pub signals: bool,
}

impl ReadySet {
    /// True when anybody is who may have something new to show.
    pub fn any(self) -> bool {
        self.wire || self.pty || self.keyboard || self.signals
    }
}

/// Waits until somebody is ready or the time is over; the command's terminal is read from only where its `bool` says so.
///
/// # Errors
/// When poll(2) fails, which it does for want of memory alone.
pub fn wait(
    timeout: Option<Duration>,
    wire: &Wire,
    signals: &HeldSignals,
    front: Option<(&Keyboard, &Outlet)>,
    pty: Option<(&Pty, bool)>,
) -> anyhow::Result<ReadySet> {
    let mut fds = vec![
        PollFd::new(wire.as_fd(), flags(true, wire.wants_write())),
        PollFd::new(signals.as_fd(), flags(true, false)),
    ];
    let keyboard_at = front.map(|(keyboard, _)| {
        fds.push(PollFd::new(keyboard.as_fd(), flags(true, false)));
        fds.len() - 1
    });
    // A terminal that can take more of a frame only ends the wait.
    let outlet = front.map(|(_, outlet)| outlet).filter(|outlet| !outlet.is_empty());
    fds.extend(outlet.map(|outlet| PollFd::new(outlet.as_fd(), flags(false, true))));
    // A terminal that nobody has open is ready all the time, so it must not be asked.
    let pty_at = pty.filter(|(pty, read)| *read || pty.wants_write()).map(|(pty, read)| {
        fds.push(PollFd::new(pty.as_fd(), flags(read, pty.wants_write())));
        fds.len() - 1
    });
    match poll(&mut fds, rounded_up(timeout)) {
        Ok(_) | Err(Errno::EINTR) => (),
        Err(error) => return Err(error).context("wait for input"),
    }
    let ready = |at: usize| fds[at].any().unwrap_or(false);
    Ok(ReadySet {
        wire: ready(0),
        signals: ready(1),
        keyboard: keyboard_at.is_some_and(ready),
        pty: pty_at.is_some_and(ready),
    })
}

/// Waits until a key or a signal is there or the time is over; whether it is a key.
///
/// # Errors
/// As [`wait`].
pub fn wait_for_keys(
    timeout: Duration,
    signals: &HeldSignals,
    keyboard: &Keyboard,
) -> anyhow::Result<bool> {
    let mut fds = [signals.as_fd(), keyboard.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    match poll(&mut fds, rounded_up(Some(timeout))) {
        Ok(_) | Err(Errno::EINTR) => Ok(fds[1].any().unwrap_or(false)),
        Err(error) => Err(error).context("wait for input"),
    }
}

fn flags(read: bool, write: bool) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, read);
    flags.set(PollFlags::POLLOUT, write);
    flags
}

/// To whole milliseconds, or a wait for less than a millisecond would spin.
fn rounded_up(timeout: Option<Duration>) -> PollTimeout {
    let Some(timeout) = timeout else { return PollTimeout::NONE };
    let ms = timeout.as_micros().div_ceil(1000);
    i32::try_from(ms).ok().and_then(|ms| PollTimeout::try_from(ms).ok()).unwrap_or(PollTimeout::MAX)
}
