//! What is asked for one workload: its limits, how it is ended, what is told of it. Sizes are typed values until the outer limit
//! is known.

use super::PoolRules;
use crate::account::Account;
use crate::cgroup::hierarchy::OuterLimit;
use crate::cli::{OnDeath, ReportSetting};
use crate::escape::escape;
use crate::lines::{BATCH, Lines, SMALLEST_HEADROOM, default_headroom};
use crate::policy::breach::counter_slack;
use crate::policy::culprit::CulpritRule;
use crate::policy::interval::Cadence;
use crate::policy::on_breach::BreachRule;
use crate::policy::pool::Victim;
use crate::policy::reclaim::ReclaimAt;
use crate::policy::thrash::ThrashRule;
use crate::policy::warn::WarnRule;
use crate::policy::{OnExit, PolicyConfig};
use crate::status::Tier;
use crate::units::{Bytes, Limit, Percent, Size};
use crate::workload::kill_mode::KillMode;
use anyhow::{Result, bail, ensure};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// What is left above is room for an end by signals, sampled and not throttled.
const OBSERVED_MEMORY: Size = Size::Share(Percent(80));
/// Processes and threads, unless asked otherwise.
pub(super) const PIDS: u64 = 4096;

/// The rules for one workload.
#[derive(Clone, Debug)]
pub struct WardRules {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// The limit as typed, or the default.
    pub memory: Size,
    pub(super) memory_given: bool,
    pub(super) headroom: Option<Bytes>,
    pub(super) second_line: Option<Bytes>,
    /// Time from SIGTERM to SIGKILL.
    pub grace: Duration,
    /// The polite signal.
    pub term_signal: i32,
    /// Who gets it.
    pub kill_mode: KillMode,
    /// `memory.swap.max`.
    pub swap: Limit,
    /// Room beyond the limit that swap gives here: none until the place of the workload is known.
    pub swap_room: Limit,
    /// `pids.max`, and whether it was asked for.
    pub pids: (Limit, bool),
    /// What is done at a breach.
    pub on_breach: BreachRule,
    /// Which single processes are ended.
    pub culprit: CulpritRule,
    /// Wall-clock limit.
    pub timeout: Option<Duration>,
    /// When to warn.
    pub warn: WarnRule,
    /// When thrashing ends the workload.
    pub thrash: Option<ThrashRule>,
    /// What is to be left of the machine's memory, as typed.
    pub min_available: Option<Size>,
    /// What happens to the rest when the command ends.
    pub on_exit: OnExit,
    /// What the keeper does when we are killed.
    pub on_guardian_death: OnDeath,
    /// The user that the command runs as, if not ours.
    pub account: Option<Account>,
    /// Decide and tell, never act.
    pub dry_run: bool,
    /// Runtimes are told the limit.
    pub tell_runtimes: bool,
    /// When a post-mortem is kept.
    pub report: ReportSetting,
    /// Exit status when we ended the workload for a limit.
    pub limit_exit_code: Option<u8>,
    /// Name of the run: letters, digits, `._-`.
    pub name: String,
    /// It is a pool, of which this one is ended.
    pub victim: Option<Victim>,
    /// The limit of the pool that it is in, which is its own where it has no other.
    pub(super) total: Option<Size>,
}

impl WardRules {
    /// The limit that was asked for. Where nothing was and the limit of a container is there to be read: a share of that.
    pub fn wanted_memory(&self, tier: Tier, outer: &OuterLimit) -> Size {
        match tier {
            Tier::Observed if !self.memory_given && outer.path.is_some() => OBSERVED_MEMORY,
            Tier::Kernel | Tier::Observed | Tier::Hybrid | Tier::Polled => self.memory,
        }
    }

    /// Why the grace period may be cut short by mere number, where less headroom or more processes were asked for than there are by
    /// default. Those do: what 4096 processes may charge at once is far more than any default headroom, but they are not there at once, and
    /// the second line looks ahead (docs/measurements.md has fork bombs).
    pub fn crowd_note(&self, lines: &Lines) -> Option<String> {
        let little = self.headroom.is_some_and(|asked| asked < default_headroom(lines.limit));
        let more = match self.pids.0 {
            Limit::At(pids) => pids > PIDS,
            Limit::Max => true,
        };
        (little || self.pids.1 && more).then(|| crowded(lines, self.pids.0)).flatten()
    }

