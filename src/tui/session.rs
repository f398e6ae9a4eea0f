//! The dashboard's loop: one poll over guardian, command, keyboard and signals. First it waits quietly, so that a short command
//! does not make the screen flash; then it draws, at most ten times a second and only what changed.

use super::app::{App, Effect};
use super::command_lines::CommandLines;
use super::keyboard::Keyboard;
use super::keys::{Input, encode};
use super::look::Look;
use super::pane::Pane;
use super::pty::{Output, Pty};
use super::ready::{self, Ready};
use super::signals::Signals;
use super::transcript::Transcript;
use super::wire::Wire;
use super::{Options, terminal, transcript, view};
use crate::clock::Clock;
use crate::status::WatchLine;
use anyhow::Context as _;
use std::io::Write as _;
use std::time::Duration;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Read at a time, so that everybody gets a turn.
const CHUNK: usize = 64 * 1024;
/// Output that may wait for the first frame; the command waits with more.
const EARLY: usize = 1 << 20;
/// Taken after the guardian's end: enough for all that a terminal holds back, and an end to what is still being written.
const DRAIN: usize = 8 << 20;

/// Why the dashboard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The guardian closed the stream.
    Guardian,
    /// The user detached, or a signal asked.
    Leave,
}

/// Everything but the terminal.
pub struct Session {
    wire: Wire,
    pty: Option<Pty>,
    /// Nobody had the command's terminal open; tried again with every line of the guardian.
    pty_closed: bool,
    pane: Option<Pane>,
    transcript: Transcript,
    signals: Signals,
    clock: Clock,
    app: App,
    command_lines: CommandLines,
    buffer: Vec<u8>,
    quiet: Duration,
    rehearse_panic: bool,
}

impl Session {
    /// Takes the descriptors over and asks the guardian for its lines.
    pub fn open(options: Options, signals: Signals) -> anyhow::Result<Self> {
        let look = Look::from_environment(|name| std::env::var(name).ok());
        let mut pty = options.pty.map(Pty::open).transpose()?;
        let size = terminal::size();
        if let (Some(pty), Some((rows, columns))) = (&mut pty, size) {
            // A command that is done before the first frame sees the whole terminal.
            pty.resize(rows, columns);
        }
        let (rows, columns) = size.unwrap_or((24, 80));
        Ok(Session {
            wire: Wire::open(options.control)?,
            pane: pty.is_some().then(|| Pane::new(rows, columns)),
            app: App::new(look, pty.is_some()),
            pty,
            command_lines: CommandLines::default(),
            pty_closed: false,
            transcript: Transcript::default(),
            signals,
            clock: Clock::start(),
            buffer: vec![0; CHUNK],
            quiet: options.quiet,
            rehearse_panic: options.rehearse_panic,
        })
    }

    /// From the first moment to the last.
    pub fn run(mut self) -> anyhow::Result<()> {
        let (early, end) = self.wait_quietly()?;
        if let Some(end) = end {
            return self.pass_through(early, end);
        }
        let guard = terminal::Guard::enter()?;
        let shown = self.show(&early);
        drop(guard);
        self.write_transcript().and(shown)
    }

    /// Collects output until it is time to draw or all is over.
    fn wait_quietly(&mut self) -> anyhow::Result<(Vec<u8>, Option<End>)> {
        let mut early = Vec::new();
        loop {
            let left = self.quiet.saturating_sub(self.clock.now().0);
            if left.is_zero() {
                return Ok((early, None));
            }
            let ready = self.wait(Some(left), None, early.len() < EARLY)?;
            if ready.pty {
                let length = self.read_pty();
                early.extend_from_slice(&self.buffer[..length]);
            }
            if ready.signals && self.signals.take() {
                return Ok((early, Some(End::Leave)));
            }
            if ready.wire {
                self.take_lines();
            }
            if self.wire.is_ended() {
                return Ok((early, Some(End::Guardian)));
            }
        }
    }

