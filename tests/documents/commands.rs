//! The commands in documents: whether the program would understand them.

use crate::markdown::Document;
use crate::shell::{innermost, programs};
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use sentinel::cli::{Cli, Settings, VERBS, Verb, mistake};
use sentinel::config;
use sentinel::control::protocol::{addressed, parse};
use std::ffi::OsString;

/// What the documents guard. A word that is none of these is a verb with a typing mistake.
pub const GUARDED: [&str; 8] =
    ["./job", "cat", "java", "make", "my-agent", "python3", "top", "vim"];

/// Options of other programs that the documents write about.
const FOREIGN: [&str; 4] = ["--force", "--security-opt", "--scope", "--update"];

/// A line with a command for sentinel in it.
pub struct Found {
    pub line: usize,
    /// As it stands, without the prompt.
    pub text: String,
}

/// All of a document.
pub fn found(document: &Document) -> Vec<Found> {
    let lines = document.code.iter().filter_map(|line| {
        let text = line.text.strip_prefix("$ ").unwrap_or(&line.text);
        let mut words = text.split(|c: char| c.is_whitespace() || "|;&".contains(c));
        let is_ours = words.clone().next().is_some_and(|word| word == "echo" || word == "sudo")
            || words.any(|word| word == "sentinel");
        is_ours.then(|| Found { line: line.number, text: text.to_owned() })
    });
    lines.collect()
}

/// Every command of a document that would not be understood.
pub fn problems(document: &Document) -> Vec<String> {
    let check = |found: &Found| {
        let problem = problem(&found.text)?;
        Some(format!("{}: {}: {problem}", document.at(found.line), found.text))
    };
    found(document).iter().filter_map(check).collect()
}

fn problem(line: &str) -> Option<String> {
    let programs = match programs(line) {
        Ok(programs) => programs,
        Err(problem) => return Some(problem),
    };
    let words: Vec<&[String]> = programs.iter().map(|words| innermost(words)).collect();
    let ours = words.iter().filter(|words| words.first().is_some_and(|it| it == "sentinel"));
    let mut problems = ours.filter_map(|words| understood(words).err());
    let asked = words.windows(2).filter_map(|pair| match pair {
        [[echo, request @ ..], [nc, ..]] if echo == "echo" && nc == "nc" => Some(request),
        _ => None,
    });
    problems.next().or_else(|| asked.filter_map(|request| requested(request).err()).next())
}

/// Whether sentinel takes these words.
fn understood(words: &[String]) -> Result<(), String> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let cli = match Cli::read(&words) {
        Ok(cli) => cli,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            return Ok(());
        }
        Err(error) => return Err(mistake(&error, &words)),
    };
    match cli.verb {
        None => {
            let command = cli.run.command[0].to_string_lossy().into_owned();
            if !GUARDED.contains(&command.as_str()) {
                return Err(format!("{command} is neither a verb nor in GUARDED"));
            }
            // Who runs this test, and which users there are, is not the document's fault.
            let settings = Settings { user: None, ..cli.run.settings };
            let built = config::build(settings, cli.run.command);
            built.map(drop).map_err(|error| format!("{error:#}"))
        }
        Some(Verb::Ctl(asked)) => requested(&[&[asked.verb][..], &asked.arguments].concat()),
        Some(_) => Ok(()),
    }
}

/// Whether a guardian takes this request.
fn requested(words: &[String]) -> Result<(), String> {
    let line = words.join(" ");
    parse(addressed(line.as_bytes()).1).map(drop)
}

/// Options, and verbs of sentinel, that are named in the text of a document and do not exist.
pub fn problems_in_words(document: &Document) -> Vec<String> {
    let mut tree = Cli::command();
    tree.build();
    let check = |(line, span): (usize, &str)| {
        let problem = problem_in_span(&tree, span)?;
        Some(format!("{}: `{span}`: {problem}", document.at(line)))
    };
    document.spans().filter_map(check).collect()
}

fn problem_in_span(tree: &clap::Command, span: &str) -> Option<String> {
    let words: Vec<&str> = span.split_whitespace().collect();
    let words = words.strip_prefix(&["sudo"]).unwrap_or(&words);
    match words {
        ["sentinel", rest @ ..] => problem_in_words(tree, rest),
        [option, ..] if option.starts_with("--") && option.len() > 2 => {
            let of_any = std::iter::once(tree).chain(tree.get_subcommands());
            let known = FOREIGN.contains(option) || of_any.into_iter().any(|it| has(it, option));
            (!known).then(|| format!("no verb has {option}"))
        }
        _ => None,
    }
}

/// Behind `sentinel`, with placeholders among the words.
fn problem_in_words(tree: &clap::Command, words: &[&str]) -> Option<String> {
    let first = words.iter().find(|word| !word.starts_with('-') && **word != "…")?;
    let is_verb = words.first() == Some(first) && VERBS.contains(first);
    // Values of options are in between.
    if words.first() == Some(first) && !is_verb && !GUARDED.contains(first) {
        return Some(format!("{first} is neither a verb nor in GUARDED"));
    }
    let of = if is_verb { tree.find_subcommand(first)? } else { tree };
    let ours = words.iter().take_while(|word| **word != "--");
    let unknown = ours.filter(|word| word.starts_with("--")).find(|word| !has(of, word))?;
    Some(format!("{} has no {unknown}", of.get_name()))
}

fn has(of: &clap::Command, option: &str) -> bool {
    let name = option.trim_start_matches('-').split('=').next();
    of.get_arguments().any(|arg| arg.get_long().is_some() && arg.get_long() == name)
}
