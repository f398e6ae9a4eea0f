//! One client: its line, its answer, its time. Never blocks; every buffer is bounded. What a request means is not known here.

use super::output::Outgoing;
use super::protocol::MAX_LINE;
use super::receiving::{self, Received, receive};
use crate::clock::Timestamp;
use arrayvec::ArrayVec;
use nix::sys::epoll::EpollFlags;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Time for a request line, and time without progress for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What may wait for a client that watches; lines beyond are lost to it.
pub(super) const MAX_WAITING: usize = 256 << 10;

/// No further requests are read from a client while more than this waits for it.
const READ_BELOW: usize = 64 << 10;

/// The line with its end.
const INPUT: usize = MAX_LINE + 1;

/// Who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Ours by birth: the dashboard on the other end of a socket pair.
    Trusted,
    /// The owner, or root.
    Owner,
    /// Anybody else.
    Stranger {
        /// As the kernel has it; the overflow id for one from another user namespace.
        uid: u32,
    },
}

/// Where in its life a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The request line is not complete.
    Asking,
    /// The guardian has it.
    Asked,
    /// Gets lines until it leaves, and may ask on the way.
    Watching { json: bool },
    /// Gets the rest of its answer, then is closed.
    Leaving,
}

/// What came from a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A line, with or without its end.
    Line(Vec<u8>),
    /// More than [`MAX_LINE`] bytes without an end.
    TooLong,
}

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    peer: Peer,
    phase: Phase,
    input: ArrayVec<u8, INPUT>,
    output: Outgoing,
    /// The client will send nothing more.
    ended: bool,
    /// The client is gone, or the connection is broken.
    gone: bool,
    /// The client tried to pass descriptors, and nothing more is read from it.
    pub(super) passes_descriptors: bool,
    /// A request of a watching client is with the guardian.
    awaits_reply: bool,
    /// The workload that its last request named.
    pub(super) address: Option<Box<[u8]>>,
    since: Timestamp,
    /// What the epoll set was told to look for.
    pub(super) registered: EpollFlags,
}

impl Connection {
    /// A client that has not said anything yet. The stream must be non-blocking.
    pub(super) fn new(stream: UnixStream, peer: Peer, now: Timestamp) -> Self {
        Connection {
            stream,
            peer,
            phase: Phase::Asking,
            input: ArrayVec::new(),
            output: Outgoing::default(),
            ended: false,
            gone: false,
            passes_descriptors: false,
            awaits_reply: false,
            address: None,
            since: now,
            registered: EpollFlags::EPOLLIN,
        }
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// `Some(json)` for a client that watches.
    pub(super) fn watches(&self) -> Option<bool> {
        match self.phase {
            Phase::Watching { json } => Some(json),
            Phase::Asking | Phase::Asked | Phase::Leaving => None,
        }
    }

    /// True if it has held a place for so long without having asked for anything.
    pub(super) fn is_idle(&self, now: Timestamp, age: Duration) -> bool {
        self.phase == Phase::Asking && self.peer != Peer::Trusted && now.since(self.since) >= age
    }

    /// True when nothing more is to be done but to close it.
    pub(super) fn is_over(&self) -> bool {
        let silent = self.phase == Phase::Asking && self.ended && self.input.is_empty();
        let served = self.phase == Phase::Leaving && self.waiting() == 0;
        self.gone || silent || served
    }

    /// True when a request could be taken right now.
    pub(super) fn has_line(&self) -> bool {
        self.may_ask() && (self.line_end().is_some() || self.input.is_full() || self.has_rest())
    }

    fn may_ask(&self) -> bool {
        match self.phase {
            Phase::Asking => true,
            Phase::Watching { .. } => !self.awaits_reply && self.waiting() < READ_BELOW,
            Phase::Asked | Phase::Leaving => false,
        }
    }

    /// The end of the writing side ends the line.
    fn has_rest(&self) -> bool {
        self.ended && !self.input.is_empty()
    }

    fn line_end(&self) -> Option<usize> {
        self.input.iter().position(|byte| *byte == b'\n')
    }

    fn wants_input(&self) -> bool {
        self.may_ask() && !self.ended && !self.gone && !self.has_line()
    }

    fn waiting(&self) -> usize {
        self.output.waiting()
    }

    /// What the epoll set is to look for.
    pub(super) fn interest(&self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.wants_input());
        flags.set(EpollFlags::EPOLLOUT, self.waiting() > 0);
        flags
    }

