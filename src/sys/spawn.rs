//! Starts the command so that it never runs an instruction of its own outside its cgroup, and as its caller meant it:
//! signal mask and ignored signals as they were. First a process that waits, made in its cgroup where that is there, else to be
//! put in its place by us or by systemd; then the command in it.

mod child;
mod program;

pub use child::TerminalPlace;
pub use program::Program;

use super::caller::Caller;
use super::process::reap;
use child::{ADDED_BYTES, ADDED_WORDS, Prepared, RawPlace, STEPS};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{MsgFlags, recv};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

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
        let mut fds = [PollFd::new(self.line.as_fd(), PollFlags::POLLIN)];
        if ms > 0 && poll(&mut fds, ms).unwrap_or(0) == 0 {
            return None;
        }
        let mut message = [0u8; 5];
        match recv(self.line.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN | Errno::EINTR) => return None,
            Ok(5) => {}
            Ok(_) | Err(_) => return Some(Ok(())),
        }
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
