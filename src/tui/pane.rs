//! The command's screen: an emulator that its output is fed to, and what is seen of it. No I/O, no drawing.
//! It answers the questions that programs ask of a terminal (where is the cursor, who are you), or they would wait.

use super::keys::Modes;
use super::translate::{Piece, Translator};
use std::num::NonZeroU16;
use vt100::capture::{BasicFormattedCaptureRange, BasicFormattedCaptureState};

/// Lines kept above the screen.
pub const SCROLLBACK: usize = 1000;
/// Answers kept for one read; a program that asks more gets no more.
const MAX_ANSWERS: usize = 1024;

/// The emulator and where the view of it stands.
pub struct Pane {
    parser: vt100::Parser<Answers>,
    translator: Translator,
}

impl std::fmt::Debug for Pane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pane").field("size", &self.parser.screen().size()).finish_non_exhaustive()
    }
}

/// Collects what is to be written back to the command.
#[derive(Debug, Default)]
struct Answers {
    bytes: Vec<u8>,
}

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        prefix: Option<u8>,
        second: Option<u8>,
        parameters: &[&[u16]],
        last: char,
    ) {
        let number = parameters.first().and_then(|p| p.first()).copied().unwrap_or(0);
        let (row, column) = screen.cursor_position();
        let (row, column) = (u32::from(row) + 1, u32::from(column) + 1);
        let answer = match (prefix, number, last) {
            (None, 5, 'n') => "\x1b[0n".to_owned(),
            (None, 6, 'n') => format!("\x1b[{row};{column}R"),
            (Some(b'?'), 6, 'n') => format!("\x1b[?{row};{column}R"),
            (None, 18, 't') => {
                let (rows, columns) = screen.size();
                format!("\x1b[8;{rows};{columns}t")
            }
            // DECRQM: a mode that is not known here.
            (Some(b'?'), mode, 'p') if second == Some(b'$') => format!("\x1b[?{mode};0$y"),
            // A VT102, the least that everybody knows.
            (None, 0, 'c') => "\x1b[?6c".to_owned(),
            (Some(b'>'), 0, 'c') => "\x1b[>0;0;0c".to_owned(),
            _ => return,
        };
        if self.bytes.len() + answer.len() <= MAX_ANSWERS {
            self.bytes.extend_from_slice(answer.as_bytes());
        }
    }
}

/// Where so many tab stops, of eight columns each, before the cursor are (CHA counts from one).
fn back(screen: &vt100::Screen, tabs: u16) -> String {
    let (_, column) = screen.cursor_position();
    let stop = column.div_ceil(8).saturating_sub(tabs) * 8;
    format!("\x1b[{}G", stop + 1)
}

/// A wide character needs two columns, and a screen without cells has no place for a cursor.
fn clamped(rows: u16, columns: u16) -> (NonZeroU16, NonZeroU16) {
    let at_least = |n: u16, least: u16| NonZeroU16::new(n.max(least)).unwrap_or(NonZeroU16::MIN);
    (at_least(rows, 2), at_least(columns, 2))
}

impl Pane {
    /// An empty screen.
    pub fn new(rows: u16, columns: u16) -> Self {
        let (rows, columns) = clamped(rows, columns);
        let parser =
            vt100::Parser::new_with_callbacks(rows, columns, SCROLLBACK, Answers::default());
        Pane { parser, translator: Translator::default() }
    }

