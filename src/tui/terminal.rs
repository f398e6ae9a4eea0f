//! The real terminal: raw mode and the alternate screen for as long as a [`Guard`] lives, and as before afterwards, also when
//! something panics. A dashboard that leaves a broken terminal behind is worse than none.

use super::outlet::{self, Outlet};
use crate::sys::terminal::{is_foreground, read_at_once};
use crate::terminal_modes::{MouseReports, restoration};
use anyhow::Context as _;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::termios::{FlushArg, tcflush};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::EnableBracketedPaste;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, queue};
use std::cell::Cell;
use std::io::{stdin, stdout};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};

/// The terminal that the dashboard draws on.
pub type Screen = Terminal<CrosstermBackend<Outlet>>;

/// True while the terminal is not as it was found: there is one terminal, so one flag.
static CHANGED: AtomicBool = AtomicBool::new(false);

/// Restores the terminal when dropped.
#[derive(Debug)]
#[must_use]
pub struct Guard<'o>(&'o Outlet);

impl<'o> Guard<'o> {
    /// Raw mode, the alternate screen, pastes marked, the cursor hidden.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn enter(outlet: &'o Outlet) -> anyhow::Result<Self> {
        let guard = Guard(outlet);
        change(outlet)?;
        Ok(guard)
    }

    /// The terminal is as it was found while `away` runs. False where it stays so: it is somebody else's now.
    ///
    /// # Errors
    /// When the terminal refuses afterwards.
    pub fn step_aside(&self, away: impl FnOnce()) -> anyhow::Result<bool> {
        self.0.discard();
        restore();
        away();
        let ours = is_foreground(stdin());
        if ours {
            change(self.0)?;
        }
        Ok(ours)
    }
}

fn change(outlet: &Outlet) -> anyhow::Result<()> {
    CHANGED.store(true, Ordering::SeqCst);
    enable_raw_mode().context("set the terminal to raw mode")?;
    read_at_once(stdin()).context("set the terminal to raw mode")?;
    queue!(
        outlet.clone(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        MouseReports(true),
        cursor::Hide
    )
    .and_then(|()| outlet.advance())
    .context("enter the alternate screen")
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.discard();
        restore();
    }
}

/// Puts the terminal back, once. Errors are left alone: a terminal that has gone needs nothing.
fn restore() {
    if !CHANGED.swap(false, Ordering::SeqCst) {
        return;
    }
    if outlet::take_behind() {
        // Frames that it did not show yet would be shown first, however slowly.
        let _ = tcflush(stdout(), FlushArg::TCOFLUSH);
    }
    let _ = Outlet::open().map(|outlet| outlet.deliver(&restoration(), None));
    let quiet = SigSet::from(Signal::SIGTTOU).thread_swap_mask(SigmaskHow::SIG_BLOCK);
    // Once it is somebody else's (the guardian was killed, its shell goes on), the modes are theirs too.
    if is_foreground(stdin()) {
        let _ = disable_raw_mode();
        // Keys typed for the dashboard are not for the shell that comes next. Behind the modes: none is typed in between.
        let _ = tcflush(stdin(), FlushArg::TCIFLUSH);
    }
    let _ = quiet.map(|before| before.thread_set_mask());
}

/// From now on a panic restores the terminal first, so that its message can be read.
pub fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !CONTAINED.get() {
            restore();
            before(info);
        }
    }));
}

thread_local! {
    /// A panic now ends nothing and is not to be seen.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs something that may panic; `None` when it did. What it worked on must not be used any more then.
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    CONTAINED.set(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(false);
    result.ok()
}

/// What to draw on.
///
/// # Errors
/// When the terminal's size cannot be read.
pub fn screen(outlet: &Outlet) -> anyhow::Result<Screen> {
    let backend = CrosstermBackend::new(outlet.clone());
    Terminal::new(backend).context("read the size of the terminal")
}

/// Draws all of the next frame, whatever the terminal shows.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn begin_anew(screen: &mut Screen) -> anyhow::Result<()> {
    let size = screen.size().context("read the size of the terminal")?;
    screen.resize(size.into()).context("clear the terminal")
}

/// Makes the screen empty, for somebody who draws only what differs from that.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn wipe(outlet: &Outlet) -> anyhow::Result<()> {
    queue!(outlet.clone(), Clear(ClearType::All)).context("clear the terminal")
}

/// Rows and columns of the terminal, if it has any.
pub fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
