//! The dashboard: a process of its own that shows what the guardian reports and passes keys on.
//! It speaks to the guardian through the control stream alone, so a stopped terminal delays nobody.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// What the guardian hands over. The terminal itself is stdin and stdout.
#[derive(Debug)]
pub struct Options {
    /// The mailbox: `watch json` goes out, one `status::WatchLine` a line comes in.
    pub control: UnixStream,
    /// The master side of the command's terminal, if it has one.
    pub pty: Option<OwnedFd>,
}

/// Shows the dashboard until the guardian closes the stream or the user leaves.
///
/// # Errors
/// When the terminal cannot be set up or written to, or the stream breaks.
pub fn run(options: Options) -> anyhow::Result<()> {
    drop(options);
    anyhow::bail!("the dashboard is not built yet")
}
