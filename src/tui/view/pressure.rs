//! What the workload does and the kernel's counters in one row, what matters most first; in lower tiers, why it is one.

use super::ink::{fit, put};
use crate::escape::cut;
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
        let mut line = fit(groups(app, status), 3, width);
        let room = width.saturating_sub(line.width() + 3);
        if !status.tier_reason.is_empty() && room >= LEAST_REASON {
            let text = format!("   {} tier: {}", status.tier.name(), status.tier_reason);
            line.push_span(Span::styled(cut(&text, room + 3), app.look.dim()));
        }
        put(buffer, area, line);
    }
}

fn named(look: Look, name: &'static str, value: String, style: Style) -> Vec<Span<'static>> {
    vec![Span::styled(format!("{name} "), look.dim()), Span::styled(value, style)]
}

fn groups(app: &App, status: &Status) -> Vec<Vec<Span<'static>>> {
    let look = app.look;
    let mut groups = Vec::new();
    if let Some(permille) = status.usage.and_then(|usage| usage.cpu_permille) {
        groups.push(named(look, "cpu", cpu(permille), Style::new()));
    }
    if let Some(pressure) = status.pressure {
        for (name, percent) in [("waiting some", pressure.some_avg10), ("all", pressure.full_avg10)]
        {
            let (text, style) = share(look, percent);
            groups.push(named(look, name, text, style));
        }
    }
    // What happened comes before what is usual.
    let (alarms, rest): (Vec<_>, Vec<_>) =
        counters(look, status).into_iter().partition(|group| group[1].style != Style::new());
    groups.splice(0..0, alarms);
    groups.extend(disk(app, status).map(|text| named(look, "disk", text, Style::new())));
    groups.extend(rest);
    groups
}

/// CPU in use, of one CPU.
pub(super) fn cpu(permille: u32) -> String {
    match permille {
        0..1000 => format!("{}.{}%", permille / 10, permille % 10),
        _ => format!("{}%", permille / 10),
    }
}

/// The traffic of its disks, both ways.
fn disk(app: &App, status: &Status) -> Option<String> {
    let rates = app.picture().activity.rates(status)?;
    Some(format!("{}/s read, {}/s written", rates.read, rates.written))
}

/// A share of time spent waiting.
pub(super) fn share(look: Look, percent: f64) -> (String, Style) {
    let style = if percent >= NOTABLE { look.badge(Color::Yellow) } else { Style::new() };
    (format!("{percent:.1}%"), style)
}

/// The kernel's counters, as far as the tier has them, and the number of processes.
pub(super) fn counters(look: Look, status: &Status) -> Vec<Vec<Span<'static>>> {
    let count = |n: u64, colour: Option<Color>| {
        let style = colour.filter(|_| n > 0).map_or(Style::new(), |colour| look.badge(colour));
        (n.to_string(), style)
    };
    let events = &status.events;
    let mut groups = Vec::new();
    if matches!(status.tier, Tier::Kernel | Tier::Observed) {
        for (name, (text, style)) in [
            ("oom kills", count(events.oom_kill, Some(Color::Red))),
            ("throttled", count(events.high, None)),
            ("at ceiling", count(events.max, Some(Color::Yellow))),
            ("oom", count(events.oom, Some(Color::Red))),
        ] {
            groups.push(named(look, name, text, style));
        }
    }
    let pids = status.limits.pids.value().map_or(String::new(), |max| format!(" of {max}"));
    groups.push(named(look, "processes", format!("{}{pids}", status.processes), Style::new()));
    if events.pids_max > 0 {
        let (text, style) = count(events.pids_max, Some(Color::Yellow));
        groups.push(named(look, "forks refused", text, style));
    }
    groups
}
