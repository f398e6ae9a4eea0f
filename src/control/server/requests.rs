//! From a ready client to a request that it may make; refusals and mistakes are answered here.

use super::{ClientId, Server};
use crate::control::connection::{Incoming, Peer};
use crate::control::protocol::{MAX_LINE, Request, addressed, parse};
use nix::sys::epoll::EpollFlags;

impl Server {
    pub(super) fn serve(
        &mut self,
        id: ClientId,
        flags: EpollFlags,
        requests: &mut Vec<(ClientId, Request)>,
    ) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.ready(flags);
        self.hear(id, requests);
    }

    /// Takes one request of the client, if there is one.
    pub(super) fn hear(&mut self, id: ClientId, requests: &mut Vec<(ClientId, Request)>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.take_line() {
            None => {}
            Some(Incoming::TooLong) => {
                let text =
                    format!("error: the request is longer than {MAX_LINE} bytes; try: help\n");
                client.answer_and_leave(text.as_bytes());
            }
            Some(Incoming::Line(line)) => self.decide(id, &line, requests),
        }
        self.settle(id);
    }

    fn decide(&mut self, id: ClientId, line: &[u8], requests: &mut Vec<(ClientId, Request)>) {
        let (address, asked) = addressed(line);
        let request = parse(asked);
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.address = address.map(Box::from);
        if let Peer::Stranger { uid } = client.peer() {
            let reads = request.as_ref().is_ok_and(|request| !request.changes());
            if !(reads && self.access.others_may_read) {
                return self.refuse(id, uid, request.ok());
            }
        }
        match request {
            Ok(Request::Watch { json }) => {
                client.watch(json);
                requests.push((id, Request::Watch { json }));
            }
            Ok(request) => requests.push((id, request)),
            Err(problem) => self.reply(id, false, problem),
        }
    }

    fn refuse(&mut self, id: ClientId, uid: u32, request: Option<Request>) {
        let asked = request.map_or("an unknown request", |request| request.verb());
        self.notices.say(self.now, || format!("mailbox: refused uid {uid}, who asked for {asked}"));
        let owner = self.access.owner_uid;
        let may =
            if self.access.others_may_read { "change anything here" } else { "use this mailbox" };
        self.reply(id, false, format!("only uid {owner} and root may {may}, not uid {uid}"));
    }
}
