//! The estimator in use, and what it was chosen from. Each takes a reading and gives bytes a second and the level to go on from.

use sentinel::clock::Timestamp;
use sentinel::policy::rate::Growth;
use sentinel::units::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

type Estimate = Box<dyn FnMut(Timestamp, Bytes) -> (f64, f64)>;

pub struct Estimator {
    pub name: &'static str,
    pub make: fn() -> Estimate,
}

/// The one in use first, then the one before it.
pub const ALL: [Estimator; 6] = [
    Estimator { name: "**high-water marks (in use)**", make: in_use },
    Estimator { name: "slope of the last 2 s", make: || slope_of(2.0, ends) },
    Estimator { name: "least squares, 10 s", make: || slope_of(10.0, least_squares) },
    Estimator { name: "Theil–Sen, 20 s, a reading each 2 s", make: || by_stretch(Pick::Last) },
    Estimator { name: "the same of minima", make: || by_stretch(Pick::Lowest) },
    Estimator { name: "the same of maxima", make: || by_stretch(Pick::Highest) },
];

/// What it says for a limit leads back to the level that it goes on from.
fn in_use() -> Estimate {
    const FAR: Bytes = Bytes::mib(1 << 20);
    let mut growth = Growth::default();
    Box::new(move |at, footprint| {
        growth.observe(footprint, at);
        let rate = growth.per_second() as f64;
        let left = growth.time_until(FAR).map_or(0.0, |left| left.as_secs_f64());
        (rate, FAR.0 as f64 - left * rate)
    })
}

type Points = VecDeque<(f64, f64)>;

/// Over all readings of so many seconds.
fn slope_of(seconds: f64, slope: fn(&Points) -> f64) -> Estimate {
    let mut points = Points::new();
    Box::new(move |at, footprint| {
        let (at, footprint) = (at.0.as_secs_f64(), footprint.0 as f64);
        points.push_back((at, footprint));
        while points.len() > 2 && at - points[1].0 >= seconds {
            points.pop_front();
        }
        (slope(&points), footprint)
    })
}

fn ends(points: &Points) -> f64 {
    match (points.front(), points.back()) {
        (Some(first), Some(last)) if last.0 > first.0 => (last.1 - first.1) / (last.0 - first.0),
        _ => 0.0,
    }
}

fn least_squares(points: &Points) -> f64 {
    let count = points.len() as f64;
    let middle = points.iter().map(|point| point.0).sum::<f64>() / count;
    let height = points.iter().map(|point| point.1).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|point| (point.0 - middle).powi(2)).sum();
    let rise: f64 = points.iter().map(|point| (point.0 - middle) * (point.1 - height)).sum();
    if spread > 0.0 { rise / spread } else { 0.0 }
}

fn theil_sen(points: &Points) -> f64 {
    let mut slopes = Vec::new();
    for (index, later) in points.iter().enumerate() {
        let earlier = points.iter().take(index).filter(|point| later.0 > point.0);
        slopes.extend(earlier.map(|point| (later.1 - point.1) / (later.0 - point.0)));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let middle = slopes.len() / 2;
    match slopes.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => slopes[middle],
        _ => f64::midpoint(slopes[middle - 1], slopes[middle]),
    }
}

/// Which reading of a stretch counts.
#[derive(Clone, Copy)]
enum Pick {
    Last,
    Lowest,
    Highest,
}

/// Ten stretches of two seconds, one reading of each.
fn by_stretch(pick: Pick) -> Estimate {
    const STRETCH: Duration = Duration::from_secs(2);
    let (mut points, mut number) = (Points::new(), u128::MAX);
    Box::new(move |at, footprint| {
        let stretch = at.0.as_micros() / STRETCH.as_micros();
        let (at, footprint) = (at.0.as_secs_f64(), footprint.0 as f64);
        match points.back_mut() {
            Some(last) if stretch == number => {
                let counts = match pick {
                    Pick::Last => true,
                    Pick::Lowest => footprint <= last.1,
                    Pick::Highest => footprint >= last.1,
                };
                if counts {
                    *last = (at, footprint);
                }
            }
            _ => points.push_back((at, footprint)),
        }
        number = stretch;
        if points.len() > 10 {
            points.pop_front();
        }
        (theil_sen(&points), footprint)
    })
}
