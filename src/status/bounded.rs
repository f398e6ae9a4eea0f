//! Reads a list of words of which only the beginning is kept. An answer may be long and made of a hundred thousand empty words, each
//! of which would cost more than its text; whoever listens to other users' guardians has a bounded memory.

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::fmt;

/// What is kept: so many words, and so much text.
const MOST_WORDS: usize = 4096;
const MOST_TEXT: usize = 64 << 10;

/// For `deserialize_with`.
pub(super) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_seq(Words)
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Vec<String>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a list of words")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let (mut words, mut left) = (Vec::new(), MOST_TEXT);
        while words.len() < MOST_WORDS && left > 0 {
            let Some(word) = list.next_element::<String>()? else { return Ok(words) };
            left = left.saturating_sub(word.len() + 1);
            words.push(word);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Deserializer;

    fn read(text: &str) -> Vec<String> {
        super::words(&mut Deserializer::from_str(text)).unwrap()
    }

    #[test]
    fn the_beginning_is_kept() {
        assert_eq!(read(r#"["a","","b c"]"#), ["a", "", "b c"]);
        let many = format!("[{}\"z\"]", "\"\",".repeat(100_000));
        assert_eq!(read(&many).len(), super::MOST_WORDS);
        let long = format!("[\"{}\",\"b\"]", "x".repeat(100_000));
        assert_eq!(read(&long).len(), 1);
    }
}
