//! The dashboard's loop: one poll over guardian, command, keyboard and signals. First it waits quietly, so that a short command
//! does not make the screen flash; then it draws, at most ten times a second, only what changed, and only what the terminal takes.

use super::app::{App, Effect, Mode};
use super::command_lines::CommandLines;
use super::command_terminal::CommandTerminal;
use super::keyboard::Keyboard;
use super::keys::{Input, Mouse};
use super::look::Look;
use super::measure::Measurer;
use super::outlet::Outlet;
use super::ready::{self, ReadySet};
use super::signals::HeldSignals;
use super::specials::Specials;
use super::target::Target;
use super::wire::{GuardianLine, Wire};
use super::{Options, snapshot, terminal, view};
use crate::clock::Clock;
use crate::escape::shown;
use crate::status::WatchLine;
use crate::sys::terminal::is_foreground;
use anyhow::Context as _;
use std::time::Duration;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Output that may wait for the first frame; the command waits with more.
const EARLY: usize = 1 << 20;
/// A log that takes nothing is tried again this often.
const LOG_AGAIN: Duration = Duration::from_millis(20);
const WRITE: &str = "write to the terminal";

/// Why the dashboard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// The guardian closed the stream.
    Guardian,
    /// The user detached, or a signal asked.
    Leave,
}

/// How a visit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisitEnd {
    /// The user goes back.
    Back,
    /// A signal, or the terminal's end: everything is to be left.
    Dismissed,
    /// The guardian closed the stream, and said before how the run ended.
    Ended(Option<String>),
}

/// Everything but the terminal.
pub struct Session {
    wire: Wire,
    command: CommandTerminal,
    signals: HeldSignals,
    /// We are to stop, or to redraw the screen, as soon as all are served.
    stop: bool,
    redraw: bool,
    /// Not the user's keys but a signal or the terminal's end asked us to leave.
    dismissed: bool,
    clock: Clock,
    app: App,
    specials: Specials,
    command_lines: CommandLines,
    measurer: Option<Measurer>,
    quiet: Duration,
    rehearse_panic: bool,
}

impl Session {
    /// Takes the descriptors over and asks the guardian for its lines.
    pub fn open(options: Options, signals: HeldSignals) -> anyhow::Result<Self> {
        let look = Look::from_environment(|name| std::env::var(name).ok());
        let mut app = App::new(look, options.pty.is_some());
        let specials = Specials::of_terminal();
        (app.replay, app.is_logged) = (options.replay, options.log.is_some());
        app.interrupt = specials.interrupt();
        Ok(Session {
            wire: Wire::open(options.control)?,
            command: CommandTerminal::open(options.pty, options.log, terminal::size())?,
            app,
            specials,
            command_lines: CommandLines::default(),
            measurer: options.replay.is_none().then(Measurer::default),
            signals,
            stop: false,
            redraw: false,
            dismissed: false,
            clock: Clock::start(),
            quiet: options.quiet,
            rehearse_panic: options.rehearse_panic,
        })
    }

    /// From the first moment to the last. True when something was drawn.
    ///
    /// # Errors
    /// When the terminal cannot be set up or written to.
    pub fn run(mut self) -> anyhow::Result<bool> {
        let (early, end) = self.wait_quietly()?;
        let outlet = Outlet::open()?;
        let hidden = !is_foreground(std::io::stdin());
        if hidden || end.is_some() {
            let left = end == Some(Closing::Guardian);
            self.command.pass_through(&outlet, &self.signals, &early, left)?;
            return Ok(false);
        }
        let guard = terminal::Guard::enter(&outlet)?;
        let shown = self.show(&early, &guard, &outlet, true);
        drop(guard);
        self.command.say_farewell(&outlet, &self.signals).and(shown.map(|_| true))
    }

