//! The one place that reads a clock, and where a pause is made. Everything else is handed a [`Timestamp`].

use nix::poll::{PollTimeout, poll};
use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment: the time since the guardian started (CLOCK_MONOTONIC).
///
/// Not an `Instant`, so that tests and recorded traces can write it as a literal.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub Duration);

impl Timestamp {
    /// So many milliseconds after the start.
    pub const fn from_millis(ms: u64) -> Self {
        Timestamp(Duration::from_millis(ms))
    }

    /// The time since `earlier`, zero if that lies ahead.
    pub fn since(self, earlier: Timestamp) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(duration))
    }
}

impl Sub<Timestamp> for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Timestamp) -> Duration {
        self.since(earlier)
    }
}

/// Reads the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    unix: Duration,
}

impl Clock {
    /// A clock that starts at zero now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Clock { origin: Instant::now(), unix: unix_time() }
    }

    /// When it started, by the wall clock of that moment.
    pub fn started_unix(&self) -> Duration {
        self.unix
    }

    /// The time since the clock started.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.origin.elapsed())
    }
}

/// Waits so long, to the millisecond, or less where a signal comes in between: whoever waits for something looks again. For starts,
/// ends, and processes beside the guardian; while it guards, only the event loop does.
pub fn pause(time: Duration) {
    // A poll of nothing. That it may be interrupted does not matter.
    let _ = poll(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
}

/// The wall clock, seconds since the epoch, for records that outlive the run.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
