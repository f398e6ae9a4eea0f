//! What a person types to guard what runs already.

use super::Settings;
use super::headed::headed;
use super::numbers::PidSetting;
use super::values::{
    BreachSetting, CulpritSetting, EndBySetting, Offering, ReportSetting, Span, TermSignal,
    ThrashSetting, VictimSetting,
};
use crate::targets::AttachTarget;
use crate::units::{Bytes, Percent, Size};
use crate::workload::kill_mode::KillMode;
use clap::ValueHint;
use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::path::PathBuf;

/// The name of a program: any bytes, but some.
fn program() -> impl TypedValueParser<Value = OsString> {
    let some = |name: OsString| if name.is_empty() { Err("a name is needed") } else { Ok(name) };
    OsStringValueParser::new().try_map(some)
}

/// What `sentinel attach` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel attach --unit db                     A service, just below its own memory.max
  sentinel attach --container web -m 512M       A container, by its name or id
  sentinel attach --pid 4242 -m 2G              A process, with all that descend from it
  sentinel attach --slice user -m 80%           All of it at 80% of the machine's memory
  sentinel attach --slice machine --each -m 1G  Each cgroup in it, by itself
  sentinel attach --slice agents --each --total 8G  All of it together: at 8G the largest is ended
  sentinel attach --machine --min-available 10%     All that runs here: below that the largest process is ended"), "\n\n", headed!("Exit status", "  0         Detached (Ctrl-C, SIGTERM), or it ended by itself
  143, 137  It was ended, with SIGTERM or with SIGKILL
  125       It cannot be guarded; nothing was changed")))]
#[command(override_usage = "sentinel attach [OPTIONS] --unit UNIT | --container CONTAINER | --slice SLICE | --pid PID | --name PROGRAM | --cgroup PATH | --pods | --machine",
    group = clap::ArgGroup::new("target"))]
