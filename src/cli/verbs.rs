//! What each verb is told by its options. Their names, helps and examples are here; what they do is elsewhere.

use super::attach::Attach;
use super::headed::headed;
use super::values::{Amount, Offering, Span, ThrashSetting};
use crate::command::VERBS;
use crate::units::{Bytes, Percent};
use clap::ValueHint;
use clap::builder::PossibleValuesParser;
use std::ffi::OsString;
use std::path::PathBuf;

/// The value name of a guardian that is chosen: completions offer those that run.
pub const GUARDIAN: &str = "NAME|PID";
/// The value name of a post-mortem that is chosen: completions offer the runs that have one.
pub const POST_MORTEM: &str = "last|list|NAME|N|FILE";
/// Where metrics are served unless told otherwise: loopback alone.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9799";

/// Requests that a guardian answers, as `control` knows them.
pub const REQUESTS: &[(&str, &str)] = &[
    ("ping", "Whether it answers"),
    ("status", "Memory, lines, state and forecast of the workload"),
    ("ps", "Its processes, largest first"),
    ("limits", "The lines that memory is compared with"),
    ("events", "What happened so far"),
    ("metrics", "The state in Prometheus' text format"),
    ("wards", "All workloads of a guardian; @NAME before a request chooses one"),
    ("watch", "Status and events as they come, until Ctrl-C"),
    ("set", "Set memory SIZE [--force], grace DURATION, timeout DURATION|off or pids N"),
    ("signal", "Send one process of the workload a signal: PID SIGNAL"),
    ("freeze", "Stop the workload where it is"),
    ("thaw", "Let it go on"),
    ("terminate", "End it: SIGTERM, then SIGKILL after the grace period"),
    ("kill", "End it at once with SIGKILL"),
    ("detach", "Guard it no more; of sentinel attach"),
    ("help", "The guardian's own list of requests"),
];

/// Everything but running a command.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Guard what runs already
    ///
    /// A cgroup that somebody else made, or each one in it, is ended at the limit as a run is: politely, and in time. Where it can be
    /// written, memory.high is set to the limit; it is put back when sentinel leaves. Nothing is moved, renamed or removed.
    Attach(Box<Attach>),
    /// Show the state of a running workload
    ///
    /// The guardian may be left out: then the one at /tmp/sentinel.socket is asked, or else the only one that runs.
    Status(StatusArgs),
    /// List the guardians, or the processes of one
    ///
    /// Those are listed that you may ask: your own, and for root everybody's. One that does not answer is listed with the reason.
    Ps(Ps),
    /// Show all guardians live
    ///
    /// Enter shows the chosen one, ? lists the keys, q leaves.
    Top(TopArgs),
    /// Send a request to a guardian
    ///
    /// One request, one answer; watch alone goes on until you leave. The same works without sentinel:
    /// echo status | nc -U /tmp/sentinel.socket
    Ctl(Ctl),
    /// Show the post-mortem of a run that has ended
    ///
    /// The newest 50 are kept for each user, in ~/.local/state/sentinel, of root in /var/lib/sentinel.
    Report(Report),
    /// Show a recorded run again, and what other rules would have done
    ///
    /// The recorded samples and events go through the policy of this version; whether it decides the same is said at the end. With
    /// --what-if it is asked what other rules would have decided: a run recorded with --dry-run answers best, as nothing was done to it.
    Replay(ReplayArgs),
    /// Serve the metrics of all guardians for Prometheus
    ///
    /// One exporter serves all guardians that you may ask, at /metrics. There is no password: anybody who can reach the address can read.
    Metrics(Metrics),
    /// Say which tier this place allows, and how to get a better one
    ///
    /// Nothing is started and nothing is changed.
    Doctor(Doctor),
    /// Print the help of sentinel, or of a verb
    #[command(after_help = headed!("Examples", "  sentinel help report                     As sentinel report --help
  sentinel -- help                         Runs a command that is called help"))]
    Help {
        /// The verb
        #[arg(value_name = "VERB", hide_possible_values = true, value_parser = PossibleValuesParser::new(VERBS))]
        verb: Option<String>,
    },
}

