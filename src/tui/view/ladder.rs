//! The rungs: warn, TERM, KILL, the present one lit, with the countdown and the reason once the workload is being ended.

use super::ink::{cells, put};
use crate::escape::cut;
use crate::report::text::breach_left;
use crate::status::{State, Status};
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::{Bytes, show_duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use std::time::Duration;

/// The rungs, lowest first.
const RUNGS: [(&str, Color); 3] =
    [("warn", Color::Yellow), ("TERM", Color::Yellow), ("KILL", Color::Red)];
/// Cells of the countdown.
const COUNTDOWN: usize = 10;

/// Columns below which a reason tells nothing.
const LEAST_REASON: usize = 16;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(status) = app.picture().status.as_deref() else { return };
    let look = app.look;
    let wide = area.width >= 60;
    let mut line = Line::default();
    let (present, fired) = (present(status), app.picture().fired);
    for (n, (name, colour)) in RUNGS.into_iter().enumerate() {
        if n > 0 {
            line.push_span(Span::styled(if wide { "──── " } else { "─ " }, look.dim()));
        }
        let here = present == Some(n);
        rung(&mut line, (name, here || fired[n]), style(look, colour, here, fired[n]));
    }
    tail(&mut line, look, status, wide);
    reason(&mut line, look, status, usize::from(area.width));
    put(buffer, area, line);
}

/// The rung that the workload is at.
fn present(status: &Status) -> Option<usize> {
    match status.state {
        State::Starting | State::Running => status.warned.then_some(0),
        State::Terminating => Some(1),
        State::Killing => Some(2),
        State::Ended => None,
    }
}

/// The rung that the workload is at stands out; those that fired before are lit.
fn style(look: Look, colour: Color, here: bool, fired: bool) -> Style {
    match (here, fired) {
        (true, _) => look.badge(colour),
        (false, true) => Style::new().add_modifier(Modifier::BOLD),
        (false, false) => look.dim(),
    }
}

fn rung(line: &mut Line<'static>, (name, lit): (&'static str, bool), style: Style) {
    let mark = if lit { '●' } else { '○' };
    line.push_span(Span::styled(format!("{mark} {name}"), style));
    line.push_span(" ");
}

fn tail(line: &mut Line<'static>, look: Look, status: &Status, wide: bool) {
    match (status.state, status.kill_in_ms) {
        (State::Terminating, Some(left)) => {
            countdown(line, look, left, status.limits.grace_ms, wide)
        }
        (State::Starting | State::Running, _) if status.breach_left_ms.is_some() => {
            let text = breach_left(status).unwrap_or_default();
            line.push_span(Span::styled(format!("  {text}"), look.strong(Color::Red)));
        }
        (State::Starting | State::Running, _) => {
            let grace = show_duration(Duration::from_millis(status.limits.grace_ms));
            line.push_span(Span::styled(format!("  grace {grace}"), look.dim()));
            let end = status.limits.allowance().value();
            let room = end.map(|end| Bytes(end).saturating_sub(status.memory.footprint));
            if let Some(room) = room.filter(|room| *room > Bytes(0)) {
                line.push_span(Span::styled(format!("   {room} to the limit"), look.dim()));
            }
        }
        (State::Terminating | State::Killing | State::Ended, _) => (),
    }
}

/// Left out where only a scrap of it would be seen.
fn reason(line: &mut Line<'static>, look: Look, status: &Status, width: usize) {
    let room = width.saturating_sub(line.width() + 3);
    if let Some(reason) = status.reason.as_deref().filter(|_| room >= LEAST_REASON) {
        line.push_span("   ");
        line.push_span(Span::styled(cut(reason, room), look.strong(Color::Red)));
    }
}

fn countdown(line: &mut Line<'static>, look: Look, left: u64, grace: u64, wide: bool) {
    let text = format!("in {}", show_duration(Duration::from_millis(left)));
    line.push_span(Span::styled(text, look.strong(Color::Red)));
    if wide {
        let full = cells(left, grace, COUNTDOWN);
        line.push_span(" ");
        line.push_span(Span::styled("█".repeat(full), look.fg(Color::Red)));
        line.push_span(Span::styled("─".repeat(COUNTDOWN - full), look.dim()));
    }
}
