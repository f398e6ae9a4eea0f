//! The lines that memory is compared with, and their arithmetic: limit < relief line < second line < ceiling.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_macros))]

use crate::units::{Bytes, Limit, MIB, Percent};

/// Headroom above the limit unless asked otherwise: the larger of this and [`HEADROOM_SHARE`] of the limit.
///
/// What lies between footprint and `memory.high` is also what the kernel's throttle of dirty pages goes by (a fifth of it,
/// `domain_dirty_limits` in mm/page-writeback.c): with 32 MiB a handler's 5 MiB checkpoint took 3 to 15 s, with 64 MiB 0.1 to
/// 0.3 s, on 5.10, 6.1 and 6.12; see docs/measurements.md.
const HEADROOM: Bytes = Bytes::mib(64);
const HEADROOM_SHARE: Percent = Percent(10);
/// The second line lies at least so far under the ceiling.
const MARGIN: Bytes = Bytes::mib(2);
/// The trip-wire stands at least so far above what is in use when it goes to the relief line: a workload may go on meanwhile.
pub const RELIEF_ROOM: Bytes = Bytes::mib(1);
/// What each process may charge before the kernel throttles it: MEMCG_CHARGE_BATCH of 64 pages (mm/memcontrol.c).
pub const BATCH: Bytes = Bytes(64 * 4096);
/// Less headroom leaves no room for the lines between limit and ceiling.
pub const SMALLEST_HEADROOM: Bytes = Bytes::mib(4);
/// A dynamically linked program needs about 1 MiB to start; under this limit nothing useful runs.
pub const SMALLEST_LIMIT: Bytes = Bytes::mib(2);

/// The lines, lowest first; each is strictly below the next, but for a relief line that a second line asked for right above the
/// limit leaves no room: it is at the limit then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The user's number: the trip-wire `memory.high` stands here first.
    pub limit: Bytes,
    /// Where the trip-wire goes when SIGTERM is sent.
    pub relief: Bytes,
    /// Reaching it ends the grace period.
    pub second: Bytes,
    /// `memory.max`.
    pub ceiling: Bytes,
    /// Room beyond the limit for what is swapped out (`--swap`). Without end, thrash alone bounds swap.
    pub swap: Limit,
}

/// What is wrong with the lines asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// Nothing can start under this limit.
    #[error("limit {0} is below {SMALLEST_LIMIT}, the least that a process needs to start")]
    LimitTooSmall(Bytes),
    /// No room for the lines.
    #[error(
        "headroom {0} is below {SMALLEST_HEADROOM}, the least that lets SIGTERM come before the kernel's OOM killer"
    )]
    HeadroomTooSmall(Bytes),
    /// More than 64 bits can say.
    #[error("limit {0} with its headroom is too large")]
    TooLarge(Bytes),
    /// The second line is not between limit and ceiling.
    #[error("second line {second} is not between the limit {limit} and the ceiling {ceiling}")]
    SecondLineOutside {
        /// What was asked for.
        second: Bytes,
        /// The limit.
        limit: Bytes,
        /// The ceiling.
        ceiling: Bytes,
    },
}

/// The headroom that a limit gets when nothing else was asked for.
pub fn default_headroom(limit: Bytes) -> Bytes {
    HEADROOM.max(limit.share(HEADROOM_SHARE))
}

impl Lines {
    /// The lines for a limit, whole pages.
    ///
    /// # Errors
    /// When the limit, headroom or second line leave no room for the others.
    pub fn new(
        limit: Bytes,
        headroom: Option<Bytes>,
        second: Option<Bytes>,
    ) -> Result<Lines, LinesError> {
        if limit < SMALLEST_LIMIT {
            return Err(LinesError::LimitTooSmall(limit));
        }
        let limit = whole_pages(limit);
        let headroom = headroom.unwrap_or_else(|| default_headroom(limit));
        if headroom < SMALLEST_HEADROOM {
            return Err(LinesError::HeadroomTooSmall(headroom));
        }
        let headroom = whole_pages(headroom);
        let ceiling = Bytes(limit.0.checked_add(headroom.0).ok_or(LinesError::TooLarge(limit))?);
        if i64::try_from(ceiling.0).is_err() {
            return Err(LinesError::TooLarge(limit));
        }
        let second = match second {
            None => ceiling.saturating_sub(MARGIN.max(Bytes(headroom.0 / 10))),
            Some(second) => whole_pages(second),
        };
        if second <= limit || second >= ceiling {
            return Err(LinesError::SecondLineOutside { second, limit, ceiling });
        }
        // One half for handlers, the other for the kernel's brake on what goes on allocating.
        let relief = Bytes(limit.0 + (second.0 - limit.0) / 2);
        let (relief, second, swap) = (whole_pages(relief), whole_pages(second), Limit::At(0));
        Ok(Lines { limit, relief, second, ceiling, swap })
    }

    /// The same lines with this room for swap beyond the limit.
    #[must_use]
    pub fn with_swap(self, swap: Limit) -> Lines {
        Lines { swap, ..self }
    }

    /// What the footprint is compared with: the limit, and what may lie in swap beyond it. The trip-wire keeps memory itself at
    /// the limit.
    pub fn allowance(&self) -> Bytes {
        match self.swap {
            Limit::At(room) => self.limit.saturating_add(Bytes(room)),
            Limit::Max => Bytes(u64::MAX),
        }
    }

