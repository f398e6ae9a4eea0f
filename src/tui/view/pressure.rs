//! Memory pressure and the kernel's counters, one row; in tiers that have none, why that is so.

use super::ink::{cut, fit, put};
use crate::status::{Status, Tier};
use crate::tui::app::App;
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::Span;

/// Percent of time lost waiting for memory from which it is worth a look.
const NOTABLE: f64 = 10.0;
/// Columns below which a reason tells nothing.
const LEAST_REASON: usize = 24;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if let Some(status) = app.picture().status.as_deref() {
        let width = usize::from(area.width);
        let mut line = fit(groups(app.look, status), 3, width);
        let room = width.saturating_sub(line.width() + 3);
        if !status.tier_reason.is_empty() && room >= LEAST_REASON {
            let text = format!("   {} tier: {}", status.tier.name(), status.tier_reason);
            line.push_span(Span::styled(cut(&text, room + 3), app.look.dim()));
        }
        put(buffer, area, line);
    }
}

fn groups(look: Look, status: &Status) -> Vec<Vec<Span<'static>>> {
    let named = |name: &str, value: String, style: Style| {
        vec![Span::styled(format!("{name} "), look.dim()), Span::styled(value, style)]
    };
    let share = |percent: f64| {
        let style = if percent >= NOTABLE { look.badge(Color::Yellow) } else { Style::new() };
        (format!("{percent:.1}%"), style)
    };
    let count = |n: u64, colour: Option<Color>| {
        let style = colour.filter(|_| n > 0).map_or(Style::new(), |colour| look.badge(colour));
        (n.to_string(), style)
    };
    let mut groups = Vec::new();
    if let Some(pressure) = status.pressure {
        let (some, full) = (share(pressure.some_avg10), share(pressure.full_avg10));
        groups.push(named("pressure some", some.0, some.1));
        groups.push(named("full", full.0, full.1));
    }
    if matches!(status.tier, Tier::Kernel | Tier::Observed) {
        let events = &status.events;
        for (name, (text, style)) in [
            ("oom kills", count(events.oom_kill, Some(Color::Red))),
            ("throttled", count(events.high, None)),
            ("at ceiling", count(events.max, Some(Color::Yellow))),
            ("oom", count(events.oom, Some(Color::Red))),
        ] {
            groups.push(named(name, text, style));
        }
    }
    let pids = status.limits.pids.value().map_or(String::new(), |max| format!(" of {max}"));
    groups.push(named("processes", format!("{}{pids}", status.processes), Style::new()));
    let refused = count(status.events.pids_max, Some(Color::Yellow));
    if status.events.pids_max > 0 {
        groups.push(named("forks refused", refused.0, refused.1));
    }
    groups
}
