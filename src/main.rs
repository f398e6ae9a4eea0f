//! The command `sentinel`: reads what was typed, runs it, prints one line when something is wrong, and exits.

use clap::{CommandFactory as _, Parser};
use sentinel::cli::attach::Attach;
use sentinel::cli::{Cli, Settings};
use sentinel::config::Config;
use sentinel::host::not_started::{self, FAILED};
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let text = format!("{panic}").replace('\n', " ");
        sentinel::diagnostics::complain(&format!("failed inside: {text}; please report this"));
    }));
    let result = std::panic::catch_unwind(run_verb);
    ExitCode::from(result.unwrap_or(FAILED))
}

fn run_verb() -> u8 {
    sentinel::sys::signals::survive_full_files();
    if sentinel::sys::privileges::are_borrowed() {
        let way_out = "remove its set-user-ID bit or capabilities, and use sudo";
        sentinel::diagnostics::complain(&format!("refused: not made to be set-user-ID; {way_out}"));
        return FAILED;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let verb = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let result = match verb {
        "report" => sentinel::verbs::report(&words[1..]),
        sentinel::witness::VERB => Ok(sentinel::witness::run()),
        "status" => sentinel::verbs::status(&words[1..]),
        "ctl" => sentinel::verbs::talk(&words[1..]),
        "ps" => sentinel::fleet::ps::run(&words[1..]),
        "top" => sentinel::tui::top::run(&words[1..]),
        "metrics" => sentinel::exporter::run(&words[1..]),
        "attach" => attach(&words[1..]),
        "doctor" => sentinel::verbs::doctor(&words[1..]),
        "replay" => sentinel::replay::verb::run(&words[1..]),
        sentinel::keeper::VERB => sentinel::keeper::run(&words[2..]),
        sentinel::trace::scribe::VERB => Ok(sentinel::trace::scribe::run()),
        sentinel::dashboard::VERB => sentinel::verbs::dashboard(&words[2..]),
        _ => run(&words),
    };
    result.unwrap_or_else(|error| fail(&error))
}

fn run(words: &[OsString]) -> anyhow::Result<u8> {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() {
                let text = sentinel::diagnostics::mistake(&error);
                not_started::record_refusal(&understood(words), None, &anyhow::Error::msg(text));
            }
            return Ok(sentinel::diagnostics::usage(&error, "sentinel"));
        }
    };
    let (asked, command) = (cli.settings.clone(), cli.command.first().cloned());
    let config = Config::new(cli).inspect_err(|error| {
        not_started::record_refusal(&asked, command.as_deref(), error);
    })?;
    sentinel::host::start(config)?.run()
}

fn attach(words: &[OsString]) -> anyhow::Result<u8> {
    let asked = match Attach::try_parse_from(words) {
        Ok(asked) => asked,
        Err(error) => return Ok(sentinel::diagnostics::usage(&error, "sentinel")),
    };
    let (config, targets) = Config::of_attach(asked)?;
    sentinel::host::attach(config, &targets)?.run()
}

/// What clap makes of the words in front of a mistake: where the record goes, if that was said by then.
fn understood(words: &[OsString]) -> Settings {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(words);
    let json = matches.ok().and_then(|found| found.get_one("json").cloned());
    Settings { json, ..Settings::default() }
}

fn fail(error: &anyhow::Error) -> u8 {
    sentinel::diagnostics::complain(&format!("{error:#}"));
    not_started::exit_status(error)
}
