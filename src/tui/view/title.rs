//! The first row: state, command, and to the right tier and uptime. Live even while the panels stand still.

use super::ink::{fit, put};
use crate::escape::cut;
use crate::status::{State, Status};
use crate::tui::app::App;
use crate::units::show_duration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use std::time::Duration;

/// From this width beside the state on the tier is always there.
const WIDE: usize = 60;

/// The word for a state.
fn word(state: State) -> &'static str {
    match state {
        State::Starting => "STARTING",
        State::Running => "RUNNING",
        State::Terminating => "TERMINATING",
        State::Killing => "KILLING",
        State::Ended => "ENDED",
    }
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let Some(status) = app.now() else {
        put(buffer, area, Span::styled(" sentinel  waiting for the guardian ", app.look.dim()));
        return;
    };
    let left = badges(app, status);
    let command = status.command.join(" ");
    let right = facts(app, status, &command, width.saturating_sub(left.width() + 2));
    let room = width.saturating_sub(left.width() + right.width() + 2);
    let command = cut(&command, room);
    put(buffer, area, right.right_aligned());
    let at = u16::try_from(left.width()).unwrap_or(area.width).min(area.width);
    put(buffer, area, left);
    let rest = Rect { x: area.x + at, width: area.width - at, ..area };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    put(buffer, rest, Span::styled(format!(" {command}"), bold));
}

fn badges(app: &App, status: &Status) -> Line<'static> {
    let look = app.look;
    let mut line = Line::default();
    if app.replay.is_some() {
        line.push_span(Span::styled(" REPLAY ", look.badge(Color::Magenta)));
        line.push_span(" ");
    }
    // What is frozen does not run.
    let stands = status.frozen && matches!(status.state, State::Starting | State::Running);
    line.push_span(match stands {
        true => Span::styled(" FROZEN ", look.badge(Color::Blue)),
        false => Span::styled(format!(" {} ", word(status.state)), look.state(status.state)),
    });
    for (set, text, colour) in
        [(status.dry_run, " DRY RUN ", Color::Magenta), (app.is_paused(), " PAUSED ", Color::Cyan)]
    {
        if set {
            line.push_span(" ");
            line.push_span(Span::styled(text, look.badge(colour)));
        }
    }
    line
}

/// What the command leaves room for; in a wide terminal the tier goes before the command's end.
fn facts(app: &App, status: &Status, command: &str, width: usize) -> Line<'static> {
    let uptime = show_duration(Duration::from_secs(status.uptime_ms / 1000));
    // Tenths of a second would only flicker.
    let uptime = uptime.replace(".0s", "s").replace("0ms", "0s");
    let uptime = match app.replay.map(|replay| replay.position(status.uptime_ms)) {
        // Where we are, at least, if there is no room for all of it.
        Some(position) if Span::raw(position.as_str()).width() < width => position,
        Some(_) if uptime.len() >= width => String::new(),
        Some(_) | None => uptime,
    };
    let dim = app.look.dim();
    let tier = format!("{} tier", status.tier.name());
    let least = uptime.len() + tier.len() + 3;
    let groups = vec![
        vec![Span::raw(uptime)],
        vec![Span::styled(tier, dim)],
        vec![Span::styled(format!("pid {}", status.child_pid), dim)],
    ];
    let spared = width.saturating_sub(Span::raw(command).width() + 1);
    let mut line = fit(groups, 2, if width >= WIDE { spared.max(least) } else { spared });
    line.push_span(" ");
    line
}
