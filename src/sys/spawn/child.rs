//! The process that will be the command, between fork and exec: system calls only.

use super::program::Program;
use crate::sys::caller::Caller;
use crate::sys::privileges::{self, PrivilegeStep};
use nix::libc;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Where the child belongs on the terminal.
#[derive(Clone, Copy, Debug)]
pub enum TerminalPlace<'fd> {
    /// A process group of its own in our session.
    Group,
    /// Our process group, for a command that could not be stopped and handed the terminal when it wants it.
    Ours,
    /// The same, and the terminal's foreground.
    Foreground(BorrowedFd<'fd>),
    /// A session of its own without a terminal: it cannot type into ours (ioctl(2), TIOCSTI).
    Detached,
    /// A session of its own whose terminal is its standard input, output or error: this descriptor number of the child.
    Session {
        /// The descriptor that is the terminal.
        terminal: RawFd,
    },
}

/// What can fail in the child before the command runs; its place in the list travels over the line.
pub(super) const STEPS: [&str; 10] = [
    "make a process group or session for the command",
    "hand the terminal to the command",
    "restore signals for the command",
    "connect the command's standard input, output and error",
    "set the groups of the command's user",
    "set the group of the command's user",
    "become the command's user",
    "give up capabilities for the command",
    "verify that the command's privileges are gone",
    "set no_new_privs for the command",
];

/// Where a step of [`privileges`] is in the list.
fn number(step: PrivilegeStep) -> u8 {
    match step {
        PrivilegeStep::Groups => 4,
        PrivilegeStep::Group => 5,
        PrivilegeStep::User => 6,
        PrivilegeStep::Capabilities => 7,
        PrivilegeStep::Verify => 8,
        PrivilegeStep::NoNewPrivs => 9,
    }
}
/// The step that is the command itself.
const EXEC: u8 = 255;

/// Room for what is added to the environment when the place is known, and for the variables of that.
pub(super) const ADDED_BYTES: usize = 16 * 1024;
pub(super) const ADDED_WORDS: usize = 10;

/// All that the child needs, made before the fork.
pub(super) struct Prepared<'a> {
    pub(super) program: &'a Program,
    pub(super) arguments: Vec<*const libc::c_char>,
    pub(super) environment: Vec<*const libc::c_char>,
    pub(super) added: Vec<u8>,
    pub(super) place: RawPlace,
    pub(super) caller: Caller,
    /// Opens the gate, and takes what went wrong.
    pub(super) line: RawFd,
    pub(super) parents: RawFd,
}

impl Prepared<'_> {
    /// In the child: system calls only, up to the exec.
    pub(super) fn run(mut self) -> ! {
        if !self.wait() {
            // SAFETY: ends this process without running anything of the parent's.
            unsafe { libc::_exit(125) }
        }
        let (step, error) = match steps(&self) {
            Ok(()) => (EXEC, self.exec()),
            Err(failed) => failed,
        };
        let errno = error.raw_os_error().unwrap_or(0);
        let mut message = [step; 5];
        message[1..].copy_from_slice(&errno.to_ne_bytes());
        write_raw(self.line, &message);
        // SAFETY: ends this process without running anything of the parent's.
        unsafe { libc::_exit(if errno == libc::ENOENT { 127 } else { 126 }) }
    }

    /// Until our parent says so; false when it never will.
    fn wait(&mut self) -> bool {
        // SAFETY: our copy of its end would keep the line open for ever; the buffer is valid for its length.
        let length = unsafe {
            libc::close(self.parents);
            loop {
                let read = libc::read(self.line, self.added.as_mut_ptr().cast(), self.added.len());
                if read >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
                    break read;
                }
            }
        };
        let Ok(length @ 1..) = usize::try_from(length) else { return false };
        self.add_variables(length);
        true
    }

    /// The message is one byte and then each variable with its NUL; the list has null pointers to spare at its end.
    fn add_variables(&mut self, length: usize) {
        let mut slot = self.environment.len() - 1 - ADDED_WORDS;
        let mut start = 1;
        for end in 1..length {
            if self.added[end] == 0 {
                self.environment[slot] = self.added[start..].as_ptr().cast();
                (slot, start) = (slot + 1, end + 1);
            }
        }
    }

    /// As execvp(3): what the kernel does not know as a program is a script for sh.
    fn exec(&self) -> io::Error {
        let (arguments, environment) = (self.arguments.as_ptr(), self.environment.as_ptr());
        // SAFETY: NUL-terminated strings and null-terminated lists that outlive the call.
        unsafe { libc::execve(self.program.path.as_ptr(), arguments, environment) };
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ENOEXEC) {
            self.exec_by_shell();
        }
        error
    }

    fn exec_by_shell(&self) {
        const WORDS: usize = 1024;
        let mut words = [std::ptr::null(); WORDS];
        let rest = self.arguments.get(1..).unwrap_or_default();
        if rest.len() + 2 > WORDS {
            return;
        }
        words[0] = c"sh".as_ptr();
        words[1] = self.program.path.as_ptr();
        words[2..2 + rest.len()].copy_from_slice(rest);
        // SAFETY: as above; `rest` ends with the null pointer.
        unsafe { libc::execve(c"/bin/sh".as_ptr(), words.as_ptr(), self.environment.as_ptr()) };
    }
}

