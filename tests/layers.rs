//! Which part of Sentinel may import which: nothing leads in a circle, between top folders or between the files of one, and nothing
//! leads up. Read from the sources, from `use` lines and from paths in the code itself; code for tests alone may import anything.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "layers/graph.rs"]
mod graph;
#[path = "layers/imports.rs"]
mod imports;

use graph::{among, arrows, cycles, upwards};
use imports::{Import, imports, sources};

/// From the ground up. A module may import those below it, and others of its layer. CONTRIBUTING.md has the same list.
const LAYERS: [(&str, &[&str]); 12] = [
    (
        "ground",
        &[
            "units",
            "clock",
            "escape",
            "choice",
            "baseline",
            "fair",
            "kernel_file",
            "nearest",
            "pattern",
            "signal_names",
            "terminal_modes",
        ],
    ),
    ("system calls", &["sys"]),
    ("vocabulary", &["status", "lines", "event"]),
    ("decisions", &["policy"]),
    (
        "the kernel's side",
        &[
            "account",
            "command",
            "command_line",
            "processes",
            "remains",
            "cgroup",
            "systemd",
            "targets",
            "placement",
            "workload",
        ],
    ),
    ("words for people", &["diagnostics", "report"]),
    ("settings", &["cli", "config"]),
    ("mailbox and records", &["control", "ledger", "metrics"]),
    (
        "attendants and clients",
        &["dashboard", "witness", "stopper", "keeper", "trace", "fleet", "exporter"],
    ),
    ("a workload under guard", &["ward"]),
    ("the host", &["event_loop", "watcher", "doctor", "host"]),
    ("screens and verbs", &["tui", "replay", "verbs", "main"]),
];

/// What decides is pure: it knows no system calls, though these lie lower.
const PURE: [(&str, &str); 4] =
    [("status", "sys"), ("lines", "sys"), ("event", "sys"), ("policy", "sys")];

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_leads_in_a_circle() {
    let imports = imports(&sources());
    assert!(imports.len() > 1000, "only {} imports were read", imports.len());
    assert_none(&cycles(&arrows(&imports)));
}

#[test]
fn nothing_leads_up() {
    let imports = imports(&sources());
    let arrows = arrows(&imports);
    assert_none(&upwards(&arrows, &LAYERS));
    assert_none(&among(&arrows, &PURE));
}

#[test]
fn every_module_has_one_layer_and_the_map_has_them_in_this_order() {
    let mut there: Vec<String> = sources().iter().map(|(file, _)| imports::top(file)).collect();
    there.retain(|module| module != "lib");
    there.sort();
    there.dedup();
    let mut listed: Vec<&str> = LAYERS.iter().flat_map(|(_, modules)| *modules).copied().collect();
    listed.sort_unstable();
    assert_eq!(there, listed);
    let map = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/CONTRIBUTING.md"));
    let map = map.unwrap();
    let mut rest = map.as_str();
    for (n, (name, modules)) in (1..).zip(LAYERS) {
        let modules: Vec<String> = modules.iter().map(|module| format!("`{module}`")).collect();
        let line = format!("\n{n}. {name}: {}\n", modules.join(", "));
        let place = rest.find(&line);
        let place = place.unwrap_or_else(|| panic!("CONTRIBUTING.md does not have {line:?} here"));
        rest = &rest[place + 1..];
    }
}

/// The types that a source defines: what stands at the beginning of a line, so that associated types are none.
fn types(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = match line.strip_prefix("pub(") {
            Some(rest) => rest.split_once(") ")?.1,
            None => line.strip_prefix("pub ").unwrap_or(line),
        };
        let (kind, rest) = line.split_once(' ')?;
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let is_type = matches!(kind, "struct" | "enum" | "union" | "trait" | "type");
        is_type.then(|| rest.split(|c| !is_name(c)).next()).flatten()
    })
}

/// Whoever finds a name in the code knows what it is.
#[test]
fn no_name_of_a_type_has_two_meanings() {
    let sources = sources();
    let mut places = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for (file, text) in &sources {
        types(text).for_each(|name| places.entry(name).or_default().push(file));
    }
    assert!(places.len() > 400, "only {} types were read", places.len());
    let wrong = places.iter().filter(|(_, files)| files.len() > 1);
    assert_none(
        &wrong.map(|(name, files)| format!("{name}: {}", files.join(", "))).collect::<Vec<_>>(),
    );
    let made_up =
        "pub(super) struct A<T>(T);\npub enum B {\n    type Output = C;\nfn d() {}\ntype E = B;";
    assert_eq!(types(made_up).collect::<Vec<_>>(), ["A", "B", "E"]);
}

/// The imports of made-up sources.
fn read(sources: &[(&str, &str)]) -> Vec<Import> {
    let sources: Vec<_> =
        sources.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    imports(&sources)
}

