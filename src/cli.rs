//! What a person types, and what a configuration file says: text to typed settings. No other input or output.

pub mod attach;

use crate::choice::choice;
use crate::signal_names::signal_number;
use crate::units::{Bytes, Limit, Percent, Size, parse_count, parse_duration};
use crate::workload::kill_mode::KillMode;
use clap::Parser;
use serde::Deserialize;
use serde::de::Deserializer;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Runs a command under a memory limit and ends it politely and in time, before the kernel's OOM killer.
#[derive(Debug, Parser)]
#[command(
    name = "sentinel",
    version,
    override_usage = "sentinel [OPTIONS] [--] COMMAND [ARGS…]\n       sentinel status [NAME|PID]\n       sentinel ps [NAME|PID]\n       sentinel top [NAME|PID]\n       sentinel metrics [--listen ADDR]\n       sentinel ctl VERB [ARGS…]\n       sentinel doctor [--json]\n       sentinel report [last|list|NAME|N|FILE] [--html|--json]\n       sentinel replay FILE [--what-if -m SIZE]",
    after_help = AFTER_HELP,
    max_term_width = 100,
    args_override_self = true
)]
pub struct Cli {
    /// The settings, as options.
    #[command(flatten)]
    pub settings: Settings,
    /// Reads settings from this file (TOML, the option names as keys); options go before it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Sizes: 100M, 2GiB, 512Mi, 1.5G (powers of 1024), 80% (of what is available here).
Durations: 500ms, .5s, 3s, 1m, 1h30m. Of an option that is repeated, the last one counts.
While it runs: echo status | nc -U /tmp/sentinel.socket, or sentinel ctl help.
Exit status: the command's own; 128+N when signal N ended it, 143 or 137 when sentinel did (or
--limit-exit-code); 125 sentinel itself failed, 126 not executable, 127 not found.";

/// All settings; what is not set is `None` or false.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Memory limit [default: 100M]
    #[arg(short, long, value_name = "SIZE")]
    #[serde(deserialize_with = "from_text")]
    pub memory: Option<Size>,
    /// Room above the limit up to memory.max [default: 64M or 10%, whichever is more]
    #[arg(long, value_name = "SIZE")]
    #[serde(deserialize_with = "from_text")]
    pub headroom: Option<Bytes>,
    /// SIGKILL at once when memory gets here [default: just under memory.max]
    #[arg(long, value_name = "SIZE")]
    #[serde(deserialize_with = "from_text")]
    pub second_line: Option<Bytes>,
    /// Time from SIGTERM to SIGKILL [default: 3s]
    #[arg(long, value_name = "DURATION")]
    #[serde(deserialize_with = "from_text")]
    pub grace: Option<Span>,
    /// Signal that asks the workload to end [default: TERM]
    #[arg(long, value_name = "SIGNAL")]
    #[serde(deserialize_with = "from_text")]
    pub term_signal: Option<TermSignal>,
    /// Who gets it: control-group (all), mixed or process (the command only) [default: control-group]
    #[arg(long, value_name = "MODE")]
    #[serde(deserialize_with = "from_text")]
    pub kill_mode: Option<KillMode>,
    /// Swap that the workload may use, as room beyond the limit, or max [default: 0]
    #[arg(long, value_name = "SIZE")]
    #[serde(deserialize_with = "from_text")]
    pub swap: Option<Amount>,
    /// Processes and threads that the workload may have, or max [default: 4096]
    #[arg(long, value_name = "N")]
    #[serde(deserialize_with = "from_text")]
    pub pids: Option<Count>,
    /// Ends the workload after this time; 0: never
    #[arg(long, value_name = "DURATION")]
    #[serde(deserialize_with = "from_text")]
    pub timeout: Option<Span>,
    /// Warns at this share of the limit [default: 80%]
    #[arg(long, value_name = "SHARE")]
    #[serde(deserialize_with = "from_text")]
    pub warn_at: Option<Percent>,
    /// Warns when the limit is this near in time [default: 10s]
    #[arg(long, value_name = "DURATION")]
    #[serde(deserialize_with = "from_text")]
    pub warn_within: Option<Span>,
    /// Ends a workload that waits for memory this share of the time for so long, or off [default: 80%:1m]
    #[arg(long, value_name = "SHARE:DURATION")]
    #[serde(deserialize_with = "from_text")]
    pub thrash: Option<ThrashSetting>,
    /// What happens to the rest when the command ends: wait or terminate [default: wait]
    #[arg(long, value_name = "WHAT")]
    #[serde(deserialize_with = "from_text")]
    pub on_exit: Option<ExitSetting>,
    /// What becomes of the workload when sentinel itself is killed: terminate, kill or release [default: terminate]
    #[arg(long, value_name = "WHAT")]
    #[serde(deserialize_with = "from_text")]
    pub on_guardian_death: Option<OnDeath>,
    /// Refuses to run below this tier: kernel, observed, hybrid or polled
    #[arg(long, value_name = "TIER")]
    #[serde(deserialize_with = "from_text")]
    pub require: Option<TierSetting>,
    /// Goes without what was asked for and cannot be put in force here, and says so; else that is an error
    #[arg(long)]
    pub best_effort: bool,
    /// Makes the workload's cgroup in this one
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
    /// Slice for the scope that systemd makes [default: system.slice or app.slice]
    #[arg(long, value_name = "NAME")]
    pub slice: Option<String>,
    /// Runs the command as this user, NAME or UID, with :GROUP if not its own; for root only
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The command gains no privileges by running others: set-user-ID programs such as sudo do not work in it
    #[arg(long)]
    pub no_new_privs: bool,
    /// Decides and tells, never acts
    #[arg(long)]
    pub dry_run: bool,
    /// When a post-mortem is kept: acted (not for commands that exit by themselves), always or never [default: acted]
    #[arg(long, value_name = "WHEN")]
    #[serde(deserialize_with = "from_text")]
    pub report: Option<ReportSetting>,
    /// Exit status when sentinel ended the workload for a limit [default: 128 + signal]
    #[arg(long, value_name = "N")]
    pub limit_exit_code: Option<u8>,
    /// Socket for status and commands, or off [default: /tmp/sentinel.socket]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Name of this run, for the socket and the cgroup [default: the command's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// No dashboard: the command's output passes through untouched
    #[arg(long)]
    pub plain: bool,
    /// Writes a record of the run to this file when it ends
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes the same record to this open descriptor, 3 to 63
    #[arg(long, value_name = "N")]
    pub json_fd: Option<i32>,
    /// Writes every look and event to this file, for sentinel replay
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Size of that file; when it is three quarters full, looks are thinned out [default: 64M]
    #[arg(long, value_name = "SIZE")]
    #[serde(deserialize_with = "from_text")]
    pub record_size: Option<Bytes>,
    /// Keeps what the command writes to the dashboard's pane in this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Serves the metrics of all guardians over HTTP here, from a process beside this one
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Says only what went wrong
    #[arg(short, long)]
    pub quiet: bool,
}

