//! Huge pages that no limit counts: looked for aside, a few processes a turn, and told when they do not grow any more.

use super::Ward;
use crate::cgroup::hugetlb::in_memory_current;
use crate::cgroup::machine::MachineMemory;
use crate::clock::Timestamp;
use crate::status::Level;
use crate::units::Bytes;
use crate::workload::huge_pages::of_process;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);
/// Processes a turn: about 1 ms.
const STEP: usize = 32;
/// Of which size one page is worth telling.
const LEAST: Bytes = Bytes::mib(2);

/// What is known.
#[derive(Debug)]
pub(super) struct HugePagesWatch {
    /// They are in `memory.current`.
    charged: bool,
    at: Timestamp,
    waiting: Vec<i32>,
    sum: Bytes,
    pub(super) uncounted: Bytes,
    /// So much was told.
    told: Bytes,
}

impl Default for HugePagesWatch {
    fn default() -> HugePagesWatch {
        HugePagesWatch {
            charged: in_memory_current(),
            at: Timestamp(EVERY),
            waiting: Vec::new(),
            sum: Bytes(0),
            uncounted: Bytes(0),
            told: Bytes(0),
        }
    }
}

impl HugePagesWatch {
    /// Takes the sum. It is worth telling once it does not grow any more, and again when it has doubled.
    fn is_news(&mut self) -> bool {
        let before = std::mem::replace(&mut self.uncounted, self.sum);
        let settled = self.sum <= before;
        let news = settled && self.sum >= LEAST.max(Bytes(self.told.0.saturating_mul(2)));
        if news {
            self.told = self.sum;
        }
        news
    }
}

impl Ward {
    /// Whether huge pages are in what is compared with the limit.
    pub(super) fn counts_huge_pages(&self) -> bool {
        self.huge_pages.charged || self.workload.counts_huge_pages()
    }

    /// Called once a turn of the loop.
    pub fn watch_huge_pages(&mut self) {
        let now = self.clock.now();
        if self.huge_pages.waiting.is_empty() && !self.begin(now) {
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
            let text = format!(
                "{} of huge pages (hugetlb) are not counted by the limit; shared ones appear once per process",
                watch.uncounted
            );
            self.say(Level::Warning, text);
        }
    }

    fn begin(&mut self, now: Timestamp) -> bool {
        if now < self.huge_pages.at {
            return false;
        }
        self.huge_pages.at = now + EVERY;
        let pool = MachineMemory::look().unwrap_or_default().huge_pages;
        if pool == Bytes(0) || self.counts_huge_pages() {
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
    }
}
