//! Drawing the table of guardians: the [`Top`] to a frame. No I/O, no change of state.

use super::details;
use super::member::Member;
use super::state::{Top, TopMode, help};
use crate::escape::cut;
use crate::fleet::columns::{Column, ColumnWidths};
use crate::fleet::row::{Note, Row};
use crate::status::{State, Status};
use crate::tui::prompt::Question;
use crate::tui::target::Target;
use crate::tui::view::footer;
use crate::tui::view::frame::frame as boxed;
use crate::tui::view::gauge::{tone, whole};
use crate::tui::view::help;
use crate::tui::view::ink::{across, cells, fit, put, row};
use crate::tui::view::overlay;
use crate::units::Bytes;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

/// From this height on the selected guardian is shown below the table.
const WITH_DETAILS: u16 = 14;
/// Rows of that, with its head; the second where the table leaves so many.
const DETAILS: u16 = 5;
const MOST_DETAILS: u16 = 12;
/// Draws everything.
pub fn draw(top: &Top, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    title(top, row(area, 0), buffer);
    let foot = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
    let middle = middle(top, area);
    match top.shown().is_empty() {
        true => nobody(top, middle, buffer),
        false => table(top, middle, buffer),
    }
    let details = area.height.saturating_sub(2).saturating_sub(middle.height);
    if let Some(member) = top.chosen().filter(|_| details > 0) {
        details::draw(top, member, Rect { y: middle.bottom(), height: details, ..area }, buffer);
    }
    let mut cursor = None;
    if area.height > 1 {
        cursor = footer(top, foot, buffer);
    }
    cursor = boxes(top, area, buffer).or(cursor);
    top.look.finish(buffer);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// The table's place.
fn middle(top: &Top, area: Rect) -> Rect {
    let members = u16::try_from(top.shown().len()).unwrap_or(u16::MAX);
    let free = area.height.saturating_sub(4).saturating_sub(members);
    let details = if area.height >= WITH_DETAILS { free.clamp(DETAILS, MOST_DETAILS) } else { 0 };
    let height = area.height.saturating_sub(2 + details);
    let foot = area.bottom().saturating_sub(1);
    Rect { y: area.y.saturating_add(1).min(foot), height, ..area }
}

/// What is there, in a terminal of so many rows and columns, for the mouse.
pub fn target(top: &Top, (rows, columns): (u16, u16), (x, y): (u16, u16)) -> Target {
    let area = Rect::new(0, 0, columns, rows);
    if rows > 1 && y == rows - 1 {
        let shows_keys = top.message.is_none() && top.mode == TopMode::Normal;
        let key = shows_keys.then(|| footer::key_at(&keys(top), row(area, y), x)).flatten();
        return key.map_or(Target::Elsewhere, Target::Key);
    }
    let middle = middle(top, area);
    let place = y.checked_sub(middle.y + 1).filter(|_| middle.contains(Position::new(x, y)));
    let place = place.map(|n| first_row(top, middle) + usize::from(n));
    let place = place.filter(|place| *place < top.shown().len());
    place.map_or(Target::Elsewhere, Target::Process)
}

/// The first row in view: the selected one is always seen.
fn first_row(top: &Top, area: Rect) -> usize {
    let room = usize::from(area.height).saturating_sub(1).max(1);
    top.selected().unwrap_or(0).saturating_sub(room - 1)
}

/// How many there are, what they are at, what they use together.
fn title(top: &Top, area: Rect, buffer: &mut Buffer) {
    let look = top.look;
    let members = top.members();
    let living = || members.iter().filter(|member| !member.is_gone());
    let count = |holds: &dyn Fn(&&Member) -> bool| living().filter(holds).count();
    let guardians = match living().count() {
        1 => "1 guardian".to_owned(),
        n => format!("{n} guardians"),
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut groups = vec![vec![Span::styled(" sentinel top", bold)], vec![Span::raw(guardians)]];
    let ending = count(&|member| member.is_ending());
    let silent = count(&|member| matches!(member.row.note, Some(Note::Silent(_))));
    let warned = |member: &&Member| member.row.status.as_ref().is_some_and(|status| status.warned);
    let near = count(&|member| warned(member) && !member.is_ending());
    for (number, word, colour) in [
        (ending, "ending", Color::Red),
        (near, "near the limit", Color::Yellow),
        (silent, "silent", Color::Magenta),
    ] {
        if number > 0 {
            groups.push(vec![look.alarm(&format!("{number} {word}"), colour)]);
        }
    }
    let sum = |of: fn(&Status) -> Bytes| {
        let each = living().filter_map(|member| member.row.status.as_ref()).map(of);
        each.fold(Bytes(0), Bytes::saturating_add)
    };
    let (used, limits) = (sum(|status| status.memory.footprint), sum(|s| whole(&s.limits)));
    if limits > Bytes(0) {
        groups.push(vec![Span::styled(format!("{used} of {limits}"), look.dim())]);
    }
    if !top.filter.is_empty() || top.mode == TopMode::Filter {
        let text = format!("{} with {}", top.shown().len(), top.filter);
        groups.insert(2, vec![look.alarm(&text, Color::Cyan)]);
    }
    if top.unseen > 0 {
        let text = format!("{} more not shown", top.unseen);
        groups.push(vec![Span::styled(text, look.dim())]);
    }
    put(buffer, area, fit(groups, 2, usize::from(area.width)));
}

fn nobody(top: &Top, area: Rect, buffer: &mut Buffer) {
    let lines = match top.members().is_empty() {
        true => ["no guardian is running", "", "sentinel -m 2G -- COMMAND starts one"],
        false => ["no guardian matches the filter", "", "Esc shows all"],
    };
    let above = area.height.saturating_sub(3) / 2;
    for (n, text) in (above..).zip(lines) {
        let style = if n == above { Style::new() } else { top.look.dim() };
        put(buffer, row(area, n), Line::styled(text, style).centered());
    }
}

fn table(top: &Top, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let rows: Vec<Row> = top.shown().into_iter().map(|member| member.row.clone()).collect();
    // One column stays free on either side.
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let plan = ColumnWidths::fit(&rows, Some(usize::from(inner.width)), true);
    heads(top, &plan, row(inner, 0), buffer);
    let (selected, first) = (top.selected(), first_row(top, area));
    for (n, place) in (1..area.height).zip(first..rows.len()) {
        let is_selected = selected == Some(place);
        if is_selected {
            buffer.set_style(row(area, n), Style::new().add_modifier(Modifier::REVERSED));
        }
        put(buffer, row(inner, n), line(top, &plan, &rows[place], is_selected));
    }
}

fn heads(top: &Top, plan: &ColumnWidths, area: Rect, buffer: &mut Buffer) {
    let mut line = Line::default();
    for (column, text) in plan.heads() {
        if !line.spans.is_empty() {
            line.push_span(" ");
        }
        let bold = Style::new().add_modifier(Modifier::BOLD);
        if column == top.sort {
            let blank = text.len() - text.trim_start().len();
            line.push_span(" ".repeat(blank));
            let word = text.trim();
            line.push_span(Span::styled(word.to_owned(), bold.add_modifier(Modifier::UNDERLINED)));
            line.push_span(" ".repeat(text.len() - blank - word.len()));
        } else {
            line.push_span(Span::styled(text, bold));
        }
    }
    put(buffer, area, line);
}

fn line(top: &Top, plan: &ColumnWidths, row: &Row, selected: bool) -> Line<'static> {
    let look = top.look;
    let mut line = Line::default();
    for (column, text) in plan.cells(row) {
        if !line.spans.is_empty() {
            line.push_span(" ");
        }
        let style = match (column, &row.note) {
            (Column::State, _) => state_style(top, row),
            (_, Some(Note::Gone(_))) => look.dim(),
            (Column::Command, Some(_)) | (Column::Name, _) => Style::new(),
            (Column::Bar, _) => {
                line.push_span(bar(top, row, text.len(), selected));
                continue;
            }
            (Column::Share, None) => share_style(top, row),
            (Column::Pid | Column::Tier | Column::Command, _) => look.dim(),
            _ => Style::new(),
        };
        // What asks for attention does so in the selected row too, by not being turned over; the rest of it is of one colour.
        let stands_out = style.add_modifier.contains(Modifier::BOLD);
        let style = match (selected, stands_out) {
            (true, true) => style.remove_modifier(Modifier::REVERSED),
            (true, false) => Style::new(),
            (false, _) => style,
        };
        // A badge is as wide as its word.
        let word = text.trim();
        let (left, right) = text.split_at(text.find(word).unwrap_or(0));
        line.push_span(left.to_owned());
        line.push_span(Span::styled(word.to_owned(), style));
        line.push_span(right[word.len()..].to_owned());
    }
    line
}

fn state_style(top: &Top, row: &Row) -> Style {
    let look = top.look;
    match (&row.note, &row.status) {
        (Some(Note::Gone(_)), _) | (None, None) => look.dim(),
        (Some(Note::Silent(_) | Note::Unclear(_)), _) => look.badge(Color::Magenta),
        (None, Some(status)) => match status.state {
            State::Starting | State::Running if status.frozen => look.badge(Color::Blue),
            // What is usual does not ask for attention.
            State::Starting | State::Running => Style::new(),
            State::Terminating | State::Killing | State::Ended => look.state(status.state),
        },
    }
}

fn share_style(top: &Top, row: &Row) -> Style {
    let Some(status) = &row.status else { return Style::new() };
    let colour = tone(status.memory.footprint, &status.limits);
    if colour == Color::Green { Style::new() } else { top.look.badge(colour) }
}

/// In the selected row it is turned over with all the rest.
fn bar(top: &Top, row: &Row, width: usize, selected: bool) -> Span<'static> {
    let Some(status) = &row.status else { return Span::raw(" ".repeat(width)) };
    let footprint = status.memory.footprint;
    let eighths = cells(footprint.0, whole(&status.limits).0, width * 8);
    let drawn: String = (0..width).map(|n| across(eighths, n)).collect();
    match selected {
        true => Span::raw(drawn),
        false => Span::styled(drawn, top.look.fg(tone(footprint, &status.limits))),
    }
}

