//! Work that may hang or start threads, done in a process of its own: this one stays single-threaded and in time.

use super::process;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// Runs `work` in a forked process. Gives its answer, or why there is none.
///
/// # Errors
/// Without processes or descriptors; `TimedOut` when there was no answer in time: the process is killed then.
pub fn run(
    limit: Duration,
    work: impl FnOnce() -> Result<(), String>,
) -> io::Result<Result<(), String>> {
    let (mut answers, mut answer) = io::pipe()?;
    // SAFETY: this process has one thread, so that the child may do whatever a process may; it never returns from here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let text = work().err().map_or_else(|| ".".to_owned(), |error| format!("!{error}"));
            // Nobody to tell of a pipe that nobody reads.
            let _ = answer.write_all(text.as_bytes());
            // SAFETY: ends this process without running anything of the parent's.
            unsafe { libc::_exit(0) }
        }
        pid => {
            drop(answer);
            let answered = wait(&answers, limit);
            if !matches!(answered, Ok(true)) {
                // It is our child and not reaped: the number is its own.
                let _ = process::send(pid, libc::SIGKILL);
            }
            let mut text = String::new();
            let read = answers.read_to_string(&mut text);
            process::reap(pid);
            read?;
            if !answered? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(understood(&text))
        }
    }
}

fn understood(text: &str) -> Result<(), String> {
    match (text, text.strip_prefix('!')) {
        (".", _) => Ok(()),
        (_, Some(error)) => Err(error.to_owned()),
        (_, None) => Err("it ended without an answer".to_owned()),
    }
}

/// Whether something came in time.
fn wait(answers: &io::PipeReader, limit: Duration) -> io::Result<bool> {
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    let mut fds = [PollFd::new(answers.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, timeout) {
            Err(nix::Error::EINTR) => {}
            other => return Ok(other? > 0),
        }
    }
}
