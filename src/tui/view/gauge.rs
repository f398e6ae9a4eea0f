//! Memory against its lines: numbers, a bar with the lines marked, and what the marks mean.

use super::ink::{across, cells, fit, put, row};
use crate::report::words;
use crate::status::{Limits, State, Status, Tier};
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::{Bytes, Limit, show_duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use std::time::Duration;

/// Percent of the limit from which it is getting tight.
const TIGHT: u64 = 80;
/// A forecast of more is left out.
const FAR: Duration = Duration::from_secs(600);

/// The colour for so much memory: green, yellow when it gets tight, red from the limit on.
pub fn tone(value: Bytes, limits: &Limits) -> Color {
    match limits.share(value) {
        // Swap without end: there is no share, and thrash alone is a danger.
        None | Some(0..TIGHT) => Color::Green,
        Some(TIGHT..100) => Color::Yellow,
        Some(100..) => Color::Red,
    }
}

/// A line of the limits: its mark, colour, name and value.
pub type LineMark = (char, Color, &'static str, Bytes);

/// The lines that are there, lowest first, as they look everywhere. Without a memory controller nothing enforces a ceiling.
pub fn lines(status: &Status) -> impl DoubleEndedIterator<Item = LineMark> + use<> {
    let limits = &status.limits;
    let enforced = matches!(status.tier, Tier::Kernel | Tier::Observed);
    let ceiling = enforced.then_some(('▐', Color::Magenta, "ceiling", limits.ceiling));
    let room = limits.swap_room != Limit::At(0);
    let with_swap = limits.allowance().value().filter(|_| room);
    let with_swap = with_swap.map(|line| ('╎', Color::Yellow, "with swap", Bytes(line)));
    let mut lines = vec![
        ('│', Color::Yellow, "limit", limits.limit),
        ('┃', Color::Red, "second line", limits.second_line),
    ];
    lines.extend(ceiling.into_iter().chain(with_swap));
    lines.sort_by_key(|(.., value)| *value);
    lines.into_iter()
}

/// The highest line.
pub fn top(status: &Status) -> Bytes {
    lines(status).next_back().map_or(status.limits.limit, |(.., value)| value)
}

/// What a full bar is: the limit with the room that swap gives; where that has no end, the limit.
pub fn whole(limits: &Limits) -> Bytes {
    limits.allowance().value().map_or(limits.limit, Bytes)
}

/// Draws as much of it as there are rows; all numbers where no other panel has them.
pub fn draw(app: &App, area: Rect, all: bool, buffer: &mut Buffer) {
    let Some(status) = app.picture().status.as_deref() else { return };
    match area.height {
        0 => (),
        1 => one_row(app.look, status, area, buffer),
        _ => {
            numbers(app.look, status, row(area, 0), all, buffer);
            let thick = area.height.saturating_sub(2).max(1);
            for n in 1..=thick {
                bar(app.look, status, row(area, n), buffer);
            }
            legend(app.look, status, row(area, thick + 1), buffer);
        }
    }
}

fn one_row(look: Look, status: &Status, area: Rect, buffer: &mut Buffer) {
    let text = headline(look, status);
    let width = u16::try_from(text.width() + 1).unwrap_or(u16::MAX);
    put(buffer, area, text);
    let width = width.min(area.width);
    bar(look, status, Rect { x: area.x + width, width: area.width - width, ..area }, buffer);
}

fn headline(look: Look, status: &Status) -> Span<'static> {
    let (footprint, limits) = (status.memory.footprint, &status.limits);
    let share = limits.share(footprint).map_or_else(String::new, |share| format!(" {share}%"));
    let text = format!("{footprint} of {}{share}", words::limit(limits.limit, limits.swap_room));
    let tone = tone(footprint, &status.limits);
    if tone == Color::Green {
        return Span::styled(text, Style::new().add_modifier(Modifier::BOLD));
    }
    look.alarm(&text, tone)
}

/// Only one that is worth planning for: what hardly grows has no date. It stands out once the guardian has warned, for every
/// program grows fast when it starts.
fn forecast(look: Look, status: &Status) -> Option<Span<'static>> {
    let grows = status.state == State::Running && !status.frozen;
    let below = grows && status.limits.share(status.memory.footprint).is_some_and(|s| s < 100);
    let left = Duration::from_millis(status.forecast_ms.filter(|_| below)?);
    let text = format!("limit in {}", show_duration(left));
    match status.warned {
        true => Some(look.alarm(&text, Color::Yellow)),
        false => (left < FAR).then(|| Span::raw(text)),
    }
}