    /// Writes what the command wrote as it is: nothing was ever drawn.
    fn pass_through(&mut self, early: Vec<u8>, end: End) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(&early).context("write the command's output")?;
        let mut room = if end == End::Guardian { DRAIN } else { 0 };
        while room > 0 {
            let length = self.read_pty();
            if length == 0 {
                break;
            }
            room = room.saturating_sub(length);
            out.write_all(&self.buffer[..length]).context("write the command's output")?;
        }
        out.flush().context("write the command's output")
    }

    /// Draws until the end.
    fn show(&mut self, early: &[u8]) -> anyhow::Result<()> {
        let mut screen = terminal::screen()?;
        let mut keyboard = Keyboard::open()?;
        self.fit_pane();
        self.take_output(early);
        let mut dirty = true;
        let mut next_frame = self.clock.now();
        loop {
            let now = self.clock.now();
            if dirty && now >= next_frame {
                self.fit_pane();
                let (app, pane) = (&self.app, self.pane.as_ref());
                screen.draw(|frame| view::draw(app, pane, frame)).context("draw")?;
                assert!(!self.rehearse_panic, "a rehearsed panic");
                (dirty, next_frame) = (false, now + FRAME);
            }
            let deadlines =
                [dirty.then_some(next_frame), self.app.next_deadline(), keyboard.deadline()];
            let timeout = deadlines.into_iter().flatten().min().map(|at| at.since(now));
            let ready = self.wait(timeout, Some(&keyboard), true)?;
            dirty |= self.app.tick(self.clock.now()) || ready.any();
            let end = self.serve(ready, &mut keyboard);
            if end == Some(End::Guardian) {
                self.drain();
            }
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// Does what is to be done for those who are ready.
    fn serve(&mut self, ready: Ready, keyboard: &mut Keyboard) -> Option<End> {
        if ready.signals && self.signals.take() {
            return Some(End::Leave);
        }
        if ready.pty {
            let length = self.read_pty();
            let output = self.buffer[..length].to_vec();
            self.take_output(&output);
        }
        let typed = match ready.keyboard {
            // A terminal that hung up has nobody to show anything to.
            true => keyboard.read(self.clock.now()).map_err(|_| End::Leave),
            false => Ok(keyboard.late(self.clock.now())),
        };
        let typed = match typed {
            Ok(typed) => typed,
            Err(end) => return Some(end),
        };
        for input in typed {
            if self.take_input(input) {
                return Some(End::Leave);
            }
        }
        if ready.wire {
            self.take_lines();
        }
        self.wire.is_ended().then_some(End::Guardian)
    }

    fn take_lines(&mut self) {
        self.wire.flush();
        let now = self.clock.now();
        for line in self.wire.receive() {
            match line {
                Ok(mut line) => {
                    if let WatchLine::Status { processes: Some(rows), .. } = &mut line {
                        self.command_lines.fill(rows);
                    }
                    self.app.take_line(line, now);
                }
                Err(problem) => self.app.tell(&problem, true, now),
            }
        }
        self.pty_closed = false;
    }

    /// True when the user leaves.
    fn take_input(&mut self, input: Input) -> bool {
        let now = self.clock.now();
        match self.app.take_input(input, now) {
            Effect::None => (),
            Effect::Leave => return true,
            Effect::Request(line) => {
                if !self.wire.send(&line) {
                    self.app.tell("the guardian takes no requests now", true, now);
                }
            }
            Effect::Scroll(back) => {
                if let Some(pane) = &mut self.pane {
                    pane.scroll_page(back);
                }
            }
            Effect::Command(input) => {
                if let (Some(pane), Some(pty)) = (&mut self.pane, &mut self.pty) {
                    pane.scroll_home();
                    pty.write(&encode(&input, pane.modes()));
                }
            }
        }
        false
    }

    /// Some of what the command wrote, in the buffer; 0 when there is nothing.
    fn read_pty(&mut self) -> usize {
        let Some(pty) = &mut self.pty else { return 0 };
        pty.flush();
        match pty.read(&mut self.buffer) {
            Output::Bytes(length) => length,
            Output::Nothing => 0,
            Output::Closed => {
                self.pty_closed = true;
                0
            }
        }
    }

    fn take_output(&mut self, bytes: &[u8]) {
        self.transcript.push(bytes);
        if let (Some(pane), Some(pty)) = (&mut self.pane, &mut self.pty) {
            let answers = pane.feed(bytes);
            if !answers.is_empty() {
                pty.write(&answers);
            }
        }
    }

    fn drain(&mut self) {
        let mut room = DRAIN;
        while room > 0 {
            let length = self.read_pty();
            if length == 0 {
                return;
            }
            room = room.saturating_sub(length);
            let output = self.buffer[..length].to_vec();
            self.take_output(&output);
        }
    }

    /// Gives the command's terminal the size that it is shown in.
    fn fit_pane(&mut self) {
        let (Some(pane), Some(pty)) = (&mut self.pane, &mut self.pty) else { return };
        let size =
            terminal::size().and_then(|(rows, columns)| view::pane_size(&self.app, rows, columns));
        if let Some((rows, columns)) = size {
            pane.resize(rows, columns);
            let (rows, columns) = pane.size();
            pty.resize(rows, columns);
        }
    }

    /// Leaves the command's output on the normal screen.
    fn write_transcript(&self) -> anyhow::Result<()> {
        let Some(pane) = &self.pane else { return Ok(()) };
        let text = transcript::farewell(&self.transcript, pane);
        let mut out = std::io::stdout().lock();
        out.write_all(&text).and_then(|()| out.flush()).context("write the command's output")
    }

    fn wait(
        &self,
        timeout: Option<Duration>,
        keyboard: Option<&Keyboard>,
        read_pty: bool,
    ) -> anyhow::Result<Ready> {
        let pty = self.pty.as_ref().map(|pty| (pty, read_pty && !self.pty_closed));
        ready::wait(timeout, &self.wire, &self.signals, keyboard, pty)
    }
}
