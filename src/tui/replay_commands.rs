//! A replay's keys: time can be moved about, and nothing can be done to the workload, which is past. What the player is asked for
//! goes out as request lines, as everything does.

use super::app::{App, Effect};
use super::replay::SPEEDS;
use crate::clock::Timestamp;
use ratatui::crossterm::event::KeyCode;

/// Why a key that acts does nothing.
pub const REFUSAL: &str = "this is a replay: there is no workload to act on";
/// Up and Down.
const MINUTE: i64 = 60_000;

impl App {
    /// What a key does in a replay; `None` where it does what it always does.
    pub(super) fn replay_command(&mut self, code: KeyCode, now: Timestamp) -> Option<Effect> {
        let replay = self.replay?;
        let at_ms = self.live().status.as_ref().map_or(0, |status| status.uptime_ms);
        let seek = |by: i64| Some(seek(at_ms, by, replay.length_ms));
        match (code,) {
            (KeyCode::Char('p' | ' '),) => Some(self.pause_or_play(at_ms >= replay.length_ms)),
            (KeyCode::Left,) => seek(-replay.stride()),
            (KeyCode::Right,) => seek(replay.stride()),
            (KeyCode::Down,) => seek(-MINUTE),
            (KeyCode::Up,) => seek(MINUTE),
            (KeyCode::Home,) => seek(i64::MIN),
            (KeyCode::End,) => seek(i64::MAX),
            (KeyCode::Char('.'),) => Some(self.step("step")),
            (KeyCode::Char(','),) => Some(self.step("step back")),
            (KeyCode::Char('<'),) => Some(self.set_speed(replay.speed / 2.0)),
            (KeyCode::Char('>'),) => Some(self.set_speed(replay.speed * 2.0)),
            (KeyCode::Char('q'),) => Some(Effect::Leave),
            (KeyCode::Char('f' | 'm' | '+' | '=' | '-' | 'g' | 't' | 'K' | 'x' | 'd'),) => {
                self.tell(REFUSAL, true, now);
                Some(Effect::None)
            }
            // There are no processes in a trace.
            (KeyCode::Char('s' | 'S' | 'r' | 'e' | '/' | 'j' | 'k'),) => Some(Effect::None),
            _ => None,
        }
    }

    /// At the end it begins anew.
    fn pause_or_play(&mut self, at_end: bool) -> Effect {
        let Some(replay) = &mut self.replay else { return Effect::None };
        replay.paused = !replay.paused && !at_end;
        Effect::Request(match (at_end, replay.paused) {
            (true, _) => "again".to_owned(),
            (false, true) => "pause".to_owned(),
            (false, false) => "play".to_owned(),
        })
    }

    fn step(&mut self, request: &str) -> Effect {
        self.replay.iter_mut().for_each(|replay| replay.paused = true);
        Effect::Request(request.to_owned())
    }

    fn set_speed(&mut self, speed: f64) -> Effect {
        let speed = speed.clamp(*SPEEDS.start(), *SPEEDS.end());
        self.replay.iter_mut().for_each(|replay| replay.speed = speed);
        Effect::Request(format!("speed {speed}"))
    }
}

fn seek(at_ms: u64, by: i64, length_ms: u64) -> Effect {
    let to = at_ms.saturating_add_signed(by).min(length_ms);
    Effect::Request(format!("seek {to}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::app::Mode;
    use crate::tui::keys::Input;
    use crate::tui::look::Look;
    use crate::tui::replay::Replay;
    use ratatui::crossterm::event::{KeyEvent, KeyModifiers};

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn app() -> App {
        let mut app = App::new(Look { colour: true, unicode: true }, false);
        app.replay = Some(Replay { length_ms: 100_000, speed: 1.0, paused: false });
        app
    }

    fn press(app: &mut App, code: KeyCode) -> Effect {
        app.take_input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)), NOW)
    }

    #[test]
    fn keys_that_act_are_refused_in_words() {
        for key in ['f', 'm', '+', '-', 'g', 't', 'K', 'x'] {
            let mut app = app();
            assert_eq!(press(&mut app, KeyCode::Char(key)), Effect::None, "{key}");
            assert_eq!(app.mode, Mode::Normal, "{key}");
            let message = app.message.clone();
            assert!(message.is_some_and(|it| it.bad && it.text == REFUSAL), "{key}");
        }
        assert_eq!(press(&mut app(), KeyCode::Char('q')), Effect::Leave);
    }

    #[test]
    fn time_moves_by_arrows_and_stands_still_by_space() {
        let request = |text: &str| Effect::Request(text.to_owned());
        let mut app = app();
        for (code, expected) in [
            (KeyCode::Right, "seek 5000"),
            (KeyCode::Left, "seek 0"),
            (KeyCode::Up, "seek 60000"),
            (KeyCode::End, "seek 100000"),
            (KeyCode::Home, "seek 0"),
            (KeyCode::Char(' '), "pause"),
            (KeyCode::Char(' '), "play"),
            (KeyCode::Char('.'), "step"),
            (KeyCode::Char('p'), "play"),
            (KeyCode::Char(','), "step back"),
            (KeyCode::Char('>'), "speed 2"),
            (KeyCode::Char('<'), "speed 1"),
        ] {
            assert_eq!(press(&mut app, code), request(expected), "{code:?}");
        }
    }
}
