//! How things look: colours or none, drawing characters or ASCII. Only the 16 base colours over the terminal's own background, so that
//! light and dark terminals both stay readable.

use crate::status::{Level, State};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

/// What the terminal can show and its user wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Colours; without them bold, dim and reverse remain.
    pub colour: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
}

impl Look {
    /// Asks `NO_COLOR` (<https://no-color.org>) and the locale, as `variable` gives them.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // locale(7): the first of these that is set decides.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Look {
            colour: set("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// Text in a colour.
    pub fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Text in a colour, stressed.
    pub fn strong(self, colour: Color) -> Style {
        self.fg(colour).add_modifier(Modifier::BOLD)
    }

    /// A word on a coloured ground.
    pub fn badge(self, colour: Color) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        let on_dark = matches!(colour, Color::Red | Color::Blue | Color::Magenta);
        match (self.colour, on_dark) {
            (true, true) => style.fg(Color::White).bg(colour),
            (true, false) => style.fg(Color::Black).bg(colour),
            (false, _) => style.add_modifier(Modifier::REVERSED),
        }
    }

    /// A word on a coloured ground with a margin. On a light terminal yellow could hardly be read as a colour of letters.
    pub fn alarm(self, text: &str, colour: Color) -> Span<'static> {
        Span::styled(format!(" {text} "), self.badge(colour))
    }

    /// What is less important.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// An event's mark, and its text.
    pub fn level(self, level: Level) -> (Style, Style) {
        match level {
            Level::Info => (Style::new(), Style::new()),
            Level::Warning => (self.badge(Color::Yellow), Style::new()),
            Level::Error => (self.badge(Color::Red), self.strong(Color::Red)),
        }
    }

    /// The word of a state.
    pub fn state(self, state: State) -> Style {
        self.badge(match state {
            State::Starting | State::Running => Color::Green,
            State::Terminating => Color::Yellow,
            State::Killing => Color::Red,
            State::Ended => Color::Cyan,
        })
    }

    /// Makes a drawn screen fit for a terminal without UTF-8.
    pub fn finish(self, buffer: &mut Buffer) {
        if self.unicode {
            return;
        }
        for cell in &mut buffer.content {
            if !cell.symbol().is_ascii() {
                let plain = cell.symbol().chars().next().map_or(' ', ascii);
                cell.set_char(plain);
            }
        }
    }
}

/// The nearest ASCII character.
fn ascii(c: char) -> char {
    match c {
        '│' | '▏' | '┊' => '|',
        '┃' => '!',
        '╎' => ':',
        '▐' => ']',
        '─' | '━' | '╌' | '┄' | '–' | '—' => '-',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '╭' | '╮' | '╰' | '╯' | '┬' | '┴' | '┼' => {
            '+'
        }
        '█' | '■' | '▉' | '▊' => '#',
        '▓' | '▋' | '▌' | '▆' | '▇' => '%',
        '▒' | '▍' | '▄' | '▅' => '=',
        '▚' | '▞' => '~',
        '░' | '□' | '▎' | '▁' | '▂' | '▃' => ':',
        '·' | '○' | '\u{2800}'..='\u{28ff}' => '.',
        // A point would be the end of a sentence, and not where it was cut.
        '…' => '~',
        '◆' => '*',
        '▸' | '❯' => '>',
        '●' => 'o',
        '▼' => 'v',
        '▲' | '↑' => '^',
        '✗' | '×' => 'x',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(variables: &[(&str, &str)]) -> Look {
        Look::from_environment(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_was_cut_does_not_end_like_a_sentence() {
        assert_eq!(ascii('…'), '~');
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(look(&[("LANG", "C.UTF-8")]), Look { colour: true, unicode: true });
        assert!(!look(&[("LANG", "en_US.utf8"), ("LC_ALL", "C")]).unicode);
        assert!(!look(&[]).unicode);
        assert!(!look(&[("NO_COLOR", "1")]).colour);
        assert!(look(&[("NO_COLOR", "")]).colour);
    }
}
