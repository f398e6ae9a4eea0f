//! The alert rules and the Grafana dashboard in docs/prometheus: promtool takes them, and they name nothing that is not exported.

use crate::support::{Running, Scene, has_program, skip};
use serde_json::Value;
use std::collections::BTreeSet;

pub const RULES: &str = include_str!("../../docs/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../docs/prometheus/grafana.json");
const TRIED: &str = include_str!("../../docs/prometheus/alerts_test.yml");
const EXPORTED: [&str; 4] = [
    include_str!("../../src/metrics/mod.rs"),
    include_str!("../../src/metrics/live.rs"),
    include_str!("../../src/metrics/ended.rs"),
    include_str!("../../src/exporter/gathering.rs"),
];

/// The metrics that a text names.
pub fn names(text: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = text.match_indices("sentinel_").map(|(at, _)| &text[at..]);
    starts.map(|rest| &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())]).collect()
}

pub fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

#[test]
fn they_name_only_what_is_exported() {
    let exported: BTreeSet<&str> = EXPORTED.iter().flat_map(|text| names(text)).collect();
    for panel in panels() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let named = names(expression);
            assert!(!named.is_empty(), "{expression}");
            assert!(named.is_subset(&exported), "{expression}: {named:?}");
        }
    }
    // All that rules name, words for people aside: those name no metric. The first lines say why one is not used.
    let rules = RULES.lines().filter(|line| !line.starts_with('#') && !line.contains("name:"));
    let used: BTreeSet<&str> = rules.flat_map(names).collect();
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
            assert!(!expression.contains(['\'', '$']), "{expression}");
            records += &format!("  - record: panel:{n}_{m}\n    expr: '{expression}'\n");
        }
    }
    for (name, text) in [("alerts.yml", RULES), ("dashboard.yml", &records)] {
        let path = scene.write(name, text);
        let mut command = scene.program("promtool");
        let run = Running::start(command.args(["check", "rules", &path])).finish();
        assert_eq!(run.code(), 0, "{run:?}");
    }
    let path = scene.write("alerts_test.yml", TRIED);
    let mut command = scene.program("promtool");
    let run = Running::start(command.args(["test", "rules", &path])).finish();
    assert_eq!(run.code(), 0, "{run:?}");
}

/// Each alert is made to fire by a test of its own.
#[test]
fn every_alert_is_tried() {
    let named = |line: &str| Some(line.trim().strip_prefix("- alert: ")?.to_owned());
    let alerts: Vec<String> = RULES.lines().filter_map(named).collect();
    assert!(alerts.len() > 8, "{alerts:?}");
    for alert in alerts {
        let tried = TRIED.split("  - eval_time").any(|test| {
            test.contains(&format!("alertname: {alert}\n")) && test.contains("exp_alerts:")
        });
        assert!(tried, "{alert}");
    }
}
