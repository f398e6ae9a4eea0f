//! The process table: as many columns as fit, the chosen row in view.

use super::ink::{across, cells, head, name, put, row};
use crate::escape::cut;
use crate::status::ProcessRow;
use crate::tui::app::{App, Mode};
use crate::tui::look::Look;
use crate::tui::table::{Shown, Sort};
use crate::units::Bytes;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Cells of the bar for the share.
const BAR: usize = 8;
/// Columns for the command that more columns must leave.
const LEAST_COMMAND: usize = 12;

/// Which columns there are at some width.
#[derive(Clone, Copy, Debug, Default)]
struct Columns {
    pid: bool,
    state: bool,
    growth: bool,
    cpu: bool,
    pss: bool,
    share: bool,
    bar: bool,
    name: usize,
    command: usize,
}

impl Columns {
    /// Those that fit, the most telling first. What the table is sorted by goes before all others.
    fn at(width: usize, sort: Sort, measured: bool) -> Self {
        let mut columns = Columns::default();
        // The name in short, and RSS.
        let mut left = width.saturating_sub(8 + 9);
        let mut take = |wanted: bool, columns: usize, spare: usize| {
            let fits = wanted && left >= columns + spare;
            left -= if fits { columns } else { 0 };
            fits
        };
        columns.pid = take(true, 8, 0);
        columns.growth = take(sort == Sort::Growth, 10, 0);
        columns.cpu = take(sort == Sort::Cpu, 7, 0);
        columns.pss = take(measured || sort == Sort::Pss, 9, 0);
        columns.growth = columns.growth || take(true, 10, 0);
        columns.state = take(true, 2, 0);
        columns.cpu = columns.cpu || take(true, 7, 0);
        columns.share = take(true, 6, 8);
        columns.bar = take(true, BAR + 1, 8 + 1 + LEAST_COMMAND + 8);
        columns.name = 8 + left.min(8);
        left -= left.min(8);
        match left > LEAST_COMMAND {
            true => columns.command = left - 1,
            false => columns.name += left,
        }
        columns
    }
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let rows = &app.picture().processes;
    let shown = app.table.shown(rows, &app.measures);
    let inner = head(buffer, area, title(app, rows.len(), shown.len()), app.look.dim());
    let measured = !app.measures.is_empty();
    let columns = Columns::at(usize::from(inner.width), app.table.sort, measured);
    put(buffer, row(inner, 0), header(columns, app.table.sort));
    let height = usize::from(inner.height.saturating_sub(1));
    let place = app.table.place(rows, &shown);
    let top = top(place, height, shown.len());
    for (n, shown) in (1..inner.height).zip(&shown[top..]) {
        let area = row(inner, n);
        put(buffer, area, line(app, columns, shown, &rows[shown.index]));
        if place == Some(top + usize::from(n) - 1) {
            // Reversed as a whole: seen on any ground, without colours too.
            let style = Style::reset().add_modifier(Modifier::BOLD | Modifier::REVERSED);
            buffer.set_style(area, style);
        }
    }
}

/// Which of the shown rows is in this row of the screen.
pub fn place_at(app: &App, area: Rect, y: u16) -> Option<usize> {
    // The head line and the columns' names are above.
    let n = usize::from(y.checked_sub(area.y.saturating_add(2))?);
    let rows = &app.picture().processes;
    let shown = app.table.shown(rows, &app.measures);
    let height = usize::from(area.height.saturating_sub(2));
    let place = top(app.table.place(rows, &shown), height, shown.len()) + n;
    (n < height && place < shown.len()).then_some(place)
}

/// The first row in view: the chosen one is in the middle where it can be.
fn top(place: Option<usize>, height: usize, rows: usize) -> usize {
    let place = place.unwrap_or(0);
    place.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

fn title(app: &App, all: usize, shown: usize) -> Line<'static> {
    let look = app.look;
    let live = app.picture().status.as_deref().map_or(0, |status| status.processes);
    let live = usize::try_from(live).unwrap_or(usize::MAX);
    let count = match all < live {
        // The guardian sends the largest alone.
        true => format!(" {all} largest of {live}"),
        false => format!(" {all}"),
    };
    let tree = if app.table.tree { ", tree" } else { "" };
    let mut title = Line::from(vec![
        name("processes"),
        Span::styled(format!("{count} by {}{tree}", app.table.sort.word()), look.dim()),
    ]);
    if !app.table.filter.is_empty() || app.mode == Mode::Filter {
        title.push_span(" ");
        title.push_span(look.alarm(&format!("{shown} with {}", app.table.filter), Color::Cyan));
    }
    title
}

