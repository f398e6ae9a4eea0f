//! From times and sizes to places in a plot, and the ticks of its axes. The height of a plot is in pixels; its width is what the
//! page has, so places across are shares of it.

use super::show;
use super::window::{Window, Zero};
use crate::units::Bytes;

/// Height of what is plotted, pixels.
pub(super) const HEIGHT: f64 = 220.0;

/// Width of what is plotted, in units of its own that are stretched to the page.
pub(super) const WIDTH: f64 = 1000.0;

/// The two axes of one plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Time.
    pub(super) window: Window,
    /// The time that is called 0.
    pub(super) zero: Zero,
    bottom: u128,
    top: u128,
}

impl Scale {
    /// Sizes up to `highest`, and a little air.
    pub(super) fn new(window: Window, zero: Zero, highest: Bytes) -> Scale {
        let highest = u128::from(highest.0.max(1024));
        Scale { window, zero, bottom: 0, top: highest + highest / 12 }
    }

    /// The same from a size a little below `lowest` on, where otherwise half of the picture would be empty.
    pub(super) fn raised(self, lowest: Bytes) -> Scale {
        let lowest = u128::from(lowest.0);
        match lowest * 2 > self.top {
            true => Scale { bottom: lowest - self.top.saturating_sub(lowest) / 3, ..self },
            false => self,
        }
    }

    /// The size at the bottom.
    pub(super) fn bottom(&self) -> Bytes {
        Bytes(u64::try_from(self.bottom).unwrap_or(u64::MAX))
    }

    /// A time's place, in units of [`WIDTH`].
    pub(super) fn x(&self, at_us: u64) -> f64 {
        WIDTH * (at_us as f64 - self.window.from as f64) / self.window.span() as f64
    }

    /// The same in hundredths of the width.
    pub(super) fn across(&self, at_us: u64) -> f64 {
        self.x(at_us) * 100.0 / WIDTH
    }

    /// A size's place, pixels from above.
    pub(super) fn y(&self, bytes: u128) -> f64 {
        let above = bytes as f64 - self.bottom as f64;
        HEIGHT * (1.0 - above / (self.top - self.bottom) as f64)
    }

    /// Whether a size is in the picture.
    pub(super) fn shows(&self, bytes: Bytes) -> bool {
        (self.bottom..=self.top).contains(&u128::from(bytes.0))
    }

    /// Whether the picture ends below a size.
    pub(super) fn is_under(&self, bytes: Bytes) -> bool {
        self.top < u128::from(bytes.0)
    }

    /// Places and names of the sizes on the axis: at most six, round in powers of 1024.
    pub(super) fn size_ticks(&self) -> Vec<(f64, String)> {
        let step = size_step((self.top - self.bottom) / 4);
        let named = |size: u128| show::size(Bytes(u64::try_from(size).unwrap_or(u64::MAX)));
        (self.bottom.div_ceil(step)..=self.top / step)
            .map(|tick| (self.y(tick * step), named(tick * step)))
            .collect()
    }

    /// Places (hundredths of the width) and names of the times on the axis: at most seven.
    pub(super) fn time_ticks(&self) -> Vec<(f64, String)> {
        let step = i128::from(time_step(self.window.span() / 5));
        let zero = i128::from(self.zero.at_us);
        let (from, to) = (i128::from(self.window.from) - zero, i128::from(self.window.to) - zero);
        let first = from.div_euclid(step) + i128::from(from.rem_euclid(step) != 0);
        (first..=to.div_euclid(step))
            .map(|tick| (100.0 * (tick * step - from) as f64 / (to - from) as f64, tick * step))
            .map(|(place, us)| (place, time_name(us, step)))
            .collect()
    }
}

/// The least round size that is not below `least`.
fn size_step(least: u128) -> u128 {
    let mut unit = 1;
    loop {
        for round in [1, 2, 5, 10, 20, 50, 100, 200, 500] {
            if round * unit >= least.max(1) {
                return round * unit;
            }
        }
        unit *= 1024;
    }
}

/// The least of 1, 2, 5, 10… microseconds that is not below `least`.
fn time_step(least: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        let round = [1, 2, 5].map(|round| unit.saturating_mul(round));
        if let Some(step) = round.into_iter().find(|step| *step >= least.max(1)) {
            return step;
        }
        unit = unit.saturating_mul(10);
    }
}

fn time_name(us: i128, step: i128) -> String {
    let sign = match us {
        0 => return "0".to_owned(),
        ..0 => '\u{2212}',
        _ => '+',
    };
    let (unit, name) = match step {
        ..1_000 => (1, "\u{b5}s"),
        1_000..1_000_000 => (1_000, "ms"),
        _ => (1_000_000, "s"),
    };
    format!("{sign}{} {name}", us.unsigned_abs() / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(from: u64, to: u64, zero: u64, highest: u64) -> Scale {
        let zero = Zero { at_us: zero, name: "" };
        Scale::new(Window { from, to }, zero, Bytes(highest))
    }

    #[test]
    fn ticks_are_round() {
        let scale = scale(0, 61_000_000, 60_000_000, 164 << 20);
        let names: Vec<String> = scale.size_ticks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["0B", "50M", "100M", "150M"]);
        let names: Vec<String> = scale.time_ticks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["\u{2212}60 s", "\u{2212}40 s", "\u{2212}20 s", "0"]);
    }

    #[test]
    fn ticks_are_few_and_inside_at_any_scale() {
        for exponent in 0..64 {
            let scale = scale(0, (1 << exponent) + 1000, 500, 1 << exponent);
            let (sizes, times) = (scale.size_ticks(), scale.time_ticks());
            assert!((1..=6).contains(&sizes.len()), "{sizes:?}");
            assert!((1..=7).contains(&times.len()), "{times:?}");
            assert!(sizes.iter().all(|(y, _)| (0.0..=HEIGHT).contains(y)));
            assert!(times.iter().all(|(x, _)| (0.0..=100.0).contains(x)));
        }
    }
}
