//! The first rung: tells that the limit is near, by share or by time, once for each approach. Never ends anything.

use crate::event::Notice;
use crate::lines::Lines;
use crate::policy::rate::Growth;
use crate::units::{Bytes, Percent};
use std::time::Duration;

/// When to warn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarnRule {
    /// At this share of the limit.
    pub share: Percent,
    /// When the forecast says that the limit is so near.
    pub within: Duration,
}

/// A warning is armed again when the footprint falls so far under its line, so that one at the line does not flap.
const REARM_SHARE: u64 = 10;

/// The rule and whether it has spoken.
#[derive(Clone, Debug)]
pub struct Warn {
    rule: WarnRule,
    near_told: bool,
    soon_told: bool,
}

impl Warn {
    /// Warns by this rule.
    pub fn new(rule: WarnRule) -> Self {
        Warn { rule, near_told: false, soon_told: false }
    }

    /// What to tell about this footprint, if anything.
    pub fn judge(&mut self, footprint: Bytes, lines: &Lines, growth: &Growth) -> Option<Notice> {
        let limit = lines.allowance();
        let line = limit.share(self.rule.share);
        if footprint.0 < line.0 - line.0 / REARM_SHARE {
            self.near_told = false;
        }
        if footprint.0 < limit.0 / 2 {
            self.soon_told = false;
        }
        if footprint >= line && !self.near_told {
            (self.near_told, self.soon_told) = (true, true);
            return Some(Notice::NearLimit { footprint, limit: lines.limit, swap: lines.swap });
        }
        self.near_in_time(footprint, limit, growth)
    }

    /// True from a warning on until it is armed again.
    pub fn is_on(&self) -> bool {
        self.near_told || self.soon_told
    }

    /// Only from half the limit on: every program grows fast when it starts.
    fn near_in_time(&mut self, footprint: Bytes, limit: Bytes, growth: &Growth) -> Option<Notice> {
        let left = growth.time_until(limit)?;
        if self.soon_told || left > self.rule.within || footprint.0 < limit.0 / 2 {
            return None;
        }
        self.soon_told = true;
        Some(Notice::NearInTime { left, footprint, growth: growth.per_second() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::units::Limit;

    const RULE: WarnRule = WarnRule { share: Percent(80), within: Duration::from_secs(10) };

    fn lines() -> Lines {
        Lines::new(Bytes::mib(100), None, None).unwrap()
    }

    #[test]
    fn swap_beyond_the_limit_is_part_of_what_is_shared() {
        let growth = Growth::default();
        let told = |swap, mib| {
            let lines = lines().with_swap(swap);
            Warn::new(RULE).judge(Bytes::mib(mib), &lines, &growth)
        };
        let room = Limit::At(256 << 20);
        assert!(told(room, 284).is_none());
        let near =
            Notice::NearLimit { footprint: Bytes::mib(285), limit: Bytes::mib(100), swap: room };
        assert_eq!(told(room, 285), Some(near));
        assert!(told(Limit::Max, 1 << 20).is_none());
    }

    #[test]
    fn each_approach_is_told_once() {
        let mut warn = Warn::new(RULE);
        let growth = Growth::default();
        let mut told = 0;
        for mib in [10, 79, 80, 81, 79, 82, 71, 80, 90] {
            told += u32::from(warn.judge(Bytes::mib(mib), &lines(), &growth).is_some());
        }
        assert_eq!(told, 2, "at 80 and, after 71, at 80 again");
        assert!(warn.judge(Bytes::mib(72), &lines(), &growth).is_none() && warn.is_on());
        assert!(warn.judge(Bytes::mib(80), &lines(), &growth).is_none(), "72 is too near");
        warn.judge(Bytes::mib(49), &lines(), &growth);
        assert!(!warn.is_on());
    }

    /// A growth of so many MiB a second, to so many MiB.
    fn growing(rate: u64, to: u64) -> Growth {
        let mut growth = Growth::default();
        growth.observe(Bytes::mib(to - rate), Timestamp::from_millis(0));
        growth.observe(Bytes::mib(to), Timestamp::from_millis(1000));
        growth
    }

    #[test]
    fn a_forecast_is_told_from_its_time_on_and_again_after_a_fall() {
        let (mut warn, limit) = (Warn::new(RULE), lines());
        assert!(warn.judge(Bytes::mib(60), &limit, &growing(1, 60)).is_none(), "40 s are left");
        assert!(!warn.is_on());
        let told = warn.judge(Bytes::mib(60), &limit, &growing(4, 60));
        assert!(matches!(told, Some(Notice::NearInTime { .. })), "10 s are left: {told:?}");
        assert!(warn.is_on());
        assert!(
            warn.judge(Bytes::mib(50), &limit, &growing(40, 50)).is_none(),
            "told, and still half"
        );
        assert!(warn.judge(Bytes::mib(49), &limit, &growing(40, 49)).is_none(), "armed again");
        assert!(!warn.is_on());
        assert!(warn.judge(Bytes::mib(50), &limit, &growing(40, 50)).is_some());
    }

    #[test]
    fn a_fast_start_is_no_warning_and_a_near_forecast_is() {
        let mut warn = Warn::new(RULE);
        let mut growth = Growth::default();
        let mut told = Vec::new();
        for tick in 0..75u64 {
            growth.observe(Bytes::mib(tick), Timestamp::from_millis(tick * 100));
            told.extend(warn.judge(Bytes::mib(tick), &lines(), &growth).map(|n| (tick, n)));
        }
        assert!(matches!(told[..], [(50, Notice::NearInTime { .. })]), "{told:?}");
    }
}
