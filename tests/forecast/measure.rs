//! Errors of an estimator. Each run is judged by limits that it reaches and by limits that it does not.

use crate::estimators::Estimator;
use crate::runs::Run;
use std::fmt;

/// Shares of the run's highest footprint.
const REACHED: [f64; 4] = [0.5, 0.65, 0.8, 0.95];
const NOT_REACHED: [f64; 4] = [1.05, 1.2, 1.4, 1.7];
/// Seconds before the limit was reached.
const HORIZONS: [f64; 4] = [2.0, 5.0, 10.0, 20.0];
/// A program that starts is not judged.
const START: f64 = 3.0;
/// The rule of the warning: from half the limit on, when it is so near in time.
const WITHIN: f64 = 10.0;
/// A warning was false when the limit was not reached in twice the time that it spoke of.
const FALSE_AFTER: f64 = 20.0;
/// One that comes later than this is none.
const TOO_LATE: f64 = 1.0;
/// The error of no forecast, and the largest that counts.
const NONE: f64 = 9.99;

/// Relative errors at one horizon.
pub struct Errors {
    pub median: f64,
    /// Nine in ten are at most this.
    pub most: f64,
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}, {:.2}", self.median, self.most)
    }
}

/// Warnings: pairs of a run and a limit.
#[derive(Clone, Copy, Default)]
pub struct Wrong {
    pub asked: u32,
    pub false_alarms: u32,
    pub reached: u32,
    pub missed: u32,
}

pub struct Figures {
    pub errors: [Errors; 4],
    pub wrong: Wrong,
}

/// A forecast at one moment, in seconds and bytes: level and rate do for any limit.
struct Point {
    at: f64,
    footprint: f64,
    level: f64,
    rate: f64,
}

impl Point {
    fn left(&self, limit: f64) -> Option<f64> {
        (self.rate > 0.0).then(|| (limit - self.level).max(0.0) / self.rate)
    }
}

pub fn figures(estimator: &Estimator, runs: &[Run]) -> Figures {
    let (mut errors, mut wrong) = ([const { Vec::new() }; 4], Wrong::default());
    for run in runs {
        let points = forecasts(estimator, run);
        let highest = points.iter().map(|point| point.footprint).fold(0.0, f64::max);
        for share in REACHED.into_iter().chain(NOT_REACHED) {
            let limit = highest * share;
            let reached = points.iter().find(|point| point.footprint >= limit).map(|it| it.at);
            judge_errors(&points, limit, reached, &mut errors);
            judge_warning(&points, limit, reached, &mut wrong);
        }
    }
    Figures { errors: errors.map(quantiles), wrong }
}

fn forecasts(estimator: &Estimator, run: &Run) -> Vec<Point> {
    let mut estimate = (estimator.make)();
    let point = |(at, footprint): &(sentinel::clock::Timestamp, sentinel::units::Bytes)| {
        let (rate, level) = estimate(*at, *footprint);
        Point { at: at.0.as_secs_f64(), footprint: footprint.0 as f64, level, rate }
    };
    run.readings.iter().map(point).collect()
}

fn judge_errors(points: &[Point], limit: f64, reached: Option<f64>, errors: &mut [Vec<f64>; 4]) {
    let (Some(reached), Some(first)) = (reached, points.first()) else { return };
    for (horizon, errors) in HORIZONS.into_iter().zip(errors) {
        let at = reached - horizon;
        if at < first.at + START {
            continue;
        }
        let said = points.iter().rfind(|point| point.at <= at).and_then(|point| point.left(limit));
        errors.push(said.map_or(NONE, |said| ((said - horizon) / horizon).abs().min(NONE)));
    }
}

fn judge_warning(points: &[Point], limit: f64, reached: Option<f64>, wrong: &mut Wrong) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    wrong.asked += 1;
    let (mut told, mut false_alarm) = (None, false);
    let until = reached.unwrap_or(f64::INFINITY);
    for point in points.iter().take_while(|point| point.at < until) {
        if point.footprint < limit / 2.0 {
            told = None;
        } else if told.is_none() && point.left(limit).is_some_and(|left| left <= WITHIN) {
            told = Some(point.at);
            let seen = point.at + FALSE_AFTER;
            false_alarm |= seen <= last.at && seen < until;
        }
    }
    wrong.false_alarms += u32::from(false_alarm);
    if reached.is_some_and(|reached| reached >= first.at + START) {
        wrong.reached += 1;
        wrong.missed += u32::from(told.is_none_or(|told| until - told < TOO_LATE));
    }
}

fn quantiles(mut errors: Vec<f64>) -> Errors {
    errors.sort_unstable_by(f64::total_cmp);
    let at = |tenths: usize| errors.get(errors.len() * tenths / 10).copied().unwrap_or(NONE);
    Errors { median: at(5), most: at(9) }
}
