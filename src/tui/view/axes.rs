//! The axes of the plot: where its parts are, which row a value has, and how times are written below it.

use super::ink::{cells, put};
use crate::tui::look::Look;
use crate::units::{Bytes, show_duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use std::time::Duration;

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlotPlace {
    /// Curve of the past.
    pub past: Rect,
    /// What is ahead.
    pub ahead: Rect,
    /// Names and values of the lines.
    pub labels: Rect,
    /// Times below both, if there is room.
    pub axis: Rect,
    /// What the full height is.
    pub scale: Bytes,
    /// What the width of the past is.
    pub window_ms: u64,
}

/// A time of whole seconds or minutes, as people say it.
pub(super) fn whole(time: Duration) -> String {
    let text = show_duration(time);
    let text = text.trim_end_matches("00s");
    text.strip_suffix(".0s").map_or(text.to_owned(), |seconds| format!("{seconds}s"))
}

/// The row of a value, from the top, if it is in the picture.
pub(super) fn row_of(value: Bytes, place: &PlotPlace) -> Option<u16> {
    let height = place.past.height;
    let from_bottom = cells(value.0, place.scale.0, usize::from(height));
    let from_bottom = u16::try_from(from_bottom).ok()?.min(height.checked_sub(1)?);
    Some(height - 1 - from_bottom)
}

/// Writes a time into the axis so that column `back` of it is at `x`.
pub(super) fn put_at(
    look: Look,
    place: &PlotPlace,
    (x, back): (u16, u16),
    text: String,
    buffer: &mut Buffer,
) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX).min(place.axis.width);
    let last = place.axis.right().saturating_sub(length);
    let x = x.saturating_sub(back).clamp(place.axis.x, last.max(place.axis.x));
    let area = Rect { x, width: length, ..place.axis };
    put(buffer, area, Span::styled(text, look.dim()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_whole_units() {
        for (seconds, expected) in
            [(30, "30s"), (15, "15s"), (60, "1m"), (150, "2m30s"), (300, "5m")]
        {
            assert_eq!(whole(Duration::from_secs(seconds)), expected);
        }
    }
}
