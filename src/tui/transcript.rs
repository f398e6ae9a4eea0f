//! What the command wrote, kept for the normal screen after the dashboard has gone: the last 256 KiB of it as text, line controls and
//! colours. Whatever moves the cursor, changes a mode or sets a title is left out, and the first such noted.

use super::pane::Pane;
use std::collections::VecDeque;

/// Bytes kept.
pub const KEPT: usize = 256 * 1024;
const MAX_SEQUENCE: usize = 64;

/// A filter over the raw output, and the end of what went through.
#[derive(Debug, Default)]
pub struct Transcript {
    tail: VecDeque<u8>,
    left_out: u64,
    addressed: bool,
    state: State,
    sequence: Vec<u8>,
    continuation: u8,
    held: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// An escape sequence with an intermediate byte: one more byte ends it.
    Intermediate,
    Csi,
    /// OSC, DCS and their like: until BEL or ST.
    Payload,
}

impl Transcript {
    /// Takes more of the command's output.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    /// True once the command used the alternate screen or placed the cursor: then lines are not what was seen.
    pub fn is_addressed(&self) -> bool {
        self.addressed
    }

    /// What to write, from a line's start on, and how many bytes went before it.
    pub fn text(&self) -> (Vec<u8>, u64) {
        let mut tail: Vec<u8> = self.tail.iter().copied().collect();
        let mut left_out = self.left_out;
        if left_out > 0 {
            let start = tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            tail.drain(..start);
            left_out += start as u64;
        }
        (tail, left_out)
    }

    fn keep(&mut self, byte: u8) {
        if self.tail.len() == KEPT {
            self.tail.pop_front();
            self.left_out += 1;
        }
        self.tail.push_back(byte);
    }

    fn step(&mut self, byte: u8) {
        match (self.state, byte) {
            // CAN and SUB end any sequence, ESC begins another.
            (_, 0x18 | 0x1a) => self.state = State::Text,
            (_, 0x1b) => self.begin(State::Escape),
            (State::Text, _) => self.text_step(byte),
            (State::Escape, _) => self.escape_step(byte),
            (State::Intermediate, 0x20..=0x2f) => (),
            (State::Intermediate, _) => self.state = State::Text,
            (State::Csi, 0x40..=0x7e) => self.csi_end(byte),
            (State::Csi, _) if self.sequence.len() < MAX_SEQUENCE => self.sequence.push(byte),
            (State::Csi, _) => self.begin(State::Text),
            (State::Payload, 0x07) => self.state = State::Text,
            (State::Payload, _) => (),
        }
    }

    fn begin(&mut self, state: State) {
        self.sequence.clear();
        self.continuation = 0;
        self.held = false;
        self.state = state;
    }

    fn text_step(&mut self, byte: u8) {
        // U+0080..U+009F are control characters too, in UTF-8 (0xc2 first) as well as bare.
        let control = (0x80..=0x9f).contains(&byte);
        if std::mem::take(&mut self.held) {
            match byte {
                _ if control => return,
                0xa0..=0xbf => self.lead(0xc2, 1),
                _ => (),
            }
        }
        match byte {
            0xc2 => (self.held, self.continuation) = (true, 0),
            0xc3..=0xdf => self.lead(byte, 1),
            0xe0..=0xef => self.lead(byte, 2),
            0xf0..=0xf4 => self.lead(byte, 3),
            0x80..=0xbf if self.continuation > 0 => self.lead(byte, self.continuation - 1),
            b'\n' | b'\r' | b'\t' | 0x08 | 0x20..=0x7e | 0xa0.. => self.lead(byte, 0),
            0x00..=0x1f | 0x7f | 0x80..=0x9f => self.continuation = 0,
        }
    }

    fn lead(&mut self, byte: u8, continuation: u8) {
        self.keep(byte);
        self.continuation = continuation;
    }

    fn escape_step(&mut self, byte: u8) {
        self.state = match byte {
            b'[' => State::Csi,
            b']' | b'P' | b'X' | b'^' | b'_' => State::Payload,
            0x20..=0x2f => State::Intermediate,
            _ => State::Text,
        };
        // Save and restore the cursor, index, next line, reverse index, reset.
        self.addressed |= matches!(byte, b'7' | b'8' | b'D' | b'E' | b'M' | b'c');
    }

    fn csi_end(&mut self, last: u8) {
        let private = self.sequence.first().is_some_and(|byte| (b'<'..=b'?').contains(byte));
        let simple = self.sequence.iter().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'));
        match last {
            b'm' | b'K' if simple => {
                let sequence = std::mem::take(&mut self.sequence);
                [b"\x1b[", sequence.as_slice(), &[last]]
                    .concat()
                    .into_iter()
                    .for_each(|b| self.keep(b));
            }
            b'h' | b'l' if private => self.addressed |= is_other_screen(&self.sequence[1..]),
            b'@'..=b'J'
            | b'L'
            | b'M'
            | b'P'
            | b'S'
            | b'T'
            | b'X'
            | b'`'
            | b'a'
            | b'd'..=b'f'
            | b'r'
            | b's'
            | b'u'
                if simple =>
            {
                self.addressed = true;
            }
            _ => (),
        }
        self.begin(State::Text);
    }
}

