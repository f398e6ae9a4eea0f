//! The dashboard seen from the guardian: a process of its own on the other end of a socket pair, and the command's terminal between them.

use crate::clock::pause;
use crate::sys::spawn::Program;
use crate::sys::terminal::{is_foreground, is_terminal, new_pty};
use crate::terminal_modes::is_dumb;
use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

/// So long it may take to leave when the guardian fails, milliseconds.
const FAREWELL_MS: u32 = 2000;

/// The exit status of one that drew nothing: the run was over before.
pub const DREW_NOTHING: u8 = 3;

/// The hidden verb that runs the dashboard.
pub const VERB: &str = "__dashboard";
/// What the command's terminal is, whatever ours may be: keys are encoded and sequences understood as xterm does.
const TERM: &str = "xterm-256color";

/// A running dashboard.
#[derive(Debug)]
pub struct Dashboard {
    process: Option<Child>,
    /// The modes of our terminal before it.
    modes: Option<Termios>,
    /// Our end of the command's terminal: kept so that the command has one even when the dashboard is gone.
    pub master: OwnedFd,
    /// The command's end, until it runs.
    pub slave: Option<OwnedFd>,
}

impl Drop for Dashboard {
    /// In a panic nobody else waits for it to put the terminal right, which it does when its connection closes.
    fn drop(&mut self) {
        let Some(process) = self.process.as_mut().filter(|_| std::thread::panicking()) else {
            return;
        };
        for _ in 0..FAREWELL_MS / 10 {
            // It ended, or cannot be waited for.
            if !matches!(process.try_wait(), Ok(None)) {
                return;
            }
            pause(Duration::from_millis(10));
        }
    }
}

impl Dashboard {
    /// Whether there is a terminal to show one on.
    pub fn wanted(plain: bool) -> bool {
        let (input, output) = (io::stdin(), io::stdout());
        let on_terminal = is_terminal(output.as_fd()) && is_terminal(input.as_fd());
        // A job in the background must not draw over the shell.
        !plain && !is_dumb() && on_terminal && is_foreground(&input)
    }

    /// Makes the command's terminal, for the user that the command runs as if that is not ours. The dashboard itself is not running yet.
    ///
    /// # Errors
    /// Without a pseudo-terminal.
    pub fn new(user: Option<u32>) -> Result<Dashboard> {
        let pty = new_pty(io::stdout().as_fd()).context("make a terminal for the command")?;
        if let Some(user) = user {
            let user = Some(nix::unistd::Uid::from_raw(user));
            nix::unistd::fchown(&pty.slave, user, None).context("give the terminal to its user")?;
        }
        let modes = tcgetattr(io::stdin()).ok();
        Ok(Dashboard { process: None, modes, master: pty.master, slave: Some(pty.slave) })
    }

    /// Starts it; what the command writes it passes on to `log` too. Gives our end of its connection.
    ///
    /// # Errors
    /// Without descriptors or our own executable.
    pub fn start(&mut self, log: Option<BorrowedFd<'_>>) -> Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair().context("make a socket pair")?;
        let program = std::env::current_exe().context("find our own executable")?;
        inherit(&theirs, true)?;
        inherit(&self.master, true)?;
        let control = theirs.as_raw_fd().to_string();
        let master = self.master.as_raw_fd().to_string();
        // The program that runs, also where another has its name by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0(program);
        command.args([VERB, "--control-fd", &control, "--pty-fd", &master]);
        if let Some(log) = log {
            inherit(log, true)?;
            command.args(["--log-fd", &log.as_raw_fd().to_string()]);
        }
        let process = command.spawn().context("start the dashboard");
        log.map(|log| inherit(log, false)).transpose()?;
        inherit(&self.master, false)?;
        self.process = Some(process?);
        Ok(ours)
    }

    /// Its process id, once it runs.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().and_then(|process| i32::try_from(process.id()).ok())
    }

    /// After its end: puts the modes of our terminal back where it could not do so itself. True where it could not, and so has left
    /// its screen there too.
    pub fn recover(&self) -> bool {
        let (Some(modes), input) = (&self.modes, io::stdin()) else { return false };
        let changed = tcgetattr(&input).is_ok_and(|now| now.local_flags != modes.local_flags);
        changed && is_foreground(&input) && tcsetattr(&input, SetArg::TCSANOW, modes).is_ok()
    }

    /// Gives the command the new terminal wherever it would have had ours, and says of what kind it is.
    ///
    /// # Errors
    /// Without free descriptors.
    pub fn connect(&self, program: &mut Program) -> Result<()> {
        let Some(slave) = &self.slave else { return Ok(()) };
        program.set_variable("TERM", OsStr::new(TERM)).context("name the command's terminal")?;
        // The size of ours.
        ["LINES", "COLUMNS"].into_iter().for_each(|name| program.remove_variable(name));
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let ours = [input.as_fd(), output.as_fd(), error.as_fd()];
        for (standard, ours) in program.standard.iter_mut().zip(ours) {
            if is_terminal(ours) {
                *standard = Some(slave.try_clone().context("connect the command's terminal")?);
            }
        }
        Ok(())
    }

    /// The descriptor of the command that is its terminal: standard output, or there would be no dashboard.
    pub fn terminal_of_child(&self) -> RawFd {
        1
    }
}

fn inherit(fd: impl AsFd, inherit: bool) -> Result<()> {
    let flags = if inherit { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
    fcntl(fd, FcntlArg::F_SETFD(flags)).context("set the close-on-exec flag")?;
    Ok(())
}
