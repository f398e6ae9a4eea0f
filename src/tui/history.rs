//! The footprint of the last minutes, for the plot. Bounded; knows nothing of screens but a number of columns.

use crate::units::Bytes;
use std::collections::VecDeque;

/// Length of a slot in milliseconds: what is finer is folded into its highest value.
pub const SLOT_MS: u64 = 250;
/// Slots kept: five minutes.
pub const SLOTS: usize = 1200;
/// Windows that a plot may show, in milliseconds.
const WINDOWS: [u64; 5] = [10_000, 30_000, 60_000, 120_000, 300_000];

#[derive(Clone, Copy, Debug)]
struct Point {
    slot: u64,
    highest: Bytes,
}

/// The highest footprint of each slot, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: VecDeque<Point>,
}

impl History {
    /// Takes a reading of the moment `at_ms`; one older than the newest is left out.
    pub fn push(&mut self, at_ms: u64, footprint: Bytes) {
        let slot = at_ms / SLOT_MS;
        match self.points.back_mut() {
            Some(last) if slot < last.slot => return,
            Some(last) if slot == last.slot => last.highest = last.highest.max(footprint),
            _ => self.points.push_back(Point { slot, highest: footprint }),
        }
        while self.points.front().is_some_and(|first| slot - first.slot >= SLOTS as u64) {
            self.points.pop_front();
        }
    }

    /// Number of slots that hold a reading, at most [`SLOTS`].
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// True before the first reading.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The highest value kept.
    pub fn highest(&self) -> Bytes {
        self.points.iter().map(|point| point.highest).max().unwrap_or_default()
    }

    /// The shortest window, in milliseconds, that shows everything kept.
    pub fn window_ms(&self) -> u64 {
        let span = match (self.points.front(), self.points.back()) {
            (Some(first), Some(last)) => (last.slot - first.slot + 1) * SLOT_MS,
            _ => 0,
        };
        WINDOWS.into_iter().find(|window| *window >= span).unwrap_or(SLOTS as u64 * SLOT_MS)
    }

    /// The window as `width` columns, newest last. A column between two readings repeats the one before; columns before the first
    /// reading are `None`.
    pub fn columns(&self, width: usize) -> Vec<Option<Bytes>> {
        let mut columns = vec![None; width];
        let Some(newest) = self.points.back().map(|point| point.slot) else { return columns };
        let slots = (self.window_ms() / SLOT_MS).max(1);
        for point in &self.points {
            let age = u128::from(newest - point.slot);
            let from_right = usize::try_from(age * width as u128 / u128::from(slots));
            let Some(column) = from_right.ok().and_then(|n| width.checked_sub(n + 1)) else {
                continue;
            };
            columns[column] = columns[column].max(Some(point.highest));
        }
        let mut before = None;
        for column in &mut columns {
            *column = column.or(before);
            before = *column;
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_however_long_the_run() {
        let mut history = History::default();
        for at_ms in (0..10_000_000).step_by(100) {
            history.push(at_ms, Bytes(at_ms));
        }
        assert_eq!(history.len(), SLOTS);
        assert_eq!(history.window_ms(), 300_000);
    }

    #[test]
    fn a_slot_keeps_its_highest_value() {
        let mut history = History::default();
        for (at_ms, mib) in [(0, 5), (10, 9), (20, 7)] {
            history.push(at_ms, Bytes::mib(mib));
        }
        assert_eq!((history.len(), history.highest()), (1, Bytes::mib(9)));
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut history = History::default();
        history.push(u64::MAX, Bytes(1));
        history.push(0, Bytes(2));
        assert_eq!((history.len(), history.highest()), (1, Bytes(1)));
    }

    #[test]
    fn columns_end_with_the_newest_and_have_no_holes() {
        let mut history = History::default();
        history.push(0, Bytes(1));
        history.push(15_000, Bytes(2));
        let columns = history.columns(300);
        assert_eq!(columns.last(), Some(&Some(Bytes(2))));
        let first = columns.iter().position(Option::is_some).unwrap();
        assert!((100..200).contains(&first), "{first}");
        assert!(columns[first..].iter().all(Option::is_some));
        assert_eq!(history.columns(0), []);
    }
}
