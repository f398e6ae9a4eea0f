//! Huge pages that no limit counts: looked for aside, a few processes a turn, and told when they do not grow any more, at the latest at the end.

use super::Ward;
use crate::cgroup::hugetlb::in_memory_current;
use crate::cgroup::machine::MachineMemory;
use crate::clock::Timestamp;
use crate::status::Level;
use crate::units::Bytes;
use crate::workload::huge_pages::of_process;
use std::time::Duration;

/// Where the machine has a pool, and when that is looked up again.
const EVERY: Duration = Duration::from_millis(500);
const SELDOM: Duration = Duration::from_secs(1);
/// A short run is not looked at.
const FIRST: Timestamp = Timestamp(Duration::from_millis(100));
/// Processes a turn: about 1 ms.
const STEP: usize = 32;
/// Of which size one page is worth telling.
const LEAST: Bytes = Bytes::mib(2);

/// The machine's pool, looked up once for all workloads.
#[derive(Debug, Default)]
pub struct HugePagePool {
    known: Option<(Timestamp, bool)>,
}

impl HugePagePool {
    fn is_there(&mut self, now: Timestamp) -> bool {
        if let Some((at, there)) = self.known
            && now.since(at) < EVERY
        {
            return there;
        }
        let there = MachineMemory::look().unwrap_or_default().huge_pages > Bytes(0);
        self.known = Some((now, there));
        there
    }
}

/// What is known.
#[derive(Debug)]
pub(super) struct HugePagesWatch {
    /// They are in `memory.current`.
    charged: bool,
    at: Timestamp,
    /// The machine has a pool, as far as is known.
    pooled: bool,
    waiting: Vec<i32>,
    sum: Bytes,
    /// The sum before that one.
    before: Bytes,
    /// So much was there at both: who is just being forked appears twice for a moment.
    pub(super) uncounted: Bytes,
    /// So much was seen at once.
    most: Bytes,
    /// So much was told.
    told: Bytes,
}

impl Default for HugePagesWatch {
    fn default() -> HugePagesWatch {
        HugePagesWatch {
            charged: in_memory_current(),
            at: FIRST,
            pooled: true,
            waiting: Vec::new(),
            sum: Bytes(0),
            before: Bytes(0),
            uncounted: Bytes(0),
            most: Bytes(0),
            told: Bytes(0),
        }
    }
}

impl HugePagesWatch {
    /// Takes the sum. It is worth telling once it does not grow any more, and again when it has doubled.
    fn is_news(&mut self) -> bool {
        let before = std::mem::replace(&mut self.before, self.sum);
        self.uncounted = self.sum.min(before);
        self.most = self.most.max(self.sum);
        let settled = self.sum <= before;
        let news = settled && self.sum >= LEAST.max(Bytes(self.told.0.saturating_mul(2)));
        if news {
            self.told = self.sum;
        }
        news
    }

    /// What was there for too short a time to be told.
    fn untold(&self) -> Option<Bytes> {
        (self.told == Bytes(0) && self.most >= LEAST).then_some(self.most)
    }
}

impl Ward {
    /// Whether huge pages are in what is compared with the limit.
    pub(super) fn counts_huge_pages(&self) -> bool {
        self.huge_pages.charged || self.workload.counts_huge_pages()
    }

    /// When they are looked for next, where they can be: looks at memory may be further apart than some hold them.
    pub(super) fn huge_pages_at(&self) -> Option<Timestamp> {
        let (watch, counts) = (&self.huge_pages, self.counts_huge_pages());
        (watch.pooled && !counts && !self.has_ended()).then_some(watch.at)
    }

    /// Called once a turn of the loop.
    pub fn watch_huge_pages(&mut self, pool: &mut HugePagePool, now: Timestamp) {
        if self.huge_pages.waiting.is_empty() && !self.begin(pool, now) {
            return;
        }
        let watch = &mut self.huge_pages;
        let mut text = [0; 8192];
        for pid in watch.waiting.drain(..watch.waiting.len().min(STEP)) {
            watch.sum = watch.sum.saturating_add(of_process(pid, &mut text));
        }
        if !watch.waiting.is_empty() {
            return;
        }
        if watch.is_news() {
            let told = watch.told;
            self.tell_huge_pages(told, "are");
        }
    }

    /// What was not there for long enough to be told then.
    pub fn tell_huge_pages_untold(&mut self) {
        if let Some(most) = self.huge_pages.untold() {
            self.tell_huge_pages(most, "were");
        }
    }

    fn tell_huge_pages(&mut self, pages: Bytes, verb: &str) {
        let text = format!(
            "{pages} of huge pages (hugetlb) {verb} not counted by the limit; shared ones appear once per process"
        );
        self.say(Level::Warning, text);
    }

    fn begin(&mut self, pool: &mut HugePagePool, now: Timestamp) -> bool {
        if now < self.huge_pages.at {
            return false;
        }
        self.huge_pages.pooled = !self.counts_huge_pages() && pool.is_there(now);
        let wait = if self.huge_pages.pooled { EVERY } else { SELDOM };
        // Mappings are dear to read, and one among many has its turn as seldom as its looks come.
        self.huge_pages.at = now + wait.mul_f64(self.policy.longest_rest().as_secs_f64());
        if !self.huge_pages.pooled {
            self.huge_pages.uncounted = Bytes(0);
            return false;
        }
        let pids = self.workload.processes_lately();
        self.huge_pages.waiting = pids.to_vec();
        self.huge_pages.sum = Bytes(0);
        // What was known last is kept when all is over.
        !self.huge_pages.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_when_they_settle_and_when_they_have_doubled() {
        let mut watch = HugePagesWatch::default();
        let readings = [0, 4, 60, 100, 100, 100, 60, 120, 120, 240, 240, 0];
        let told = readings.map(|mib| {
            watch.sum = Bytes::mib(mib);
            watch.is_news()
        });
        let at = |index: usize| told[index].then_some(readings[index]);
        let told: Vec<u64> = (0..readings.len()).filter_map(at).collect();
        assert_eq!(told, [100, 240]);
        assert_eq!(watch.untold(), None, "nothing is left to be told at the end");
        let mut brief = HugePagesWatch { sum: Bytes::mib(60), ..HugePagesWatch::default() };
        assert!(!brief.is_news() && brief.uncounted == Bytes(0));
        assert_eq!(brief.untold(), Some(Bytes::mib(60)));
    }
}