/// What `sentinel status` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel status                          The only guardian, or the one at the default socket
  sentinel status train                    The one whose run is called train
  sentinel status --json 4711 | jq .state  The one with this process id, for programs"), "\n\n", headed!("Exit status", "  0    It answered
  125  No guardian answered, or it is not clear which one is meant")))]
pub struct StatusArgs {
    /// The guardian, by the name of its run or a process id; sentinel ps lists them
    #[arg(value_name = GUARDIAN, conflicts_with = "socket", value_hint = ValueHint::Other)]
    pub guardian: Option<String>,
    /// The guardian's socket [default: /tmp/sentinel.socket]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `sentinel ps` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel ps                              One line for each guardian
  sentinel ps train                        The processes of the workload called train
  sentinel ps --json | jq -r '.guardians[].name'"), "\n\n", headed!("Exit status", "  0    There is a guardian
  1    There is none, as with ps(1)
  125  The one that was named does not answer, or is not there")))]
pub struct Ps {
    /// The guardian whose processes to list, by the name of its run or a process id
    #[arg(value_name = GUARDIAN, value_hint = ValueHint::Other)]
    pub guardian: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `sentinel top` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = headed!("Examples", "  sentinel top                             All guardians
  sentinel top train                       The dashboard of the run called train
  sentinel -- top                          Runs the command top"))]
pub struct TopArgs {
    /// The guardian to show at once, by the name of its run or a process id
    #[arg(value_name = GUARDIAN, value_hint = ValueHint::Other)]
    pub guardian: Option<String>,
}

/// What `sentinel ctl` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel ctl set memory 4G               Another limit, while it runs
  sentinel ctl set memory 1G --force       Also one below what is in use, which ends the workload
  sentinel ctl -g train set grace 1m       Of the run called train
  sentinel ctl set timeout 2h              Another time limit, from the start of the run; or off
  sentinel ctl signal 4711 HUP             To one process of the workload
  sentinel ctl terminate                   End it as at the limit
  sentinel ctl status json                 For programs"), "\n\n", headed!("Exit status", "  0    The guardian did what was asked
  1    It refused, and says why
  125  No guardian answered, it is not clear which one is meant, or there is no such request")))]
pub struct Ctl {
    /// The guardian, by the name of its run or a process id; sentinel ps lists them
    #[arg(long, short, value_name = GUARDIAN, conflicts_with = "socket", value_hint = ValueHint::Other)]
    pub guardian: Option<String>,
    /// The guardian's socket [default: /tmp/sentinel.socket]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// What to ask for
    #[arg(required = true, value_name = "VERB", value_parser = Offering::<String>::new(REQUESTS))]
    pub verb: String,
    /// What the request needs besides
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS", value_hint = ValueHint::Other)]
    pub arguments: Vec<String>,
}

/// What `sentinel report` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel report                          The last one
  sentinel report list                     All that are kept
  sentinel report train                    The last one of a run called train
  sentinel report 2                        The second newest
  sentinel report --html > why.html        As a page for any browser
  sentinel report --json | jq .verdict     For programs"), "\n\n", headed!("Exit status", "  0    It was shown
  125  There is none, or it cannot be read")))]
pub struct Report {
    /// The last one, the list of all, the last of a run, the Nth newest, or a file
    #[arg(value_name = POST_MORTEM, default_value = "last", value_hint = ValueHint::FilePath)]
    pub which: OsString,
    /// Print JSON; docs/post-mortem.schema.json describes it
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Print a page for browsers, which needs no other file
    #[arg(long)]
    pub html: bool,
}

/// What `sentinel replay` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel replay t.jsonl                  The dashboard, as it was
  sentinel replay t.jsonl --speed 10       Ten times as fast
  sentinel replay t.jsonl --plain          Lines of text, at once
  sentinel replay t.jsonl --what-if -m 2G  What another limit would have done"), "\n\n", headed!("Exit status", "  0    The same decisions, or the answer to --what-if
  1    A complete trace leads to other decisions than were recorded
  125  The file is not a trace")))]
pub struct ReplayArgs {
    /// What sentinel --record wrote
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// How many times as fast to play it; text is printed at once without this
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    pub speed: Option<f64>,
    /// Print lines of text instead of the dashboard
    #[arg(long)]
    pub plain: bool,
    /// Print only the outcome, as JSON
    #[arg(long)]
    pub json: bool,
    /// Say what the rules given here would have done, and play nothing
    #[arg(long, visible_alias = "whatif")]
    pub what_if: bool,
    /// Rules instead of the recorded ones.
    #[command(flatten)]
    pub changes: Changes,
}

/// Headings of the groups of options.
const RULES: &str = "Rules for --what-if";

/// Rules that are to be others than the recorded ones.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Changes {
    /// Memory limit
    #[arg(short, long, value_name = "SIZE", requires = "what_if", help_heading = RULES)]
    pub memory: Option<Bytes>,
    /// Room above the limit, up to memory.max
    #[arg(long, value_name = "SIZE", requires = "what_if", help_heading = RULES)]
    pub headroom: Option<Bytes>,
    /// SIGKILL at once when memory reaches this
    #[arg(long, value_name = "SIZE", requires = "what_if", help_heading = RULES)]
    pub second_line: Option<Bytes>,
    /// Swap allowed beyond the limit, or max
    #[arg(long, value_name = "SIZE", requires = "what_if", help_heading = RULES)]
    pub swap: Option<Amount>,
    /// Time from SIGTERM to SIGKILL
    #[arg(long, value_name = "DURATION", requires = "what_if", help_heading = RULES)]
    pub grace: Option<Span>,
    /// Wall-clock limit
    #[arg(long, value_name = "DURATION", requires = "what_if", help_heading = RULES)]
    pub timeout: Option<Span>,
    /// Warn at this share of the limit
    #[arg(long, value_name = "SHARE", requires = "what_if", help_heading = RULES)]
    pub warn_at: Option<Percent>,
    /// Warn when the limit is this near in time
    #[arg(long, value_name = "DURATION", requires = "what_if", help_heading = RULES)]
    pub warn_within: Option<Span>,
    /// End a workload that stalls on memory for this share of the time, or off
    #[arg(long, value_name = "SHARE:DURATION", requires = "what_if", help_heading = RULES)]
    pub thrash: Option<ThrashSetting>,
}

fn speed(text: &str) -> Result<f64, String> {
    let factor = text.trim_end_matches('x').parse::<f64>().ok();
    let factor = factor.filter(|factor| (0.001..=1e6).contains(factor));
    factor.ok_or_else(|| format!("{text:?} is not a speed: write for instance 10 or 0.5"))
}

/// What `sentinel metrics` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = headed!("Examples", "  sentinel metrics                         At http://127.0.0.1:9799/metrics
  sentinel metrics --listen 10.0.0.5:9799  To be reached from elsewhere
  sentinel metrics --once > /var/lib/node_exporter/sentinel.prom"))]
pub struct Metrics {
    /// Address and port
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_ADDRESS, value_hint = ValueHint::Other)]
    pub listen: String,
    /// Print them once, and serve nothing
    #[arg(long, conflicts_with = "listen")]
    pub once: bool,
    /// The socket is our standard input, and the guardian has the other end of our standard output
    #[arg(long, hide = true)]
    pub handed: bool,
}

/// What `sentinel doctor` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = concat!(headed!("Examples", "  sentinel doctor                          What is found, and lines to paste
  sentinel doctor --json | jq -r .tier     For programs"), "\n\n", headed!("Exit status", "  0    The tier is kernel
  1    It is a lower one
  125  This place cannot be examined")))]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
