//! What the workload does, with a small curve each: CPU, disk, waiting for memory; and the kernel's counters. Needs room; where there
//! is little, `pressure.rs` says it in one row.

use super::ink::{fit, head, name, put, row, upwards};
use super::pressure::{counters, cpu, share};
use crate::escape::cut;
use crate::status::Status;
use crate::tui::activity::Second;
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::{Bytes, show_duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Columns of the label.
const LABELS: u16 = 9;
/// Columns of the values before a curve.
const VALUES: u16 = 30;
/// Shorter than this a curve tells nothing.
const LEAST_CURVE: u16 = 10;
/// Longest.
const LONGEST_CURVE: u16 = 60;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let inner = head(buffer, area, Line::from(name("activity")), app.look.dim());
    let Some(status) = app.picture().status.as_deref() else { return };
    let values = [
        ("cpu", cpu_values(app.look, status)),
        ("disk", disk_values(app, status)),
        ("waiting", waiting_values(app.look, status)),
    ];
    let curve = inner.width.saturating_sub(LABELS + VALUES).min(LONGEST_CURVE);
    let curve = if curve >= LEAST_CURVE { curve } else { 0 };
    let seconds = app.picture().activity.last(usize::from(curve));
    for (n, (label, values)) in (0..).zip(values) {
        let area = row(inner, n);
        put(buffer, area, Span::styled(label, app.look.dim()));
        let text = Rect { x: area.x + LABELS.min(area.width), ..area };
        let width = area.width.saturating_sub(LABELS);
        let text = Rect { width: if curve > 0 { VALUES - 1 } else { width }, ..text };
        put(buffer, text, fit(values, 2, usize::from(text.width)));
        let at = Rect { x: area.right() - curve, width: curve, ..area };
        put(buffer, at, line(app.look, n, &seconds));
    }
    let last = row(inner, 3);
    put(buffer, last, kernel(app.look, status, usize::from(last.width)));
}

fn cpu_values(look: Look, status: &Status) -> Vec<Vec<Span<'static>>> {
    let Some(usage) = status.usage else { return vec![vec![Span::styled("unknown", look.dim())]] };
    let so_far = show_duration(Duration::from_micros(usage.cpu_usec));
    let mut values: Vec<_> =
        usage.cpu_permille.map(|permille| vec![Span::raw(cpu(permille))]).into_iter().collect();
    values.push(vec![Span::raw(so_far), Span::styled(" total", look.dim())]);
    values
}

fn disk_values(app: &App, status: &Status) -> Vec<Vec<Span<'static>>> {
    let (look, activity) = (app.look, &app.picture().activity);
    let named =
        |name: &'static str, text: String| vec![Span::styled(name, look.dim()), Span::raw(text)];
    match (activity.rates(status), activity.totals(status)) {
        (Some(rates), _) => vec![
            named("read ", format!("{}/s", rates.read)),
            named("write ", format!("{}/s", rates.written)),
        ],
        (None, Some(totals)) => {
            vec![
                named("read ", totals.read.to_string()),
                named("wrote ", totals.written.to_string()),
            ]
        }
        (None, None) => {
            let rows = u64::try_from(app.picture().processes.len()).unwrap_or(u64::MAX);
            // A sum over those in the table would pass for the whole.
            let many = rows < status.processes;
            let text = if many { "unknown, too many processes" } else { "unknown" };
            vec![vec![Span::styled(text, look.dim())]]
        }
    }
}

fn waiting_values(look: Look, status: &Status) -> Vec<Vec<Span<'static>>> {
    let Some(pressure) = status.pressure else {
        return vec![vec![Span::styled("unknown in this tier", look.dim())]];
    };
    let named = |name: &'static str, percent: f64| {
        let (text, style) = share(look, percent);
        vec![Span::styled(name, look.dim()), Span::styled(text, style)]
    };
    vec![named("some ", pressure.some_avg10), named("all ", pressure.full_avg10)]
}

/// The counters; in a lower tier why it is one, which says what there is none of.
fn kernel(look: Look, status: &Status, width: usize) -> Line<'static> {
    let best = status.tier_reason.is_empty();
    let label = if best { "kernel" } else { "tier" };
    let label = Span::styled(format!("{label:<0$}", usize::from(LABELS)), look.dim());
    let mut line = Line::from(label);
    let room = width.saturating_sub(line.width());
    if best {
        line.spans.extend(fit(counters(look, status), 2, room).spans);
    } else {
        let text = format!("{}: {}", status.tier.name(), status.tier_reason);
        line.push_span(Span::styled(cut(&text, room), look.dim()));
    }
    line
}

/// Curve `n`: CPU up to the highest or one CPU, disk up to the highest, waiting up to all the time.
fn line(look: Look, n: u16, seconds: &[Option<Second>]) -> Line<'static> {
    let value = |second: &Second| match n {
        0 => second.cpu_permille.map(u64::from),
        1 => second.traffic.map(|bytes| bytes.0),
        _ => second.waiting,
    };
    let values: Vec<Option<u64>> =
        seconds.iter().map(|second| second.as_ref().and_then(value)).collect();
    let highest = values.iter().flatten().copied().max().unwrap_or(0);
    let (whole, colour) = match n {
        0 => (highest.max(1000), Color::Blue),
        1 => (highest.max(Bytes::mib(1).0), Color::Cyan),
        _ => (highest.max(1000), Color::Yellow),
    };
    curve(&values, whole, look.fg(colour))
}

fn curve(values: &[Option<u64>], whole: u64, style: Style) -> Line<'static> {
    let part = |value: u64| upwards(super::ink::cells(value, whole, 8).max(1), 0);
    let text: String = values.iter().map(|value| value.map_or(' ', part)).collect();
    Line::styled(text, style)
}
