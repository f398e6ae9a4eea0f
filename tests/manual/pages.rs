//! Manual pages: of each verb by `clap_mangen`, with what its help says besides as sections of their own; and `sentinel.toml(5)`.

use crate::Files;
use clap::{Arg, ArgAction, Args as _, Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use sentinel::cli::{Cli, Settings};
use std::io;

/// The pages by their names.
pub fn made() -> Files {
    let mut tree = Cli::command();
    tree.build();
    let mut pages: Files =
        tree.get_subcommands().map(|verb| page(verb, &[("sentinel", "1")], &[])).collect();
    let verbs: Vec<String> =
        tree.get_subcommands().map(|verb| format!("sentinel-{}", verb.get_name())).collect();
    let mut related: Vec<(&str, &str)> = verbs.iter().map(|verb| (verb.as_str(), "1")).collect();
    related.extend([
        ("sentinel.toml", "5"),
        ("systemd-run", "1"),
        ("cgroups", "7"),
        ("signal", "7"),
    ]);
    pages.extend([page(&tree, &related, &[("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)])]);
    pages.insert("sentinel.toml.5".to_owned(), of_settings());
    pages
}

type Entries = &'static [(&'static str, &'static str)];

const ENVIRONMENT: Entries = &[
    ("PATH", "Where the command is looked for."),
    ("TERM", "Where it is not set, or dumb, there is no dashboard."),
    ("COLUMNS", "The width of sentinel ps where standard output is not a terminal."),
    ("LC_ALL, LC_CTYPE, LANG", "Whether sentinel report may use characters beyond ASCII."),
    ("XDG_CONFIG_HOME", "Instead of ~/.config."),
    ("XDG_STATE_HOME", "Instead of ~/.local/state. Not used by root."),
    ("XDG_RUNTIME_DIR", "Where sockets are that are not in /run/sentinel."),
];

const FILES: Entries = &[
    (
        "~/.config/sentinel/config.toml, /etc/sentinel/config.toml",
        "Settings; the first that is there. See sentinel.toml(5).",
    ),
    ("/tmp/sentinel.socket", "Where a guardian takes requests, if no other one does."),
    (
        "/run/sentinel/NAME-PID.socket, $XDG_RUNTIME_DIR/sentinel/NAME-PID.socket",
        "Where every guardian takes requests; of root the first, of another user the second.",
    ),
    (
        "~/.local/state/sentinel, /var/lib/sentinel",
        "Post-mortems and the counts of ended runs; of root the second.",
    ),
];

const MANUAL: &str = "Sentinel Manual";

fn source() -> String {
    format!("Sentinel {}", env!("CARGO_PKG_VERSION"))
}

/// A page of a verb, or of the program.
fn page(
    command: &Command,
    related: &[(&str, &str)],
    extra: &[(&str, Entries)],
) -> (String, String) {
    let man = Man::new(command.clone()).source(source()).manual(MANUAL);
    // An empty word needs its quotes, or the next one is taken for it.
    let title = written(|out| man.render_title(out)).replace(" 1  \"", " 1 \"\" \"");
    let mut text = title
        + &body(&written(|out| man.render_name_section(out)))
        + &body(&introduction(command))
        + &body(&written(|out| man.render_options_section(out)));
    for heading in headings(command) {
        let section = |heading: &str| {
            written(|out| {
                let mut roff = Roff::new();
                roff.control("SH", [heading]);
                roff.to_writer(out)
            })
        };
        // Groups of options are parts of one section.
        let group = section(&heading).replace(".SH", ".SS");
        text = text.replace(
            section(&heading.to_uppercase()).lines().last().unwrap(),
            group.lines().last().unwrap(),
        );
    }
    // A blank line is no paragraph in roff, and mandoc(1) says so.
    text = text.replace("\n\n", "\n.sp\n").replace("\n.br\n.sp\n.br\n", "\n.sp\n");
    if command.has_subcommands() {
        let verbs = body(&written(|out| man.render_subcommands_section(out)));
        let heading = command.get_subcommand_help_heading().unwrap();
        text += &verbs.replacen(heading, &heading.to_uppercase(), 1);
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    after
        .split("\n\n")
        .filter(|block| !block.is_empty())
        .for_each(|block| section(&mut roff, block));
    for (heading, entries) in extra {
        roff.control("SH", [*heading]);
        entries.iter().for_each(|(name, meaning)| entry(&mut roff, name, Some(meaning), true));
    }
    see_also(&mut roff, related);
    text += &body(&roff.render());
    (man.get_filename(), text)
}

/// How it is called, as its help says it, and what it does beyond its name's line.
fn introduction(command: &Command) -> String {
    let name = command.get_bin_name().unwrap();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    for (index, line) in usage.trim_start_matches("Usage: ").lines().enumerate() {
        if index > 0 {
            roff.control("br", []);
        }
        let rest = line.trim().strip_prefix(name).unwrap();
        roff.text([bold(name), roman(rest)]);
    }
    let about = command.get_long_about().or(command.get_about()).unwrap().to_string();
    let known = if about.contains("\n\n") { 1 } else { 0 };
    roff.control("SH", ["DESCRIPTION"]);
    for (index, paragraph) in about.split("\n\n").skip(known).enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        let end = if paragraph.ends_with('.') || known > 0 { "" } else { "." };
        roff.text([roman(format!("{paragraph}{end}"))]);
    }
    roff.render()
}

fn headings(command: &Command) -> Vec<String> {
    let mut headings: Vec<_> =
        command.get_arguments().filter_map(Arg::get_help_heading).map(str::to_owned).collect();
    headings.dedup();
    headings
}

fn written(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    write(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// Each piece that is written has definitions of its own before it.
fn body(text: &str) -> String {
    let mut kept = String::new();
    for piece in text.split_inclusive('\n') {
        if !(piece.starts_with(".ie ") || piece.starts_with(".el ")) {
            kept += piece;
        }
    }
    kept
}

/// `Heading:` and indented lines, each of one column or two.
fn section(roff: &mut Roff, block: &str) {
    let (heading, lines) = block.split_once(":\n").unwrap();
    roff.control("SH", [heading.to_uppercase().as_str()]);
    let is_code = heading == "Examples";
    for line in lines.lines() {
        match line.trim().split_once("  ") {
            Some((left, right)) => entry(roff, left, Some(right.trim()), is_code),
            None if is_code => entry(roff, line.trim(), None, true),
            None => {
                roff.control("PP", []);
                roff.text([roman(line.trim())]);
            }
        }
    }
}

fn entry(roff: &mut Roff, name: &str, meaning: Option<&str>, is_bold: bool) {
    let name = if is_bold { bold(name) } else { roman(name) };
    match meaning {
        Some(meaning) => {
            roff.control("TP", []);
            roff.text([name]);
            roff.text([roman(meaning)]);
        }
        None => {
            roff.control("PP", []);
            roff.text([name]);
        }
    }
}

fn see_also(roff: &mut Roff, pages: &[(&str, &str)]) {
    roff.control("SH", ["SEE ALSO"]);
    for (index, (name, section)) in pages.iter().enumerate() {
        let end = if index + 1 < pages.len() { "," } else { "" };
        roff.text([bold(*name), roman(format!("({section}){end}"))]);
    }
}

fn of_settings() -> String {
    let mut settings = Settings::augment_args(Command::new("sentinel"));
    settings.build();
    let mut roff = Roff::new();
    roff.control("TH", ["sentinel.toml", "5", "@NONE@", &source(), MANUAL]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("sentinel.toml - settings of runs under sentinel")]);
    roff.control("SH", ["SYNOPSIS"]);
    for (index, file) in [
        "FILE of sentinel --config FILE",
        "~/.config/sentinel/config.toml",
        "/etc/sentinel/config.toml",
    ]
    .iter()
    .enumerate()
    {
        if index > 0 {
            roff.control("br", []);
        }
        roff.text([roman(*file)]);
    }
    roff.control("SH", ["DESCRIPTION"]);
    for (index, text) in ABOUT_SETTINGS.iter().enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*text)]);
    }
    roff.control("SH", ["KEYS"]);
    let mut heading = None;
    for key in settings.get_arguments().filter(|arg| !matches!(arg.get_action(), ArgAction::Help)) {
        if key.get_help_heading() != heading {
            heading = key.get_help_heading();
            roff.control("SS", heading);
        }
        describe(&mut roff, key);
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    EXAMPLE.lines().for_each(|line| {
        roff.text([roman(line)]);
    });
    roff.control("fi", []);
    see_also(&mut roff, &[("sentinel", "1")]);
    roff.render().replace("@NONE@", "\"\"")
}

const ABOUT_SETTINGS: [&str; 4] = [
    "A file of settings for runs, in TOML. A key is the long name of an option of sentinel(1) without its dashes, and means what the \
     option means; where an option is given too, the option counts. Of the files above only the first that is there is read.",
    "Sizes, durations, shares and words are strings, as they would be written on the command line; numbers may be written as numbers \
     (a size in bytes, a duration in seconds). \
     A key that is not known, or a value that is none, is an error: exit status 125, and nothing is started.",
    "What is set here has to be in force as if it were an option: see best-effort.",
    "Under sudo(8) the file of the user who called it is read, and paths in it are used with the rights of that user.",
];

const EXAMPLE: &str = "\
# ~/.config/sentinel/config.toml
memory = \"2G\"
grace = \"10s\"
pids = 512
on-exit = \"terminate\"
best-effort = true";

fn describe(roff: &mut Roff, key: &Arg) {
    let takes_value = key.get_num_args().is_some_and(|range| range.takes_values());
    let value = match key.get_value_names().filter(|_| takes_value) {
        Some(names) => names.join(" "),
        None => "true".to_owned(),
    };
    roff.control("TP", []);
    roff.text([bold(key.get_long().unwrap()), roman(" = "), italic(value)]);
    let help = key.get_long_help().or_else(|| key.get_help()).map(ToString::to_string).unwrap();
    for (index, paragraph) in help.split("\n\n").enumerate() {
        if index > 0 {
            roff.control("sp", []);
        }
        roff.text([roman(paragraph)]);
    }
    if key.is_hide_possible_values_set() {
        return;
    }
    for value in key.get_possible_values().iter().filter(|_| takes_value) {
        roff.control("RS", []);
        entry(roff, value.get_name(), value.get_help().map(ToString::to_string).as_deref(), false);
        roff.control("RE", []);
    }
}
