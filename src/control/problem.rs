//! Why a socket cannot be had, and what can be done about it.

use crate::escape::escape;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A socket that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {}: {problem}: {}", escape(path.as_os_str().as_bytes()), problem.way_out())]
pub struct SocketError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub problem: Problem,
}

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// More than fits the kernel's address.
    #[error("the path has {length} bytes and the kernel takes 107 at most")]
    TooLong {
        /// Bytes of the path.
        length: usize,
    },
    /// The path ends in `/` or `..`, or holds a NUL.
    #[error("the path does not name a file")]
    NoName,
    /// Somebody listens there.
    #[error("another process is already listening there")]
    Busy,
    /// No socket is there but something else, which is left alone.
    #[error("{what} is in the way")]
    Occupied {
        /// What it is, with its article.
        what: &'static str,
    },
    /// A dead socket, which is not ours to remove.
    #[error("a dead socket of uid {uid} is in the way")]
    Foreign {
        /// Whose.
        uid: u32,
    },
    /// A dead socket, which cannot be replaced safely while another program holds a lock on the directory.
    #[error("a dead socket is in the way and its directory is locked")]
    Locked,
    /// A directory without the sticky bit that everybody may write to.
    #[error("anyone may rename files in its directory")]
    UnsafeDirectory,
    /// The directory cannot be opened.
    #[error("cannot open its directory: {0}")]
    Directory(std::io::Error),
    /// The name did not mean our socket any more right after it was made.
    #[error("another file took its place")]
    Replaced,
    /// The kernel said no.
    #[error("{0}")]
    System(std::io::Error),
}

impl Problem {
    /// What the user can do about it.
    pub fn way_out(&self) -> &'static str {
        match self {
            Problem::TooLong { .. } => "choose a shorter --socket",
            Problem::NoName => "give the path of a socket to make",
            Problem::Busy => "choose another --socket, or leave it out",
            Problem::Occupied { .. } | Problem::Foreign { .. } | Problem::Locked => {
                "remove it or choose another --socket"
            }
            Problem::UnsafeDirectory | Problem::Replaced => {
                "choose a --socket in a directory of your own"
            }
            Problem::Directory(_) | Problem::System(_) => {
                "choose a --socket in a directory that exists and that you may write to"
            }
        }
    }
}
