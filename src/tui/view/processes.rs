//! The process table: as many columns as fit.

use super::ink::{across, cells, cut, head, name, put, row};
use crate::status::ProcessRow;
use crate::tui::app::{App, Sort};
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Cells of the bar for the share.
const BAR: usize = 8;

/// Which columns there are at some width.
#[derive(Clone, Copy, Debug)]
struct Columns {
    pid: bool,
    bar: bool,
    state: bool,
    name: usize,
    command: usize,
}

impl Columns {
    /// PID 8, RSS 8, SHARE 6, bar 9, state 2; the rest is for name and command.
    fn at(width: usize) -> Self {
        let (pid, bar, state) = (width >= 30, width >= 40, width >= 46);
        let fixed = 14 + usize::from(pid) * 8 + usize::from(bar) * 9 + usize::from(state) * 2;
        let rest = width.saturating_sub(fixed);
        match rest {
            0..24 => Columns { pid, bar, state, name: rest.min(16), command: 0 },
            24..40 => Columns { pid, bar, state, name: 10, command: rest - 11 },
            _ => Columns { pid, bar, state, name: 16, command: rest - 17 },
        }
    }
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let rows = &app.picture().processes;
    let by = match app.sort {
        Sort::Rss => "by rss",
        Sort::Pid => "by pid",
        Sort::Name => "by name",
    };
    let title = Line::from(vec![
        name("processes"),
        Span::styled(format!(" {} {by}", rows.len()), app.look.dim()),
    ]);
    let inner = head(buffer, area, title, app.look.dim());
    let columns = Columns::at(usize::from(inner.width));
    put(buffer, row(inner, 0), header(columns, app.sort));
    let top = app.table_top.min(rows.len().saturating_sub(1));
    for (n, process) in (1..inner.height).zip(&rows[top..]) {
        put(buffer, row(inner, n), line(app.look, columns, process));
    }
}

fn header(columns: Columns, sort: Sort) -> Line<'static> {
    let style = Style::new().add_modifier(Modifier::BOLD);
    let chosen =
        |by: Sort| if by == sort { style.add_modifier(Modifier::UNDERLINED) } else { style };
    let mut line = Line::default();
    if columns.pid {
        line.push_span("    ");
        line.push_span(Span::styled("PID", chosen(Sort::Pid)));
        line.push_span(" ");
    }
    line.push_span(Span::styled("NAME", chosen(Sort::Name)));
    line.push_span(" ".repeat(columns.name.saturating_sub(4)));
    if columns.state {
        line.push_span(Span::styled(" S", style));
    }
    line.push_span("     ");
    line.push_span(Span::styled("RSS", chosen(Sort::Rss)));
    line.push_span(Span::styled(" SHARE", style));
    if columns.command > 0 {
        line.push_span(" ".repeat(usize::from(columns.bar) * (BAR + 1) + 1));
        line.push_span(Span::styled("COMMAND", style));
    }
    line
}

fn line(look: Look, columns: Columns, process: &ProcessRow) -> Line<'static> {
    let mut line = Line::default();
    if columns.pid {
        line.push_span(Span::styled(format!("{:>7} ", process.pid), look.dim()));
    }
    let shown = cut(&process.name, columns.name);
    let pad = columns.name.saturating_sub(Span::raw(shown.as_str()).width());
    line.push_span(format!("{shown}{}", " ".repeat(pad)));
    if columns.state {
        line.push_span(" ");
        line.push_span(Span::styled(process.state.to_string(), state_style(look, process.state)));
    }
    line.push_span(format!("{:>8}", process.rss));
    let permille = process.share_permille.min(1000);
    line.push_span(format!("{:>5}%", permille / 10));
    if columns.bar {
        let eighths = cells(u64::from(permille), 1000, BAR * 8);
        let bar: String = (0..BAR).map(|n| across(eighths, n)).collect();
        line.push_span(Span::styled(format!(" {bar}"), look.fg(Color::Blue)));
    }
    if columns.command > 0 {
        let command = cut(&process.command, columns.command);
        line.push_span(Span::styled(format!(" {command}"), look.dim()));
    }
    line
}

/// Waiting for a disk and being a zombie stand out.
fn state_style(look: Look, state: char) -> Style {
    match state {
        'D' => look.badge(Color::Yellow),
        'Z' => look.badge(Color::Red),
        'R' => Style::new(),
        _ => look.dim(),
    }
}