    /// The lines, now that it is known what is available.
    ///
    /// # Errors
    /// When the limit is above an outer one, which is named, or the lines leave no room.
    pub fn lines(&self, memory: Size, outer: &OuterLimit) -> Result<Lines> {
        let limit = memory.of(outer.bytes);
        let room = outer.bytes.saturating_sub(limit);
        if limit >= outer.bytes || room < SMALLEST_HEADROOM {
            bail!("{}", too_much(limit, outer));
        }
        let headroom = match self.headroom {
            Some(headroom) if headroom > room => {
                bail!("headroom {headroom} is more than the {room} that {} leaves", source(outer))
            }
            Some(headroom) => headroom,
            None => default_headroom(limit).min(room),
        };
        Ok(Lines::new(limit, Some(headroom), self.second_line)?.with_swap(self.swap_room))
    }

    /// The lines of a cgroup that somebody else made: at the limit that was asked for, or where nothing was, so far below its own
    /// `memory.max` that an end has room.
    ///
    /// # Errors
    /// As [`WardRules::lines`]; when there is neither.
    pub fn lines_of_others(&self, outer: &OuterLimit) -> Result<Lines> {
        if self.memory_given {
            return self.lines(self.memory, outer);
        }
        if let Some(total) = self.total.filter(|_| outer.path.is_none()) {
            return self.lines(total, outer);
        }
        ensure!(outer.path.is_some(), "it has no memory.max, and no limit was given: use -m SIZE");
        let headroom = self.headroom.unwrap_or_else(|| default_headroom(outer.bytes));
        let room = headroom.min(Bytes(outer.bytes.0 / 2));
        let limit = outer.bytes.saturating_sub(room);
        Ok(Lines::new(limit, Some(room), self.second_line)?.with_swap(self.swap_room))
    }

    /// The same rules for all of a pool together.
    #[must_use]
    pub fn of_pool(&self, name: String, pool: PoolRules) -> WardRules {
        let (victim, memory) = (Some(pool.victim), pool.total);
        // What is done at a limit of one's own is not done at that of all: who is chosen there is ended.
        let (on_breach, culprit) = (BreachRule::default(), CulpritRule::default());
        WardRules {
            name,
            memory,
            memory_given: true,
            victim,
            total: None,
            on_breach,
            culprit,
            ..self.clone()
        }
    }

    /// The same rules for all that runs on the machine: for its floor the largest process is ended.
    #[must_use]
    pub fn of_machine(&self, name: String) -> WardRules {
        let culprit = CulpritRule { largest: true, ..self.culprit };
        // How much of its memory is in use is nothing to warn of.
        let warn = WarnRule { share: Percent(u32::MAX), within: Duration::ZERO };
        let on_breach = BreachRule::default();
        WardRules { name, culprit, warn, thrash: None, on_breach, ..self.clone() }
    }

    /// The same rules for one in a pool.
    #[must_use]
    pub fn within(&self, total: Size) -> WardRules {
        WardRules { total: Some(total), ..self.clone() }
    }

    /// The rules of the policy, for these lines in this tier, where the counters of the kernel may lag so far.
    pub fn policy(&self, lines: Lines, tier: Tier, lag: Bytes) -> PolicyConfig {
        let (cadence, slack, reclaim) = match tier {
            Tier::Kernel => {
                let slack = counter_slack(lag, lines.limit);
                (Cadence::Events, slack, ReclaimAt::TripWire)
            }
            Tier::Observed => (Cadence::Polled, Bytes(0), ReclaimAt::Ceiling),
            // Sums over processes do not lag.
            Tier::Hybrid | Tier::Polled => (Cadence::Polled, Bytes(0), ReclaimAt::Nowhere),
        };
        PolicyConfig {
            lines,
            grace: self.grace,
            warn: self.warn,
            thrash: self.thrash,
            timeout: self.timeout,
            // Known when it was looked for what tells.
            min_available: None,
            on_breach: self.on_breach,
            culprit: self.culprit,
            on_exit: self.on_exit,
            has_command: !self.command.is_empty(),
            dry_run: self.dry_run,
            cadence: if self.dry_run { Cadence::Polled } else { cadence },
            reclaim: if self.dry_run { ReclaimAt::Nowhere } else { reclaim },
            slack,
            is_pool: self.victim.is_some(),
            is_machine: false,
        }
    }

    /// The command's file name, as people know it; of what others started its name.
    pub fn command_name(&self) -> String {
        let word = self.command.first();
        let file = word.map(|word| Path::new(word).file_name().unwrap_or(word));
        file.map_or_else(|| self.name.clone(), |name| escape(name.as_bytes()))
    }
}