pub struct Attach {
    /// The cgroup to guard; without a slash in front below /sys/fs/cgroup
    #[arg(long, group = "target", value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub cgroup: Option<PathBuf>,
    /// The unit of systemd to guard; without a kind it is a service
    #[arg(long, group = "target", value_name = "UNIT", value_hint = ValueHint::Other, value_parser = NonEmptyStringValueParser::new())]
    pub unit: Option<String>,
    /// The slice of systemd to guard
    #[arg(long, group = "target", value_name = "SLICE", value_hint = ValueHint::Other, value_parser = NonEmptyStringValueParser::new())]
    pub slice: Option<String>,
    /// The container to guard, of any engine: its name, its id or the beginning of that
    #[arg(long, group = "target", value_name = "CONTAINER", value_hint = ValueHint::Other, value_parser = NonEmptyStringValueParser::new())]
    pub container: Option<String>,
    /// The process to guard, with all that descend from it
    #[arg(long, group = "target", value_name = "PID")]
    pub pid: Option<PidSetting>,
    /// The process to guard, by the name of its program
    #[arg(long, group = "target", value_name = "PROGRAM", value_hint = ValueHint::CommandName, value_parser = program())]
    pub name: Option<OsString>,
    /// Guard each container of the pods of this machine, as they come and go; with --cgroup of those in there
    #[arg(long, conflicts_with_all = ["each", "total", "unit", "slice", "container", "pid", "name", "machine"])]
    pub pods: bool,
    /// Guard all that runs here: when the machine is short of memory, end the largest process
    #[arg(long, group = "target", conflicts_with_all = ["each", "total"])]
    pub machine: bool,
    /// End processes of this name first; a pattern such as 'chrom*' (may be repeated)
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::CommandName)]
    pub prefer: Vec<String>,
    /// Never end processes of this name (may be repeated)
    #[arg(long, value_name = "PATTERN", value_hint = ValueHint::CommandName)]
    pub avoid: Vec<String>,
    /// Guard each cgroup in it by itself, as they come and go
    #[arg(long, conflicts_with_all = ["pid", "name"])]
    pub each: bool,
    /// Memory limit of all of them together: where it is reached one is ended, and the others live
    #[arg(long, value_name = "SIZE", requires = "each")]
    pub total: Option<Size>,
    /// Which one that is [default: largest]; without --total, largest: of each, its largest process is ended at its limit
    #[arg(long, value_name = "RULE", ignore_case = true)]
    pub victim: Option<VictimSetting>,
    /// Memory limit, of each [default: so far below its memory.max that an end has room]
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// Memory limit of each single process: who reaches it is ended, and the rest lives
    #[arg(long, value_name = "SIZE")]
    pub process_memory: Option<Bytes>,
    /// Room above the limit [default: 64M, or 10% of the limit if that is more]
    #[arg(long, value_name = "SIZE")]
    pub headroom: Option<Bytes>,
    /// End what stalls on memory for this share of the time, or off [default: 80%:1m]
    #[arg(long, value_name = "SHARE:DURATION")]
    pub thrash: Option<ThrashSetting>,
    /// End the largest of them when the machine has less memory than this available
    #[arg(long, value_name = "SIZE")]
    pub min_available: Option<Size>,
    /// Warn at this share of the limit [default: 80%]
    #[arg(long, value_name = "SHARE")]
    pub warn_at: Option<Percent>,
    /// What to do when the limit is reached [default: terminate]
    #[arg(long, value_name = "WHAT", ignore_case = true)]
    pub on_breach: Option<BreachSetting>,
    /// End what --on-breach freeze froze after this time [default: 10m]
    #[arg(long, value_name = "DURATION")]
    pub freeze_for: Option<Span>,
    /// Do that only when memory stays at the limit for this long [default: 0]
    #[arg(long, value_name = "DURATION")]
    pub hold: Option<Span>,
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
    /// Who asks it to end: sentinel, or the owner, which knows then that it was stopped [default: signal]
    #[arg(long, value_name = "WHO", ignore_case = true)]
    pub end_by: Option<EndBySetting>,
    /// Decide and report, but never act; nothing is written
    #[arg(long)]
    pub dry_run: bool,
    /// Print only what went wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// Name of this guardian, for its socket [default: what is guarded]
    #[arg(long = "as", value_name = "NAME", value_hint = ValueHint::Other)]
    pub guardian: Option<String>,
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
    /// What is to be guarded.
    #[must_use]
    pub fn target(&self) -> Option<AttachTarget> {
        if self.pods {
            return Some(AttachTarget::Pods(self.cgroup.clone()));
        }
        let slice = |name: &String| match name.ends_with(".slice") {
            true => name.clone(),
            false => format!("{name}.slice"),
        };
        let unit = self.unit.clone().or_else(|| self.slice.as_ref().map(slice));
        let all = [
            self.cgroup.clone().map(AttachTarget::Cgroup),
            unit.map(AttachTarget::Unit),
            self.container.clone().map(AttachTarget::Container),
            self.pid.map(|pid| AttachTarget::Process(pid.0)),
            self.name.clone().map(AttachTarget::Program),
            self.machine.then_some(AttachTarget::Machine),
        ];
        all.into_iter().flatten().next()
    }

    /// Where there is no limit of all together, the victim is a process.
    fn largest_process(&self) -> Option<CulpritSetting> {
        let of_process = self.total.is_none() && self.victim == Some(VictimSetting::Largest);
        of_process.then_some(CulpritSetting::Largest)
    }

    /// The settings among it, over those of a configuration file, of which only those count that there are here.
    #[must_use]
    pub fn settings(self, file: Settings) -> Settings {
        Settings {
            memory: self.memory.or(file.memory),
            process_memory: self.process_memory.or(file.process_memory),
            victim: self.largest_process().or(file.victim),
            headroom: self.headroom.or(file.headroom),
            thrash: self.thrash.or(file.thrash),
            min_available: self.min_available.or(file.min_available),
            warn_at: self.warn_at.or(file.warn_at),
            warn_within: file.warn_within,
            on_breach: self.on_breach.or(file.on_breach),
            freeze_for: self.freeze_for.or(file.freeze_for),
            hold: self.hold.or(file.hold),
            grace: self.grace.or(file.grace),
            term_signal: self.term_signal.or(file.term_signal),
            kill_mode: self.kill_mode.or(file.kill_mode),
            report: self.report.or(file.report),
            dry_run: self.dry_run || file.dry_run,
            quiet: self.quiet || file.quiet,
            name: self.guardian,
            socket: self.socket,
            metrics: self.metrics,
            matches: file.matches,
            ..Settings::default()
        }
    }
}
