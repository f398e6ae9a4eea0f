//! Boxes over everything else: help, questions, values. Where there is no room for a box, the footer shows [`short`].

use crate::tui::app::{App, Mode};
use crate::tui::look::Look;
use crate::tui::prompt::{Prompt, Question, Setting};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Alignment, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget as _, Wrap};

/// The most important first: what does not fit is left out.
const HELP: [(&str, &str); 21] = [
    ("f", "freeze, or thaw again"),
    ("m + -  g", "set the memory limit, the grace period"),
    ("t", "terminate: SIGTERM, grace, SIGKILL"),
    ("K", "kill everything at once; asked twice"),
    ("q", "leave the view; the run goes on"),
    ("i  Ctrl-]", "type into the command, and no more"),
    (INTERRUPT, "goes to the command, always"),
    ("Ctrl-Z", "stop everything; the shell's fg goes on"),
    ("PgUp PgDn", "scroll its output"),
    ("z", "enlarge its output"),
    ("s S  r", "sort by the next, the previous; reverse"),
    ("e", "processes as a tree, or flat"),
    ("/", "only processes with what you type"),
    ("Up Down j k", "choose a process; Home End, Esc lets go"),
    ("x", "send it a signal; asked twice"),
    ("d", "measure its proportional set (PSS)"),
    ("p Space", "hold the panels still"),
    ("[ ]", "older events, newer events"),
    ("w", "write what is known to a file"),
    ("mouse", "click, wheel; with Shift it selects text"),
    ("? h", "this help; any key closes it"),
];

const REPLAY_HELP: [(&str, &str); 12] = [
    ("Space p", "pause, go on; at the end: from the start"),
    ("Left Right", "back and forward by 5 s at most"),
    ("Up Down", "forward and back by a minute"),
    ("Home End", "to the start, to the end"),
    (". ,", "one event forward, one back"),
    ("< >", "half as fast, twice as fast"),
    ("[ ]", "older events, newer events"),
    ("w", "write what is known to a file"),
    ("Ctrl-Z", "stop; the shell's fg goes on"),
    ("q Ctrl-C", "leave"),
    ("", ""),
    ("? h", "this help; any key closes it"),
];

/// Stands for the key that the user's terminal has for it.
const INTERRUPT: &str = "interrupt";

/// Columns of it, with the frame.
const HELP_WIDTH: u16 = 58;

/// True when a box of a question has room.
pub fn fits(area: Rect) -> bool {
    area.width >= 36 && area.height >= 8
}

/// Draws the box that the mode asks for; gives the place of the cursor in it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    match &app.mode {
        Mode::Normal | Mode::Typing | Mode::Filter => None,
        Mode::Help => {
            match app.replay {
                Some(_) => help(app, &REPLAY_HELP, area, buffer),
                None => help(app, &HELP, area, buffer),
            }
            None
        }
        Mode::Prompt(prompt) if fits(area) => Some(value(app.look, prompt, area, buffer)),
        Mode::Question(asked) if fits(area) => {
            question(app, *asked, area, buffer);
            None
        }
        Mode::Prompt(_) | Mode::Question(_) => None,
    }
}

/// The question as one line, and the column of the cursor in it.
pub fn short(app: &App) -> (Line<'static>, Option<u16>) {
    match &app.mode {
        Mode::Prompt(prompt) => {
            let text = format!("{}: {}", prompt.setting.name(), prompt.text);
            let line = Line::styled(text, Style::new().add_modifier(Modifier::BOLD));
            let cursor = u16::try_from(line.width()).ok();
            (line, cursor)
        }
        Mode::Question(asked) => {
            let (question, keys) = asked.words(app.limits());
            (Line::styled(format!("{keys}  {question}"), app.look.badge(Color::Yellow)), None)
        }
        Mode::Normal | Mode::Typing | Mode::Filter | Mode::Help => (Line::default(), None),
    }
}

