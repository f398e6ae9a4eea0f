//! What the user typed, and the bytes a command expects for it (xterm, "Control Sequences": PC-style function keys).
//! The other direction, bytes of the real terminal to keys, is `decode.rs`.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One thing that came from the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(KeyEvent),
    /// A paste begins.
    PasteStart,
    /// Some of what is pasted.
    Pasted(Vec<u8>),
    /// The paste is complete.
    PasteEnd,
    /// The mouse.
    Mouse(Mouse),
    /// A sequence without a name, as it came.
    Other(Vec<u8>),
}

/// What a mouse did (xterm, "Control Sequences": SGR mouse mode 1006). Columns and rows count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mouse {
    /// Button and modifiers, as xterm numbers them.
    pub code: u16,
    /// Where.
    pub column: u16,
    /// Where.
    pub row: u16,
    /// A button was released.
    pub released: bool,
}

/// What that means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// A click.
    Click,
    /// The wheel, away from the user.
    WheelUp,
    /// The wheel, towards the user.
    WheelDown,
}

impl Mouse {
    /// Its meaning, if it has one here.
    pub fn gesture(self) -> Option<Gesture> {
        match (self.code, self.released) {
            (0, false) => Some(Gesture::Click),
            (64, false) => Some(Gesture::WheelUp),
            (65, false) => Some(Gesture::WheelDown),
            _ => None,
        }
    }

    /// The same, seen from a place whose corner is here.
    pub fn from_corner(self, column: u16, row: u16) -> Option<Mouse> {
        let (column, row) = (self.column.checked_sub(column)?, self.row.checked_sub(row)?);
        Some(Mouse { column, row, ..self })
    }

    fn encode(self) -> Vec<u8> {
        let (column, row) = (u32::from(self.column) + 1, u32::from(self.row) + 1);
        let end = if self.released { 'm' } else { 'M' };
        format!("\x1b[<{};{column};{row}{end}", self.code).into_bytes()
    }
}

/// How the command has set its terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Arrows, Home and End as `ESC O` instead of `ESC [` (DECCKM).
    pub application_cursor: bool,
    /// Pastes are wrapped in markers (mode 2004).
    pub bracketed_paste: bool,
}

/// The bytes for `input`; empty where a command could make nothing of it.
pub fn encode(input: &Input, modes: Modes) -> Vec<u8> {
    match input {
        Input::Key(key) => encode_key(*key, modes),
        Input::Mouse(mouse) => mouse.encode(),
        Input::PasteStart if modes.bracketed_paste => b"\x1b[200~".to_vec(),
        Input::PasteEnd if modes.bracketed_paste => b"\x1b[201~".to_vec(),
        Input::PasteStart | Input::PasteEnd => Vec::new(),
        Input::Pasted(bytes) | Input::Other(bytes) => bytes.clone(),
    }
}

fn encode_key(key: KeyEvent, modes: Modes) -> Vec<u8> {
    let plain = match (key.code, key.modifiers) {
        (KeyCode::Char(c), modifiers) if modifiers.contains(KeyModifiers::CONTROL) => {
            control_byte(c).map_or_else(|| c.to_string().into_bytes(), |byte| vec![byte])
        }
        (KeyCode::Char(c), _) => c.to_string().into_bytes(),
        (KeyCode::Enter, _) => b"\r".to_vec(),
        (KeyCode::Tab, _) => b"\t".to_vec(),
        (KeyCode::Backspace, _) => b"\x7f".to_vec(),
        (KeyCode::Esc, _) => b"\x1b".to_vec(),
        (KeyCode::BackTab, _) => return b"\x1b[Z".to_vec(),
        (code, modifiers) => return function_key(code, modifiers, modes),
    };
    match key.modifiers.contains(KeyModifiers::ALT) {
        true => [b"\x1b", plain.as_slice()].concat(),
        false => plain,
    }
}

/// The byte that Ctrl makes of a character, where it makes one.
fn control_byte(c: char) -> Option<u8> {
    match (c, u8::try_from(c)) {
        (' ' | '@', _) => Some(0),
        ('?', _) => Some(0x7f),
        ('a'..='z' | '[' | '\\' | ']' | '^' | '_', Ok(byte)) => Some(byte & 0x1f),
        ('A'..='Z', Ok(byte)) => Some(byte & 0x1f),
        _ => None,
    }
}

/// How a function key is written.
enum Shape {
    /// `ESC [ X`, or `ESC O X` in application mode.
    Cursor(char),
    /// `ESC O X`.
    Pf(char),
    /// `ESC [ n ~`.
    Tilde(u8),
}

fn shape(code: KeyCode) -> Option<Shape> {
    // A tuple, since most of the many codes mean nothing to a command.
    Some(match (code,) {
        (KeyCode::Up,) => Shape::Cursor('A'),
        (KeyCode::Down,) => Shape::Cursor('B'),
        (KeyCode::Right,) => Shape::Cursor('C'),
        (KeyCode::Left,) => Shape::Cursor('D'),
        (KeyCode::Home,) => Shape::Cursor('H'),
        (KeyCode::End,) => Shape::Cursor('F'),
        (KeyCode::Insert,) => Shape::Tilde(2),
        (KeyCode::Delete,) => Shape::Tilde(3),
        (KeyCode::PageUp,) => Shape::Tilde(5),
        (KeyCode::PageDown,) => Shape::Tilde(6),
        (KeyCode::F(n @ 1..=4),) => Shape::Pf(char::from(b'O' + n)),
        (KeyCode::F(5),) => Shape::Tilde(15),
        (KeyCode::F(n @ 6..=10),) => Shape::Tilde(n + 11),
        (KeyCode::F(n @ 11..=12),) => Shape::Tilde(n + 12),
        _ => return None,
    })
}

