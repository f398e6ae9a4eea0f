//! The selected guardian below the table: in words, and its footprint over time. Drawing only.

use super::member::Member;
use super::state::Top;
use crate::escape::cut;
use crate::fleet::row::time;
use crate::report::text::breach_left;
use crate::report::words;
use crate::status::Level;
use crate::tui::view::gauge::{tone, whole};
use crate::tui::view::ink::{cells, head, name, put, row, upwards, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

/// From this width on there is a plot beside it.
const WITH_PLOT: u16 = 60;

/// The selected one in words, and its footprint over time.
pub fn draw(top: &Top, member: &Member, area: Rect, buffer: &mut Buffer) {
    let look = top.look;
    let title = Line::from(vec![
        name(&member.row.name),
        Span::styled(format!(" {}", about(member)), look.dim()),
    ]);
    let inner = head(buffer, area, title, look.dim());
    let plot = match inner.width {
        WITH_PLOT.. => (inner.width / 3).min(60),
        _ => 0,
    };
    let text = Rect { x: inner.x + 1, width: inner.width.saturating_sub(plot + 3), ..inner };
    let lines = explain(top, member, usize::from(text.width), usize::from(inner.height));
    for (n, line) in (0..inner.height).zip(lines) {
        put(buffer, row(text, n), line);
    }
    let place = Rect { x: inner.right().saturating_sub(plot + 1), width: plot, ..inner };
    trend(top, member, place, buffer);
}

/// Its process id and tier.
fn about(member: &Member) -> String {
    let pid = member.row.pid;
    match &member.row.status {
        None => format!("pid {pid}"),
        Some(status) => match &status.placement {
            Some(way) => format!("pid {pid}, tier {} ({way})", status.tier.name()),
            None => format!("pid {pid}, tier {}", status.tier.name()),
        },
    }
}

/// The most important first.
fn explain(top: &Top, member: &Member, width: usize, rows: usize) -> Vec<Line<'static>> {
    let look = top.look;
    let mut lines = Vec::new();
    let mut add = |text: &str, most: usize, style: Style| {
        lines.extend(wrap(text, width, most).into_iter().map(|line| Line::styled(line, style)));
    };
    if let Some(note) = &member.row.note {
        add(note.text(), 2, Style::new());
    }
    if let Some(status) = &member.row.status {
        if let Some(reason) = &status.reason {
            let killed = status.kill_in_ms.map(|ms| format!("SIGKILL in {}s", ms.div_ceil(1000)));
            let left = killed.or_else(|| breach_left(status)).map(|left| format!(", {left}"));
            add(&format!("{reason}{}", left.unwrap_or_default()), 2, look.strong(Color::Red));
        }
        add(&status.command.join(" "), 2, Style::new());
        let limits = &status.limits;
        let peak = status.memory.peak_footprint;
        let limit = words::limit(limits.limit, limits.swap_room);
        let text = format!("peak {peak}, limit {limit}, SIGKILL at {}", limits.second_line);
        add(&text, 1, look.dim());
    }
    lines.truncate(rows);
    let room = rows - lines.len();
    let recent = member.events.len().saturating_sub(room);
    for event in member.events.iter().skip(recent) {
        let at = format!("{:>6} ", time(event.at_ms));
        let text = cut(&event.text, width.saturating_sub(9));
        let (mark, style) = look.level(event.level);
        let sign = if event.level == Level::Info { " " } else { "!" };
        lines.push(Line::from(vec![
            Span::styled(at, look.dim()),
            Span::styled(sign, mark),
            Span::styled(format!(" {text}"), style),
        ]));
    }
    lines
}

/// Columns up to the limit, coloured as the bar is.
fn trend(top: &Top, member: &Member, area: Rect, buffer: &mut Buffer) {
    let Some(status) = &member.row.status else { return };
    let columns = member.history.columns(usize::from(area.width));
    let height = usize::from(area.height);
    for (x, value) in (area.x..area.right()).zip(columns) {
        let Some(value) = value.map(|level| level.footprint) else { continue };
        let eighths = cells(value.0, whole(&status.limits).0, height * 8).max(1);
        let style = top.look.fg(match status.limits.share(value) {
            None | Some(0..100) if member.is_gone() => Color::Reset,
            _ => tone(value, &status.limits),
        });
        for (n, y) in (area.y..area.bottom()).rev().enumerate() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_char(upwards(eighths, n)).set_style(style);
            }
        }
    }
}
