//! The table of guardians: which columns fit a width, and their cells, padded. Pure; colours are others' matter.

use super::row::{Row, growth, size, time};
use crate::escape::cut;
use crate::status::Limits;
use crate::units::{Bytes, Limit};
use ratatui::text::Span;

/// A column, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The run's name.
    Name,
    /// The guardian's process id.
    Pid,
    /// Where on the ladder.
    State,
    /// How much the platform allows.
    Tier,
    /// The footprint.
    Used,
    /// The limit.
    Limit,
    /// The share of the limit, percent.
    Share,
    /// The same as a bar, for screens.
    Bar,
    /// Growth a second.
    Growth,
    /// Time to the limit.
    Left,
    /// Processes.
    Processes,
    /// Time since the start.
    Uptime,
    /// What was typed; or why there is nothing to tell.
    Command,
}

/// All but the bar, the most important first: what does not fit is left out from the end.
const BY_WEIGHT: [Column; 12] = [
    Column::Name,
    Column::State,
    Column::Share,
    Column::Used,
    Column::Left,
    Column::Limit,
    Column::Pid,
    Column::Uptime,
    Column::Command,
    Column::Growth,
    Column::Processes,
    Column::Tier,
];

/// The narrowest command that is worth its room.
const LEAST_COMMAND: usize = 7;
/// Cells of the bar, in terminals of at least [`WITH_BAR`] columns.
const BAR: usize = 12;
const WITH_BAR: usize = 100;
/// The name is cut to this where there is little room, and to the second where there is more.
const SHORT_NAME: usize = 10;
const LONG_NAME: usize = 24;

impl Column {
    /// Its head.
    pub fn head(self) -> &'static str {
        match self {
            Column::Name => "NAME",
            Column::Pid => "PID",
            Column::State => "STATE",
            Column::Tier => "TIER",
            Column::Used => "USED",
            Column::Limit => "LIMIT",
            Column::Share => "USE",
            Column::Bar => "",
            Column::Growth => "GROWTH",
            Column::Left => "LEFT",
            Column::Processes => "PROC",
            Column::Uptime => "UP",
            Column::Command => "COMMAND",
        }
    }

    /// Numbers are right-aligned.
    fn is_number(self) -> bool {
        !matches!(self, Column::Name | Column::State | Column::Tier | Column::Bar | Column::Command)
    }

    /// The same text whatever the width.
    fn text(self, row: &Row) -> String {
        match (self, &row.status) {
            (Column::Name, _) => row.name.clone(),
            (Column::Pid, _) => row.pid.to_string(),
            (Column::State, _) => row.state().to_owned(),
            (Column::Bar, _) => String::new(),
            (Column::Command, _) if row.note.is_some() => {
                row.note.as_ref().map_or("", |note| note.text()).to_owned()
            }
            (_, None) => String::new(),
            (Column::Tier, Some(status)) => status.tier.name().to_owned(),
            (Column::Used, Some(status)) => size(status.memory.footprint),
            (Column::Limit, Some(status)) => limit(&status.limits),
            (Column::Share, _) => row.share().map_or("-".to_owned(), |share| match share {
                0..=999 => format!("{share}%"),
                _ => ">999%".to_owned(),
            }),
            (Column::Growth, Some(status)) => growth(status.growth),
            (Column::Left, Some(status)) => status.time_left().map_or("-".to_owned(), time),
            (Column::Processes, Some(status)) => status.processes.to_string(),
            (Column::Uptime, Some(status)) => time(status.uptime_ms),
            (Column::Command, Some(status)) => status.command.join(" "),
        }
    }
}

/// With the room that swap gives; a plus where that has no end.
fn limit(limits: &Limits) -> String {
    match limits.allowance() {
        Limit::At(allowance) => size(Bytes(allowance)),
        Limit::Max => format!("{}+", size(limits.limit)),
    }
}

/// The columns of a table and their widths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnWidths {
    columns: Vec<(Column, usize)>,
}

