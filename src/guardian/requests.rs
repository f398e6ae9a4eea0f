//! Requests of the mailbox: answered at once from what is known, or by the policy.

use super::Guardian;
use crate::clock::Timestamp;
use crate::control::protocol::{Request, help_text};
use crate::control::server::{ClientId, Server};
use crate::event::{Command, DeedResult, Event, OneSignal};
use crate::lines::Lines;
use crate::metrics::{Subject, metrics_text};
use crate::report::text;
use crate::status::{Level, State, WatchLine};
use crate::units::{Bytes, Limit, MIB, Size};
use serde::Serialize;
use std::time::Duration;

/// So long an answer waits for the lines to be in force.
const PATIENCE: Duration = Duration::from_millis(300);

/// Somebody who set a limit and waits to hear what came of it.
#[derive(Debug)]
pub(super) struct Unanswered {
    id: ClientId,
    lines: Lines,
    /// The limit before.
    was: Bytes,
    at: Timestamp,
}

impl Guardian {
    pub(super) fn take_requests(&mut self) {
        let now = self.clock.now();
        let requests = self.server.as_mut().map(|server| server.turn(now)).unwrap_or_default();
        for (id, request) in requests {
            self.answer(id, request);
        }
        let notices = self.server.as_mut().map(Server::take_notices).unwrap_or_default();
        for notice in notices {
            self.say(Level::Warning, notice);
        }
    }

    /// Who begins to watch gets the lines of the log first.
    fn tell_the_past(&mut self, id: ClientId) {
        let Some(server) = &mut self.server else { return };
        for line in self.log.lines() {
            server.tell(id, &WatchLine::Event(line));
        }
    }

    fn answer(&mut self, id: ClientId, request: Request) {
        match request {
            Request::Ping => self.reply(id, Ok("pong\n".to_owned())),
            Request::Status { .. } | Request::Ps { .. } => self.with_table(id, request),
            Request::Limits { json } => {
                let limits = self.status(0).limits;
                self.reply(id, Ok(either(json, &limits, text::limits_text)));
            }
            Request::Events { json } => {
                let lines = self.log.lines();
                self.reply(id, Ok(either(json, &lines, |lines| text::events_text(lines))));
            }
            Request::Metrics => {
                let guard = &crate::control::runtime_dir::listed_name(&self.config.name);
                let subject = Subject { guard, uid: self.caller_id.uid, pid: std::process::id() };
                let text = metrics_text(subject, &self.status(0));
                self.reply(id, Ok(text));
            }
            Request::Watch { .. } => self.tell_the_past(id),
            Request::Help => self.reply(id, Ok(help_text().to_owned())),
            Request::SetMemory { size, force } => self.set_memory(id, size, force),
            Request::SetPids(limit) => self.set_pids(id, limit),
            Request::SetGrace(grace) => self.command(id, Command::SetGrace(grace)),
            Request::Signal { pid, signal } => {
                let pid = i32::try_from(pid).unwrap_or(0);
                let answer = self.ask_for_signal(OneSignal { pid, signal });
                self.reply(id, answer);
            }
            Request::Freeze => self.command(id, Command::Freeze),
            Request::Thaw => self.command(id, Command::Thaw),
            Request::Terminate => self.command(id, Command::Terminate),
            Request::Kill => self.command(id, Command::Kill),
        }
    }

    fn with_table(&mut self, id: ClientId, request: Request) {
        let pids = self.guards[0].workload.processes().to_vec();
        self.publisher.wait_for_table((id, request), &pids, self.clock.now());
    }

    /// The process table is there.
    pub(super) fn answer_with_table(&mut self, id: ClientId, request: &Request) {
        let answer = if let Request::Ps { json } = request {
            either(*json, &self.rows(), |rows| text::ps_text(rows))
        } else {
            let json = matches!(request, Request::Status { json: true });
            either(json, &self.status(0), text::status_text)
        };
        self.reply(id, Ok(answer));
    }

    fn command(&mut self, id: ClientId, command: Command) {
        #[cfg(debug_assertions)]
        assert!(std::env::var_os("__SENTINEL_PANIC").is_none(), "as a test asked for");
        let being_ended = self.guards[0].term.is_some() || self.guards[0].kill.is_some();
        if being_ended && matches!(command, Command::Freeze) {
            return self.reply(id, Err("the workload is being ended and is not frozen".to_owned()));
        }
        self.guards[0].deed_error = None;
        self.deliver(0, Event::Operator(command));
        if let Some(error) = self.guards[0].deed_error.take() {
            return self.reply(id, Err(error));
        }
        let status = self.status(0);
        let state = match status.state {
            State::Starting | State::Running if status.frozen => "frozen",
            State::Starting => "starting",
            State::Running => "running",
            State::Terminating => "terminating",
            State::Killing => "killing",
            State::Ended => "ended",
        };
        self.reply(id, Ok(format!("ok: {state}\n")));
    }

