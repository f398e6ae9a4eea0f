//! `sentinel ctl`: sends one request to a guardian and shows the answer. It may block: it is a process of its own.

use super::protocol::{MAX_LINE, Request, addressed, parse};
use crate::clock::{Clock, pause};
use crate::diagnostics::heard;
use crate::escape::{escape, is_instruction};
use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    self, AddressFamily, SockFlag, SockType, UnixAddr, getsockopt, sockopt::PeerCredentials,
};
use nix::unistd::geteuid;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Time for the guardian to take the connection, and to send anything at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer that ends by itself ends by then,
const LONGEST: Duration = Duration::from_secs(30);
/// and is no longer than this: a table of ten thousand processes has some 3 MiB.
const MAX_ANSWER: usize = 8 << 20;

/// Between two tries to connect while the guardian's queue is full.
const PAUSE: Duration = Duration::from_millis(20);

/// What a refusal begins with.
const REFUSED: &[u8] = b"error: ";

/// Sends `words` as one request line to the guardian at `socket` and copies the answer to stdout, a refusal to stderr. `watch` goes on
/// until one of the three leaves. Returns the exit status: 0, or 1 when the guardian refused.
///
/// # Errors
/// Nobody listens there, nothing came back for five seconds, or the request cannot be sent: exit status 125.
pub fn ctl(socket: &Path, words: &[String]) -> Result<u8> {
    exchange(socket, words, &mut io::stdout().lock(), &mut io::stderr().lock())
}

/// [`ctl`] with other places for the answer.
///
/// # Errors
/// As [`ctl`].
pub fn exchange(
    socket: &Path,
    words: &[String],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8> {
    let line = request_line(words)?;
    let mut stream = connect(socket)?;
    check_guardian(&stream, socket)?;
    // A server that has no room answers without reading: what it says counts, not that it did not read.
    match stream.write_all(line.as_bytes()).and_then(|()| stream.shutdown(Shutdown::Write)) {
        Err(error) if !is_gone(&error) => return Err(error).context(at("cannot write to", socket)),
        Ok(()) | Err(_) => {}
    }
    let (_, request) = addressed(line.trim_end().as_bytes());
    let endless = matches!(parse(request), Ok(Request::Watch { .. }));
    copy((&mut stream, socket), endless, out, err)
}

/// What is sent for these words: one line, whatever a shell made of them.
///
/// # Errors
/// They are none, too many, or no plain text.
pub fn request_line(words: &[String]) -> Result<String> {
    let line = words.join(" ");
    let control = line.chars().find(|c| c.is_control());
    ensure!(control.is_none(), "cannot send {line:?}: a request is one line of plain text");
    ensure!(line.len() <= MAX_LINE, "cannot send a request of more than {MAX_LINE} bytes");
    ensure!(!line.trim().is_empty(), "no request given: try help");
    Ok(line + "\n")
}

fn at(what: &str, socket: &Path) -> String {
    format!("{what} the guardian at {}", escape(socket.as_os_str().as_bytes()))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// Connects in [`PATIENCE`] or fails, saying which of the usual reasons it is.
fn connect(path: &Path) -> Result<UnixStream> {
    let address = UnixAddr::new(path).with_context(|| at("cannot reach", path))?;
    let clock = Clock::start();
    loop {
        let socket = new_socket().with_context(|| at("cannot reach", path))?;
        let connected = socket::connect(socket.as_raw_fd(), &address);
        let shown = escape(path.as_os_str().as_bytes());
        match connected {
            Ok(()) => return finish(socket).with_context(|| at("cannot reach", path)),
            // The queue of those that wait to be accepted is full.
            Err(Errno::EAGAIN | Errno::EINTR) if clock.now().0 < PATIENCE => pause(PAUSE),
            Err(Errno::EAGAIN) => {
                bail!("{}: it accepts no connections", at("no answer from", path))
            }
            Err(Errno::ENOENT) => bail!("no guardian at {shown}: there is no such file"),
            Err(Errno::ECONNREFUSED) if is_no_socket(path) => {
                bail!("no guardian at {shown}: it is not a socket")
            }
            Err(Errno::ECONNREFUSED) => {
                bail!("no guardian at {shown}: nothing is listening there, its guardian is gone")
            }
            Err(Errno::EACCES | Errno::EPERM) if is_no_socket(path) => {
                bail!("no guardian at {shown}: it is not a socket")
            }
            Err(Errno::EACCES | Errno::EPERM) => {
                bail!("the guardian at {shown} is not yours: permission denied (try sudo)")
            }
            Err(errno) => return Err(errno).with_context(|| at("cannot reach", path)),
        }
    }
}

/// Connecting to any other file is refused too.
fn is_no_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.file_type().is_socket())
}

