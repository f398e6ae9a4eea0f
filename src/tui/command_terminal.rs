//! The command as seen from here: its terminal, its screen, and what it wrote. Nothing of it is drawn here.

use super::keys::{Input, Mouse, encode};
use super::outlet::Outlet;
use super::output_log::OutputLogState;
use super::pane::Pane;
use super::pty::{Pty, PtyRead};
use super::signals::HeldSignals;
use super::transcript::{Transcript, farewell};
use anyhow::Context as _;
use std::fs::File;
use std::os::fd::OwnedFd;

/// Read at a time, so that everybody gets a turn.
const CHUNK: usize = 64 * 1024;
/// Taken after the guardian's end: enough for all that a terminal holds back, and an end to what is still being written.
const DRAIN: usize = 8 << 20;
/// A log that takes nothing for so long holds up the end no longer.
const LOG_PATIENCE_MS: u16 = 5000;
const WRITE: &str = "write the command's output";

/// Absent (no pty), or with a screen.
#[derive(Debug)]
pub struct CommandTerminal {
    pty: Option<Pty>,
    pane: Option<Pane>,
    /// Nobody had it open at the last look.
    closed: bool,
    transcript: Transcript,
    log: Option<OutputLogState>,
    buffer: Vec<u8>,
}

impl CommandTerminal {
    /// Takes the master side over. A command that is done before the first frame sees the whole of our terminal, of that `size`.
    ///
    /// # Errors
    /// When it cannot be made non-blocking.
    pub fn open(
        master: Option<OwnedFd>,
        log: Option<File>,
        size: Option<(u16, u16)>,
    ) -> anyhow::Result<Self> {
        let mut pty = master.map(Pty::open).transpose()?;
        if let (Some(pty), Some((rows, columns))) = (&mut pty, size) {
            pty.resize(rows, columns);
        }
        let (rows, columns) = size.unwrap_or((24, 80));
        let pane = pty.is_some().then(|| Pane::new(rows, columns));
        let (transcript, buffer) = (Transcript::default(), vec![0; CHUNK]);
        let log = log.map(OutputLogState::new);
        Ok(CommandTerminal { pty, pane, closed: false, transcript, log, buffer })
    }

    /// What to draw, if anything.
    pub fn pane(&self) -> Option<&Pane> {
        self.pane.as_ref()
    }

    /// What to wait for, and whether there may be something to read.
    pub fn source(&self) -> Option<(&Pty, bool)> {
        self.pty.as_ref().map(|pty| (pty, !self.closed && !self.waits_for_log()))
    }

    /// The log takes nothing now, so nothing is read; it is to be tried again soon.
    pub fn waits_for_log(&self) -> bool {
        self.log.as_ref().is_some_and(OutputLogState::waits)
    }

    /// Whether all of the output is kept in a file.
    pub fn is_logged(&self) -> bool {
        self.log.is_some()
    }

    /// Somebody may have opened it since.
    pub fn try_again(&mut self) {
        self.closed = false;
    }

    /// Some of what the command wrote; empty when there is nothing.
    pub fn read(&mut self) -> &[u8] {
        let Some(pty) = &mut self.pty else { return &[] };
        pty.flush();
        if self.log.as_mut().is_some_and(|log| !log.flush()) {
            return &[];
        }
        let output = pty.read(&mut self.buffer);
        self.closed |= output == PtyRead::Closed;
        match output {
            PtyRead::Bytes(length) => {
                self.log.iter_mut().for_each(|log| log.keep(&self.buffer[..length]));
                &self.buffer[..length]
            }
            PtyRead::Nothing | PtyRead::Closed => &[],
        }
    }

    /// Puts that on its screen, and answers what it asks of a terminal.
    pub fn show(&mut self, bytes: &[u8]) {
        self.transcript.push(bytes);
        if let (Some(pane), Some(pty)) = (&mut self.pane, &mut self.pty) {
            let answers = pane.feed(bytes);
            if !answers.is_empty() {
                pty.write(&answers);
            }
        }
    }

    /// Reads and shows some; gives how much that was.
    pub fn advance(&mut self) -> usize {
        let output = self.read().to_vec();
        self.show(&output);
        output.len()
    }

    /// Shows all that is left.
    pub fn drain(&mut self) {
        let mut room = DRAIN;
        while room > 0 {
            match self.advance() {
                0 if !self.wait_for_log() => return,
                length => room = room.saturating_sub(length),
            }
        }
    }

    /// True where it waited, and now takes more or was waited for in vain no longer than it may be.
    fn wait_for_log(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.waits() && log.wait(LOG_PATIENCE_MS))
    }

    /// What was typed before anything was drawn was meant for the command.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        if let Some(pty) = &mut self.pty {
            pty.write(bytes);
        }
    }

    /// What the mouse did on the command's screen, for one that asked for it. False for one that did not.
    pub fn point(&mut self, mouse: Mouse) -> bool {
        let (Some(pane), Some(pty)) = (&self.pane, &mut self.pty) else { return false };
        let wanted = pane.wants_mouse();
        if wanted {
            pty.write(&encode(&Input::Mouse(mouse), pane.modes()));
        }
        wanted
    }

    /// Something typed for the command.
    pub fn type_in(&mut self, input: &Input) {
        if let (Some(pane), Some(pty)) = (&mut self.pane, &mut self.pty) {
            pane.scroll_home();
            pty.write(&encode(input, pane.modes()));
        }
    }

    /// A page back (`true`) or forward.
    pub fn scroll(&mut self, back: bool) {
        if let Some(pane) = &mut self.pane {
            pane.scroll_page(back);
        }
    }

    /// Some lines back (`true`) or forward.
    pub fn scroll_lines(&mut self, lines: usize, back: bool) {
        if let Some(pane) = &mut self.pane {
            pane.scroll(lines, back);
        }
    }

    /// Gives it the size that it is shown in.
    pub fn fit(&mut self, rows: u16, columns: u16) {
        if let (Some(pane), Some(pty)) = (&mut self.pane, &mut self.pty) {
            pane.resize(rows, columns);
            let (rows, columns) = pane.size();
            pty.resize(rows, columns);
        }
    }

    /// Writes to our own terminal what was read before anything was drawn, and all that is `left` to read, as it is.
    ///
    /// # Errors
    /// When our terminal cannot be written to.
    pub fn pass_through(
        &mut self,
        outlet: &Outlet,
        signals: &HeldSignals,
        early: &[u8],
        left: bool,
    ) -> anyhow::Result<()> {
        let mut goes_on = outlet.deliver(early, Some(signals)).context(WRITE)?;
        let mut room = if left { DRAIN } else { 0 };
        while room > 0 && goes_on {
            let output = self.read();
            if output.is_empty() {
                if self.wait_for_log() {
                    continue;
                }
                break;
            }
            goes_on = outlet.deliver(output, Some(signals)).context(WRITE)?;
            room = room.saturating_sub(output.len());
        }
        Ok(())
    }

    /// Leaves the command's output on the normal screen. A terminal that is too slow for all of it gets no more once the guardian
    /// says that it is time to go.
    ///
    /// # Errors
    /// When our terminal cannot be written to.
    pub fn say_farewell(&self, outlet: &Outlet, signals: &HeldSignals) -> anyhow::Result<()> {
        let Some(pane) = &self.pane else { return Ok(()) };
        let text = farewell(&self.transcript, pane, self.is_logged());
        outlet.deliver(&text, Some(signals)).map(|_| ()).context(WRITE)
    }
}
