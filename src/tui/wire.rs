//! The control stream: watch lines in, request lines out. Never blocks; what is too long or not understood is told and left out.

use crate::control::receiving::{self, Received, receive};
use crate::escape::tame;
use crate::fleet::row::clean;
use crate::status::{EventLine, ProcessRow, WatchLine};
use anyhow::Context as _;
use std::io::{ErrorKind, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A line longer than this is skipped: 200 processes with long command lines stay well below.
const MAX_LINE: usize = 1 << 20;
/// Requests that the guardian has not taken yet; more are refused.
const MAX_OUT: usize = 16 * 1024;
/// Read at a time, so that keys get their turn.
const CHUNK: usize = 64 * 1024;

/// A line of the guardian.
#[derive(Debug, PartialEq)]
pub struct GuardianLine {
    /// The line.
    pub line: WatchLine,
    /// The number of the request that it answers, if it does: see [`Wire::send`].
    pub answers: Option<u64>,
}

impl GuardianLine {
    /// Whether nothing more comes after it.
    pub fn is_last(&self) -> bool {
        matches!(self.line, WatchLine::End { goes_on: false, .. })
    }
}

/// Our end of the stream.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// Requests sent, and those of them that are answered: a guardian takes one at a time, so answers come in their order.
    asked: u64,
    answered: u64,
    skipping: bool,
    ended: bool,
}

impl Wire {
    /// Takes the stream over and asks for the watch lines.
    ///
    /// # Errors
    /// When the stream cannot be made non-blocking or is already broken.
    pub fn open(stream: UnixStream) -> anyhow::Result<Self> {
        stream.set_nonblocking(true).context("make the control stream non-blocking")?;
        let (inbox, outbox) = (Vec::new(), Vec::new());
        let (asked, answered) = (0, 0);
        let mut wire =
            Wire { stream, inbox, outbox, asked, answered, skipping: false, ended: false };
        // The lines are its answer.
        wire.queue("watch json");
        Ok(wire)
    }

    /// True once the guardian has closed the stream.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// True while requests wait for the stream to take them.
    pub fn wants_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Queues one request line and sends what can be sent. Gives its number, by which its answer is known; `None` where too many wait
    /// already.
    pub fn send(&mut self, request: &str) -> Option<u64> {
        if self.outbox.len() + request.len() > MAX_OUT {
            return None;
        }
        self.queue(request);
        self.asked += 1;
        Some(self.asked)
    }

    fn queue(&mut self, request: &str) {
        self.outbox.extend_from_slice(request.as_bytes());
        self.outbox.push(b'\n');
        self.flush();
    }

