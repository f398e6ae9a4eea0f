//! What happened, newest at the bottom.

use super::ink::{head, name, put, row, wrap};
use crate::status::{EventLine, Level};
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::show_duration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let events = &app.picture().events;
    let mut title = Line::from(name("events"));
    if app.events_back > 0 {
        title.push_span(Span::styled(format!(" {} newer below", app.events_back), app.look.dim()));
    }
    let inner = head(buffer, area, title, app.look.dim());
    let height = usize::from(inner.height);
    let end = events.len().saturating_sub(app.events_back).max(height.min(events.len()));
    let mut shown = Vec::with_capacity(height);
    // From the newest on, as many as there is room for.
    for event in events.range(..end).rev() {
        let lines = lines(app.look, event, usize::from(inner.width), rows_of_one(height));
        if shown.len() + lines.len() > height && !shown.is_empty() {
            break;
        }
        shown.extend(lines.into_iter().rev());
    }
    for (n, line) in (0..inner.height).zip(shown.into_iter().rev()) {
        put(buffer, row(inner, n), line);
    }
}

/// A long one is cut where it would push others out.
fn rows_of_one(height: usize) -> usize {
    (height / 4).clamp(1, 4)
}

fn lines(look: Look, event: &EventLine, width: usize, most: usize) -> Vec<Line<'static>> {
    let time = time(event.at_ms);
    let mark = match event.level {
        Level::Info => "·",
        Level::Warning => "!",
        Level::Error => "✗",
    };
    let (mark_style, style) = look.level(event.level);
    let mut line = Line::from(Span::styled(format!("{time:>7} "), look.dim()));
    line.push_span(Span::styled(mark, mark_style));
    line.push_span(" ");
    let margin = line.width();
    let mut texts = wrap(&event.text, width.saturating_sub(margin), most).into_iter();
    line.push_span(Span::styled(texts.next().unwrap_or_default(), style));
    let rest = texts.map(|text| Line::styled(" ".repeat(margin) + &text, style));
    std::iter::once(line).chain(rest).collect()
}

/// In the first second as later, so that the column reads as one.
fn time(at_ms: u64) -> String {
    match at_ms {
        0..1000 => format!("0.{}s", at_ms / 100),
        _ => show_duration(Duration::from_millis(at_ms)),
    }
}
