//! Who gets in: accepting, making room, turning away. What a client says is not read here.

use super::{ClientId, Server};
use crate::control::connection::{Connection, Peer};
use crate::control::listening::{Accepted, Listening};
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::socket::{getsockopt, setsockopt, sockopt, sockopt::PeerCredentials};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

impl Server {
    pub(super) fn accept(&mut self, index: usize, accepts: &mut usize) {
        while *accepts > 0 {
            // Connections that could not be buried yet have descriptors too.
            if self.graveyard.len() >= self.places {
                let now = self.now;
                return self.listening.rest(&self.epoll, self.mailbox.listeners(), now);
            }
            *accepts -= 1;
            let Some(listener) = self.mailbox.listeners().get(index) else { return };
            match Listening::accept(listener) {
                Accepted::Nobody => return,
                Accepted::Client(stream) => self.welcome(stream),
                Accepted::Resting(error) => {
                    self.notices.say(self.now, || format!("mailbox: cannot accept: {error}"));
                    let now = self.now;
                    self.listening.rest(&self.epoll, self.mailbox.listeners(), now);
                    // Whoever holds a descriptor without a question gives it to one who may have one.
                    self.evict(Duration::from_secs(1));
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, stream: UnixStream) {
        let uid = match getsockopt(&stream, PeerCredentials) {
            Ok(credentials) => credentials.uid(),
            Err(errno) => {
                self.notices.say(self.now, || format!("mailbox: client unknown: {errno}"));
                return self.part_with(Connection::new(stream, Peer::Owner, self.now));
            }
        };
        // Only the uid counts: the pid is zero for a client of another pid namespace.
        let peer = match uid == 0 || uid == self.access.owner_uid {
            true => Peer::Owner,
            false => Peer::Stranger { uid },
        };
        let full =
            self.clients.values().filter(|c| c.peer() != Peer::Trusted).count() >= self.places;
        if full && !self.evict(Duration::ZERO) {
            self.notices.say(self.now, || "mailbox: too many clients".to_owned());
            let mut client = Connection::new(stream, peer, self.now);
            client.answer_and_leave(b"error: too many clients\n");
            return self.part_with(client);
        }
        if let Err(error) = self.admit(stream, peer) {
            self.notices.say(self.now, || format!("mailbox: cannot serve a client: {error}"));
        }
    }

    pub(super) fn admit(&mut self, stream: UnixStream, peer: Peer) -> io::Result<ClientId> {
        let id = ClientId(self.next_id);
        // A byte out of band would be let go of behind the back of whoever reads (unix(7)), with what was passed along with it.
        let added = setsockopt(&stream, sockopt::OobInline, &true)
            .and_then(|()| self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, id.0)));
        if let Err(errno) = added {
            self.part_with(Connection::new(stream, peer, self.now));
            return Err(errno.into());
        }
        self.next_id += 1;
        self.clients.insert(id, Connection::new(stream, peer, self.now));
        Ok(id)
    }

    /// Drops the oldest client that has asked for nothing in this time, strangers first. False if there is none.
    fn evict(&mut self, age: Duration) -> bool {
        let now = self.now;
        let idle = || self.clients.iter().filter(|(_, client)| client.is_idle(now, age));
        let stranger = idle().find(|(_, client)| client.peer() != Peer::Owner);
        let Some(id) = stranger.or_else(|| idle().next()).map(|(id, _)| *id) else { return false };
        if let Some(client) = self.clients.get_mut(&id) {
            client.answer_and_leave(b"error: dropped: there are too many clients\n");
        }
        self.remove(id);
        true
    }

    pub(super) fn wake(&mut self, room: bool) {
        self.listening.wake(&self.epoll, self.mailbox.listeners(), self.now, room);
    }

    /// Closes it, or has it closed.
    pub(super) fn part_with(&mut self, client: Connection) {
        if let Some(stream) = client.close() {
            self.graveyard.take_in(stream, self.now);
        }
    }
}
