//! Memory over the last minutes as a filled curve, the lines across it, and to the right of now where the growth leads.

use super::axes::{PlotPlace, put_at, row_of, whole};
use super::future;
use super::gauge::{lines, tone, top};
use super::ink::{cells, fit, head, name, put, row, upwards};
use crate::status::Status;
use crate::tui::app::App;
use crate::tui::history::SlotPeak;
use crate::tui::look::Look;
use crate::units::Bytes;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Columns of the labels on the right, without the space before them.
const LABELS: u16 = 18;
/// Below this width labels carry numbers alone.
const NAMES: u16 = 60;
const SHORT_LABELS: u16 = 8;
/// One of so many columns is for what is ahead.
const AHEAD: u16 = 4;
/// Below this width there is none.
const LEAST_PAST: u16 = 20;
/// Rows from which on one is given to the time axis.
const WITH_AXIS: u16 = 4;
/// How far the scale goes beyond the highest line, in quarters of it, where the curve is higher.
const STEPS: [u64; 10] = [5, 6, 8, 10, 12, 16, 24, 32, 64, 128];

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let picture = app.picture();
    if area.height < 2 {
        return;
    }
    let inner = head(buffer, area, title(app, usize::from(area.width)), app.look.dim());
    let Some(status) = picture.status.as_deref() else { return };
    let scale = scale(top(status), picture.history.highest());
    let place = place(inner, scale, picture.history.window_ms());
    let columns = picture.history.columns(usize::from(place.past.width));
    for (x, level) in (place.past.left()..place.past.right()).zip(columns) {
        if let Some(level) = level {
            column(app.look, status, (x, level), &place, buffer);
        }
    }
    rules(app.look, status, &place, buffer);
    future::draw(app.look, status, &place, buffer);
    axis(app.look, &place, buffer);
    future::mark_time(app.look, status, &place, buffer);
}

fn title(app: &App, width: usize) -> Line<'static> {
    let look = app.look;
    let said = |text: String| vec![Span::styled(text, look.dim())];
    let mut groups = vec![vec![name("memory")]];
    let window = Duration::from_millis(app.picture().history.window_ms());
    groups.push(said(format!("last {}", whole(window))));
    groups.push(vec![
        Span::styled("█", look.fg(Color::Green)),
        Span::styled(" footprint ", look.dim()),
        Span::styled("░ cache", look.dim()),
    ]);
    if app.picture().status.as_deref().is_some_and(|status| status.memory.swapped() > Bytes(0)) {
        groups.push(said("▞ swap".to_owned()));
    }
    if app.picture().status.as_deref().is_some_and(|status| future::way(status).is_some()) {
        groups.push(said("⠒ forecast".to_owned()));
    }
    fit(groups, 1, width.saturating_sub(6))
}

/// A little over the highest line, and where the curve is higher in steps, so that it seldom changes.
fn scale(top: Bytes, highest: Bytes) -> Bytes {
    let room = |bytes: Bytes| Bytes(bytes.0.saturating_add(bytes.0 / 20).max(1));
    if highest <= top {
        return room(top);
    }
    let step = |quarters: u64| Bytes((top.0 / 4).saturating_mul(quarters));
    room(STEPS.into_iter().map(step).find(|step| *step >= highest).unwrap_or(highest))
}

fn place(inner: Rect, scale: Bytes, window_ms: u64) -> PlotPlace {
    let labels = if inner.width >= NAMES { LABELS } else { SHORT_LABELS };
    let labels = if inner.width > labels * 2 { labels + 1 } else { 0 };
    let axis_rows = u16::from(inner.height >= WITH_AXIS);
    let axis = Rect { y: inner.bottom() - axis_rows, height: axis_rows, ..inner };
    let height = inner.height - axis_rows;
    let width = inner.width - labels;
    let ahead = if width >= LEAST_PAST { width / AHEAD } else { 0 };
    let past = Rect { width: width - ahead, height, ..inner };
    PlotPlace {
        past,
        ahead: Rect { x: past.right(), width: ahead, ..past },
        labels: Rect { x: past.right() + ahead, width: labels, ..past },
        axis,
        scale,
        window_ms,
    }
}

