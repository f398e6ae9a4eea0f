//! Events to lines, into a buffer that somebody else empties. Bounded twice: what the buffer has no room for is lost and counted, and a
//! file that is three quarters full gets fewer and fewer of the looks that nothing came of, so that it keeps its size.

use super::deed::deed;
use super::format::{EventRow, LastLine, Start, What, nanos};
use super::queue::Step;
use crate::clock::Timestamp;
use crate::event::Event;
use serde::Serialize;
use std::time::Duration;

/// Lines that may wait for the disk.
const WAITING: usize = 256 << 10;
/// Kept free for the last line.
const RESERVE: u64 = 4096;
/// Between two looks that are kept once the file is three quarters full; doubled each time that half of what is left is used.
const SPARSE: Duration = Duration::from_secs(1);

/// The lines that wait, and what was left out.
#[derive(Debug)]
pub struct Writer {
    waiting: Vec<u8>,
    written: u64,
    size: u64,
    last_look: Timestamp,
    /// Not told in the file yet.
    lost_here: u64,
    lost: u64,
    thinned: u64,
}

impl Writer {
    /// For a file of at most so many bytes.
    pub fn new(size: u64) -> Writer {
        let waiting = Vec::with_capacity(WAITING);
        let last_look = Timestamp::default();
        Writer { waiting, written: 0, size, last_look, lost_here: 0, lost: 0, thinned: 0 }
    }

    /// The first line.
    pub fn start(&mut self, start: &Start) {
        self.line(start);
    }

    /// An event.
    pub fn step(&mut self, step: &Step) {
        let did: Vec<String> = step.actions.iter().filter_map(deed).collect();
        if did.is_empty() && self.is_thinned(&step.event, step.at) {
            self.thinned += 1;
            return;
        }
        self.tell_lost(step.at);
        self.row(&EventRow { t: nanos(step.at.0), what: What::from(&step.event), did });
    }

    /// So many events found no place on the way here.
    pub fn lose(&mut self, events: u64) {
        self.lost_here += events;
        self.lost += events;
    }

    /// The last line: there is always room for it.
    pub fn end(&mut self, now: Timestamp, text: String, exit_status: u8) {
        self.tell_lost(now);
        let end = LastLine { text, exit_status, lost: self.lost, thinned: self.thinned };
        self.line(&EventRow { t: nanos(now.0), what: What::End(end), did: Vec::new() });
    }

    /// Events lost so far, and looks left out.
    pub fn left_out(&self) -> (u64, u64) {
        (self.lost, self.thinned)
    }

    /// What waits.
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// So much of it is gone.
    pub fn sent(&mut self, bytes: usize) {
        self.waiting.drain(..bytes);
    }

    /// Only looks and deadlines that nothing came of are left out.
    fn is_thinned(&mut self, event: &Event, at: Timestamp) -> bool {
        // From three quarters to seven eighths; the last eighth is for deeds.
        let eighth = self.size / 8;
        let left = (eighth * 7).saturating_sub(self.written);
        if left > eighth {
            return false;
        }
        match event {
            Event::Sample(_) => {
                let halved = (eighth / left.max(1)).max(1).ilog2().min(16);
                let kept = at.since(self.last_look) >= SPARSE * (1 << halved);
                if kept {
                    self.last_look = at;
                }
                !kept
            }
            Event::Deadline => true,
            // Of whom somebody is gone.
            Event::Processes(crowd) => crowd.gone.iter().all(Option::is_none),
            Event::ChildExited(_)
            | Event::Empty
            | Event::Operator(_)
            | Event::Yielded
            | Event::Done(..) => false,
        }
    }

    fn tell_lost(&mut self, at: Timestamp) {
        if self.lost_here > 0 && self.waiting.len() < WAITING / 2 {
            let what = What::Lost(std::mem::take(&mut self.lost_here));
            self.line(&EventRow { t: nanos(at.0), what, did: Vec::new() });
        }
    }

    fn row(&mut self, row: &EventRow) {
        if self.waiting.len() >= WAITING || self.written + RESERVE > self.size {
            self.lose(1);
        } else {
            self.line(row);
        }
    }

    fn line(&mut self, line: &impl Serialize) {
        let before = self.waiting.len();
        // Plain data: it can always be rendered, and memory takes it.
        if serde_json::to_writer(&mut self.waiting, line).is_err() {
            self.waiting.truncate(before);
            return self.lose(1);
        }
        self.waiting.push(b'\n');
        self.written += (self.waiting.len() - before) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Sample};
    use crate::policy::Actions;
    use crate::units::Bytes;

    fn look(ms: u64) -> Step {
        let sample = Sample { current: Bytes(ms << 12), processes: 1, ..Sample::default() };
        let (at, event) = (Timestamp::from_millis(ms), Event::Sample(sample));
        Step { at, event, actions: Actions::new() }
    }

    fn deed_at(ms: u64) -> Step {
        Step { actions: [Action::Kill].into_iter().collect(), ..look(ms) }
    }

    #[test]
    fn a_disk_that_takes_nothing_costs_events_and_no_memory_and_is_told() {
        let mut writer = Writer::new(1 << 30);
        (0..20_000).for_each(|ms| writer.step(&look(ms)));
        let (lost, thinned) = writer.left_out();
        assert!(lost > 0 && thinned == 0);
        assert!(writer.waiting().len() < WAITING + 1024);
        let kept = writer.waiting().iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(kept + lost, 20_000);
        writer.sent(writer.waiting().len());
        writer.step(&look(20_000));
        let text = String::from_utf8(writer.waiting().to_vec()).unwrap();
        assert!(text.starts_with(&format!("{{\"t\":20000000000,\"lost\":{lost}}}\n")), "{text}");
    }

    #[test]
    fn a_file_keeps_its_size_and_every_deed() {
        let size = 256 << 10;
        let mut writer = Writer::new(size);
        let (mut bytes, mut deeds) = (0, 0);
        for ms in (0..36_000_000).step_by(200) {
            let deed = ms % 1_000_000 == 0;
            deeds += u64::from(deed);
            writer.step(&if deed { deed_at(ms) } else { look(ms) });
            let text = String::from_utf8(writer.waiting().to_vec()).unwrap();
            deeds -= text.matches("\"did\":[\"kill\"]").count() as u64;
            bytes += text.len() as u64;
            writer.sent(text.len());
        }
        let (lost, thinned) = writer.left_out();
        assert_eq!((lost, deeds), (0, 0), "ten hours");
        assert!(thinned > 100_000 && bytes <= size, "{bytes}");
        assert!(bytes > size - size / 6, "the room is used: {bytes}");
    }
}
