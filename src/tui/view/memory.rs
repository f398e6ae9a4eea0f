//! The three numbers that people take for "the memory of it", side by side, with what makes them differ, and swap.

use super::ink::{cells, fit, head, name, put, row};
use super::split::{Part, bar, legend, parts};
use crate::status::{Memory, Status, Tier};
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::{Bytes, Limit};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Rows with the head line.
pub const ROWS: u16 = 5;
/// Columns of the label and the number.
const LABELS: u16 = 19;
/// Longest bar.
const LONGEST: u16 = 40;

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let title = Line::from(vec![
        name("what it is"),
        Span::styled(" three ways to count it", app.look.dim()),
    ]);
    let inner = head(buffer, area, title, app.look.dim());
    let Some(status) = app.picture().status.as_deref() else { return };
    let then = app.picture().table_footprint.unwrap_or(status.memory.footprint);
    for (n, line) in (0..inner.height).zip(rows(app.look, status, then)) {
        draw_row(app.look, line, row(inner, n), buffer);
    }
}

/// A number, its bar, and what is said of it, the longest words first.
struct Measure {
    label: &'static str,
    value: Bytes,
    parts: Vec<Part>,
    whole: Bytes,
    words: Vec<Line<'static>>,
}

fn rows(look: Look, status: &Status, then: Bytes) -> Vec<Measure> {
    let memory = &status.memory;
    let widest = memory.current.max(memory.footprint).max(memory.rss.unwrap_or_default());
    let said = |texts: Vec<String>| {
        texts.into_iter().map(|text| Line::styled(text, look.dim())).collect::<Vec<_>>()
    };
    let all = parts(memory);
    let (own, cache) = all.split_at(all.len() - 1);
    let row = |label, value, parts, words| Measure { label, value, parts, whole: widest, words };
    let mut rows = vec![
        row("footprint", memory.footprint, own.to_vec(), vec![legend(look, own, usize::MAX)]),
        row(
            "current",
            memory.current,
            vec![Part::plain(memory.footprint), Part { pattern: '□', ..cache[0] }],
            said(current(status)),
        ),
    ];
    if let Some(rss) = memory.rss {
        rows.push(row("rss sum", rss, vec![Part::plain(rss)], said(resident(rss, memory, then))));
    }
    rows.push(row("swap", memory.swap, vec![Part::plain(memory.swap)], said(swap(status))));
    rows
}

fn current(status: &Status) -> Vec<String> {
    let cache = status.memory.cache;
    match status.tier {
        Tier::Kernel | Tier::Observed => vec![
            format!("{cache} of it is cache, reclaimable: not counted"),
            format!("{cache} of it is cache: not counted"),
            format!("cache {cache}"),
        ],
        Tier::Hybrid | Tier::Polled => vec![
            format!("summed over processes; {cache} of mapped files do not count"),
            format!("with {cache} of mapped files"),
            format!("files {cache}"),
        ],
    }
}

/// Shared and file pages make the sum larger, what no process maps makes it smaller. `then` is the footprint when the table came, and
/// what the table had no time to see yet is no reason.
fn resident(rss: Bytes, memory: &Memory, then: Bytes) -> Vec<String> {
    let more = rss.saturating_sub(then);
    let less = then.saturating_sub(rss);
    if rss >= then {
        return vec![
            format!("{more} more: shared pages count for each process, files too"),
            format!("{more} more: shared pages, files"),
            format!("+{more}"),
        ];
    }
    let unmapped = [memory.kernel, memory.swapped(), memory.shmem, memory.hugetlb];
    let unmapped = unmapped.into_iter().fold(Bytes::mib(1), Bytes::saturating_add);
    if less > unmapped {
        return vec![
            format!("{less} less: the process table is a moment older"),
            format!("{less} less: a moment older"),
            format!("-{less}"),
        ];
    }
    vec![
        format!("{less} less: no kernel memory, swap, or what nobody maps (tmpfs)"),
        format!("{less} less: no kernel memory, tmpfs, swap"),
        format!("-{less}"),
    ]
}

fn swap(status: &Status) -> Vec<String> {
    match status.limits.swap {
        Limit::At(0) => vec![
            "none allowed: a leak cannot hide there (--swap)".to_owned(),
            "none allowed".to_owned(),
        ],
        Limit::At(most) => vec![
            format!("of {} allowed: room beyond the limit", Bytes(most)),
            format!("of {}", Bytes(most)),
        ],
        Limit::Max if status.limits.swap_room == Limit::Max => {
            vec!["not limited: only thrashing is".to_owned(), "not limited".to_owned()]
        }
        Limit::Max => {
            vec!["not limited here; counts as footprint".to_owned(), "not limited".to_owned()]
        }
    }
}

fn draw_row(look: Look, line: Measure, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let label = vec![
        Span::styled(format!("{:<10}", line.label), look.dim()),
        Span::styled(format!("{:>8}", line.value), bold),
    ];
    put(buffer, area, fit(vec![label], 1, usize::from(area.width)));
    let left = area.width.saturating_sub(LABELS);
    let bar_width = (left / 3).min(LONGEST);
    let at = Rect { x: area.x + LABELS.min(area.width), width: bar_width, ..area };
    let length = cells(line.value.0, line.whole.0, usize::from(bar_width));
    let length = if line.value > Bytes(0) { length.max(1) } else { 0 };
    put(buffer, at, bar(look, &line.parts, length));
    let room = left.saturating_sub(bar_width + 1);
    let at = Rect { x: at.right() + 1, width: room, ..area };
    let fits = |words: &&Line<'static>| words.width() <= usize::from(room);
    if let Some(words) = line.words.iter().find(fits) {
        put(buffer, at, words.clone());
    } else if line.label == "footprint" {
        put(buffer, at, legend(look, &line.parts, usize::from(room)));
    }
}

impl Part {
    /// Of one kind. Not as high as a cell, so that bars below each other stay apart.
    fn plain(size: Bytes) -> Part {
        Part { name: "", pattern: '■', colour: Color::Green, size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_older_is_no_reason_for_less() {
        let memory = Memory { kernel: Bytes::mib(2), ..Memory::default() };
        let said = |rss, then| resident(Bytes::mib(rss), &memory, Bytes::mib(then)).remove(0);
        assert!(said(100, 102).contains("2.0M less: no kernel memory"), "{}", said(100, 102));
        assert!(said(100, 114).contains("14.0M less: the process table is a moment older"));
        assert!(said(104, 100).contains("4.0M more: shared pages"));
    }
}
