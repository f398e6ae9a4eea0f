//! The words that a request may begin with, and which of them was probably meant. Pure.

/// First words, as in the help.
pub(super) const VERBS: [&str; 14] = [
    "ping",
    "status",
    "ps",
    "limits",
    "events",
    "metrics",
    "watch",
    "set",
    "signal",
    "freeze",
    "thaw",
    "terminate",
    "kill",
    "help",
];

/// What `set` sets.
pub(super) const SETTINGS: [&str; 3] = ["memory", "grace", "pids"];

/// Words of other tools for the same things.
const SYNONYMS: [(&str, &str); 12] = [
    ("stop", "terminate"),
    ("term", "terminate"),
    ("quit", "terminate"),
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

/// Longer words are no typing mistakes, and the distance is quadratic.
const LONGEST: usize = 16;

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

/// The candidate at the smallest distance, and the distance, unless nearly everything would have to change.
fn nearest(word: &str, candidates: &[&'static str]) -> Option<(&'static str, usize)> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let far = |candidate: &str| (distance(word, candidate), candidate.len());
    let (best, (changes, length)) =
        candidates.iter().map(|c| (*c, far(c))).min_by_key(|(_, (changes, _))| *changes)?;
    let unfinished = word.len() >= 2 && best.starts_with(word);
    (changes <= 2 && changes * 2 <= length || unfinished).then_some((best, changes))
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i; to.len() + 1];
        for j in 1..=to.len() {
            let same = usize::from(from[i - 1] != to[j - 1]);
            row[j] = (above[j - 1] + same).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
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
            ("stop", "terminate"),
        ] {
            assert_eq!(nearest_verb(typed).as_deref(), Some(meant), "{typed}");
        }
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
