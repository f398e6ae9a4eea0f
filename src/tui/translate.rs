//! What programs say to an xterm and the emulator (vt100 0.18) does not know, in words that it knows: line drawing, tabs, names
//! that a sequence also has. All else passes as it is. What is on the screen it does not know.

/// A sequence longer than this passes unread.
const MAX_SEQUENCE: usize = 64;
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

/// Keeps what is incomplete between two pieces of output, and which characters are drawn as lines.
#[derive(Debug, Default)]
pub struct Translator {
    state: State,
    sequence: Vec<u8>,
    out: Vec<u8>,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Csi,
    /// Too long to be read: until its end.
    Rest,
    /// OSC, DCS and their like: until BEL or ST.
    Payload,
}

impl Translator {
    /// Takes more of the command's output; gives it in pieces, in order.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(Piece<'_>)) {
        for byte in bytes {
            if let Some(tabs) = self.step(*byte) {
                sink(Piece::Bytes(&self.out));
                self.out.clear();
                sink(Piece::BackTab(tabs));
            }
        }
        sink(Piece::Bytes(&self.out));
        self.out.clear();
    }

    fn step(&mut self, byte: u8) -> Option<u16> {
        match (self.state, byte) {
            // CAN and SUB end any sequence, ESC begins another; in a payload it may be half of ST, which the emulator sees to.
            (State::Payload | State::Rest, 0x18 | 0x1a) => self.pass(byte),
            (_, 0x18 | 0x1a) => self.begin(State::Text),
            (State::Payload | State::Rest, 0x1b) => self.pass_and_begin(byte),
            (_, 0x1b) => self.begin(State::Escape),
            (State::Text, _) => self.text(byte),
            // Controls within a sequence are done at once (ECMA-48 leaves it open, terminals agree).
            (State::Escape | State::Csi, 0x00..=0x1f) => self.text(byte),
            (State::Escape, _) => self.escape(byte),
            (State::Csi, 0x40..=0x7e) => return self.csi(byte),
            (State::Csi, _) if self.sequence.len() < MAX_SEQUENCE => self.sequence.push(byte),
            (State::Csi, _) => self.give_up(byte),
            (State::Rest, 0x40..=0x7e) | (State::Payload, 0x07) => self.pass(byte),
            (State::Rest | State::Payload, _) => self.out.push(byte),
        }
        None
    }

    fn begin(&mut self, state: State) {
        self.sequence.clear();
        self.state = state;
    }

    fn pass(&mut self, byte: u8) {
        self.out.push(byte);
        self.begin(State::Text);
    }

    /// The emulator is in the middle of something that ESC ends: it has to see one, and gets a harmless whole (ST).
    fn pass_and_begin(&mut self, escape: u8) {
        self.out.extend_from_slice(&[escape, b'\\']);
        self.begin(State::Escape);
    }

    fn give_up(&mut self, byte: u8) {
        self.out.extend_from_slice(b"\x1b[");
        self.out.append(&mut self.sequence);
        self.out.push(byte);
        self.begin(State::Rest);
    }

    fn text(&mut self, byte: u8) {
        let Charsets { graphics, shifted } = self.charsets;
        match byte {
            0x0e => self.charsets.shifted = true,
            0x0f => self.charsets.shifted = false,
            b'`'..=b'~' if graphics[usize::from(shifted)] => {
                let drawn = GRAPHICS[usize::from(byte - b'`')];
                self.out.extend_from_slice(drawn.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => self.out.push(byte),
        }
    }

    fn escape(&mut self, byte: u8) {
        if let (0x20..=0x2f, true) = (byte, self.sequence.len() < MAX_SEQUENCE) {
            return self.sequence.push(byte);
        }
        let said: &[u8] = match (self.sequence.as_slice(), byte) {
            ([], b'[') => return self.begin(State::Csi),
            ([], b']' | b'P' | b'X' | b'^' | b'_') => {
                self.out.extend_from_slice(&[0x1b, byte]);
                return self.begin(State::Payload);
            }
            ([], b'D') => b"\n",
            ([], b'E') => b"\r\n",
            // Tab stops stay where they are; ST without anything to end is nothing.
            ([], b'H' | b'\\') => b"",
            ([b'('], _) => self.designate(0, byte),
            ([b')'], _) => self.designate(1, byte),
            ([b'*' | b'+'], _) => b"",
            ([], b'7') => self.save(),
            ([], b'8') => self.restore(),
            ([], b'c') => {
                self.charsets = Charsets::default();
                b"\x1bc"
            }
            (intermediates, _) => {
                self.out.push(0x1b);
                self.out.extend_from_slice(intermediates);
                self.out.push(byte);
                b""
            }
        };
        self.out.extend_from_slice(said);
        self.begin(State::Text);
    }

    fn designate(&mut self, set: usize, name: u8) -> &'static [u8] {
        self.charsets.graphics[set] = name == b'0';
        b""
    }

    fn save(&mut self) -> &'static [u8] {
        self.saved = self.charsets;
        b"\x1b7"
    }

    fn restore(&mut self) -> &'static [u8] {
        self.charsets = self.saved;
        b"\x1b8"
    }

    /// The end of `ESC [ …`; a number of tab stops to go back by.
    fn csi(&mut self, last: u8) -> Option<u16> {
        let number = std::str::from_utf8(&self.sequence).ok();
        let number = number.and_then(|text| text.parse::<u16>().ok()).unwrap_or(1).max(1);
        let mut tabs = None;
        let said: &[u8] = match (self.sequence.as_slice(), last) {
            ([] | [b'0'..=b'9', ..], b'Z') => {
                tabs = Some(number);
                b""
            }
            ([] | [b'0'..=b'9', ..], b'I') => {
                // More than any row has.
                self.out.extend(std::iter::repeat_n(b'\t', usize::from(number.min(100))));
                b""
            }
            ([], b's') | (b"?1048", b'h') => self.save(),
            ([], b'u') | (b"?1048", b'l') => self.restore(),
            (b"?1047", b'h') => b"\x1b[?47h",
            (b"?1047", b'l') => b"\x1b[?47l",
            // A soft reset: the cursor stays.
            (b"!", b'p') => {
                self.charsets = Charsets::default();
                b"\x1b7\x1b[?6l\x1b[r\x1b8\x1b[?25h\x1b[?1l\x1b>\x1b[m"
            }
            ([b'0'..=b'9', ..], b'm') if needs_words(&self.sequence) => {
                let said = colours(&self.sequence);
                self.out.extend_from_slice(&said);
                b""
            }
            (parameters, _) => {
                let last = match last {
                    b'a' => b'C',
                    b'e' => b'B',
                    other => other,
                };
                self.out.extend_from_slice(b"\x1b[");
                self.out.extend_from_slice(parameters);
                self.out.push(last);
                b""
            }
        };
        self.out.extend_from_slice(said);
        self.begin(State::Text);
        tabs
    }
}

