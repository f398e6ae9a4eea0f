//! Numbers as the page shows them: stamps, distances in time, rates, shares, dates, a command as a shell would take it.

use crate::units::Bytes;
use std::fmt::Write as _;

/// Microseconds as seconds with all six places.
pub(super) fn stamp(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// From `zero` to `us`, signed, in seconds with all six places; a true minus sign, so that columns keep their width.
pub(super) fn signed_stamp(us: u64, zero: u64) -> String {
    let sign = if us < zero { '\u{2212}' } else { '+' };
    format!("{sign}{}", stamp(us.abs_diff(zero)))
}

/// A distance in time for people, exact enough to compare: `340µs`, `31.4ms`, `2.314s`, `41.2s`, `3m05s`.
pub(super) fn span(us: u64) -> String {
    match us {
        0 => "0s".to_owned(),
        1..=999 => format!("{us}\u{b5}s"),
        1_000..=99_999 => format!("{}.{}ms", us / 1000, us % 1000 / 100),
        100_000..=999_999 => format!("{}ms", us / 1000),
        1_000_000..=9_999_999 => format!("{}.{:02}s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => crate::units::show_duration(std::time::Duration::from_micros(us)),
    }
}

/// A size on an axis or in a label: without a fraction of nothing but zeros.
pub(super) fn size(bytes: Bytes) -> String {
    let text = bytes.to_string();
    match text.split_once('.') {
        Some((whole, rest)) if rest.trim_start_matches('0').len() == 1 => {
            format!("{whole}{}", rest.trim_start_matches('0'))
        }
        _ => text,
    }
}

/// What `part` is of `whole`, in hundredths with one place; a dash of nothing.
pub(super) fn share(part: Bytes, whole: Bytes) -> String {
    match (u128::from(part.0) * 1000).checked_div(u128::from(whole.0)) {
        Some(permille) => format!("{}.{}%", permille / 10, permille % 10),
        None => "–".to_owned(),
    }
}

/// Growth from one size to another, signed.
pub(super) fn change(from: Bytes, to: Bytes) -> String {
    let sign = if to < from { '\u{2212}' } else { '+' };
    format!("{sign}{}", Bytes(to.0.abs_diff(from.0)))
}

/// The same by time; a dash where no time passed.
pub(super) fn rate(from: Bytes, to: Bytes, over_ms: u64) -> String {
    let sign = if to < from { '\u{2212}' } else { '+' };
    match (u128::from(to.0.abs_diff(from.0)) * 1000).checked_div(u128::from(over_ms)) {
        Some(rate) => format!("{sign}{}/s", Bytes(u64::try_from(rate).unwrap_or(u64::MAX))),
        None => "–".to_owned(),
    }
}

/// A share in percent that the kernel gave.
pub(super) fn percent(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}%") } else { "–".to_owned() }
}

/// A date and time in UTC.
pub(super) fn date(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day since 1970, in years that begin in March, where the leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + u64::from(month < 3), month, day - (153 * march + 2) / 5 + 1)
}

/// The words as a shell would read them back.
pub(super) fn command(words: &[String]) -> String {
    let mut line = String::new();
    for word in words {
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%\\".contains(c);
        let space = if line.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = if !word.is_empty() && word.chars().all(plain) {
            write!(line, "{space}{word}")
        } else {
            write!(line, "{space}'{}'", word.replace('\'', "'\\''"))
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(stamp(41_000_412), "41.000412");
        assert_eq!(signed_stamp(1, 1_000_001), "\u{2212}1.000000");
        assert_eq!(signed_stamp(1_000_413, 1_000_001), "+0.000412");
        let spans = [340, 31_400, 850_000, 2_314_000, 185_000_000].map(span);
        assert_eq!(spans, ["340µs", "31.4ms", "850ms", "2.31s", "3m05s"]);
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_790_000_000_999), "2026-09-21 14:13:20 UTC");
        assert!(date(u64::MAX).ends_with("UTC"));
    }

    #[test]
    fn sizes() {
        assert_eq!(
            [100, 1024, 1536, 1080].map(|mib| size(Bytes::mib(mib))),
            ["100M", "1G", "1.50G", "1.05G"]
        );
        assert_eq!(share(Bytes(1), Bytes(8)), "12.5%");
        assert_eq!(share(Bytes(1), Bytes(0)), "–");
        assert_eq!(change(Bytes::mib(3), Bytes::mib(1)), "\u{2212}2.0M");
        assert_eq!(rate(Bytes(0), Bytes(u64::MAX), 1), "+16777215.9T/s");
    }

    #[test]
    fn commands_are_quoted_where_a_shell_would_split_them() {
        let words = ["sh", "-c", "echo it's", ""].map(String::from);
        assert_eq!(command(&words), r"sh -c 'echo it'\''s' ''");
    }
}