/// The private modes that change the screen or save the cursor (xterm: 47, 1047, 1048, 1049).
fn is_other_screen(parameters: &[u8]) -> bool {
    let mut numbers = parameters.split(|byte| *byte == b';');
    numbers.any(|number| matches!(number, b"47" | b"1047" | b"1048" | b"1049"))
}

/// What to leave on the normal screen: what the command wrote, or its screen as text where it placed the cursor; a line about what is
/// left out first, colours reset and a line's end last. Empty when nothing was written.
pub fn farewell(transcript: &Transcript, pane: &Pane, logged: bool) -> Vec<u8> {
    let (text, note) = match transcript.is_addressed() {
        true => {
            (pane.text().into_bytes(), pane.is_full().then(|| "earlier lines left out".to_owned()))
        }
        false => {
            let (text, left_out) = transcript.text();
            let note =
                (left_out > 0).then(|| format!("{left_out} bytes of earlier output left out"));
            (text, note)
        }
    };
    if text.is_empty() {
        return text;
    }
    let all = if logged { "the log has all of it" } else { "--log FILE keeps all of it" };
    let note = note.map_or(String::new(), |note| format!("[{note}; {all}]\n"));
    let end: &[u8] = if text.ends_with(b"\n") { b"\x1b[0m" } else { b"\x1b[0m\n" };
    [note.as_bytes(), &text, end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(bytes: &[u8]) -> (String, bool) {
        let mut transcript = Transcript::default();
        transcript.push(bytes);
        let (text, _) = transcript.text();
        (String::from_utf8_lossy(&text).into_owned(), transcript.is_addressed())
    }

    #[test]
    fn text_colours_and_progress_stay() {
        for text in ["größe €\u{1f600}\r\n", "\x1b[1;31mred\x1b[0m", " 5%\r\x1b[K10%", "a\x08b\tc"]
        {
            assert_eq!(through(text.as_bytes()), (text.to_owned(), false));
        }
    }

    #[test]
    fn titles_modes_and_queries_go_without_notice() {
        for text in [
            "\x1b]0;title\x07",
            "\x1b]8;;http://x\x1b\\",
            "\x1b[?25l",
            "\x1b[?2004h",
            "\x1b[6n",
            "\x07",
            "\u{9b}",
            "\x1b(B",
            "\x1bPq#\x1b\\",
            "\x1b[?1000h",
            "\x1b[>4;2m",
            "\x1b=",
            "\x0e",
        ] {
            assert_eq!(
                through(format!("a{text}b").as_bytes()),
                ("ab".to_owned(), false),
                "{text:?}"
            );
        }
    }

    #[test]
    fn placing_the_cursor_is_noted() {
        for text in [
            "\x1b[2J",
            "\x1b[H",
            "\x1b[A",
            "\x1b[3;4f",
            "\x1b[?1049h",
            "\x1b[?25;1049l",
            "\x1b7",
            "\x1bc",
            "\x1b[2;5r",
            "\x1b[1P",
        ] {
            assert_eq!(through(text.as_bytes()), (String::new(), true), "{text:?}");
        }
    }

    #[test]
    fn the_end_is_kept_from_a_line_start_on() {
        let mut transcript = Transcript::default();
        let line = format!("{}\n", "x".repeat(99));
        for _ in 0..3000 {
            transcript.push(line.as_bytes());
        }
        let (text, left_out) = transcript.text();
        assert_eq!(text.len() % 100, 0);
        assert!(text.len() <= KEPT && text.len() > KEPT - 100);
        assert_eq!(text.len() as u64 + left_out, 300_000);
    }

    fn left(bytes: &[u8]) -> String {
        let (mut transcript, mut pane) = (Transcript::default(), Pane::new(5, 20));
        transcript.push(bytes);
        let _ = pane.feed(bytes);
        String::from_utf8(farewell(&transcript, &pane, false)).unwrap()
    }

    #[test]
    fn what_is_left_ends_with_a_line_and_no_colour() {
        assert_eq!(left(b""), "");
        assert_eq!(left(b"a\x1b[31mb"), "a\x1b[31mb\x1b[0m\n");
        assert_eq!(left(b"a\r\n"), "a\r\n\x1b[0m");
        assert_eq!(left(b"\x1b[2Ja\x1b[3;2Hb\x1b[?25l"), "a\n\n b\x1b[0m\n");
        let long = left(&b"0123456789\n".repeat(30_000));
        assert!(
            long.starts_with("[67")
                && long.contains(
                    " bytes of earlier output left out; --log FILE keeps all of it]\n0123456789\n"
                )
        );
        let scrolled = left(&[b"\x1b[H".as_slice(), &b"x\r\n".repeat(3000)].concat());
        assert!(
            scrolled.starts_with("[earlier lines left out; --log FILE keeps all of it]\nx\n"),
            "{:?}",
            &scrolled[..40]
        );
    }

    proptest! {
        #[test]
        fn only_colours_and_line_controls_get_through(bytes in prop::collection::vec(
            prop_oneof![Just(0x1b), Just(b'['), Just(b'?'), Just(0xc2), any::<u8>()], 0..400)) {
            let mut transcript = Transcript::default();
            transcript.push(&bytes);
            let (text, _) = transcript.text();
            let mut again = Transcript::default();
            again.push(&text);
            prop_assert_eq!(&again.text().0, &text);
            prop_assert!(!again.is_addressed());
        }
    }
}
