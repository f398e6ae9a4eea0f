//! Once the dashboard is gone: what the command writes to its terminal goes on to ours, as far as that takes it. Never waits:
//! a terminal that nobody reads holds up the command, and nothing else.

use super::Guardian;
use crate::clock::Timestamp;
use crate::event_loop::Token;
use crate::report::console::open_anew;
use crate::status::Level;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

/// Our terminal is tried again this often while it takes nothing.
const AGAIN: Duration = Duration::from_millis(50);
/// So much is read at once.
const PIECE: usize = 8192;

/// What is on its way from the command's terminal to ours.
#[derive(Debug)]
pub(super) struct Relay {
    /// Ours, opened anew: the flag of the descriptor that we share with others must stay. Without one the output is lost.
    out: Option<File>,
    pending: Vec<u8>,
}

impl Relay {
    pub(super) fn new() -> Relay {
        let out = open_anew("/proc/self/fd/1").or_else(|| open_anew("/dev/tty"));
        Relay { out, pending: Vec::with_capacity(PIECE) }
    }

    /// While something is on its way nothing further is read.
    pub(super) fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.pending.is_empty()).then(|| now + AGAIN)
    }

    /// Takes what there is to read. False when there never will be more.
    fn take(&mut self, terminal: impl AsFd) -> bool {
        let mut buffer = [0u8; PIECE];
        match nix::unistd::read(terminal, &mut buffer) {
            Ok(count @ 1..) => self.pending.extend_from_slice(&buffer[..count]),
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Ok(0) | Err(_) => return false,
        }
        true
    }

    fn push(&mut self) {
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

impl Guardian {
    /// The dashboard is gone.
    pub(super) fn begin_relay(&mut self) {
        self.publisher.relay = Some(Relay::new());
        self.await_terminal(true);
    }

    /// The command wrote something, or closed its terminal.
    pub(super) fn relay(&mut self) {
        let (Some(dashboard), Some(relay)) = (&self.publisher.dashboard, &mut self.publisher.relay)
        else {
            return;
        };
        let more = relay.take(&dashboard.master);
        relay.push();
        if !more || !relay.pending.is_empty() {
            self.await_terminal(false);
        }
    }

    /// Tries again what our terminal did not take.
    pub(super) fn resume_relay(&mut self) {
        let Some(relay) = &mut self.publisher.relay else { return };
        if relay.pending.is_empty() {
            return;
        }
        relay.push();
        if relay.pending.is_empty() {
            self.await_terminal(true);
        }
    }

    fn await_terminal(&mut self, wait: bool) {
        let Some(dashboard) = &self.publisher.dashboard else { return };
        if !wait {
            self.events.remove(&dashboard.master);
        } else if let Err(error) = self.events.add(&dashboard.master, Token::Pty) {
            self.log.add(self.clock.now(), Level::Warning, format!("relay output: {error}"));
        }
    }
}