impl ColumnWidths {
    /// For these rows in `width` columns; without a width nothing is cut. `bar` for those who can draw one.
    pub fn fit(rows: &[Row], width: Option<usize>, bar: bool) -> ColumnWidths {
        let longest = match width {
            None => usize::MAX,
            Some(width) if width < WITH_BAR => SHORT_NAME,
            Some(_) => LONG_NAME,
        };
        let room = width.unwrap_or(usize::MAX);
        let mut columns: Vec<(Column, usize)> = Vec::new();
        let mut used = 0;
        for column in BY_WEIGHT {
            let most = match (column,) {
                (Column::Command,) => LEAST_COMMAND,
                (Column::Name,) => longest.min(room),
                _ => usize::MAX,
            };
            let wanted = natural(column, rows).min(most);
            let needed = wanted + usize::from(!columns.is_empty());
            if used + needed <= room {
                used += needed;
                columns.push((column, wanted));
            }
        }
        if bar && room >= WITH_BAR && used + BAR < room {
            used += BAR + 1;
            columns.push((Column::Bar, BAR));
        }
        columns.sort_unstable();
        if let Some((Column::Command, wide)) = columns.last_mut() {
            *wide = wide.saturating_add(room.saturating_sub(used));
        }
        ColumnWidths { columns }
    }

    /// The heads, padded as their cells are.
    pub fn heads(&self) -> impl Iterator<Item = (Column, String)> {
        self.columns
            .iter()
            .map(|(column, width)| (*column, pad(*column, column.head().to_owned(), *width)))
    }

    /// The cells of one row. Where there is a reason for silence it has all the room behind the state.
    pub fn cells(&self, row: &Row) -> Vec<(Column, String)> {
        let before =
            |(column, _): &&(Column, usize)| row.note.is_none() || *column <= Column::State;
        let mut cells: Vec<_> = self
            .columns
            .iter()
            .filter(before)
            .map(|(column, width)| (*column, pad(*column, column.text(row), *width)))
            .collect();
        let behind = self.columns.iter().skip(cells.len()).map(|(_, width)| *width);
        let room = behind.reduce(|sum, width| sum.saturating_add(width + 1));
        if let Some((note, room)) = row.note.as_ref().zip(room) {
            cells.push((Column::Command, cut(note.text(), room)));
        }
        cells
    }
}

/// The width that shows all of it; 5 at least for what changes all the time, so that nothing jumps.
fn natural(column: Column, rows: &[Row]) -> usize {
    let silent = |row: &&Row| row.note.is_none() || column <= Column::State;
    let widths = rows.iter().filter(silent).map(|row| width(&column.text(row)));
    let least = match column {
        Column::Growth => 6,
        Column::State => 7,
        Column::Used | Column::Limit | Column::Left | Column::Uptime => 5,
        Column::Name | Column::Pid | Column::Tier | Column::Share => 4,
        Column::Bar | Column::Processes | Column::Command => 0,
    };
    widths.chain([column.head().len(), least]).max().unwrap_or(0)
}

fn width(text: &str) -> usize {
    Span::raw(text).width()
}

fn pad(column: Column, text: String, to: usize) -> String {
    let text = cut(&text, to);
    // Nothing is to the right of the last column.
    let missing = if column == Column::Command { 0 } else { to.saturating_sub(width(&text)) };
    let blank = " ".repeat(missing);
    if column.is_number() { blank + &text } else { text + &blank }
}

/// The table as text, a line end after each line.
pub fn text(rows: &[Row], width: Option<usize>) -> String {
    let table = ColumnWidths::fit(rows, width, false);
    let line = |cells: Vec<(Column, String)>| {
        let cells: Vec<String> = cells.into_iter().map(|(_, cell)| cell).collect();
        cells.join(" ").trim_end().to_owned() + "\n"
    };
    let head = line(table.heads().collect());
    head + &rows.iter().map(|row| line(table.cells(row))).collect::<String>()
}
