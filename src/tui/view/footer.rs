//! The last row: what is being asked, else what there is to tell, else the keys.

use super::ink::{fit, places, put};
use super::overlay;
use crate::escape::cut;
use crate::tui::app::{App, Mode};
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Draws it; gives the place of the cursor where a value is typed here.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    if app.mode == Mode::Filter {
        return filter(app, area, buffer);
    }
    if overlay::fits(*buffer.area())
        || matches!(app.mode, Mode::Normal | Mode::Typing | Mode::Help { .. })
    {
        put(buffer, area, told_or_keys(app, usize::from(area.width)));
        return None;
    }
    // Too small for a box: the question is here.
    let (line, cursor) = overlay::short(app);
    put(buffer, area, line);
    let x = area.x.saturating_add(cursor?);
    Some(Position::new(x.min(area.right().saturating_sub(1)), area.y))
}

fn filter(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let label = "filter the processes: ";
    Some(filter_line(label, &app.table.filter, app.look, area, buffer))
}

/// A filter as it is typed; gives the place of the cursor.
pub fn filter_line(
    label: &'static str,
    text: &str,
    look: Look,
    area: Rect,
    buffer: &mut Buffer,
) -> Position {
    let typed = Line::from(vec![
        Span::styled(label, look.dim()),
        Span::styled(text.to_owned(), Style::new().add_modifier(Modifier::BOLD)),
    ]);
    let x = area.x.saturating_add(u16::try_from(typed.width()).unwrap_or(u16::MAX));
    let mut line = typed;
    line.push_span(Span::styled("   Enter keeps it, Esc shows all", look.dim()));
    put(buffer, area, line);
    Position::new(x.min(area.right().saturating_sub(1)), area.y)
}

fn told_or_keys(app: &App, width: usize) -> Line<'static> {
    match &app.message {
        Some(message) => {
            let colour = if message.bad { Color::Red } else { Color::Green };
            let mark = if message.bad { " ! " } else { " ok " };
            let room = width.saturating_sub(mark.len() + 1);
            Line::from(vec![
                Span::styled(mark, app.look.badge(colour)),
                // What the guardian says begins with the word that stands there already.
                Span::raw(format!(" {}", cut(message.text.trim_start_matches("ok: "), room))),
            ])
        }
        None => keys(app.look, &present_keys(app), width),
    }
}

/// A key and what it does.
pub type Labelled = (&'static str, &'static str);

fn present_keys(app: &App) -> Vec<Labelled> {
    match (app.mode == Mode::Typing, app.replay) {
        (true, _) => vec![("Ctrl-]", "back to the dashboard")],
        (false, Some(_)) => replay_keys(app),
        (false, None) => normal_keys(app),
    }
}

/// The key whose name is drawn there.
pub fn key(app: &App, area: Rect, x: u16) -> Option<KeyEvent> {
    let shows_keys = app.message.is_none() && matches!(app.mode, Mode::Normal | Mode::Typing);
    shows_keys.then(|| key_at(&present_keys(app), area, x)).flatten()
}

/// The key of those in a footer whose name or word is in that column.
pub fn key_at(keys: &[Labelled], area: Rect, x: u16) -> Option<KeyEvent> {
    let widths: Vec<usize> = keys.iter().map(|(key, word)| width_of(key, word)).collect();
    let at = usize::from(x.checked_sub(area.x)?);
    let places = places(&widths, GAP, usize::from(area.width));
    let n = places.iter().zip(&widths).position(|(place, width)| {
        place.is_some_and(|place| (place..place + width).contains(&at))
    })?;
    let mut letters = keys[n].0.chars();
    let (code, modifiers) = match (keys[n].0, letters.next(), letters.next()) {
        ("Enter", ..) => (KeyCode::Enter, KeyModifiers::NONE),
        ("Space", ..) => (KeyCode::Char(' '), KeyModifiers::NONE),
        ("Tab", ..) => (KeyCode::Tab, KeyModifiers::NONE),
        ("Ctrl-]", ..) => (KeyCode::Char(']'), KeyModifiers::CONTROL),
        (_, Some(letter), None) => (KeyCode::Char(letter), KeyModifiers::NONE),
        _ => return None,
    };
    Some(KeyEvent::new(code, modifiers))
}

fn width_of(key: &str, word: &str) -> usize {
    Span::raw(key.to_owned()).width() + 1 + Span::raw(word.to_owned()).width()
}

/// None of them acts on the workload.
fn replay_keys(app: &App) -> Vec<Labelled> {
    vec![
        ("?", "help"),
        ("q", "leave"),
        ("Space", if app.is_paused() { "resume" } else { "pause" }),
        ("Left/Right", "seek"),
        (".", "step"),
        (",", "step back"),
        ("<", "slower"),
        (">", "faster"),
        ("Up/Down", "a minute"),
        ("Home/End", "from the start, to the end"),
        ("w", "save"),
    ]
}

/// The most important first: what does not fit is left out.
fn normal_keys(app: &App) -> Vec<Labelled> {
    let frozen = app.now().is_some_and(|status| status.frozen);
    let mut keys = vec![
        ("?", "help"),
        ("q", "leave"),
        ("t", "terminate"),
        ("m", "limit"),
        ("f", if frozen { "thaw" } else { "freeze" }),
        ("K", "kill"),
    ];
    if app.workloads.are_several() {
        keys.insert(2, ("Tab", "next workload"));
    }
    if app.has_pane {
        keys.push(("i", "type"));
        keys.push(("z", "zoom"));
    }
    keys.extend([
        ("g", "grace"),
        ("s", "sort"),
        ("e", if app.table.tree { "flat" } else { "tree" }),
        ("/", "filter"),
        ("x", "signal"),
        ("d", "pss"),
        ("p", if app.is_paused() { "resume" } else { "pause" }),
        ("w", "save"),
    ]);
    keys
}

/// Columns between two keys.
const GAP: usize = 2;

/// Those that fit.
pub fn keys(look: Look, keys: &[Labelled], width: usize) -> Line<'static> {
    let key_style = Style::new().add_modifier(Modifier::BOLD);
    let groups = keys
        .iter()
        .map(|(key, name)| {
            vec![Span::styled(*key, key_style), Span::styled(format!(" {name}"), look.dim())]
        })
        .collect();
    fit(groups, GAP, width)
}
