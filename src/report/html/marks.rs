//! What is drawn around and into a plot to read it by: ticks, the lines that memory is compared with, the moments. All of it is
//! placed by shares of the width, so that letters keep their size on every screen.

use super::markup::{Attribute, Markup};
use super::scale::{HEIGHT, Scale};
use super::show;
use super::window::is_marked;
use crate::report::post_mortem::{Milestone, Moment, PostMortem};
use crate::status::Tier;
use crate::units::{Bytes, Limit};

/// Height of a row of labels, pixels.
const ROW: f64 = 15.0;

/// Width of a letter on a phone, in hundredths of a plot's width.
const LETTER: f64 = 2.3;

/// Room under a plot for the names of times, pixels.
pub(super) const BELOW: f64 = 24.0;

/// A line across the plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlotLine {
    name: &'static str,
    class: &'static str,
    /// Where it is.
    pub(super) value: Bytes,
    /// Since when and until when it was there.
    span: (u64, u64),
}

impl PlotLine {
    /// Whether it is there still.
    fn is_last(&self) -> bool {
        self.span.1 == u64::MAX
    }

    /// The part of the picture in which it was there, hundredths of the width; `None` where that is none.
    fn stretch(&self, scale: &Scale) -> Option<(f64, f64)> {
        let from = self.span.0.max(scale.window.from);
        let to = self.span.1.min(scale.window.to);
        (from < to).then(|| (scale.across(from), scale.across(to)))
    }
}

/// The lines that were in force, lowest first. Without a memory controller nothing enforces a ceiling.
pub(super) fn lines(report: &PostMortem) -> Vec<PlotLine> {
    let enforced = matches!(report.run.tier, Tier::Kernel | Tier::Observed);
    let (mut found, mut since) = (Vec::new(), 0);
    for lines in report.all_lines() {
        let span = (since, lines.until_us);
        since = lines.until_us;
        let line = |name, class, value| PlotLine { name, class, value, span };
        let with_swap = lines.allowance().value().filter(|_| lines.swap_room != Limit::At(0));
        found.extend([
            line("limit with swap", "limit", Bytes(with_swap.unwrap_or(0))),
            line("limit", "limit", lines.limit),
            line("second line", "second", lines.second_line),
            line("ceiling", "ceiling", if enforced { lines.ceiling } else { Bytes(0) }),
        ]);
    }
    found.retain(|line| line.value.0 > 0);
    found.sort_by_key(|line| line.value);
    found
}

