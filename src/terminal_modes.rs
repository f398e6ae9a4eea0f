//! The modes that the dashboard sets in a terminal, as escape sequences, and how they are reset: by the dashboard, or by the
//! guardian when a dashboard ended without doing so. And which terminals know none.

use ratatui::crossterm::event::DisableBracketedPaste;
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::LeaveAlternateScreen;
use ratatui::crossterm::{Command, cursor, queue};

/// Reports clicks and the wheel, or no longer (modes 1000 and 1006): crossterm's command asks for every movement as well.
#[derive(Debug)]
pub struct MouseReports(pub bool);

impl Command for MouseReports {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str(if self.0 { "\x1b[?1000h\x1b[?1006h" } else { "\x1b[?1006l\x1b[?1000l" })
    }
}

/// The sequences that reset all of them.
pub fn restoration() -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = queue!(
        bytes,
        DisableBracketedPaste,
        MouseReports(false),
        ResetColor,
        LeaveAlternateScreen,
        cursor::Show
    );
    bytes
}

/// Whether the terminal takes no escape sequences, or TERM does not say what it is.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
