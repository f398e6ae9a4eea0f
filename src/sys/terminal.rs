//! The controlling terminal: who is in its foreground, its modes, and a terminal of the workload's own for the dashboard.

use nix::fcntl::OFlag;
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{FlushArg, SetArg, SpecialCharacterIndices, Termios};
use nix::sys::termios::{tcflush, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, isatty, tcgetpgrp, tcsetpgrp};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

/// Our controlling terminal.
#[derive(Debug)]
pub struct Terminal {
    file: File,
    modes: Option<Termios>,
}

impl Terminal {
    /// Opens it; `None` where there is none.
    pub fn open() -> Option<Terminal> {
        let file = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let modes = tcgetattr(&file).ok();
        Some(Terminal { file, modes })
    }

    /// Whether our process group is its foreground.
    pub fn is_ours(&self) -> bool {
        self.is_held_by(getpgrp().as_raw())
    }

    /// Whether this process group is its foreground.
    pub fn is_held_by(&self, group: i32) -> bool {
        tcgetpgrp(&self.file).is_ok_and(|holder| holder.as_raw() == group)
    }

    /// Makes a process group its foreground. Needs SIGTTOU blocked where ours is not.
    ///
    /// # Errors
    /// When the group is gone or of another session.
    pub fn give_to(&self, group: i32) -> io::Result<()> {
        Ok(tcsetpgrp(&self.file, Pid::from_raw(group))?)
    }

    /// Makes our group its foreground again, if `from` (or nobody) is.
    pub fn take_back(&self, from: i32) {
        let holder = tcgetpgrp(&self.file).map_or(from, Pid::as_raw);
        let gone = nix::sys::signal::killpg(Pid::from_raw(holder), None).is_err();
        if holder == from || gone {
            // A terminal that hung up has no foreground to take.
            let _ = tcsetpgrp(&self.file, getpgrp());
        }
    }

    /// Brings the modes back that it had when we opened it: after a workload that could not do so itself.
    pub fn restore_modes(&self) {
        if let Some(modes) = &self.modes {
            // As above.
            let _ = tcsetattr(&self.file, SetArg::TCSANOW, modes);
        }
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Opens what a descriptor has open once more, so that it never blocks: that is otherwise shared with everybody who has it open.
/// Somebody else's terminal (`su`, `sudo -u`, `docker exec -u`) may not be opened by its name, but as our controlling one it may.
///
/// # Errors
/// It is somebody else's, and not our controlling terminal.
pub fn open_anew(fd: impl AsFd, options: &OpenOptions) -> io::Result<File> {
    let fd = fd.as_fd();
    let mut options = options.clone();
    options.custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits());
    options.open(format!("/proc/self/fd/{}", fd.as_raw_fd())).or_else(|error| {
        // Only of our controlling terminal is the foreground told.
        if tcgetpgrp(fd).is_ok() { options.open("/dev/tty") } else { Err(error) }
    })
}

/// From now on a read of a terminal in raw mode gives what was typed, and does not wait for it.
///
/// # Errors
/// When the terminal has gone.
pub fn read_at_once(terminal: impl AsFd) -> io::Result<()> {
    let mut modes = tcgetattr(&terminal)?;
    modes.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
    modes.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    Ok(tcsetattr(&terminal, SetArg::TCSANOW, &modes)?)
}

/// Whether this standard descriptor (0, 1 or 2) is a terminal.
pub fn is_terminal(standard: BorrowedFd<'_>) -> bool {
    isatty(standard).unwrap_or(false)
}

/// Whether no other group of our session is the terminal's foreground. One that is not our controlling terminal has none for us.
pub fn is_foreground(terminal: impl AsFd) -> bool {
    tcgetpgrp(terminal).map_or(true, |holder| holder == getpgrp())
}

/// Drops what was typed and nobody read, where standard input is a terminal and ours to read.
pub fn forget_input() {
    let input = io::stdin();
    if is_terminal(input.as_fd()) && is_foreground(&input) {
        // A terminal that hung up has nothing to forget.
        let _ = tcflush(&input, FlushArg::TCIFLUSH);
    }
}

/// A new pseudo-terminal with the modes and size of the one that we are on.
///
/// # Errors
/// Without free descriptors or pseudo-terminals.
pub fn new_pty(like: BorrowedFd<'_>) -> io::Result<OpenptyResult> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let modes = tcgetattr(like).ok();
    let pty = openpty(None, modes.as_ref())?;
    for fd in [&pty.master, &pty.slave] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    Ok(pty)
}
