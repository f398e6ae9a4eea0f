//! What is wrong with the words of a command line, as one line with the way out.

use super::Cli;
use crate::choice::none_of;
use crate::command::VERBS;
use crate::escape::{escape, tame};
use crate::nearest::nearest;
use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::ffi::OsString;

/// The mistake in these words, without clap's layout of many lines, and what was probably meant.
pub fn mistake(error: &clap::Error, words: &[OsString]) -> String {
    if let Some(mistake) = negative(error, words) {
        return mistake;
    }
    let meant = suggestion(error).or_else(|| other_spelling(error, words));
    let meant = meant.map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
    what(error) + &tame(&meant)
}

/// A number below zero behind an option, which clap takes for an option of its own (`-m -1`): what is wrong with it as the value.
fn negative(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let wrong = context(error, ContextKind::InvalidArg).filter(|wrong| is_negative(wrong))?;
    let is_it = |word: &str| is_negative(word) && word.starts_with(&wrong);
    let at = words.iter().position(|word| word.to_str().is_some_and(is_it))?;
    let (before, value) = (at.checked_sub(1)?, words[at].to_str()?);
    let joined = match words[before].to_str()? {
        "--" => return None,
        long if long.starts_with("--") && !long.contains('=') => format!("{long}={value}"),
        letters if letters.starts_with('-') && !is_negative(letters) => format!("{letters}{value}"),
        _ => return None,
    };
    let mut together = words.to_vec();
    together.splice(before..=at, [OsString::from(&joined)]);
    let of_value = Cli::read(&together).err();
    match of_value.as_ref().map(clap::Error::kind) {
        Some(ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {
            of_value.map(|error| mistake(&error, &together))
        }
        // It takes none.
        Some(ErrorKind::TooManyValues | ErrorKind::UnknownArgument) => None,
        _ => {
            let written = escape(joined.as_bytes());
            Some(format!("{}: a value that begins with a dash is written {written}", what(error)))
        }
    }
}

fn is_negative(word: &str) -> bool {
    let number = word.strip_prefix('-').unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

/// The help that says how it would have been right.
pub fn way_out(words: &[OsString]) -> String {
    let verb = verb(words).map_or_else(String::new, |verb| format!(" {verb}"));
    format!("sentinel{verb} --help")
}

/// The first word, if it is a verb.
pub(super) fn verb(words: &[OsString]) -> Option<&str> {
    words.get(1).and_then(|word| word.to_str()).filter(|word| VERBS.contains(word))
}

/// Made safe to show: what is quoted was escaped by that, and what is not is escaped here.
fn what(error: &clap::Error) -> String {
    match (error.kind(), context(error, ContextKind::InvalidArg), error.source()) {
        (ErrorKind::MissingRequiredArgument, Some(argument), _) if argument.starts_with('-') => {
            format!("{} is needed", argument.replace(['<', '>'], ""))
        }
        (ErrorKind::MissingRequiredArgument, Some(argument), _) => {
            format!("no {} given", bare(&argument).to_lowercase())
        }
        (ErrorKind::ValueValidation, Some(argument), Some(why)) => {
            tame(&format!("{argument}: {why}"))
        }
        (ErrorKind::UnknownArgument, Some(argument), _) => {
            format!("unexpected argument '{}' found", escape(argument.as_bytes()))
        }
        (ErrorKind::TooManyValues, Some(argument), _) => {
            let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
            tame(&format!("{argument} takes no value, but got {value:?}"))
        }
        (ErrorKind::InvalidValue, Some(argument), _) if possible_values(error).is_some() => {
            let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
            let known = possible_values(error).unwrap_or_default();
            let argument = if argument.starts_with('-') { &argument } else { bare(&argument) };
            tame(&format!("{argument}: {}", none_of(&value, known)))
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("wrong usage");
            escape(first.strip_prefix("error: ").unwrap_or(first).as_bytes())
        }
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    error.get(kind).map(ToString::to_string)
}

/// `<VERB>`, `[VERB]`, `<COMMAND>...` without their brackets.
fn bare(argument: &str) -> &str {
    argument.trim_matches(|c: char| !c.is_alphabetic())
}

fn possible_values(error: &clap::Error) -> Option<&[String]> {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(known)) if !known.is_empty() => Some(known),
        Some(_) | None => None,
    }
}

/// The name that was probably meant, by clap, which finds one that is like any word at all: only one that is near counts.
fn suggestion(error: &clap::Error) -> Option<String> {
    let unknown = error.kind() == ErrorKind::UnknownArgument;
    let wrong = if unknown { ContextKind::InvalidArg } else { ContextKind::InvalidValue };
    let wrong = context(error, wrong);
    likest(error).filter(|name| wrong.is_some_and(|wrong| is_near(&wrong, name)))
}

/// A typing mistake, or a name with something added (`--memory-max`).
fn is_near(wrong: &str, name: &str) -> bool {
    let wrong = wrong.trim_start_matches('-').split('=').next().unwrap_or_default();
    let wrong = wrong.to_ascii_lowercase();
    let name = name.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
    nearest(&wrong, &[name]).is_some() || name.len() > 3 && wrong.starts_with(name)
}

fn likest(error: &clap::Error) -> Option<String> {
    let kinds =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    match kinds.into_iter().find_map(|kind| error.get(kind)) {
        Some(ContextValue::String(name)) => Some(name.clone()),
        // By likeness, the best last.
        Some(ContextValue::Strings(names)) => names.last().cloned(),
        Some(_) | None => None,
    }
}

/// What clap does not think of: a long option behind one dash (`-memory`, of which clap makes `-m emory`), a letter in the other case.
fn other_spelling(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let wrong = if error.kind() == ErrorKind::UnknownArgument {
        context(error, ContextKind::InvalidArg)
    } else if error.kind() == ErrorKind::ValueValidation {
        context(error, ContextKind::InvalidValue)
    } else {
        None
    };
    let wrong = wrong.filter(|wrong| !wrong.is_empty())?;
    let mut tree = Cli::command();
    tree.build();
    let of = verb(words).and_then(|verb| tree.find_subcommand(verb)).unwrap_or(&tree);
    // The word in which it is: a value in a word of its own is spelled as it is meant.
    let ours = words.iter().filter_map(|word| word.to_str());
    let ours = ours.take_while(|word| *word != "--" && (*word != wrong || word.starts_with('-')));
    let is_wrong =
        |tail: &&str| !tail.starts_with('-') && tail.contains(wrong.trim_start_matches('-'));
    let tail = ours.filter_map(|word| word.strip_prefix('-')).find(is_wrong)?;
    if tail.len() > 2 {
        let longs: Vec<&str> = of.get_arguments().filter_map(clap::Arg::get_long).collect();
        let name = tail.split('=').next()?;
        return nearest(name, &longs).map(|(long, _)| format!("--{long}"));
    }
    let letter = wrong.strip_prefix('-').and_then(|letter| letter.parse::<char>().ok())?;
    let shorts = of.get_arguments().filter_map(clap::Arg::get_short);
    let other = shorts.into_iter().find(|short| short.eq_ignore_ascii_case(&letter))?;
    Some(format!("-{other}"))
}
