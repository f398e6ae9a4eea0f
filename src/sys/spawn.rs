//! Starts the command so that it never runs an instruction of its own outside its cgroup, and as its caller meant it:
//! signal mask and ignored signals as they were. First a process that waits, made in its cgroup where that is there, else to be
//! put in its place by us or by systemd; then the command in it.

use super::caller::Caller;
use super::privileges::{self, Identity, PrivilegeStep};
use super::process::reap;
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

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

/// Why the command did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It could not be put into its cgroup, or a like failure before the command.
    #[error("{step}")]
    Before {
        /// What failed.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// execve(2) refused it.
    #[error("exec")]
    Exec {
        /// Why.
        source: io::Error,
    },
}

/// A program, ready to be run: everything that exec needs is made before the fork.
#[derive(Debug)]
pub struct Program {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// Replacements for standard input, output and error.
    pub standard: [Option<OwnedFd>; 3],
    /// Whom to become.
    pub identity: Option<Identity>,
    /// Whether no program that it runs gains privileges.
    pub no_new_privs: bool,
}

impl Program {
    /// The program at `path` with these arguments (the first is its name) and our environment.
    ///
    /// # Errors
    /// When a word holds a NUL, which no word from an exec can.
    pub fn new(path: &Path, arguments: &[OsString]) -> io::Result<Program> {
        let environment = std::env::vars_os().map(|(mut pair, value)| {
            pair.push("=");
            pair.push(value);
            c_string(&pair)
        });
        Ok(Program {
            path: c_string(path.as_os_str())?,
            arguments: arguments.iter().map(|word| c_string(word)).collect::<Result<_, _>>()?,
            environment: environment.collect::<Result<_, _>>()?,
            standard: [None, None, None],
            identity: None,
            no_new_privs: false,
        })
    }

    /// Sets a variable of its environment, or replaces it.
    ///
    /// # Errors
    /// When the value holds a NUL.
    pub fn set_variable(&mut self, name: &str, value: &OsStr) -> io::Result<()> {
        self.remove_variable(name);
        let mut pair = OsString::from(format!("{name}="));
        pair.push(value);
        self.environment.push(c_string(&pair)?);
        Ok(())
    }

