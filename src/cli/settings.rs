//! The settings of a run: options, and keys of a configuration file.

use super::from_text::from_text;
use super::matching::MatchRule;
use super::numbers::{Descriptor, ExitStatus};
use super::values::{
    Amount, BreachSetting, Count, CulpritSetting, ExitSetting, Offering, OnDeath, ReportSetting,
    Span, TermSignal, ThrashSetting, TierSetting,
};
use crate::units::{Bytes, Percent, Size};
use crate::workload::kill_mode::KillMode;
use clap::ValueHint;
use serde::Deserialize;
use std::path::PathBuf;

/// Headings of the groups of options.
const LIMITS: &str = "Limits";
const ENDING: &str = "Warning and ending";
const PLACE: &str = "Place and user";
const ACCESS: &str = "Access while it runs";
const RECORDS: &str = "Records";

/// Signals that programs handle as a request to end.
pub(super) const POLITE: &[(&str, &str)] = &[
    ("TERM", "end"),
    ("INT", "interrupt, as by Ctrl-C"),
    ("HUP", "the terminal is gone"),
    ("QUIT", "end with a core dump"),
    ("USR1", "what the program makes of it"),
    ("USR2", "what the program makes of it"),
];

/// All settings; what is not set is `None` or false.
// In the order of the help; the first paragraph is all that `-h` shows.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Pass the command's output through untouched, without a dashboard
    ///
    /// This is what happens anyway where standard input or output is not a terminal. Sentinel's own lines go to standard error.
    #[arg(long)]
    pub plain: bool,
    /// Print only what went wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// Decide and report, but never act
    ///
    /// No limit is written, no signal is sent; what would have been done is reported. What an operator asks for (terminate, kill,
    /// freeze, thaw, signal) is done.
    #[arg(long)]
    pub dry_run: bool,

    /// Memory limit [default: 100M]
    ///
    /// It is compared with the footprint: what the workload holds, less what the kernel can simply take back, plus what is in swap.
    /// A share such as 80% is of the smallest limit around the workload, or else of the machine's memory.
    #[arg(short, long, value_name = "SIZE", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub memory: Option<Size>,
    /// Room above the limit, up to memory.max [default: 64M, or 10% of the limit if that is more]
    ///
    /// In this room the workload handles the term signal. The kernel enforces its upper end.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub headroom: Option<Bytes>,
    /// Send SIGKILL at once when memory reaches this [default: just under memory.max]
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub second_line: Option<Bytes>,
    /// Memory limit of each single process: who reaches it is ended, and the rest lives
    ///
    /// Anonymous memory of a process, in memory and in swap; what it shares with a parent that it was forked from counts for both. It gets
    /// the term signal, and SIGKILL after the grace period. Where it is the command's own process, the workload is ended.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub process_memory: Option<Bytes>,
    /// Swap allowed beyond the limit, or max [default: 0]
    ///
    /// With max, only --thrash bounds the use of swap.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub swap: Option<Amount>,
    /// Processes and threads allowed, or max [default: 4096]
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub pids: Option<Count>,
    /// End the workload after this time; 0: never
    ///
    /// As at the limit: with the term signal, and SIGKILL after the grace period.
    #[arg(long, value_name = "DURATION", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub timeout: Option<Span>,
    /// End a workload that stalls on memory for this share of the time, or off [default: 80%:1m]
    ///
    /// SHARE:DURATION: the share of the time in which every process waits for memory (the kernel's pressure stall information),
    /// and for how long.
    #[arg(long, value_name = "SHARE:DURATION", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub thrash: Option<ThrashSetting>,

    /// End the workload when the machine has less memory than this available
    ///
    /// Available is the least of MemAvailable and of what the cgroups around the workload leave. A share such as 5% is of the smallest
    /// limit around the workload, or else of the machine's memory. Only a workload whose end would help is ended: one that holds at least
    /// a sixteenth of what is missing, and 16 MiB.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    #[serde(deserialize_with = "from_text")]
    pub min_available: Option<Size>,

    /// Tell Go, Node.js, Java and .NET the limit, by their environment variables
    ///
    /// They size themselves by memory.max, which is above the limit, or by the machine. What is set already stays. SENTINEL_MEMORY_LIMIT has
    /// the limit in bytes with or without this.
    #[arg(long, help_heading = LIMITS)]
    pub tell_runtimes: bool,

    /// Warn at this share of the limit [default: 80%]
    #[arg(long, value_name = "SHARE", help_heading = ENDING)]
    #[serde(deserialize_with = "from_text")]
    pub warn_at: Option<Percent>,
    /// Warn when the limit is this near in time [default: 10s]
    #[arg(long, value_name = "DURATION", help_heading = ENDING)]
    #[serde(deserialize_with = "from_text")]
    pub warn_within: Option<Span>,
    /// Who is ended at the limit [default: workload]
    ///
    /// For the reasons that --on-breach counts as reaching it, and for --min-available. At the second line SIGKILL follows at once, first for
    /// the process, and if that is not enough for all of the workload.
    #[arg(long, value_name = "WHO", help_heading = ENDING, ignore_case = true)]
    #[serde(deserialize_with = "from_text")]
    pub victim: Option<CulpritSetting>,
    /// What to do when the limit is reached [default: terminate]
    ///
    /// Also for what counts as reaching it: memory that the kernel cannot reclaim at the limit, and --thrash.
    /// At the second line it is ended whatever this says.
    #[arg(long, value_name = "WHAT", help_heading = ENDING, ignore_case = true)]
    #[serde(deserialize_with = "from_text")]
    pub on_breach: Option<BreachSetting>,
    /// End a workload that --on-breach freeze froze after this time [default: 10m]
    #[arg(long, value_name = "DURATION", help_heading = ENDING)]
    #[serde(deserialize_with = "from_text")]
    pub freeze_for: Option<Span>,
    /// Do that only when memory stays at the limit for this long [default: 0]
    ///
    /// Without a break, by every look. At the second line nothing is waited for.
    #[arg(long, value_name = "DURATION", help_heading = ENDING)]
    #[serde(deserialize_with = "from_text")]
    pub hold: Option<Span>,
    /// Time from SIGTERM to SIGKILL; 0: none [default: 3s]
    #[arg(long, value_name = "DURATION", help_heading = ENDING)]
    #[serde(deserialize_with = "from_text")]
    pub grace: Option<Span>,
    /// Signal that asks the workload to end [default: TERM]
    ///
    /// A name or a number, for instance TERM, INT, 15 or RTMIN+3.
    #[arg(long, value_name = "SIGNAL", help_heading = ENDING, hide_possible_values = true,
        value_parser = Offering::<TermSignal>::new(POLITE))]
    #[serde(deserialize_with = "from_text")]
    pub term_signal: Option<TermSignal>,
    /// Which processes get that signal [default: control-group]
    #[arg(long, value_name = "MODE", help_heading = ENDING, ignore_case = true)]
    #[serde(deserialize_with = "from_text")]
    pub kill_mode: Option<KillMode>,
    /// What to do with remaining processes when the command ends [default: wait]
    #[arg(long, value_name = "WHAT", help_heading = ENDING, ignore_case = true)]
    #[serde(deserialize_with = "from_text")]
    pub on_exit: Option<ExitSetting>,
    /// What to do with the workload when sentinel itself is killed [default: terminate]
    ///
    /// A second, idle process (sentinel-keeper) does it.
    #[arg(long, value_name = "WHAT", help_heading = ENDING, ignore_case = true)]
    #[serde(deserialize_with = "from_text")]
    pub on_guardian_death: Option<OnDeath>,
    /// Exit status when sentinel ended the workload for a limit [default: 128 + signal]
    #[arg(long, value_name = "N", help_heading = ENDING)]
    #[serde(deserialize_with = "from_text")]
    pub limit_exit_code: Option<ExitStatus>,

    /// Refuse to run below this tier
    ///
    /// A tier is how much of the guarding the kernel does here; sentinel doctor says which one this place allows.
    #[arg(long, value_name = "TIER", help_heading = PLACE, ignore_case = true)]
    #[serde(deserialize_with = "from_text")]
    pub require: Option<TierSetting>,
    /// Go without what cannot be enforced here, and say so
    ///
    /// Without this, an option that was given and cannot be put in force is an error (exit status 125), and nothing is started.
    #[arg(long, help_heading = PLACE)]
    pub best_effort: bool,
    /// Make the workload's cgroup in this one
    #[arg(long, value_name = "PATH", help_heading = PLACE, value_hint = ValueHint::DirPath)]
    pub cgroup: Option<PathBuf>,
    /// Slice for the scope that systemd makes [default: system.slice or app.slice]
    #[arg(long, value_name = "NAME", help_heading = PLACE, value_hint = ValueHint::Other)]
    pub slice: Option<String>,
    /// Run the command as this user; for root
    ///
    /// A name or a number, with :GROUP for another group than the user's own.
    #[arg(long, value_name = "USER[:GROUP]", help_heading = PLACE, value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Keep the command from gaining privileges by running other programs
    ///
    /// Set-user-ID programs such as sudo do not work in it (PR_SET_NO_NEW_PRIVS).
    #[arg(long, help_heading = PLACE)]
    pub no_new_privs: bool,

    /// Name of this run, for its socket and its cgroup [default: the command's]
    #[arg(long, value_name = "NAME", help_heading = ACCESS, value_hint = ValueHint::Other)]
    pub name: Option<String>,
    /// Socket for status and requests, or off [default: /tmp/sentinel.socket]
    ///
    /// Where another guardian has the default one, the socket is in the runtime directory, where sentinel ps finds it.
    #[arg(long, value_name = "PATH", help_heading = ACCESS, value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Serve the metrics of all guardians over HTTP here while this one runs
    ///
    /// A process of its own does it, as sentinel metrics --listen would.
    #[arg(long, value_name = "ADDR", help_heading = ACCESS, value_hint = ValueHint::Other)]
    pub metrics: Option<String>,

    /// Write a record of the run to this file when it ends
    ///
    /// One JSON object: outcome, reason, times, peaks, CPU, pressure, counters. It is written also when the command could not be
    /// started, or an option is wrong.
    #[arg(long, value_name = "FILE", help_heading = RECORDS, value_hint = ValueHint::FilePath)]
    pub json: Option<PathBuf>,
    /// Write the same record to this open descriptor, 3 to 63
    #[arg(long, value_name = "N", help_heading = RECORDS)]
    #[serde(deserialize_with = "from_text")]
    pub json_fd: Option<Descriptor>,
    /// Write every sample and event to this file, for sentinel replay
    #[arg(long, value_name = "FILE", help_heading = RECORDS, value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// Largest size of that file [default: 64M]
    ///
    /// When it is three quarters full, samples are thinned out.
    #[arg(long, value_name = "SIZE", help_heading = RECORDS)]
    #[serde(deserialize_with = "from_text")]
    pub record_size: Option<Bytes>,
    /// Copy what the command writes to the dashboard's pane into this file
    ///
    /// Without a dashboard this is an error: redirect the command's output there.
    #[arg(long, value_name = "FILE", help_heading = RECORDS, value_hint = ValueHint::FilePath)]
    pub log: Option<PathBuf>,
    /// When to keep a post-mortem, for sentinel report [default: acted]
    #[arg(long, value_name = "WHEN", help_heading = RECORDS, ignore_case = true)]
    #[serde(deserialize_with = "from_text")]
    pub report: Option<ReportSetting>,
    /// Of those that `attach --each` guards, some have rules of their own.
    #[arg(skip)]
    #[serde(rename = "match")]
    pub matches: Vec<MatchRule>,
}

impl Settings {
    /// These settings, and where they say nothing, those.
    #[must_use]
    pub fn or(self, other: Settings) -> Settings {
        macro_rules! first {
            ($($field:ident),*; $($flag:ident),*) => {
                Settings {
                    matches: other.matches,
                    $($field: self.$field.or(other.$field),)* $($flag: self.$flag || other.$flag,)*
                }
            };
        }
        first!(memory, process_memory, victim, headroom, second_line, grace, term_signal, kill_mode, swap, pids, timeout,
            warn_at, warn_within, on_breach, freeze_for, hold, thrash, min_available, on_exit, on_guardian_death, require, cgroup, slice, user,
            report, limit_exit_code, socket, name,
            json, json_fd, record, record_size, log, metrics;
            best_effort, dry_run, no_new_privs, plain, quiet, tell_runtimes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Limit;
    use std::time::Duration;

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
