//! What a person types to guard what runs already.

use super::Settings;
use super::headed::headed;
use super::values::{Offering, ReportSetting, Span, TermSignal, ThrashSetting};
use crate::units::{Bytes, Percent, Size};
use crate::workload::kill_mode::KillMode;
use clap::ValueHint;
use std::path::PathBuf;

/// What `sentinel attach` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel attach --cgroup system.slice/db.service        Just below its own memory.max
  sentinel attach --cgroup user.slice -m 80%              At 80% of the machine's memory
  sentinel attach --cgroup machine.slice --each -m 512M   Each one in it, by itself"), "\n\n", headed!("Exit status", "  0         Detached (Ctrl-C, SIGTERM), or it ended by itself
  143, 137  It was ended, with SIGTERM or with SIGKILL
  125       It cannot be guarded; nothing was changed")))]
pub struct Attach {
    /// The cgroup to guard; without a slash in front below /sys/fs/cgroup
    #[arg(long, value_name = "PATH", required = true, value_hint = ValueHint::DirPath)]
    pub cgroup: PathBuf,
    /// Guard each cgroup in it by itself, as they come and go
    #[arg(long)]
    pub each: bool,
    /// Memory limit, of each [default: so far below its memory.max that an end has room]
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// Room above the limit [default: 64M, or 10% of the limit if that is more]
    #[arg(long, value_name = "SIZE")]
    pub headroom: Option<Bytes>,
    /// End what stalls on memory for this share of the time, or off [default: 80%:1m]
    #[arg(long, value_name = "SHARE:DURATION")]
    pub thrash: Option<ThrashSetting>,
    /// Warn at this share of the limit [default: 80%]
    #[arg(long, value_name = "SHARE")]
    pub warn_at: Option<Percent>,
    /// Time from SIGTERM to SIGKILL; 0: none [default: 3s]
    #[arg(long, value_name = "DURATION")]
    pub grace: Option<Span>,
    /// Signal that asks it to end [default: TERM]
    #[arg(long, value_name = "SIGNAL", hide_possible_values = true,
        value_parser = Offering::<TermSignal>::new(super::settings::POLITE))]
    pub term_signal: Option<TermSignal>,
    /// Which processes get that signal [default: control-group]
    #[arg(long, value_name = "MODE", ignore_case = true)]
    pub kill_mode: Option<KillMode>,
    /// Decide and report, but never act; nothing is written
    #[arg(long)]
    pub dry_run: bool,
    /// Print only what went wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// Name of this guardian, for its socket [default: the cgroup's]
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub name: Option<String>,
    /// Socket for status and requests, or off [default: /tmp/sentinel.socket]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Serve the metrics of all guardians over HTTP here
    #[arg(long, value_name = "ADDR", value_hint = ValueHint::Other)]
    pub metrics: Option<String>,
    /// When to keep a post-mortem, for sentinel report [default: acted]
    #[arg(long, value_name = "WHEN", ignore_case = true)]
    pub report: Option<ReportSetting>,
    /// Read settings from this file (TOML, the option names as keys)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

impl Attach {
    /// The settings among it, over those of a configuration file, of which only those count that there are here.
    #[must_use]
    pub fn settings(self, file: Settings) -> Settings {
        Settings {
            memory: self.memory.or(file.memory),
            headroom: self.headroom.or(file.headroom),
            thrash: self.thrash.or(file.thrash),
            warn_at: self.warn_at.or(file.warn_at),
            warn_within: file.warn_within,
            grace: self.grace.or(file.grace),
            term_signal: self.term_signal.or(file.term_signal),
            kill_mode: self.kill_mode.or(file.kill_mode),
            report: self.report.or(file.report),
            dry_run: self.dry_run || file.dry_run,
            quiet: self.quiet || file.quiet,
            name: self.name,
            socket: self.socket,
            metrics: self.metrics,
            ..Settings::default()
        }
    }
}
