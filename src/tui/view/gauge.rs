//! Memory against its lines: numbers, a bar with the lines marked, and what the marks mean.

use super::ink::{across, cells, fit, put, row};
use crate::status::{Limits, State, Status};
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::{Bytes, show_duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use std::time::Duration;

/// Percent of the limit from which it is getting tight.
const TIGHT: u64 = 80;

/// The colour for so much memory: green, yellow when it gets tight, red from the limit on.
pub fn tone(value: Bytes, limits: &Limits) -> Color {
    match percent(value, limits.limit) {
        0..TIGHT => Color::Green,
        TIGHT..100 => Color::Yellow,
        100.. => Color::Red,
    }
}

/// `value` in percent of `whole`.
pub fn percent(value: Bytes, whole: Bytes) -> u64 {
    let percent = u128::from(value.0) * 100 / u128::from(whole.0.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX)
}

/// The lines with the mark, colour and name that they have everywhere.
pub fn lines(limits: &Limits) -> [(char, Color, &'static str, Bytes); 3] {
    [
        ('│', Color::Yellow, "limit", limits.limit),
        ('┃', Color::Red, "second line", limits.second_line),
        ('▐', Color::Magenta, "ceiling", limits.ceiling),
    ]
}

/// Draws as much of it as there are rows.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(status) = app.picture().status.as_deref() else { return };
    match area.height {
        0 => (),
        1 => one_row(app.look, status, area, buffer),
        _ => {
            numbers(app.look, status, row(area, 0), buffer);
            let thick = area.height.saturating_sub(2).max(1);
            for n in 1..=thick {
                bar(app.look, status, row(area, n), buffer);
            }
            legend(app.look, status, row(area, thick + 1), buffer);
        }
    }
}

fn one_row(look: Look, status: &Status, area: Rect, buffer: &mut Buffer) {
    let text = headline(status);
    let width = u16::try_from(Span::raw(text.as_str()).width() + 1).unwrap_or(u16::MAX);
    put(
        buffer,
        area,
        Span::styled(text, look.strong(tone(status.memory.footprint, &status.limits))),
    );
    let width = width.min(area.width);
    bar(look, status, Rect { x: area.x + width, width: area.width - width, ..area }, buffer);
}

fn headline(status: &Status) -> String {
    let (footprint, limit) = (status.memory.footprint, status.limits.limit);
    format!("{footprint} of {limit} {}%", percent(footprint, limit))
}

fn numbers(look: Look, status: &Status, area: Rect, buffer: &mut Buffer) {
    let memory = &status.memory;
    let tone = tone(memory.footprint, &status.limits);
    let named = |name: &str, value: String| {
        vec![Span::styled(format!("{name} "), look.dim()), Span::raw(value)]
    };
    let mut groups = vec![vec![Span::styled(headline(status), look.strong(tone))]];
    let below = status.state == State::Running && memory.footprint < status.limits.limit;
    if let Some(forecast) = status.forecast_ms.filter(|_| below) {
        let text = format!("limit in {}", show_duration(Duration::from_millis(forecast)));
        groups.push(vec![Span::styled(text, look.strong(Color::Yellow))]);
    }
    groups.push(vec![Span::raw(growth(status.growth))]);
    groups.push(named("current", memory.current.to_string()));
    if let Some(rss) = memory.rss {
        groups.push(named("rss sum", rss.to_string()));
    }
    groups.push(named("peak", memory.peak_footprint.to_string()));
    groups.push(named("peak current", memory.peak.to_string()));
    put(buffer, area, fit(groups, 3, usize::from(area.width)));
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
    let scale = limits.ceiling.max(memory.current).max(memory.footprint).0;
    let full = cells(memory.footprint.0, scale, width * 8);
    let current = cells(memory.current.0, scale, width);
    let fill = look.fg(tone(memory.footprint, limits));
    for (n, x) in (area.left()..area.right()).enumerate() {
        let Some(cell) = buffer.cell_mut((x, area.y)) else { continue };
        match across(full, n) {
            ' ' if n < current => cell.set_char('░').set_style(look.dim()),
            ' ' => cell.set_char('─').set_style(look.dim()),
            part => cell.set_char(part).set_style(fill),
        };
    }
    for (mark, colour, _, value) in lines(limits) {
        let n = cells(value.0, scale, width).min(width.saturating_sub(1));
        let filled = across(full, n) == '█';
        let x = area.x + u16::try_from(n).unwrap_or(0);
        if let Some(cell) = buffer.cell_mut((x, area.y)).filter(|_| width > 0) {
            cell.set_char(mark).set_style(mark_style(look, colour, filled.then_some(fill)));
        }
    }
}

/// A mark keeps the bar's colour behind it where the bar reaches it.
fn mark_style(look: Look, colour: Color, behind: Option<Style>) -> Style {
    match behind.and_then(|style| style.fg) {
        Some(ground) => Style::new().fg(Color::Black).bg(ground),
        None if behind.is_some() => Style::new().add_modifier(Modifier::REVERSED),
        None => look.strong(colour),
    }
}

fn legend(look: Look, status: &Status, area: Rect, buffer: &mut Buffer) {
    let limits = &status.limits;
    let mut groups: Vec<_> = lines(limits)
        .into_iter()
        .map(|(mark, colour, name, value)| {
            let mark = Span::styled(mark.to_string(), look.strong(colour));
            vec![mark, Span::styled(format!(" {name} "), look.dim()), Span::raw(value.to_string())]
        })
        .collect();
    let wire = limits.trip_wire.value().map_or("max".to_owned(), |value| Bytes(value).to_string());
    groups.push(vec![Span::styled("trip-wire ", look.dim()), Span::raw(wire)]);
    put(buffer, area, fit(groups, 3, usize::from(area.width)));
}
