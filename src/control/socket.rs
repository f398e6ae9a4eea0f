//! The mailbox's sockets: which ones there are. Serving them is the server's.

pub use super::bind::Owner;
use super::bind::{self, SocketNode};
use super::listening;
pub use super::problem::{Problem, SocketError};
use super::runtime_dir::{self, Roots};
use crate::escape::escape;
use crate::report::record::{CallerId, as_caller};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Which socket the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketChoice {
    /// `/tmp/sentinel.socket` if it is free, and one in the runtime directory.
    Default,
    /// This path, and one in the runtime directory.
    At(PathBuf),
    /// The same with the rights of the [`Owner`], who named it and may have fewer than we have.
    AsOwner(PathBuf),
    /// None at all.
    Off,
}

/// The sockets of one guardian. Dropped, it unlinks what is still its own.
#[derive(Debug)]
pub struct Mailbox {
    listeners: Vec<UnixListener>,
    nodes: Vec<SocketNode>,
    /// What went otherwise than asked, one line each, for the log.
    pub notices: Vec<String>,
    /// A forked copy must not unlink the sockets of the process that serves them.
    maker: u32,
}

/// Opens the mailbox of the guardian `pid`, whose workload is called `name`.
///
/// # Errors
/// [`SocketError`] when the socket that was asked for by path cannot be had. All else is a notice: a guardian works without a mailbox.
pub fn open_mailbox(
    request: SocketChoice,
    owner: Owner,
    name: &str,
    pid: u32,
) -> Result<Mailbox, SocketError> {
    open_mailbox_in(&Roots::system(), request, owner, name, pid)
}

/// As [`open_mailbox`], below other directories.
///
/// # Errors
/// As [`open_mailbox`].
pub fn open_mailbox_in(
    roots: &Roots,
    request: SocketChoice,
    owner: Owner,
    name: &str,
    pid: u32,
) -> Result<Mailbox, SocketError> {
    let mut mailbox = Mailbox::without_sockets();
    match request {
        SocketChoice::Off => return Ok(mailbox),
        SocketChoice::At(path) => mailbox.listen_at(&path, owner)?,
        SocketChoice::AsOwner(path) => mailbox.listen_as_owner(path, owner)?,
        SocketChoice::Default => {
            mailbox.try_to_listen_at(&roots.tmp.join("sentinel.socket"), owner)
        }
    }
    match runtime_dir::prepare(roots) {
        Ok((path, directory)) => {
            let elsewhere = mailbox.nodes.is_empty();
            mailbox.be_listed(&runtime_dir::entry(&path, name, pid), &path, directory, owner);
            if let Some(node) = mailbox.nodes.first().filter(|_| elsewhere) {
                let shown = escape(node.path().as_os_str().as_bytes());
                mailbox.notices.push(format!("listening at {shown}"));
            }
        }
        Err(problem) => mailbox.notices.push(format!("not listed for others to find: {problem}")),
    }
    Ok(mailbox)
}

impl Mailbox {
    /// No socket: for a server that only serves connections handed to it.
    pub fn without_sockets() -> Self {
        Mailbox {
            listeners: Vec::new(),
            nodes: Vec::new(),
            notices: Vec::new(),
            maker: crate::sys::process::own(),
        }
    }

    fn listen_at(&mut self, path: &Path, owner: Owner) -> Result<(), SocketError> {
        self.keep(bind::bind(path, owner)?);
        Ok(())
    }

    fn keep(&mut self, bound: bind::Bound) {
        self.listeners.push(bound.listener);
        self.nodes.push(bound.node);
        self.notices.extend(bound.notices);
    }

    /// In the runtime directory, from which the entries of those that died are taken first.
    fn be_listed(&mut self, entry: &Path, path: &Path, directory: OwnedFd, owner: Owner) {
        let sweep = |directory: &OwnedFd| runtime_dir::sweep(path, directory);
        match bind::bind_in(directory, entry, owner, sweep) {
            Ok(bound) => self.keep(bound),
            Err(error) => self.not_listening(&error),
        }
    }

    fn not_listening(&mut self, SocketError { path, problem }: &SocketError) {
        let shown = escape(path.as_os_str().as_bytes());
        self.notices.push(format!("not listening at {shown}: {problem}"));
    }

    fn listen_as_owner(&mut self, path: PathBuf, owner: Owner) -> Result<(), SocketError> {
        let caller = CallerId { uid: owner.uid, gid: owner.gid };
        let listening = as_caller(caller, || Ok(self.listen_at(&path, owner)));
        listening.unwrap_or_else(|error| {
            let problem = Problem::System(std::io::Error::other(format!("{error:#}")));
            Err(SocketError { path, problem })
        })
    }

    fn try_to_listen_at(&mut self, path: &Path, owner: Owner) {
        if let Err(error) = self.listen_at(path, owner) {
            self.not_listening(&error);
        }
    }

    /// Where clients find it; the first is the one to tell people.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.nodes.iter().map(SocketNode::path)
    }

    /// The sockets' places, for whoever removes them when the guardian cannot.
    pub fn nodes(&self) -> &[SocketNode] {
        &self.nodes
    }

    pub(super) fn listeners(&self) -> &[UnixListener] {
        &self.listeners
    }

    /// Unlinks the sockets that still are this mailbox's, and closes those that listen. What is open beside them goes with the process,
    /// whose last deeds these are.
    ///
    /// # Errors
    /// The first failure to unlink; the others are tried all the same.
    pub fn remove(&mut self) -> std::io::Result<()> {
        let nodes = std::mem::take(&mut self.nodes);
        let failures: Vec<_> = nodes.iter().filter_map(|node| node.remove().err()).collect();
        std::mem::forget(nodes);
        self.listeners.drain(..).for_each(listening::close);
        failures.into_iter().next().map_or(Ok(()), |errno| Err(errno.into()))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        if self.maker == crate::sys::process::own() {
            // There is nobody left to tell; a socket left behind is swept by the next guardian.
            let _ = self.remove();
        }
    }
}