fn header(columns: Columns, sort: Sort) -> Line<'static> {
    let style = Style::new().add_modifier(Modifier::BOLD);
    let chosen =
        |by: Sort| if by == sort { style.add_modifier(Modifier::UNDERLINED) } else { style };
    let mut line = Line::default();
    let mut right = |there: bool, width: usize, text: &'static str, style: Style| {
        if there {
            line.push_span(" ".repeat(width.saturating_sub(text.len())));
            line.push_span(Span::styled(text, style));
        }
    };
    right(columns.pid, 7, "PID", chosen(Sort::Pid));
    right(columns.pid, 1, "", style);
    right(true, 4, "NAME", chosen(Sort::Name));
    right(true, columns.name.saturating_sub(4), "", style);
    right(columns.state, 2, "S", style);
    right(true, 9, "RSS", chosen(Sort::Rss));
    right(columns.pss, 9, "PSS", chosen(Sort::Pss));
    right(columns.growth, 10, "GROWTH", chosen(Sort::Growth));
    right(columns.cpu, 7, "CPU", chosen(Sort::Cpu));
    right(columns.share, 6, "SHARE", style);
    right(columns.bar, BAR + 1, "", style);
    right(columns.command > 0, 8, "COMMAND", style);
    line
}

fn line(app: &App, columns: Columns, shown: &Shown, process: &ProcessRow) -> Line<'static> {
    let look = app.look;
    let mut line = Line::default();
    if columns.pid {
        line.push_span(Span::styled(format!("{:>7} ", process.pid), look.dim()));
    }
    let (branch, name) = label(shown, process, columns.name);
    line.push_span(Span::styled(branch, look.dim()));
    line.push_span(Span::styled(name, if shown.aside { look.dim() } else { Style::new() }));
    if columns.state {
        line.push_span(" ");
        line.push_span(Span::styled(process.state.to_string(), state_style(look, process.state)));
    }
    line.push_span(format!("{:>9}", process.rss));
    if columns.pss {
        let pss = app.measures.pss(process.pid);
        line.push_span(format!("{:>9}", pss.map_or_else(|| "-".to_owned(), |pss| pss.to_string())));
    }
    if columns.growth {
        line.push_span(growth(look, process.growth));
    }
    if columns.cpu {
        let cpu = process.cpu_permille.map_or_else(|| "-".to_owned(), super::pressure::cpu);
        line.push_span(format!("{cpu:>7}"));
    }
    let permille = process.share_permille.min(1000);
    if columns.share {
        line.push_span(format!("{:>5}%", permille / 10));
    }
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

/// The branch and the name in exactly so many columns. A deep branch leaves room for some of the name.
fn label(shown: &Shown, process: &ProcessRow, width: usize) -> (String, String) {
    let branch: Vec<char> = shown.branch.chars().collect();
    let most = width.saturating_sub(4) / 2 * 2;
    let branch: String = branch[branch.len() - branch.len().min(most)..].iter().collect();
    let left = width.saturating_sub(branch.chars().count());
    let name = cut(&process.name, left);
    let pad = left.saturating_sub(Span::raw(name.as_str()).width());
    (branch, name + &" ".repeat(pad))
}

/// What grows by a mebibyte a second or more stands out.
fn growth(look: Look, growth: Option<i64>) -> Span<'static> {
    let text = match growth {
        None => "-".to_owned(),
        Some(0) => "0B/s".to_owned(),
        Some(rate) => {
            let sign = if rate < 0 { '-' } else { '+' };
            format!("{sign}{}/s", Bytes(rate.unsigned_abs()))
        }
    };
    let style = match growth {
        Some(rate) if rate >= 1 << 20 => Style::new().add_modifier(Modifier::BOLD),
        Some(1..) => Style::new(),
        _ => look.dim(),
    };
    Span::styled(format!("{text:>10}"), style)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_width_and_no_more() {
        for sort in [Sort::Rss, Sort::Growth, Sort::Cpu, Sort::Pss] {
            for (width, measured) in (20..300).flat_map(|width| [(width, false), (width, true)]) {
                let columns = Columns::at(width, sort, measured);
                let head = header(columns, sort).width() + columns.command.saturating_sub(7);
                assert!(head <= width, "{width} {sort:?} {columns:?}");
                assert!(head + 1 >= width, "{width} {sort:?} {columns:?}");
            }
        }
    }

    #[test]
    fn the_chosen_row_is_always_in_view() {
        for (height, rows) in (1..8).flat_map(|height| (1..30).map(move |rows| (height, rows))) {
            for place in 0..rows {
                let top = top(Some(place), height, rows);
                assert!((top..top + height).contains(&place) && top < rows);
            }
        }
    }
}
