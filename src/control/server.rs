//! Serves the mailbox: many clients, one epoll set of its own, nothing that blocks, bounded work in a turn.
//! Who gets in is in `reception`, who may ask what in `requests`; what the answers are is the guardian's business.

mod reception;
mod requests;

use super::connection::{Connection, Peer};
use super::graveyard::Graveyard;
use super::listening::Listening;
use super::notices::Notices;
use super::protocol::Request;
use super::socket::Mailbox;
use crate::clock::{Clock, Timestamp};
use crate::report::text::watch_line;
use crate::status::WatchLine;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Clients at a time, without those that were adopted.
pub const MAX_CLIENTS: usize = 128;

/// Bounds of one turn: what is left makes the epoll set ready again. The workload, which is looked at between turns, waits for no more
/// than this.
const ACCEPTS_A_TURN: usize = 4;
const EVENTS_A_TURN: usize = 8;

/// The longest answer, bytes.
const MAX_REPLY: usize = 1 << 20;

/// Time for the last answers to leave at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// The tokens of clients start here; below are the listeners.
const FIRST_CLIENT: u64 = 16;

/// A client of this server, never another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u64);

/// Who may ask what. Root and the owner may ask everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The owner.
    pub owner_uid: u32,
    /// True if everybody may read; the sockets are opened to them, as far as their directories are open.
    pub others_may_read: bool,
}

/// How many clients watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watchers {
    /// Those that get text.
    pub text: usize,
    /// Those that get JSON.
    pub json: usize,
}

/// The mailbox's server.
#[derive(Debug)]
pub struct Server {
    mailbox: Mailbox,
    access: Access,
    epoll: Epoll,
    listening: Listening,
    graveyard: Graveyard,
    /// Clients at a time: fewer than [`MAX_CLIENTS`] where descriptors are few.
    places: usize,
    /// In order of age.
    clients: BTreeMap<ClientId, Connection>,
    next_id: u64,
    /// Clients whose next request is here already, so that no descriptor will tell of it.
    backlog: VecDeque<ClientId>,
    notices: Notices,
    now: Timestamp,
}

impl Server {
    /// Takes over the mailbox.
    ///
    /// # Errors
    /// Those of epoll_create1(2) and epoll_ctl(2), and of chmod(2) where others may read.
    pub fn new(mailbox: Mailbox, access: Access) -> io::Result<Server> {
        if access.others_may_read {
            mailbox.nodes().iter().try_for_each(|node| node.open_to_everybody())?;
        }
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let listening = Listening::start(&epoll, mailbox.listeners())?;
        Ok(Server {
            mailbox,
            access,
            epoll,
            listening,
            graveyard: Graveyard::default(),
            places: places(),
            clients: BTreeMap::new(),
            next_id: FIRST_CLIENT,
            backlog: VecDeque::new(),
            notices: Notices::default(),
            now: Timestamp::default(),
        })
    }

    /// The mailbox being served.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Serves a connection that needs no check: the other end of a socket pair. It is never dropped for being slow.
    ///
    /// # Errors
    /// Those of epoll_ctl(2) and of making it non-blocking.
    pub fn adopt(&mut self, stream: UnixStream) -> io::Result<ClientId> {
        stream.set_nonblocking(true)?;
        self.admit(stream, Peer::Trusted)
    }

    /// Does what is possible now, and returns what was asked. Each client waits for [`Server::reply`] before its next request is
    /// read; a `watch` request is told so that a first line can be published, and needs no reply.
    pub fn turn(&mut self, now: Timestamp) -> Vec<(ClientId, Request)> {
        self.now = now;
        self.wake(false);
        let mut requests = Vec::new();
        for _ in 0..self.backlog.len().min(EVENTS_A_TURN) {
            if let Some(id) = self.backlog.pop_front() {
                self.hear(id, &mut requests);
            }
        }
        let mut accepts = ACCEPTS_A_TURN;
        for event in self.ready_events() {
            match self.listening.index(event.data()) {
                Some(index) => self.accept(index, &mut accepts),
                None => self.serve(ClientId(event.data()), event.events(), &mut requests),
            }
        }
        // First the stamp: what was sent since the last turn is timed from here.
        self.clients.values_mut().for_each(|client| client.stamp(now));
        self.drop_late();
        self.graveyard.bury(now, self.places);
        requests
    }

