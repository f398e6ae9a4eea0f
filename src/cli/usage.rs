//! What is wrong with the words of a command line, as one line with the way out; and what of them is understood all the same.

use super::{Cli, Settings};
use crate::choice::none_of;
use crate::command::VERBS;
use crate::escape::escape;
use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::ffi::OsString;

/// The mistake, without clap's layout of many lines.
pub fn mistake(error: &clap::Error) -> String {
    escape(format!("{}{}", what(error), suggestion(error)).as_bytes())
}

/// The help that says how it would have been right.
pub fn way_out(words: &[OsString]) -> String {
    let verb = verb(words).map_or_else(String::new, |verb| format!(" {verb}"));
    format!("sentinel{verb} --help")
}

/// The first word, if it is a verb.
fn verb(words: &[OsString]) -> Option<&str> {
    words.get(1).and_then(|word| word.to_str()).filter(|word| VERBS.contains(word))
}

/// What can be made of the words of a run in which there is a mistake: where its record goes, and what it is called. `None` where a
/// verb was meant.
pub fn understood(words: &[OsString]) -> Option<(Settings, Option<OsString>)> {
    if verb(words).is_some() {
        return None;
    }
    let found = Cli::command().ignore_errors(true).try_get_matches_from(words);
    let json = found.ok().and_then(|found| found.get_one("json").cloned());
    Some((Settings { json, ..Settings::default() }, None))
}

fn what(error: &clap::Error) -> String {
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    match (error.kind(), argument, error.source()) {
        (ErrorKind::MissingRequiredArgument, Some(argument), _) => {
            let name = argument.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
            format!("no {name} given")
        }
        (ErrorKind::ValueValidation, Some(argument), Some(why)) => format!("{argument}: {why}"),
        (ErrorKind::InvalidValue, Some(argument), _) if possible_values(error).is_some() => {
            let value = error.get(ContextKind::InvalidValue).map(ToString::to_string);
            let known = possible_values(error).unwrap_or_default();
            format!("{argument}: {}", none_of(&value.unwrap_or_default(), known))
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("wrong usage");
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

fn possible_values(error: &clap::Error) -> Option<&[String]> {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(known)) if !known.is_empty() => Some(known),
        Some(_) | None => None,
    }
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
