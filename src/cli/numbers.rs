//! Whole numbers that options take: what a person writes, to typed values, with what is accepted where it is none.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// A process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidSetting(pub i32);

/// A descriptor that our caller left open, beyond the standard ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor(pub i32);

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(pub u8);

impl FromStr for PidSetting {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "is not a process id: write a number from 1 on";
        number(text, 1..=i32::MAX, wrong).map(PidSetting)
    }
}

impl FromStr for Descriptor {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "is not a descriptor for it: write a number from 3 to 63";
        number(text, 3..=63, wrong).map(Descriptor)
    }
}

impl FromStr for ExitStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "is not an exit status: write a number from 0 to 255";
        number(text, 0..=u8::MAX, wrong).map(ExitStatus)
    }
}

fn number<T>(text: &str, accepted: RangeInclusive<T>, wrong: &str) -> Result<T, String>
where
    T: FromStr + PartialOrd,
{
    let number = text.trim().parse::<T>().ok().filter(|number| accepted.contains(number));
    number.ok_or_else(|| format!("{text:?} {wrong}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_their_range() {
        assert_eq!(" 4711 ".parse(), Ok(PidSetting(4711)));
        assert_eq!(("3".parse(), "63".parse()), (Ok(Descriptor(3)), Ok(Descriptor(63))));
        assert_eq!(("0".parse(), "255".parse()), (Ok(ExitStatus(0)), Ok(ExitStatus(255))));
        for text in ["", "x", "-1", "0", "1.5", "0x10", "2147483648"] {
            assert!(text.parse::<PidSetting>().is_err(), "{text}");
        }
        for text in ["2", "64", "stdout"] {
            assert!(text.parse::<Descriptor>().is_err(), "{text}");
        }
        let error = "256".parse::<ExitStatus>().unwrap_err();
        assert_eq!(error, "\"256\" is not an exit status: write a number from 0 to 255");
    }
}
