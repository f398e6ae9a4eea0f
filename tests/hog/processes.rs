//! Shapes about processes: many of them, ones that stay behind, ones that end or stop in a certain way.

use crate::memory;
use anyhow::{Context, Result, ensure};
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, pause, setsid};
use sentinel::units::Bytes;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::time::Duration;

/// What each process of the fork bomb takes.
const BOMB: Bytes = Bytes::mib(2);

/// Children that share the cap. Returns when all of them have their share, or are gone.
pub fn many(cap: Bytes, count: u32) -> Result<()> {
    let share = Bytes(cap.0 / u64::from(count.max(1)));
    let (mut all_done, at_work) = std::io::pipe()?;
    for _ in 0..count {
        if let ForkResult::Child = forked()? {
            memory::touch(share);
            drop(at_work);
            loop {
                pause();
            }
        }
    }
    drop(at_work);
    all_done.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Forks for ever, in each process, which take memory by ordinary pages, or by `huge` ones. Without a limit it takes the machine: so
/// only where it is thrown away.
pub fn fork_bomb(huge: bool) -> Result<()> {
    ensure!(std::env::var_os("SENTINEL_VM").is_some(), "a fork bomb is for a guest (SENTINEL_VM)");
    loop {
        match forked() {
            Ok(ForkResult::Child) if huge => memory::huge_pages(BOMB)?,
            Ok(ForkResult::Child) => memory::touch(BOMB),
            Ok(ForkResult::Parent { .. }) => {}
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
}

/// A process in a session of its own with no terminal stays; its parents end. Says `daemon PID`.
pub fn daemon() -> Result<()> {
    if let ForkResult::Parent { child } = forked()? {
        waitpid(child, None)?;
        std::process::exit(0);
    }
    setsid()?;
    if let ForkResult::Parent { child } = forked()? {
        println!("daemon {child}");
        std::process::exit(0);
    }
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// A child stays, in the same session and with the same output; its parent ends. Says `orphan PID`.
pub fn orphan() -> Result<()> {
    if let ForkResult::Parent { child } = forked()? {
        println!("orphan {child}");
        std::process::exit(0);
    }
    Ok(())
}

/// Kills itself, without a core file. A signal that does not end it is an error.
pub fn die_of(number: i32) -> Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    match Signal::try_from(number) {
        Ok(known) => {
            default_action(known);
            raise(known)?;
        }
        Err(_) => real_time(number)?,
    }
    anyhow::bail!("signal {number} did not end it")
}

/// Stops itself, and stays when it is continued.
pub fn stop() -> Result<()> {
    raise(Signal::SIGSTOP).context("stop")
}

/// Writes so many bytes of text to standard output, and ends.
pub fn print(bytes: u64) -> Result<()> {
    let line = [&[b'x'; 63][..], b"\n"].concat().repeat(1024);
    let mut output = std::io::stdout().lock();
    let mut left = bytes;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(line.len());
        output.write_all(&line[..piece])?;
        left -= piece as u64;
    }
    output.flush()?;
    std::process::exit(0);
}

/// Waits. A workload may.
#[expect(clippy::disallowed_methods, reason = "nothing else happens in this process")]
pub fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// A child of its own.
#[expect(unsafe_code, reason = "fork(2)")]
pub fn forked() -> nix::Result<ForkResult> {
    // SAFETY: no shape that forks has threads.
    unsafe { fork() }
}

#[expect(unsafe_code, reason = "signal(2)")]
fn default_action(of: Signal) {
    // SAFETY: no handler is installed. SIGKILL and SIGSTOP refuse, and need no change.
    let _ = unsafe { signal(of, SigHandler::SigDfl) };
    let _ = SigSet::from(of).thread_unblock();
}

#[expect(unsafe_code, reason = "kill(2) with a number that nix does not know")]
fn real_time(number: i32) -> Result<()> {
    // SAFETY: no memory is involved.
    let outcome = unsafe { libc::kill(Pid::this().as_raw(), number) };
    nix::errno::Errno::result(outcome).map(drop).context("kill")
}