/// The grid with the names of sizes and times.
pub(super) fn grid(page: &mut Markup, scale: &Scale) {
    for (y, name) in scale.size_ticks() {
        let (y, under) = (format!("{y:.1}"), format!("{:.1}", y + 4.0));
        let at: [Attribute; 4] = [("class", &"grid"), ("x2", &"100%"), ("y1", &y), ("y2", &y)];
        page.empty("line", &at);
        page.element("text", &[("class", &"size"), ("x", &-8), ("y", &under)], name);
    }
    let at: [Attribute; 4] =
        [("class", &"grid"), ("x2", &"100%"), ("y1", &HEIGHT), ("y2", &HEIGHT)];
    page.empty("line", &at);
    for (place, name) in scale.time_ticks() {
        let x = format!("{place:.2}%");
        let (top, end) = (HEIGHT, HEIGHT + 4.0);
        let at: [Attribute; 5] =
            [("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &top), ("y2", &end)];
        page.empty("line", &at);
        // A long name in the middle of the right edge would make the page wider than a phone.
        let class = if place > 95.0 && name.len() > 4 { "time left" } else { "time" };
        page.element("text", &[("class", &class), ("x", &x), ("y", &(HEIGHT + 18.0))], name);
    }
}

/// The lines in the picture with their names: the highest above itself, the others below, pushed apart. Names of lines that are
/// further up than the picture goes are at its top.
pub(super) fn draw_lines(page: &mut Markup, scale: &Scale, lines: &[PlotLine]) {
    let shown = |line: &&PlotLine| scale.shows(line.value) && line.stretch(scale).is_some();
    // Those that are there still have the side to themselves on which they are.
    for last in [false, true] {
        let these: Vec<&PlotLine> =
            lines.iter().filter(|line| line.is_last() == last).filter(shown).collect();
        draw_named(page, scale, &these);
    }
    let outside = lines.iter().filter(|line| line.is_last() && scale.is_under(line.value));
    for (row, line) in outside.rev().enumerate() {
        let y = format!("{:.1}", 12.0 + ROW * row as f64);
        let name = format_args!("\u{2191} {} {}", line.name, show::size(line.value));
        page.element("text", &[("class", &"name"), ("x", &6), ("y", &y)], name);
    }
}

fn draw_named(page: &mut Markup, scale: &Scale, lines: &[&PlotLine]) {
    let mut free = f64::MIN;
    for (index, line) in lines.iter().rev().enumerate() {
        let Some((from, to)) = line.stretch(scale) else { continue };
        let y = scale.y(line.value.0.into());
        let text = if index == 0 && y >= ROW { y - 5.0 } else { (y + 13.0).max(free) };
        free = if index == 0 && y >= ROW { y + 13.0 } else { text + ROW };
        let class = format!("line {}", line.class);
        let (x1, x2, at) = (format!("{from:.2}%"), format!("{to:.2}%"), format!("{y:.1}"));
        let ends: [Attribute; 5] =
            [("class", &class), ("x1", &x1), ("x2", &x2), ("y1", &at), ("y2", &at)];
        page.empty("line", &ends);
        let (class, x, aside) = match from > 50.0 {
            true => ("name left", &x2, -6),
            false => ("name", &x1, 6),
        };
        let y = format!("{:.1}", text.min(HEIGHT - 3.0));
        let place: [Attribute; 4] = [("class", &class), ("x", x), ("dx", &aside), ("y", &y)];
        page.element("text", &place, format_args!("{} {}", line.name, show::size(line.value)));
    }
}

/// A moment's label: where it stands and in which row above the plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    name: &'static str,
    x: f64,
    row: usize,
}

impl Label {
    /// The stretch that it takes, hundredths of the width: to the right, and where there is no room to the left.
    fn stretch(&self) -> (f64, f64) {
        let width = LETTER * (self.name.len() as f64 + 1.5);
        if self.is_left() { (self.x - width, self.x) } else { (self.x, self.x + width) }
    }

    fn is_left(&self) -> bool {
        self.x > 60.0
    }

    fn is_apart(&self, other: &Label) -> bool {
        let ((from, to), (start, end)) = (self.stretch(), other.stretch());
        to < start || end < from
    }
}

/// Labels of the moments in a plot, in rows in which none touches another. On the left half earlier ones are higher, on the right
/// half later ones, so that no line goes through another's label.
pub(super) fn labels(scale: &Scale, timeline: &[Moment]) -> Vec<Label> {
    let shown = |moment: &&Moment| is_marked(moment.what) && scale.window.holds(moment.at_us);
    let label = |moment: &Moment| {
        let (name, x) = (name(moment.what), scale.across(moment.at_us));
        Label { name, x, row: 0 }
    };
    let mut found: Vec<Label> = timeline.iter().filter(shown).map(label).collect();
    found.truncate(MOST);
    found.sort_by(|a, b| a.x.total_cmp(&b.x));
    let (left, right): (Vec<Label>, Vec<Label>) = found.into_iter().partition(|l| !l.is_left());
    let mut placed: Vec<Label> = Vec::new();
    for mut label in left.into_iter().chain(right.into_iter().rev()) {
        let touched = |row| placed.iter().any(|p| p.row == row && !p.is_apart(&label));
        label.row = (0..MOST).find(|row| !touched(*row)).unwrap_or(0);
        placed.push(label);
    }
    placed
}

/// More moments than this are not marked: a run has about four.
const MOST: usize = 8;

fn name(what: Milestone) -> &'static str {
    match what {
        Milestone::Started => "started",
        Milestone::Warned => "warning",
        Milestone::Decided => "decision",
        Milestone::Term => "TERM",
        Milestone::Kill => "KILL",
        Milestone::ChildEnded => "command ended",
        Milestone::Empty => "empty",
        Milestone::Told => "told",
    }
}

/// Room above a plot for its labels, pixels.
pub(super) fn above(labels: &[Label]) -> f64 {
    let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);
    ROW * rows as f64 + 8.0
}

/// The moments: a line through the plot each, and its name above. `above` is what [`above`] says.
pub(super) fn draw_moments(page: &mut Markup, labels: &[Label], above: f64) {
    for label in labels {
        let x = format!("{:.2}%", label.x);
        let row = ROW * label.row as f64 + 12.0 - above;
        let at: [Attribute; 5] =
            [("class", &"moment"), ("x1", &x), ("x2", &x), ("y1", &(row - 10.0)), ("y2", &HEIGHT)];
        page.empty("line", &at);
        let (class, aside) = if label.is_left() { ("when left", -4) } else { ("when", 4) };
        let at: [Attribute; 4] = [("class", &class), ("x", &x), ("dx", &aside), ("y", &row)];
        page.element("text", &at, label.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_touch_and_no_line_crosses_one() {
        use crate::report::html::window::{Window, Zero};
        let moment = |at_us, what| Moment { at_us, what, text: String::new() };
        let window = Window { from: 0, to: 60_000_000 };
        let zero = Zero { at_us: 59_000_000, name: "" };
        let scale = Scale::new(window, zero, Bytes(1));
        let labels = labels(
            &scale,
            &[
                moment(52_000_000, Milestone::Warned),
                moment(59_000_000, Milestone::Term),
                moment(59_400_000, Milestone::Kill),
                moment(59_500_000, Milestone::Empty),
            ],
        );
        assert_eq!(labels.len(), 4);
        for (index, a) in labels.iter().enumerate() {
            for b in &labels[index + 1..] {
                assert!(a.row != b.row || a.is_apart(b), "{a:?} {b:?}");
                let (high, low) = if a.row < b.row { (a, b) } else { (b, a) };
                let (from, to) = low.stretch();
                assert!(!(from < high.x && high.x < to), "{high:?} goes through {low:?}");
            }
        }
    }
}
