//! The alert rules and the Grafana dashboard in docs/prometheus: promtool takes them, and they name nothing that is not exported.

use crate::support::{Running, Scene, has_program, skip};
use serde_json::Value;
use std::collections::BTreeSet;

const RULES: &str = include_str!("../../docs/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../docs/prometheus/grafana.json");
const TEXT: &str = include_str!("../../src/report/metrics.rs");
const PAGE: &str = include_str!("../../src/exporter/page.rs");

/// The metrics that a text names.
fn names(text: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = text.match_indices("sentinel_").map(|(at, _)| &text[at..]);
    starts.map(|rest| &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())]).collect()
}

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

#[test]
fn they_name_only_what_is_exported() {
    let exported: BTreeSet<&str> = names(TEXT).into_iter().chain(names(PAGE)).collect();
    for panel in panels() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let named = names(expression);
            assert!(!named.is_empty(), "{expression}");
            assert!(named.is_subset(&exported), "{expression}: {named:?}");
        }
    }
    let used: BTreeSet<&str> = RULES
        .lines()
        .filter(|line| line.trim_start().starts_with("expr:"))
        .flat_map(|line| names(line))
        .collect();
    assert!(used.len() > 3 && used.is_subset(&exported), "{used:?}");
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        let (x, y) = (place("x")..place("x") + place("w"), place("y")..place("y") + place("h"));
        assert!(x.end <= 24 && !x.is_empty(), "{panel}");
        for cell in y.flat_map(|y| x.clone().map(move |x| (x, y))) {
            assert!(cells.insert(cell), "{panel} overlaps another");
        }
    }
    assert!(ids.len() > 5);
}

#[test]
fn promtool_takes_the_rules_and_every_expression_of_the_dashboard() {
    if !has_program("promtool") {
        return skip("promtool is not installed (Debian: prometheus)");
    }
    let scene = Scene::new();
    let mut records = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (n, panel) in panels().iter().enumerate() {
        for (m, target) in panel["targets"].as_array().unwrap().iter().enumerate() {
            let expression = target["expr"].as_str().unwrap().replace("$guard", ".*");
            records += &format!("  - record: panel:{n}_{m}\n    expr: '{expression}'\n");
        }
    }
    for (name, text) in [("alerts.yml", RULES), ("dashboard.yml", &records)] {
        let path = scene.write(name, text);
        let mut command = scene.program("promtool");
        let run = Running::start(command.args(["check", "rules", &path])).finish();
        assert_eq!(run.code(), 0, "{run:?}");
    }
}
