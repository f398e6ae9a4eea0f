//! The last row: what is being asked, else what there is to tell, else the keys.

use super::ink::{fit, put};
use super::overlay;
use crate::tui::app::{App, Mode};
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
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
    if overlay::fits(*buffer.area()) || matches!(app.mode, Mode::Normal | Mode::Typing | Mode::Help)
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
    let typed = Line::from(vec![
        Span::styled("only processes with: ", app.look.dim()),
        Span::styled(app.table.filter.clone(), Style::new().add_modifier(Modifier::BOLD)),
    ]);
    let x = area.x.saturating_add(u16::try_from(typed.width()).unwrap_or(u16::MAX));
    let mut line = typed;
    line.push_span(Span::styled("   Enter keeps it, Esc shows all", app.look.dim()));
    put(buffer, area, line);
    Some(Position::new(x.min(area.right().saturating_sub(1)), area.y))
}

fn told_or_keys(app: &App, width: usize) -> Line<'static> {
    match &app.message {
        Some(message) => {
            let colour = if message.bad { Color::Red } else { Color::Green };
            Line::from(vec![
                Span::styled(if message.bad { " ! " } else { " ok " }, app.look.badge(colour)),
                // What the guardian says begins with the word that stands there already.
                Span::raw(format!(" {}", message.text.trim_start_matches("ok: "))),
            ])
        }
        None if app.mode == Mode::Typing => {
            keys(app.look, &[("Ctrl-]", "back to the dashboard")], width)
        }
        None => keys(app.look, &normal_keys(app), width),
    }
}

/// The most important first: what does not fit is left out.
fn normal_keys(app: &App) -> Vec<(&'static str, &'static str)> {
    let frozen = app.now().is_some_and(|status| status.frozen);
    let mut keys = vec![
        ("?", "help"),
        ("q", if app.visiting { "back" } else { "quit" }),
        ("t", "terminate"),
        ("m", "limit"),
        ("f", if frozen { "thaw" } else { "freeze" }),
        ("k", "kill"),
    ];
    if app.has_pane {
        keys.push(("i", "type"));
        keys.push(("z", "zoom"));
    }
    keys.extend([
        ("g", "grace"),
        ("s", "sort"),
        ("e", if app.table.tree { "flat" } else { "tree" }),
        ("/", "filter"),
        ("d", "pss"),
        ("p", if app.is_paused() { "go on" } else { "pause" }),
        ("w", "save"),
    ]);
    keys
}

fn keys(look: Look, keys: &[(&'static str, &'static str)], width: usize) -> Line<'static> {
    let key_style = Style::new().add_modifier(Modifier::BOLD);
    let groups = keys
        .iter()
        .map(|(key, name)| {
            vec![Span::styled(*key, key_style), Span::styled(format!(" {name}"), look.dim())]
        })
        .collect();
    fit(groups, 2, width)
}