fn footer(top: &Top, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    if !overlay::fits(*buffer.area())
        && matches!(top.mode, TopMode::Prompt(..) | TopMode::Question(..))
    {
        return short(top, area, buffer);
    }
    let look = top.look;
    if top.mode == TopMode::Filter {
        return Some(filter(top, area, buffer));
    }
    let line = match &top.message {
        Some(message) => {
            let colour = if message.bad { Color::Red } else { Color::Green };
            let mark = if message.bad { "!" } else { "ok" };
            let mark = look.alarm(mark, colour);
            let room = usize::from(area.width).saturating_sub(mark.width() + 1);
            Line::from(vec![mark, Span::raw(format!(" {}", cut(&message.text, room)))])
        }
        None => footer::keys(look, &keys(top), usize::from(area.width)),
    };
    put(buffer, area, line);
    None
}

/// The most important first: what does not fit is left out.
fn keys(top: &Top) -> Vec<footer::Labelled> {
    let frozen = top.chosen().and_then(|member| member.row.status.as_ref());
    let freeze = if frozen.is_some_and(|s| s.frozen) { "thaw" } else { "freeze" };
    let mut keys = vec![
        ("?", "help"),
        ("q", "leave"),
        ("Enter", "show"),
        ("s", "sort"),
        ("t", "terminate"),
        ("m", "limit"),
        ("f", freeze),
        ("K", "kill"),
        ("/", "filter"),
        ("g", "grace"),
        ("r", "reverse"),
    ];
    if top.members().is_empty() {
        keys.truncate(2);
    }
    keys
}

