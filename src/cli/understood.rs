//! What of the words of a run is understood although there is a mistake in them: clap stops at the first one, and the record of a run
//! that could not be started goes where a word behind it may say.

use super::usage::verb;
use super::{Cli, Run, Settings};
use crate::nearest::nearest;
use clap::{Arg, Command, CommandFactory as _};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Of a run with a mistake in its words: where its record goes and what it is called, or which file may say so, and the program that it
/// would have run. `None` where a verb was meant.
///
/// It goes on up to the first word that may be the command: what is behind that is the command's own, a file of its own too.
pub fn understood(words: &[OsString]) -> Option<Run> {
    if verb(words).is_some() {
        return None;
    }
    let mut tree = Cli::command();
    tree.build();
    let found = Run { config: None, settings: Settings::default(), command: Vec::new() };
    let mut reading = Understanding { tree: &tree, rest: words.get(1..)?, found };
    let command = reading.read_up_to_command();
    Some(Run { command: command.into_iter().collect(), ..reading.found })
}

struct Understanding<'a> {
    tree: &'a Command,
    rest: &'a [OsString],
    found: Run,
}

impl<'a> Understanding<'a> {
    fn read_up_to_command(&mut self) -> Option<OsString> {
        while let Some(word) = self.next() {
            let bytes = word.as_bytes();
            if bytes == b"--" {
                return self.next().cloned();
            } else if let Some(long) = bytes.strip_prefix(b"--") {
                self.long(long)?;
            } else if bytes.len() > 1 && bytes.starts_with(b"-") {
                self.letters(&bytes[1..]);
            } else {
                return Some(word.clone());
            }
        }
        None
    }

    fn next(&mut self) -> Option<&'a OsString> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next word, unless it looks like an option.
    fn value(&mut self) -> Option<&'a OsStr> {
        let next = self.rest.first()?.as_bytes();
        let is_option = next.len() > 1 && next.starts_with(b"-");
        if is_option { None } else { self.next().map(OsString::as_os_str) }
    }

    /// `name` or `name=value`. `None` where it is not known whether the next word is a value or the command.
    fn long(&mut self, text: &[u8]) -> Option<()> {
        let split = text.iter().position(|byte| *byte == b'=');
        let (name, attached) = match split {
            Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]))),
            None => (text, None),
        };
        let name = std::str::from_utf8(name).ok();
        let known = name.and_then(|name| self.by_name(name));
        if let Some(option) = known {
            let value = attached.or_else(|| takes_value(option).then(|| self.value()).flatten());
            self.take(option, value);
            return Some(());
        }
        // One that was probably meant tells whether a value follows, and no more.
        let meant = name.and_then(|name| self.nearest(name));
        match (meant, attached) {
            (_, Some(_)) => {}
            (Some(option), None) if takes_value(option) => {
                self.value();
            }
            (Some(_), None) => {}
            (None, None) => {
                let next = self.rest.first()?.as_bytes();
                return next.starts_with(b"-").then_some(());
            }
        }
        Some(())
    }

    /// Behind one dash: flags, up to an option whose value is the rest, or the next word.
    fn letters(&mut self, letters: &[u8]) {
        for (index, letter) in letters.iter().enumerate() {
            let letter = char::from(*letter);
            let option = self.tree.get_arguments().find(|arg| arg.get_short() == Some(letter));
            if option.is_some_and(takes_value) {
                if index + 1 == letters.len() {
                    self.value();
                }
                return;
            }
        }
    }

    fn by_name(&self, name: &str) -> Option<&'a Arg> {
        self.tree.get_arguments().find(|arg| arg.get_long() == Some(name))
    }

    fn nearest(&self, name: &str) -> Option<&'a Arg> {
        let longs: Vec<&str> = self.tree.get_arguments().filter_map(Arg::get_long).collect();
        nearest(name, &longs).and_then(|(long, _)| self.by_name(long))
    }

    /// Of a repeated option the last one counts.
    fn take(&mut self, option: &Arg, value: Option<&OsStr>) {
        let Some(value) = value else { return };
        let (found, text) = (&mut self.found.settings, value.to_str());
        match option.get_id().as_str() {
            "config" => self.found.config = Some(PathBuf::from(value)),
            "json" => found.json = Some(PathBuf::from(value)),
            "json_fd" => found.json_fd = text.and_then(|number| number.parse().ok()),
            "name" => found.name = text.map(str::to_owned),
            _ => {}
        }
    }
}

fn takes_value(option: &Arg) -> bool {
    option.get_num_args().is_some_and(|range| range.takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Descriptor;
    use std::path::Path;

    fn read(line: &str) -> Option<Run> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        understood(&words)
    }

    #[track_caller]
    fn json_and_command(line: &str, json: Option<&str>, command: Option<&str>) {
        let found = read(line).unwrap();
        assert_eq!(found.settings.json.as_deref(), json.map(Path::new), "{line}");
        assert_eq!(found.command, Vec::from_iter(command), "{line}");
    }

    #[test]
    fn what_is_behind_a_mistake_is_understood() {
        for mistake in [
            "-m abc",
            "-mabc",
            "-qm abc",
            "-Z",
            "-m",
            "--memory",
            "--memory=abc",
            "--memroy 5M",
            "--memroy=5M",
            "--plian",
            "--plain=yes",
            "--nonsense",
            "--nonsense=5M",
            "--kill-mode some",
            "--json-fd x",
            "--config",
        ] {
            for json in ["--json f", "--json=f", "--json old --json f"] {
                json_and_command(
                    &format!("sentinel {mistake} {json} -- sh x"),
                    Some("f"),
                    Some("sh"),
                );
                json_and_command(
                    &format!("sentinel -q {json} {mistake} -- sh"),
                    Some("f"),
                    Some("sh"),
                );
                json_and_command(
                    &format!("sentinel {mistake} {json} sh -x"),
                    Some("f"),
                    Some("sh"),
                );
            }
        }
        let found = read("sentinel -m abc --name a --json-fd 5 --config c true").unwrap();
        assert_eq!(
            (found.settings.name.as_deref(), found.settings.json_fd),
            (Some("a"), Some(Descriptor(5)))
        );
        assert_eq!(found.config.as_deref(), Some(Path::new("c")));
    }

    /// A file that is another command's is not ours to write.
    #[test]
    fn what_is_behind_the_command_is_its_own() {
        json_and_command("sentinel -m abc sh --json f", None, Some("sh"));
        json_and_command("sentinel -m abc -- sh --json f", None, Some("sh"));
        json_and_command("sentinel --plian sh --json f", None, Some("sh"));
        json_and_command("sentinel --json --plain sh", None, Some("sh"));
        json_and_command("sentinel --json", None, None);
        // A value of what is no option, or a command?
        json_and_command("sentinel --nonsense word --json f -- sh", None, None);
    }

    #[test]
    fn a_verb_has_no_record() {
        assert!(read("sentinel status --json f").is_none());
        assert!(read("sentinel replay --memroy --json").is_none());
        json_and_command("sentinel -m abc status --json f", None, Some("status"));
    }
}
