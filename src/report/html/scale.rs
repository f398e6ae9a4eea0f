//! From times and sizes to places in a plot, and the ticks of its axes. The height of a plot is in pixels; its width is what the
//! page has, so places across are shares of it.

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
    /// Sizes from 0 up to `highest`, and a little air.
    pub(super) fn new(window: Window, zero: Zero, highest: Bytes) -> Scale {
        let highest = u128::from(highest.0.max(1024));
        Scale { window, zero, bottom: 0, top: highest + highest / 12 }
    }

    /// The same from a size a little below `lowest` on, where otherwise half of the picture would be empty.
    pub(super) fn raised(self, lowest: Bytes, highest: Bytes) -> Scale {
        let (lowest, highest) = (u128::from(lowest.0), u128::from(highest.0.max(lowest.0)));
        if lowest * 2 <= highest {
            return self;
        }
        let range = (highest - lowest).max(highest / 50).max(1024);
        let bottom = lowest.saturating_sub(range / 4);
        Scale { bottom, top: highest + range / 8, ..self }
    }

    /// The same with room for so many rows of names at the top.
    pub(super) fn with_air(self, rows: usize) -> Scale {
        let air = (self.top - self.bottom) * rows as u128 / 12;
        Scale { top: self.top + air, ..self }
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
        self.height(bytes as f64)
    }

    fn height(&self, bytes: f64) -> f64 {
        HEIGHT * (1.0 - (bytes - self.bottom as f64) / (self.top - self.bottom) as f64)
    }

    /// Whether a size is in the picture.
    pub(super) fn shows(&self, bytes: Bytes) -> bool {
        (self.bottom..=self.top).contains(&u128::from(bytes.0))
    }

    /// Whether the picture ends below a size.
    pub(super) fn is_under(&self, bytes: Bytes) -> bool {
        self.top < u128::from(bytes.0)
    }

    /// Places and names of the sizes on the axis: at most six, round in the unit of the highest.
    pub(super) fn size_ticks(&self) -> Vec<(f64, String)> {
        let (unit, letter) = unit(self.top);
        let (bottom, top) = (self.bottom as f64 / unit, self.top as f64 / unit);
        let (step, places) = size_step((top - bottom) / 5.0);
        let mut ticks = Vec::new();
        let mut tick = (bottom / step).ceil();
        while tick * step <= top && ticks.len() < 6 {
            let name =
                if tick > 0.0 { format!("{:.places$}{letter}", tick * step) } else { "0".into() };
            ticks.push((self.height(tick * step * unit), name));
            tick += 1.0;
        }
        ticks
    }

    /// Places (hundredths of the width) and names of the times on the axis: at most six.
    pub(super) fn time_ticks(&self) -> Vec<(f64, String)> {
        let step = i128::from(time_step(self.window.span() / 4));
        let zero = i128::from(self.zero.at_us);
        let (from, to) = (i128::from(self.window.from) - zero, i128::from(self.window.to) - zero);
        let first = from.div_euclid(step) + i128::from(from.rem_euclid(step) != 0);
        (first..=to.div_euclid(step))
            .map(|tick| (100.0 * (tick * step - from) as f64 / (to - from) as f64, tick * step))
            .map(|(place, us)| (place, time_name(us, self.window.span())))
            .collect()
    }
}

/// The unit that a size is told in, and its letter.
fn unit(size: u128) -> (f64, char) {
    let units = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    let found = units.into_iter().find(|(power, _)| size >> power > 0);
    found.map_or((1.0, 'B'), |(power, letter)| ((1u64 << power) as f64, letter))
}

/// The least of 0.01, 0.02, 0.05, 0.1… that is not below `least`, and the places that it takes after the point.
fn size_step(least: f64) -> (f64, usize) {
    for (unit, places) in [(0.01, 2), (0.1, 1)] {
        let round = [1.0, 2.0, 5.0].map(|round| round * unit);
        if let Some(step) = round.into_iter().find(|step| *step >= least) {
            return (step, places);
        }
    }
    let mut unit = 1.0;
    loop {
        let round = [1.0, 2.0, 5.0].map(|round| round * unit);
        if let Some(step) = round.into_iter().find(|step| *step >= least) {
            return (step, 0);
        }
        unit *= 10.0;
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

/// A signed time in the unit of the ticks around it: seconds, unless they are too short for it.
fn time_name(us: i128, span: u64) -> String {
    let sign = match us {
        0 => return "0".to_owned(),
        ..0 => '\u{2212}',
        _ => '+',
    };
    let (digits, name) = match span {
        ..2_000 => (0, "\u{b5}s"),
        2_000..2_000_000 => (3, "ms"),
        _ => (6, "s"),
    };
    let (unit, us) = (10_u128.pow(digits), us.unsigned_abs());
    let rest = format!("{:06}", us % unit * 1_000_000 / unit);
    match rest.trim_end_matches('0') {
        "" => format!("{sign}{} {name}", us / unit),
        rest => format!("{sign}{}.{rest} {name}", us / unit),
    }
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
        assert_eq!(names, ["0", "50M", "100M", "150M"]);
        let raised = scale.raised(Bytes::mib(2000), Bytes::mib(2250));
        let names: Vec<String> = raised.size_ticks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["1.9G", "2.0G", "2.1G", "2.2G"]);
        let names: Vec<String> = scale.time_ticks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["\u{2212}60 s", "\u{2212}40 s", "\u{2212}20 s", "0"]);
    }

    #[test]
    fn names_of_times() {
        let names = [(-1_500_000, 3_000_000), (200_000, 400_000), (2_500, 9_000), (0, 1)]
            .map(|(us, span)| time_name(us, span));
        assert_eq!(names, ["\u{2212}1.5 s", "+200 ms", "+2.5 ms", "0"]);
    }

    #[test]
    fn ticks_are_few_and_inside_at_any_scale() {
        for exponent in 0..64 {
            let scale = scale(0, (1 << exponent) + 1000, 500, 1 << exponent);
            let (sizes, times) = (scale.size_ticks(), scale.time_ticks());
            assert!((1..=6).contains(&sizes.len()), "{sizes:?}");
            assert!((1..=6).contains(&times.len()), "{times:?}");
            assert!(sizes.len() > 2, "{sizes:?}");
            assert!(sizes.iter().all(|(y, _)| (0.0..=HEIGHT).contains(y)));
            assert!(times.iter().all(|(x, _)| (0.0..=100.0).contains(x)));
        }
    }
}