impl Settings {
    /// These settings, and where they say nothing, those.
    #[must_use]
    pub fn or(self, other: Settings) -> Settings {
        macro_rules! first {
            ($($field:ident),*; $($flag:ident),*) => {
                Settings { $($field: self.$field.or(other.$field),)* $($flag: self.$flag || other.$flag,)* }
            };
        }
        first!(memory, headroom, second_line, grace, term_signal, kill_mode, swap, pids, timeout,
            warn_at, warn_within, thrash, on_exit, on_guardian_death, require, cgroup, slice, user, report, limit_exit_code, socket, name,
            json, json_fd, record, record_size, log, metrics;
            best_effort, dry_run, no_new_privs, plain, quiet)
    }
}

/// A value of a configuration file may be a string or a number; both mean what they would as an option.
fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        String(String),
        Integer(i64),
        Float(f64),
    }
    let text = match Text::deserialize(deserializer)? {
        Text::String(text) => text,
        Text::Integer(number) => number.to_string(),
        Text::Float(number) => number.to_string(),
    };
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

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
            None => {
                Err(format!("{text:?} is no signal: write for instance TERM, INT, 15 or RTMIN+3"))
            }
            Some(nix::libc::SIGKILL | nix::libc::SIGSTOP) => {
                Err(format!("{text:?} cannot be handled: a polite signal is TERM, INT or USR1"))
            }
            Some(signal) => Ok(TermSignal(signal)),
        }
    }
}

choice!(
    /// What happens to the rest when the command ends.
    ExitSetting {
        /// Guarded until it ends by itself.
        Wait = "wait",
        /// Ended like at a breach.
        Terminate = "terminate",
    }
);

choice!(
    /// What becomes of the workload when sentinel itself is killed.
    OnDeath {
        /// Ended like at a breach.
        Terminate = "terminate",
        /// SIGKILL at once.
        Kill = "kill",
        /// It goes on, without limits.
        Release = "release",
    }
);

choice!(
    /// When a post-mortem is kept.
    ReportSetting {
        /// When the workload did not simply exit.
        Acted = "acted",
        /// After every run.
        Always = "always",
        /// After none.
        Never = "never",
    }
);

choice!(
    /// A tier to insist on.
    TierSetting {
        /// Limits in force in the kernel.
        Kernel = "kernel",
        /// The container's own limits read, at least.
        Observed = "observed",
        /// A cgroup to kill by, at least.
        Hybrid = "hybrid",
        /// Anything.
        Polled = "polled",
    }
);

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_end_at_the_command() {
        let cli =
            Cli::try_parse_from(["sentinel", "-m", "1G", "sh", "-c", "x", "--plain"]).unwrap();
        assert_eq!(cli.command, ["sh", "-c", "x", "--plain"]);
        assert!(!cli.settings.plain);
        let cli = Cli::try_parse_from(["sentinel", "--plain", "--", "-odd", "--memory"]).unwrap();
        assert_eq!(cli.command, ["-odd", "--memory"]);
        assert!(Cli::try_parse_from(["sentinel", "-m", "1G"]).is_err());
    }

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
    fn a_file_takes_numbers_and_strings_and_nothing_unknown() {
        let settings: Settings =
            toml::from_str("memory = \"1G\"\npids = 64\ngrace = 5\ndry-run = true").unwrap();
        assert_eq!(settings.pids, Some(Count(Limit::At(64))));
        assert_eq!(settings.grace, Some(Span(Duration::from_secs(5))));
        assert!(settings.dry_run);
        assert!(toml::from_str::<Settings>("memroy = \"1G\"").is_err());
        assert!(toml::from_str::<Settings>("memory = \"1X\"").is_err());
    }
}
