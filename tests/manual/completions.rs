//! Completions of the tree of verbs, by `clap_complete`, and around each what that does not know: where the command of a run begins, the
//! names of guardians that run, the runs that have a post-mortem.

use crate::Files;
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::{Shell, generate};
use sentinel::cli::{Cli, GUARDIAN, POST_MORTEM, REQUESTS, VERBS};
use sentinel::control::protocol::{SETTINGS, parse};

const BASH: &str = include_str!("completions.bash");
const ZSH: &str = include_str!("completions.zsh");
const FISH: &str = include_str!("completions.fish");

/// The scripts by the names under which shells look for them.
pub fn made() -> Files {
    let scripts = [("sentinel.bash", bash()), ("_sentinel", zsh()), ("sentinel.fish", fish())];
    scripts.map(|(name, text)| (name.to_owned(), text)).into()
}

/// Without the command of a run: the generators take that for a verb's place, or know nothing of it. [`filled`] adds it.
fn tree() -> Command {
    let tree = Cli::command();
    let mut verbs = Command::new("sentinel").disable_help_subcommand(true);
    for arg in tree.get_arguments().filter(|arg| !arg.is_positional()) {
        verbs = verbs.arg(arg.clone());
    }
    verbs = verbs.version(env!("CARGO_PKG_VERSION")).propagate_version(true);
    verbs.subcommands(tree.get_subcommands().cloned().map(shown))
}

/// The generators offer hidden options too.
fn shown(verb: Command) -> Command {
    let name = VERBS.into_iter().find(|name| *name == verb.get_name()).unwrap();
    let mut kept = Command::new(name);
    if let Some(about) = verb.get_about() {
        kept = kept.about(about.clone());
    }
    kept.args(verb.get_arguments().filter(|arg| !arg.is_hide_set()).cloned())
}

fn generated(shell: Shell) -> String {
    let mut text = Vec::new();
    generate(shell, &mut tree(), "sentinel", &mut text);
    let text = String::from_utf8(text).unwrap();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A template with what the tree says.
fn filled(template: &str) -> String {
    let mut tree = Cli::command();
    tree.build();
    let of_json: Vec<&str> = REQUESTS
        .iter()
        .map(|(verb, _)| *verb)
        .filter(|verb| parse(format!("{verb} json").as_bytes()).is_ok())
        .collect();
    let is_guardian = |arg: &&Arg| {
        arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == GUARDIAN))
    };
    let places =
        tree.get_subcommands().filter(|verb| verb.get_positionals().any(|arg| is_guardian(&arg)));
    let verbs: Vec<&str> = places.map(Command::get_name).collect();
    let mut of_verbs: Vec<String> = tree.get_subcommands().flat_map(with_values).collect();
    of_verbs.sort();
    of_verbs.dedup();
    template
        .replace("@VALUE_OPTIONS_OF_VERBS@", &of_verbs.join(" "))
        .replace("@VERBS@", &VERBS.join(" "))
        .replace(
            "@REQUESTS@",
            &REQUESTS.iter().map(|(verb, _)| *verb).collect::<Vec<_>>().join(" "),
        )
        .replace("@SETTINGS@", &SETTINGS.join(" "))
        .replace("@JSON_REQUESTS@", &of_json.join(" "))
        .replace("@GUARDIAN_VERBS@", &verbs.join(" "))
        .replace("@VALUE_OPTIONS@", &with_values(&tree).join(" "))
}

/// Options that take the next word.
fn with_values(tree: &Command) -> Vec<String> {
    let takes_value = |arg: &&Arg| arg.get_num_args().is_some_and(|range| range.takes_values());
    let options = tree.get_arguments().filter(|arg| !arg.is_positional()).filter(takes_value);
    options
        .flat_map(|arg| {
            let short = arg.get_short().map(|short| format!("-{short}"));
            short.into_iter().chain(arg.get_long().map(|long| format!("--{long}")))
        })
        .collect()
}

/// Replaces what must be there so many times: a new version of the generator must not go by unseen.
fn replaced(text: &str, count: usize, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), count, "of {from:?} in:\n{text}");
    text.replace(from, to)
}

const MADE: &str = "# Made from the tree of verbs by `cargo test --test manual` (UPDATE_GOLDEN=1). Not to be edited.\n";

fn bash() -> String {
    let text = replaced(&generated(Shell::Bash), 1, "_sentinel() {", "_sentinel_words() {");
    // What registers it comes last, for our function.
    let (functions, _) = text.split_once("\nif [[ \"${BASH_VERSINFO[0]}\" -eq 4 ").unwrap();
    format!("{MADE}\n{functions}\n{}", filled(BASH))
}

fn zsh() -> String {
    let text = replaced(&generated(Shell::Zsh), 1, "\n_sentinel() {", "\n_sentinel_words() {");
    let text = replaced(
        &text,
        2,
        &format!(":{GUARDIAN}:' \\"),
        &format!(":{GUARDIAN}:_sentinel_guardians' \\"),
    );
    let text = at_ends(&text, "'::guardian -- ", 3, ":' \\", ":_sentinel_guardians' \\");
    let text = at_ends(&text, "'::which -- ", 1, ":_files' \\", ":_sentinel_post_mortems' \\");
    let text = at_ends(&text, "'*::arguments -- ", 1, ":' \\", ":_sentinel_request_arguments' \\");
    let (functions, _) = text.split_once("\nif [ \"$funcstack[1]\" = \"_sentinel\" ]").unwrap();
    let functions = functions.strip_prefix("#compdef sentinel\n").unwrap();
    format!("#compdef sentinel\n{MADE}{functions}\n{}", filled(ZSH))
}

/// Of lines that begin so, replaces the ends.
fn at_ends(text: &str, begin: &str, count: usize, from: &str, to: &str) -> String {
    let of_lines = text.lines().filter(|line| line.starts_with(begin) && line.ends_with(from));
    assert_eq!(of_lines.count(), count, "of {begin:?} in:\n{text}");
    let line = |line: &str| match line.strip_suffix(from).filter(|_| line.starts_with(begin)) {
        Some(kept) => format!("{kept}{to}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn fish() -> String {
    let mut tree = Cli::command();
    tree.build();
    let needs = "-n \"__fish_sentinel_needs_command\" -f -a \"";
    let first = "-n __sentinel_at_first_word -f -a \"";
    let text = replaced(&generated(Shell::Fish), VERBS.len(), needs, first);
    let mut text = format!("{MADE}\n{text}\n{}", filled(FISH));
    // Of what is no option the generator offers nothing.
    for verb in tree.get_subcommands() {
        let first = verb.get_positionals().next();
        let Some(first) = first else { continue };
        let is_first = format!("__sentinel_is_first {}", verb.get_name());
        for value in first.get_possible_values() {
            let help = value.get_help().map(|help| help.to_string().replace('\'', "\\'"));
            let help = help.map_or_else(String::new, |help| format!(" -d '{help}'"));
            text +=
                &format!("complete -c sentinel -n '{is_first}' -f -a {}{help}\n", value.get_name());
        }
        let names = first.get_value_names().unwrap_or_default();
        for (name, offered) in [(GUARDIAN, "guardians"), (POST_MORTEM, "post_mortems")] {
            if names.iter().any(|known| known == name) {
                text += &format!(
                    "complete -c sentinel -n '{is_first}' -k -f -a '(__sentinel_{offered})'\n"
                );
            }
        }
    }
    text
}
