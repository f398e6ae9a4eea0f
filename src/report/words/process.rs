//! What is told of a single process that is ended while the rest of its workload lives.

use super::{kill_reason, reason, refused};
use crate::event::{ProcessId, ProcessNotice, ProcessReason, Reason};
use crate::status::Level;
use crate::units::show_duration;

/// Why it is ended.
pub fn process_reason(why: &ProcessReason) -> String {
    match why {
        ProcessReason::TooLarge { size, limit } => {
            format!("{size} reached what each process may hold, {limit}")
        }
        ProcessReason::Largest { size, reason: why } => {
            format!("the largest that may go by itself ({size}): {}", reason(why))
        }
    }
}

/// That it is being ended, for a status.
pub fn being_ended(id: ProcessId, why: &ProcessReason) -> String {
    format!("process {} is being ended: {}", id.pid, process_reason(why))
}

/// The reason as one word, for records.
pub fn process_reason_word(why: &ProcessReason) -> &'static str {
    match why {
        ProcessReason::TooLarge { .. } => "process-memory",
        ProcessReason::Largest { reason, .. } => super::reason_word(reason),
    }
}

/// Whom it is about, where no name is known.
pub fn by_number(notice: &ProcessNotice) -> String {
    format!("process {}", notice.id().pid)
}

/// Nobody can be ended for this.
pub fn nobody(why: &Reason) -> String {
    let why = reason(why);
    format!("{why}: no process that may be ended holds enough for that to help (said once)")
}

/// The line about `whom`; `signal` is the polite signal's name.
pub fn notice(notice: &ProcessNotice, whom: &str, signal: &str) -> (Level, String) {
    match notice {
        ProcessNotice::Terminating { why, grace, .. } => {
            let (why, grace) = (process_reason(why), show_duration(*grace));
            (Level::Warning, format!("{whom}: {why}: sent {signal}, SIGKILL in {grace}"))
        }
        ProcessNotice::WouldTerminate { why, .. } => {
            let why = process_reason(why);
            (Level::Warning, format!("{whom}: {why}: would send {signal} (dry run)"))
        }
        ProcessNotice::Killing { why, after, .. } => {
            let (why, after) = (kill_reason(why), show_duration(*after));
            (Level::Warning, format!("{whom}: {why}: sent SIGKILL, {after} after {signal}"))
        }
        ProcessNotice::Gone { after, killed, .. } => {
            let by = if *killed { "SIGKILL" } else { signal };
            let after = show_duration(*after);
            (
                Level::Info,
                format!("{whom} is gone, {after} after {signal}, by {by}; the rest goes on"),
            )
        }
        ProcessNotice::Refused { kill, errno, .. } => {
            let signal = if *kill { "SIGKILL" } else { signal };
            (Level::Error, refused(signal, whom, *errno))
        }
        ProcessNotice::StillThere { after, .. } => {
            let after = show_duration(*after);
            let text = format!(
                "{whom} is still there {after} after SIGKILL (uninterruptible sleep?); not waited for any more"
            );
            (Level::Error, text)
        }
    }
}
