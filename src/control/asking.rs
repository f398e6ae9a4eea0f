//! Asks many guardians the same at once and waits for all of them together, for a bounded time and with bounded memory: one that is
//! stopped, busy or hostile costs its own answer alone. For processes that may wait, never for a guardian.

use super::listing::{Contact, Listed, Unreachable, is_stopped};
use super::receiving::{self, Received, receive};
use crate::clock::Clock;
use crate::escape::escape_cut;
use crate::units::show_duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A guardian's answers are no longer than this, bytes.
const MAX_ANSWER: usize = 2 << 20;

/// Read from one in one go, so that all get their turn.
const CHUNK: usize = 64 << 10;

/// So much of each answer is taken at once. A guardian says less, unless its command is very long.
const SMALL: usize = 8 << 10;

/// Answers longer than that that are read at a time: of those that root or we ourselves list, and of all others, where each user has
/// one at most. The rest waits in the kernel. Whatever a thousand guardians say, it is not in our memory together.
const LARGE: usize = 2;

/// Between two tries to connect, or two looks at whether one stands still.
const PAUSE: Duration = Duration::from_millis(50);

/// What a refusal begins with.
const REFUSED: &[u8] = b"error: ";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It could not be reached.
    #[error("{0}")]
    Unreachable(#[from] Unreachable),
    /// Its process stands still.
    #[error("stopped by a signal: it will answer once it is continued")]
    Stopped,
    /// Not in this time.
    #[error("no answer in {}", show_duration(*.0))]
    Late(Duration),
    /// It closed the connection.
    #[error("it closed the connection without an answer")]
    Closed,
    /// More than any guardian says.
    #[error("its answer was cut off")]
    Endless,
    /// It said no; escaped.
    #[error("{0}")]
    Refused(String),
    /// An answer, but not to this; escaped.
    #[error("its answer cannot be parsed: {0}")]
    Unclear(String),
}

impl Silence {
    /// Whether it did say something: that is no status, but no silence either.
    #[must_use]
    pub fn is_an_answer(&self) -> bool {
        match self {
            Silence::Endless | Silence::Refused(_) | Silence::Unclear(_) => true,
            Silence::Unreachable(_) | Silence::Stopped | Silence::Late(_) | Silence::Closed => {
                false
            }
        }
    }
}

/// One conversation.
#[derive(Debug)]
enum Talk {
    /// Not connected: its queue is full.
    Waiting,
    Asked {
        contact: Contact,
        answer: Vec<u8>,
        /// More than [`SMALL`] may be read.
        large: bool,
    },
    /// Until it is handed over.
    Done(Option<Result<Vec<u8>, Silence>>),
}

/// Hands over the answer of each to one request line, with its place in `guardians`, as it comes: whoever makes something small of it
/// at once never has all of them in memory. Takes no longer than `patience` and a little.
pub fn ask_each(
    guardians: &[Listed],
    request: &str,
    patience: Duration,
    mut told: impl FnMut(usize, Result<Vec<u8>, Silence>),
) {
    let clock = Clock::start();
    let deadline = clock.now() + patience;
    let mut talks: Vec<Talk> = guardians.iter().map(|guardian| begin(guardian, request)).collect();
    loop {
        for (place, talk) in talks.iter_mut().enumerate() {
            if let Talk::Done(answer) = talk
                && let Some(answer) = answer.take()
            {
                told(place, answer);
            }
        }
        let left = deadline.since(clock.now());
        if left.is_zero() || talks.iter().all(|talk| matches!(talk, Talk::Done(_))) {
            break;
        }
        admit(&mut talks, guardians);
        let ready = wait(&talks, left.min(PAUSE));
        for ((talk, guardian), ready) in talks.iter_mut().zip(guardians).zip(ready) {
            step(talk, ready, || begin(guardian, request));
        }
    }
    for (place, talk) in talks.into_iter().enumerate() {
        if let Some(answer) = end(talk, patience) {
            told(place, answer);
        }
    }
}

/// All the answers, in the order of `guardians`.
pub fn ask_all(
    guardians: &[Listed],
    request: &str,
    patience: Duration,
) -> Vec<Result<Vec<u8>, Silence>> {
    let mut answers: Vec<_> = guardians.iter().map(|_| Err(Silence::Closed)).collect();
    ask_each(guardians, request, patience, |place, answer| answers[place] = answer);
    answers
}

/// Lets go on who has more to say, as far as there is room, first those that were listed first.
fn admit(talks: &mut [Talk], guardians: &[Listed]) {
    let mut ours = 0;
    let mut others = BTreeSet::new();
    for (talk, guardian) in talks.iter().zip(guardians) {
        match talk {
            Talk::Asked { large: true, .. } if guardian.comes_first() => ours += 1,
            Talk::Asked { large: true, .. } => _ = others.insert(guardian.uid),
            Talk::Waiting | Talk::Asked { .. } | Talk::Done(_) => {}
        }
    }
    for (talk, guardian) in talks.iter_mut().zip(guardians) {
        let Talk::Asked { answer, large: large @ false, .. } = talk else { continue };
        if answer.len() < SMALL {
            continue;
        }
        *large = match guardian.comes_first() {
            true => ours < LARGE,
            false => others.len() < LARGE && !others.contains(&guardian.uid),
        };
        match guardian.comes_first() {
            true => ours += usize::from(*large),
            false => _ = large.then(|| others.insert(guardian.uid)),
        }
    }
}

