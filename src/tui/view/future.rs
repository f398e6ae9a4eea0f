//! Where the growth leads: a dotted line from now to the limit, the time of the crossing below it. Nothing where there is no forecast.

use super::axes::{PlotPlace, put_at, row_of, whole};
use super::ink::row;
use crate::status::{State, Status};
use crate::tui::look::Look;
use crate::units::{Bytes, show_duration};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Style};
use ratatui::text::Span;
use std::time::Duration;

/// Dots of a cell: two columns of four, from the bottom (Unicode: braille patterns).
const DOTS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
/// Columns below which a time has no room.
const LEAST_AHEAD: u16 = 5;
/// Sub-columns of a cell, and sub-rows.
const ACROSS: u64 = 2;
const UP: u64 = 4;

/// From so much memory now to the limit in so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    from: Bytes,
    to: Bytes,
    in_ms: u64,
}

/// Where a workload that runs and is under its allowance gets to, if it grows.
pub fn way(status: &Status) -> Option<Way> {
    let (from, to) = (status.memory.footprint, Bytes(status.limits.allowance().value()?));
    let grows = status.state == State::Running && !status.frozen && from < to;
    let in_ms = status.forecast_ms.filter(|_| grows)?;
    Some(Way { from, to, in_ms })
}

impl Way {
    /// The footprint then; at most the limit.
    fn at(self, ms: u64) -> Bytes {
        let grown = u128::from(self.to.0 - self.from.0) * u128::from(ms.min(self.in_ms));
        let grown = grown / u128::from(self.in_ms.max(1));
        Bytes(self.from.0.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX))).min(self.to)
    }
}

/// Milliseconds that so many sub-columns stand for: as many as in the past.
fn span(place: &PlotPlace, columns: u64) -> u64 {
    let past = u64::from(place.past.width.max(1)) * ACROSS;
    place.window_ms.saturating_mul(columns) / past
}

/// Draws the boundary of now, the line and the crossing.
pub(super) fn draw(look: Look, status: &Status, place: &PlotPlace, buffer: &mut Buffer) {
    let ahead = place.ahead;
    if ahead.is_empty() {
        return;
    }
    for y in ahead.top()..ahead.bottom() {
        if let Some(cell) = buffer.cell_mut((ahead.x, y)).filter(|cell| cell.symbol() == " ") {
            cell.set_char('┊').set_style(look.dim());
        }
    }
    let Some(way) = way(status) else { return };
    let style = Style::reset().patch(look.strong(Color::Magenta));
    for n in 0..ahead.width {
        dots(way, n, place, style, buffer);
    }
    if let (Some(x), Some(n)) = (crossing(way, place), row_of(way.to, place))
        && let Some(cell) = buffer.cell_mut((ahead.x + x, row(ahead, n).y))
    {
        cell.set_char('◆').set_style(style);
    }
}

/// The cells of one column that the line goes through.
fn dots(way: Way, n: u16, place: &PlotPlace, style: Style, buffer: &mut Buffer) {
    let ahead = place.ahead;
    let rows = u64::from(ahead.height) * UP;
    let level = |ms: u64| {
        let level = u128::from(way.at(ms).0) * u128::from(rows) / u128::from(place.scale.0.max(1));
        u64::try_from(level).unwrap_or(rows).min(rows - 1)
    };
    let mut cells = vec![0u32; usize::from(ahead.height)];
    for (side, dots) in (0..).zip(DOTS) {
        let column = u64::from(n) * ACROSS + side;
        let (from, to) = (span(place, column), span(place, column + 1));
        if from > way.in_ms {
            break;
        }
        for level in level(from)..=level(to) {
            let (cell, dot) = (level / UP, level % UP);
            if let (Ok(cell), Ok(dot)) = (usize::try_from(cell), usize::try_from(dot)) {
                cells[cell] |= dots[dot];
            }
        }
    }
    for (dots, y) in cells.into_iter().zip((ahead.top()..ahead.bottom()).rev()) {
        let symbol = char::from_u32(0x2800 + dots).filter(|_| dots != 0);
        if let (Some(symbol), Some(cell)) = (symbol, buffer.cell_mut((ahead.x + n, y))) {
            cell.set_char(symbol).set_style(style);
        }
    }
}

/// The column in which the limit is reached, if it is in the picture.
fn crossing(way: Way, place: &PlotPlace) -> Option<u16> {
    (0..place.ahead.width).find(|n| span(place, (u64::from(*n) + 1) * ACROSS) > way.in_ms)
}

/// The time of the crossing below it; where that is farther, how far the picture goes.
pub(super) fn mark_time(look: Look, status: &Status, place: &PlotPlace, buffer: &mut Buffer) {
    let ahead = place.ahead;
    if ahead.width < LEAST_AHEAD || place.axis.is_empty() {
        return;
    }
    let way = way(status);
    match way.and_then(|way| Some((way, crossing(way, place)?))) {
        Some((way, x)) => {
            let text = format!("limit in {}", show_duration(Duration::from_millis(way.in_ms)));
            let area = place.axis;
            let room = area.right().saturating_sub(ahead.x + 3);
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            if length > room {
                return put_at(
                    look,
                    place,
                    (ahead.x + x, 1),
                    text.replace("limit in ", "+"),
                    buffer,
                );
            }
            let at = (ahead.x + x).saturating_sub(length / 2).max(ahead.x + 3);
            let at = at.min(area.right() - length);
            buffer.set_span(at, area.y, &Span::styled(text, look.strong(Color::Reset)), length);
        }
        None => {
            let edge = span(place, u64::from(ahead.width) * ACROSS);
            let text = format!("+{}", whole(Duration::from_secs(edge / 1000)));
            let back = u16::try_from(text.len()).unwrap_or(0);
            put_at(look, place, (ahead.right(), back), text, buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_ends_at_the_limit_at_the_time_that_is_told() {
        let way = Way { from: Bytes(10), to: Bytes(110), in_ms: 1000 };
        assert_eq!([0, 500, 1000, 9000].map(|ms| way.at(ms).0), [10, 60, 110, 110]);
        let at_once = Way { from: Bytes(0), to: Bytes(u64::MAX), in_ms: 0 };
        assert_eq!(at_once.at(u64::MAX), Bytes(0));
    }
}
