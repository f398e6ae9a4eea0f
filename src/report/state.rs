//! What is told of a rung of the ladder: by the guardian that stands on it, and by the replay of a trace.

use super::words;
use crate::clock::Timestamp;
use crate::policy::Rung;
use crate::status::State;

/// The state, why the workload is ended, and when SIGKILL is due.
pub fn of(rung: Rung) -> (State, Option<String>, Option<Timestamp>) {
    match rung {
        Rung::Watching { .. } => (State::Running, None, None),
        Rung::Terminating { reason, kill_at, .. } => {
            (State::Terminating, Some(words::reason(&reason)), Some(kill_at))
        }
        Rung::Killing { reason, why, .. } => {
            let text = format!("{}; {}", words::reason(&reason), words::kill_reason(&why));
            (State::Killing, Some(text), None)
        }
        Rung::Ended => (State::Ended, None, None),
    }
}