    /// Where the trip-wire goes at SIGTERM when so much is in use: the relief line, or just above what is in use where that
    /// is passed already. A write of `memory.high` below what is in use reclaims before it returns (memory_high_write() in
    /// mm/memcontrol.c): with swap that took 3.6 s, in which SIGTERM was not sent. Not above the second line: nothing would slow a
    /// workload on its last bit to the ceiling.
    pub fn relief_at(&self, current: Bytes) -> Bytes {
        let above = whole_pages(current.saturating_add(RELIEF_ROOM));
        self.relief.max(above.min(self.second))
    }

    /// The same lines with the limit at this or lower; the others stay.
    pub fn lowered(self, limit: Bytes) -> Lines {
        Lines { limit: self.limit.min(limit), ..self }
    }

    /// So many processes may charge their batch at once above the relief line.
    pub fn room_for_processes(&self) -> u64 {
        self.ceiling.saturating_sub(self.relief).0 / BATCH.0
    }

    /// The distance from limit to ceiling.
    pub fn headroom(&self) -> Bytes {
        self.ceiling.saturating_sub(self.limit)
    }
}

/// The kernel rounds its limits down to pages; doing so first makes what is read back equal to what was written.
/// 64 KiB is a multiple of every page size in use.
pub fn whole_pages(bytes: Bytes) -> Bytes {
    const PAGES: u64 = MIB / 16;
    Bytes(bytes.0 / PAGES * PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_100_mib() {
        let lines = Lines::new(Bytes::mib(100), None, None).unwrap();
        assert_eq!(lines.relief, whole_pages(Bytes(Bytes::mib(1288).0 / 10)));
        assert_eq!(lines.second, whole_pages(Bytes(Bytes::mib(1576).0 / 10)));
        assert_eq!(lines.ceiling, Bytes::mib(164));
        assert_eq!(lines.headroom(), Bytes::mib(64));
    }

    #[test]
    fn the_trip_wire_is_never_put_below_what_is_in_use() {
        let lines = Lines::new(Bytes::mib(100), None, None).unwrap();
        assert_eq!(lines.relief_at(Bytes::mib(0)), lines.relief);
        assert_eq!(lines.relief_at(Bytes::mib(127)), lines.relief);
        assert_eq!(lines.relief_at(Bytes::mib(130)), Bytes::mib(131));
        assert_eq!(lines.relief_at(Bytes::mib(157)), lines.second);
        assert_eq!(lines.relief_at(Bytes(u64::MAX)), lines.second);
    }

    #[test]
    fn swap_is_room_for_the_footprint_and_for_no_line_of_memory() {
        let lines = Lines::new(Bytes::mib(100), None, None).unwrap();
        assert_eq!(lines.allowance(), Bytes::mib(100));
        let with_room = lines.with_swap(Limit::At(256 << 20));
        assert_eq!(with_room.allowance(), Bytes::mib(356));
        assert_eq!(with_room.with_swap(Limit::At(0)), lines);
        assert_eq!(lines.with_swap(Limit::Max).allowance(), Bytes(u64::MAX));
        assert_eq!(lines.with_swap(Limit::At(u64::MAX)).allowance(), Bytes(u64::MAX));
        assert_eq!(with_room.lowered(Bytes::mib(50)).allowance(), Bytes::mib(306));
    }

    #[test]
    fn headroom_is_room_for_so_many_processes() {
        let room =
            |headroom| Lines::new(Bytes::mib(100), headroom, None).unwrap().room_for_processes();
        assert_eq!(room(None), 141);
        assert_eq!(room(Some(Bytes::mib(4))), 12);
    }

    #[test]
    fn what_leaves_no_room_is_refused() {
        let mib = Bytes::mib;
        assert!(matches!(Lines::new(mib(1), None, None), Err(LinesError::LimitTooSmall(_))));
        assert!(matches!(
            Lines::new(mib(100), Some(mib(3)), None),
            Err(LinesError::HeadroomTooSmall(_))
        ));
        for second in [mib(50), mib(100), mib(164), mib(200)] {
            assert!(Lines::new(mib(100), None, Some(second)).is_err(), "{second}");
        }
        assert!(matches!(Lines::new(Bytes(u64::MAX), None, None), Err(LinesError::TooLarge(_))));
        assert!(matches!(
            Lines::new(Bytes(i64::MAX as u64), None, None),
            Err(LinesError::TooLarge(_))
        ));
    }

    #[test]
    fn the_lines_stay_in_order() {
        for limit in [2, 3, 10, 100, 1000, 100_000, 10_000_000] {
            for headroom in [None, Some(Bytes::mib(4)), Some(Bytes::mib(1000))] {
                let l = Lines::new(Bytes::mib(limit), headroom, None).unwrap();
                assert!(l.limit < l.relief && l.relief < l.second && l.second < l.ceiling, "{l:?}");
            }
        }
        let l = Lines::new(Bytes::mib(100), None, Some(Bytes(Bytes::mib(100).0 + 65536))).unwrap();
        assert!(l.limit <= l.relief && l.relief < l.second, "{l:?}");
    }
}
