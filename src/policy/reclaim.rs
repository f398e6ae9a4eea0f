//! Does reclaim get what `memory.stat` calls cache? The kernel reclaims whenever `memory.current` is over the trip-wire, so a level that
//! stays over it was tried and not got: file pages in pipes, sockets or under a lock, dentries and inodes in use, swap that is full.
//! docs/measurements.md has the figures.

use crate::clock::Timestamp;
use crate::event::{Held, Sample};
use crate::lines::{BATCH, Lines};
use crate::units::{Bytes, Limit};
use std::time::Duration;

/// Where the kernel reclaims from the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReclaimAt {
    /// At the trip-wire, which is ours, and at `memory.max`.
    TripWire,
    /// At somebody's `memory.max`, which is our ceiling.
    Ceiling,
    /// Nowhere that we know of: what is compared is a sum over processes, or no limit is in force.
    Nowhere,
}

/// Memory must stay over [`tried_line`] for so long. Reclaim that works brings it back within milliseconds.
const HOLD: Duration = Duration::from_secs(1);
/// And over the trip-wire itself for so long, where reclaim is seen to look at pages and not to get them. A task in a pipe full of file
/// pages crept from 48.7 to 49.8 MiB in eleven seconds, of four million pages looked at 1200 were got (6.1).
const HOLD_AT_WIRE: Duration = Duration::from_secs(2);
/// And over the second line for so long, where little room is left.
const HOLD_AT_SECOND: Duration = Duration::from_millis(200);
/// And about the limit for so long, however many processes there are: over by their batches they are for moments only. 32 tasks that made
/// links on tmpfs crept from 33 to 40 MiB in two minutes, each with less than its batch, beside one that spun (5.10).
const HOLD_AT_LIMIT: Duration = Duration::from_secs(10);
/// There reclaim is futile where it has looked at all pages so many times and got less than this share of them. The same tasks with a
/// file in pipes went up and down between 32 and 36 MiB, with 50 million looks at 7,000 pages of which one in a thousand was got (7.3).
const FUTILE: u64 = 16;
const FUTILE_SHARE: u64 = 64;
/// Where slab fills the limit, and there is next to nothing else to be got, reclaim gives back what it gets once it got all pages of
/// files so many times over: they are read back at once. A program on a disk that made links on tmpfs had 48.4 of 48 MiB in slab for
/// two minutes; two of three pages that were looked at were got, the same 260 KiB of its code each time, and it was stalled for 30 % of the
/// time (6.1). One that held inodes open had 13.9 of 16 MiB in use, and 2.5 of slab. Slab that is not in use would be got before that.
const CHURN: u64 = 16;
/// What neither reclaim nor swap can take must be at the limit for so long, where swap is allowed. No swap helps then, and what is
/// got is read back: a program whose code came from its disk again and again, with 32.5 of 32 MiB in pipes, got on by no page in two
/// minutes, stalled for 60 % of the time, while two of three pages that were looked at were got (5.10).
const HOLD_UNSWAPPABLE: Duration = Duration::from_secs(2);
/// Looks that must have found it there: a guardian that got no processor saw nothing.
const LOOKS: u32 = 4;
/// Reclaim works where it gets at least this share of the pages that it looks at. Of clean pages that are not in use it gets nearly
/// all, of pages that are mapped and in use a half, of pinned ones none.
const WORKS: u64 = 8;

/// The smallest there is: of larger ones fewer are looked at.
const PAGE: u64 = 4096;

/// Over this, what is in use was tried to be reclaimed: the limit, with what may be charged between two throttles. Not above the relief
/// line, however many processes there are.
pub fn tried_line(lines: &Lines, processes: u64) -> Bytes {
    wire_line(lines, processes).saturating_add(Bytes(lines.limit.0 / 32)).min(lines.relief)
}