impl Talk {
    /// More of its answer may be read now.
    fn may_go_on(&self) -> bool {
        match self {
            Talk::Asked { answer, large, .. } => *large || answer.len() < SMALL,
            Talk::Waiting | Talk::Done(_) => false,
        }
    }
}

/// As [`ask_all`], for one.
///
/// # Errors
/// [`Silence`].
pub fn ask(guardian: &Listed, request: &str, patience: Duration) -> Result<Vec<u8>, Silence> {
    let mut answers = ask_all(std::slice::from_ref(guardian), request, patience);
    answers.pop().unwrap_or(Err(Silence::Closed))
}

fn begin(guardian: &Listed, request: &str) -> Talk {
    let mut contact = match guardian.connect() {
        Ok(contact) => contact,
        Err(Unreachable::Full) => return Talk::Waiting,
        Err(error) => return Talk::Done(Some(Err(error.into()))),
    };
    let line = format!("{request}\n");
    // A new connection has room for a line. A server that has no room for us answers without reading: what it says counts.
    let _ = contact.stream.write_all(line.as_bytes());
    let _ = contact.stream.shutdown(Shutdown::Write);
    Talk::Asked { contact, answer: Vec::new(), large: false }
}

/// Who has something to read, in order.
fn wait(talks: &[Talk], time: Duration) -> Vec<bool> {
    let streams = talks.iter().filter_map(|talk| match talk {
        Talk::Asked { contact, .. } if talk.may_go_on() => {
            Some(PollFd::new(contact.stream.as_fd(), PollFlags::POLLIN))
        }
        Talk::Waiting | Talk::Asked { .. } | Talk::Done(_) => None,
    });
    let mut fds: Vec<_> = streams.collect();
    // An interrupted wait is a turn with nothing to do.
    let _ = poll(&mut fds, PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO));
    let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
    talks.iter().map(|talk| talk.may_go_on() && ready.next().unwrap_or(false)).collect()
}

fn step(talk: &mut Talk, ready: bool, again: impl FnOnce() -> Talk) {
    let next = match talk {
        Talk::Waiting => Some(again()),
        Talk::Asked { contact, answer, large } if ready => {
            let most = if *large { CHUNK } else { SMALL - answer.len() };
            let heard = read(&contact.stream, answer, most);
            heard.map(|heard| Talk::Done(Some(heard.map(|()| std::mem::take(answer)))))
        }
        Talk::Asked { contact, answer, .. } if answer.len() < SMALL && is_stopped(contact.pid) => {
            Some(Talk::Done(Some(Err(Silence::Stopped))))
        }
        Talk::Asked { .. } | Talk::Done(_) => None,
    };
    if let Some(next) = next
        && let Talk::Asked { contact, .. } = std::mem::replace(talk, next)
    {
        part(contact.stream);
    }
}

/// `None` while more may come. No more than `most` is taken, which is not nothing.
fn read(stream: &UnixStream, answer: &mut Vec<u8>, most: usize) -> Option<Result<(), Silence>> {
    let mut chunk = [0; CHUNK];
    match receive(stream, &mut chunk[..most.clamp(1, CHUNK)]) {
        Received::Bytes(0) | Received::Ended | Received::Broken => Some(judge(answer)),
        Received::Bytes(count) => {
            answer.extend_from_slice(&chunk[..count]);
            (answer.len() > MAX_ANSWER).then_some(Err(Silence::Endless))
        }
        Received::Nothing => None,
        Received::Descriptors => Some(Err(Silence::Closed)),
    }
}

fn judge(answer: &[u8]) -> Result<(), Silence> {
    match answer.strip_prefix(REFUSED) {
        _ if answer.is_empty() => Err(Silence::Closed),
        Some(why) => Err(Silence::Refused(escape_cut(why.trim_ascii_end(), 200))),
        None => Ok(()),
    }
}

/// What there is to say of who has not answered. `None` where that was handed over.
fn end(talk: Talk, patience: Duration) -> Option<Result<Vec<u8>, Silence>> {
    match talk {
        Talk::Done(answer) => answer,
        Talk::Waiting => Some(Err(Unreachable::Full.into())),
        Talk::Asked { contact, .. } => {
            part(contact.stream);
            Some(Err(Silence::Late(patience)))
        }
    }
}

/// Closes the connection; where that could take time (somebody passed descriptors) it stays open until this process ends.
fn part(stream: UnixStream) {
    std::mem::forget(receiving::close(stream));
}
