//! Plays a trace to somebody who watches: the dashboard at the end of a socket, or lines of text. In its own time, or faster.

use super::picture::Picture;
use super::reader::Trace;
use crate::clock::{Clock, Timestamp};
use crate::report::text;
use crate::status::{EventLine, WatchLine};
use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The dashboard gets a status this often.
const STATUS_EVERY: Duration = Duration::from_millis(200);
/// Text has a line for so much of the run.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// What is refused while nothing can be done.
const REFUSAL: &str = "this is a replay: nothing can be done to the workload";

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

/// The dashboard's end: what it asks is refused, and when it leaves all is over.
#[derive(Debug)]
struct Viewer {
    stream: UnixStream,
    asked: Vec<u8>,
    gone: bool,
}

impl Viewer {
    fn say(&mut self, line: &WatchLine) {
        let text = serde_json::to_string(line).unwrap_or_default() + "\n";
        self.gone |= self.stream.write_all(text.as_bytes()).is_err();
    }

    /// Waits, and answers meanwhile.
    fn wait(&mut self, clock: &Clock, time: Duration) {
        let until = clock.now() + time;
        loop {
            let left = until.since(clock.now());
            if left.is_zero() || self.gone {
                return;
            }
            let left = i32::try_from(left.as_millis().saturating_add(1)).unwrap_or(i32::MAX);
            self.listen(PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        }
    }

    fn listen(&mut self, timeout: PollTimeout) {
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, timeout).unwrap_or(0) == 0 {
            return;
        }
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.gone = true,
            Ok(length) => self.answer(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.gone = true,
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.asked.extend_from_slice(bytes);
        while let Some(end) = self.asked.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.asked.drain(..=end).collect();
            if line != b"watch json\n" {
                self.say(&WatchLine::Reply { ok: false, text: REFUSAL.to_owned() });
            }
        }
    }
}

/// Plays to a dashboard until it leaves. At the end the last picture stays.
pub(super) fn to_dashboard(stream: UnixStream, trace: &Trace, speed: f64) {
    let mut viewer = Viewer { stream, asked: Vec::new(), gone: false };
    let (mut picture, pace) = (Picture::new(trace), Pace::new(trace, speed));
    let mut next_status = Timestamp::default();
    for step in &trace.steps {
        // A moment that is far away is waited for with the picture going on: the countdown of a grace period runs.
        loop {
            let (left, now) = (pace.until(step.at), pace.clock.now());
            if now >= next_status {
                next_status = now + STATUS_EVERY;
                let ahead = Duration::try_from_secs_f64(left.as_secs_f64() * speed);
                let at = step.at.0.saturating_sub(ahead.unwrap_or_default());
                say_status(&mut viewer, &picture, Timestamp(at));
            }
            if left.is_zero() || viewer.gone {
                break;
            }
            viewer.wait(&pace.clock, left.min(STATUS_EVERY));
        }
        if viewer.gone {
            return;
        }
        let lines = picture.take(step.event, step.at);
        lines.into_iter().for_each(|line| viewer.say(&WatchLine::Event(line)));
    }
    picture.end().into_iter().for_each(|line| viewer.say(&WatchLine::Event(line)));
    say_status(&mut viewer, &picture, trace.last());
    viewer.say(&WatchLine::Reply { ok: true, text: "the trace ends here; q leaves".to_owned() });
    while !viewer.gone {
        viewer.listen(PollTimeout::NONE);
    }
}

fn say_status(viewer: &mut Viewer, picture: &Picture<'_>, at: Timestamp) {
    let status = Box::new(picture.status(at));
    viewer.say(&WatchLine::Status { status, processes: None });
}

/// Plays as text: a line a second, and what was told.
///
/// # Errors
/// When nobody takes it.
pub(super) fn to_text(mut out: impl Write, trace: &Trace, speed: Option<f64>) -> Result<()> {
    let (mut picture, pace) = (Picture::new(trace), Pace::new(trace, speed.unwrap_or(1.0)));
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
        let left = i32::try_from(left.as_millis().saturating_add(1)).unwrap_or(i32::MAX);
        // Woken too early, it waits again.
        let _: Result<i32, io::Error> =
            poll(&mut [], PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))
                .map_err(io::Error::from);
    }
}
