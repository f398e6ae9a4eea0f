//! The scribe: the process that carries lines from the guardian to the file of `--record`, so that a disk that blocks blocks nobody
//! else. It knows nothing of what it writes, and ends when the guardian has no more to say.

use crate::event::Ending;
use crate::sys::process::nowhere;
use anyhow::{Context, Result};
use nix::sys::signal::SigSet;
use std::fs::File;
use std::io::{self, ErrorKind, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The hidden verb that runs it.
pub const VERB: &str = "__scribe";
/// Of the pipe to it, where the kernel allows so much: what a disk may hold up for a while.
const PIPE: i32 = 1 << 20;

/// The guardian's side of it.
#[derive(Debug)]
pub struct Scribe {
    /// Its process id; 0 once it is reaped.
    pub pid: i32,
    pipe: Option<PipeWriter>,
}

impl Scribe {
    /// Starts it.
    ///
    /// # Errors
    /// Without processes or descriptors.
    pub fn start(file: File) -> Result<Scribe> {
        let (end, pipe) = io::pipe().context("make a pipe")?;
        // What it has will do.
        let _ = nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE));
        let flags = nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETFL(flags))
            .context("make the pipe non-blocking")?;
        // The program that runs, also where another has its name by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("sentinel-scribe").arg(VERB).stdin(end).stdout(Stdio::from(file));
        // Not in our group, or a Ctrl-C right now would be for it too.
        let child = command
            .stderr(nowhere().context("open /dev/null")?)
            .process_group(0)
            .spawn()
            .context("start it")?;
        Ok(Scribe {
            pid: i32::try_from(child.id()).context("know its process id")?,
            pipe: Some(pipe),
        })
    }

    /// Hands over what it takes now; gives how much that was.
    pub fn hand_over(&mut self, bytes: &[u8]) -> usize {
        let Some(pipe) = &mut self.pipe else { return 0 };
        match pipe.write(bytes) {
            Ok(taken) => taken,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                0
            }
            // It is gone; why is said when it is reaped.
            Err(_) => {
                self.pipe = None;
                0
            }
        }
    }

    /// The way to it, for a process that is to write too.
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Whether it may still take something.
    pub fn listens(&self) -> bool {
        self.pipe.is_some()
    }

    /// No more comes: it writes what it has and ends.
    pub fn close(&mut self) {
        self.pipe = None;
    }

    /// Waits until it takes more, at most so many milliseconds.
    pub fn wait(&self, milliseconds: u8) {
        let Some(pipe) = &self.pipe else { return };
        let mut fds = [nix::poll::PollFd::new(pipe.as_fd(), nix::poll::PollFlags::POLLOUT)];
        // Whatever came of it, the next try shows.
        let _ = nix::poll::poll(&mut fds, milliseconds);
    }
}

/// Why a scribe that ended so has not written all.
pub fn failure(ending: Ending) -> String {
    match ending {
        Ending::Exited(u8::MAX) => "it failed".to_owned(),
        Ending::Exited(number) => io::Error::from_raw_os_error(i32::from(number)).to_string(),
        Ending::Signaled(_) | Ending::Unseen => "its writer process was killed".to_owned(),
    }
}

/// Writes what comes from standard input to standard output. What fails is told by the exit status: the error's number.
pub fn run() -> u8 {
    stand_aside();
    let mut chunk = vec![0; 64 << 10];
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    loop {
        let length = match input.read(&mut chunk) {
            Ok(0) => return output.flush().map_or_else(|error| number(&error), |()| 0),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return number(&error),
        };
        if let Err(error) = output.write_all(&chunk[..length]) {
            return number(&error);
        }
    }
}

fn number(error: &io::Error) -> u8 {
    let number = error.raw_os_error().and_then(|number| u8::try_from(number).ok());
    number.filter(|number| *number > 0).unwrap_or(u8::MAX)
}

/// Away from the terminal, from signals, and from what our caller left open.
fn stand_aside() {
    // Without these it is a scribe all the same.
    let _ = nix::unistd::setsid();
    let _ = SigSet::all().thread_block();
    let _ = std::fs::write("/proc/self/comm", "sentinel-scribe");
    crate::sys::inherited::close_from(3);
}