    /// Takes a variable out of its environment.
    pub fn remove_variable(&mut self, name: &str) {
        let prefix = format!("{name}=");
        self.environment.retain(|pair| !pair.as_bytes().starts_with(prefix.as_bytes()));
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// What can fail in the child before the command runs; its place in the list travels over the line.
const STEPS: [&str; 10] = [
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
const ADDED_BYTES: usize = 16 * 1024;
const ADDED_WORDS: usize = 4;

/// An exec takes about a millisecond; what takes longer is waited for with everything else.
const SOON_MS: u8 = 20;

/// A process that will be the command: it waits, to be put in its place. Dropped, it ends without having run anything.
#[derive(Debug)]
pub struct Waiting {
    pid: i32,
    in_cgroup: bool,
    line: Option<UnixStream>,
}

/// Makes the process that waits, in this cgroup (its directory) if there is one by now and the kernel takes it: to move it there
/// afterwards takes up to a grace period of RCU, 13 ms on a machine that does nothing else.
///
/// Not by `std::process::Command`, which waits for the exec without end: a Ctrl-Z at that moment would stop the child
/// first and leave both waiting for each other.
///
/// # Errors
/// Without descriptors or processes.
pub fn prepare(
    program: &Program,
    place: TerminalPlace<'_>,
    caller: Caller,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<Waiting, SpawnError> {
    let before = |step| move |source| SpawnError::Before { step, source };
    let (line, other) = UnixStream::pair().map_err(before("make a pair of sockets"))?;
    let mut environment = pointers(&program.environment);
    environment.extend([std::ptr::null(); ADDED_WORDS]);
    let child = Prepared {
        program,
        arguments: pointers(&program.arguments),
        environment,
        added: vec![0; ADDED_BYTES],
        place: RawPlace::from(place),
        caller,
        line: other.as_raw_fd(),
        parents: line.as_raw_fd(),
    };
    // SAFETY: this process has one thread; the child makes system calls only and ends in exec or _exit.
    let (pid, in_cgroup) = match cgroup.map_or(-1, |cgroup| unsafe { fork_into(cgroup) }) {
        // SAFETY: as above.
        -1 => (unsafe { libc::fork() }, false),
        pid => (pid, true),
    };
    match pid {
        -1 => Err(before("fork")(io::Error::last_os_error())),
        0 => child.run(),
        pid => Ok(Waiting { pid, in_cgroup, line: Some(line) }),
    }
}

/// linux/sched.h, `struct clone_args`.
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// As fork(2), with the child in this cgroup from its first instruction on. -1 where the kernel is older than 5.7, or somebody forbids
/// it (seccomp).
///
/// # Safety
/// This process has one thread, and the child makes system calls only: the C library knows nothing of it.
unsafe fn fork_into(cgroup: BorrowedFd<'_>) -> libc::pid_t {
    /// linux/sched.h.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: all zeroes are valid; the structure is read for its length. Without CLONE_VM the child has a copy of everything.
    unsafe {
        let mut how: CloneArgs = std::mem::zeroed();
        how.flags = CLONE_INTO_CGROUP;
        how.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
        how.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
        let pid = libc::syscall(libc::SYS_clone3, &raw mut how, size_of::<CloneArgs>());
        libc::pid_t::try_from(pid).unwrap_or(-1)
    }
}

impl Waiting {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it is in the cgroup already.
    pub fn is_in_cgroup(&self) -> bool {
        self.in_cgroup
    }

    /// Lets it run the command, with these variables (`NAME=VALUE`) in its environment too. Gives its process id, and, where the
    /// exec takes longer than it should, what tells of it.
    ///
    /// # Errors
    /// See [`SpawnError`]: nothing runs then.
    pub fn go(mut self, added: &[CString]) -> Result<(i32, Option<Starting>), SpawnError> {
        use io::Write as _;
        let before = |source| SpawnError::Before { step: "let the command run", source };
        let mut message = vec![b'.'];
        message.extend(added.iter().flat_map(|word| word.as_bytes_with_nul()));
        if message.len() > ADDED_BYTES || added.len() > ADDED_WORDS {
            return Err(before(io::ErrorKind::ArgumentListTooLong.into()));
        }
        let Some(mut line) = self.line.take() else {
            return Err(before(io::ErrorKind::BrokenPipe.into()));
        };
        line.write_all(&message).map_err(before)?;
        let mut starting = Starting { line };
        match starting.wait(SOON_MS) {
            Some(Ok(())) => Ok((std::mem::replace(&mut self.pid, 0), None)),
            // Dropped, it is reaped.
            Some(Err(error)) => Err(error),
            None => Ok((std::mem::replace(&mut self.pid, 0), Some(starting))),
        }
    }
}

/// A command that was let go and does not run yet: its cgroup is frozen, the file system does not answer, or it was stopped on
/// the way, which is a job like any other that was stopped.
#[derive(Debug)]
pub struct Starting {
    line: UnixStream,
}

impl Starting {
    /// Whether it runs by now, or why it never will. Does not wait.
    pub fn result(&mut self) -> Option<Result<(), SpawnError>> {
        self.wait(0)
    }

    /// Whether [`Starting::result`] has something to say.
    pub fn is_over(&self) -> bool {
        let mut fds = [PollFd::new(self.line.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, 0_u8).unwrap_or(0) > 0
    }

    /// The child's end closes with the exec, or with the end of the process; before that comes what went wrong.
    fn wait(&mut self, ms: u8) -> Option<Result<(), SpawnError>> {
        use io::Read as _;
        let mut fds = [PollFd::new(self.line.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, ms).unwrap_or(0) == 0 {
            return None;
        }
        let mut message = [0u8; 5];
        let Ok(5) = self.line.read(&mut message) else { return Some(Ok(())) };
        let [step, errno @ ..] = message;
        let source = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
        Some(Err(match STEPS.get(usize::from(step)) {
            Some(step) => SpawnError::Before { step, source },
            None => SpawnError::Exec { source },
        }))
    }
}

impl AsFd for Starting {
    /// Ready (readable) when [`Starting::result`] has something to say.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.line.take());
        if self.pid > 0 {
            reap(self.pid);
        }
    }
}

fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// All that the child needs, made before the fork.
struct Prepared<'a> {
    program: &'a Program,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    added: Vec<u8>,
    place: RawPlace,
    caller: Caller,
    /// Opens the gate, and takes what went wrong.
    line: RawFd,
    parents: RawFd,
}

impl Prepared<'_> {
    /// In the child: system calls only, up to the exec.
    fn run(mut self) -> ! {
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
enum RawPlace {
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
