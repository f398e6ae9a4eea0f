//! Lines for the guardian's log about clients: few at a time and few in a while, however much the clients try.

use crate::clock::Timestamp;
use std::time::Duration;

/// So many lines in so long a time; the rest is counted.
const MOST: usize = 4;
const WINDOW: Duration = Duration::from_secs(10);

/// Lines to be taken, and the count of those left out.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: Vec<String>,
    window: Timestamp,
    said: usize,
    left_out: u64,
}

impl Notices {
    /// Keeps the line, if there were not too many of late. `line` runs only if it is kept.
    pub(super) fn say(&mut self, now: Timestamp, line: impl FnOnce() -> String) {
        if now.since(self.window) >= WINDOW {
            self.window = now;
            self.said = 0;
        }
        if self.said >= MOST || self.waiting.len() >= MOST {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.said += 1;
        let mut line = line();
        if self.left_out > 0 {
            line.push_str(&format!(" ({} such lines were left out before)", self.left_out));
            self.left_out = 0;
        }
        self.waiting.push(line);
    }

    /// The lines kept since the last time.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_not_logged() {
        let mut notices = Notices::default();
        for ms in 0..1000 {
            notices.say(Timestamp::from_millis(ms), || format!("refused {ms}"));
        }
        assert_eq!(notices.take(), ["refused 0", "refused 1", "refused 2", "refused 3"]);
        assert!(notices.take().is_empty());
        notices.say(Timestamp::from_millis(10_000), || "refused again".to_owned());
        assert_eq!(notices.take(), ["refused again (996 such lines were left out before)"]);
    }
}
