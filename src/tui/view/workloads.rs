//! The list of a guardian's workloads, at the left: each with its share of its limit.

use super::ink::{head, name, put, row};
use crate::escape::cut;
use crate::status::State;
use crate::tui::app::App;
use crate::tui::workloads::WorkloadLine;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Columns of it, and the least that the rest must have beside it.
const WIDTH: u16 = 28;
const REST: u16 = 72;
/// `100%`, and a space before it.
const SHARE: usize = 5;

/// The list's place and that of the rest; none where there is no choice, or no room.
pub fn beside(app: &App, area: Rect) -> (Rect, Rect) {
    if !app.workloads.are_several() || area.width < WIDTH + 1 + REST || area.height < 5 {
        return (Rect::default(), area);
    }
    let rest = Rect { x: area.x + WIDTH + 1, width: area.width - WIDTH - 1, ..area };
    // The footer has the whole width.
    (Rect { width: WIDTH, height: area.height - 1, ..area }, rest)
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let count = app.workloads.count();
    let title = Line::from(vec![name("workloads"), Span::raw(format!(" {count}"))]);
    let rows = head(buffer, area, title, app.look.dim());
    let shown = app.workloads.place();
    let first = first_row(shown, usize::from(rows.height));
    let lines = app.workloads.lines().enumerate().skip(first);
    for (n, (place, (name, line))) in (0..rows.height).zip(lines) {
        put(buffer, row(rows, n), line_of(app, name, line, place == shown, rows.width));
    }
}

fn line_of(app: &App, name: &str, line: &WorkloadLine, shown: bool, width: u16) -> Line<'static> {
    let room = usize::from(width).saturating_sub(SHARE + 1);
    let name = cut(name, room);
    let gap = " ".repeat(room.saturating_sub(Span::raw(name.as_str()).width()));
    let share = line.footprint.0.saturating_mul(100) / line.limit.0.max(1);
    let (text, style) = match line.state {
        State::Terminating => ("TERM".to_owned(), app.look.strong(Color::Yellow)),
        State::Killing => ("KILL".to_owned(), app.look.strong(Color::Red)),
        State::Ended => ("gone".to_owned(), app.look.dim()),
        State::Starting | State::Running if line.frozen => {
            ("ice".to_owned(), app.look.fg(Color::Blue))
        }
        State::Starting | State::Running => (format!("{share}%"), Style::new()),
    };
    let mark = if shown { "▸" } else { " " };
    let emphasis = if shown { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    Line::from(vec![
        Span::styled(format!("{mark}{name}{gap}"), emphasis),
        Span::styled(format!("{text:>SHARE$}"), style),
    ])
}

/// The one that is shown is seen.
fn first_row(shown: usize, height: usize) -> usize {
    shown.saturating_sub(height.saturating_sub(1))
}

/// The place of the workload in this row of the screen.
pub fn place_at(app: &App, area: Rect, y: u16) -> Option<usize> {
    let n = usize::from(y.checked_sub(area.y + 1)?);
    let height = usize::from(area.height.saturating_sub(1));
    let place = first_row(app.workloads.place(), height) + n;
    (n < height && place < app.workloads.count()).then_some(place)
}
