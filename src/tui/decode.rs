//! Bytes of the real terminal to keys. Done here and not by crossterm's reader, which spins when the terminal hangs up and which
//! cannot share a poll with other descriptors. Never fails: what has no name goes on as it came.

use super::keys::{Input, Mouse};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A sequence longer than this is none.
const MAX_SEQUENCE: usize = 64;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Keeps what is incomplete between two reads.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    pasting: bool,
}

/// The first input of some bytes.
enum Decoded {
    /// So many bytes were this input.
    Took(usize, Input),
    /// A beginning that may go on.
    More,
}

impl Decoder {
    /// The inputs in `bytes`, and in what was left over before.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        self.pending.extend_from_slice(bytes);
        let mut inputs = Vec::new();
        while !self.pending.is_empty() {
            let step = if self.pasting { self.paste_step() } else { first(&self.pending) };
            let Decoded::Took(length, input) = step else { break };
            self.pending.drain(..length);
            match input {
                Input::PasteStart => self.pasting = true,
                Input::PasteEnd => self.pasting = false,
                Input::Key(_) | Input::Pasted(_) | Input::Mouse(_) | Input::Other(_) => (),
            }
            inputs.push(input);
        }
        inputs
    }

    /// True while a beginning waits for its end: nothing may follow (the Escape key is one), so ask [`Decoder::flush`] soon.
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty() && !self.pasting
    }

    /// Takes what waits as complete.
    pub fn flush(&mut self) -> Option<Input> {
        if !self.is_waiting() {
            return None;
        }
        let bytes = std::mem::take(&mut self.pending);
        Some(match bytes.as_slice() {
            [0x1b] => key(KeyCode::Esc, KeyModifiers::NONE),
            [0x1b, c @ (b'[' | b'O')] => key(KeyCode::Char(char::from(*c)), KeyModifiers::ALT),
            _ => Input::Other(bytes),
        })
    }

    fn paste_step(&self) -> Decoded {
        if self.pending.starts_with(PASTE_END) {
            return Decoded::Took(PASTE_END.len(), Input::PasteEnd);
        }
        // An Escape that is not the marker's is data; one that may become it must wait.
        let marker = |at: &usize| {
            let rest = &self.pending[*at..];
            PASTE_END.starts_with(rest) || rest.starts_with(PASTE_END)
        };
        match (0..self.pending.len()).find(marker).unwrap_or(self.pending.len()) {
            0 => Decoded::More,
            end => Decoded::Took(end, Input::Pasted(self.pending[..end].to_vec())),
        }
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Key(KeyEvent::new(code, modifiers))
}

/// `bytes` is not empty.
fn first(bytes: &[u8]) -> Decoded {
    match bytes {
        [0x1b] => Decoded::More,
        [0x1b, b'[', ..] => csi(bytes),
        [0x1b, b'O'] => Decoded::More,
        [0x1b, b'O', letter, ..] => match letter_key(*letter) {
            Some(code) => Decoded::Took(3, key(code, KeyModifiers::NONE)),
            None => Decoded::Took(3, Input::Other(bytes[..3].to_vec())),
        },
        [0x1b, 0x1b, ..] => Decoded::Took(1, key(KeyCode::Esc, KeyModifiers::NONE)),
        [0x1b, rest @ ..] => match plain(rest) {
            Decoded::Took(n, Input::Key(k)) => {
                Decoded::Took(n + 1, key(k.code, k.modifiers | KeyModifiers::ALT))
            }
            Decoded::Took(n, _) => Decoded::Took(n + 1, Input::Other(bytes[..=n].to_vec())),
            Decoded::More => Decoded::More,
        },
        _ => plain(bytes),
    }
}

