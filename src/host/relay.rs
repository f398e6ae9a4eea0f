//! Once the dashboard is gone: what the command writes to its terminal goes on to ours, as far as that takes it. Never waits:
//! a terminal that nobody reads holds up the command, and nothing else.

use super::Host;
use super::output_log::OutputLog;
use crate::clock::{Timestamp, pause};
use crate::dashboard::Dashboard;
use crate::event_loop::Token;
use crate::status::Level;
use crate::sys::terminal::open_anew;
use crate::terminal_modes::restoration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

/// Our terminal is tried again this often while it takes nothing.
const AGAIN: Duration = Duration::from_millis(50);
/// So much is read at once.
const PIECE: usize = 8192;
/// At the end a terminal that takes nothing for so long takes nothing any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries then.
const PAUSE: Duration = Duration::from_millis(10);
/// Taken at the end: more than a terminal holds back, and an end to what is still being written.
const LAST: usize = 1 << 20;

/// What is on its way from the command's terminal to ours.
#[derive(Debug)]
pub(super) struct Relay {
    /// Ours, opened anew: the flag of the descriptor that we share with others must stay. Without one the output is lost.
    out: Option<File>,
    pending: Vec<u8>,
    /// What the log did not take yet.
    unkept: Vec<u8>,
}

impl Relay {
    /// These bytes go first.
    pub(super) fn new(first: &[u8]) -> Relay {
        let out = open_anew(std::io::stdout(), File::options().write(true)).ok();
        let mut pending = Vec::with_capacity(PIECE);
        pending.extend_from_slice(first);
        let mut relay = Relay { out, pending, unkept: Vec::new() };
        relay.push(None);
        relay
    }

    /// While something is on its way nothing further is read.
    pub(super) fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.is_empty()).then(|| now + AGAIN)
    }

    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.unkept.is_empty()
    }

    /// Takes what there is to read, for a log too. False when there never will be more.
    fn take(&mut self, terminal: impl AsFd, keep: bool) -> bool {
        let mut buffer = [0u8; PIECE];
        match nix::unistd::read(terminal, &mut buffer) {
            Ok(count @ 1..) => {
                self.pending.extend_from_slice(&buffer[..count]);
                if keep {
                    self.unkept.extend_from_slice(&buffer[..count]);
                }
            }
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Ok(0) | Err(_) => return false,
        }
        true
    }

    fn push(&mut self, log: Option<&mut OutputLog>) {
        match log {
            Some(log) => log.take(&mut self.unkept),
            None => self.unkept.clear(),
        }
        let written = match &mut self.out {
            Some(out) => out.write(&self.pending),
            None => Ok(self.pending.len()),
        };
        match written {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // Whoever read it is gone: the command goes on all the same.
            Err(_) => self.pending.clear(),
        }
    }
}

impl Host {
    /// The dashboard is gone.
    pub(super) fn begin_relay(&mut self) {
        let broken = self.attendants.dashboard.as_ref().is_some_and(Dashboard::recover);
        let first = if broken { restoration() } else { Vec::new() };
        self.relay = Some(Relay::new(&first));
        self.await_terminal(true);
        self.fit_terminal();
    }

    /// Nobody but us shows the command's terminal any more: it has the size of ours. Before, that is the dashboard's matter.
    pub(super) fn fit_terminal(&self) {
        let (Some(dashboard), Some(_)) = (&self.attendants.dashboard, &self.relay) else {
            return;
        };
        if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout()) {
            // One that cannot be set is not worth an end: the text only wraps elsewhere.
            let _ = rustix::termios::tcsetwinsize(&dashboard.master, size);
        }
    }

    /// The command wrote something, or closed its terminal.
    pub(super) fn relay(&mut self) {
        let (Some(dashboard), Some(relay)) = (&self.attendants.dashboard, &mut self.relay) else {
            return;
        };
        let log = &mut self.attendants.log;
        let more = relay.take(&dashboard.master, log.is_some());
        relay.push(log.as_mut());
        if !more || !relay.is_empty() {
            self.await_terminal(false);
        }
    }

    /// Tries again what our terminal did not take.
    pub(super) fn resume_relay(&mut self) {
        let Some(relay) = &mut self.relay else { return };
        if relay.is_empty() {
            return;
        }
        relay.push(self.attendants.log.as_mut());
        if relay.is_empty() {
            self.await_terminal(true);
        }
    }

    /// Nothing is guarded any more: what the command wrote last, for as long as our terminal takes it.
    pub(super) fn finish_relay(&mut self) {
        let (Some(dashboard), Some(relay)) = (&self.attendants.dashboard, &mut self.relay) else {
            return;
        };
        let (mut room, mut moved) = (LAST, self.clock.now());
        while self.clock.now().since(moved) < PATIENCE {
            if relay.is_empty() && (room == 0 || !holds_more(&dashboard.master)) {
                return;
            }
            let log = &mut self.attendants.log;
            if relay.is_empty() && !relay.take(&dashboard.master, log.is_some()) {
                return;
            }
            let before = relay.pending.len() + relay.unkept.len();
            relay.push(log.as_mut());
            let left = relay.pending.len() + relay.unkept.len();
            if left < before {
                room = room.saturating_sub(before - left);
                moved = self.clock.now();
            } else {
                // A terminal may say that it takes something, and then not take it.
                pause(PAUSE);
            }
        }
    }

    fn await_terminal(&mut self, wait: bool) {
        let Some(dashboard) = &self.attendants.dashboard else { return };
        if !wait {
            self.events.remove(&dashboard.master);
        } else if let Err(error) = self.events.add(&dashboard.master, Token::Pty) {
            self.voice.log.add(self.clock.now(), Level::Warning, format!("relay output: {error}"));
        }
    }
}

/// Whether there is something to read now.
fn holds_more(terminal: impl AsFd) -> bool {
    let mut fds = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0);
    ready && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN))
}
