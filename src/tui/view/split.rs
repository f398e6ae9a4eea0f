//! What the memory is made of: one bar of parts, and their sizes. Parts differ by pattern as well as by colour.

use super::ink::{cells, put};
use crate::status::Memory;
use crate::tui::app::App;
use crate::tui::look::Look;
use crate::units::Bytes;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};

/// Longer than this a bar only shouts.
const LONGEST: u16 = 60;

/// A part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Its name.
    pub name: &'static str,
    /// What a bar of it is made of.
    pub pattern: char,
    /// And its colour.
    pub colour: Color,
    /// How much.
    pub size: Bytes,
}

/// Those of the footprint, and last the cache.
pub(super) fn parts(memory: &Memory) -> [Part; 6] {
    let huge = if memory.hugetlb_counted { memory.hugetlb } else { Bytes(0) };
    let part = |name, pattern, colour, size| Part { name, pattern, colour, size };
    [
        part("anon", '█', Color::Blue, memory.anon),
        part("shmem", '▓', Color::Magenta, memory.shmem),
        part("kernel", '▒', Color::Cyan, memory.kernel),
        part("swap", '▞', Color::Yellow, memory.swapped()),
        part("huge pages", '▚', Color::Green, huge),
        part("cache", '░', Color::Reset, memory.cache),
    ]
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(status) = app.picture().status.as_deref() else { return };
    if area.is_empty() {
        return;
    }
    let parts = parts(&status.memory);
    let legend = legend(app.look, &parts, usize::from(area.width));
    let used = u16::try_from(legend.width() + 2).unwrap_or(u16::MAX).min(area.width);
    put(buffer, area, legend);
    // Shorter than this a bar tells nothing.
    if area.width - used >= 8 {
        let width = (area.width - used).min(LONGEST);
        let area = Rect { x: area.x + used, width, ..area };
        put(buffer, area, bar(app.look, &parts, usize::from(area.width)));
    }
}

/// The parts that are there, named.
pub(super) fn legend(look: Look, parts: &[Part], width: usize) -> Line<'static> {
    let groups = parts
        .iter()
        .filter(|part| part.size > Bytes(0))
        .map(|part| {
            let mark = Span::styled(part.pattern.to_string(), look.fg(part.colour));
            let name = Span::styled(format!(" {} ", part.name), look.dim());
            vec![mark, name, Span::raw(part.size.to_string())]
        })
        .collect();
    super::ink::fit(groups, 2, width)
}

/// Cells go by the running sum, so that the parts together are exactly as long as the whole.
pub(super) fn bar(look: Look, parts: &[Part], width: usize) -> Line<'static> {
    let whole = parts.iter().fold(Bytes(0), |sum, part| sum.saturating_add(part.size));
    let mut line = Line::default();
    let (mut sum, mut drawn) = (Bytes(0), 0);
    for part in parts {
        sum = sum.saturating_add(part.size);
        let end = cells(sum.0, whole.0, width);
        let text = part.pattern.to_string().repeat(end - drawn);
        line.push_span(Span::styled(text, look.fg(part.colour)));
        drawn = end;
    }
    line
}
