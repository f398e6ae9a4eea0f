//! Requests of the mailbox: answered at once from what is known, or by a ward.

use super::Host;
use crate::clock::Timestamp;
use crate::control::protocol::{Request, help_text};
use crate::control::runtime_dir::listed_name;
use crate::control::server::{ClientId, Server};
use crate::escape::escape_cut;
use crate::event::{Command, OneSignal};
use crate::metrics::{Subject, metrics_text};
use crate::report::text;
use crate::status::{Level, WatchLine};
use crate::units::Size;
use crate::ward::{Answer, Wanted, Ward, WardId};
use serde::Serialize;
use std::time::Duration;

/// So long an answer waits for the lines to be in force.
const MACHINE: &str =
    "the machine as a whole has no limits of ours and is never ended: detach lets it go";
const PATIENCE: Duration = Duration::from_millis(300);

/// Somebody who set a limit and waits to hear what came of it.
#[derive(Debug)]
pub(super) struct Unanswered {
    client: ClientId,
    ward: WardId,
    wanted: Wanted,
    at: Timestamp,
}

impl Host {
    pub(super) fn take_requests(&mut self) {
        let now = self.clock.now();
        let requests =
            self.mailbox.server.as_mut().map(|server| server.turn(now)).unwrap_or_default();
        for (client, request) in requests {
            self.answer(client, request);
        }
        let notices = self.mailbox.server.as_mut().map(Server::take_notices).unwrap_or_default();
        for notice in notices {
            self.say(Level::Warning, notice);
        }
    }

    /// Who begins to watch gets the lines of the log first.
    fn tell_the_past(&mut self, client: ClientId) {
        let Some(server) = &mut self.mailbox.server else { return };
        for line in self.voice.log.lines() {
            server.tell(client, &WatchLine::Event(line));
        }
    }

    fn answer(&mut self, client: ClientId, request: Request) {
        match request {
            Request::Ping => self.reply(client, Ok("pong\n".to_owned())),
            Request::Watch { .. } => self.tell_the_past(client),
            Request::Help => self.reply(client, Ok(help_text().to_owned())),
            Request::Events { json } => {
                let lines = self.voice.log.lines();
                self.reply(client, Ok(either(json, &lines, |lines| text::events_text(lines))));
            }
            Request::Wards { json } => {
                let all: Vec<_> = self.wards.iter().map(Ward::status).collect();
                self.reply(client, Ok(either(json, &all, |all| text::wards_text(all))));
            }
            Request::Detach => {
                let answer = self.detach_asked(client);
                self.reply(client, answer);
            }
            Request::Status { .. }
            | Request::Ps { .. }
            | Request::Limits { .. }
            | Request::Metrics
            | Request::SetMemory { .. }
            | Request::SetPids(_)
            | Request::SetGrace(_)
            | Request::SetTimeout(_)
            | Request::Signal { .. }
            | Request::Freeze
            | Request::Thaw
            | Request::Terminate
            | Request::Kill => self.ask_ward(client, request),
        }
    }

    /// Whether no ward was named and there is not one alone.
    fn asks_all(&self, client: ClientId) -> bool {
        let address = self.mailbox.server.as_ref().and_then(|server| server.address(client));
        address.is_none() && self.wards.iter().count() != 1
    }

    /// The ward that the client named, or the only one.
    fn chosen(&self, client: ClientId) -> Result<WardId, String> {
        let mut wards = self.wards.iter();
        let address = self.mailbox.server.as_ref().and_then(|server| server.address(client));
        if let Some(name) = address {
            let named = wards.find(|ward| ward.rules.name.as_bytes() == name).map(Ward::id);
            return named.ok_or_else(|| {
                let name = escape_cut(name, 60);
                format!("no workload here is called {name}: wards lists them")
            });
        }
        match (wards.next(), wards.next()) {
            (Some(only), None) => Ok(only.id()),
            (None, _) => Err("no workload is guarded now".to_owned()),
            (Some(_), Some(_)) => {
                let many = self.wards.iter().count();
                Err(format!(
                    "{many} workloads are guarded here: wards lists them, @NAME before a request chooses one"
                ))
            }
        }
    }

    /// The one that was named is let go, or all are.
    fn detach_asked(&mut self, client: ClientId) -> Answer {
        let named = self.mailbox.server.as_ref().is_some_and(|it| it.address(client).is_some());
        if named { self.let_one_go(self.chosen(client)?) } else { self.let_all_go() }
    }

