//! What happened, newest at the bottom.

use super::ink::{cut, head, name, put, row};
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
    let shown = events.range(end.saturating_sub(height)..end);
    for (n, event) in (0..inner.height).zip(shown) {
        put(buffer, row(inner, n), line(app.look, event, usize::from(inner.width)));
    }
}

fn line(look: Look, event: &EventLine, width: usize) -> Line<'static> {
    let time = show_duration(Duration::from_millis(event.at_ms));
    let mark = match event.level {
        Level::Info => "·",
        Level::Warning => "!",
        Level::Error => "✗",
    };
    let style = look.level(event.level);
    let mut line = Line::from(Span::styled(format!("{time:>7} "), look.dim()));
    line.push_span(Span::styled(format!("{mark} "), style));
    let text = cut(&event.text, width.saturating_sub(line.width()));
    line.push_span(Span::styled(text, style));
    line
}
