//! Which of the files that we write one is, for whoever gave it where another was wanted. Pure.

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// A kind of file that a person gets from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// What `--json` writes.
    Record,
    /// What `--record` writes.
    Trace,
    /// What `sentinel report` shows.
    PostMortem,
    /// What `sentinel report --html` prints.
    Page,
    /// What `sentinel metrics` serves.
    Metrics,
    /// The ledger beside the post-mortems.
    Ledger,
    /// What a key of the dashboard saves.
    Snapshot,
}

/// By these one is known; all of them are near the beginning.
const MOST_KEYS: usize = 8;

impl FileKind {
    /// By how it begins. `None` for what is none of ours.
    pub fn of(beginning: &[u8]) -> Option<FileKind> {
        if beginning.starts_with(b"<!DOCTYPE html>") {
            return Some(FileKind::Page);
        } else if beginning.starts_with(b"# HELP sentinel_") {
            return Some(FileKind::Metrics);
        }
        let mut keys = Vec::new();
        // Of a file of which only the beginning is here those count that were read.
        let _ = serde_json::Deserializer::from_slice(beginning).deserialize_map(Keys(&mut keys));
        let all = |wanted: &[&str]| wanted.iter().all(|key| keys.iter().any(|found| found == key));
        match () {
            () if all(&["sentinel-trace"]) => Some(FileKind::Trace),
            () if all(&["schema", "outcome"]) => Some(FileKind::Record),
            () if all(&["schema", "run", "verdict"]) => Some(FileKind::PostMortem),
            () if all(&["schema", "ends"]) => Some(FileKind::Ledger),
            () if all(&["saved_unix_ms", "status"]) => Some(FileKind::Snapshot),
            () => None,
        }
    }

    /// What it is and what to do with it, where `wanted` was wanted. What to do instead is only told of what has no use of its own.
    pub fn told_instead_of(self, wanted: Option<FileKind>, otherwise: &str) -> Option<String> {
        let (what, use_it) = match self {
            FileKind::Record => ("the record of a run (--json)", None),
            FileKind::Trace => ("a trace (--record)", Some("show it with sentinel replay")),
            FileKind::PostMortem => ("a post-mortem", Some("show it with sentinel report")),
            FileKind::Page => ("a page for browsers", None),
            FileKind::Metrics => ("a page of metrics", None),
            FileKind::Ledger => ("the ledger of ended runs, for sentinel metrics", None),
            FileKind::Snapshot => ("what the dashboard saved of a run that went on", None),
        };
        let way_out = use_it.unwrap_or(otherwise);
        (wanted != Some(self)).then(|| format!("it is {what}: {way_out}"))
    }
}

/// Collects the keys of an object, as far as it is whole.
struct Keys<'a>(&'a mut Vec<String>);

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while self.0.len() < MOST_KEYS
            && let Some(key) = map.next_key()?
        {
            self.0.push(key);
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_beginning() {
        for (text, kind) in [
            ("{\n \"schema\": 1,\n \"outcome\": {\"ended_by\": \"com", Some(FileKind::Record)),
            ("{\"outcome\":{},\"schema\":1}", Some(FileKind::Record)),
            ("{\"sentinel-trace\":1,\"version\":\"1\"}\n{\"t\":1}\n", Some(FileKind::Trace)),
            ("{\"schema\":1,\"version\":\"\",\"run\":{},\"verdict\":{", Some(FileKind::PostMortem)),
            ("{\"schema\":1,\"ends\":[]}", Some(FileKind::Ledger)),
            ("<!DOCTYPE html>\n<html", Some(FileKind::Page)),
            ("# HELP sentinel_build_info x", Some(FileKind::Metrics)),
            ("{\"schema\":1}", None),
            ("[\"sentinel-trace\"]", None),
            ("memory = \"1G\"", None),
            ("", None),
        ] {
            assert_eq!(FileKind::of(text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn what_was_wanted_is_not_told() {
        let told = |kind: FileKind| kind.told_instead_of(Some(FileKind::Trace), "write one");
        assert_eq!(told(FileKind::Trace), None);
        let record = "it is the record of a run (--json): write one";
        assert_eq!(told(FileKind::Record).as_deref(), Some(record));
        let post_mortem = "it is a post-mortem: show it with sentinel report";
        assert_eq!(told(FileKind::PostMortem).as_deref(), Some(post_mortem));
    }
}
