//! The words for a breach that a workload is not ended for, or not at once.

use super::reason;
use crate::event::AtBreach;
use crate::lines::Lines;
use crate::policy::on_breach::{BreachRule, OnBreach};
use crate::status::Level;
use crate::units::show_duration;
use std::time::Duration;

/// What people are told of it. Only what goes on as it should is not said with --quiet.
pub(super) fn notice(what: &AtBreach) -> (Level, String) {
    match what {
        AtBreach::Frozen { reason: why, left } => {
            let (why, left) = (reason(why), show_duration(*left));
            let ways = "sentinel ctl set memory SIZE, thaw or terminate";
            (Level::Error, format!("{why}: frozen, and ended in {left} unless you act: {ways}"))
        }
        AtBreach::WouldFreeze { reason: why } => {
            (Level::Warning, format!("{}: would freeze it (dry run)", reason(why)))
        }
        AtBreach::OverLimit { reason: why } => {
            (Level::Warning, format!("{}: nothing is done (--on-breach warn)", reason(why)))
        }
        AtBreach::ThawedBelow { in_use, limit } => {
            (Level::Info, format!("thawed: {in_use} in use are below the limit {limit}"))
        }
        AtBreach::ThawedOver { in_use, again_at } => {
            (Level::Warning, format!("thawed with {in_use} in use: frozen again at {again_at}"))
        }
        AtBreach::FreezeOver { frozen } => {
            let frozen = show_duration(*frozen);
            (Level::Error, format!("frozen for {frozen} (--freeze-for), and nobody acted"))
        }
    }
}

/// At the start: what is going to be done at the limit, where that is not what is done by default. `kernel` holds lines of its own.
pub fn at_the_start(rule: &BreachRule, lines: &Lines, kernel: bool) -> Option<String> {
    let deed = match rule.deed {
        OnBreach::Terminate => None,
        OnBreach::Freeze => {
            let most = show_duration(rule.freeze_for);
            Some(format!("at the limit it is frozen, and ended {most} later unless you act"))
        }
        OnBreach::Warn if kernel => Some(format!(
            "at the limit you are only told: above it the kernel slows it down and from {} on sentinel ends it with SIGKILL, since at memory.max {} the kernel's OOM killer would",
            lines.second, lines.ceiling
        )),
        OnBreach::Warn => Some(format!(
            "at the limit you are only told; at {} sentinel ends it with SIGKILL",
            lines.second
        )),
    };
    let hold = (!rule.hold.is_zero())
        .then(|| format!("the limit counts when it is reached for {}", show_duration(rule.hold)));
    let said: Vec<_> = [hold, deed].into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Behind an end: that it came after so long.
pub(super) fn frozen_before(frozen: Duration) -> String {
    format!(", after it had been frozen for {}", show_duration(frozen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Reason;
    use crate::units::Bytes;

    #[test]
    fn what_is_frozen_says_until_when_and_what_can_be_done() {
        let reason = Reason::Breach { footprint: Bytes::mib(101), limit: Bytes::mib(100) };
        let left = Duration::from_secs(600);
        assert_eq!(
            notice(&AtBreach::Frozen { reason, left }),
            (
                Level::Error,
                "footprint 101.0M reached the limit 100.0M: frozen, and ended in 10m00s unless you act: sentinel ctl set memory SIZE, thaw or terminate".to_owned()
            )
        );
    }
}
