//! Shapes about what processes do to each other and to what others see of them: names, tracing, stopping, vfork.

use crate::memory;
use crate::processes::forked;
use anyhow::{Context, Result};
use nix::libc;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, pause};
use sentinel::units::Bytes;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Clears a terminal, rings, moves the cursor, and is no UTF-8.
pub const NAME: &[u8] = b"\x1b[2J\x07\r\n\xff\xc2\x9b31m";
const CHILDREN: usize = 4;
const STORMS: usize = 2;

/// Takes a name, and a command line, that a terminal would obey.
pub fn rename() -> Result<()> {
    if std::env::args_os().next().is_some_and(|name| name.as_bytes() == NAME) {
        return set_name();
    }
    let mut again = Command::new(std::env::current_exe()?);
    again.arg0(std::ffi::OsStr::from_bytes(NAME)).args(std::env::args_os().skip(1));
    Err(again.exec()).context("run again by another name")
}

#[expect(unsafe_code, reason = "prctl(2): nix takes no name that is not UTF-8")]
fn set_name() -> Result<()> {
    let name = std::ffi::CString::new(NAME)?;
    // SAFETY: the name ends with a zero byte; the kernel cuts it at 15.
    let outcome = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    nix::errno::Errno::result(outcome).map(drop).context("prctl")
}

/// Traces children of its own, which have stopped for it and never go on.
pub fn trace() -> Result<()> {
    for _ in 0..CHILDREN {
        if let ForkResult::Parent { child } = forked()? {
            let status = waitpid(child, None).context("wait for the child")?;
            anyhow::ensure!(matches!(status, WaitStatus::Stopped(..)), "not traced: {status:?}");
        } else {
            be_traced()?;
            raise(Signal::SIGSTOP)?;
            loop {
                pause();
            }
        }
    }
    Ok(())
}

#[expect(unsafe_code, reason = "ptrace(2)")]
fn be_traced() -> Result<()> {
    // SAFETY: this request takes no further arguments and no memory.
    let outcome = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    nix::errno::Errno::result(outcome).map(drop).context("ptrace")
}

/// Children that stopped themselves, and have something.
pub fn stopped_children() -> Result<()> {
    for _ in 0..CHILDREN {
        if let ForkResult::Parent { child } = forked()? {
            waitpid(child, Some(WaitPidFlag::WUNTRACED)).context("wait for the child")?;
        } else {
            memory::touch(Bytes::mib(1));
            loop {
                raise(Signal::SIGSTOP)?;
            }
        }
    }
    Ok(())
}

/// Starts short programs for ever, each by a vfork(2) (which is what posix_spawn(3) does), while it takes memory.
pub fn vfork_storm(cap: Bytes) -> Result<()> {
    let share = Bytes::mib(4);
    let storms: Vec<_> = (0..STORMS).map(|_| std::thread::spawn(spawn_for_ever)).collect();
    for _ in 0..cap.0 / share.0 {
        memory::touch(share);
        spawn()?;
    }
    storms.into_iter().for_each(|storm| drop(storm.join()));
    Ok(())
}

fn spawn_for_ever() {
    while spawn().is_ok() {}
}

fn spawn() -> Result<()> {
    let mut short = Command::new(std::env::current_exe()?);
    short.arg("exit:0").stdin(Stdio::null()).stdout(Stdio::null());
    short.status().map(drop).context("start a program")
}