/// The limit, with a batch for each process.
pub fn wire_line(lines: &Lines, processes: u64) -> Bytes {
    let batches = Bytes(BATCH.0.saturating_mul(processes));
    lines.limit.saturating_add(batches).min(lines.relief)
}

/// The limit, with what `memory.current` may be off by.
pub fn limit_line(lines: &Lines) -> Bytes {
    lines.limit.saturating_add(Bytes(lines.limit.0 / 32)).min(lines.relief)
}

/// The counters of reclaim at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ReclaimMark {
    at: Timestamp,
    tries: u64,
    scanned: u64,
    reclaimed: u64,
}

impl ReclaimMark {
    fn of(sample: &Sample, at: Timestamp) -> ReclaimMark {
        let tries = sample.counters.high.saturating_add(sample.counters.max);
        ReclaimMark { at, tries, scanned: sample.scanned, reclaimed: sample.reclaimed }
    }

    /// Whether the kernel tried since then.
    fn tried(&self, now: &ReclaimMark) -> bool {
        now.tries > self.tries || now.scanned > self.scanned
    }

    /// Whether it got a fair share of what it looked at.
    fn got(&self, now: &ReclaimMark) -> bool {
        let scanned = now.scanned.saturating_sub(self.scanned);
        let reclaimed = now.reclaimed.saturating_sub(self.reclaimed);
        reclaimed > 0 && reclaimed.saturating_mul(WORKS) >= scanned
    }

    /// Whether it looked at all of these pages many times, for next to nothing.
    fn was_futile(&self, now: &ReclaimMark, pages: Bytes) -> bool {
        let scanned = now.scanned.saturating_sub(self.scanned);
        let reclaimed = now.reclaimed.saturating_sub(self.reclaimed);
        scanned.saturating_mul(PAGE) >= pages.0.saturating_mul(FUTILE)
            && reclaimed.saturating_mul(FUTILE_SHARE) < scanned
    }

    /// Whether it got all of these pages many times over.
    fn churned(&self, now: &ReclaimMark, pages: Bytes) -> bool {
        let reclaimed = now.reclaimed.saturating_sub(self.reclaimed);
        reclaimed.saturating_mul(PAGE) >= pages.0.max(BATCH.0).saturating_mul(CHURN)
    }

    /// Whether it looked at all of these pages, and did not.
    fn missed(&self, now: &ReclaimMark, pages: Bytes) -> bool {
        let scanned = now.scanned.saturating_sub(self.scanned);
        scanned.saturating_mul(PAGE) >= pages.0 && scanned > 0 && !self.got(now)
    }
}

/// Since when memory is over a line, and how many looks found it there.
#[derive(Clone, Copy, Debug, Default)]
struct Over {
    since: Option<ReclaimMark>,
    looks: u32,
}

impl Over {
    fn observe(&mut self, over: bool, mark: ReclaimMark) {
        if over {
            self.since.get_or_insert(mark);
            self.looks = (self.looks + 1).min(LOOKS);
        } else {
            *self = Over::default();
        }
    }

    /// The moment from which on it was over, if that has lasted.
    fn lasts(&self, hold: Duration, now: &ReclaimMark) -> Option<ReclaimMark> {
        self.since.filter(|since| self.looks >= LOOKS && now.at.since(since.at) >= hold)
    }
}

/// What was seen of reclaim.
#[derive(Clone, Debug)]
pub struct Reclaim {
    place: ReclaimAt,
    /// With pages that should be got, and do not wait for their disk.
    near_limit: Over,
    /// By what is in no counter of reclaim alone.
    beyond_limit: Over,
    /// By what swap cannot take either.
    beyond_swap: Over,
    /// The same a little below the limit, where that is slab.
    full_of_slab: Over,
    at_wire: Over,
    over_wire: Over,
    over_second: Over,
    /// The first looks of the last two stretches of [`HOLD`]. Their borders do not depend on what was seen. The first of all looks is
    /// where both begin: a container's counters have the history of whatever ran in it before.
    marks: Option<[ReclaimMark; 2]>,
    held: Option<Held>,
    works: bool,
    got: Bytes,
}

