//! What an operator asks of a ward, and what came of it.

use super::Ward;
use crate::control::protocol::TO_FORCE;
use crate::event::{Command, DeedResult, Event};
use crate::lines::Lines;
use crate::policy::on_breach::OnBreach;
use crate::status::State;
use crate::units::{Bytes, Limit, MIB, Size, show_duration};
use std::time::Duration;

/// What is answered: a text, or why it was not done.
pub type Answer = Result<String, String>;

/// Lines that were asked for, and the limit before them.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    lines: Lines,
    was: Bytes,
    /// It was frozen at its limit.
    frozen: bool,
}

impl Ward {
    /// Hands on a command, and says in which state that leaves the workload.
    pub fn obey(&mut self, command: Command) -> Answer {
        if self.is_being_ended() && matches!(command, Command::Freeze) {
            return Err("the workload is being ended and cannot be frozen".to_owned());
        }
        if matches!(command, Command::Thaw) && self.is_frozen_by_others() {
            return Err(
                "it was frozen by others (cgroup.freeze), who thaw it: not by sentinel".to_owned()
            );
        }
        self.story.deed_error = None;
        self.handle(Event::Operator(command));
        if let Some(error) = self.story.deed_error.take() {
            return Err(error);
        }
        let status = self.status();
        let state = match status.state {
            State::Starting | State::Running if status.frozen => "frozen",
            State::Starting => "starting",
            State::Running => "running",
            State::Terminating => "terminating",
            State::Killing => "killing",
            State::Ended => "ended",
        };
        let refusal = self.refusal().map_or_else(String::new, |text| format!("; {text}"));
        Ok(format!("ok: {state}{refusal}\n"))
    }

    /// Who was not reached by the last signals, while it is being ended.
    pub(super) fn refusal(&self) -> Option<&str> {
        let is_going = self.is_being_ended() && !self.has_ended();
        self.story.refusal.as_deref().filter(|_| is_going)
    }

    /// Why a limit cannot be set, or the lines that it makes.
    ///
    /// # Errors
    /// It is above an outer limit, or would end the workload and nobody insists.
    pub fn lines_for(&mut self, size: Size, force: bool) -> Result<Lines, String> {
        let lines = self.rules.lines(size, &self.outer).map_err(|error| format!("{error:#}"))?;
        // By an old look, a limit below what is in use would go to the kernel at once and throttle the handlers of SIGTERM.
        self.look();
        match self.would_end(&lines).filter(|_| !force) {
            Some(refusal) => Err(refusal),
            None => Ok(lines),
        }
    }

    /// Begins to put lines in force.
    pub fn set_memory(&mut self, lines: Lines) -> Wanted {
        let (was, frozen) = (self.policy.lines().limit, self.policy.frozen_until().is_some());
        self.story.lines_result = DeedResult::Done;
        self.handle(Event::Operator(Command::SetLines(lines)));
        Wanted { lines, was, frozen }
    }

    /// Whether lines are still on their way into force.
    pub fn lines_are_pending(&self) -> bool {
        self.story.lines_result == DeedResult::Pending
    }

    /// Why lines are refused unless somebody insists: by what is in use now they would end, or freeze, a workload that nobody ends yet.
    fn would_end(&self, lines: &Lines) -> Option<String> {
        let limit = lines.limit;
        let deed = self.rules.on_breach.deed;
        let goes_on = !self.is_being_ended() && !self.rules.dry_run && deed != OnBreach::Warn;
        let in_use = self.policy.last().footprint();
        // What memory.stat may lag behind counts, as it does for the breach.
        let needed = in_use.saturating_add(Bytes(in_use.0 / 32));
        if !goes_on || needed < lines.allowance() {
            return None;
        }
        let room = lines.allowance().saturating_sub(limit);
        let least = needed.saturating_sub(room).0 / MIB + 1;
        let would = if deed == OnBreach::Freeze { "freeze" } else { "end" };
        let where_it_is = if limit < in_use { "below" } else { "too close to" };
        let typed = match limit.0 % MIB {
            0 => format!("{}M", limit.0 / MIB),
            _ => limit.0.to_string(),
        };
        Some(format!(
            "limit {limit} is {where_it_is} the {in_use} in use and would {would} the workload; {least}M would not; nothing was changed{TO_FORCE}set memory {typed} --force"
        ))
    }