    /// Sends what can be sent.
    pub fn flush(&mut self) {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(written) => drop(self.outbox.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The reading side will see the end and everything before it.
                Err(_) => self.outbox.clear(),
            }
        }
    }

    /// The lines that are there, each understood or with the reason why not.
    pub fn receive(&mut self) -> Vec<Result<GuardianLine, String>> {
        let mut chunk = vec![0; CHUNK];
        match receive(&self.stream, &mut chunk) {
            Received::Bytes(length) => self.inbox.extend_from_slice(&chunk[..length]),
            Received::Nothing => {}
            // No guardian passes descriptors.
            Received::Ended | Received::Broken | Received::Descriptors => self.ended = true,
        }
        self.take_lines()
    }

    /// Ends the connection. Where closing it could take time, since somebody passed descriptors, it stays open until this process ends.
    pub fn leave(self) {
        std::mem::forget(receiving::close(self.stream));
    }

    fn take_lines(&mut self) -> Vec<Result<GuardianLine, String>> {
        let mut lines = Vec::new();
        let mut start = 0;
        while let Some(length) = self.inbox[start..].iter().position(|byte| *byte == b'\n') {
            let line = &self.inbox[start..start + length];
            if !std::mem::take(&mut self.skipping) && !line.trim_ascii().is_empty() {
                let answers = |line: WatchLine| {
                    let is_reply = matches!(line, WatchLine::Reply { .. });
                    let answers = is_reply && self.answered < self.asked;
                    self.answered += u64::from(answers);
                    GuardianLine { line, answers: answers.then_some(self.answered) }
                };
                lines.push(parse(line).map(answers));
            }
            start += length + 1;
        }
        self.inbox.drain(..start);
        if self.inbox.len() > MAX_LINE {
            self.inbox.clear();
            if !std::mem::replace(&mut self.skipping, true) {
                lines.push(Err(format!("a line of the guardian is longer than {MAX_LINE} bytes")));
            }
        }
        lines
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn parse(line: &[u8]) -> Result<WatchLine, String> {
    let problem = |error| tame(&format!("a line of the guardian is not understood: {error}"));
    serde_json::from_slice(line).map(cleaned).map_err(problem)
}

/// Guardians send nothing that a terminal takes for an instruction, but root may be shown what anybody made up.
fn cleaned(line: WatchLine) -> WatchLine {
    let row =
        |row: ProcessRow| ProcessRow { name: tame(&row.name), command: tame(&row.command), ..row };
    match line {
        WatchLine::Status { status, processes } => WatchLine::Status {
            status: Box::new(clean(*status)),
            processes: processes.map(|rows| rows.into_iter().map(row).collect()),
        },
        WatchLine::Event(event) => WatchLine::Event(EventLine { text: tame(&event.text), ..event }),
        WatchLine::Reply { ok, text } => {
            let lines: Vec<String> = text.lines().map(tame).collect();
            WatchLine::Reply { ok, text: lines.join("\n") }
        }
        WatchLine::End { text, exit_status, goes_on } => {
            WatchLine::End { text: tame(&text), exit_status, goes_on }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead as _;

    fn pair() -> (Wire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Wire::open(ours).unwrap(), theirs)
    }

    #[test]
    fn it_asks_to_watch_first() {
        let (mut wire, theirs) = pair();
        assert_eq!(wire.send("freeze"), Some(1));
        let mut lines = std::io::BufReader::new(theirs).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "watch json");
        assert_eq!(lines.next().unwrap().unwrap(), "freeze");
    }

    #[test]
    fn lines_may_come_in_pieces_and_broken() {
        let (mut wire, mut theirs) = pair();
        theirs.write_all(br#"{"type":"reply","ok"#).unwrap();
        assert_eq!(wire.receive(), []);
        theirs.write_all(b"\":true,\"text\":\"done\"}\nnonsense\n\n").unwrap();
        let lines = wire.receive();
        let line = WatchLine::Reply { ok: true, text: "done".into() };
        assert_eq!(lines[0], Ok(GuardianLine { line, answers: None }), "nothing was asked");
        assert!(lines[1].is_err() && lines.len() == 2);
        drop(theirs);
        assert_eq!(wire.receive(), []);
        assert!(wire.is_ended());
    }

    #[test]
    fn each_answer_is_that_of_its_request() {
        let (mut wire, mut theirs) = pair();
        assert_eq!([wire.send("freeze"), wire.send("set memory 1G")], [Some(1), Some(2)]);
        let reply =
            |text: &str| format!("{{\"type\":\"reply\",\"ok\":true,\"text\":\"{text}\"}}\n");
        let event = "{\"type\":\"event\",\"at_ms\":1,\"level\":\"info\",\"text\":\"\"}\n";
        let lines = [&reply("a"), event, &reply("b"), &reply("c")].concat();
        theirs.write_all(lines.as_bytes()).unwrap();
        let answers: Vec<_> =
            wire.receive().into_iter().map(|told| told.unwrap().answers).collect();
        assert_eq!(answers, [Some(1), None, Some(2), None]);
    }

    #[test]
    fn an_endless_line_is_dropped_and_told_once() {
        let (mut wire, theirs) = pair();
        wire.inbox = vec![b'x'; MAX_LINE + 1];
        assert_eq!(wire.take_lines().len(), 1);
        wire.inbox = vec![b'x'; MAX_LINE + 1];
        assert_eq!(wire.take_lines().len(), 0);
        wire.inbox = b"rest\n{\"type\":\"reply\",\"ok\":true,\"text\":\"\"}\n".to_vec();
        let line = WatchLine::Reply { ok: true, text: String::new() };
        assert_eq!(wire.take_lines(), [Ok(GuardianLine { line, answers: None })]);
        drop(theirs);
    }

    #[test]
    fn a_guardian_that_does_not_read_is_not_waited_for() {
        let (mut wire, _theirs) = pair();
        let taken = (0..1_000_000).take_while(|_| wire.send("freeze").is_some()).count();
        assert!(taken < 1_000_000 && wire.outbox.len() <= MAX_OUT);
    }
}