impl Reclaim {
    /// Nothing was seen yet.
    pub fn new(place: ReclaimAt) -> Reclaim {
        Reclaim {
            place,
            near_limit: Over::default(),
            beyond_limit: Over::default(),
            beyond_swap: Over::default(),
            full_of_slab: Over::default(),
            at_wire: Over::default(),
            over_wire: Over::default(),
            over_second: Over::default(),
            marks: None,
            held: None,
            works: false,
            got: Bytes(0),
        }
    }

    /// Takes a reading. Afterwards [`Reclaim::held`] says what reclaim does not get.
    pub fn observe(&mut self, sample: &Sample, lines: &Lines, now: Timestamp) {
        let mark = ReclaimMark::of(sample, now);
        let recent = self.keep(mark);
        // What waits for its disk is got in the end, and what is in transit was not tried yet.
        let arrived = sample.current.saturating_sub(sample.in_transit);
        let written = arrived.saturating_sub(sample.dirty);
        let wire = tried_line(lines, sample.processes);
        let throttled = self.place == ReclaimAt::TripWire;
        let (limit, beyond) = (limit_line(lines), beyond_pages(sample, lines));
        self.near_limit.observe(throttled && is_full_of_pages(sample, lines), mark);
        self.beyond_limit.observe(throttled && beyond >= limit, mark);
        self.beyond_swap.observe(throttled && is_beyond_swap(sample, lines), mark);
        self.full_of_slab.observe(throttled && is_full_of_slab(sample, lines), mark);
        let at_wire = throttled && written >= wire_line(lines, sample.processes);
        self.at_wire.observe(at_wire, mark);
        self.over_wire.observe(throttled && written >= wire, mark);
        let reclaimed_somewhere = self.place != ReclaimAt::Nowhere;
        self.over_second.observe(reclaimed_somewhere && sample.current >= lines.second, mark);
        let files = sample.cache.saturating_sub(sample.slab);
        let missed = |since: ReclaimMark| since.missed(&mark, files) && !recent.got(&mark);
        let futile = |since: ReclaimMark| since.was_futile(&mark, pages_of(sample, lines));
        let tried = |since: ReclaimMark| since.tried(&mark);
        let churned = |since: ReclaimMark| since.churned(&mark, files);
        let fails = self.near_limit.lasts(HOLD_AT_LIMIT, &mark).is_some_and(futile)
            || self.beyond_limit.lasts(HOLD_AT_LIMIT, &mark).is_some_and(tried)
            || self.beyond_swap.lasts(HOLD_UNSWAPPABLE, &mark).is_some_and(tried)
            || self.full_of_slab.lasts(HOLD_AT_LIMIT, &mark).is_some_and(churned)
            || self.at_wire.lasts(HOLD_AT_WIRE, &mark).is_some_and(missed)
            || self.fails((&self.over_wire, HOLD), sample, wire, lines, (&recent, &mark))
            || self.fails(
                (&self.over_second, HOLD_AT_SECOND),
                sample,
                lines.second,
                lines,
                (&recent, &mark),
            );
        self.held = fails.then(|| most(sample, lines));
        self.works = recent.got(&mark);
        self.got = Bytes(mark.reclaimed.saturating_sub(recent.reclaimed).saturating_mul(PAGE));
    }

    /// Takes what was seen of `memory.current` alone: below a line it is over none of what is counted with it.
    pub fn glance(&mut self, current: Bytes, processes: u64, lines: &Lines) {
        let lines = [
            (&mut self.near_limit, near_line(lines)),
            (&mut self.beyond_limit, limit_line(lines)),
            (&mut self.beyond_swap, lines.limit),
            (&mut self.full_of_slab, slab_line(lines)),
            (&mut self.at_wire, wire_line(lines, processes)),
            (&mut self.over_wire, tried_line(lines, processes)),
            (&mut self.over_second, lines.second),
        ];
        for (over, line) in lines {
            if current < line {
                *over = Over::default();
            }
        }
    }