    /// What one ward answers.
    fn ask_ward(&mut self, client: ClientId, request: Request) {
        if let Request::Status { json } = request
            && self.asks_all(client)
        {
            return self.answer(client, Request::Wards { json });
        }
        let id = match self.chosen(client) {
            Ok(id) => id,
            Err(why) => return self.reply(client, Err(why)),
        };
        let is_machine = self.wards.get_mut(id).is_some_and(|ward| ward.workload.is_machine());
        if is_machine && acts(&request) {
            return self.reply(client, Err(MACHINE.to_owned()));
        }
        if let Request::SetMemory { size, force } = request {
            return self.set_memory(client, id, size, force);
        }
        let (name, uid) = (listed_name(&self.name), self.caller_id.uid);
        let Some(ward) = self.wards.get_mut(id) else { return };
        let answer = match request {
            Request::Status { .. } | Request::Ps { .. } => {
                ward.hurry_table();
                return self.mailbox.waiting.push((client, id, request));
            }
            Request::Limits { json } => Ok(either(json, &ward.status().limits, text::limits_text)),
            Request::Metrics => {
                let subject = Subject { guard: &name, uid, pid: crate::sys::process::own() };
                Ok(metrics_text(subject, &ward.status()))
            }
            Request::SetPids(limit) => ward.set_pids(limit),
            Request::SetGrace(grace) => ward.set_grace(grace),
            Request::SetTimeout(timeout) => ward.set_timeout(timeout),
            Request::Signal { pid, signal } => {
                let pid = i32::try_from(pid).unwrap_or(0);
                ward.ask_for_signal(OneSignal { pid, signal })
            }
            Request::Freeze => command(ward, Command::Freeze),
            Request::Thaw => command(ward, Command::Thaw),
            Request::Terminate => command(ward, Command::Terminate),
            Request::Kill => command(ward, Command::Kill),
            Request::Ping
            | Request::Watch { .. }
            | Request::Help
            | Request::Detach
            | Request::Wards { .. }
            | Request::Events { .. }
            | Request::SetMemory { .. } => return,
        };
        self.reply(client, answer);
    }

    /// The process table of this ward is there.
    pub(super) fn answer_with_table(&mut self, id: WardId) {
        let here = |(_, ward, _): &(ClientId, WardId, Request)| *ward == id;
        let (due, rest) = std::mem::take(&mut self.mailbox.waiting).into_iter().partition(here);
        self.mailbox.waiting = rest;
        for (client, _, request) in due {
            let Some(ward) = self.wards.get(id) else { return };
            let answer = if let Request::Ps { json } = request {
                either(json, &ward.rows(), |rows| text::ps_text(rows))
            } else {
                let json = matches!(request, Request::Status { json: true });
                either(json, &ward.status(), text::status_text)
            };
            self.reply(client, Ok(answer));
        }
    }

    fn set_memory(&mut self, client: ClientId, id: WardId, size: Size, force: bool) {
        let Some(ward) = self.wards.get_mut(id) else { return };
        let lines = match ward.lines_for(size, force) {
            Ok(lines) => lines,
            Err(refusal) => return self.reply(client, Err(refusal)),
        };
        self.answer_replaced(id);
        let Some(ward) = self.wards.get_mut(id) else { return };
        let (wanted, at) = (ward.set_memory(lines), self.clock.now() + PATIENCE);
        self.mailbox.unanswered.push(Unanswered { client, ward: id, wanted, at });
        self.answer_late();
    }

    /// Another limit, or the end, came before theirs was in force.
    pub(super) fn answer_replaced(&mut self, id: WardId) {
        self.answer_some(|waiting| waiting.ward == id, |_, wanted| wanted.replaced());
    }

    /// When somebody is answered who waits for lines to be in force.
    pub(super) fn answer_at(&self) -> Option<Timestamp> {
        self.mailbox.unanswered.iter().map(|waiting| waiting.at).min()
    }

    /// Answers those whose lines are in force, or will not be, or have not been for so long.
    pub(super) fn answer_late(&mut self) {
        if self.mailbox.unanswered.is_empty() {
            return;
        }
        let now = self.clock.now();
        let pending: Vec<_> =
            self.wards.iter().filter(|ward| ward.lines_are_pending()).map(Ward::id).collect();
        let due = |waiting: &Unanswered| !pending.contains(&waiting.ward) || now >= waiting.at;
        self.answer_some(due, Ward::lines_answer);
    }

    fn answer_some(
        &mut self,
        due: impl Fn(&Unanswered) -> bool,
        answer: impl Fn(&Ward, &Wanted) -> Answer,
    ) {
        let (due, rest) = std::mem::take(&mut self.mailbox.unanswered).into_iter().partition(due);
        self.mailbox.unanswered = rest;
        for Unanswered { client, ward, wanted, .. } in due {
            let ward = self.wards.get(ward);
            let answer = ward.map_or_else(|| wanted.replaced(), |ward| answer(ward, &wanted));
            self.reply(client, answer);
        }
    }

    fn reply(&mut self, client: ClientId, answer: Answer) {
        self.order_keeper();
        let Some(server) = &mut self.mailbox.server else { return };
        match answer {
            Ok(text) => server.reply(client, true, text),
            Err(error) => server.reply(client, false, error),
        }
    }
}

fn command(ward: &mut Ward, command: Command) -> Answer {
    #[cfg(debug_assertions)]
    assert!(std::env::var_os("__SENTINEL_PANIC").is_none(), "as a test asked for");
    ward.obey(command)
}

/// Whether it asks for something to be done to a workload, or set for it; but for the grace period, which single processes have too.
fn acts(request: &Request) -> bool {
    matches!(
        request,
        Request::SetMemory { .. }
            | Request::SetPids(_)
            | Request::SetTimeout(_)
            | Request::Signal { .. }
            | Request::Freeze
            | Request::Thaw
            | Request::Terminate
            | Request::Kill
    )
}

/// As JSON, one line, or as text.
fn either<T: Serialize>(json: bool, value: &T, text: impl Fn(&T) -> String) -> String {
    if !json {
        return text(value);
    }
    let line = serde_json::to_string(value);
    line.map_or_else(|error| format!("error: {error}\n"), |line| line + "\n")
}
