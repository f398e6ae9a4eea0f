//! The rungs: warn, TERM, KILL, the present one lit, with the countdown and the reason once the workload is being ended.

use super::gauge::percent;
use super::ink::{cells, cut, put};
use crate::status::{State, Status};
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::{Bytes, show_duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Defaults of the warn rung: percent of the limit, and a forecast in milliseconds.
const WARN_PERCENT: u64 = 80;
const WARN_FORECAST_MS: u64 = 10_000;
/// Cells of the countdown.
const COUNTDOWN: usize = 10;

const LEAST_REASON: usize = 16;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(status) = app.picture().status.as_deref() else { return };
    let look = app.look;
    let wide = area.width >= 60;
    let mut line = Line::default();
    rung(&mut line, look, "warn", Color::Yellow, is_warned(status));
    line.push_span(Span::styled(if wide { " ──── " } else { " ─ " }, look.dim()));
    let told = status.state != State::Running;
    rung(&mut line, look, "TERM", Color::Yellow, told);
    line.push_span(Span::styled(if wide { " ──── " } else { " ─ " }, look.dim()));
    rung(&mut line, look, "KILL", Color::Red, status.state == State::Killing);
    tail(&mut line, look, status, wide);
    reason(&mut line, look, status, usize::from(area.width));
    put(buffer, area, line);
}

fn rung(line: &mut Line<'static>, look: Look, name: &'static str, colour: Color, lit: bool) {
    let (mark, style) = if lit { ("● ", look.strong(colour)) } else { ("○ ", look.dim()) };
    line.push_span(Span::styled(mark, style));
    line.push_span(Span::styled(name, style));
}

fn is_warned(status: &Status) -> bool {
    status.state != State::Running
        || percent(status.memory.footprint, status.limits.limit) >= WARN_PERCENT
        || status.forecast_ms.is_some_and(|ms| ms < WARN_FORECAST_MS)
}

fn tail(line: &mut Line<'static>, look: Look, status: &Status, wide: bool) {
    match (status.state, status.kill_in_ms) {
        (State::Terminating, Some(left)) => {
            countdown(line, look, left, status.limits.grace_ms, wide)
        }
        (State::Running, _) => {
            let grace = show_duration(Duration::from_millis(status.limits.grace_ms));
            line.push_span(Span::styled(format!("   grace {grace}"), look.dim()));
            let room = status.limits.limit.saturating_sub(status.memory.footprint);
            if room > Bytes(0) {
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
    let text = format!(" in {}", show_duration(Duration::from_millis(left)));
    line.push_span(Span::styled(text, look.strong(Color::Red)));
    if wide {
        let full = cells(left, grace, COUNTDOWN);
        line.push_span(" ");
        line.push_span(Span::styled("█".repeat(full), look.fg(Color::Red)));
        line.push_span(Span::styled("─".repeat(COUNTDOWN - full), look.dim()));
    }
}