/// What headroom or processes asked for leave no room for, and the numbers that would do.
///
/// Each process may charge a batch before the kernel throttles it, and above the relief line no more than that is left.
fn crowded(lines: &Lines, pids: Limit) -> Option<String> {
    let room = lines.room_for_processes();
    let (allowed, needed) = match pids {
        Limit::At(pids) if pids <= room => return None,
        // Somewhat over half of the headroom is above the relief line.
        Limit::At(pids) => (pids.to_string(), Some(Bytes(BATCH.0.saturating_mul(pids) * 2))),
        Limit::Max => ("any number".to_owned(), None),
    };
    let more = needed.map_or_else(String::new, |headroom| format!("--headroom {headroom} or "));
    Some(format!(
        "headroom {} has room for {room} processes that grow at once ({BATCH} each before they are throttled), and --pids allows {allowed}: SIGKILL may be right behind SIGTERM then; {more}--pids {room} would do",
        lines.headroom()
    ))
}

fn too_much(limit: Bytes, outer: &OuterLimit) -> String {
    let (source, allowed) = (source(outer), outer.bytes);
    let most = allowed.saturating_sub(SMALLEST_HEADROOM);
    match limit > allowed {
        true => format!(
            "limit {limit} is above what {source} allows ({allowed}); at most {most} leaves room to act: use for instance -m 80%"
        ),
        false => format!(
            "limit {limit} leaves no room to act below what {source} allows ({allowed}): use for instance -m 80%"
        ),
    }
}

fn source(outer: &OuterLimit) -> String {
    match &outer.path {
        Some(path) => escape(path.as_os_str().as_bytes()),
        None => "this machine's memory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::config::Config;
    use clap::Parser;

    fn rules(words: &[&str]) -> WardRules {
        let words = ["sentinel"].iter().chain(words).chain(&["--", "/bin/true"]);
        Config::new(Cli::try_parse_from(words).unwrap().run).unwrap().rules
    }

    fn outer(mib: u64) -> OuterLimit {
        OuterLimit { bytes: Bytes::mib(mib), path: Some("/sys/fs/cgroup/job/memory.max".into()) }
    }

    #[test]
    fn a_share_is_of_the_outer_limit() {
        let rules = rules(&["-m", "50%"]);
        let lines = rules.lines(rules.memory, &outer(1000)).unwrap();
        assert_eq!(lines.limit, Bytes::mib(500));
    }

    #[test]
    fn a_limit_above_the_outer_one_names_it() {
        let rules = rules(&["-m", "200M"]);
        let error = rules.lines(rules.memory, &outer(128)).unwrap_err().to_string();
        assert!(error.contains("/sys/fs/cgroup/job/memory.max"), "{error}");
    }

    #[test]
    fn headroom_shrinks_to_what_the_outer_limit_leaves() {
        let rules = rules(&["-m", "100M"]);
        let lines = rules.lines(rules.memory, &outer(110)).unwrap();
        assert_eq!(lines.ceiling, Bytes::mib(110));
        assert!(rules.lines(rules.memory, &outer(103)).is_err());
    }

    #[test]
    fn swap_is_room_beyond_the_limit_once_it_is_known_to_be_there() {
        let mut rules = rules(&["-m", "100M", "--swap", "1000000"]);
        assert_eq!(rules.swap, Limit::At(15 << 16), "whole pages");
        let lines = |rules: &WardRules| rules.lines(rules.memory, &outer(1000)).unwrap();
        assert_eq!(lines(&rules).allowance(), Bytes::mib(100));
        rules.swap_room = Limit::At(256 << 20);
        let with_room = lines(&rules);
        assert_eq!(with_room.allowance(), Bytes::mib(356));
        assert_eq!(with_room.ceiling, Bytes::mib(164), "memory itself has no more");
    }

    #[test]
    fn headroom_that_is_little_for_the_processes_is_told() {
        let note = |words: &[&str]| {
            let rules = rules(words);
            rules.crowd_note(&rules.lines(rules.memory, &outer(8000)).unwrap())
        };
        assert_eq!(note(&[]), None, "nothing was asked for");
        for pids in ["141", "200", "4096"] {
            assert_eq!(note(&["--pids", pids]), None, "no more than by default");
        }
        let text = note(&["--pids", "5000"]).unwrap();
        assert!(text.contains("room for 141") && text.contains("--headroom 2.44G or"), "{text}");
        assert_eq!(note(&["--headroom", "4M", "--pids", "12"]), None);
        let text = note(&["--headroom", "16M"]).unwrap();
        assert!(text.contains("--pids allows 4096"), "{text}");
        let text = note(&["--headroom", "4M", "--pids", "max"]).unwrap();
        assert!(text.contains("any number") && text.ends_with("; --pids 12 would do"), "{text}");
        assert_eq!(note(&["--headroom", "2G"]), None);
    }
}
