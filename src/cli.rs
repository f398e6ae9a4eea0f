//! What a person types, and what a configuration file says: text to typed settings. One tree of all verbs, from which their helps, the
//! completions (`docs/completions`) and the manual pages (`docs/man`) are made. No other input or output.

mod attach;
mod from_text;
mod headed;
mod matching;
mod numbers;
mod settings;
mod understood;
mod usage;
mod values;
mod verbs;

pub use crate::command::VERBS;
pub use attach::Attach;
pub use matching::MatchRule;
pub use numbers::{Descriptor, ExitStatus, PidSetting};
pub use settings::Settings;
pub use understood::understood;
pub use usage::{mistake, way_out};
pub use values::{
    Amount, BreachSetting, Count, CulpritSetting, EndBySetting, ExitSetting, OnDeath,
    ReportSetting, Span, TermSignal, ThrashSetting, TierSetting, VictimSetting,
};
pub use verbs::{
    Changes, Ctl, DEFAULT_ADDRESS, Doctor, GUARDIAN, Metrics, POST_MORTEM, Ps, REQUESTS,
    ReplayArgs, Report, StatusArgs, TopArgs, Verb,
};

use clap::{Parser, ValueHint};
use headed::headed;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run a command under a memory limit and end it politely, before the kernel's OOM killer would
///
/// SIGTERM is sent while the workload can still run and still has memory to run in; SIGKILL, to everything that it started, when it
/// does not listen. One line says who ended what, and why. While it runs it is shown on a dashboard, and answers requests.
#[derive(Debug, Parser)]
#[command(
    name = "sentinel",
    bin_name = "sentinel",
    version,
    propagate_version = true,
    override_usage = "sentinel [OPTIONS] [--] COMMAND [ARGS]...\n       sentinel VERB [ARGS]...",
    subcommand_help_heading = "Verbs",
    subcommand_value_name = "VERB",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = AFTER_HELP,
    max_term_width = 100,
    disable_help_subcommand = true,
    args_override_self = true
)]
pub struct Cli {
    /// What is done instead of running a command: only as the first word.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The command to run, and how.
    #[command(flatten)]
    pub run: Run,
}

const AFTER_HELP: &str = concat!(
    headed!(
        "Examples",
        "  sentinel python3 train.py             Limit 100M
  sentinel -m 2GiB -- make -j8          -- ends sentinel's own options
  sentinel -m 80% --grace 10s -- ./job  Ten seconds to save a checkpoint
  sentinel --timeout 1h --json job.json -- ./job
  sentinel -- top                       The command top; sentinel top is a verb
  sentinel status                       What a run is at, from another terminal
  sentinel help report                  More about a verb"
    ),
    "\n\n",
    headed!(
        "Values",
        "  SIZE      100M, 2GiB, 512Mi, 1.5G: powers of 1024; a number alone is bytes; for -m also 80%
  DURATION  500ms, .5s, 3s, 1m, 1h30m; a number alone is seconds
  SHARE     80%
  Of an option that is repeated, the last one counts."
    ),
    "\n\n",
    headed!(
        "Exit status",
        "  N         The command's own; 128+N when signal N ended it
  143, 137  Sentinel ended it with SIGTERM, SIGKILL (or --limit-exit-code)
  125       Sentinel itself failed, or an option cannot be put in force
  126, 127  The command is not executable, or was not found"
    )
);

/// A command to run, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Run {
    /// Read settings from this file: TOML, with the option names as keys
    ///
    /// Options override it. Without this, ~/.config/sentinel/config.toml is read, or else /etc/sentinel/config.toml; see
    /// sentinel.toml(5).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The settings, as options.
    #[command(flatten)]
    pub settings: Settings,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND",
        value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

impl Cli {
    /// What these words mean, the program's name the first.
    ///
    /// # Errors
    /// Help or version, as asked for, or a mistake.
    pub fn read(words: &[OsString]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(words)
    }
}

/// Prints the help of the whole tree, or of one verb: what `--help` prints.
///
/// # Errors
/// When nobody takes it.
pub fn print_help(verb: Option<&str>) -> std::io::Result<()> {
    let words = std::iter::once("sentinel").chain(verb).chain(std::iter::once("--help"));
    Cli::try_parse_from(words).map_or_else(|help| help.print(), |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn read(words: &[&str]) -> Result<Cli, clap::Error> {
        let words: Vec<OsString> = ["sentinel"].iter().chain(words).map(OsString::from).collect();
        Cli::read(&words)
    }

    #[test]
    fn the_tree_is_consistent() {
        let tree = Cli::command();
        let verbs: Vec<&str> = tree.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(verbs, VERBS);
        tree.debug_assert();
    }

    #[test]
    fn options_end_at_the_command() {
        let run = read(&["-m", "1G", "sh", "-c", "x", "--plain"]).unwrap().run;
        assert_eq!(run.command, ["sh", "-c", "x", "--plain"]);
        assert!(!run.settings.plain);
        let run = read(&["--plain", "--", "-odd", "--memory"]).unwrap().run;
        assert_eq!(run.command, ["-odd", "--memory"]);
        assert!(read(&["-m", "1G"]).is_err());
    }

    /// A script that runs `sentinel "$@"` must not find a verb where it put options before it, or `--`.
    #[test]
    fn a_verb_is_the_first_word_or_none() {
        for name in VERBS {
            let options: [&[&str]; 4] = [&["--"], &["-q"], &["-m", "1G"], &["--plain", "--"]];
            for before in options {
                let words: Vec<&str> = before.iter().copied().chain([name, "--help"]).collect();
                let cli = read(&words).unwrap();
                assert!(cli.verb.is_none(), "{words:?}");
                assert_eq!(cli.run.command, [name, "--help"], "{words:?}");
            }
            let asked = read(&[name, "--help"]).unwrap_err();
            assert_eq!(asked.kind(), clap::error::ErrorKind::DisplayHelp, "{name}");
        }
    }
}