/// Colons, and colours of the line under text: seldom.
fn needs_words(parameters: &[u8]) -> bool {
    parameters.contains(&b':') || parameters.windows(2).any(|two| two == b"58")
}

/// Colours and attributes (SGR) with neither a colour space nor a kind or a colour of the line under text (ITU T.416, 13.1.8).
fn colours(parameters: &[u8]) -> Vec<u8> {
    let mut words = parameters.split(|byte| *byte == b';');
    let mut known = Vec::new();
    while let Some(word) = words.next() {
        let parts: Vec<&[u8]> = word.split(|byte| *byte == b':').collect();
        match parts.as_slice() {
            [b"58"] => {
                let rest = if words.next() == Some(b"2") { 3 } else { 1 };
                words.by_ref().take(rest).for_each(drop);
            }
            [b"58", ..] => (),
            [b"4", b"0"] => known.push(b"24".to_vec()),
            [b"4", _] => known.push(b"4".to_vec()),
            [ground, b"2", _, red, green, blue, ..] => {
                known.push([*ground, b"2", red, green, blue].join(&b';'));
            }
            _ => known.push(word.to_vec()),
        }
    }
    match known.is_empty() {
        true => Vec::new(),
        false => [b"\x1b[", known.join(&b';').as_slice(), b"m"].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            "\x1b]0;title (0 lqk\x07text",
            "\x1b[>c\x1b[?12$p\x1b[6n\x1b=\x1bM\x1b#8",
        ] {
            assert_eq!(through(text.as_bytes()), text, "{text:?}");
        }
        assert_eq!(through(b"\x1bP+q544e\x1b\\text"), "\x1bP+q544e\x1b\\text");
        assert_eq!(through(b"\x1b[1\n0Cx"), "\n\x1b[10Cx");
        let long = format!("\x1b[{}mx", "1;".repeat(100));
        assert_eq!(through(long.as_bytes()), long);
    }

    proptest! {
        #[test]
        fn plain_text_is_untouched_and_nothing_is_held_back_for_long(bytes in prop::collection::vec(
            prop_oneof![Just(0x1b), Just(b'['), Just(b'('), Just(b']'), Just(0x18), any::<u8>()], 0..300)) {
            let mut translator = Translator::default();
            translator.feed(&bytes, |_| ());
            prop_assert!(translator.sequence.len() <= MAX_SEQUENCE && translator.out.is_empty());
            // CAN ends whatever it was, and then text is text.
            translator.feed(b"\x18\x0f\x1b(B", |_| ());
            let mut out = Vec::new();
            translator.feed(b"lqk", |piece| if let Piece::Bytes(bytes) = piece { out.extend_from_slice(bytes) });
            prop_assert_eq!(out, b"lqk");
        }
    }
}
