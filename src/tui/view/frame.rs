//! The box that questions, values and the help are in.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget as _};

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
