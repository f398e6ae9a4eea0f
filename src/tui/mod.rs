//! The dashboard: a process of its own that shows what the guardian reports and passes keys on.
//! It speaks to the guardian through the control stream alone, so a stopped terminal delays nobody.

pub mod activity;
pub mod app;
mod command_lines;
mod command_terminal;
mod commands;
pub mod decode;
pub mod history;
mod keyboard;
pub mod keys;
pub mod look;
pub mod measure;
mod outlet;
mod output_log;
pub mod pane;
pub mod pointing;
pub mod prompt;
mod pty;
mod ready;
pub mod replay;
mod replay_commands;
mod sequences;
mod session;
mod signals;
mod snapshot;
pub mod specials;
pub mod table;
pub mod target;
pub mod terminal;
pub mod top;
pub mod transcript;
mod translate;
pub mod view;
pub mod wire;
pub mod workloads;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Time before the first frame.
pub const QUIET: Duration = Duration::from_millis(250);

/// What the guardian hands over. The terminal itself is stdin and stdout.
#[derive(Debug)]
pub struct Options {
    /// The mailbox: `watch json` goes out, one `status::WatchLine` a line comes in.
    pub control: UnixStream,
    /// The master side of the command's terminal, if it has one. It is made non-blocking.
    pub pty: Option<OwnedFd>,
    /// Nothing is drawn before so long, [`QUIET`] but for tests: a command that is done sooner does not make the screen flash.
    pub quiet: Duration,
    /// What is shown is a trace, and no run of this machine now.
    pub replay: Option<replay::Replay>,
    /// A non-blocking pipe that gets all of the command's output.
    pub log: Option<File>,
    /// Panic after the first frame: a rehearsal for tests that the terminal is restored.
    pub rehearse_panic: bool,
}

impl Options {
    /// The options of a real run.
    pub fn new(control: UnixStream, pty: Option<OwnedFd>) -> Self {
        Options { control, pty, quiet: QUIET, replay: None, log: None, rehearse_panic: false }
    }
}

/// Shows the dashboard until the guardian closes the stream, the user leaves, or SIGTERM or SIGHUP comes. Then the terminal is as
/// before and the command's output is on it. True when something was drawn.
///
/// # Errors
/// When the terminal cannot be set up or written to.
pub fn run(options: Options) -> anyhow::Result<bool> {
    let signals = signals::HeldSignals::hold()?;
    terminal::restore_on_panic();
    session::Session::open(options, signals)?.run()
}
