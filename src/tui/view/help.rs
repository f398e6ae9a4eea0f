//! The help: which keys do what in the place where it is asked for, and nothing that does nothing there. It scrolls where the terminal
//! has no room for all of it.

use super::frame::frame;
use super::ink::wrap;
use crate::tui::app::App;
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _};

/// Keys, and what they do.
pub type KeyHelp = (String, &'static str);

/// Columns of it, with the frame.
const WIDTH: u16 = 58;
/// Of the keys, with the gap behind them.
const KEYS: usize = 13;
/// A text that has less room than this is below its keys.
const LEAST_TEXT: usize = 16;

/// What moves it, in every place.
const CLOSES: (&str, &str) = ("? h", "this help; any key closes it");

/// In the place of the dashboard that this is.
pub fn of_dashboard(app: &App) -> Vec<KeyHelp> {
    match (app.replay, app.visiting) {
        (Some(_), _) => entries(&[REPLAY]),
        (None, true) if app.workloads.are_several() => entries(&[SEVERAL, ACTS, VISITING, PANELS]),
        (None, true) => entries(&[ACTS, VISITING, PANELS]),
        (None, false) if app.has_pane => {
            let interrupt = app.interrupt.clone().unwrap_or_else(|| "no key".to_owned());
            let mut entries = entries(&[ACTS, OWN, PANELS]);
            let place = entries.iter().position(|(key, _)| key == "Ctrl-Z").unwrap_or(0);
            entries.insert(place, (interrupt, "goes to the command; closes a box"));
            entries
        }
        (None, false) => entries(&[ACTS, WITHOUT_PANE, PANELS]),
    }
}

/// Those, and what closes the help.
pub fn entries(parts: &[&[(&str, &'static str)]]) -> Vec<KeyHelp> {
    let all = parts.iter().copied().flatten().chain([&CLOSES]);
    all.map(|(key, text)| ((*key).to_owned(), *text)).collect()
}

const SEVERAL: &[(&str, &str)] = &[("Tab", "the next workload; Shift-Tab the one before")];

const ACTS: &[(&str, &str)] = &[
    ("f", "freeze, or thaw"),
    ("m + -  g", "set the memory limit, the grace period"),
    ("t", "terminate: SIGTERM, grace, SIGKILL"),
    ("K", "kill everything at once; asked twice"),
];

const OWN: &[(&str, &str)] = &[
    ("q", "leave the view; the run continues"),
    ("i  Ctrl-]", "type into the command; Ctrl-] goes back"),
    ("Ctrl-Z", "suspend everything; fg resumes"),
    ("PgUp PgDn", "scroll its output"),
    ("z", "enlarge its output"),
];

const WITHOUT_PANE: &[(&str, &str)] = &[
    ("q", "leave the view; the run continues"),
    ("Ctrl-C", "the same as t"),
    ("Ctrl-Z", "suspend everything; fg resumes"),
    ("PgUp PgDn", "older events, newer events"),
];

/// One of `sentinel top`: its command is shown elsewhere, and the shell has only the view.
const VISITING: &[(&str, &str)] = &[
    ("q Esc Ctrl-C", "leave this view; the run continues"),
    ("Ctrl-Z", "suspend this view alone; fg resumes"),
    ("PgUp PgDn", "older events, newer events"),
];

const PANELS: &[(&str, &str)] = &[
    ("s S  r", "sort by the next, previous; reverse"),
    ("e", "processes as a tree, or flat"),
    ("/", "filter the processes as you type"),
    ("Up Down j k", "choose a process; Home End; Esc deselects"),
    ("x", "send it a signal; asked twice"),
    ("d", "measure its proportional set (PSS)"),
    ("p Space", "pause the display"),
    ("[ ]", "older events, newer events"),
    ("w", "save a snapshot to a file"),
    ("Ctrl-L", "redraw the screen"),
    ("mouse", "click, wheel; with Shift it selects text"),
];

const REPLAY: &[(&str, &str)] = &[
    ("Space p", "pause, resume; at the end: start over"),
    ("Left Right", "back and forward by 5 s at most"),
    ("Up Down", "forward and back by a minute"),
    ("Home End", "to the start, to the end"),
    (". ,", "one event forward, one back"),
    ("< >", "halve, double the speed"),
    ("[ ]", "older events, newer events"),
    ("PgUp PgDn", "the same"),
    ("w", "save a snapshot to a file"),
    ("Ctrl-L", "redraw the screen"),
    ("Ctrl-Z", "suspend; fg resumes"),
    ("q Ctrl-C", "leave"),
];

/// How it is laid out in a terminal of some size.
struct HelpLayout {
    columns: u16,
    rows: Vec<Line<'static>>,
    /// Rows that are seen at once.
    seen: usize,
}

impl HelpLayout {
    /// Two columns where one has no room and two have.
    fn new(entries: &[KeyHelp], (height, width): (u16, u16)) -> HelpLayout {
        let room = usize::from(height.saturating_sub(2)).max(1);
        let columns = if entries.len() > room && width >= 2 * WIDTH { 2 } else { 1 };
        let rows = rows(entries, usize::from(WIDTH.min(width).saturating_sub(4)));
        let seen = rows.len().div_ceil(usize::from(columns)).min(room);
        HelpLayout { columns, rows, seen }
    }

    fn last_first(&self) -> usize {
        self.rows.len().saturating_sub(self.seen * usize::from(self.columns))
    }
}

/// The keys beside their text, or above it where that has no room.
fn rows(entries: &[KeyHelp], width: usize) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let beside = width >= KEYS + LEAST_TEXT;
    let indent = if beside { KEYS } else { 2 };
    let mut rows = Vec::new();
    for (key, text) in entries {
        let mut start = Span::styled(format!("{key:<12} "), bold);
        if !beside {
            rows.push(Line::from(start));
            start = Span::raw("  ");
        }
        for text in wrap(text, width.saturating_sub(indent), usize::MAX) {
            rows.push(Line::from(vec![start, Span::raw(text)]));
            start = Span::raw(" ".repeat(indent));
        }
    }
    rows
}

/// The first row to be seen after a key, in a terminal of so many rows and columns; `None` where the key closes the help.
pub fn scrolled(
    entries: &[KeyHelp],
    from: usize,
    code: KeyCode,
    size: (u16, u16),
) -> Option<usize> {
    let plan = HelpLayout::new(entries, size);
    let last = plan.last_first();
    if last == 0 {
        return None;
    }
    match (code,) {
        (KeyCode::Down | KeyCode::Char('j'),) => Some((from + 1).min(last)),
        (KeyCode::Up | KeyCode::Char('k'),) => Some(from.saturating_sub(1)),
        (KeyCode::PageDown | KeyCode::Char(' '),) => Some((from + plan.seen).min(last)),
        (KeyCode::PageUp,) => Some(from.saturating_sub(plan.seen)),
        (KeyCode::Home,) => Some(0),
        (KeyCode::End,) => Some(last),
        _ => None,
    }
}

/// Draws it, from that row on.
pub fn draw(look: Look, entries: &[KeyHelp], from: usize, area: Rect, buffer: &mut Buffer) {
    let plan = HelpLayout::new(entries, (area.height, area.width));
    let height = u16::try_from(plan.seen).unwrap_or(u16::MAX).saturating_add(2);
    let from = from.min(plan.last_first());
    let to = (from + plan.seen * usize::from(plan.columns)).min(plan.rows.len());
    let title = match plan.last_first() {
        0 => "keys".to_owned(),
        _ => format!("keys {}-{to} of {}, Up Down", from + 1, plan.rows.len()),
    };
    let size = (WIDTH * plan.columns, height);
    let inner = frame(&title, look.fg(Color::Cyan), size, area, buffer);
    for (n, rows) in (0..).zip(plan.rows[from..to].chunks(plan.seen.max(1))) {
        let x = inner.x + (WIDTH * n).min(inner.width);
        let place = Rect { x, width: inner.right() - x, ..inner };
        Paragraph::new(rows.to_vec()).render(place, buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_can_be_seen_at_any_size() {
        let app = App::new(Look { colour: true, unicode: true }, true);
        let entries = of_dashboard(&app);
        for (height, width) in [(24, 80), (12, 40), (8, 36), (5, 20), (12, 130)] {
            let area = Rect::new(0, 0, width, height);
            let (mut from, mut seen) = (0, String::new());
            loop {
                let mut buffer = Buffer::empty(area);
                draw(app.look, &entries, from, area, &mut buffer);
                seen.extend(buffer.content.iter().map(|cell| cell.symbol()));
                match scrolled(&entries, from, KeyCode::Down, (height, width)) {
                    Some(next) if next > from => from = next,
                    _ => break,
                }
            }
            for word in entries.iter().flat_map(|(key, text)| [key.as_str(), text]) {
                for word in word.split(' ') {
                    assert!(seen.contains(word), "{word:?} at {width}x{height}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_scroll_is_closed_by_every_key() {
        let entries = entries(&[ACTS]);
        assert_eq!(scrolled(&entries, 0, KeyCode::Down, (24, 80)), None);
        assert_eq!(scrolled(&entries, 0, KeyCode::Down, (4, 40)), Some(1));
        assert_eq!(scrolled(&entries, 1, KeyCode::Up, (4, 40)), Some(0));
        assert_eq!(scrolled(&entries, 0, KeyCode::End, (4, 80)), Some(entries.len() - 2));
        assert_eq!(scrolled(&entries, 0, KeyCode::Esc, (4, 40)), None);
    }
}
