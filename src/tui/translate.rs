//! What programs say to an xterm and the emulator (vt100 0.18) does not know, in words that it knows: line drawing, tabs, names
//! that a sequence also has. All else passes as it is. What is on the screen it does not know.

use super::sequences::{Sequences, write_number, write_numbers};
use std::fmt::Write as _;
use vte::{Params, Perform};

/// DEC Special Graphics from '`' on (VT220 Programmer Reference Manual, table 2-4).
const GRAPHICS: [char; 31] = [
    '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─', '⎼',
    '⎽', '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
];

/// Some of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// For the emulator.
    Bytes(&'b [u8]),
    /// Back by so many tab stops (CBT).
    BackTab(u16),
}

/// Keeps what is incomplete between two pieces of output.
#[derive(Debug, Default)]
pub struct Translator {
    sequences: Sequences,
    said: Emitted,
}

/// What to say to the emulator, and which characters are drawn as lines.
#[derive(Debug, Default)]
struct Emitted {
    out: String,
    /// Tab stops to go back by, each with how much was said before.
    backs: Vec<(usize, u16)>,
    charsets: Charsets,
    /// As DECSC left them.
    saved: Charsets,
}

/// Whether G0 and G1 are line drawing, and which of them is in use.
#[derive(Clone, Copy, Debug, Default)]
struct Charsets {
    graphics: [bool; 2],
    shifted: bool,
}

impl Translator {
    /// Takes more of the command's output; gives it in pieces, in order, none of which ends within a character or a sequence.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(Piece<'_>)) {
        let (said, mut from) = (&mut self.said, 0);
        self.sequences.feed(bytes, said);
        for (to, tabs) in said.backs.drain(..) {
            sink(Piece::Bytes(&said.out.as_bytes()[from..to]));
            sink(Piece::BackTab(tabs));
            from = to;
        }
        sink(Piece::Bytes(&said.out.as_bytes()[from..]));
        said.out.clear();
    }
}

impl Perform for Emitted {
    fn print(&mut self, character: char) {
        let Charsets { graphics, shifted } = self.charsets;
        self.out.push(match character {
            '`'..='~' if graphics[usize::from(shifted)] => {
                GRAPHICS[character as usize - '`' as usize]
            }
            _ => character,
        });
    }

    /// Within a sequence too, at once (ECMA-48 leaves it open, terminals agree).
    fn execute(&mut self, byte: u8) {
        match byte {
            0x0e => self.charsets.shifted = true,
            0x0f => self.charsets.shifted = false,
            _ => self.out.push(char::from(byte)),
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, last: u8) {
        match (intermediates, last) {
            ([], b'D') => self.out.push('\n'),
            ([], b'E') => self.out.push_str("\r\n"),
            // Tab stops stay where they are; the end of a title and its like has none here.
            ([], b'H' | b'\\') | ([b'*' | b'+'], _) => (),
            ([b'('], _) => self.charsets.graphics[0] = last == b'0',
            ([b')'], _) => self.charsets.graphics[1] = last == b'0',
            ([], b'7') => self.save(),
            ([], b'8') => self.restore(),
            (_, _) => {
                if (intermediates, last) == (&[], b'c') {
                    self.charsets = Charsets::default();
                }
                self.out.push('\x1b');
                self.out.extend(intermediates.iter().chain([&last]).copied().map(char::from));
            }
        }
    }

    /// What is beyond vte's 32 numbers goes unsaid, and the rest is said, as the emulator would have it.
    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _: bool, last: char) {
        let number = params.iter().next().and_then(|word| word.first()).map_or(1, |n| (*n).max(1));
        match (intermediates, params.len(), number, last) {
            ([], _, tabs, 'Z') => self.backs.push((self.out.len(), tabs)),
            // More than any row has.
            ([], _, tabs, 'I') => {
                self.out.extend(std::iter::repeat_n('\t', usize::from(tabs.min(100))))
            }
            ([], 1, 1, 's') | ([b'?'], 1, 1048, 'h') => self.save(),
            ([], 1, 1, 'u') | ([b'?'], 1, 1048, 'l') => self.restore(),
            ([b'?'], 1, 1047, 'h' | 'l') => _ = write!(self.out, "\x1b[?47{last}"),
            // A soft reset: the cursor stays.
            ([b'!'], _, _, 'p') => {
                self.charsets = Charsets::default();
                self.out.push_str("\x1b7\x1b[?6l\x1b[r\x1b8\x1b[?25h\x1b[?1l\x1b>\x1b[m");
            }
            ([], _, _, 'm') => self.colours(params),
            ([], _, _, 'a') => self.sequence(params, &[], 'C'),
            ([], _, _, 'e') => self.sequence(params, &[], 'B'),
            _ => self.sequence(params, intermediates, last),
        }
    }
}

impl Emitted {
    fn save(&mut self) {
        self.saved = self.charsets;
        self.out.push_str("\x1b7");
    }

    fn restore(&mut self) {
        self.charsets = self.saved;
        self.out.push_str("\x1b8");
    }

    fn sequence(&mut self, params: &Params, intermediates: &[u8], last: char) {
        let private = intermediates.iter().take_while(|byte| (b'<'..=b'?').contains(*byte)).count();
        let (before, after) = intermediates.split_at(private);
        self.out.push_str("\x1b[");
        self.out.extend(before.iter().copied().map(char::from));
        // Zero is what is meant where nothing is said.
        if params.iter().ne([&[0]]) {
            write_numbers(&mut self.out, params);
        }
        self.out.extend(after.iter().copied().map(char::from));
        self.out.push(last);
    }

