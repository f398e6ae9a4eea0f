//! Boxes over everything else: help, questions, values. Where there is no room for a box, the footer shows [`short`].

use super::frame::frame;
use super::help;
use super::ink::wrap;
use crate::tui::app::{App, Mode};
use crate::tui::look::Look;
use crate::tui::prompt::{Prompt, Question, Setting};
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

/// Of the box of a value, and of the text in it.
const VALUE_WIDTH: u16 = 56;
const VALUE_TEXT: usize = 52;
/// The longest reason why a value was not taken.
const PROBLEM_ROWS: usize = 5;

/// True when a box of a question has room.
pub fn fits(area: Rect) -> bool {
    area.width >= 36 && area.height >= 8
}

/// Draws the box that the mode asks for; gives the place of the cursor in it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    match &app.mode {
        Mode::Normal | Mode::Typing | Mode::Filter => None,
        Mode::Help { from } => {
            help::draw(app.look, &help::of_dashboard(app), *from, area, buffer);
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
        Mode::Prompt(prompt) => short_value(prompt),
        Mode::Question(asked) => {
            let (question, keys) = asked.words(app.limits());
            (Line::styled(format!("{keys}  {question}"), app.look.badge(Color::Yellow)), None)
        }
        Mode::Normal | Mode::Typing | Mode::Filter | Mode::Help { .. } => (Line::default(), None),
    }
}

/// A value being typed; gives the place of the cursor.
pub fn value(look: Look, prompt: &Prompt, area: Rect, buffer: &mut Buffer) -> Position {
    let width = VALUE_TEXT.min(usize::from(area.width.saturating_sub(4)));
    let problem = prompt.problem.as_deref().map(|it| wrap(it, width, PROBLEM_ROWS));
    let problem = problem.unwrap_or_default();
    let rows = u16::try_from(problem.len().max(1)).unwrap_or(1);
    // The hint may need two.
    let size = (VALUE_WIDTH, 4 + rows + u16::from(area.width < VALUE_WIDTH));
    let inner = frame(&prompt.setting.name(), look.fg(Color::Cyan), size, area, buffer);
    let hint = match prompt.setting {
        _ if prompt.sent => "asked the guardian; Esc leaves",
        Setting::Signal(_) => "Enter asks once more, Ctrl-U clears, Esc leaves",
        Setting::Memory | Setting::Grace => "Enter sets it, Ctrl-U clears, Esc leaves",
    };
    let mut typed = prompt_line(prompt);
    typed.spans.insert(0, Span::styled("> ", look.dim()));
    let cursor = u16::try_from(2 + prompt.cursor).unwrap_or(0);
    let mut lines = vec![typed];
    lines.extend(problem.into_iter().map(|it| Line::styled(it, look.strong(Color::Red))));
    lines.extend((lines.len() < 2).then(Line::default));
    lines.push(Line::styled(hint, look.dim()));
    Paragraph::new(lines).wrap(Wrap { trim: true }).render(inner, buffer);
    let last = inner.right().saturating_sub(1);
    Position::new(inner.x.saturating_add(cursor).min(last), inner.y)
}

/// What is typed: reversed where the next letter takes its place.
fn prompt_line(prompt: &Prompt) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let style = if prompt.selected { bold.add_modifier(Modifier::REVERSED) } else { bold };
    Line::from(Span::styled(prompt.text.clone(), style))
}

/// A value in one row, and the column of the cursor.
pub fn short_value(prompt: &Prompt) -> (Line<'static>, Option<u16>) {
    let name = format!("{}: ", prompt.setting.name());
    let cursor = u16::try_from(name.len() + prompt.cursor).ok();
    let mut line = prompt_line(prompt);
    line.spans.insert(0, Span::styled(name, Style::new().add_modifier(Modifier::BOLD)));
    let problem = prompt.problem.iter().map(|problem| Span::raw(format!("  {problem}")));
    line.spans.extend(problem);
    (line, cursor)
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