fn new_socket() -> nix::Result<OwnedFd> {
    // Non-blocking for the connect only: it would wait without end for a guardian that is stopped.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

fn finish(socket: OwnedFd) -> io::Result<UnixStream> {
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Who listens at a place where anybody may make a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Nobody.
    Nobody,
    /// Root, we ourselves, or who called us by sudo.
    Ours,
    /// This user.
    Other(u32),
}

/// Who listens there, as the kernel tells.
pub fn listener(path: &Path) -> Listener {
    let owner = || path.metadata().ok().map(|file| std::os::unix::fs::MetadataExt::uid(&file));
    let (own, caller) = (geteuid().as_raw(), crate::report::record::CallerId::find().uid);
    let of = |uid: u32| match uid {
        0 => Listener::Ours,
        uid if uid == own || uid == caller => Listener::Ours,
        uid => Listener::Other(uid),
    };
    let connected = UnixAddr::new(path).and_then(|address| {
        let socket = new_socket()?;
        socket::connect(socket.as_raw_fd(), &address)?;
        getsockopt(&socket, PeerCredentials)
    });
    match connected {
        Ok(peer) => of(peer.uid()),
        // It is there, and its queue is full.
        Err(Errno::EAGAIN) => owner().map_or(Listener::Nobody, of),
        Err(Errno::EACCES | Errno::EPERM) if !is_no_socket(path) => {
            owner().map_or(Listener::Nobody, Listener::Other)
        }
        Err(_) => Listener::Nobody,
    }
}

/// In a public directory anybody can make a socket: only one of ours or of root's is believed. Root may ask everybody.
fn check_guardian(stream: &UnixStream, socket: &Path) -> Result<()> {
    let credentials =
        getsockopt(stream, PeerCredentials).with_context(|| at("cannot identify", socket))?;
    let (uid, own) = (credentials.uid(), geteuid());
    if own.is_root() || uid == 0 || uid == own.as_raw() {
        return Ok(());
    }
    bail!(
        "{} belongs to uid {uid}, neither root nor you: not asked",
        at("what claims to be", socket)
    )
}

fn copy(
    (stream, socket): (&mut UnixStream, &Path),
    endless: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8> {
    let (clock, mut length) = (Clock::start(), 0);
    let mut buffer = vec![0; 64 << 10];
    let mut head = Vec::new();
    let (mut refused, mut silent) = (None, true);
    loop {
        if refused.is_none() || !endless {
            wait_for_input(stream, socket)?;
        }
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // All that was sent came before the reset.
            Err(error) if is_gone(&error) => 0,
            Err(error) => return Err(error).with_context(|| at("cannot read from", socket)),
        };
        ensure!(
            count > 0 || !silent,
            "{}",
            at("the connection was closed without an answer by", socket)
        );
        silent = false;
        length += count;
        ensure!(
            endless || length <= MAX_ANSWER && clock.now().0 <= LONGEST,
            "{}: it was cut off",
            at("more than any guardian says came from", socket)
        );
        head.extend_from_slice(&buffer[..count]);
        // Until it is clear which kind of answer it is, its beginning is kept.
        if refused.is_none() && (count == 0 || !REFUSED.starts_with(&head)) {
            refused = Some(head.starts_with(REFUSED));
        }
        let Some(refused) = refused else { continue };
        if !show(&mut head, if refused { err } else { out })? {
            return Ok(u8::from(refused));
        }
        if count == 0 {
            return Ok(u8::from(refused));
        }
    }
}

fn wait_for_input(stream: &UnixStream, socket: &Path) -> Result<()> {
    let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(0) => bail!("{}: it is stopped or very busy", at("no answer in 5 s from", socket)),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).with_context(|| at("cannot wait for", socket)),
    }
}

/// Writes and forgets the text, less what a terminal could take for an instruction: a guardian sends none, but root asks whoever
/// listens. The beginning of a character stays, until its rest is there. False when nobody reads.
///
/// # Errors
/// When it cannot be written.
pub fn show(bytes: &mut Vec<u8>, to: &mut dyn Write) -> Result<bool> {
    let end = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    };
    let rest = bytes.split_off(end);
    let mut text: String = bytes.utf8_chunks().map(|chunk| chunk.valid()).collect();
    text.retain(|c| matches!(c, '\n' | '\t') || !is_instruction(c));
    let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    *bytes = rest;
    heard(written.context("cannot write the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces are in which it comes.
    #[test]
    fn no_instruction_reaches_a_terminal() {
        let text = "a\u{1b}[2Jb \u{9b}31m\u{202e}c ü€😀\n".as_bytes();
        let odd = b"\xc2\xc2\x9b\x9b[2J\x9b\n";
        for size in 1..8 {
            let (mut out, mut bytes) = (Vec::new(), Vec::new());
            for piece in text.chunks(size).chain(odd.chunks(size)) {
                bytes.extend_from_slice(piece);
                assert!(show(&mut bytes, &mut out).unwrap());
            }
            let out = String::from_utf8(out).unwrap();
            assert!(out.starts_with("a[2Jb 31mc ü€😀\n"), "{size}: {out:?}");
            assert!(!out.chars().any(|c| c != '\n' && is_instruction(c)), "{size}: {out:?}");
        }
    }
}
