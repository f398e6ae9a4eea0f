//! `[[match]]` of a configuration file: settings of their own for some of those that `sentinel attach --each` guards, by name.

use super::from_text::from_text;
use super::values::{Span, TermSignal, ThrashSetting};
use crate::pattern::matches;
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
