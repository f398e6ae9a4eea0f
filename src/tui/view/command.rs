//! The command's own screen, cell by cell, with its colours and attributes (crossterm drops colours under `NO_COLOR`).

use super::ink::head;
use super::plan::pane_inner;
use crate::tui::app::{App, Mode};
use crate::tui::pane::{Pane, SCROLLBACK};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Draws it; gives the place of the cursor while the keys go there.
pub fn draw(app: &App, pane: &Pane, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let typing = app.mode == Mode::Typing;
    let style = if typing { app.look.strong(Color::Green) } else { app.look.dim() };
    let _ = head(buffer, area, title(app, pane, typing), style);
    let inner = pane_inner(area);
    let screen = pane.screen();
    for (row, y) in (0..).zip(inner.top()..inner.bottom()) {
        for (column, x) in (0..).zip(inner.left()..inner.right()) {
            let (Some(from), Some(to)) = (screen.cell(row, column), buffer.cell_mut((x, y))) else {
                continue;
            };
            copy(from, to, x + 1 == inner.right());
        }
    }
    let (row, column) = screen.cursor_position();
    let at = Position::new(inner.x.saturating_add(column), inner.y.saturating_add(row));
    let seen = typing && !screen.hide_cursor() && screen.scrollback() == 0;
    (seen && inner.contains(at)).then_some(at)
}

fn title(app: &App, pane: &Pane, typing: bool) -> Line<'static> {
    let mut line = Line::from(super::ink::name("output"));
    if typing {
        line.push_span(" ");
        line.push_span(app.look.alarm("keys go to the command, Ctrl-] leaves", Color::Green));
    } else {
        line.push_span(Span::styled(" i types into it, z enlarges", app.look.dim()));
    }
    if pane.is_full() {
        // Older ones are gone from here.
        let kept = if app.is_logged { "the log has all" } else { "--log FILE keeps all" };
        let text = format!(" last {SCROLLBACK} lines, {kept}");
        line.push_span(Span::styled(text, app.look.dim()));
    }
    let back = pane.screen().scrollback();
    if back > 0 {
        line.push_span(Span::styled(format!(" {back} lines back"), app.look.badge(Color::Cyan)));
    }
    line
}

fn copy(from: &vt100::Cell, to: &mut Cell, last: bool) {
    // The cell after a wide character belongs to it.
    if from.is_wide_continuation() {
        return;
    }
    let text: String = from.contents().chars().filter(|c| !reorders(*c)).collect();
    match text.is_empty() || (last && from.is_wide()) {
        true => to.set_char(' '),
        false => to.set_symbol(&text),
    };
    to.set_style(style(from));
}

/// Characters that could turn the line around them, dashboard included (Unicode: bidirectional controls).
fn reorders(c: char) -> bool {
    matches!(u32::from(c), 0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069)
}

fn style(cell: &vt100::Cell) -> Style {
    let mut style = Style::reset().fg(colour(cell.fgcolor())).bg(colour(cell.bgcolor()));
    for (set, modifier) in [
        (cell.bold(), Modifier::BOLD),
        (cell.dim(), Modifier::DIM),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ] {
        if set {
            style = style.add_modifier(modifier);
        }
    }
    style
}

fn colour(colour: vt100::Color) -> Color {
    match colour {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(n) => Color::Indexed(n),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}
