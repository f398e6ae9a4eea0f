//! Lists in documents that have to be complete: options, verbs, requests, reasons.

use crate::markdown::{Document, read};
use clap::CommandFactory as _;
use sentinel::cli::{Cli, REQUESTS, VERBS};
use serde_json::Value;

/// What is missing, with the document in which it should be.
pub fn problems() -> Vec<String> {
    let mut problems = options();
    problems.extend(reasons());
    let requests = REQUESTS.iter().map(|(name, _)| *name);
    problems.extend(missing("docs/mailbox.md", requests));
    let users: Vec<Document> = crate::for_users();
    let verbs = VERBS.into_iter().filter(|verb| {
        let shown = |text: &str| text.contains(&format!("sentinel {verb}"));
        !users.iter().any(|it| {
            it.code.iter().any(|line| shown(&line.text)) || it.spans().any(|(_, span)| shown(span))
        })
    });
    problems.extend(verbs.map(|verb| format!("no document shows sentinel {verb}")));
    problems
}

/// Each option of a run is in the first column of its table.
fn options() -> Vec<String> {
    let mut tree = Cli::command();
    tree.build();
    let longs =
        tree.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(clap::Arg::get_long);
    let table = read("docs/options.md");
    let rows: Vec<&str> = table
        .text
        .iter()
        .filter_map(|line| line.text.strip_prefix("| ")?.split(" |").next())
        .collect();
    let has = |long: &str| {
        let option = format!("--{long}");
        let words = |row: &&str| row.split(['`', ' ', ',']).any(|word| word == option);
        rows.iter().any(words)
    };
    longs
        .filter(|long| !has(long))
        .map(|long| format!("docs/options.md has no row for --{long}"))
        .collect()
}

/// Each reason of a post-mortem is in the guide.
fn reasons() -> Vec<String> {
    let schema = include_str!("../../docs/post-mortem.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let reasons = schema.pointer("/$defs/EndReason/oneOf").and_then(Value::as_array).unwrap();
    let reasons: Vec<&str> = reasons.iter().filter_map(|it| it["const"].as_str()).collect();
    assert!(reasons.len() > 10, "{reasons:?}");
    missing("docs/guide.md", reasons.into_iter())
}

fn missing<'a>(path: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let document = read(path);
    let is_there =
        |name: &str| document.spans().any(|(_, span)| span.split_whitespace().next() == Some(name));
    names
        .filter(|name| !is_there(name))
        .map(|name| format!("{path} does not name {name}"))
        .collect()
}
