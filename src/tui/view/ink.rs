//! Drawing in small: lines that fit, bars, head lines. Everything here stays within the rectangle that it is given.

use crate::escape::cut;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

/// Row `n` of `area`; empty where there is none.
pub fn row(area: Rect, n: u16) -> Rect {
    if n >= area.height {
        return Rect { height: 0, ..area };
    }
    Rect { y: area.y + n, height: 1, ..area }
}

/// Writes `line` into the first row of `area`.
pub fn put(buffer: &mut Buffer, area: Rect, line: impl Into<Line<'static>>) {
    if !area.is_empty() {
        line.into().render(area, buffer);
    }
}

/// The groups of `groups` that fit `width`, in order, `gap` columns apart. The first is always there (cut by the terminal's edge).
pub fn fit(groups: Vec<Vec<Span<'static>>>, gap: usize, width: usize) -> Line<'static> {
    let widths: Vec<usize> =
        groups.iter().map(|group| group.iter().map(Span::width).sum()).collect();
    let mut line = Line::default();
    for (group, place) in groups.into_iter().zip(places(&widths, gap, width)) {
        let Some(place) = place else { continue };
        line.push_span(" ".repeat(place - line.width()));
        line.spans.extend(group);
    }
    line
}

/// Where [`fit`] puts groups of these widths.
pub fn places(widths: &[usize], gap: usize, width: usize) -> Vec<Option<usize>> {
    let mut end = 0;
    let place = |needed: &usize| {
        let start = if end > 0 { end + gap } else { 0 };
        if *needed == 0 || (end > 0 && start + needed > width) {
            return None;
        }
        end = start + needed;
        Some(start)
    };
    widths.iter().map(place).collect()
}

/// `text` in at most `rows` rows of at most `width` columns, broken between words where that is possible; the last is cut.
pub fn wrap(text: &str, width: usize, rows: usize) -> Vec<String> {
    let mut wrapped = Vec::new();
    let mut rest = text;
    while wrapped.len() + 1 < rows && Span::raw(rest).width() > width {
        let fits = cut(rest, width + 1);
        let fits = fits.trim_end_matches('…');
        let whole = rest[fits.len()..].starts_with(' ').then_some(fits.len());
        let Some(space) = whole.or_else(|| fits.rfind(' ').filter(|space| *space > 0)) else {
            break;
        };
        wrapped.push(rest[..space].to_owned());
        rest = rest[space..].trim_start();
    }
    wrapped.push(cut(rest, width));
    wrapped
}

/// How many of `cells` cells `value` fills where `whole` fills all.
pub fn cells(value: u64, whole: u64, cells: usize) -> usize {
    let filled = u128::from(value) * cells as u128 / u128::from(whole.max(1));
    usize::try_from(filled).unwrap_or(cells).min(cells)
}

/// Eighths of a cell, from the left.
const ACROSS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
/// Eighths of a cell, from the bottom.
const UPWARDS: [char; 8] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];

/// Cell `n` of a bar that is filled by so many eighths.
pub fn across(eighths: usize, n: usize) -> char {
    part(eighths, n, ACROSS)
}

/// Cell `n` from the bottom of a column that is filled by so many eighths.
pub fn upwards(eighths: usize, n: usize) -> char {
    part(eighths, n, UPWARDS)
}

fn part(eighths: usize, n: usize, parts: [char; 8]) -> char {
    match eighths.saturating_sub(n * 8) {
        8.. => '█',
        rest => parts[rest],
    }
}

/// A panel's head line: a rule with a title; gives what is below it.
pub fn head(buffer: &mut Buffer, area: Rect, title: Line<'static>, style: Style) -> Rect {
    let line = row(area, 0);
    let rule = "─".repeat(usize::from(line.width));
    put(buffer, line, Span::styled(rule, style));
    let mut padded = Line::from(" ").spans;
    padded.extend(title.spans);
    padded.push(Span::raw(" "));
    let padded = Line::from(padded).style(Style::reset());
    let width = u16::try_from(padded.width()).unwrap_or(u16::MAX);
    let width = width.min(line.width.saturating_sub(3));
    put(buffer, Rect { x: line.x + line.width.min(2), width, ..line }, padded);
    Rect { y: area.y + line.height, height: area.height - line.height, ..area }
}

/// A panel's name.
pub fn name(text: &str) -> Span<'static> {
    Span::styled(text.to_owned(), Style::new().add_modifier(Modifier::BOLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7, 3), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three …"]);
        assert_eq!(wrap("path/without/space and", 7, 3), ["path/w…"]);
        assert_eq!(wrap("", 0, 3), [""]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_as_a_whole() {
        let groups = ["one", "twenty", "six"].map(|text| vec![Span::raw(text)]);
        assert_eq!(fit(groups.to_vec(), 2, 9).to_string(), "one  six");
    }

    #[test]
    fn bars_do_not_overflow() {
        assert_eq!(cells(u64::MAX, 1, 10), 10);
        assert_eq!(cells(5, 0, 10), 10);
        let bar: String = (0..4).map(|n| across(20, n)).collect();
        assert_eq!(bar, "██▌ ");
    }
}
