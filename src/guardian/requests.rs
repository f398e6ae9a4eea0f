//! Requests of the mailbox: answered at once from what is known, or by the policy.

use super::Guardian;
use crate::control::protocol::{Request, help_text};
use crate::control::server::{ClientId, Server};
use crate::event::{Command, Event};
use crate::report::metrics::metrics_text;
use crate::report::text;
use crate::status::{Level, State, WatchLine};
use crate::units::{Limit, Size};
use serde::Serialize;

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
                let text = metrics_text(&self.config.name, &self.status(0));
                self.reply(id, Ok(text));
            }
            Request::Watch { .. } => self.tell_the_past(id),
            Request::Help => self.reply(id, Ok(help_text().to_owned())),
            Request::SetMemory(size) => self.set_memory(id, size),
            Request::SetPids(limit) => self.set_pids(id, limit),
            Request::SetGrace(grace) => self.command(id, Command::SetGrace(grace)),
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
        self.deliver(0, Event::Operator(command));
        let status = self.status(0);
        let state = match status.state {
            State::Running if status.frozen => "frozen",
            State::Running => "running",
            State::Terminating => "terminating",
            State::Killing => "killing",
            State::Ended => "ended",
        };
        self.reply(id, Ok(format!("ok: {state}\n")));
    }

    fn set_memory(&mut self, id: ClientId, size: Size) {
        match self.config.lines(size, &self.outer) {
            // By an old look, a limit below what is in use would go to the kernel at once and throttle the handlers of SIGTERM.
            Ok(lines) => {
                self.look(0);
                self.command(id, Command::SetLines(lines));
            }
            Err(error) => self.reply(id, Err(format!("{error:#}"))),
        }
    }

    fn set_pids(&mut self, id: ClientId, limit: Limit) {
        let workload = &self.guards[0].workload;
        let result = match workload.cgroup() {
            Some(cgroup) if cgroup.has("pids.max") => {
                crate::cgroup::limits::set_pids(cgroup, limit)
            }
            Some(_) | None => Err(anyhow::anyhow!("no pids controller in this tier")),
        };
        match result {
            Ok(()) => {
                self.config.pids.0 = limit;
                self.say(Level::Info, format!("limit of processes is {limit} now"));
                self.reply(id, Ok(format!("ok: pids.max {limit}\n")));
            }
            Err(error) => self.reply(id, Err(format!("{error:#}"))),
        }
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