fn column(
    look: Look,
    status: &Status,
    at: (u16, SlotPeak),
    place: &PlotPlace,
    buffer: &mut Buffer,
) {
    let (x, level) = at;
    let plot = place.past;
    let rows = usize::from(plot.height);
    let high = |bytes: Bytes| cells(bytes.0, place.scale.0, rows * 8);
    let held = level.footprint.saturating_sub(level.swapped);
    let eighths = high(held).max(1);
    let with_swap = high(level.footprint);
    let with_cache = high(level.current.saturating_add(level.swapped));
    // Less than a row of cache would come and go as the curve moves.
    let with_cache = if with_cache >= with_swap.max(1) + 8 { with_cache.div_ceil(8) } else { 0 };
    let with_swap = if level.swapped > Bytes(0) { with_swap.div_ceil(8) } else { 0 };
    let style = look.fg(tone(level.footprint, &status.limits));
    for (n, y) in (plot.top()..plot.bottom()).rev().enumerate() {
        let Some(cell) = buffer.cell_mut((x, y)) else { continue };
        match upwards(eighths, n) {
            ' ' if n < with_swap => cell.set_char('▞').set_style(style),
            ' ' if n < with_cache => cell.set_char('░').set_style(look.dim()),
            ' ' => continue,
            part => cell.set_char(part).set_style(style),
        };
    }
}

/// The lowest line first: where two share a row the limit is seen.
fn rules(look: Look, status: &Status, place: &PlotPlace, buffer: &mut Buffer) {
    let mut taken: Vec<u16> = Vec::new();
    let width = place.past.width + place.ahead.width;
    for (_, colour, label, value) in lines(status) {
        let Some(n) = row_of(value, place).filter(|n| !taken.contains(n)) else { continue };
        taken.push(n);
        rule(look, colour, row(Rect { width, ..place.past }, n), buffer);
        let named = place.labels.width > SHORT_LABELS + 1;
        let text = if named { format!("{label} {value}") } else { value.to_string() };
        put(buffer, row(place.labels, n), format!(" {text}"));
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
            " " | "░" | "▞" => {
                cell.set_char('╌').set_style(Style::reset().patch(look.fg(colour)));
            }
            // The curve's edge says more than the line behind it.
            _ => (),
        }
    }
}

/// The times of the left edge, the middle and now.
fn axis(look: Look, place: &PlotPlace, buffer: &mut Buffer) {
    if place.axis.is_empty() {
        return;
    }
    let ago = |ms: u64| format!("-{}", whole(Duration::from_millis(ms)));
    let past = place.past;
    let now = past.right().saturating_sub(1);
    put_at(look, place, (past.x, 0), ago(place.window_ms), buffer);
    if past.width >= 30 {
        put_at(look, place, (past.x + past.width / 2, 2), ago(place.window_ms / 2), buffer);
    }
    if past.width >= 12 {
        put_at(look, place, (now, 2), "now".to_owned(), buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_stands_still_below_the_lines_and_goes_in_steps_above() {
        let top = Bytes::mib(100);
        let scales: Vec<_> = (0..=400).map(|mib| scale(top, Bytes::mib(mib))).collect();
        assert!(scales[..=100].iter().all(|scale| *scale == Bytes::mib(105)));
        assert!(scales.windows(2).all(|pair| pair[0] <= pair[1]));
        let mut distinct = scales.clone();
        distinct.dedup();
        assert!(distinct.len() <= 8, "{distinct:?}");
        assert!((0..).zip(&scales).all(|(mib, scale)| *scale >= Bytes::mib(mib)));
        assert!(scale(Bytes(0), Bytes(u64::MAX)) >= Bytes(1));
    }
}
