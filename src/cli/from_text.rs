//! Values of a configuration file as they would be read from the command line.

use serde::Deserialize;
use serde::de::Deserializer;
use std::fmt;
use std::str::FromStr;

/// A value of a configuration file may be a string or a number; both mean what they would as an option.
pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        String(String),
        Integer(i64),
        Float(f64),
    }
    let text = match Text::deserialize(deserializer)? {
        Text::String(text) => text,
        Text::Integer(number) => number.to_string(),
        Text::Float(number) => number.to_string(),
    };
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