    /// Does what the epoll set said is possible.
    pub(super) fn ready(&mut self, flags: EpollFlags) {
        if flags.contains(EpollFlags::EPOLLOUT) {
            self.flush();
        }
        if self.wants_input() {
            self.fill();
        }
        // What was sent before the client left is still served; nobody waits for an answer.
        let left = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        if left && !self.wants_input() && !self.has_line() {
            self.gone = true;
        }
    }

    fn fill(&mut self) {
        let mut buffer = [0; INPUT];
        let room = self.input.remaining_capacity();
        match receive(&self.stream, &mut buffer[..room]) {
            Received::Ended => self.ended = true,
            // The read was no longer than the room, so all of it fits.
            Received::Bytes(read) => self.input.extend(buffer[..read].iter().copied()),
            Received::Nothing => {}
            // A reset comes after all data: the client is gone.
            Received::Broken => self.gone = true,
            Received::Descriptors => {
                self.passes_descriptors = true;
                self.answer_and_leave(b"error: file descriptors are not accepted; try: help\n");
            }
        }
    }

    /// The next request, if there is a complete one and the one before is answered.
    pub(super) fn take_line(&mut self) -> Option<Incoming> {
        if !self.has_line() {
            return None;
        }
        let end = match self.line_end() {
            Some(end) => end + 1,
            None if self.input.is_full() => return Some(Incoming::TooLong),
            None => self.input.len(),
        };
        let line = self.input.drain(..end).collect();
        self.phase = match self.phase {
            Phase::Asking => Phase::Asked,
            phase @ (Phase::Asked | Phase::Watching { .. } | Phase::Leaving) => phase,
        };
        self.awaits_reply = true;
        Some(Incoming::Line(line))
    }

    /// From here on it gets lines. The request that led here needs no reply.
    pub(super) fn watch(&mut self, json: bool) {
        self.phase = Phase::Watching { json };
        self.awaits_reply = false;
    }

    /// The answer: the last thing that the client gets, unless it watches.
    pub(super) fn answer(&mut self, text: &[u8]) {
        self.awaits_reply = false;
        if self.watches().is_none() {
            self.phase = Phase::Leaving;
        }
        self.push(text);
    }

    /// The answer, and then the end, also for one that watches.
    pub(super) fn answer_and_leave(&mut self, text: &[u8]) {
        self.phase = Phase::Leaving;
        self.push(text);
    }

