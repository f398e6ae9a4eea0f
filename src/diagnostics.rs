//! What a person is told on stderr when something is wrong: one line, with the way out.

use crate::escape::{escape, tame};
use anyhow::Result;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::io::{self, Write as _};

/// Prints help and version as asked for, a mistake as one line with the way out. Gives the exit status.
pub fn usage(error: &clap::Error, program: &str) -> u8 {
    if !error.use_stderr() {
        // Nobody reading the help is no mistake.
        let _ = error.print();
        return 0;
    }
    complain(&format!("{}; try: {program} --help", mistake(error)));
    125
}

/// What is wrong, without clap's layout of many lines.
pub fn mistake(error: &clap::Error) -> String {
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let text = match (error.kind(), argument, error.source()) {
        (ErrorKind::MissingRequiredArgument, Some(argument), _) => {
            let name = argument.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
            format!("no {name} given")
        }
        (ErrorKind::ValueValidation, Some(argument), Some(why)) => format!("{argument}: {why}"),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("wrong usage");
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    };
    escape(format!("{text}{}", suggestion(error)).as_bytes())
}

/// The name that was probably meant, by clap.
fn suggestion(error: &clap::Error) -> String {
    let kinds =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let found = kinds.into_iter().find_map(|kind| error.get(kind));
    let text = match found {
        Some(ContextValue::String(name)) => Some(name),
        // By likeness, the best last.
        Some(ContextValue::Strings(names)) => names.last(),
        Some(_) | None => None,
    };
    text.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

/// One line on stderr. That nobody can read it must not change the exit status.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "sentinel: {}", tame(text));
}

/// False where nobody reads on (head, grep -q): not a mistake.
///
/// # Errors
/// What else went wrong.
pub fn heard(written: Result<()>) -> Result<bool> {
    let gone = |error: &anyhow::Error| {
        let error = error.root_cause().downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match written {
        Err(error) if gone(&error) => Ok(false),
        written => written.map(|()| true),
    }
}
