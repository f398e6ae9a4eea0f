//! A trace that is shown in the place of a run: how long it is, how fast it goes, whether it stands still.

use crate::units::show_duration;
use std::time::Duration;

/// The bounds of the speed, the player's too.
pub const SPEEDS: std::ops::RangeInclusive<f64> = 0.001..=1e6;

/// A trace that is shown in the place of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replay {
    /// The moment of its last line.
    pub length_ms: u64,
    /// So many times as fast as it was.
    pub speed: f64,
    /// Time stands still.
    pub paused: bool,
}

impl Replay {
    /// Left and Right: a twentieth, from one second to five.
    pub fn stride(self) -> i64 {
        i64::try_from(self.length_ms / 20).unwrap_or(i64::MAX).clamp(1000, 5000)
    }

    /// Where in the trace, and how fast.
    pub fn position(self, at_ms: u64) -> String {
        let time = |ms: u64| show_duration(Duration::from_millis(ms / 100 * 100));
        let speed = match self.speed {
            1.0 => String::new(),
            speed => format!(" {speed}x"),
        };
        format!("{} of {}{speed}", time(at_ms), time(self.length_ms))
    }
}