/// One character or control character.
fn plain(bytes: &[u8]) -> Decoded {
    let control = |c: u8| key(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    let bare = |code| key(code, KeyModifiers::NONE);
    let input = match bytes[0] {
        b'\r' => bare(KeyCode::Enter),
        b'\t' => bare(KeyCode::Tab),
        0x7f => bare(KeyCode::Backspace),
        0 => control(b' '),
        c @ 1..=0x1a => control(c + b'a' - 1),
        c @ 0x1b..=0x1f => control(c + b'A' - 1),
        _ => return character(bytes),
    };
    Decoded::Took(1, input)
}

fn character(bytes: &[u8]) -> Decoded {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let Some(whole) = bytes.get(..length) else { return Decoded::More };
    match std::str::from_utf8(whole).ok().and_then(|text| text.chars().next()) {
        Some(c) => Decoded::Took(length, key(KeyCode::Char(c), KeyModifiers::NONE)),
        None => Decoded::Took(1, Input::Other(vec![bytes[0]])),
    }
}

/// `ESC [ parameters letter`.
fn csi(bytes: &[u8]) -> Decoded {
    let body = &bytes[2..];
    // The Linux console's F1 to F5: `ESC [ [ A` and on.
    if let [b'[', letter @ b'A'..=b'E', ..] = body {
        return Decoded::Took(4, key(KeyCode::F(letter - b'A' + 1), KeyModifiers::NONE));
    }
    let last = body.iter().position(|c| (0x40..=0x7e).contains(c) && *c != b'[');
    let Some(last) = last.filter(|at| *at < MAX_SEQUENCE) else {
        return match bytes.len() > MAX_SEQUENCE {
            true => Decoded::Took(bytes.len(), Input::Other(bytes.to_vec())),
            false => Decoded::More,
        };
    };
    let input = named(&body[..last], body[last]);
    Decoded::Took(last + 3, input.unwrap_or_else(|| Input::Other(bytes[..last + 3].to_vec())))
}

fn named(parameters: &[u8], letter: u8) -> Option<Input> {
    let text = std::str::from_utf8(parameters).ok()?;
    if let Some(text) = text.strip_prefix('<') {
        return mouse(text, letter);
    }
    let (number, modifier) = text.split_once(';').unwrap_or((text, "1"));
    let modifiers = modifiers(modifier.parse().ok()?)?;
    let code = match (letter, number) {
        (b'Z', "") => return Some(key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        (b'~', "200") => return Some(Input::PasteStart),
        // An end without a beginning is nothing.
        (b'~', "201") => return Some(Input::Pasted(Vec::new())),
        (b'~', number) => tilde_key(number.parse().ok()?)?,
        (letter, "" | "1") => letter_key(letter)?,
        _ => return None,
    };
    Some(key(code, modifiers))
}

/// `button;column;row` in decimal; columns and rows count from 1.
fn mouse(text: &str, letter: u8) -> Option<Input> {
    let released = match letter {
        b'M' => false,
        b'm' => true,
        _ => return None,
    };
    let mut numbers = text.split(';').map(|number| number.parse::<u16>().ok());
    let (code, column, row) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if numbers.next().is_some() {
        return None;
    }
    let (column, row) = (column.checked_sub(1)?, row.checked_sub(1)?);
    Some(Input::Mouse(Mouse { code, column, row, released }))
}

fn modifiers(parameter: u8) -> Option<KeyModifiers> {
    let bits = parameter.checked_sub(1).filter(|bits| *bits < 8)?;
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, bits & 1 != 0);
    modifiers.set(KeyModifiers::ALT, bits & 2 != 0);
    modifiers.set(KeyModifiers::CONTROL, bits & 4 != 0);
    Some(modifiers)
}

fn letter_key(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'P'..=b'S' => KeyCode::F(letter - b'O'),
        _ => return None,
    })
}

fn tilde_key(number: u8) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23..=24 => KeyCode::F(number - 12),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keys::{Modes, encode};
    use proptest::prelude::*;

    fn decoded(bytes: &[u8]) -> Vec<Input> {
        let mut decoder = Decoder::default();
        let mut inputs = decoder.feed(bytes);
        inputs.extend(decoder.flush());
        inputs
    }

    #[test]
    fn what_is_typed_reaches_a_command_unchanged() {
        let typed = [
            "a",
            "ß",
            "€",
            "\u{1f600}",
            "\x03",
            "\x1a",
            "\x1c",
            "\x1d",
            "\0",
            "\r",
            "\t",
            "\x7f",
            "\x1b",
            "\x1b[A",
            "\x1b[1;5D",
            "\x1b[H",
            "\x1b[3~",
            "\x1b[5;3~",
            "\x1bOP",
            "\x1b[15~",
            "\x1b[17~",
            "\x1b[21~",
            "\x1b[24;5~",
            "\x1b[Z",
            "\x1bx",
            "\x1b\r",
            "\x1b[I",
            "\x1b[<0;1;1M",
            "\x1b[<65;120;40m",
            "\x1b[<0;0;1M",
        ];
        for text in typed {
            let inputs = decoded(text.as_bytes());
            assert_eq!(inputs.len(), 1, "{text:?} {inputs:?}");
            assert_eq!(encode(&inputs[0], Modes::default()), text.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.feed(b"[1;"), []);
        assert_eq!(decoder.feed(b"5C"), [key(KeyCode::Right, KeyModifiers::CONTROL)]);
        assert!(!decoder.is_waiting());
    }

    #[test]
    fn a_paste_is_no_command_even_in_pieces() {
        let mut decoder = Decoder::default();
        let mut inputs = decoder.feed(b"\x1b[200~ky\x1b[A");
        inputs.extend(decoder.feed(b"\x1b[20"));
        inputs.extend(decoder.feed(b"1~q"));
        assert_eq!(inputs.first(), Some(&Input::PasteStart));
        let pasted = Input::Pasted(b"ky\x1b[A".to_vec());
        assert!(inputs.contains(&pasted), "{inputs:?}");
        assert_eq!(inputs[inputs.len() - 2], Input::PasteEnd);
        assert_eq!(inputs.last(), Some(&key(KeyCode::Char('q'), KeyModifiers::NONE)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_are_held_for_long(bytes: Vec<u8>, cut in 0usize..64) {
            let mut decoder = Decoder::default();
            let cut = cut.min(bytes.len());
            decoder.feed(&bytes[..cut]);
            decoder.feed(&bytes[cut..]);
            prop_assert!(decoder.pasting || decoder.pending.len() <= MAX_SEQUENCE);
            decoder.flush();
            prop_assert!(!decoder.is_waiting());
        }
    }
}