const MADE_UP: [(&str, &[&str]); 2] = [("low", &["low"]), ("high", &["high", "main"])];

fn up(low: &str) -> Vec<String> {
    let sources = [("src/low.rs", low), ("src/high/mod.rs", "mod deep;"), ("src/high/deep.rs", "")];
    upwards(&arrows(&read(&sources)), &MADE_UP)
}

#[test]
fn an_arrow_upwards_is_found_wherever_it_is() {
    for source in [
        "use crate::high::Thing;",
        "pub(crate) use crate::high::*;",
        "use crate::{high as other};",
        "use crate::{low::{self}, high::{deep::{Thing, Other}},};",
        "use super::high;",
        "fn f() { crate::high::f() }",
        "fn f() { if true { println!(\"{}\", crate::high::deep::f()) } }",
        "type T = Vec<crate::high::Thing>;",
        "#[derive(Debug)] struct S(#[serde(with = 1)] super::high::Thing);",
        "mod inner { fn f() { super::super::high::f() } }",
        "impl crate::high::Trait for () {}",
        "macro_rules! m { () => { $crate::high::f() } }",
    ] {
        assert_eq!(up(source).len(), 1, "{source}");
    }
    let found = up("\nuse std::fmt;\nuse crate::high::deep::Thing;\nuse crate::high;");
    let expected = "src/low.rs:3: low imports high::deep, which leads up: from low to high";
    assert_eq!(found, [expected]);
}

#[test]
fn what_is_no_import_is_no_arrow() {
    for source in [
        "// use crate::high::Thing;",
        "/// As [`crate::high::Thing`].\nstruct S;",
        "const TEXT: &str = \"crate::high::f()\";",
        "#[cfg(test)]\nmod tests { use crate::high::Thing; }",
        "#[cfg(test)]\nuse crate::high::{Thing};\nfn f() {}",
        "use other::high::Thing; fn f() { std::high::f(); self::high::f(); value.high::<u8>() }",
        "use crate::low::high;",
    ] {
        assert_none(&up(source));
    }
    // What comes behind something for tests alone counts again.
    assert_eq!(up("#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::high::Thing;").len(), 1);
}

#[test]
fn a_name_from_elsewhere_leads_to_where_it_is() {
    let through = [
        ("src/low.rs", "use crate::middle::Thing; use crate::middle::deep; fn f() { deep::f() }"),
        ("src/middle.rs", "pub use crate::high::Thing; pub(crate) use crate::high::deep;"),
        ("src/high/mod.rs", "pub mod deep;"),
        ("src/high/deep.rs", ""),
    ];
    let found = read(&through);
    let from_low: Vec<_> = found.iter().filter(|i| i.from == ["low"]).map(|i| &i.to).collect();
    assert_eq!(from_low, [&vec!["high"], &vec!["high", "deep"], &vec!["high", "deep"]]);
    let circle = [("src/a.rs", "pub use crate::b::x;"), ("src/b.rs", "pub use crate::a::x;")];
    assert_eq!(read(&circle).len(), 2);
}

#[test]
fn circles_are_found_between_folders_and_within_one() {
    let folders = [
        ("src/a.rs", "use crate::b::B;"),
        ("src/b/mod.rs", "mod inner;"),
        ("src/b/inner.rs", "\nfn f() { crate::c::f() }"),
        ("src/c.rs", "use crate::a;"),
        ("src/d.rs", "use crate::a; use crate::c;"),
    ];
    let found = cycles(&arrows(&read(&folders)));
    let expected = [
        "src/a.rs:1: a imports b, which leads back: a -> b -> c -> a",
        "src/b/inner.rs:2: b::inner imports c, which leads back: b -> c -> a -> b",
        "src/c.rs:1: c imports a, which leads back: c -> a -> b -> c",
    ];
    assert_eq!(found, expected);
    let files = [
        ("src/a/mod.rs", "mod one; mod two; struct Own;"),
        ("src/a/one.rs", "use super::two::Two; use super::Own;"),
        ("src/a/two/mod.rs", "mod below;"),
        ("src/a/two/below.rs", "use super::super::one::One;"),
    ];
    let found = cycles(&arrows(&read(&files)));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("src/a/one.rs:1: a::one imports a::two, "), "{found:?}");
    assert!(found[1].starts_with("src/a/two/below.rs:1: a::two::below imports a::one, "));
}

#[test]
fn what_must_be_pure_is_looked_at_apart() {
    let sources = [("src/policy.rs", "fn f() { crate::sys::f() }"), ("src/sys.rs", "")];
    let found = read(&sources);
    assert_none(&upwards(&arrows(&found), &LAYERS));
    assert_eq!(among(&arrows(&found), &PURE).len(), 1);
}