    /// Takes more of the command's output; gives what the command wants to be answered.
    #[must_use]
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (parser, translator) = (&mut self.parser, &mut self.translator);
        let work = || {
            translator.feed(bytes, |piece| match piece {
                Piece::Bytes(bytes) => parser.process(bytes),
                Piece::BackTab(tabs) => parser.process(back(parser.screen(), tabs).as_bytes()),
            });
        };
        if super::terminal::contained(work).is_none() {
            self.begin_anew();
        }
        std::mem::take(&mut self.parser.callbacks_mut().bytes)
    }

    /// Some output is too much for the emulator (vt100 0.18 panics on wide characters at an edge): the command's screen is
    /// lost then, and nothing else.
    fn begin_anew(&mut self) {
        let (rows, columns) = self.size();
        *self = Pane::new(rows, columns);
        self.parser.process(b"[this output could not be shown; the screen was reset]\r\n");
    }

    /// Sets the size in cells.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        let (rows, columns) = clamped(rows, columns);
        if self.parser.screen().size() != (rows, columns) {
            self.parser.set_size(rows, columns);
        }
    }

    /// Rows and columns.
    pub fn size(&self) -> (u16, u16) {
        let (rows, columns) = self.parser.screen().size();
        (rows.get(), columns.get())
    }

    /// The cells, with the scroll applied.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// What the command expects keys to look like.
    pub fn modes(&self) -> Modes {
        let screen = self.parser.screen();
        Modes {
            application_cursor: screen.application_cursor(),
            bracketed_paste: screen.bracketed_paste(),
        }
    }

    /// Whether the command asked for the mouse, in the form that we can tell it (SGR).
    pub fn wants_mouse(&self) -> bool {
        let screen = self.parser.screen();
        screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None
            && screen.mouse_protocol_encoding() == vt100::MouseProtocolEncoding::Sgr
    }

    /// Goes a page back (`true`) or forward.
    pub fn scroll_page(&mut self, back: bool) {
        let page = usize::from(self.size().0.saturating_sub(1)).max(1);
        self.scroll(page, back);
    }

    /// Goes some lines back (`true`) or forward.
    pub fn scroll(&mut self, lines: usize, back: bool) {
        let now = self.parser.screen().scrollback();
        let to = if back { now.saturating_add(lines) } else { now.saturating_sub(lines) };
        self.parser.screen_mut().set_scrollback(to);
    }

    /// Back to the newest lines.
    pub fn scroll_home(&mut self) {
        self.parser.screen_mut().set_scrollback(0);
    }

    /// Everything on the screen and above it as lines with colours and nothing else; trailing empty lines left out.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut state = BasicFormattedCaptureState::new();
        let range = BasicFormattedCaptureRange::Full(&mut state);
        // Writing to a String cannot fail.
        let _ = self.parser.screen().write_contents_formatted_basic(&mut text, range);
        text.truncate(text.trim_end().len());
        text
    }

    /// True when lines may have been lost off the top.
    pub fn is_full(&self) -> bool {
        self.parser.screen().scrollback_len() >= SCROLLBACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sequences::hostile;
    use proptest::prelude::*;

    #[test]
    fn questions_are_answered() {
        let mut pane = Pane::new(10, 40);
        assert_eq!(pane.feed(b"ab\r\ncd\x1b[6n"), b"\x1b[2;3R");
        assert_eq!(pane.feed(b"\x1b[5n\x1b[c"), b"\x1b[0n\x1b[?6c");
        assert_eq!(pane.feed(b"\x1b[?6n\x1b[18t"), b"\x1b[?2;3R\x1b[8;10;40t");
        assert_eq!(pane.feed(b"\x1b[?12$p\x1b[>c"), b"\x1b[?12;0$y\x1b[>0;0;0c");
        assert_eq!(pane.feed(b"text"), b"");
        assert!(pane.feed(&b"\x1b[6n".repeat(10_000)).len() <= MAX_ANSWERS);
    }

    #[test]
    fn a_read_that_ends_within_a_character_takes_none_after_it() {
        let text = "BéC─";
        for at in 0..text.len() {
            let mut pane = Pane::new(2, 20);
            let (first, second) = text.as_bytes().split_at(at);
            let _ = (pane.feed(first), pane.feed(second));
            assert_eq!(pane.screen().contents(), text, "{at}");
        }
    }

    #[test]
    fn tabs_go_both_ways_and_lines_are_drawn() {
        let mut pane = Pane::new(4, 40);
        let _ = pane.feed(b"\t\tab\x1b[Zc\x1b[2Zd\x1b[H\x1b[Ze\r\n\x1b(0lqk\x1b(B");
        assert_eq!(pane.screen().contents(), "e       d       cb\n┌─┐");
    }

    #[test]
    fn what_scrolled_off_is_in_the_text() {
        let mut pane = Pane::new(4, 20);
        for n in 0..30 {
            let _ = pane.feed(format!("\x1b[31mline {n}\x1b[0m\r\n").as_bytes());
        }
        let text = pane.text();
        assert_eq!(text.lines().count(), 30, "{text:?}");
        assert!(text.contains("line 0") && text.contains("line 29"));
        pane.scroll_page(true);
        assert_eq!(pane.screen().scrollback(), 3);
        pane.scroll_home();
        assert_eq!(pane.screen().scrollback(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn hostile_output_does_not_panic(steps in prop::collection::vec((hostile(), 0u16..6, 0u16..9), 1..6)) {
            let mut pane = Pane::new(3, 5);
            for (bytes, rows, columns) in steps {
                let _ = pane.feed(&bytes);
                pane.scroll_page(true);
                pane.resize(rows, columns);
                let _ = (pane.text(), pane.modes());
            }
        }

        #[test]
        fn how_the_output_was_cut_is_not_seen(bytes in hostile(), cuts in prop::collection::vec(1usize..9, 1..9)) {
            let (mut whole, mut cut) = (Pane::new(6, 20), Pane::new(6, 20));
            let _ = whole.feed(&bytes);
            let (mut rest, mut lengths) = (bytes.as_slice(), cuts.iter().cycle());
            while let (false, Some(length)) = (rest.is_empty(), lengths.next()) {
                let (piece, left) = rest.split_at((*length).min(rest.len()));
                let _ = cut.feed(piece);
                rest = left;
            }
            prop_assert_eq!(cut.text(), whole.text());
        }
    }
}