    /// What came of lines, and that it was thawed if they let it go on.
    ///
    /// # Errors
    /// They are not in force.
    pub fn lines_answer(&self, wanted: &Wanted) -> Answer {
        let thawed = wanted.frozen && !self.policy.frozen() && !self.is_being_ended();
        let told = if thawed { ", thawed\n" } else { "\n" };
        self.where_lines_are(wanted).map(|text| format!("{}{told}", text.trim_end()))
    }

    /// What came of lines, by what the kernel says now.
    ///
    /// # Errors
    /// They are not in force.
    fn where_lines_are(&self, wanted: &Wanted) -> Answer {
        let Wanted { lines, was, .. } = wanted;
        let limit = lines.limit;
        if self.rules.dry_run {
            return Ok(format!(
                "ok: limit {limit} is compared with, was {was}; a dry run puts none in force\n"
            ));
        }
        let Some(in_force) = self.workload.lines_in_force() else {
            return Ok(format!("ok: limit {limit} in force, was {was}\n"));
        };
        let stands = |name, now, wanted: Bytes| match now {
            Limit::At(at) if at == wanted.0 => None,
            Limit::At(at) => Some(format!("{name} {}", Bytes(at))),
            Limit::Max => Some(format!("{name} max")),
        };
        let elsewhere = [
            stands("memory.high", in_force.high, lines.limit),
            stands("memory.max", in_force.max, lines.ceiling),
        ];
        let elsewhere = elsewhere.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let in_use = self.policy.last().current;
        match self.story.lines_result {
            _ if elsewhere.is_empty() => Ok(format!("ok: limit {limit} in force, was {was}\n")),
            DeedResult::Failed(errno) => {
                let error = super::deeds::cause(errno);
                Err(format!("limit {limit} is not in force: {error}; still {elsewhere}"))
            }
            DeedResult::Pending => Ok(format!(
                "ok: limit {limit} is being put in force, was {was}, still {elsewhere}\n"
            )),
            DeedResult::Done | DeedResult::InUse(_) => Ok(format!(
                "ok: limit {limit}, was {was}, still {elsewhere}: {in_use} are in use\n"
            )),
        }
    }

    /// Another grace period.
    ///
    /// # Errors
    /// None.
    pub fn set_grace(&mut self, grace: Duration) -> Answer {
        let was = show_duration(self.policy.grace());
        self.handle(Event::Operator(Command::SetGrace(grace)));
        Ok(format!("ok: grace period {}, was {was}\n", show_duration(self.policy.grace())))
    }

    /// Another wall-clock limit, or none.
    ///
    /// # Errors
    /// The workload is being ended, which no time limit stops.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Answer {
        let shown = |timeout: Option<Duration>| timeout.map_or("off".to_owned(), show_duration);
        if self.is_being_ended() {
            return Err("the workload is being ended, whatever its timeout".to_owned());
        }
        let was = shown(self.policy.timeout());
        self.handle(Event::Operator(Command::SetTimeout(timeout)));
        let over = if self.is_being_ended() { ", which is over: terminating" } else { "" };
        Ok(format!("ok: timeout {}, was {was}{over}\n", shown(timeout)))
    }

    /// So many processes at most.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn set_pids(&mut self, limit: Limit) -> Answer {
        if self.rules.dry_run {
            return Err("a dry run sets no process limit".to_owned());
        }
        let was = self.rules.pids.0;
        self.story.deed_error = None;
        self.handle(Event::Operator(Command::SetPids(limit)));
        match self.story.deed_error.take() {
            None => Ok(format!("ok: pids.max {limit}, was {was}\n")),
            Some(error) => Err(error),
        }
    }
}

impl Wanted {
    /// Another limit, or the end, came before these lines were in force.
    pub fn replaced(&self) -> Answer {
        let limit = self.lines.limit;
        Err(format!("the limit {limit} was replaced before it was in force"))
    }
}
