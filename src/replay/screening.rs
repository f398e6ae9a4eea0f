//! Plays a trace to the dashboard at the end of a socket: in its own time or another, forward, back, step by step, as its user asks.
//! Each look and each rung of the ladder is told at its own moment, so that plot and ladder are the same at every speed.

use super::picture::ReplayPicture;
use crate::clock::{Clock, Timestamp};
use crate::status::{EventLine, Level, WatchLine};
use crate::trace::reader::{Recorded, Trace};
use crate::tui::history::{SLOT_MS, SLOTS};
use crate::tui::replay::SPEEDS;
use crate::units::millis;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The dashboard gets a status at least this often while time goes on: the countdown of a grace period runs.
const STATUS_EVERY: Duration = Duration::from_millis(200);
/// We may have been stopped in between.
const LONGEST_TURN: Duration = Duration::from_millis(500);
/// What is refused while nothing can be done.
const REFUSAL: &str = "this is a replay: there is no workload to act on";
const ENDS_EARLY: &str =
    "the trace ends here, before the end of the run; Space starts over, q leaves";
const THE_END: &str = "the trace ends here; Space starts over, q leaves";

/// What the dashboard asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Pause,
    Play,
    Again,
    Speed(f64),
    /// To this moment, milliseconds.
    Seek(u64),
    Step,
    StepBack,
}

impl Order {
    fn parse(line: &str) -> Option<Order> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(match words.as_slice() {
            ["pause"] => Order::Pause,
            ["play"] => Order::Play,
            ["again"] => Order::Again,
            ["step"] => Order::Step,
            ["step", "back"] => Order::StepBack,
            ["speed", factor] => {
                Order::Speed(factor.parse().ok().filter(|factor| SPEEDS.contains(factor))?)
            }
            ["seek", ms] => Order::Seek(ms.parse().ok()?),
            _ => return None,
        })
    }
}

/// The dashboard's end of the socket.
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

    /// Waits for so long, or without end; gives what was asked meanwhile.
    fn listen(&mut self, time: Option<Duration>) -> Vec<Order> {
        let ms = time.map(|time| i32::try_from(time.as_millis().saturating_add(1)));
        let timeout = match ms {
            None => PollTimeout::NONE,
            Some(ms) => PollTimeout::try_from(ms.unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX),
        };
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, timeout).unwrap_or(0) == 0 {
            return Vec::new();
        }
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.gone = true,
            Ok(length) => return self.orders(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.gone = true,
        }
        Vec::new()
    }

    fn orders(&mut self, bytes: &[u8]) -> Vec<Order> {
        self.asked.extend_from_slice(bytes);
        let mut orders = Vec::new();
        while let Some(end) = self.asked.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.asked.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match Order::parse(&line) {
                Some(order) => orders.push(order),
                None if line.trim() == "watch json" => {}
                None => self.say(&WatchLine::Reply { ok: false, text: REFUSAL.to_owned() }),
            }
        }
        orders
    }
}

/// Plays until the dashboard leaves. At the end the last picture stays.
pub(super) fn to_dashboard(stream: UnixStream, trace: &Trace, speed: f64) {
    let viewer = Viewer { stream, asked: Vec::new(), gone: false };
    Screening::new(viewer, trace, speed).run();
}

struct Screening<'a> {
    viewer: Viewer,
    trace: &'a Trace,
    picture: ReplayPicture<'a>,
    /// The first step that is not played yet.
    next: usize,
    at: Timestamp,
    speed: f64,
    paused: bool,
    /// The slot of the plot that the last step was in.
    slot: u64,
    told_end: bool,
}

impl<'a> Screening<'a> {
    fn new(viewer: Viewer, trace: &'a Trace, speed: f64) -> Self {
        let at = trace.steps.first().map_or(trace.last(), |step| step.at);
        let picture = ReplayPicture::new(trace);
        let (next, paused, slot, told_end) = (0, false, 0, false);
        Screening { viewer, trace, picture, next, at, speed, paused, slot, told_end }
    }

    fn run(mut self) {
        let clock = Clock::start();
        let mut then = clock.now();
        self.play_to(self.at);
        self.say_status(self.at);
        while !self.viewer.gone {
            let time = (!self.paused && !self.is_over()).then(|| self.until_next());
            let orders = self.viewer.listen(time);
            let passed = clock.now().since(then).min(LONGEST_TURN);
            then = clock.now();
            if time.is_some() {
                let passed = Duration::try_from_secs_f64(passed.as_secs_f64() * self.speed);
                let to = self.at.0.saturating_add(passed.unwrap_or(Duration::MAX));
                self.play_to(Timestamp(to).min(self.trace.last()));
                self.say_status(self.at);
            }
            orders.into_iter().for_each(|order| self.obey(order));
        }
    }