/// An empty framed box in the middle; gives its inside.
pub fn frame(title: &str, style: Style, size: (u16, u16), area: Rect, buffer: &mut Buffer) -> Rect {
    let (width, height) = (size.0.min(area.width), size.1.min(area.height));
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let place = Rect { x, y, width, height };
    // A wide character half under the left edge would push the frame aside.
    let edge = x.checked_sub(1).filter(|edge| *edge >= area.x);
    for (edge, y) in edge.into_iter().flat_map(|edge| (y..y + height).map(move |y| (edge, y))) {
        let wide = |cell: &&mut Cell| Span::raw(cell.symbol().to_owned()).width() > 1;
        if let Some(cell) = buffer.cell_mut((edge, y)).filter(wide) {
            cell.set_char(' ');
        }
    }
    Clear.render(place, buffer);
    let title = Line::styled(format!(" {title} "), Style::reset().add_modifier(Modifier::BOLD));
    let block = Block::bordered().title(title).border_style(style);
    let inner = block.inner(place);
    block.render(place, buffer);
    Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner }
}

/// Below this height it is in two columns, if those have room.
fn help(app: &App, help: &[(&str, &'static str)], area: Rect, buffer: &mut Buffer) {
    let all = u16::try_from(help.len()).unwrap_or(u16::MAX);
    let two = area.height < all + 2 && area.width >= 2 * HELP_WIDTH;
    let (columns, rows) = if two { (2, all.div_ceil(2)) } else { (1, all) };
    let size = (HELP_WIDTH * columns, rows + 2);
    let inner = frame("keys", app.look.fg(Color::Cyan), size, area, buffer);
    let interrupt = app.interrupt.as_deref().unwrap_or("no key");
    for (n, keys) in (0..).zip(help.chunks(usize::from(rows))) {
        let x = inner.x + (HELP_WIDTH * n).min(inner.width);
        let place = Rect { x, width: inner.right() - x, ..inner };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let lines: Vec<_> = keys
            .iter()
            .map(|(key, text)| {
                let (key, text) = match *key == INTERRUPT {
                    true if app.visiting => (interrupt, "leave the view"),
                    true => (interrupt, *text),
                    false => (*key, *text),
                };
                Line::from(vec![Span::styled(format!("{key:<12} "), bold), Span::raw(text)])
            })
            .collect();
        Paragraph::new(lines).render(place, buffer);
    }
}

/// A value being typed; gives the place of the cursor.
pub fn value(look: Look, prompt: &Prompt, area: Rect, buffer: &mut Buffer) -> Position {
    let inner = frame(&prompt.setting.name(), look.fg(Color::Cyan), (56, 6), area, buffer);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let below = match &prompt.problem {
        Some(problem) => Line::styled(problem.clone(), look.strong(Color::Red)),
        None if matches!(prompt.setting, Setting::Signal(_)) => {
            Line::styled("Enter asks once more, Ctrl-U clears, Esc leaves", look.dim())
        }
        None => Line::styled("Enter sets it, Ctrl-U clears, Esc leaves", look.dim()),
    };
    let typed =
        Line::from(vec![Span::styled("> ", look.dim()), Span::styled(prompt.text.clone(), bold)]);
    let cursor = u16::try_from(typed.width()).unwrap_or(0);
    Paragraph::new(vec![typed, Line::default(), below])
        .wrap(Wrap { trim: true })
        .render(inner, buffer);
    let last = inner.right().saturating_sub(1);
    Position::new(inner.x.saturating_add(cursor).min(last), inner.y)
}

fn question(app: &App, asked: Question, area: Rect, buffer: &mut Buffer) {
    let colour = match asked {
        Question::Terminate | Question::Quit | Question::Signal { .. } => Color::Yellow,
        Question::Kill | Question::KillReally => Color::Red,
    };
    let (text, keys) = asked.words(app.limits());
    let inner = frame("sure?", app.look.strong(colour), (52, 5), area, buffer);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let lines =
        vec![Line::styled(text, bold), Line::default(), Line::from(app.look.alarm(keys, colour))];
    Paragraph::new(lines).alignment(Alignment::Center).render(inner, buffer);
}
