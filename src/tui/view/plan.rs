//! Which panel goes where: a function of the size alone, so that any terminal gets the most important things first.

use super::memory;
use ratatui::layout::Rect;

/// Two panels side by side from this width on.
const TWO_COLUMNS: u16 = 72;
/// Events beside the command's output from this width on.
const WIDE: u16 = 130;
/// Empty rows between groups from this height on.
const AIRY: u16 = 32;
/// The numbers one above the other from this height and width on; activity beside them, or from another height on below.
const ROOMY: (u16, u16) = (34, 72);
const BESIDE: u16 = 150;
const TALL: u16 = 46;

/// The place of each panel; an empty one is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// State, command, tier, uptime.
    pub title: Rect,
    /// Memory against its lines.
    pub gauge: Rect,
    /// What the memory is made of.
    pub split: Rect,
    /// Warn, terminate, kill.
    pub ladder: Rect,
    /// Activity, pressure and counters in a row.
    pub pressure: Rect,
    /// What counts as memory.
    pub memory: Rect,
    /// Activity with curves.
    pub activity: Rect,
    /// Memory over time.
    pub history: Rect,
    /// The process table.
    pub processes: Rect,
    /// What happened.
    pub events: Rect,
    /// The command's output, with its head line.
    pub pane: Rect,
    /// The guardian's workloads.
    pub workloads: Rect,
    /// Keys, messages.
    pub footer: Rect,
}

/// What the plan depends on besides the size.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// There is a pane for the command's output.
    pub pane: bool,
    /// There is a table of processes.
    pub processes: bool,
    /// The pane has nearly all the room.
    pub zoomed: bool,
    /// The user is being asked something, so the footer must be seen.
    pub asking: bool,
}

/// Cuts rows off the top.
struct Rows(Rect);

impl Rows {
    fn take(&mut self, height: u16) -> Rect {
        let height = height.min(self.0.height);
        let row = Rect { height, ..self.0 };
        self.0 = Rect { y: self.0.y + height, height: self.0.height - height, ..self.0 };
        row
    }
}

/// `area` as `left` columns, one of space, and the rest.
fn beside(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    let right_x = (left + 1).min(area.width);
    let right = Rect { x: area.x + right_x, width: area.width - right_x, ..area };
    (Rect { width: left, ..area }, right)
}

fn percent(n: u16, percent: u16) -> u16 {
    let share = u32::from(n) * u32::from(percent) / 100;
    u16::try_from(share).unwrap_or(n)
}

/// Places everything in `area`.
pub fn plan(area: Rect, wishes: Wishes) -> Plan {
    let mut plan = Plan::default();
    let mut rows = Rows(area);
    if area.height >= 3 || wishes.asking {
        plan.footer =
            Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
        rows.0.height -= plan.footer.height;
    }
    plan.title = rows.take(1);
    let small = wishes.zoomed && wishes.pane;
    let airy = area.height >= AIRY && !small;
    rows.take(u16::from(airy));
    plan.gauge = rows.take(match area.height {
        0..=9 => 1,
        _ if small => 1,
        10..=19 => 2,
        20..=39 => 3,
        _ => 4,
    });
    rows.take(u16::from(airy));
    if area.height >= 5 {
        plan.ladder = rows.take(1);
    }
    if small {
        plan.pane = rows.0;
        return plan;
    }
    numbers(&mut plan, &mut rows, area);
    rows.take(u16::from(airy && plan.memory.is_empty()));
    panels(&mut plan, rows, wishes);
    plan
}

/// In a row or two, or as panels of their own.
fn numbers(plan: &mut Plan, rows: &mut Rows, area: Rect) {
    if area.height >= ROOMY.0 && area.width >= ROOMY.1 {
        let (beside_it, below) = (area.width >= BESIDE, area.height >= TALL);
        if !beside_it && !below {
            plan.pressure = rows.take(1);
        }
        plan.memory = rows.take(memory::ROWS);
        if beside_it {
            let half = percent(plan.memory.width, 58);
            (plan.memory, plan.activity) = beside(plan.memory, half);
        } else if below {
            plan.activity = rows.take(memory::ROWS);
        }
        return;
    }
    if area.height >= 18 {
        plan.split = rows.take(1);
    }
    if area.height >= 20 {
        plan.pressure = rows.take(1);
    }
}

