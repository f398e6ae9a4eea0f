//! The footprint over the last minutes as a filled curve, the lines across it.

use super::gauge::{lines, tone, top};
use super::ink::{cells, head, name, put, row, upwards};
use crate::status::Status;
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::{Bytes, show_duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Columns of the labels on the right, without the space before them.
const LABELS: u16 = 18;
/// Below this width labels carry numbers alone.
const NAMES: u16 = 60;
const SHORT_LABELS: u16 = 8;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let picture = app.picture();
    if area.height < 2 {
        return;
    }
    let window = show_duration(Duration::from_millis(picture.history.window_ms()));
    let window = window.trim_end_matches("00s").replace(".0s", "s");
    let title = Line::from(vec![
        name("footprint"),
        Span::styled(format!(" last {window}"), app.look.dim()),
    ]);
    let inner = head(buffer, area, title, app.look.dim());
    let Some(status) = picture.status.as_deref() else { return };
    let scale = top(status).max(picture.history.highest());
    let scale = Bytes(scale.0.saturating_add(scale.0 / 20));
    let labels = if inner.width >= NAMES { LABELS } else { SHORT_LABELS };
    let labels = if inner.width > labels * 2 { labels + 1 } else { 0 };
    let plot = Rect { width: inner.width - labels, ..inner };
    let columns = picture.history.columns(usize::from(plot.width));
    for (x, value) in (plot.left()..plot.right()).zip(columns) {
        if let Some(value) = value {
            column(app.look, status, (x, value, scale), plot, buffer);
        }
    }
    let right = Rect { x: plot.right(), width: labels, ..inner };
    rules(app.look, status, scale, (plot, right), buffer);
}

fn column(look: Look, status: &Status, at: (u16, Bytes, Bytes), plot: Rect, buffer: &mut Buffer) {
    let (x, value, scale) = at;
    let eighths = cells(value.0, scale.0, usize::from(plot.height) * 8).max(1);
    let style = look.fg(tone(value, &status.limits));
    for (n, y) in (plot.top()..plot.bottom()).rev().enumerate() {
        let part = upwards(eighths, n);
        if let Some(cell) = buffer.cell_mut((x, y)).filter(|_| part != ' ') {
            cell.set_char(part).set_style(style);
        }
    }
}

/// The lowest line first: where two share a row the limit is seen.
fn rules(
    look: Look,
    status: &Status,
    scale: Bytes,
    (plot, right): (Rect, Rect),
    buffer: &mut Buffer,
) {
    let mut taken: Vec<u16> = Vec::new();
    for (_, colour, label, value) in lines(status) {
        let from_bottom = cells(value.0, scale.0, usize::from(plot.height));
        let from_bottom =
            u16::try_from(from_bottom).unwrap_or(0).min(plot.height.saturating_sub(1));
        let n = plot.height.saturating_sub(1) - from_bottom;
        if taken.contains(&n) {
            continue;
        }
        taken.push(n);
        rule(look, colour, row(plot, n), buffer);
        let named = usize::from(right.width) > usize::from(SHORT_LABELS) + 1;
        let text = if named { format!("{label} {value}") } else { value.to_string() };
        put(buffer, row(right, n), format!(" {text}"));
    }
}

fn rule(look: Look, colour: Color, area: Rect, buffer: &mut Buffer) {
    for x in area.left()..area.right() {
        let Some(cell) = buffer.cell_mut((x, area.y)) else { continue };
        match cell.symbol() {
            "█" if look.colour => {
                let ground = cell.fg;
                cell.set_char('╌').set_fg(Color::Black).set_bg(ground);
            }
            // The curve's edge says more than the line behind it.
            symbol if symbol != " " => (),
            _ => {
                cell.set_char('╌').set_style(look.fg(colour));
            }
        }
    }
}
