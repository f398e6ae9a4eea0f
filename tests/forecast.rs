//! How far the forecast can be trusted: its errors, and those of the ways that it was chosen from, on recorded runs and made ones.
//! The table in docs/forecast.md is the one that comes out here.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "forecast/estimators.rs"]
mod estimators;
#[path = "forecast/measure.rs"]
mod measure;
#[path = "forecast/runs.rs"]
mod runs;

use estimators::ALL;
use measure::{Figures, figures};

fn all() -> Vec<(&'static str, Figures)> {
    let runs = runs::all();
    ALL.iter().map(|estimator| (estimator.name, figures(estimator, &runs))).collect()
}

/// As it is in the documentation.
fn table(rows: &[(&str, Figures)]) -> String {
    let mut text = "\
| estimator | 2 s | 5 s | 10 s | 20 s | false | missed |
|---|---|---|---|---|---|---|
"
    .to_owned();
    for (name, figures) in rows {
        let errors: Vec<String> = figures.errors.iter().map(ToString::to_string).collect();
        let (errors, wrong) = (errors.join(" | "), figures.wrong);
        text += &format!(
            "| {name} | {errors} | {} of {} | {} of {} |\n",
            wrong.false_alarms, wrong.asked, wrong.missed, wrong.reached
        );
    }
    text
}

#[test]
fn the_documentation_has_these_figures() {
    let (documentation, table) = (include_str!("../docs/forecast.md"), table(&all()));
    assert!(documentation.contains(&table), "docs/forecast.md is to have:\n{table}");
}

#[test]
fn the_estimator_in_use_is_better_than_the_slope_it_replaced() {
    let rows = all();
    let (ours, simple) = (&rows[0].1, &rows[1].1);
    for (ours, simple) in ours.errors.iter().zip(&simple.errors) {
        assert!(ours.median < simple.median && ours.most < simple.most, "{ours} and {simple}");
    }
    assert!(ours.wrong.false_alarms < simple.wrong.false_alarms);
    assert_eq!(ours.wrong.missed, 0);
}