    /// The kind of memory that reclaim was seen not to get, if it was.
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// Whether reclaim was tried of late and got a fair share.
    pub fn works(&self) -> bool {
        self.works
    }

    /// What reclaim got of late.
    pub fn got(&self) -> Bytes {
        self.got
    }

    /// Whether looks must come close: something may be decided soon.
    pub fn is_watched(&self) -> bool {
        let all = [
            self.near_limit,
            self.beyond_limit,
            self.beyond_swap,
            self.full_of_slab,
            self.at_wire,
            self.over_second,
        ];
        all.iter().any(|over| over.since.is_some())
    }

    /// Gives the first look of the stretch before this one.
    fn keep(&mut self, mark: ReclaimMark) -> ReclaimMark {
        let stretch = |mark: &ReclaimMark| mark.at.0.as_nanos() / HOLD.as_nanos();
        let marks = self.marks.get_or_insert([mark; 2]);
        if stretch(&mark) != stretch(&marks[1]) {
            *marks = [marks[1], mark];
        }
        marks[0]
    }

    fn fails(
        &self,
        (over, hold): (&Over, Duration),
        sample: &Sample,
        line: Bytes,
        lines: &Lines,
        (recent, now): (&ReclaimMark, &ReclaimMark),
    ) -> bool {
        let Some(since) = over.lasts(hold, now) else { return false };
        // Below somebody else's memory.max the kernel scans for the machine's sake: what it does not get there is in nobody's way.
        let at_max = self.place != ReclaimAt::Ceiling || now.tries > since.tries;
        if !since.tried(now) || !at_max {
            return false;
        }
        // Where nothing was tried of late, all that was counts.
        let recent = if recent.tried(now) { recent } else { &since };
        !recent.got(now) || beyond_pages(sample, lines) >= line
    }
}

/// What reclaim may look at, page by page: of files, and where swap is allowed what may go there.
fn pages_of(sample: &Sample, lines: &Lines) -> Bytes {
    let files = sample.cache.saturating_sub(sample.slab);
    let swappable = sample.swappable();
    if lines.swap == Limit::At(0) { files } else { files.saturating_add(swappable) }
}

/// A little below the limit, where memory is each time after reclaim.
fn near_line(lines: &Lines) -> Bytes {
    lines.limit.saturating_sub(Bytes(lines.limit.0 / 32))
}

/// A little below the limit: a program's code that is read again and again takes a MiB, however small the limit is.
fn slab_line(lines: &Lines) -> Bytes {
    near_line(lines).min(lines.limit.saturating_sub(Bytes::mib(1)))
}

/// Whether memory is at the limit, or a little below it as it is each time after reclaim, with an eighth of the limit or more in pages
/// that should be got. Of a writer to a slow disk more of them wait than a quarter.
fn is_full_of_pages(sample: &Sample, lines: &Lines) -> bool {
    let pages = pages_of(sample, lines);
    sample.current >= near_line(lines)
        && pages.0 >= lines.limit.0 / 8
        && sample.dirty.0 <= pages.0 / 4
}

/// Whether memory is about at the limit without what is a file's, and a sixteenth of that or more is slab. What the kernel keeps to know
/// which pages it had to read again is less.
fn is_full_of_slab(sample: &Sample, lines: &Lines) -> bool {
    let beyond = beyond_pages(sample, lines).saturating_sub(sample.in_transit);
    sample.slab.0 >= lines.limit.0 / 16 && beyond >= slab_line(lines)
}

/// Whether memory would be at the limit if all that can be got and all that can be swapped out were gone.
fn is_beyond_swap(sample: &Sample, lines: &Lines) -> bool {
    lines.swap != Limit::At(0) && unswappable(sample) >= lines.limit
}

