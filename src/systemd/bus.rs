//! A question over a socket of D-Bus and its answer (D-Bus Specification): no thread, no connection that stays, and never longer
//! than the time given. zbus makes the messages; its own connection starts threads, and panics on the sender that systemd's
//! private socket gives (5.19).

use crate::clock::Clock;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use zbus::Message;
use zbus::message::Flags;
use zbus::zvariant::serialized::{Context, Data};
use zbus::zvariant::{Endian, Value};

/// Who does not answer within this is not there, unless there is time to wait for what was asked.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// So many milliseconds without a word, and it is asked to look again.
const SILENCE: u16 = 250;
/// An answer of systemd's has a few hundred bytes.
const LONGEST: usize = 64 * 1024;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// What a call came back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    endian: Endian,
    body: Vec<u8>,
}

impl Reply {
    /// Its only value, where that is text in a variant: a property.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self) -> Result<String> {
        let context = Context::new_dbus(self.endian, 0);
        let data = Data::new(&self.body[..], context);
        let value: Value<'_> = data.deserialize()?.0;
        String::try_from(value).map_err(Into::into)
    }
}

/// Sends the questions and waits for an answer to each, for so long at most; they come in the same order.
///
/// # Errors
/// What the other side answers, when that is an error; or that it does not answer.
pub(super) fn ask(
    mut stream: UnixStream,
    uid: u32,
    questions: &[Message],
    patience: Duration,
) -> Result<Vec<Reply>> {
    stream.set_read_timeout(Some(patience)).context("limit the wait")?;
    stream.set_write_timeout(Some(patience)).context("limit the wait")?;
    authenticate(&mut stream, uid).context("authenticate")?;
    for question in questions {
        stream.write_all(question.data()).context("ask")?;
    }
    let (clock, poke) = (Clock::start(), poke().context("make a message")?);
    let mut replies = Vec::new();
    while replies.len() < questions.len() {
        while !has_more(&stream)? {
            ensure!(clock.now().0 < patience, "wait for the answer: there was none in time");
            stream.write_all(poke.data()).context("ask")?;
        }
        replies.extend(answer(&mut stream)?);
    }
    Ok(replies)
}

/// Whether there is something to read, or comes soon.
fn has_more(stream: &UnixStream) -> Result<bool> {
    let mut ready = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    match poll(&mut ready, SILENCE) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(true),
        Err(errno) => Err(errno).context("wait for the answer"),
    }
}

/// systemd, where it is busy, reads a question together with the end of the authentication, and looks at it when the next one comes
/// (257, its private socket): one that wants no answer.
fn poke() -> zbus::Result<Message> {
    Message::method_call("/org/freedesktop/systemd1", "Ping")?
        .destination("org.freedesktop.systemd1")?
        .interface("org.freedesktop.DBus.Peer")?
        .with_flags(Flags::NoReplyExpected)?
        .build(&())
}

/// By who we are, which the kernel tells the other side: EXTERNAL.
fn authenticate(stream: &mut UnixStream, uid: u32) -> Result<()> {
    let name: String = uid.to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
    stream.write_all(format!("\0AUTH EXTERNAL {name}\r\n").as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.len() > LONGEST {
            bail!("the other side does not speak D-Bus");
        }
    }
    if !line.starts_with(b"OK ") {
        bail!("refused: {}", crate::escape::escape(line.trim_ascii()));
    }
    stream.write_all(b"BEGIN\r\n").map_err(Into::into)
}

/// Reads one message; `None` for a signal.
///
/// # Errors
/// What the other side answers, when that is an error; or what is no message, or too long.
pub fn answer(stream: &mut impl Read) -> Result<Option<Reply>> {
    let mut head = [0u8; 16];
    stream.read_exact(&mut head).context("wait for the answer")?;
    let endian = if head[0] == b'l' { Endian::Little } else { Endian::Big };
    let number = |at: usize| {
        let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
        let value = match endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        };
        usize::try_from(value).unwrap_or(usize::MAX)
    };
    // Behind the fields the body begins at a multiple of eight.
    let (body, fields) = (number(4), number(12));
    if body > LONGEST || fields > LONGEST {
        bail!("the answer is too long");
    }
    let mut rest = vec![0u8; fields.next_multiple_of(8) + body];
    stream.read_exact(&mut rest).context("wait for the answer")?;
    let body = rest.split_off(fields.next_multiple_of(8));
    match head[1] {
        METHOD_RETURN => Ok(Some(Reply { endian, body })),
        ERROR => Err(anyhow!("{}", error_text(&body))),
        _ => Ok(None),
    }
}

/// An error's body begins with what went wrong: a length, the text, a NUL.
fn error_text(body: &[u8]) -> String {
    let text = body.get(4..).unwrap_or_default().split(|byte| *byte == 0).next();
    crate::escape::escape(text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the other side: says this after the authentication, and keeps the connection.
    fn other_side(says: Vec<u8>) -> UnixStream {
        let (ours, mut stream) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut got = [0u8; 4096];
            let length = stream.read(&mut got).unwrap();
            assert_eq!(&got[..length], b"\0AUTH EXTERNAL 31303030\r\n");
            stream.write_all(b"OK 0123\r\n").unwrap();
            stream.read_exact(&mut got[..7]).unwrap();
            stream.write_all(&says).unwrap();
            // Until the one who asked leaves.
            while stream.read(&mut got).is_ok_and(|length| length > 0) {}
        });
        ours
    }

    fn question() -> Message {
        Message::method_call("/a", "B").unwrap().build(&()).unwrap()
    }

    fn said(kind: u8, fields: &[u8], body: &[u8]) -> Vec<u8> {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_le_bytes();
        let mut message = vec![b'l', kind, 0, 1];
        message.extend([length(body), [1, 0, 0, 0], length(fields)].concat());
        message.extend(fields);
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend(body);
        message
    }

    #[test]
    fn answers_count_and_signals_do_not() {
        let signal = said(4, b"abc", b"xyz");
        let says = [signal.clone(), said(2, b"", b""), signal, said(2, b"12345678", b"1")].concat();
        let line = other_side(says);
        let replies = ask(line, 1000, &[question(), question()], PATIENCE).unwrap();
        assert_eq!(replies.len(), 2);
        assert_eq!(replies[1], Reply { endian: Endian::Little, body: b"1".to_vec() });
    }

    /// `v` of a string: its signature, a length, the text (D-Bus Specification, marshalling).
    #[test]
    fn a_property_that_is_text_is_read() {
        let reply = |body: &[u8]| Reply { endian: Endian::Little, body: body.to_vec() };
        assert_eq!(reply(b"\x01s\0\0\x02\0\0\0/a\0").text().unwrap(), "/a");
        for bad in [&b""[..], b"\x01u\0\0\x02\0\0\0", b"\x01s\0\0\xff\0\0\0/a\0"] {
            assert!(reply(bad).text().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_is_told_in_its_words() {
        let line = other_side(said(3, b"", b"\x07\0\0\0No \x1bway\0"));
        let error = ask(line, 1000, &[question()], PATIENCE).unwrap_err().to_string();
        assert_eq!(error, "No \\u{1b}way");
    }

    #[test]
    fn what_is_no_bus_is_an_error() {
        let line = other_side(vec![0xff; 64]);
        assert!(ask(line, 1000, &[question()], PATIENCE).is_err());
    }
}
