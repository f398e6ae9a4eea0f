//! Drawing: the [`App`] and the command's screen to a frame. No I/O, no change of state; one file a panel.

mod activity;
mod axes;
mod command;
mod events;
pub(crate) mod footer;
pub mod frame;
mod future;
pub(crate) mod gauge;
pub(crate) mod help;
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
mod workloads;

use super::app::{App, Mode};
use super::pane::Pane;
use super::target::Target;
use plan::{Plan, Wishes, pane_inner, plan};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

fn plan_for(app: &App, area: Rect) -> Plan {
    let asking = matches!(app.mode, Mode::Prompt(_) | Mode::Question(_) | Mode::Filter);
    let processes = app.replay.is_none();
    let (workloads, rest) = workloads::beside(app, area);
    let plan = plan(rest, Wishes { pane: app.has_pane, processes, zoomed: app.zoomed, asking });
    let footer = Rect { x: area.x, width: area.width, ..plan.footer };
    Plan { workloads, footer, ..plan }
}

/// Rows and columns that the command's screen has in a terminal of that size, if any.
pub fn pane_size(app: &App, rows: u16, columns: u16) -> Option<(u16, u16)> {
    let inner = pane_inner(plan_for(app, Rect::new(0, 0, columns, rows)).pane);
    (!inner.is_empty()).then_some((inner.height, inner.width))
}

/// What is there, in a terminal of so many rows and columns.
pub fn target(app: &App, (rows, columns): (u16, u16), (x, y): (u16, u16)) -> Target {
    let plan = plan_for(app, Rect::new(0, 0, columns, rows));
    let at = Position::new(x, y);
    let pane = pane_inner(plan.pane);
    match () {
        () if plan.footer.contains(at) => {
            let key = footer::key(app, plan.footer, x);
            key.map_or(Target::Elsewhere, Target::Key)
        }
        () if pane.contains(at) => Target::Pane { corner: (pane.x, pane.y) },
        () if plan.processes.contains(at) => {
            let place = processes::place_at(app, plan.processes, y);
            place.map_or(Target::Processes, Target::Process)
        }
        () if plan.events.contains(at) => Target::Events,
        () if plan.workloads.contains(at) => {
            let place = workloads::place_at(app, plan.workloads, y);
            place.map_or(Target::Elsewhere, Target::Workload)
        }
        () => Target::Elsewhere,
    }
}

/// Draws everything.
pub fn draw(app: &App, pane: Option<&Pane>, frame: &mut Frame<'_>) {
    let area = frame.area();
    let plan = plan_for(app, area);
    let buffer = frame.buffer_mut();
    workloads::draw(app, plan.workloads, buffer);
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
