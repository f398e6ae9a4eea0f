//! `sentinel metrics`: one exporter for all guardians of a machine. A process of its own that asks their mailboxes when it is asked
//! over HTTP, so that no guardian ever has to do with the network.

mod gathering;
mod http;
mod serving;

use crate::cli::{DEFAULT_ADDRESS, Metrics};
use crate::sys::process::nowhere;
use anyhow::{Context as _, Result, bail};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// Serves until a signal ends it. Gives the exit status.
///
/// # Errors
/// The address cannot be had.
pub fn run(wanted: &Metrics) -> Result<u8> {
    if wanted.once {
        use std::io::Write as _;
        let text = gathering::Gatherer::default().page();
        let written = std::io::stdout().write_all(text.as_bytes());
        crate::diagnostics::heard(written.context("cannot write the metrics"))?;
        return Ok(0);
    }
    let listener = match wanted.handed {
        true => handed()?,
        false => {
            let listener = listen(&wanted.listen)?;
            let address = listener.local_addr().context("read our own address")?;
            crate::diagnostics::complain(&format!("serving http://{address}/metrics"));
            listener
        }
    };
    serving::serve(&listener);
    Ok(0)
}

/// The socket for an address as typed: `HOST:PORT`, `[ADDRESS]:PORT`, or `:PORT` for loopback.
///
/// # Errors
/// It is no address, or cannot be had.
pub fn listen(text: &str) -> Result<TcpListener> {
    let shown = crate::escape::escape(text.as_bytes());
    let wanted = match text.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let addresses: Vec<SocketAddr> = match wanted.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(_) => {
            bail!("{shown} is not an address to listen on: write for instance {DEFAULT_ADDRESS}")
        }
    };
    TcpListener::bind(addresses.as_slice()).with_context(|| {
        format!("cannot listen on {shown} (one sentinel metrics serves all guardians)")
    })
}

/// The socket that the guardian made. From now on its end is ours.
fn handed() -> Result<TcpListener> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().context("take the socket")?;
    std::thread::Builder::new()
        .name("life".to_owned())
        .spawn(|| {
            let stdout = std::io::stdout();
            let mut guardian = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
            // The other end closes with the guardian, whatever way it goes.
            while matches!(poll(&mut guardian, PollTimeout::NONE), Err(nix::errno::Errno::EINTR)) {}
            std::process::exit(0);
        })
        .context("watch over the guardian")?;
    Ok(TcpListener::from(socket))
}

/// The exporter beside a guardian. It ends with it.
#[derive(Debug)]
pub struct Exporter {
    process: Child,
    /// Its end of life: closed with us.
    _life: OwnedFd,
}

impl Exporter {
    /// Starts it on a socket that listens.
    ///
    /// # Errors
    /// Without descriptors or processes.
    pub fn start(listener: TcpListener) -> Result<Exporter> {
        let (ours, theirs) = nix::unistd::pipe().context("make a pipe")?;
        fcntl(&ours, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).context("set a flag")?;
        // The program that runs, also where another has its name by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("sentinel").args(["metrics", "--handed"]);
        command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::from(theirs));
        // Ctrl-C is the command's; the dashboard has the terminal.
        command.stderr(nowhere().context("open /dev/null")?).process_group(0);
        let process = command.spawn().context("cannot start the exporter")?;
        Ok(Exporter { process, _life: ours })
    }

    /// Its process id.
    pub fn pid(&self) -> Option<i32> {
        i32::try_from(self.process.id()).ok()
    }
}
