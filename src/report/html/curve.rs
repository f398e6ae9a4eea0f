//! Samples as lines and areas: put in order, thinned out where there are more than can be seen, with every peak kept.

use super::markup::{Attribute, Markup};
use super::scale::{HEIGHT, Scale, WIDTH};
use super::show;
use super::window::Window;
use crate::report::post_mortem::Reading;
use crate::status::Tier;
use crate::units::Bytes;
use std::fmt::Write as _;

/// A plot is thinned out to so many stretches of time.
const STRETCHES: u64 = 200;

/// So many places tell their numbers when a pointer rests on them.
const TOLD: usize = 100;

/// Up to so many samples each has its dot.
const DOTS: usize = 40;

/// A number that a reading has.
pub(super) type Getter = fn(&Reading) -> u128;

/// The readings of a window with one on either side, oldest first: of each stretch of time the highest and the lowest of `values`.
pub(super) fn thinned(readings: &[Reading], window: Window, values: &[Getter]) -> Vec<Reading> {
    let first = readings.partition_point(|reading| reading.at_us < window.from).saturating_sub(1);
    let last = readings.partition_point(|reading| reading.at_us <= window.to);
    let inside = readings.get(first..(last + 1).min(readings.len())).unwrap_or(&[]);
    if inside.len() as u64 <= 2 * STRETCHES {
        return inside.to_vec();
    }
    let stretch = |reading: &Reading| {
        u128::from(reading.at_us.saturating_sub(window.from)) * u128::from(STRETCHES)
            / u128::from(window.span())
    };
    let ends = [inside.first(), inside.last()].into_iter().flatten().copied();
    let mut kept: Vec<Reading> = inside
        .chunk_by(|a, b| stretch(a) == stretch(b))
        .flat_map(|chunk| extremes(chunk, values))
        .chain(ends)
        .collect();
    kept.sort_by_key(|reading| reading.at_us);
    kept.dedup();
    kept
}

fn extremes(chunk: &[Reading], values: &[Getter]) -> Vec<Reading> {
    let low = |value: &Getter| chunk.iter().min_by_key(|reading| value(reading));
    let high = |value: &Getter| chunk.iter().max_by_key(|reading| value(reading));
    values.iter().flat_map(|value| [low(value), high(value)]).flatten().copied().collect()
}

/// What is plotted, in a picture of its own that is stretched to the width there is and cuts off what is outside.
pub(super) fn stretched(page: &mut Markup, inside: impl FnOnce(&mut Markup)) {
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    let size: [Attribute; 4] = [
        ("width", &"100%"),
        ("height", &HEIGHT),
        ("viewBox", &view),
        ("preserveAspectRatio", &"none"),
    ];
    page.within("svg", &size, inside);
}

/// One value over time, as a line.
pub(super) fn line(
    page: &mut Markup,
    scale: &Scale,
    readings: &[Reading],
    value: Getter,
    class: &'static str,
) {
    let path = path(scale, readings.iter(), value, 'M');
    page.empty("path", &[("class", &class), ("d", &path)]);
}

/// What is between two values over time.
pub(super) fn area(
    page: &mut Markup,
    scale: &Scale,
    readings: &[Reading],
    (low, high): (Getter, Getter),
    class: &'static str,
) {
    let there = path(scale, readings.iter(), high, 'M');
    let back = path(scale, readings.iter().rev(), low, 'L');
    page.empty("path", &[("class", &class), ("d", &format_args!("{there}{back}Z"))]);
}

fn path<'a>(
    scale: &Scale,
    readings: impl Iterator<Item = &'a Reading>,
    value: Getter,
    first: char,
) -> String {
    let mut path = String::new();
    let mut step = first;
    for reading in readings {
        let (x, y) = (scale.x(reading.at_us), scale.y(value(reading)));
        // Writing to a String cannot fail.
        let _ = write!(path, "{step}{x:.1} {y:.1}");
        step = 'L';
    }
    path
}