/// What would be left of it then.
fn unswappable(sample: &Sample) -> Bytes {
    sample.current.saturating_sub(sample.cache).saturating_sub(sample.swappable())
}

/// What is neither a file's nor, where swap is allowed, to be swapped out: slab is in none of reclaim's counters, so that file pages which
/// are got say nothing about it.
fn beyond_pages(sample: &Sample, lines: &Lines) -> Bytes {
    let files = sample.cache.saturating_sub(sample.slab);
    let swappable = sample.swappable();
    let rest = sample.current.saturating_sub(files);
    if lines.swap == Limit::At(0) { rest } else { rest.saturating_sub(swappable) }
}

/// The largest part of what reclaim should get and does not.
fn most(sample: &Sample, lines: &Lines) -> Held {
    let files = sample.cache.saturating_sub(sample.slab);
    let swappable = sample.swappable();
    if is_beyond_swap(sample, lines) {
        Held::Unswappable(unswappable(sample))
    } else if lines.swap != Limit::At(0) && swappable >= sample.cache {
        Held::Swappable(swappable)
    } else if sample.slab >= files {
        Held::Slab(sample.slab)
    } else {
        Held::Files(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Counters;

    /// Limit 100, relief line 128.75, second line 157.5 MiB.
    fn lines() -> Lines {
        Lines::new(Bytes::mib(100), None, None).unwrap()
    }

    /// What each tenth of a second brings: `current`, cache, of it slab, and pages that reclaim looked at and got; it tries each time.
    #[derive(Clone, Copy)]
    struct Tenth {
        current: u64,
        cache: u64,
        slab: u64,
        scanned: u64,
        reclaimed: u64,
    }

    /// When something of one process was found to be held, in tenths of a second, and what.
    fn found(
        place: ReclaimAt,
        lines: &Lines,
        tenths: impl Iterator<Item = Tenth>,
    ) -> Option<(u64, Held)> {
        found_of(1, place, lines, tenths)
    }

    fn found_of(
        processes: u64,
        place: ReclaimAt,
        lines: &Lines,
        tenths: impl Iterator<Item = Tenth>,
    ) -> Option<(u64, Held)> {
        let (mut reclaim, mut sum) = (Reclaim::new(place), Sample::default());
        (1..).zip(tenths).find_map(|(tenth, it)| {
            sum.scanned += it.scanned;
            sum.reclaimed += it.reclaimed;
            sum.counters = Counters { high: tenth, ..Counters::default() };
            let sample = Sample {
                current: Bytes::mib(it.current),
                cache: Bytes::mib(it.cache),
                slab: Bytes::mib(it.slab),
                processes,
                ..sum
            };
            reclaim.observe(&sample, lines, Timestamp::from_millis(tenth * 100));
            Some((tenth, reclaim.held()?))
        })
    }

    fn always(tenth: Tenth) -> impl Iterator<Item = Tenth> {
        std::iter::repeat_n(tenth, 600)
    }

    const READER: Tenth = Tenth { current: 110, cache: 105, slab: 1, scanned: 100, reclaimed: 90 };

    #[test]
    fn cache_that_reclaim_gets_is_left_alone_wherever_it_is() {
        for current in [90, 103, 104, 110, 129, 158, 163] {
            let tenths = always(Tenth { current, cache: current - 5, ..READER });
            assert_eq!(found(ReclaimAt::TripWire, &lines(), tenths), None, "{current}");
        }
        // Of mapped pages in use it gets a part.
        let mapper = always(Tenth { scanned: 700, ..READER });
        assert_eq!(found(ReclaimAt::TripWire, &lines(), mapper), None);
    }

    /// Its own code is got and read back at once.
    #[test]
    fn slab_is_held_however_often_the_program_s_own_pages_are_got() {
        let links = Tenth { current: 101, cache: 100, slab: 100, scanned: 200, reclaimed: 130 };
        let held = Some((101, Held::Slab(Bytes::mib(100))));
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(links)), held);
        // Those of files that are much of what is in use, or that are got once, are cache.
        let reader = Tenth { cache: 100, slab: 90, ..links };
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(reader)), None);
        // It has next to no room for its code, and none of that is left to it.
        let squeezed = Tenth { current: 100, cache: 99, slab: 98, ..links };
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(squeezed)).unwrap().0, 101);
        // Below the limit, of its own memory: that is no slab.
        let own = Tenth { current: 101, cache: 3, slab: 2, ..links };
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(own)), None);
        let few = Tenth { current: 102, cache: 101, scanned: 4, reclaimed: 3, ..links };
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(few)), None);
        // Slab that is got goes below the limit each time.
        let walker = always(links).enumerate().map(|(index, tenth)| {
            let current = if index % 50 == 0 { 96 } else { 101 };
            Tenth { current, cache: current - 1, slab: current - 1, ..tenth }
        });
        assert_eq!(found(ReclaimAt::TripWire, &lines(), walker), None);
    }

    #[test]
    fn cache_that_it_does_not_get_is_held_after_a_second() {
        let pipes = Tenth { reclaimed: 3, ..READER };
        let held = Some((11, Held::Files(Bytes::mib(104))));
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(pipes)), held);
        let links = Tenth { scanned: 0, reclaimed: 0, slab: 104, ..READER };
        let held = Some((11, Held::Slab(Bytes::mib(104))));
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(links)), held);
        let at_second = Tenth { current: 158, ..pipes };
        let held = found(ReclaimAt::TripWire, &lines(), always(at_second)).map(|found| found.0);
        assert_eq!(held, Some(4), "four looks at the second line");
        assert_eq!(found(ReclaimAt::Nowhere, &lines(), always(at_second)), None);
        assert_eq!(found(ReclaimAt::Ceiling, &lines(), always(pipes)), None);
        assert!(found(ReclaimAt::Ceiling, &lines(), always(at_second)).is_some());
    }

    /// A container that others ran in before: what reclaim did not get of theirs is in its counters for ever. And far below its
    /// `memory.max` the kernel may look for pages for the machine's sake.
    #[test]
    fn what_others_pinned_before_is_not_laid_to_our_charge() {
        let judged = |max: u64, step: Tenth| {
            let mut reclaim = Reclaim::new(ReclaimAt::Ceiling);
            (0..600).any(|tenth| {
                let sample = Sample {
                    current: Bytes::mib(160),
                    cache: Bytes::mib(150),
                    scanned: 9_000_000 + tenth * step.scanned,
                    reclaimed: 1000 + tenth * step.reclaimed,
                    counters: Counters { max: tenth * max, ..Counters::default() },
                    ..Sample::default()
                };
                reclaim.observe(&sample, &lines(), Timestamp::from_millis(tenth * 100));
                reclaim.held().is_some()
            })
        };
        assert!(!judged(1, READER), "a reader at the container's memory.max");
        let pinned = Tenth { reclaimed: 0, ..READER };
        assert!(judged(1, pinned), "in our own time it fails");
        assert!(!judged(0, pinned), "but not at memory.max");
    }

    /// Each of many processes may be over the limit by its batch, for a moment.
    #[test]
    fn a_crowd_that_stays_between_the_limit_and_its_batches_is_found_out_later() {
        let crowd = |tenth| found_of(32, ReclaimAt::TripWire, &lines(), always(tenth));
        let links = Tenth { current: 106, slab: 105, ..READER };
        assert_eq!(crowd(links), Some((101, Held::Slab(Bytes::mib(105)))));
        let pipes = Tenth { current: 98, scanned: 10_000, reclaimed: 10, ..READER };
        assert!(crowd(pipes).is_some_and(|found| found.0 == 101));
        assert_eq!(crowd(Tenth { reclaimed: 200, ..pipes }), None, "one in fifty is something");
        assert_eq!(crowd(Tenth { cache: 12, ..pipes }), None, "of next to no pages");
        assert_eq!(crowd(Tenth { current: 96, ..pipes }), None, "below the limit");
        assert_eq!(crowd(Tenth { current: 106, ..READER }), None, "readers");
        let still = Tenth { current: 103, scanned: 0, reclaimed: 0, ..links };
        assert_eq!(crowd(still), None, "at the limit");
    }

    /// A reader beside it: its pages are got all the time, and say nothing about slab.
    #[test]
    fn slab_is_not_hidden_by_a_reader() {
        let both = Tenth { cache: 107, slab: 104, ..READER };
        let held = found(ReclaimAt::TripWire, &lines(), always(both));
        assert_eq!(held, Some((11, Held::Slab(Bytes::mib(104)))));
    }

    /// A glance that found it below a line ends what lasts over that line; one that did not says nothing.
    #[test]
    fn a_level_that_fell_back_at_a_glance_begins_anew() {
        let found = |glanced: u64| {
            let mut reclaim = Reclaim::new(ReclaimAt::TripWire);
            (1..=15).find(|tenth| {
                let counters = Counters { high: *tenth, ..Counters::default() };
                let (current, cache) = (Bytes::mib(110), Bytes::mib(104));
                let pinned = Sample { current, cache, counters, ..Sample::default() };
                reclaim.observe(&pinned, &lines(), Timestamp::from_millis(tenth * 100));
                if tenth % 9 == 0 {
                    reclaim.glance(Bytes::mib(glanced), 0, &lines());
                }
                reclaim.held().is_some()
            })
        };
        assert_eq!(found(110), Some(11));
        assert_eq!(found(100), None);
    }

    #[test]
    fn a_level_that_falls_back_begins_anew() {
        let pinned = Tenth { reclaimed: 0, ..READER };
        let under = Tenth { current: 100, ..pinned };
        let tenths = (0..600).map(|tenth| if tenth % 9 == 0 { under } else { pinned });
        assert_eq!(found(ReclaimAt::TripWire, &lines(), tenths), None);
    }

    /// Before Linux 5.18 one system call may charge far over the limit before the kernel throttles it, and so tries to reclaim.
    #[test]
    fn what_was_not_tried_is_not_held() {
        let mut reclaim = Reclaim::new(ReclaimAt::TripWire);
        for tenth in 0..100 {
            let sample =
                Sample { current: Bytes::mib(150), cache: Bytes::mib(140), ..Sample::default() };
            reclaim.observe(&sample, &lines(), Timestamp::from_millis(tenth * 100));
            assert!(reclaim.held().is_none() && reclaim.is_watched());
        }
    }

    #[test]
    fn pages_that_wait_for_their_disk_are_got_in_the_end() {
        let mut reclaim = Reclaim::new(ReclaimAt::TripWire);
        for tenth in 1..100 {
            let counters = Counters { high: tenth, ..Counters::default() };
            let (current, cache) = (Bytes::mib(120), Bytes::mib(100));
            let scanned = tenth * 1000;
            let slow = Sample { current, cache, scanned, counters, ..Sample::default() };
            let slow = Sample { dirty: Bytes::mib(30), ..slow };
            reclaim.observe(&slow, &lines(), Timestamp::from_millis(tenth * 100));
            assert_eq!(reclaim.held(), None);
        }
    }

    #[test]
    fn pages_that_are_looked_at_and_not_got_are_held_at_the_trip_wire_too() {
        let creeps = Tenth { current: 101, cache: 98, slab: 1, scanned: 25_000, reclaimed: 100 };
        let held = found(ReclaimAt::TripWire, &lines(), always(creeps));
        assert_eq!(held, Some((21, Held::Files(Bytes::mib(97)))));
        let unseen = Tenth { scanned: 0, reclaimed: 0, ..creeps };
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(unseen)), None, "not looked at");
        let shrinks = Tenth { scanned: 50, reclaimed: 1, ..creeps };
        let held = found(ReclaimAt::TripWire, &lines(), always(shrinks));
        assert_eq!(held.map(|held| held.0), Some(498), "not before all were looked at");
        let reader = Tenth { scanned: 2500, reclaimed: 2400, ..creeps };
        assert_eq!(found(ReclaimAt::TripWire, &lines(), always(reader)), None);
    }

    #[test]
    fn many_processes_may_have_charged_their_batch() {
        assert_eq!(tried_line(&lines(), 0), Bytes(Bytes::mib(100).0 + Bytes::mib(100).0 / 32));
        assert_eq!(tried_line(&lines(), 40).0, Bytes::mib(110).0 + Bytes::mib(100).0 / 32);
        assert_eq!(tried_line(&lines(), u64::MAX), lines().relief);
    }

    /// When the last of so many looks, one each 100 ms, is taken, what is found to be held.
    fn with_swap(looks: u64, sample: impl Fn(u64) -> Sample) -> Option<Held> {
        let lines = lines().with_swap(Limit::At(100 << 20));
        let mut reclaim = Reclaim::new(ReclaimAt::TripWire);
        for tenth in 1..=looks {
            reclaim.observe(&sample(tenth), &lines, Timestamp::from_millis(tenth * 100));
        }
        reclaim.held()
    }

    /// Its code is got and read back at once, and it never gets on.
    #[test]
    fn what_swap_cannot_take_fills_the_limit_however_often_code_is_got() {
        let pipes = |tenth| Sample {
            current: Bytes(Bytes::mib(101).0 + Bytes::mib(1).0 / 2),
            cache: Bytes::mib(1),
            scanned: tenth * 200,
            reclaimed: tenth * 130,
            counters: Counters { high: tenth * 60, ..Counters::default() },
            ..Sample::default()
        };
        let held = Held::Unswappable(Bytes(Bytes::mib(100).0 + Bytes::mib(1).0 / 2));
        assert_eq!(with_swap(20, pipes), None);
        assert_eq!(with_swap(21, pipes), Some(held));
        // Locked memory is as that; what is not goes to swap, however long that takes, and what is unmapped is on its way.
        let anon = Bytes::mib(80);
        assert_eq!(with_swap(600, |tenth| Sample { anon, ..pipes(tenth) }), None);
        let unmapped = |tenth| Sample { listed_anon: anon, ..pipes(tenth) };
        assert_eq!(with_swap(600, unmapped), None);
        let locked = |tenth| Sample { anon, unevictable: anon, ..pipes(tenth) };
        assert_eq!(with_swap(21, locked), Some(held));
        let of_file = |tenth| Sample { listed_anon: anon, ..locked(tenth) };
        assert_eq!(with_swap(600, of_file), None, "of a file that is locked beside it");
        // Below the limit now and then, it has room.
        let room = |tenth| match tenth % 15 {
            0 => Sample { current: Bytes::mib(100), ..pipes(tenth) },
            _ => pipes(tenth),
        };
        assert_eq!(with_swap(600, room), None);
        // Without a try of the kernel's it is not known to be in anybody's way.
        assert_eq!(with_swap(600, |_| pipes(1)), None);
    }

    #[test]
    fn swap_that_is_full_is_named() {
        let lines = lines().with_swap(Limit::Max);
        let (mut reclaim, mut held) = (Reclaim::new(ReclaimAt::TripWire), None);
        for tenth in 1..=11 {
            let counters = Counters { high: tenth, ..Counters::default() };
            let (current, anon) = (Bytes::mib(110), Bytes::mib(105));
            let leak = Sample { current, anon, counters, scanned: tenth, ..Sample::default() };
            reclaim.observe(&leak, &lines, Timestamp::from_millis(tenth * 100));
            held = reclaim.held();
        }
        assert_eq!(held, Some(Held::Swappable(Bytes::mib(105))));
    }
}