#[derive(Clone, Copy)]
pub(super) enum RawPlace {
    Group,
    Ours,
    Foreground(RawFd),
    Detached,
    Session(RawFd),
}

impl From<TerminalPlace<'_>> for RawPlace {
    fn from(place: TerminalPlace<'_>) -> RawPlace {
        match place {
            TerminalPlace::Group => RawPlace::Group,
            TerminalPlace::Ours => RawPlace::Ours,
            TerminalPlace::Foreground(fd) => RawPlace::Foreground(fd.as_raw_fd()),
            TerminalPlace::Detached => RawPlace::Detached,
            TerminalPlace::Session { terminal } => RawPlace::Session(terminal),
        }
    }
}

/// Each step by its number in [`STEPS`].
fn steps(child: &Prepared<'_>) -> Result<(), (u8, io::Error)> {
    close_as_caller(&child.caller);
    connect(child.program).map_err(|error| (3, error))?;
    position(child.place)?;
    restore_stack_limit(&child.caller);
    give_up_privileges(child.program).map_err(|(step, error)| (number(step), error))?;
    restore_signals(&child.caller).map_err(|error| (2, error))
}

/// Behind all that may need them, and before a signal that waits can reach a process that is still root.
fn give_up_privileges(program: &Program) -> Result<(), (PrivilegeStep, io::Error)> {
    program.identity.as_ref().map_or(Ok(()), privileges::become_user)?;
    if program.no_new_privs { privileges::no_new_privs() } else { Ok(()) }
}

/// What is there instead is the runtime's /dev/null.
fn close_as_caller(caller: &Caller) {
    for fd in caller.closed() {
        // SAFETY: a descriptor that nothing of ours has.
        unsafe { libc::close(fd) };
    }
}

/// dup2(2) also leaves the copy open across exec.
fn connect(program: &Program) -> io::Result<()> {
    for (number, fd) in (0..).zip(&program.standard) {
        let Some(fd) = fd else { continue };
        // SAFETY: two descriptor numbers.
        if unsafe { libc::dup2(fd.as_raw_fd(), number) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn position(place: RawPlace) -> Result<(), (u8, io::Error)> {
    let check = |step, result: i32| match result {
        -1 => Err((step, io::Error::last_os_error())),
        _ => Ok(()),
    };
    // SAFETY: system calls that take numbers only.
    unsafe {
        match place {
            RawPlace::Group => check(0, libc::setpgid(0, 0)),
            RawPlace::Ours => Ok(()),
            RawPlace::Foreground(terminal) => {
                check(0, libc::setpgid(0, 0))?;
                // The new group is a background one until this; SIGTTOU is blocked, as all signals are.
                check(1, libc::tcsetpgrp(terminal, libc::getpid()))
            }
            RawPlace::Detached => check(0, libc::setsid()),
            RawPlace::Session(terminal) => {
                check(0, libc::setsid())?;
                check(1, libc::ioctl(terminal, libc::TIOCSCTTY, 0))
            }
        }
    }
}

/// Lowering it is always allowed, so a failure here does not happen.
fn restore_stack_limit(caller: &Caller) {
    if let Some((soft, hard)) = caller.stack_limit() {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: a valid structure to read from.
        unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raw const limit) };
    }
}

/// Dispositions first, then the mask: a signal that waits must meet what the caller wanted.
fn restore_signals(caller: &Caller) -> io::Result<()> {
    for (signal, disposition) in caller.changed() {
        // SAFETY: no handler of ours is installed.
        unsafe { libc::signal(signal, disposition) };
    }
    // SAFETY: a valid set, and no old one wanted.
    let result =
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, caller.mask.as_ref(), std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn write_raw(fd: RawFd, bytes: &[u8]) -> isize {
    // SAFETY: the slice is valid for its length.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }
}
