//! The command `sentinel`: reads what was typed, runs it, prints one line when something is wrong, and exits.

#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]

#[cfg(all(target_env = "gnu", not(test)))]
#[path = "sys/entry.rs"]
mod entry;

use clap::error::ErrorKind;
use sentinel::cli::{self, Attach, Cli, Run, Verb};
use sentinel::config::{self, Config};
use sentinel::diagnostics::complain;
use sentinel::host::not_started::{self, FAILED};
use sentinel::verbs::told;
use std::ffi::OsString;
use std::io::Write as _;

#[cfg(not(all(target_env = "gnu", not(test))))]
fn main() {
    run_program();
}

fn run_program() -> ! {
    std::panic::set_hook(Box::new(|panic| {
        let text = format!("{panic}").replace('\n', " ");
        complain(&format!("failed inside: {text}; please report this"));
    }));
    let result = std::panic::catch_unwind(start);
    sentinel::sys::process::exit(result.unwrap_or(FAILED))
}

fn start() -> u8 {
    sentinel::sys::signals::survive_full_files();
    if sentinel::sys::privileges::are_borrowed() {
        let way_out = "remove its set-user-ID bit or capabilities, and use sudo";
        complain(&format!("refused: not made to be set-user-ID; {way_out}"));
        return FAILED;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let first = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let result = match attendant(first, &words) {
        Some(result) => result,
        None => run_verb(&words),
    };
    result.unwrap_or_else(|error| fail(&error))
}

/// The processes that a guardian starts beside itself. They are told in words that are nobody else's business.
fn attendant(role: &str, words: &[OsString]) -> Option<anyhow::Result<u8>> {
    Some(match role {
        sentinel::trace::scribe::VERB => Ok(sentinel::trace::scribe::run()),
        sentinel::dashboard::VERB => sentinel::verbs::dashboard(&words[2..]),
        _ => return None,
    })
}

fn run_verb(words: &[OsString]) -> anyhow::Result<u8> {
    let cli = match Cli::read(words) {
        Ok(cli) => cli,
        Err(error) => return Ok(not_understood(&error, words)),
    };
    match cli.verb {
        None => run(cli.run),
        Some(Verb::Attach(asked)) => attach(*asked),
        Some(Verb::Status(asked)) => sentinel::verbs::status(asked),
        Some(Verb::Ps(asked)) => sentinel::fleet::ps::run(&asked),
        Some(Verb::Top(asked)) => sentinel::tui::top::run(&asked),
        Some(Verb::Ctl(asked)) => sentinel::verbs::ctl(asked),
        Some(Verb::Report(asked)) => sentinel::verbs::report(&asked),
        Some(Verb::Replay(asked)) => sentinel::replay::verb::run(&asked),
        Some(Verb::Metrics(asked)) => sentinel::exporter::run(&asked),
        Some(Verb::Doctor(asked)) => sentinel::verbs::doctor(&asked),
        Some(Verb::Help { verb }) => sentinel::verbs::help(verb.as_deref()),
    }
}

fn run(asked: Run) -> anyhow::Result<u8> {
    let known = asked.clone();
    let config = Config::new(asked).inspect_err(|error| record_refusal(known, error))?;
    sentinel::host::start(config)?.run()
}

fn attach(asked: Attach) -> anyhow::Result<u8> {
    let (config, targets) = Config::of_attach(asked)?;
    sentinel::host::attach(config, &targets)?.run()
}

/// Where the record goes a configuration file may say, too.
fn record_refusal(asked: Run, error: &anyhow::Error) {
    let command = asked.command.first().cloned();
    not_started::record_refusal(&config::said(asked), command.as_deref(), error);
}

/// Prints help and version as asked for, a mistake as one line with the way out. Gives the exit status.
fn not_understood(error: &clap::Error, words: &[OsString]) -> u8 {
    let asked_for = if error.kind() == ErrorKind::DisplayVersion {
        // Of a verb too it is the program's.
        let version = writeln!(std::io::stdout(), "sentinel {}", env!("CARGO_PKG_VERSION"));
        Some(told(version, "the version"))
    } else {
        // Help is no mistake.
        (!error.use_stderr()).then(|| told(error.print(), "the help"))
    };
    if let Some(printed) = asked_for {
        return printed.unwrap_or_else(|error| fail(&error));
    }
    let mistake = anyhow::Error::msg(cli::mistake(error, words));
    if let Some(asked) = cli::understood(words) {
        record_refusal(asked, &mistake);
    }
    complain(&format!("{mistake}; try: {}", cli::way_out(words)));
    FAILED
}

fn fail(error: &anyhow::Error) -> u8 {
    complain(&format!("{error:#}"));
    not_started::exit_status(error)
}
