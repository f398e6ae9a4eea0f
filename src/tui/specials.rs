//! The special characters of the user's terminal (stty(1): intr, quit, susp, erase, kill): which key means what to the dashboard. What
//! is typed into the command passes as it is; its terminal has the same characters.

use super::keys::{Input, Modes, encode};
use nix::sys::termios::{SpecialCharacterIndices as Index, Termios, tcgetattr};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::io::stdin;

/// One that is switched off (termios(3), _POSIX_VDISABLE).
const OFF: u8 = 0;

/// A special character's place, the usual byte, and the key that stands for its meaning here.
const MEANINGS: [(Index, u8, KeyCode, KeyModifiers); 5] = [
    (Index::VINTR, 0x03, KeyCode::Char('c'), KeyModifiers::CONTROL),
    (Index::VQUIT, 0x1c, KeyCode::Char('\\'), KeyModifiers::CONTROL),
    (Index::VSUSP, 0x1a, KeyCode::Char('z'), KeyModifiers::CONTROL),
    (Index::VERASE, 0x7f, KeyCode::Backspace, KeyModifiers::NONE),
    (Index::VKILL, 0x15, KeyCode::Char('u'), KeyModifiers::CONTROL),
];

/// The bytes, in the order of [`MEANINGS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Specials([u8; MEANINGS.len()]);

impl Default for Specials {
    fn default() -> Self {
        Specials(MEANINGS.map(|(_, usual, ..)| usual))
    }
}

impl Specials {
    /// Those of standard input; the usual ones where it is no terminal.
    pub fn of_terminal() -> Self {
        tcgetattr(stdin()).map_or_else(|_| Specials::default(), |modes| Specials::of(&modes))
    }

    fn of(modes: &Termios) -> Self {
        Specials(MEANINGS.map(|(index, ..)| modes.control_chars[index as usize]))
    }

    /// What was typed, as the usual key of the same meaning. A usual key that lost its meaning has none here either.
    pub fn meant(&self, input: Input) -> Input {
        if !matches!(input, Input::Key(_)) {
            return input;
        }
        let bytes = encode(&input, Modes::default());
        let [byte] = bytes.as_slice() else { return input };
        if let Some(place) = self.0.iter().position(|own| own == byte && *own != OFF) {
            let (.., code, modifiers) = MEANINGS[place];
            return Input::Key(KeyEvent::new(code, modifiers));
        }
        // Backspace and Ctrl-U go on to mean what their names say: both are also editing keys of their own.
        let lost = MEANINGS[..3].iter().any(|(_, usual, ..)| usual == byte);
        if lost { Input::Other(bytes) } else { input }
    }

    /// The key that interrupts, for people; `None` where there is none.
    pub fn interrupt(&self) -> Option<String> {
        match self.0[0] {
            OFF => None,
            0x7f => Some("DEL".to_owned()),
            byte @ 1..=0x1f => Some(format!("Ctrl-{}", char::from(byte | 0x40))),
            byte => Some(char::from(byte).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(letter: char) -> Input {
        Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
    }

    fn plain(code: KeyCode) -> Input {
        Input::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn the_usual_keys_mean_themselves() {
        let specials = Specials::default();
        for input in [control('c'), control('z'), control('u'), plain(KeyCode::Backspace)] {
            assert_eq!(specials.meant(input.clone()), input);
        }
        assert_eq!(specials.interrupt().as_deref(), Some("Ctrl-C"));
    }

    #[test]
    fn other_keys_mean_what_the_user_gave_them() {
        let specials = Specials([0x18, OFF, 0x19, 0x08, 0x15]);
        assert_eq!(specials.meant(control('x')), control('c'));
        assert_eq!(specials.meant(control('y')), control('z'));
        assert_eq!(specials.meant(control('h')), plain(KeyCode::Backspace));
        for lost in ['c', 'z', '\\'] {
            assert!(matches!(specials.meant(control(lost)), Input::Other(_)), "{lost}");
        }
        assert_eq!(specials.meant(control('l')), control('l'));
        assert_eq!(specials.meant(plain(KeyCode::Up)), plain(KeyCode::Up));
        assert_eq!(specials.interrupt().as_deref(), Some("Ctrl-X"));
        assert_eq!(Specials([OFF; 5]).interrupt(), None);
    }
}
