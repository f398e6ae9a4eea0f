//! `metrics`, read by the rules of the text format 0.0.4 and by those that `promtool check metrics` adds.

use crate::clients::status;
use crate::states::{FOREVER, kill};
use crate::support::Scene;
use sentinel::metrics::{Subject, metrics_text};
use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// Every sample: its name and labels to its value.
fn read(text: &str) -> BTreeMap<(String, Labels), f64> {
    assert!(text.ends_with('\n'), "{text:?}");
    let mut families = BTreeSet::new();
    let mut samples = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        assert!(!help.is_empty() && !help.contains('\\'), "{line}");
        let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(matches!(kind, "counter" | "gauge"), "{name} is a {kind}");
        assert!(is_name(name) && name.starts_with("sentinel_"), "{name}");
        assert!(families.insert(name.to_owned()), "{name} twice");
        let before = samples.len();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let rest = line.strip_prefix(name).unwrap().strip_prefix('{').unwrap();
            let (labels, value) = read_labels(rest);
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            assert!(samples.insert((name.to_owned(), labels), value).is_none(), "{line} twice");
        }
        assert!(samples.len() > before, "{name} has no sample");
    }
    samples
}

fn is_name(name: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c == '_';
    name.starts_with(lower) && name.chars().all(|c| lower(c) || c.is_ascii_digit())
}

/// Labels up to the closing brace, then a blank and the value.
fn read_labels(mut rest: &str) -> (Labels, f64) {
    let mut labels = Labels::new();
    loop {
        let (key, after) = rest.split_once("=\"").unwrap();
        assert!(is_name(key), "{key:?}");
        let (value, after) = read_value(after);
        assert!(labels.insert(key.to_owned(), value).is_none(), "{key} twice");
        if let Some(value) = after.strip_prefix("} ") {
            let number = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap() };
            assert!(value == "+Inf" || number.is_finite(), "{value}");
            return (labels, number);
        }
        rest = after.strip_prefix(',').unwrap();
    }
}

/// The value up to its closing quote, and what is behind that.
fn read_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next().unwrap().1 {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                c => panic!("\\{c} means nothing"),
            }),
            c => value.push(c),
        }
    }
    panic!("no end of {text:?}");
}

#[test]
fn a_guardian_tells_its_metrics() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&["-m", "50M", "--grace", "2500ms"], &FOREVER);
    let text = scene.ask("metrics").expect(0).stdout();
    let samples = read(&text);
    let value = |name: &str, key: &str, word: &str| {
        let is_it = |labels: &Labels| key.is_empty() || labels.get(key).is_some_and(|w| w == word);
        let mut found = samples.iter().filter(|((n, labels), _)| n == name && is_it(labels));
        let value = *found.next().unwrap_or_else(|| panic!("no {name}: {text}")).1;
        assert_eq!(found.next(), None, "{name}");
        value
    };
    for (name, labels) in samples.keys() {
        assert_eq!(labels.get("guard").map(String::as_str), Some(scene.name()), "{name}");
    }
    let same = |name: &str, expected: f64| {
        assert!((value(name, "", "") - expected).abs() < 1e-9, "{text}")
    };
    same("sentinel_memory_limit_bytes", f64::from(50 << 20));
    same("sentinel_guard_grace_seconds", 2.5);
    same("sentinel_guard_frozen", 0.0);
    let own = value("sentinel_guard_resident_memory_bytes", "", "");
    assert!((f64::from(64 << 10)..f64::from(64 << 20)).contains(&own), "{own}");
    assert!(value("sentinel_processes", "", "") >= 1.0);
    for (state, holds) in [("running", 1.0), ("terminating", 0.0), ("killing", 0.0), ("ended", 0.0)]
    {
        assert!((value("sentinel_guard_state", "state", state) - holds).abs() < 1e-9, "{text}");
    }
    let tier = status(&scene).tier.name();
    assert!((value("sentinel_guard_info", "tier", tier) - 1.0).abs() < 1e-9, "{text}");
    scene.ask("freeze").expect(0);
    let frozen = scene.ask("metrics").expect(0).stdout();
    let own = format!("sentinel_guard_frozen{{guard=\"{}\",uid=", scene.name());
    let line = frozen.lines().find(|line| line.starts_with(&own)).unwrap();
    assert!(line.ends_with(&format!(",pid=\"{}\"}} 1", status(&scene).guardian_pid)), "{line}");
    kill(&scene, running);
}

/// What stands in a label can end neither the label nor the line.
#[test]
fn labels_hold_whatever_they_are_given() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let mut hostile = status(&scene);
    kill(&scene, running);
    for evil in ["\"} 1\nevil{a=\"b", "\\", "\\\"", "\n\n# TYPE evil counter", "é\u{202e}\u{0}"] {
        hostile.cgroup = Some(evil.to_owned());
        hostile.placement = Some(evil.to_owned());
        hostile.version = evil.to_owned();
        hostile.growth = i64::MIN;
        hostile.uptime_ms = u64::MAX;
        hostile.memory.current = sentinel::units::Bytes(u64::MAX);
        let samples = read(&metrics_text(Subject { guard: evil, uid: 0, pid: 1 }, &hostile));
        let mut infos = samples.keys().filter(|(name, _)| name == "sentinel_guard_info");
        assert_eq!(infos.next().unwrap().1["cgroup"], evil);
    }
    hostile.cgroup = Some("\\".repeat(100_000));
    let guard = &"\"".repeat(100_000);
    assert!(metrics_text(Subject { guard, uid: 0, pid: 1 }, &hostile).len() < 100_000);
}