    fn set_memory(&mut self, id: ClientId, size: Size, force: bool) {
        let lines = match self.config.lines(size, &self.outer) {
            Ok(lines) => lines,
            Err(error) => return self.reply(id, Err(format!("{error:#}"))),
        };
        // By an old look, a limit below what is in use would go to the kernel at once and throttle the handlers of SIGTERM.
        self.look(0);
        if let Some(refusal) = self.would_end(&lines).filter(|_| !force) {
            return self.reply(id, Err(refusal));
        }
        self.answer_replaced();
        let was = self.guards[0].policy.lines().limit;
        self.guards[0].lines_result = DeedResult::Done;
        self.deliver(0, Event::Operator(Command::SetLines(lines)));
        self.unanswered.push(Unanswered { id, lines, was, at: self.clock.now() + PATIENCE });
        self.answer_late();
    }

    /// Why lines are refused unless somebody insists: by what is in use now they would end a workload that nobody ends yet.
    fn would_end(&self, lines: &Lines) -> Option<String> {
        let (guard, limit) = (&self.guards[0], lines.limit);
        let goes_on = guard.term.is_none() && guard.kill.is_none() && !self.config.dry_run;
        let in_use = guard.policy.last().footprint();
        // What memory.stat may lag behind counts, as it does for the breach.
        let needed = in_use.saturating_add(Bytes(in_use.0 / 32));
        if !goes_on || needed < lines.allowance() {
            return None;
        }
        let room = lines.allowance().saturating_sub(limit);
        let least = needed.saturating_sub(room).0 / MIB + 1;
        Some(format!(
            "limit {limit} is below what is in use, {in_use}, and would end the workload; {least}M would not; nothing was changed; to do it all the same: set memory {} --force",
            limit.0
        ))
    }

    /// Another limit, or the end, came before theirs was in force.
    pub(super) fn answer_replaced(&mut self) {
        for Unanswered { id, lines, .. } in std::mem::take(&mut self.unanswered) {
            let text = format!("limit {} was not in force before something else came", lines.limit);
            self.reply(id, Err(text));
        }
    }

    /// When somebody is answered who waits for lines to be in force.
    pub(super) fn answer_at(&self) -> Option<Timestamp> {
        self.unanswered.iter().map(|waiting| waiting.at).min()
    }

    /// Answers those whose lines are in force, or will not be, or have not been for so long.
    pub(super) fn answer_late(&mut self) {
        if self.unanswered.is_empty() {
            return;
        }
        let (now, open) = (self.clock.now(), self.guards[0].lines_result == DeedResult::Pending);
        let due = |waiting: &Unanswered| !open || now >= waiting.at;
        let (due, rest) = std::mem::take(&mut self.unanswered).into_iter().partition(due);
        self.unanswered = rest;
        for Unanswered { id, lines, was, .. } in due {
            let answer = self.lines_answer(&lines, was);
            self.reply(id, answer);
        }
    }

    /// What came of lines, by what the kernel says now.
    fn lines_answer(&self, lines: &Lines, was: Bytes) -> Result<String, String> {
        let (guard, limit) = (&self.guards[0], lines.limit);
        let Some(in_force) = guard.workload.in_force().filter(|_| !self.config.dry_run) else {
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
        let in_use = guard.policy.last().current;
        match guard.lines_result {
            _ if elsewhere.is_empty() => Ok(format!("ok: limit {limit} in force, was {was}\n")),
            DeedResult::Failed(errno) => {
                let error = super::apply::cause(errno);
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

    fn set_pids(&mut self, id: ClientId, limit: Limit) {
        if self.config.dry_run {
            let error = "a dry run sets no limit of processes".to_owned();
            return self.reply(id, Err(error));
        }
        let was = self.config.pids.0;
        self.guards[0].deed_error = None;
        self.deliver(0, Event::Operator(Command::SetPids(limit)));
        let answer = match self.guards[0].deed_error.take() {
            None => Ok(format!("ok: pids.max {limit}, was {was}\n")),
            Some(error) => Err(error),
        };
        self.reply(id, answer);
    }

    fn reply(&mut self, id: ClientId, answer: Result<String, String>) {
        let Some(server) = &mut self.server else { return };
        match answer {
            Ok(text) => server.reply(id, true, text),
            Err(error) => server.reply(id, false, error),
        }
    }
}

/// As JSON, one line, or as text.
fn either<T: Serialize>(json: bool, value: &T, text: impl Fn(&T) -> String) -> String {
    if !json {
        return text(value);
    }
    let line = serde_json::to_string(value);
    line.map_or_else(|error| format!("error: {error}\n"), |line| line + "\n")
}
