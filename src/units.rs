//! Sizes, shares and durations as a person types them, and as they are shown.
//! `K M G T` are powers of 1024, with or without `iB`/`B`: `100M`, `2GiB`, `512Mi`, `80%`; `500ms`, `.5s`, `1h30m`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// One MiB, 2^20 bytes.
pub const MIB: u64 = 1 << 20;

impl Bytes {
    /// `mib` times 2^20 bytes.
    pub const fn mib(mib: u64) -> Self {
        Bytes(mib * MIB)
    }

    /// The difference, or zero where `other` is larger.
    pub const fn saturating_sub(self, other: Bytes) -> Self {
        Bytes(self.0.saturating_sub(other.0))
    }

    /// The sum, or `u64::MAX` bytes.
    pub const fn saturating_add(self, other: Bytes) -> Self {
        Bytes(self.0.saturating_add(other.0))
    }

    /// This share of the size, rounded down.
    pub fn share(self, percent: Percent) -> Self {
        let scaled = u128::from(self.0) * u128::from(percent.0) / 100;
        Bytes(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

/// A whole number of hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub u32);

/// A limit of the kernel's: a number of bytes (or of pids), or none (`max`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase", untagged)]
pub enum Limit {
    /// At most so much.
    At(u64),
    /// The kernel's word `max`: no limit. Serialised as `null`.
    Max,
}

impl Limit {
    /// The number, if there is a limit.
    pub fn value(self) -> Option<u64> {
        match self {
            Limit::At(value) => Some(value),
            Limit::Max => None,
        }
    }

    /// One of bytes, as people read sizes.
    pub fn as_size(self) -> String {
        self.value().map_or_else(|| self.to_string(), |bytes| Bytes(bytes).to_string())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::At(value) => write!(f, "{value}"),
            Limit::Max => f.write_str("max"),
        }
    }
}

/// A size as typed: absolute, or a share of what is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many bytes.
    Absolute(Bytes),
    /// A share of the effective outer limit.
    Share(Percent),
}

impl Size {
    /// The bytes that this size means where `whole` is available.
    pub fn of(self, whole: Bytes) -> Bytes {
        match self {
            Size::Absolute(bytes) => bytes,
            Size::Share(percent) => whole.share(percent),
        }
    }
}

/// Why a size, share or duration was not understood. Each names what was typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Neither a number of bytes nor a share.
    #[error("{0:?} is not a size: write for instance 100M, 2GiB or 80%")]
    NotASize(String),
    /// No number of bytes.
    #[error("{0:?} is not a size: write for instance 100M or 2GiB")]
    NotBytes(String),
    /// A number of bytes that does not fit 64 bits.
    #[error("{0:?} is too large")]
    TooLarge(String),
    /// A share outside 1..=100.
    #[error("{0:?} is not a share between 1% and 100%: write for instance 80%")]
    NotAShare(String),
    /// No duration.
    #[error("{0:?} is not a duration: write for instance 500ms, 3s or 1h30m")]
    NotADuration(String),
}

/// So many of them are in one: a fraction of nine digits, so that `1.5G` is exact.
const FRACTIONS: u128 = 1_000_000_000;

/// Splits `text` into its decimal number (in parts of [`FRACTIONS`]) and what is behind it. `.5` and `1.` are numbers.
fn split_number(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 || whole.len() > 20 {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u128 = format!("{fraction:0<9}").parse().ok()?;
    Some((whole * FRACTIONS + fraction, rest))
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let not_a_size = || UnitError::NotBytes(text.to_owned());
        let (number, unit) = split_number(text.trim()).ok_or_else(not_a_size)?;
        let factor: u128 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "ki" | "kib" => 1 << 10,
            "m" | "mb" | "mi" | "mib" => 1 << 20,
            "g" | "gb" | "gi" | "gib" => 1 << 30,
            "t" | "tb" | "ti" | "tib" => 1 << 40,
            _ => return Err(not_a_size()),
        };
        let bytes =
            number.checked_mul(factor).ok_or_else(|| UnitError::TooLarge(text.to_owned()))?;
        u64::try_from(bytes / FRACTIONS)
            .map(Bytes)
            .map_err(|_| UnitError::TooLarge(text.to_owned()))
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.trim().strip_suffix('%').and_then(|n| n.parse::<u32>().ok());
        match number {
            Some(n @ 1..=100) => Ok(Percent(n)),
            _ => Err(UnitError::NotAShare(text.to_owned())),
        }
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.trim().ends_with('%') {
            return text.parse().map(Size::Share);
        }
        let size: Result<Bytes, UnitError> = text.parse();
        if let Err(UnitError::NotBytes(text)) = size {
            return Err(UnitError::NotASize(text));
        }
        size.map(Size::Absolute)
    }
}