    /// Shows somebody else's workload on a terminal that is ours already.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn visit(
        mut self,
        guard: &terminal::Guard<'_>,
        outlet: &Outlet,
    ) -> anyhow::Result<VisitEnd> {
        self.app.visiting = true;
        terminal::wipe(outlet)?;
        let end = self.show(&[], guard, outlet, false)?;
        Ok(match end {
            Closing::Guardian => VisitEnd::Ended(self.app.ended.take()),
            Closing::Leave if self.dismissed => VisitEnd::Dismissed,
            Closing::Leave => VisitEnd::Back,
        })
    }

    /// Collects output until it is time to draw or all is over.
    fn wait_quietly(&mut self) -> anyhow::Result<(Vec<u8>, Option<Closing>)> {
        let mut early = Vec::new();
        loop {
            let left = self.quiet.saturating_sub(self.clock.now().0);
            if left.is_zero() {
                return Ok((early, None));
            }
            let ready = self.wait(Some(left), None, early.len() < EARLY)?;
            if ready.pty || self.command.waits_for_log() {
                early.extend_from_slice(self.command.read());
            }
            let asked = self.signals.take();
            if asked.leave {
                return Ok((early, Some(Closing::Leave)));
            }
            if asked.stop {
                self.signals.stop();
            }
            if ready.wire {
                self.take_lines();
            }
            if self.wire.is_ended() {
                return Ok((early, Some(Closing::Guardian)));
            }
        }
    }

    /// Draws until the end.
    fn show(
        &mut self,
        early: &[u8],
        guard: &terminal::Guard<'_>,
        outlet: &Outlet,
        first: bool,
    ) -> anyhow::Result<Closing> {
        let mut screen = terminal::screen(outlet)?;
        let mut keyboard = Keyboard::open()?;
        self.fit_pane();
        self.command.show(early);
        if first {
            // As without a dashboard: nobody can have meant a key for what was not there yet.
            let typed = keyboard.read_ahead();
            self.command.type_bytes(&typed);
        }
        let mut dirty = true;
        let mut next_frame = self.clock.now();
        loop {
            let now = self.clock.now();
            // A terminal that is still busy with the last frame gets the newest after it, and none in between.
            if dirty && now >= next_frame && outlet.is_empty() {
                self.fit_pane();
                let (app, pane) = (&self.app, self.command.pane());
                screen.draw(|frame| view::draw(app, pane, frame)).context("draw")?;
                assert!(!self.rehearse_panic, "a rehearsed panic");
                (dirty, next_frame) = (false, now + FRAME);
            }
            outlet.advance().context(WRITE)?;
            let frame = (dirty && outlet.is_empty()).then_some(next_frame);
            let deadlines = [frame, self.app.next_deadline(), keyboard.deadline()];
            let timeout = deadlines.into_iter().flatten().min().map(|at| at.since(now));
            let ready = self.wait(timeout, Some((&keyboard, outlet)), true)?;
            // An Escape alone is known by time, and nothing else need come in a replay that stands still.
            dirty |=
                self.app.tick(self.clock.now()) || ready.any() || keyboard.deadline().is_some();
            let end = self.serve(ready, &mut keyboard);
            if end == Some(Closing::Guardian) {
                self.command.drain();
            }
            if let Some(end) = end {
                return Ok(end);
            }
            if std::mem::take(&mut self.stop) {
                if !guard.step_aside(|| self.signals.stop())? {
                    // Continued in the background: the guardian passes on what the command writes.
                    self.dismissed = true;
                    return Ok(Closing::Leave);
                }
                self.redraw = true;
            }
            if std::mem::take(&mut self.redraw) {
                terminal::begin_anew(&mut screen)?;
                dirty = true;
            }
        }
    }

    /// Does what is to be done for those who are ready.
    fn serve(&mut self, ready: ReadySet, keyboard: &mut Keyboard) -> Option<Closing> {
        let asked = self.signals.take();
        if asked.leave {
            self.dismissed = true;
            return Some(Closing::Leave);
        }
        self.stop |= asked.stop;
        if ready.pty || self.command.waits_for_log() {
            self.command.advance();
        }
        let typed = match ready.keyboard {
            // A terminal that hung up has nobody to show anything to.
            true => keyboard.read(self.clock.now()).map_err(|_| Closing::Leave),
            false => Ok(keyboard.late(self.clock.now())),
        };
        let typed = match typed {
            Ok(typed) => typed,
            Err(end) => {
                self.dismissed = true;
                return Some(end);
            }
        };
        for input in typed {
            if self.take_input(input) {
                return Some(Closing::Leave);
            }
        }
        if ready.wire {
            self.take_lines();
        }
        self.wire.is_ended().then_some(Closing::Guardian)
    }

    fn take_lines(&mut self) {
        self.wire.flush();
        let now = self.clock.now();
        for line in self.wire.receive() {
            match line {
                Ok(GuardianLine { line: WatchLine::Reply { ok, text }, answers }) => {
                    self.app.take_reply(answers, ok, &text, now);
                }
                Ok(GuardianLine { mut line, .. }) => {
                    if let WatchLine::Status { processes: Some(rows), .. } = &mut line
                        && self.measurer.is_some()
                    {
                        self.command_lines.fill(rows);
                    }
                    self.app.take_line(line, now);
                }
                Err(problem) => self.app.tell(&problem, true, now),
            }
        }
        self.command.try_again();
        self.measure();
    }

    /// Takes what was measured since, and has measured what is wanted next.
    fn measure(&mut self) {
        let now = self.clock.now();
        let Some(measurer) = &mut self.measurer else { return };
        if let Some(found) = measurer.found() {
            self.app.take_found(found, now);
        }
        if !measurer.is_busy()
            && let Some(wanted) = self.app.wanted(now)
        {
            let _ = measurer.ask(wanted);
        }
    }

    fn save(&mut self) {
        let (text, bad) = match snapshot::save(self.app.live()) {
            Ok(path) => (format!("saved to {}", shown(&path)), false),
            Err(error) => (format!("{error:#}"), true),
        };
        self.app.tell(&text, bad, self.clock.now());
    }

    /// True when the user leaves.
    fn take_input(&mut self, input: Input) -> bool {
        let now = self.clock.now();
        if let Input::Mouse(mouse) = input {
            let effect = self.point(mouse);
            return self.obey(effect);
        }
        if self.app.mode == Mode::Typing {
            let effect = self.app.take_input(input, now);
            return self.obey(effect);
        }
        let meant = self.specials.meant(input.clone());
        let mut effect = self.app.take_input(meant, now);
        if let Effect::Command(passed) = &mut effect {
            // As it was typed: the command's terminal has the same special characters.
            *passed = input;
        }
        self.obey(effect)
    }

    /// What the mouse did is the command's where it asked for that, and else ours.
    fn point(&mut self, mouse: Mouse) -> Effect {
        let Some(size) = terminal::size() else { return Effect::None };
        let target = view::target(&self.app, size, (mouse.column, mouse.row));
        if let (Mode::Typing, Target::Pane { corner: (column, row) }) = (&self.app.mode, target)
            && mouse.from_corner(column, row).is_some_and(|mouse| self.command.point(mouse))
        {
            return Effect::None;
        }
        let Some(gesture) = mouse.gesture() else { return Effect::None };
        self.app.point(gesture, target, self.clock.now())
    }

    /// True when the user leaves.
    fn obey(&mut self, effect: Effect) -> bool {
        let now = self.clock.now();
        match effect {
            Effect::None => (),
            Effect::Leave => return true,
            Effect::Save => self.save(),
            Effect::Redraw => self.redraw = true,
            Effect::Suspend => self.stop = true,
            Effect::Request(line) => match self.wire.send(&self.app.workloads.addressed(line)) {
                Some(number) => self.app.sent_as(number),
                None => self.app.answer(None, "the guardian takes no requests now", false, now),
            },
            Effect::Scroll(back) => self.command.scroll(back),
            Effect::Wheel(lines, back) => self.command.scroll_lines(lines, back),
            Effect::Command(input) => self.command.type_in(&input),
        }
        false
    }

    /// Gives the command's terminal the size that it is shown in.
    fn fit_pane(&mut self) {
        let size = terminal::size();
        self.app.size = size.unwrap_or(self.app.size);
        let size = size.and_then(|(rows, columns)| view::pane_size(&self.app, rows, columns));
        if let Some((rows, columns)) = size {
            self.command.fit(rows, columns);
        }
    }

    fn wait(
        &self,
        timeout: Option<Duration>,
        front: Option<(&Keyboard, &Outlet)>,
        read_pty: bool,
    ) -> anyhow::Result<ReadySet> {
        let again = self.command.waits_for_log().then_some(LOG_AGAIN);
        let timeout = timeout.into_iter().chain(again).min();
        let pty = self.command.source().map(|(pty, open)| (pty, read_pty && open));
        ready::wait(timeout, &self.wire, &self.signals, front, pty)
    }
}
