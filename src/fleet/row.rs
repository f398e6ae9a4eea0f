//! One guardian in one line: the words and figures of each column. Pure.

use crate::escape::tame;
use crate::status::{State, Status};
use crate::units::{Bytes, Limit};

/// What is known of a guardian.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The name of its run.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// The last that it told.
    pub status: Option<Status>,
    /// Why it tells nothing more, or nothing now.
    pub note: Option<Note>,
}

/// Why a guardian tells nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It lives and does not answer.
    Silent(String),
    /// It answers, with what is no status.
    Unclear(String),
    /// It has ended.
    Gone(String),
}

impl Note {
    /// The reason, one line.
    pub fn text(&self) -> &str {
        match self {
            Note::Silent(text) | Note::Unclear(text) | Note::Gone(text) => text,
        }
    }
}

/// The longest command line that is kept, characters.
const LONGEST_COMMAND: usize = 1000;

/// Of any other text.
const LONGEST_TEXT: usize = 400;

/// A status whose text no terminal takes for an instruction. Guardians send no such thing, but root listens to everybody's.
#[must_use]
pub fn clean(mut status: Status) -> Status {
    let mut left = LONGEST_COMMAND;
    status.command.retain_mut(|word| {
        *word = tame(word).chars().take(left).collect();
        left = left.saturating_sub(word.chars().count() + 1);
        !word.is_empty()
    });
    status.command.shrink_to_fit();
    let texts = [&mut status.reason, &mut status.cgroup, &mut status.placement];
    for text in texts.into_iter().flatten().chain([
        &mut status.name,
        &mut status.version,
        &mut status.tier_reason,
    ]) {
        *text = tame(text).chars().take(LONGEST_TEXT).collect();
    }
    status
}

impl Row {
    /// The state in one word of at most 7 letters.
    pub fn state(&self) -> &'static str {
        match (&self.note, &self.status) {
            (Some(Note::Gone(_)), _) => "gone",
            (Some(Note::Silent(_)), _) => "silent",
            (Some(Note::Unclear(_)), _) => "unclear",
            (None, None) => "-",
            (None, Some(status)) => match status.state {
                State::Starting | State::Running if status.frozen => "frozen",
                State::Starting => "starts",
                State::Running => "running",
                State::Terminating => "ending",
                State::Killing => "killing",
                State::Ended => "ended",
            },
        }
    }

    /// The share of limit and room in swap that the footprint has, hundredths.
    pub fn share(&self) -> Option<u64> {
        let status = self.status.as_ref()?;
        let none = status.limits.allowance() == Limit::At(0);
        status.limits.share(status.memory.footprint).filter(|_| !none)
    }
}

/// A size in at most 5 columns: `80.1M`, `100M`, `1.25G`.
pub fn size(bytes: Bytes) -> String {
    let shown = bytes.to_string();
    match (shown.split_once('.'), shown.chars().last()) {
        (Some((whole, _)), Some(unit)) if whole.len() >= 3 => format!("{whole}{unit}"),
        _ => shown,
    }
}

/// Growth a second, with its sign.
pub fn growth(rate: i64) -> String {
    match rate {
        0 => "0".to_owned(),
        ..0 => format!("-{}", size(Bytes(rate.unsigned_abs()))),
        _ => format!("+{}", size(Bytes(rate.unsigned_abs()))),
    }
}

/// A time in at most 6 columns: `42s`, `2m05s`, `1h02m`, `3d04h`, `412d`.
pub fn time(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match days {
        0 if hours > 0 => format!("{hours}h{:02}m", minutes % 60),
        0 if minutes > 0 => format!("{minutes}m{:02}s", seconds % 60),
        0 => format!("{seconds}s"),
        1..100 => format!("{days}d{:02}h", hours % 24),
        100..99_999 => format!("{days}d"),
        _ => "ages".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stay_short() {
        for (ms, shown) in [
            (999, "0s"),
            (59_999, "59s"),
            (125_000, "2m05s"),
            (3_720_000, "1h02m"),
            (86_400_000 * 3 + 3_600_000 * 4, "3d04h"),
            (86_400_000 * 412, "412d"),
            (u64::MAX, "ages"),
        ] {
            assert_eq!(time(ms), shown);
        }
    }

    #[test]
    fn sizes_stay_short() {
        for (bytes, shown) in [
            (0, "0B"),
            (1023, "1023B"),
            (84_000_000, "80.1M"),
            (100 << 20, "100M"),
            (5 << 28, "1.25G"),
            ((1 << 40) - 1, "1023G"),
        ] {
            assert_eq!(size(Bytes(bytes)), shown);
        }
    }

    #[test]
    fn growth_has_a_sign() {
        assert_eq!(growth(3 << 19), "+1.5M");
        assert_eq!(growth(-1024), "-1.0K");
        assert_eq!(growth(0), "0");
        assert!(growth(i64::MIN).starts_with('-'));
    }
}
