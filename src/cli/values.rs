//! Values of options and settings: what a person writes, to typed values.

use crate::choice::choice;
use crate::signal_names::signal_number;
use crate::units::{Bytes, Limit, Percent, parse_count, parse_duration};
use crate::workload::kill_mode::KillMode;
use clap::ValueEnum;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use std::ffi::OsStr;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

/// A duration as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = crate::units::UnitError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_duration(text).map(Span)
    }
}

/// A number (or a size), or `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Limit);

impl FromStr for Amount {
    type Err = crate::units::UnitError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "max" {
            return Ok(Amount(Limit::Max));
        }
        text.parse::<Bytes>().map(|bytes| Amount(Limit::At(bytes.0)))
    }
}

/// A number of processes, or `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub Limit);

impl FromStr for Count {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_count(text.trim()).map(Count)
    }
}

/// The signal that asks a workload to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermSignal(pub i32);

impl FromStr for TermSignal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match signal_number(text) {
            None => Err(format!(
                "{text:?} is not a signal: write for instance TERM, INT, 15 or RTMIN+3"
            )),
            Some(nix::libc::SIGKILL | nix::libc::SIGSTOP) => {
                Err(format!("{text:?} cannot be handled: a polite signal is TERM, INT or USR1"))
            }
            Some(signal) => Ok(TermSignal(signal)),
        }
    }
}

/// When thrashing ends the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrashSetting {
    /// Never.
    Off,
    /// At this share of the time, for so long.
    At(Percent, Duration),
}

impl FromStr for ThrashSetting {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "off" {
            return Ok(ThrashSetting::Off);
        }
        let wrong = || format!("{text:?} is not SHARE:DURATION, for instance 80%:1m, or off");
        let (share, hold) = text.split_once(':').ok_or_else(wrong)?;
        let share = share.parse().map_err(|error| format!("{error}"))?;
        Ok(ThrashSetting::At(share, parse_duration(hold).map_err(|error| error.to_string())?))
    }
}

choice!(
    /// What happens to the remaining processes when the command ends.
    ExitSetting {
        /// Guard them until they end by themselves
        Wait = "wait",
        /// End them as at the limit
        Terminate = "terminate",
    }
);

choice!(
    /// What is done at a breach.
    BreachSetting {
        /// End it with the term signal, and SIGKILL after the grace period
        Terminate = "terminate",
        /// Freeze it, so that the limit can be raised; end it after --freeze-for
        Freeze = "freeze",
        /// Only tell; the second line still ends it
        Warn = "warn",
    }
);

choice!(
    /// What becomes of the workload when sentinel itself is killed.
    OnDeath {
        /// End it as at the limit
        Terminate = "terminate",
        /// Send SIGKILL at once
        Kill = "kill",
        /// Let it go on, without limits
        Release = "release",
    }
);

choice!(
    /// When a post-mortem is kept.
    ReportSetting {
        /// After runs that neither exited by themselves nor were interrupted with Ctrl-C
        Acted = "acted",
        /// After every run, except a dry run
        Always = "always",
        /// After no run
        Never = "never",
    }
);

choice!(
    /// Which of a pool is ended.
    VictimSetting {
        /// The one with the largest footprint
        Largest = "largest",
        /// The one that grows most
        FastestGrowing = "fastest-growing",
        /// The one that came last
        Newest = "newest",
        /// The one with the lowest user.sentinel.priority, and of those the largest
        LowestPriority = "lowest-priority",
    }
);

choice!(
    /// How what others started is asked to end.
    EndBySetting {
        /// By the term signal, from sentinel
        Signal = "signal",
        /// By its owner (systemd, Docker, podman), which then knows that it was stopped and does not start it again
        Stop = "stop",
    }
);

choice!(
    /// Who is ended at the limit.
    CulpritSetting {
        /// All of the workload
        Workload = "workload",
        /// Its largest process with what descends from it, again until memory is below the limit; the command's own last
        Largest = "largest",
    }
);

choice!(
    /// A tier to insist on.
    TierSetting {
        /// Limits in force in the kernel
        Kernel = "kernel",
        /// At least the container's own limits, read
        Observed = "observed",
        /// At least a cgroup to end the workload by
        Hybrid = "hybrid",
        /// Any tier
        Polled = "polled",
    }
);

/// What the help, the completions and the manual say of the words of a choice.
macro_rules! offered {
    ($($name:ty),*) => {$(
        impl ValueEnum for $name {
            fn value_variants<'a>() -> &'a [Self] {
                Self::ALL
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(PossibleValue::new(self.word()).help(self.meaning()))
            }
        }
    )*};
}

offered!(
    KillMode,
    BreachSetting,
    CulpritSetting,
    EndBySetting,
    ExitSetting,
    OnDeath,
    ReportSetting,
    TierSetting
);

/// Parses what `T` parses, and lets completions offer these words: there are more values than can be listed, or another program
/// decides which there are.
#[derive(Debug)]
pub(super) struct Offering<T> {
    words: &'static [(&'static str, &'static str)],
    parsed: PhantomData<fn() -> T>,
}

impl<T> Offering<T> {
    /// Words, each with what it means.
    pub(super) const fn new(words: &'static [(&'static str, &'static str)]) -> Self {
        Offering { words, parsed: PhantomData }
    }
}

impl<T> Clone for Offering<T> {
    fn clone(&self) -> Self {
        Offering::new(self.words)
    }
}

impl<T> TypedValueParser for Offering<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: fmt::Display,
{
    type Value = T;

    fn parse_ref(
        &self,
        cmd: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let parse = |text: String| text.parse::<T>().map_err(|error| error.to_string());
        StringValueParser::new().try_map(parse).parse_ref(cmd, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = self.words.iter();
        Some(Box::new(words.map(|(word, meaning)| PossibleValue::new(*word).help(*meaning))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_by_name_and_number() {
        for text in ["TERM", "SIGTERM", "term", "15"] {
            assert_eq!(text.parse(), Ok(TermSignal(15)), "{text}");
        }
        for (text, number) in [("RTMIN", 34), ("sigrtmin+3", 37), ("RTMAX-1", 63), ("RTMAX", 64)] {
            assert_eq!(text.parse(), Ok(TermSignal(number)), "{text}");
        }
        for text in ["RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMIN+", "RTMIN++1", "RTMIN3"] {
            assert!(text.parse::<TermSignal>().is_err(), "{text}");
        }
        for text in ["KILL", "9", "STOP", "0", "65", "-1", "", "NOPE"] {
            assert!(text.parse::<TermSignal>().is_err(), "{text}");
        }
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for mode in KillMode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(*mode));
        }
        assert_eq!(" Control-Group ".parse(), Ok(KillMode::ControlGroup));
        let error = "some".parse::<KillMode>().unwrap_err();
        assert_eq!(error, "\"some\" is not one of control-group, mixed, process");
    }
}