fn numbers(look: Look, status: &Status, area: Rect, all: bool, buffer: &mut Buffer) {
    let memory = &status.memory;
    let named = |name: &str, value: String| {
        vec![Span::styled(format!("{name} "), look.dim()), Span::raw(value)]
    };
    let mut groups = vec![vec![headline(look, status)]];
    groups.extend(forecast(look, status).map(|span| vec![span]));
    // What is frozen or gone does not grow, whatever it did before.
    if !status.frozen && status.state != State::Ended {
        groups.push(vec![Span::raw(growth(status.growth))]);
    }
    if all {
        groups.push(named("current", memory.current.to_string()));
        groups.extend(memory.rss.map(|rss| named("rss sum", rss.to_string())));
    }
    groups.push(named("peak", memory.peak_footprint.to_string()));
    groups.push(named("peak current", memory.peak.to_string()));
    put(buffer, area, fit(groups, 2, usize::from(area.width)));
}

fn growth(rate: i64) -> String {
    let sign = if rate < 0 { '-' } else { '+' };
    format!("{sign}{}/s", Bytes(rate.unsigned_abs()))
}

fn bar(look: Look, status: &Status, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let width = usize::from(area.width);
    let (memory, limits) = (&status.memory, &status.limits);
    let counted = if memory.hugetlb_counted { memory.hugetlb } else { Bytes(0) };
    let all = memory.current.saturating_add(memory.swapped()).saturating_add(counted);
    let scale = top(status).max(all).max(memory.footprint).0;
    let held = memory.footprint.saturating_sub(memory.swapped());
    let full = cells(held.0, scale, width * 8);
    let with_swap = cells(memory.footprint.0, scale, width);
    let with_cache = cells(all.0, scale, width);
    let fill = look.fg(tone(memory.footprint, limits));
    for (n, x) in (area.left()..area.right()).enumerate() {
        let Some(cell) = buffer.cell_mut((x, area.y)) else { continue };
        match across(full, n) {
            '█' => cell.set_char('█').set_style(fill),
            // What follows does so at once: a cell half empty would be a hole.
            _ if n < with_cache && full >= n * 8 + 4 => cell.set_char('█').set_style(fill),
            _ if n < with_swap => cell.set_char('▞').set_style(fill),
            _ if n < with_cache => cell.set_char('░').set_style(look.dim()),
            ' ' => cell.set_char('─').set_style(look.dim()),
            part => cell.set_char(part).set_style(fill),
        };
    }
    // The limit last: where two share a cell it is seen. A notch is cut into the bar, or no colour would stand out on it.
    for (mark, colour, _, value) in lines(status).rev() {
        let n = cells(value.0, scale, width).min(width.saturating_sub(1));
        let x = area.x + u16::try_from(n).unwrap_or(0);
        if let Some(cell) = buffer.cell_mut((x, area.y)) {
            cell.reset();
            cell.set_char(mark).set_style(look.strong(colour));
        }
    }
}

fn legend(look: Look, status: &Status, area: Rect, buffer: &mut Buffer) {
    let mut groups: Vec<_> = lines(status)
        .map(|(mark, colour, name, value)| {
            let mark = Span::styled(mark.to_string(), look.strong(colour));
            vec![mark, Span::styled(format!(" {name} "), look.dim()), Span::raw(value.to_string())]
        })
        .collect();
    if let Some(wire) = status.limits.trip_wire.value() {
        let wire = Span::raw(Bytes(wire).to_string());
        groups.push(vec![Span::styled("trip-wire ", look.dim()), wire]);
    }
    put(buffer, area, fit(groups, 3, usize::from(area.width)));
}