/// A dot for each sample, where there are few.
pub(super) fn dots(page: &mut Markup, scale: &Scale, readings: &[Reading], value: Getter) {
    let inside = || readings.iter().filter(|reading| scale.window.holds(reading.at_us));
    if inside().count() > DOTS {
        return;
    }
    let shown = |reading: &&Reading| (0.0..=HEIGHT).contains(&scale.y(value(reading)));
    for reading in inside().filter(shown) {
        let x = format!("{:.2}%", scale.across(reading.at_us));
        let y = format!("{:.1}", scale.y(value(reading)));
        page.empty("circle", &[("class", &"dot"), ("cx", &x), ("cy", &y), ("r", &2.5)]);
    }
}

/// The numbers of a place, shown when a pointer rests on it.
pub(super) fn told(page: &mut Markup, scale: &Scale, (readings, tier): (&[Reading], Tier)) {
    let inside = readings.iter().filter(|reading| scale.window.holds(reading.at_us));
    let inside: Vec<&Reading> = inside.collect();
    let step = inside.len().div_ceil(TOLD).max(1);
    let told: Vec<&Reading> = inside.into_iter().step_by(step).collect();
    for (index, reading) in told.iter().enumerate() {
        let middle = |other: &Reading| f64::midpoint(scale.x(other.at_us), scale.x(reading.at_us));
        let left = index.checked_sub(1).map_or(0.0, |before| middle(told[before]));
        let right = told.get(index + 1).map_or(WIDTH, |after| middle(after));
        let (x, width) = (format!("{left:.1}"), format!("{:.1}", (right - left).max(0.0)));
        let size: [Attribute; 4] =
            [("class", &"told"), ("x", &x), ("width", &width), ("height", &HEIGHT)];
        page.within("rect", &size, |page| {
            page.element("title", &[], numbers(scale, reading, tier));
        });
    }
}

fn numbers(scale: &Scale, reading: &Reading, tier: Tier) -> String {
    let Reading { current, footprint, anon, shmem, kernel, cache, .. } = reading;
    let name = tier.usage_name();
    let at = show::signed_stamp(reading.at_us, scale.zero.at_us);
    format!(
        "{at} s: footprint {footprint}, {name} {current} (anon {anon}, shmem {shmem}, kernel {kernel}, cache {cache})"
    )
}

/// The highest of some values.
pub(super) fn highest(readings: &[Reading], values: &[Getter]) -> Bytes {
    let all = readings.iter().flat_map(|reading| values.iter().map(|value| value(reading)));
    Bytes(u64::try_from(all.max().unwrap_or(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_us: u64, current: u64) -> Reading {
        let none = Bytes(0);
        Reading {
            at_us,
            current: Bytes(current),
            footprint: none,
            anon: none,
            shmem: none,
            cache: none,
            kernel: none,
            swap: none,
            processes: 1,
            full_avg10: None,
        }
    }

    #[test]
    fn thinning_keeps_ends_and_peaks() {
        let mut readings: Vec<Reading> = (0..10_000).map(|at| reading(at * 1000, 5)).collect();
        readings[7_777].current = Bytes(9);
        readings[7_778].current = Bytes(1);
        let window = Window { from: 0, to: 9_999_000 };
        let kept = thinned(&readings, window, &[|reading| reading.current.0.into()]);
        assert!(kept.len() <= 2 * 201 + 4, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (readings.first(), readings.last()));
        assert!(kept.contains(&readings[7_777]) && kept.contains(&readings[7_778]));
    }

    #[test]
    fn a_window_has_one_neighbour_on_either_side() {
        let readings: Vec<Reading> = (0..10).map(|at| reading(at * 1000, 5)).collect();
        let kept = thinned(&readings, Window { from: 3_500, to: 5_500 }, &[]);
        let times: Vec<u64> = kept.iter().map(|reading| reading.at_us).collect();
        assert_eq!(times, [3_000, 4_000, 5_000, 6_000]);
    }
}