/// The panels that grow with the room that is left.
fn panels(plan: &mut Plan, mut rows: Rows, wishes: Wishes) {
    let area = rows.0;
    if area.height < 2 {
        return;
    }
    let two = area.width >= TWO_COLUMNS;
    let below = match (wishes.pane, two) {
        _ if area.height < 7 => {
            if wishes.pane {
                area.height
            } else {
                0
            }
        }
        (true, true) => percent(area.height, 58),
        (true, false) => percent(area.height, 60),
        (false, _) => percent(area.height, 40),
    };
    let top = rows.take(area.height - below);
    if !wishes.processes {
        plan.history = top;
    } else if two {
        (plan.history, plan.processes) = beside(top, percent(top.width, 48));
    } else {
        let mut top = Rows(top);
        if top.0.height >= 12 {
            plan.history = top.take(percent(top.0.height, 45));
        }
        plan.processes = top.0;
    }
    bottom(plan, rows, wishes);
}

fn bottom(plan: &mut Plan, mut rows: Rows, wishes: Wishes) {
    let area = rows.0;
    if !wishes.pane {
        plan.events = area;
    } else if area.width >= WIDE {
        (plan.pane, plan.events) = beside(area, percent(area.width, 62));
    } else {
        let events = match area.height {
            0..=6 => 0,
            7..=9 => 3,
            height => percent(height, 30).clamp(4, 12),
        };
        plan.events = rows.take(events);
        plan.pane = rows.0;
    }
}

/// The pane without its head line: what the command's terminal measures.
pub fn pane_inner(pane: Rect) -> Rect {
    let head = pane.height.min(1);
    Rect { y: pane.y + head, height: pane.height - head, ..pane }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(plan: &Plan) -> [Rect; 12] {
        [
            plan.title,
            plan.gauge,
            plan.split,
            plan.ladder,
            plan.pressure,
            plan.memory,
            plan.activity,
            plan.history,
            plan.processes,
            plan.events,
            plan.pane,
            plan.footer,
        ]
    }

    #[test]
    fn panels_never_overlap_nor_leave_the_screen() {
        for (width, height) in (0..=200).flat_map(|w| (0..=70).map(move |h| (w, h))) {
            for bits in 0..16u8 {
                let bit = |n: u8| bits & n != 0;
                let (pane, zoomed) = (bit(1), bit(2));
                let wishes = Wishes { pane, processes: bit(8), zoomed, asking: bit(4) };
                let area = Rect::new(0, 0, width, height);
                let places = all(&plan(area, wishes));
                for (n, a) in places.iter().enumerate() {
                    assert!(
                        a.is_empty() || area.intersection(*a) == *a,
                        "{width}x{height} {wishes:?}"
                    );
                    for b in &places[n + 1..] {
                        assert!(
                            !a.intersects(*b) || a.is_empty() || b.is_empty(),
                            "{width}x{height} {a} {b}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_smallest_terminals_show_state_and_memory() {
        let wishes = Wishes { pane: true, processes: true, zoomed: false, asking: false };
        let tiny = plan(Rect::new(0, 0, 20, 2), wishes);
        assert!(!tiny.title.is_empty() && !tiny.gauge.is_empty());
        let small = plan(Rect::new(0, 0, 40, 15), wishes);
        assert!(small.pane.height >= 5 && small.processes.height >= 3, "{small:?}");
    }

    #[test]
    fn a_question_is_seen_even_in_one_row() {
        let wishes = Wishes { pane: true, processes: true, zoomed: false, asking: true };
        assert_eq!(plan(Rect::new(0, 0, 20, 1), wishes).footer.height, 1);
    }
}