    fn is_over(&self) -> bool {
        self.next == self.trace.steps.len() && self.at >= self.trace.last()
    }

    /// Until the next step is due, or the next status.
    fn until_next(&self) -> Duration {
        let step = self.trace.steps.get(self.next).map_or(self.at, |step| step.at);
        let seconds = step.since(self.at).as_secs_f64() / self.speed;
        Duration::try_from_secs_f64(seconds).unwrap_or(STATUS_EVERY).min(STATUS_EVERY)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Pause => self.paused = true,
            Order::Play => self.paused = false,
            Order::Speed(speed) => self.speed = speed,
            Order::Again => {
                self.paused = false;
                self.seek(Timestamp::default());
            }
            Order::Seek(ms) => self.seek(Timestamp::from_millis(ms)),
            Order::Step => {
                self.paused = true;
                let to = self.trace.steps.get(self.next).map_or(self.trace.last(), |step| step.at);
                self.seek(to);
            }
            Order::StepBack => {
                self.paused = true;
                let before = |step: &&Recorded| step.at < self.at;
                let to = self.trace.steps.iter().take(self.next).rev().find(before);
                let to = to.map_or(Timestamp::default(), |step| step.at);
                self.seek(to);
            }
        }
    }

    /// Back is from the start anew: the policy has no way back. A time before the last tells the dashboard to forget what it has.
    fn seek(&mut self, to: Timestamp) {
        let first = self.trace.steps.first().map_or(self.trace.last(), |step| step.at);
        // A status has milliseconds: what is asked for by one is all of it.
        let last = self.trace.last();
        let to = if to.0.as_millis() >= last.0.as_millis() { last } else { to.max(first) };
        if to < self.at {
            self.picture = ReplayPicture::new(self.trace);
            (self.next, self.at, self.slot, self.told_end) = (0, first, 0, false);
            self.say_status(first);
        }
        self.play_to(to);
        self.say_status(self.at);
    }

    /// Plays all that happened until then.
    fn play_to(&mut self, to: Timestamp) {
        let plotted = Duration::from_millis(SLOT_MS * SLOTS as u64);
        while let Some(step) = self.trace.steps.get(self.next).filter(|step| step.at <= to) {
            if self.viewer.gone {
                return;
            }
            self.next += 1;
            let plotted = to.since(step.at) < plotted;
            self.begin_slot(step.at, plotted);
            let before = self.picture.rung();
            let lines = self.picture.take(step.event, step.at);
            lines.into_iter().for_each(|line| self.viewer.say(&WatchLine::Event(line)));
            if plotted && step.sample().is_some() || before != self.picture.rung() {
                self.say_status(step.at);
            }
        }
        self.at = to.max(self.at);
        if self.is_over() && !std::mem::replace(&mut self.told_end, true) {
            let end = self.picture.end();
            end.into_iter().for_each(|line| self.viewer.say(&WatchLine::Event(line)));
            for text in self.trace.missing() {
                let at_ms = u64::try_from(self.at.0.as_millis()).unwrap_or(u64::MAX);
                self.viewer.say(&WatchLine::Event(EventLine {
                    at_ms,
                    level: Level::Warning,
                    text,
                }));
            }
            let whole = self.trace.end.is_some();
            let text = if whole { THE_END } else { ENDS_EARLY }.to_owned();
            self.viewer.say(&WatchLine::Reply { ok: whole, text });
        }
    }

    /// What was known when a slot of the plot began is its own too: at a slow speed a status in between tells it.
    fn begin_slot(&mut self, at: Timestamp, plotted: bool) {
        let slot = millis(at.0) / SLOT_MS;
        let began = Timestamp::from_millis(slot.saturating_mul(SLOT_MS));
        if std::mem::replace(&mut self.slot, slot) < slot && plotted && began > self.at {
            self.say_status(began);
        }
    }

    fn say_status(&mut self, at: Timestamp) {
        let status = Box::new(self.picture.status(at));
        self.viewer.say(&WatchLine::Status { status, processes: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_understood_and_nothing_else_is() {
        for (line, order) in [
            ("pause", Some(Order::Pause)),
            ("step back\n", Some(Order::StepBack)),
            ("seek 1500", Some(Order::Seek(1500))),
            ("speed 0.5", Some(Order::Speed(0.5))),
            ("speed 0", None),
            ("speed inf", None),
            ("seek -1", None),
            ("terminate", None),
            ("kill", None),
        ] {
            assert_eq!(Order::parse(line), order, "{line}");
        }
    }
}
