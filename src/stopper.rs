//! The process that asks owners to stop what is guarded (`--end-by stop`): systemd, Docker and podman take their time, and the
//! guardian waits for nobody. It is there before anything happens, since the way to an end forks nothing; each question is asked by a
//! process of its own, so that two do not wait for each other.

use crate::sys::attendant::{self, AttendantEnds, Given};
use crate::targets::TargetOwner;
use anyhow::{Context, Result};
use nix::sys::signal::SigSet;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What a ward's number takes at the beginning of each message.
const NUMBER: usize = 4;
/// No message is longer: a name of 255 bytes and a path, each character of which may be escaped.
const MESSAGE: usize = 64 << 10;

/// The guardian's end of the line, and the process at the other.
#[derive(Debug)]
pub struct Stopper {
    line: Arc<OwnedFd>,
    /// Its process.
    pub pid: i32,
}

/// A question that is ready to be sent, since there may be no memory to write it when it matters.
#[derive(Debug)]
pub struct StopRequest {
    line: Arc<OwnedFd>,
    message: Vec<u8>,
    /// Whom it is for.
    pub owner: &'static str,
}

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub struct StopAnswer {
    /// The number of the ward that it was asked for.
    pub number: u32,
    /// Why it was not stopped.
    pub result: Result<(), String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StopQuestion {
    owner: TargetOwner,
    grace: Duration,
}

impl Stopper {
    /// Starts the process. It ends with us.
    ///
    /// # Errors
    /// Without descriptors or processes.
    pub fn start() -> Result<Stopper> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
        let (ours, theirs) = pair.context("make a socket")?;
        let given = Given { input: theirs.as_fd(), output: theirs.as_fd(), third: None };
        let pid = attendant::start(c"sentinel-stopper", given, |held| serve(&held));
        let pid = pid.context("start the process that asks owners to stop")?;
        Ok(Stopper { line: Arc::new(ours), pid })
    }

    /// A question for later, of a ward that has no number yet.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn request(&self, owner: TargetOwner, grace: Duration) -> Result<StopRequest> {
        let called = owner.called();
        let mut message = vec![0; NUMBER];
        serde_json::to_writer(&mut message, &StopQuestion { owner, grace })
            .context("write it down")?;
        Ok(StopRequest { line: self.line.clone(), message, owner: called })
    }

    /// An answer that has come.
    pub fn answer(&self) -> Option<StopAnswer> {
        let mut buffer = vec![0; MESSAGE];
        let length = recv(self.line.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).ok()?;
        let (number, text) = buffer[..length].split_first_chunk::<NUMBER>()?;
        let text = String::from_utf8_lossy(text).into_owned();
        let result = if text.is_empty() { Ok(()) } else { Err(text) };
        Some(StopAnswer { number: u32::from_le_bytes(*number), result })
    }
}

impl AsFd for Stopper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl StopRequest {
    /// For the ward with this number.
    #[must_use]
    pub fn of(mut self, number: u32) -> StopRequest {
        self.message[..NUMBER].copy_from_slice(&number.to_le_bytes());
        self
    }

    /// Asks. Neither waits nor allocates.
    ///
    /// # Errors
    /// Nobody is there to be asked, or has time.
    pub fn send(&self) -> io::Result<()> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.line.as_raw_fd(), &self.message, flags)?;
        Ok(())
    }
}

/// In the process: asks until the guardian is gone.
fn serve(held: &AttendantEnds) -> u8 {
    // Those that we start take signals as anybody does.
    let _ = SigSet::empty().thread_set_mask();
    let mut buffer = vec![0; MESSAGE];
    loop {
        match recv(held.input.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(0) => return 0,
            Ok(length) => ask(held, &buffer[..length]),
            Err(nix::Error::EINTR) => {}
            Err(_) => return 1,
        }
        while matches!(
            waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)),
            Ok(status) if status != WaitStatus::StillAlive
        ) {}
    }
}

fn ask(held: &AttendantEnds, message: &[u8]) {
    let Some((number, question)) = message.split_first_chunk::<NUMBER>() else { return };
    let given = Given { input: held.input.as_fd(), output: held.output.as_fd(), third: None };
    let started = attendant::start(c"sentinel-stopper", given, |held| {
        tell(&held, *number, put(question).err().map(|error| format!("{error:#}")))
    });
    if let Err(error) = started {
        tell(held, *number, Some(error.to_string()));
    }
}

fn put(question: &[u8]) -> Result<()> {
    let question: StopQuestion = serde_json::from_slice(question).context("read the question")?;
    question.owner.stop(question.grace)
}

fn tell(held: &AttendantEnds, number: [u8; NUMBER], problem: Option<String>) -> u8 {
    let answer = [&number, problem.unwrap_or_default().as_bytes()].concat();
    let answer = &answer[..answer.len().min(MESSAGE)];
    u8::from(send(held.output.as_raw_fd(), answer, MsgFlags::MSG_NOSIGNAL).is_err())
}