    /// Colours and attributes (SGR) with neither a colour space nor a kind or a colour of the line under text (ITU T.416, 13.1.8).
    fn colours(&mut self, params: &Params) {
        let mut words = params.iter();
        let mut known = String::new();
        while let Some(parts) = words.next() {
            let mut know = |parts: &[u16]| {
                known.push(';');
                write_number(&mut known, parts);
            };
            match parts {
                [58, _, ..] => (),
                // The kind of a colour and the colour are words of their own here.
                [ground @ (38 | 48 | 58)] => {
                    let kind = words.next();
                    let length = if kind == Some(&[2]) { 3 } else { 1 };
                    let colour = kind.into_iter().chain(words.by_ref().take(length));
                    let all = [parts].into_iter().chain(colour);
                    match ground {
                        58 => all.for_each(drop),
                        _ => all.for_each(know),
                    }
                }
                [4, 0] => know(&[24]),
                [4, _] => know(&[4]),
                [ground, 2, _, red, green, blue, ..] => {
                    [ground, &2, red, green, blue].into_iter().for_each(|part| know(&[*part]));
                }
                _ => know(parts),
            }
        }
        if let Some(known) = known.strip_prefix(';') {
            // Writing to a String cannot fail.
            let _ = write!(self.out, "\x1b[{known}m");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sequences::hostile;
    use proptest::prelude::*;

    fn through(text: &[u8]) -> String {
        let mut translator = Translator::default();
        let mut out = Vec::new();
        // Byte by byte, as a slow program writes.
        for byte in text {
            translator.feed(&[*byte], |piece| match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::BackTab(tabs) => out.extend_from_slice(format!("<{tabs} back>").as_bytes()),
            });
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn lines_are_drawn_as_lines_while_asked_for() {
        assert_eq!(through(b"q\x1b(0lqk\x1b(Bq"), "q┌─┐q");
        assert_eq!(through(b"\x1b)0q\x0eq\x0fq"), "q─q");
        assert_eq!(through(b"\x1b(0\x1b7\x1b(Bq\x1b8q"), "\x1b7q\x1b8─");
        assert_eq!(through(b"\x1b(0\x1bcq"), "\x1bcq");
        assert_eq!(through("\x1b(0ßx漢".as_bytes()), "ß│漢");
    }

    #[test]
    fn what_has_another_name_gets_it() {
        for (said, expected) in [
            ("a\x1bDb\x1bEc", "a\nb\r\nc"),
            ("\x1b[s\x1b[u", "\x1b7\x1b8"),
            ("\x1b[?1047h\x1b[?1048l", "\x1b[?47h\x1b8"),
            ("\x1b[3I|\x1b[2Z|\x1b[Z", "\t\t\t|<2 back>|<1 back>"),
            ("\x1b[5a\x1b[e", "\x1b[5C\x1b[B"),
            ("a\x1bHb", "ab"),
            ("\x1b[1;38:2::1:2:3;4:3m", "\x1b[1;38;2;1;2;3;4m"),
            ("\x1b[58;2;9;0;0;7m\x1b[58:5:9ma\x1b[4:0;58;5;1m", "\x1b[7ma\x1b[24m"),
        ] {
            assert_eq!(through(said.as_bytes()), expected, "{said:?}");
        }
    }

    #[test]
    fn all_else_passes_as_it_is() {
        for text in [
            "größe 漢字 \u{1f600}\r\n\t\x08",
            "\x1b[38;2;1;2;3mx\x1b[0m\x1b[38:5:200m",
            "\x1b[?1049h\x1b[2J\x1b[H\x1b[3;4H\x1b[?2004h",
            "\x1b[38;5;58;48;2;58;58;4mx",
            "\x1b[>c\x1b[?12$p\x1b[6n\x1b=\x1bM\x1b#8",
        ] {
            assert_eq!(through(text.as_bytes()), text, "{text:?}");
        }
        assert_eq!(through(b"\x1b[1\n0Cx"), "\n\x1b[10Cx");
    }

    #[test]
    fn what_is_for_no_screen_goes_unsaid() {
        assert_eq!(through(b"\x1b]0;title (0 lqk\x07text"), "text");
        assert_eq!(through(b"\x1bP+q544e\x1b\\text"), "text");
        assert_eq!(
            through(format!("\x1b[{}mx", "1;".repeat(100)).as_bytes()),
            format!("\x1b[{}1mx", "1;".repeat(31))
        );
    }

    proptest! {
        #[test]
        fn plain_text_is_untouched_and_nothing_is_held_back_for_long(bytes in hostile()) {
            let mut translator = Translator::default();
            translator.feed(&bytes, |_| ());
            prop_assert!(translator.said.out.is_empty());
            // CAN ends whatever it was, and then text is text.
            translator.feed(b"\x18\x0f\x1b(B", |_| ());
            let mut out = Vec::new();
            translator.feed(b"lqk", |piece| if let Piece::Bytes(bytes) = piece { out.extend_from_slice(bytes) });
            prop_assert_eq!(out, b"lqk");
        }
    }
}