    /// A line for a client that watches: all of it or, if too much waits already, nothing.
    pub(super) fn offer(&mut self, line: &[u8]) {
        if self.waiting() + line.len() <= MAX_WAITING {
            self.push(line);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let pushed = self.output.push(&self.stream, bytes);
        self.gone |= pushed.is_err();
    }

    /// Sends what waits, as far as the kernel takes it.
    pub(super) fn flush(&mut self) {
        let flushed = self.output.flush(&self.stream);
        self.gone |= flushed.is_err();
    }

    /// Notes the time of progress made since the last call.
    pub(super) fn stamp(&mut self, now: Timestamp) {
        self.output.stamp(now);
    }

    /// Tries once more. The epoll set calls a socket writable only when three quarters of its queue are free; a client that reads
    /// slowly, but reads, is not to be dropped for that.
    pub(super) fn has_moved(&mut self, now: Timestamp) -> bool {
        self.flush();
        let moved = self.output.moved().is_none();
        self.stamp(now);
        moved
    }

    /// When it is dropped unless something happens before; zero when it must be stamped first.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.peer == Peer::Trusted {
            return None;
        }
        if self.waiting() > 0 {
            return Some(
                self.output.moved().map_or_else(Timestamp::default, |moved| moved + PATIENCE),
            );
        }
        (self.phase == Phase::Asking).then_some(self.since + PATIENCE)
    }

    /// True when the time is over.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// As [`receiving::close`].
    #[must_use]
    pub(super) fn close(self) -> Option<UnixStream> {
        receiving::close(self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::Shutdown;

    fn pair() -> (Connection, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        (Connection::new(near, Peer::Owner, Timestamp::default()), far)
    }

    fn line(text: &[u8]) -> Option<Incoming> {
        Some(Incoming::Line(text.to_vec()))
    }

    #[test]
    fn a_line_comes_in_pieces() {
        let (mut connection, mut far) = pair();
        for byte in b"stat" {
            far.write_all(&[*byte]).unwrap();
            connection.ready(EpollFlags::EPOLLIN);
            assert_eq!(connection.take_line(), None);
        }
        far.write_all(b"us\nkill\n").unwrap();
        connection.ready(EpollFlags::EPOLLIN);
        assert_eq!(connection.take_line(), line(b"status\n"));
        assert_eq!(connection.take_line(), None, "one request, one reply");
        assert_eq!(connection.interest(), EpollFlags::empty());
    }

    #[test]
    fn the_end_of_input_ends_the_line() {
        let (mut connection, mut far) = pair();
        far.write_all(b"status").unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        connection.ready(EpollFlags::EPOLLIN);
        connection.ready(EpollFlags::EPOLLIN);
        assert_eq!(connection.take_line(), line(b"status"));
        assert!(!connection.is_over());
    }

    #[test]
    fn the_longest_line_fits_and_one_byte_more_does_not() {
        let mut longest = vec![b'x'; MAX_LINE];
        longest.push(b'\n');
        let (mut connection, mut far) = pair();
        far.write_all(&longest).unwrap();
        connection.ready(EpollFlags::EPOLLIN);
        assert_eq!(connection.take_line(), line(&longest));

        let (mut connection, mut far) = pair();
        far.write_all(&[b'x'; MAX_LINE + 1]).unwrap();
        connection.ready(EpollFlags::EPOLLIN);
        assert_eq!(connection.take_line(), Some(Incoming::TooLong));
    }

    #[test]
    fn a_watching_client_asks_one_thing_at_a_time() {
        let (mut connection, mut far) = pair();
        far.write_all(b"watch\nfreeze\nthaw\n").unwrap();
        connection.ready(EpollFlags::EPOLLIN);
        assert_eq!(connection.take_line(), line(b"watch\n"));
        connection.watch(false);
        assert_eq!(connection.take_line(), line(b"freeze\n"));
        assert_eq!(connection.take_line(), None);
        connection.answer(b"ok\n");
        assert_eq!(connection.take_line(), line(b"thaw\n"));
        assert_eq!(connection.watches(), Some(false));
    }

    #[test]
    fn a_full_buffer_loses_whole_lines() {
        let (mut connection, mut far) = pair();
        connection.watch(true);
        let long = [b'a'; 1023].iter().chain(b"\n").copied().collect::<Vec<_>>();
        for _ in 0..10_000 {
            connection.offer(&long);
        }
        assert!(connection.waiting() <= MAX_WAITING);
        assert!(connection.waiting() > MAX_WAITING - long.len());
        let mut all = Vec::new();
        far.set_nonblocking(true).unwrap();
        while connection.waiting() > 0 {
            // Ends with WouldBlock, having read what there was.
            let _ = far.read_to_end(&mut all);
            connection.flush();
        }
        let _ = far.read_to_end(&mut all);
        assert_eq!(all.len() % long.len(), 0);
        assert!(all.chunks(long.len()).all(|chunk| chunk == long));
    }

    #[test]
    fn no_progress_is_timed_from_the_stamp() {
        let (mut connection, _far) = pair();
        connection.answer(&vec![b'x'; 4 << 20]);
        assert_eq!(connection.deadline(), Some(Timestamp::default()));
        connection.stamp(Timestamp::from_millis(60_000));
        assert_eq!(connection.deadline(), Some(Timestamp::from_millis(70_000)));
        assert!(!connection.is_late(Timestamp::from_millis(69_999)));
        assert!(connection.is_late(Timestamp::from_millis(70_000)));
    }

    #[test]
    fn an_answer_survives_unread_input() {
        let (mut connection, mut far) = pair();
        far.write_all(&[b'x'; 50_000]).unwrap();
        connection.ready(EpollFlags::EPOLLIN);
        connection.answer(b"error: no\n");
        assert!(connection.is_over());
        assert!(connection.close().is_none());
        let mut answer = String::new();
        far.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "error: no\n");
    }
}