    /// When [`Server::turn`] is due even if its descriptor is not ready.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let at_once = (!self.backlog.is_empty()).then_some(Timestamp::default());
        let clients = self.clients.values().filter_map(Connection::deadline);
        let others = [self.listening.deadline(), self.graveyard.deadline()];
        clients.chain(at_once).chain(others.into_iter().flatten()).min()
    }

    /// Answers a request. The client gets `text` (with `error: ` before it unless `ok`) and is let go; one that watches gets a
    /// line and stays. For one that has left nothing happens.
    pub fn reply(&mut self, id: ClientId, ok: bool, text: String) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let line = match text.len() <= MAX_REPLY {
            true => WatchLine::Reply { ok, text },
            false => WatchLine::Reply { ok: false, text: "the answer is too long".to_owned() },
        };
        let json = client.watches() == Some(true);
        client.answer(render(&line, json).as_bytes());
        self.settle(id);
    }

    /// The workload that this client's last request named, if it named one.
    pub fn address(&self, id: ClientId) -> Option<&[u8]> {
        self.clients.get(&id)?.address.as_deref()
    }

    /// Sends a line to all that watch. Who has 256 KiB waiting already loses it.
    pub fn publish(&mut self, line: &WatchLine) {
        self.publish_about(None, line);
    }

    /// Sends a line about this workload, to all that watch it or everything. Who has 256 KiB waiting already loses it.
    pub fn publish_about(&mut self, ward: Option<&str>, line: &WatchLine) {
        let watchers = self.has_watchers();
        let text = if watchers.text > 0 { render(line, false) } else { String::new() };
        let json = if watchers.json > 0 { render(line, true) } else { String::new() };
        let ids: Vec<_> = self.clients.keys().copied().collect();
        for id in ids {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            let meant = ward.zip(client.address.as_deref());
            if meant.is_some_and(|(ward, meant)| ward.as_bytes() != meant) {
                continue;
            }
            if let Some(wants_json) = client.watches() {
                client.offer(if wants_json { json.as_bytes() } else { text.as_bytes() });
                self.settle(id);
            }
        }
    }

    /// Sends a line to one client, if it watches.
    pub fn tell(&mut self, id: ClientId, line: &WatchLine) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Some(wants_json) = client.watches() {
            client.offer(render(line, wants_json).as_bytes());
            self.settle(id);
        }
    }

    /// How many clients watch: nobody need render what nobody gets.
    pub fn has_watchers(&self) -> Watchers {
        let mut watchers = Watchers::default();
        for client in self.clients.values() {
            match client.watches() {
                Some(true) => watchers.json += 1,
                Some(false) => watchers.text += 1,
                None => {}
            }
        }
        watchers
    }

    /// Lines for the log since the last time; few, however many clients were turned away. First those about the sockets.
    pub fn take_notices(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.mailbox.notices);
        lines.extend(self.notices.take());
        lines
    }

    /// Sends what is on its way, for 200 ms at most, and removes the sockets.
    ///
    /// # Errors
    /// As [`Mailbox::remove`].
    pub fn shutdown(mut self) -> io::Result<()> {
        let clock = Clock::start();
        while self.flush_all() && clock.now().0 < FAREWELL {
            let left = FAREWELL.saturating_sub(clock.now().0);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut waiting: Vec<_> = self.clients.values().map(waits_for_room).collect();
            if poll(&mut waiting, timeout).is_err() {
                break;
            }
        }
        while let Some((_, client)) = self.clients.pop_first() {
            self.part_with(client);
        }
        self.graveyard.leave();
        self.mailbox.remove()
    }

    /// True if something is left to send. Keeps only the clients for which that is so.
    fn flush_all(&mut self) -> bool {
        let ids: Vec<_> = self.clients.keys().copied().collect();
        for id in ids {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            client.flush();
            if !client.interest().contains(EpollFlags::EPOLLOUT) {
                self.remove(id);
            }
        }
        !self.clients.is_empty()
    }

    fn ready_events(&mut self) -> Vec<EpollEvent> {
        let mut events = [EpollEvent::empty(); EVENTS_A_TURN];
        // An interrupted wait is a turn with nothing to do; the set stays ready.
        let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        events[..count].to_vec()
    }

    /// After anything was done with a client: closes it, or tells the set what to look for now.
    fn settle(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.is_over() {
            return self.remove(id);
        }
        let interest = client.interest();
        if interest != client.registered {
            let mut event = EpollEvent::new(interest, id.0);
            if self.epoll.modify(client.stream(), &mut event).is_err() {
                return self.remove(id);
            }
            client.registered = interest;
        }
        if client.has_line() && !self.backlog.contains(&id) {
            self.backlog.push_back(id);
        }
    }

    fn remove(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            // Said explicitly: a copy of the descriptor in a forked process would keep it in the set.
            let _ = self.epoll.delete(client.stream());
            if client.passes_descriptors {
                self.notices.say(self.now, || {
                    "mailbox: dropped a client that passed descriptors".to_owned()
                });
            }
            self.part_with(client);
            self.wake(true);
        }
    }

    fn drop_late(&mut self) {
        let late = |(id, client): (&ClientId, &Connection)| client.is_late(self.now).then_some(*id);
        let late: Vec<_> = self.clients.iter().filter_map(late).collect();
        for id in late {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            if client.is_idle(self.now, Duration::ZERO) {
                client.answer_and_leave(b"error: no request within 10 s; try: help\n");
                self.remove(id);
            } else if client.has_moved(self.now) {
                self.settle(id);
            } else {
                self.remove(id);
            }
        }
    }
}

impl AsFd for Server {
    /// Ready (readable) when [`Server::turn`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// So many descriptors are for everything else, those on the way to a kill first.
const OWN: u64 = 44;

/// Half of the other descriptors that this process may have is for clients.
fn places() -> usize {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    usize::try_from(soft.saturating_sub(OWN) / 2).unwrap_or(MAX_CLIENTS).clamp(1, MAX_CLIENTS)
}

fn waits_for_room(client: &Connection) -> PollFd<'_> {
    PollFd::new(client.stream().as_fd(), PollFlags::POLLOUT)
}

/// The line as it is sent, ended.
fn render(line: &WatchLine, json: bool) -> String {
    let mut text = match json {
        // Numbers and strings only: there is nothing in it that JSON cannot hold.
        true => serde_json::to_string(line).unwrap_or_else(|_| "{}".to_owned()),
        false => watch_line(line),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
