//! Memory over the last minutes, for the plot. Bounded; knows nothing of screens but a number of columns.

use crate::status::Memory;
use crate::units::Bytes;
use std::collections::VecDeque;

/// Length of a slot in milliseconds: what is finer is folded into its highest value.
pub const SLOT_MS: u64 = 250;
/// Slots kept: five minutes.
pub const SLOTS: usize = 1200;
/// Windows that a plot may show, in milliseconds.
const WINDOWS: [u64; 4] = [30_000, 60_000, 120_000, 300_000];

/// The highest values of a slot, or of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotPeak {
    /// What counts against the limit.
    pub footprint: Bytes,
    /// With the cache.
    pub current: Bytes,
    /// Of the footprint, what is in swap.
    pub swapped: Bytes,
}

impl SlotPeak {
    /// Of this reading.
    pub fn of(memory: &Memory) -> SlotPeak {
        let Memory { footprint, current, .. } = *memory;
        SlotPeak { footprint, current, swapped: memory.swapped() }
    }

    fn max(self, other: SlotPeak) -> SlotPeak {
        SlotPeak {
            footprint: self.footprint.max(other.footprint),
            current: self.current.max(other.current),
            swapped: self.swapped.max(other.swapped),
        }
    }
}

/// The highest values of each slot, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: VecDeque<(u64, SlotPeak)>,
}

impl History {
    /// Takes a reading of the moment `at_ms`; one older than the newest is left out.
    pub fn push(&mut self, at_ms: u64, level: SlotPeak) {
        let slot = at_ms / SLOT_MS;
        match self.points.back_mut() {
            Some(last) if slot < last.0 => return,
            Some(last) if slot == last.0 => last.1 = last.1.max(level),
            _ => self.points.push_back((slot, level)),
        }
        while self.points.front().is_some_and(|first| slot - first.0 >= SLOTS as u64) {
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

    /// The highest footprint kept.
    pub fn highest(&self) -> Bytes {
        self.points.iter().map(|(_, level)| level.footprint).max().unwrap_or_default()
    }

    /// The shortest window, in milliseconds, that shows everything kept.
    pub fn window_ms(&self) -> u64 {
        let span = match (self.points.front(), self.points.back()) {
            (Some(first), Some(last)) => (last.0 - first.0 + 1).saturating_mul(SLOT_MS),
            _ => 0,
        };
        WINDOWS.into_iter().find(|window| *window >= span).unwrap_or(SLOTS as u64 * SLOT_MS)
    }

    /// The window as `width` columns, newest last. A column between two readings repeats the one before; columns before the first
    /// reading are `None`. Which slots share a column depends on the clock alone, so that a column never changes while it moves.
    pub fn columns(&self, width: usize) -> Vec<Option<SlotPeak>> {
        let mut columns = vec![None::<SlotPeak>; width];
        let Some(newest) = self.points.back().map(|point| point.0) else { return columns };
        let slots = u128::from((self.window_ms() / SLOT_MS).max(1));
        let place = |slot: u64| u128::from(slot) * width as u128 / slots;
        for (slot, level) in &self.points {
            let from_right = usize::try_from(place(newest) - place(*slot));
            let Some(column) = from_right.ok().and_then(|n| width.checked_sub(n + 1)) else {
                continue;
            };
            columns[column] = Some(columns[column].map_or(*level, |known| known.max(*level)));
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

    fn level(bytes: u64) -> SlotPeak {
        SlotPeak { footprint: Bytes(bytes), current: Bytes(bytes + 1), swapped: Bytes(0) }
    }

    #[test]
    fn it_is_bounded_however_long_the_run() {
        let mut history = History::default();
        for at_ms in (0..10_000_000).step_by(100) {
            history.push(at_ms, level(at_ms));
        }
        assert_eq!(history.len(), SLOTS);
        assert_eq!(history.window_ms(), 300_000);
    }

    #[test]
    fn a_slot_keeps_its_highest_value() {
        let mut history = History::default();
        for (at_ms, bytes) in [(0, 5), (10, 9), (20, 7)] {
            history.push(at_ms, level(bytes));
        }
        assert_eq!((history.len(), history.highest()), (1, Bytes(9)));
        assert_eq!(history.columns(1), [Some(level(9))]);
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut history = History::default();
        history.push(u64::MAX, level(1));
        history.push(0, level(2));
        assert_eq!((history.len(), history.highest()), (1, Bytes(1)));
        assert_eq!(history.columns(3), [None, None, Some(level(1))]);
    }

    #[test]
    fn columns_end_with_the_newest_and_have_no_holes() {
        let mut history = History::default();
        history.push(0, level(1));
        history.push(15_000, level(2));
        let columns = history.columns(300);
        assert_eq!(columns.last(), Some(&Some(level(2))));
        let first = columns.iter().position(Option::is_some).unwrap();
        assert!((100..200).contains(&first), "{first}");
        assert!(columns[first..].iter().all(Option::is_some));
        assert_eq!(history.columns(0), []);
    }

    /// A curve that flickers while it moves cannot be read.
    #[test]
    fn a_column_once_complete_keeps_its_value_while_it_moves() {
        let mut history = History::default();
        let spiky = |slot: u64| level(slot * 7919 % 100);
        (0..400).for_each(|slot| history.push(slot * SLOT_MS, spiky(slot)));
        let before = history.columns(37);
        (400..430).for_each(|slot| history.push(slot * SLOT_MS, spiky(slot)));
        let after = history.columns(37);
        let moved = (0..37).find(|n| after[..30 - n] == before[*n..30]).unwrap();
        assert!((2..=3).contains(&moved), "{moved}");
    }
}