/// Parses `500ms`, `3s`, `.5s`, `1m`, `2h`, `1d` and several together (`1h30m`, the larger first); a bare number means seconds, as for
/// timeout(1).
///
/// # Errors
/// [`UnitError::NotADuration`] for anything else, [`UnitError::TooLarge`] above 10,000 days.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let wrong = || UnitError::NotADuration(text.to_owned());
    let too_large = || UnitError::TooLarge(text.to_owned());
    let (mut rest, mut total, mut before) = (text.trim(), 0_u128, u128::MAX);
    loop {
        let (number, behind) = split_number(rest).ok_or_else(wrong)?;
        let behind = behind.trim_start();
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        let micros: u128 = match unit.trim().to_ascii_lowercase().as_str() {
            "us" => 1,
            "ms" => 1_000,
            "" if before == u128::MAX && next.is_empty() => 1_000_000,
            "s" => 1_000_000,
            "m" | "min" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return Err(wrong()),
        };
        if micros >= before {
            return Err(wrong());
        }
        before = micros;
        // Rounded up: what is asked for is not none.
        total += number.checked_mul(micros).ok_or_else(too_large)?.div_ceil(FRACTIONS);
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    match u64::try_from(total) {
        Ok(micros) if micros <= 10_000 * 86_400_000_000 => Ok(Duration::from_micros(micros)),
        _ => Err(UnitError::TooLarge(text.to_owned())),
    }
}

/// The kernel's bound of `pids.max` on 64 bits (PID_MAX_LIMIT, include/linux/threads.h).
const MOST_PIDS: u64 = 4 << 20;

/// Parses a number of processes, or `max`: the kernel takes no zero and nothing above its bound.
///
/// # Errors
/// One line: what would do.
pub fn parse_count(text: &str) -> Result<Limit, String> {
    if text.eq_ignore_ascii_case("max") {
        return Ok(Limit::Max);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number @ 1..=MOST_PIDS) if digits => Ok(Limit::At(number)),
        _ => Err(format!("{text} is neither max nor a number from 1 to {MOST_PIDS}")),
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl fmt::Display for Bytes {
    /// One decimal and a binary unit, `100.0M`, two below `10.00G`; whole bytes below 1 KiB. Rounded down.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 0;
        let mut hundredths = u128::from(self.0) * 100;
        while hundredths >= 102_400 && unit < 4 {
            hundredths /= 1024;
            unit += 1;
        }
        let (whole, rest, name) =
            (hundredths / 100, hundredths % 100, ["B", "K", "M", "G", "T"][unit]);
        match unit {
            0 => f.pad(&format!("{}B", self.0)),
            3.. if whole < 10 => f.pad(&format!("{whole}.{rest:02}{name}")),
            _ => f.pad(&format!("{whole}.{}{name}", rest / 10)),
        }
    }
}

/// Whole milliseconds, as they are written for programs.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration for people: `12.3s`, `850ms`, `2m05s`, `1h02m`.
pub fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..=999 => format!("{ms}ms"),
        1_000..=59_999 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        60_000..=3_599_999 => format!("{}m{:02}s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{}h{:02}m", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_with_any_suffix() {
        for (text, bytes) in [
            ("100M", 100 << 20),
            ("2GiB", 2 << 30),
            ("512k", 512 << 10),
            ("1.5G", 3 << 29),
            ("4096", 4096),
            (" 1 MB ", 1 << 20),
            ("512Mi", 512 << 20),
            ("100MB", 100 << 20),
            (".5G", 1 << 29),
            ("2.G", 2 << 30),
            ("1.00000k", 1024),
        ] {
            assert_eq!(text.parse::<Bytes>(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "M",
            "-1M",
            "1X",
            "1..5M",
            ".M",
            ".",
            "1.5.1M",
            "1G500M",
            "NaN",
            "0x10",
            "99999999999999T",
            "é",
        ] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["0%", "101%", "%", "1.5%", "-3%"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("3"), Ok(Duration::from_secs(3)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        for (text, ms) in
            [(".5s", 500), ("1h30m", 5_400_000), ("1m 30s", 90_000), ("1d2h3m4.5s", 93_784_500)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in
            ["", "s", "-1s", "1x", "99999999999d", "30m1h", "1m1m", "1h30", "1:30", "1h-3m", "."]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shown_sizes_keep_their_unit() {
        assert_eq!(Bytes::mib(100).to_string(), "100.0M");
        assert_eq!(Bytes(1023).to_string(), "1023B");
        assert_eq!(Bytes::mib(1126).to_string(), "1.09G");
        assert_eq!(Bytes::mib(20 << 10).to_string(), "20.0G");
        assert_eq!(Bytes(u64::MAX).to_string(), "16777215.9T");
        assert_eq!(format!("{:>8}", Bytes(1536)), "    1.5K");
    }
}
