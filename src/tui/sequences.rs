//! vte's parser of what is written to a terminal, fed so that how the output was cut is nothing that anybody sees: vte 0.15 loses a
//! character where a read ends within the one before it (alacritty/vte, issue 159), and single bytes have no end within them.

use std::fmt::{self, Write as _};
use vte::{Params, Perform};

/// Bytes kept of a title and its like. With `std`, which keeps them all, this does not compile.
const TITLE: usize = 64;

/// Between text and the end of a sequence; what is held there has a fixed size.
pub struct Sequences(vte::Parser<TITLE>);

impl Default for Sequences {
    fn default() -> Self {
        Sequences(vte::Parser::new_with_size())
    }
}

impl fmt::Debug for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequences").finish_non_exhaustive()
    }
}

impl Sequences {
    /// Tells `performer` what is in `bytes`, or ends there. A control character above 0x7f (C1) may come as text.
    pub fn feed(&mut self, bytes: &[u8], performer: &mut impl Perform) {
        // A character that began before ends with the first ASCII at the latest, and one that goes on begins after the last.
        let first = bytes.iter().position(u8::is_ascii).map_or(bytes.len(), |at| at + 1);
        let (head, rest) = bytes.split_at(first);
        let last = rest.iter().rposition(u8::is_ascii).map_or(0, |at| at + 1);
        let (middle, tail) = rest.split_at(last);
        head.chunks(1).chain([middle]).chain(tail.chunks(1)).for_each(|piece| {
            self.0.advance(performer, piece);
        });
    }
}

/// Writes the numbers of a sequence.
pub fn write_numbers(out: &mut String, params: &Params) {
    for (at, parts) in params.iter().enumerate() {
        out.push_str(if at > 0 { ";" } else { "" });
        write_number(out, parts);
    }
}

/// Writes one number, and those that belong to it.
pub fn write_number(out: &mut String, parts: &[u16]) {
    for (at, part) in parts.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}{part}", if at > 0 { ":" } else { "" });
    }
}

/// Output for tests: mostly beginnings of sequences and of characters, which random bytes alone hardly ever are.
#[cfg(test)]
pub fn hostile() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let piece = prop_oneof![
        3 => "\\x1b\\[[?>!]?[0-9:]{0,5}(;[0-9]{0,5}){0,3}[$ ]?[@A-Za-z`]".prop_map(String::into_bytes),
        1 => "\\x1b[()]?[0-9A-Za-z=>]".prop_map(String::into_bytes),
        1 => "\\x1b[\\]PX^_][a-z;é]{0,9}(\\x07|\\x1b\\\\)?".prop_map(String::into_bytes),
        2 => "[a-zßé漢字😀\u{301}\u{fe0f}\u{200d}\u{202e}\u{85}\u{9b}]{0,8}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![0x1bu8, b'[', b'?', 0x18, 0x9b, 0xc2, 0xe2, 0xf0, 0xff, b'\n']).prop_map(|byte| vec![byte]),
        1 => any::<Vec<u8>>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Said(String);

    impl Perform for Said {
        fn print(&mut self, character: char) {
            self.0.push(character);
        }
    }

    fn said(bytes: &[u8]) -> String {
        let (mut sequences, mut said) = (Sequences::default(), Said::default());
        sequences.feed(bytes, &mut said);
        said.0
    }

    proptest::proptest! {
        #[test]
        fn text_is_neither_lost_nor_added(bytes in proptest::collection::vec(0xa0u8.., 0..40), text in "[a-z][a-zß漢😀]{0,20}", length in 1usize..9) {
            let all = [text.as_bytes(), &bytes, text.as_bytes()].concat();
            proptest::prop_assert_eq!(said(&all), String::from_utf8_lossy(&all));
            let (mut sequences, mut pieces) = (Sequences::default(), Said::default());
            all.chunks(length).for_each(|piece| sequences.feed(piece, &mut pieces));
            proptest::prop_assert_eq!(pieces.0, String::from_utf8_lossy(&all));
        }
    }
}
