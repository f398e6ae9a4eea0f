//! What the command wrote, kept for the normal screen after the dashboard has gone: the last 256 KiB of it as text, line controls and
//! colours. Whatever moves the cursor, changes a mode or sets a title is left out, and the first such noted.

use super::pane::Pane;
use super::sequences::{Sequences, write_numbers};
use std::collections::VecDeque;
use vte::{Params, Perform};

/// Bytes kept.
pub const KEPT: usize = 256 * 1024;

/// A filter over the raw output, and the end of what went through.
#[derive(Debug, Default)]
pub struct Transcript {
    sequences: Sequences,
    kept: KeptText,
}

#[derive(Debug, Default)]
struct KeptText {
    tail: VecDeque<u8>,
    left_out: u64,
    addressed: bool,
}

impl Transcript {
    /// Takes more of the command's output.
    pub fn push(&mut self, bytes: &[u8]) {
        self.sequences.feed(bytes, &mut self.kept);
    }

    /// True once the command used the alternate screen or placed the cursor: then lines are not what was seen.
    pub fn is_addressed(&self) -> bool {
        self.kept.addressed
    }

    /// What to write, from a line's start on, and how many bytes went before it. What is no UTF-8 is in it as U+FFFD.
    pub fn text(&self) -> (Vec<u8>, u64) {
        let mut tail: Vec<u8> = self.kept.tail.iter().copied().collect();
        let mut left_out = self.kept.left_out;
        if left_out > 0 {
            let start = tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            tail.drain(..start);
            left_out += start as u64;
        }
        (tail, left_out)
    }
}

impl KeptText {
    fn keep(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.tail.len() == KEPT {
                self.tail.pop_front();
                self.left_out += 1;
            }
            self.tail.push_back(byte);
        }
    }
}

impl Perform for KeptText {
    fn print(&mut self, character: char) {
        if !character.is_control() {
            self.keep(character.encode_utf8(&mut [0; 4]));
        }
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\n' | b'\r' | b'\t' | 0x08) {
            self.keep(char::from(byte).encode_utf8(&mut [0; 1]));
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, last: u8) {
        // Save and restore the cursor, index, next line, reverse index, reset.
        self.addressed |=
            intermediates.is_empty() && matches!(last, b'7' | b'8' | b'D' | b'E' | b'M' | b'c');
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], cut: bool, last: char) {
        match (intermediates, last) {
            ([], 'm' | 'K') if !cut => {
                let mut sequence = "\x1b[".to_owned();
                // Zero is what is meant where nothing is said; it is said of colours, and of lines it is not.
                if last == 'm' || params.iter().ne([&[0]]) {
                    write_numbers(&mut sequence, params);
                }
                sequence.push(last);
                self.keep(&sequence);
            }
            ([b'?'], 'h' | 'l') => self.addressed |= params.iter().any(is_other_screen),
            (
                [],
                '@'..='J'
                | 'L'
                | 'M'
                | 'P'
                | 'S'
                | 'T'
                | 'X'
                | '`'
                | 'a'
                | 'd'..='f'
                | 'r'
                | 's'
                | 'u',
            ) => self.addressed = true,
            _ => (),
        }
    }
}

/// The private modes that change the screen or save the cursor (xterm: 47, 1047, 1048, 1049).
fn is_other_screen(mode: &[u16]) -> bool {
    matches!(mode, [47 | 1047..=1049])
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
    use crate::tui::sequences::hostile;
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
    fn what_is_no_utf8_is_told_as_that_and_takes_nothing_with_it() {
        assert_eq!(
            through(b"a\xffb\xe2\x82c\xc3\x1b[1md\x85e\xc2").0,
            "a\u{fffd}b\u{fffd}c\u{fffd}\x1b[1mde"
        );
        // A title without an end.
        assert_eq!(
            through(&[b"a\x1b]0;".as_slice(), &b"x".repeat(100_000), b"\x07b"].concat()).0,
            "ab"
        );
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
        fn only_colours_and_line_controls_get_through(bytes in hostile()) {
            let mut transcript = Transcript::default();
            transcript.push(&bytes);
            let (text, _) = transcript.text();
            let mut again = Transcript::default();
            again.push(&text);
            prop_assert_eq!(&again.text().0, &text);
            prop_assert!(!again.is_addressed());
        }

        #[test]
        fn how_the_output_was_cut_is_not_seen(bytes in hostile(), cuts in prop::collection::vec(1usize..9, 1..9)) {
            let mut whole = Transcript::default();
            whole.push(&bytes);
            let (mut cut, mut rest, mut lengths) = (Transcript::default(), bytes.as_slice(), cuts.iter().cycle());
            while let (false, Some(length)) = (rest.is_empty(), lengths.next()) {
                let (piece, left) = rest.split_at((*length).min(rest.len()));
                cut.push(piece);
                rest = left;
            }
            prop_assert_eq!(cut.text(), whole.text());
            prop_assert_eq!(cut.is_addressed(), whole.is_addressed());
        }

        #[test]
        fn all_text_is_there(words in prop::collection::vec("[a-zß漢😀 ]{0,6}", 0..9)) {
            let sequence = ["\x1b]0;title\x1b\\", "\x1b[?25l", "\x1b[38;2;1;2;3m", "\x1b(B"];
            let said = words.iter().zip(sequence.iter().cycle()).map(|(word, sequence)| format!("{word}{sequence}"));
            let said = said.collect::<String>();
            prop_assert_eq!(through(said.as_bytes()).0.replace(sequence[2], ""), words.concat());
        }
    }
}
