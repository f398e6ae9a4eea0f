//! The words that a request may begin with, and which of them was probably meant. Pure.

use crate::nearest::nearest;

/// First words, as in the help.
pub(super) const VERBS: [&str; 16] = [
    "ping",
    "status",
    "ps",
    "limits",
    "events",
    "metrics",
    "wards",
    "watch",
    "set",
    "signal",
    "freeze",
    "thaw",
    "terminate",
    "kill",
    "detach",
    "help",
];

/// What `set` sets.
pub const SETTINGS: [&str; 4] = ["memory", "grace", "timeout", "pids"];

/// Words of other tools for the same things.
const SYNONYMS: [(&str, &str); 13] = [
    ("stop", "terminate"),
    ("term", "terminate"),
    ("quit", "terminate"),
    ("release", "detach"),
    ("pause", "freeze"),
    ("resume", "thaw"),
    ("continue", "thaw"),
    ("top", "watch"),
    ("info", "status"),
    ("state", "status"),
    ("log", "events"),
    ("processes", "ps"),
    ("limit", "limits"),
];

/// The verb that `word` (lower case) probably meant.
pub(super) fn nearest_verb(word: &str) -> Option<String> {
    if let Some((_, verb)) = SYNONYMS.iter().find(|(other, _)| *other == word) {
        return Some((*verb).to_owned());
    }
    match (nearest(word, &VERBS), nearest(word, &SETTINGS)) {
        (Some((verb, far)), Some((_, farther))) if far <= farther => Some(verb.to_owned()),
        (_, Some((setting, _))) => Some(format!("set {setting}")),
        (Some((verb, _)), None) => Some(verb.to_owned()),
        (None, None) => None,
    }
}

/// The setting that `word` (lower case) probably meant.
pub(super) fn nearest_setting(word: &str) -> Option<&'static str> {
    nearest(word, &SETTINGS).map(|(setting, _)| setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_their_verb() {
        for (typed, meant) in [
            ("stauts", "status"),
            ("statu", "status"),
            ("termiante", "terminate"),
            ("term", "terminate"),
            ("kil", "kill"),
            ("hlep", "help"),
            ("pss", "ps"),
            ("memory", "set memory"),
            ("grace", "set grace"),
            ("timeuot", "set timeout"),
            ("stop", "terminate"),
        ] {
            assert_eq!(nearest_verb(typed).as_deref(), Some(meant), "{typed}");
        }
    }

    #[test]
    fn the_command_line_offers_the_same() {
        let offered: Vec<&str> = crate::cli::REQUESTS.iter().map(|(verb, _)| *verb).collect();
        assert_eq!(offered, VERBS);
    }

    #[test]
    fn other_words_find_none() {
        for typed in ["", "xyzzy", "http/1.1", "statusstatusstatus", "привет", "q"] {
            assert_eq!(nearest_verb(typed), None, "{typed}");
        }
        assert_eq!(nearest_setting("memroy"), Some("memory"));
        assert_eq!(nearest_setting("colour"), None);
    }
}
