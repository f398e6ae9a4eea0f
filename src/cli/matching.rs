//! `[[match]]` of a configuration file: settings of their own for some of those that `sentinel attach --each` guards, by name.

use super::from_text::from_text;
use super::values::{Span, TermSignal, ThrashSetting};
use crate::units::{Bytes, Percent, Size};
use crate::workload::kill_mode::KillMode;
use serde::Deserialize;

/// One of them. What it does not say is as for all others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MatchRule {
    /// Names that it is for; `*` is any number of characters, `?` one.
    pub name: String,
    /// As the option.
    #[serde(deserialize_with = "from_text")]
    pub memory: Option<Size>,
    /// As the option.
    #[serde(deserialize_with = "from_text")]
    pub headroom: Option<Bytes>,
    /// As the option.
    #[serde(deserialize_with = "from_text")]
    pub grace: Option<Span>,
    /// As the option.
    #[serde(deserialize_with = "from_text")]
    pub term_signal: Option<TermSignal>,
    /// As the option.
    #[serde(deserialize_with = "from_text")]
    pub kill_mode: Option<KillMode>,
    /// As the option.
    #[serde(deserialize_with = "from_text")]
    pub warn_at: Option<Percent>,
    /// As the option.
    #[serde(deserialize_with = "from_text")]
    pub thrash: Option<ThrashSetting>,
    /// These are not guarded at all.
    pub ignore: bool,
}

impl MatchRule {
    /// Whether it is for this name.
    pub fn is_for(&self, name: &str) -> bool {
        matches(self.name.as_bytes(), name.as_bytes())
    }
}

/// Takes the name a character at a time; behind the last `*` the pattern begins anew, one character later each time.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star = None;
    while place < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, place));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == name[place] => {
                (at, place) = (at + 1, place + 1);
            }
            Some(_) | None => {
                let Some((behind, from)) = star else { return false };
                star = Some((behind, from + 1));
                (at, place) = (behind, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, yes, no) in [
            ("web-*", &["web-1.service", "web-"][..], &["web", "the-web-1"][..]),
            ("*.scope", &["a.scope", ".scope"], &["scope", "a.scope.x"]),
            ("w?b", &["web", "wxb"], &["wb", "weeb"]),
            ("*a*b*", &["ab", "xaybz", "aabb"], &["ba", "a"]),
            ("*", &["", "x"], &[]),
            ("", &[], &["x"]),
        ] {
            let is = |name: &&str| matches(pattern.as_bytes(), name.as_bytes());
            assert!(yes.iter().all(is) && !no.iter().any(is), "{pattern}");
        }
    }
}