fn function_key(code: KeyCode, modifiers: KeyModifiers, modes: Modes) -> Vec<u8> {
    let with = modifier_parameter(modifiers);
    let text = match (shape(code), with) {
        (Some(Shape::Cursor(x)), 1) if modes.application_cursor => format!("\x1bO{x}"),
        (Some(Shape::Cursor(x)), 1) => format!("\x1b[{x}"),
        (Some(Shape::Pf(x)), 1) => format!("\x1bO{x}"),
        (Some(Shape::Cursor(x) | Shape::Pf(x)), m) => format!("\x1b[1;{m}{x}"),
        (Some(Shape::Tilde(n)), 1) => format!("\x1b[{n}~"),
        (Some(Shape::Tilde(n)), m) => format!("\x1b[{n};{m}~"),
        (None, _) => String::new(),
    };
    text.into_bytes()
}

fn modifier_parameter(modifiers: KeyModifiers) -> u8 {
    1 + u8::from(modifiers.contains(KeyModifiers::SHIFT))
        + 2 * u8::from(modifiers.contains(KeyModifiers::ALT))
        + 4 * u8::from(modifiers.contains(KeyModifiers::CONTROL))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: KeyModifiers = KeyModifiers::NONE;
    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;
    const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

    fn bytes(code: KeyCode, modifiers: KeyModifiers, modes: Modes) -> Vec<u8> {
        encode(&Input::Key(KeyEvent::new(code, modifiers)), modes)
    }

    #[test]
    fn keys_become_what_xterm_sends() {
        for (code, modifiers, expected) in [
            (KeyCode::Char('a'), NONE, "a"),
            (KeyCode::Char('ß'), NONE, "ß"),
            (KeyCode::Char('c'), CTRL, "\x03"),
            (KeyCode::Char('z'), CTRL, "\x1a"),
            (KeyCode::Char('d'), CTRL, "\x04"),
            (KeyCode::Char('\\'), CTRL, "\x1c"),
            (KeyCode::Char(' '), CTRL, "\0"),
            (KeyCode::Char('x'), ALT, "\x1bx"),
            (KeyCode::Char('x'), CTRL.union(ALT), "\x1b\x18"),
            (KeyCode::Enter, NONE, "\r"),
            (KeyCode::Enter, ALT, "\x1b\r"),
            (KeyCode::Tab, NONE, "\t"),
            (KeyCode::BackTab, SHIFT, "\x1b[Z"),
            (KeyCode::Backspace, NONE, "\x7f"),
            (KeyCode::Esc, NONE, "\x1b"),
            (KeyCode::Up, NONE, "\x1b[A"),
            (KeyCode::Left, CTRL, "\x1b[1;5D"),
            (KeyCode::Home, NONE, "\x1b[H"),
            (KeyCode::End, SHIFT, "\x1b[1;2F"),
            (KeyCode::Delete, NONE, "\x1b[3~"),
            (KeyCode::PageUp, ALT, "\x1b[5;3~"),
            (KeyCode::F(1), NONE, "\x1bOP"),
            (KeyCode::F(4), SHIFT, "\x1b[1;2S"),
            (KeyCode::F(5), NONE, "\x1b[15~"),
            (KeyCode::F(6), NONE, "\x1b[17~"),
            (KeyCode::F(10), NONE, "\x1b[21~"),
            (KeyCode::F(11), NONE, "\x1b[23~"),
            (KeyCode::F(12), CTRL, "\x1b[24;5~"),
            (KeyCode::CapsLock, NONE, ""),
        ] {
            let got = bytes(code, modifiers, Modes::default());
            assert_eq!(got, expected.as_bytes(), "{code:?} {modifiers:?}");
        }
    }

    #[test]
    fn application_mode_changes_bare_arrows_only() {
        let modes = Modes { application_cursor: true, ..Modes::default() };
        assert_eq!(bytes(KeyCode::Up, NONE, modes), b"\x1bOA");
        assert_eq!(bytes(KeyCode::Up, CTRL, modes), b"\x1b[1;5A");
        assert_eq!(bytes(KeyCode::Delete, NONE, modes), b"\x1b[3~");
    }

    #[test]
    fn pastes_are_marked_only_for_those_who_asked() {
        let paste = [Input::PasteStart, Input::Pasted(b"x\ry".to_vec()), Input::PasteEnd];
        let all = |modes| paste.iter().flat_map(|input| encode(input, modes)).collect::<Vec<_>>();
        assert_eq!(all(Modes::default()), b"x\ry");
        let modes = Modes { bracketed_paste: true, ..Modes::default() };
        assert_eq!(all(modes), b"\x1b[200~x\ry\x1b[201~");
    }
}
