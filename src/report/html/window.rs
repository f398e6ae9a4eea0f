//! Which stretch of time is shown, and what its zero is.

use crate::report::post_mortem::{Milestone, PostMortem, Reading};

const SECOND: u64 = 1_000_000;

/// So much is shown before the zero.
const LAST_MINUTE: u64 = 60 * SECOND;

/// The moment that times are told from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zero {
    /// When, microseconds since the start.
    pub(super) at_us: u64,
    /// What it is.
    pub(super) name: &'static str,
}

impl Zero {
    /// The decision; where nothing was decided, the first step that was taken, and else the end.
    pub(super) fn of(report: &PostMortem) -> Zero {
        let first = |what| report.timeline.iter().find(|moment| moment.what == what);
        let named = [
            (Milestone::Decided, "the decision"),
            (Milestone::Term, "SIGTERM"),
            (Milestone::Kill, "SIGKILL"),
            (Milestone::ChildEnded, "the end of the command"),
            (Milestone::Empty, "the end"),
        ];
        let found = named.into_iter().find_map(|(what, name)| Some((first(what)?.at_us, name)));
        let last = || report.samples.iter().map(|reading| reading.at_us).max().unwrap_or(0);
        let (at_us, name) = found.unwrap_or_else(|| (last(), "the last sample"));
        Zero { at_us, name }
    }
}

/// A stretch of time, at least a millisecond long. Microseconds since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Its left edge.
    pub(super) from: u64,
    /// Its right edge.
    pub(super) to: u64,
}

impl Window {
    fn new(from: u64, to: u64) -> Window {
        let to = to.max(from).max(1000);
        Window { from: from.min(to - 1000), to }
    }

    /// The last minute before the zero, as far as there are samples, and all that came after.
    pub(super) fn last_minute(report: &PostMortem, readings: &[Reading], zero: Zero) -> Window {
        let marked = report.timeline.iter().filter(|moment| is_marked(moment.what));
        let times = readings.iter().map(|reading| reading.at_us);
        let marked = marked.map(|moment| moment.at_us);
        let to = times.clone().chain(marked).max().unwrap_or(0).max(zero.at_us);
        let first = times.min().unwrap_or(0);
        Window::new(first.max(zero.at_us.min(to).saturating_sub(LAST_MINUTE)), to)
    }

    /// The seconds around the zero: what came after, and as much before; wider until four samples are in it. None where that
    /// would show most of `whole` again.
    pub(super) fn zoom(self, readings: &[Reading], zero: Zero) -> Option<Window> {
        let after = self.to.saturating_sub(zero.at_us);
        let mut before = after.clamp(SECOND / 4, 10 * SECOND);
        loop {
            let end = after.saturating_add(before / 8);
            let from = zero.at_us.saturating_sub(before).max(self.from);
            let window = Window::new(from, zero.at_us.saturating_add(end));
            if u128::from(window.span()) * 2 > u128::from(self.span()) {
                return None;
            }
            if readings.iter().filter(|reading| window.holds(reading.at_us)).count() >= 4 {
                return Some(window);
            }
            before = before.saturating_mul(2);
        }
    }

    /// Its length.
    pub(super) fn span(self) -> u64 {
        self.to - self.from
    }

    /// Whether a moment is in it.
    pub(super) fn holds(self, at_us: u64) -> bool {
        (self.from..=self.to).contains(&at_us)
    }
}

/// Moments that have their line in the plots.
pub(super) fn is_marked(what: Milestone) -> bool {
    use Milestone::{ChildEnded, Decided, Empty, Kill, Started, Term, Told, Warned};
    match what {
        Warned | Term | Kill | Empty => true,
        Started | Decided | ChildEnded | Told => false,
    }
}