/// The filter as it is typed; gives the place of the cursor.
fn filter(top: &Top, area: Rect, buffer: &mut Buffer) -> Position {
    footer::filter_line("filter the guardians: ", &top.filter, top.look, area, buffer)
}

/// The question in the last row, where there is no room for a box.
fn short(top: &Top, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    match &top.mode {
        TopMode::Prompt(_, prompt) => {
            let (line, cursor) = overlay::short_value(prompt);
            put(buffer, area, line);
            let x = area.x.saturating_add(cursor?);
            Some(Position::new(x.min(area.right().saturating_sub(1)), area.y))
        }
        TopMode::Question(key, question) => {
            let (text, keys) = question.words(top.asked_about(key).1);
            let line = Line::styled(format!("{keys}  {text}"), top.look.badge(Color::Yellow));
            put(buffer, area, line);
            None
        }
        TopMode::Normal | TopMode::Filter | TopMode::Help { .. } => None,
    }
}

fn boxes(top: &Top, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    match &top.mode {
        TopMode::Help { from } => help::draw(top.look, &help(), *from, area, buffer),
        TopMode::Prompt(_, prompt) if overlay::fits(area) => {
            return Some(overlay::value(top.look, prompt, area, buffer));
        }
        TopMode::Question(key, question) if overlay::fits(area) => {
            let (who, limits) = top.asked_about(key);
            let colour = match question {
                Question::Terminate | Question::Quit | Question::Signal { .. } => Color::Yellow,
                Question::Kill | Question::KillReally => Color::Red,
            };
            let (text, keys) = question.words(limits);
            let frame = top.look.strong(colour);
            let inner = boxed(&cut(&who, 40), frame, (52, 6), area, buffer);
            let bold = Style::new().add_modifier(Modifier::BOLD);
            let keys = Line::from(top.look.alarm(keys, colour));
            let lines = vec![Line::styled(text, bold), Line::default(), keys];
            let text = Paragraph::new(lines).alignment(Alignment::Center);
            text.wrap(Wrap { trim: true }).render(inner, buffer);
        }
        TopMode::Normal | TopMode::Filter | TopMode::Prompt(..) | TopMode::Question(..) => {}
    }
    None
}
