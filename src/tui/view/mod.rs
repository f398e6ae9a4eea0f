//! Drawing: the [`App`] and the command's screen to a frame. No I/O, no change of state; one file a panel.

mod activity;
mod command;
mod events;
mod footer;
mod future;
pub(crate) mod gauge;
pub(crate) mod ink;
mod ladder;
mod memory;
pub(crate) mod overlay;
mod plan;
mod plot;
mod pressure;
mod processes;
mod split;
mod title;

use super::app::{App, Mode};
use super::pane::Pane;
use plan::{Plan, Wishes, pane_inner, plan};
use ratatui::Frame;
use ratatui::layout::Rect;

fn plan_for(app: &App, area: Rect) -> Plan {
    let asking = matches!(app.mode, Mode::Prompt(_) | Mode::Question(_) | Mode::Filter);
    plan(area, Wishes { pane: app.has_pane, zoomed: app.zoomed, asking })
}

/// Rows and columns that the command's screen has in a terminal of that size, if any.
pub fn pane_size(app: &App, rows: u16, columns: u16) -> Option<(u16, u16)> {
    let inner = pane_inner(plan_for(app, Rect::new(0, 0, columns, rows)).pane);
    (!inner.is_empty()).then_some((inner.height, inner.width))
}

/// Draws everything.
pub fn draw(app: &App, pane: Option<&Pane>, frame: &mut Frame<'_>) {
    let area = frame.area();
    let plan = plan_for(app, area);
    let buffer = frame.buffer_mut();
    title::draw(app, plan.title, buffer);
    gauge::draw(app, plan.gauge, plan.memory.is_empty(), buffer);
    split::draw(app, plan.split, buffer);
    ladder::draw(app, plan.ladder, buffer);
    pressure::draw(app, plan.pressure, buffer);
    memory::draw(app, plan.memory, buffer);
    activity::draw(app, plan.activity, buffer);
    plot::draw(app, plan.history, buffer);
    processes::draw(app, plan.processes, buffer);
    events::draw(app, plan.events, buffer);
    let mut cursor = pane.and_then(|pane| command::draw(app, pane, plan.pane, buffer));
    cursor = footer::draw(app, plan.footer, buffer).or(cursor);
    cursor = overlay::draw(app, area, buffer).or(cursor);
    app.look.finish(buffer);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}
