//! What the mouse can point at.

use ratatui::crossterm::event::KeyEvent;

/// What is somewhere on the screen, for the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A key of the footer.
    Key(KeyEvent),
    /// This one of the list of workloads.
    Workload(usize),
    /// This row of the process table.
    Process(usize),
    /// The rest of it.
    Processes,
    /// The events.
    Events,
    /// The command's screen, whose first cell is here.
    Pane {
        /// Column and row.
        corner: (u16, u16),
    },
    /// Nothing that can be pointed at.
    Elsewhere,
}
