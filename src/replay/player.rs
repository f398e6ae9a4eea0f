//! Plays a trace as lines of text: in its own time, faster, or at once.

use super::picture::ReplayPicture;
use crate::clock::{Clock, Timestamp, pause};
use crate::report::text;
use crate::status::{EventLine, WatchLine};
use crate::trace::reader::Trace;
use anyhow::{Context, Result};
use std::io::Write;
use std::time::Duration;

/// Text has a line for so much of the run.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// When a moment of the trace is due, at so many times its speed.
#[derive(Debug)]
struct Pace {
    clock: Clock,
    from: Timestamp,
    speed: f64,
}

impl Pace {
    fn new(trace: &Trace, speed: f64) -> Pace {
        let from = trace.steps.first().map_or(Timestamp::default(), |step| step.at);
        Pace { clock: Clock::start(), from, speed }
    }

    /// Time until it is due.
    fn until(&self, at: Timestamp) -> Duration {
        let seconds = at.since(self.from).as_secs_f64() / self.speed;
        let due = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        due.saturating_sub(self.clock.now().0)
    }
}

/// Plays as text: a line a second, and what was told.
///
/// # Errors
/// When nobody takes it.
pub(super) fn to_text(mut out: impl Write, trace: &Trace, speed: Option<f64>) -> Result<()> {
    let (mut picture, pace) = (ReplayPicture::new(trace), Pace::new(trace, speed.unwrap_or(1.0)));
    let mut next_line = Timestamp::default();
    for step in &trace.steps {
        if speed.is_some() {
            wait(pace.until(step.at));
        }
        let told = picture.take(step.event, step.at);
        if step.at >= next_line && step.sample().is_some() {
            next_line = step.at + LINE_EVERY;
            let status = Box::new(picture.status(step.at));
            say(&mut out, &text::watch_line(&WatchLine::Status { status, processes: None }))?;
        }
        told.iter().try_for_each(|line| say(&mut out, &event(line)))?;
    }
    picture.end().iter().try_for_each(|line| say(&mut out, &event(line)))
}

fn event(line: &EventLine) -> String {
    text::watch_line(&WatchLine::Event(line.clone()))
}

fn say(out: &mut impl Write, line: &str) -> Result<()> {
    writeln!(out, "{line}").and_then(|()| out.flush()).context("write the replay")
}

fn wait(time: Duration) {
    let clock = Clock::start();
    loop {
        let left = time.saturating_sub(clock.now().0);
        if left.is_zero() {
            return;
        }
        // Up to the next millisecond. Woken too early, it waits again.
        pause(left.saturating_add(Duration::from_millis(1)));
    }
}
