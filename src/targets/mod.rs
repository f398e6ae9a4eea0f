//! What people mean by the names that they have for what runs already: a unit of systemd, a container, a process. Each leads to a
//! cgroup. Cold path only.

mod container;
mod engines;
mod owner;
pub mod pods;
mod process;
mod unit;

pub use owner::TargetOwner;
pub use process::upwards;

use crate::escape::{escape, shown};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is to be guarded, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachTarget {
    /// A cgroup by its path; without a slash in front below /sys/fs/cgroup.
    Cgroup(PathBuf),
    /// A unit of systemd's; without a kind it is a service.
    Unit(String),
    /// A container, by its id, the beginning of that, or its name.
    Container(String),
    /// A process, with all that descend from it.
    Process(i32),
    /// The process of this program.
    Program(OsString),
    /// The containers of all pods of a kubelet's, whose cgroup this is.
    Pods(Option<PathBuf>),
    /// All that runs here.
    Machine,
}

/// What is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where it runs.
    pub place: Place,
    /// What people call it.
    pub name: String,
}

/// Where something runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the cgroup with this directory, which nobody else is in.
    Cgroup(PathBuf),
    /// In a cgroup that others are in, too.
    Shared {
        /// The process from which it descends.
        pid: i32,
        /// Who else is there, in words.
        with: String,
    },
    /// In each of these directories, pods.
    Pods(Vec<PathBuf>),
    /// All that runs here.
    Machine,
}

impl Located {
    fn in_cgroup(directory: PathBuf, name: String) -> Located {
        Located { place: Place::Cgroup(directory), name }
    }
}

impl AttachTarget {
    /// Finds its cgroup.
    ///
    /// # Errors
    /// When there is nothing of that name, it does not run, or several things are meant.
    pub fn find(&self) -> Result<Located> {
        match self {
            AttachTarget::Cgroup(path) => cgroup(path),
            AttachTarget::Unit(name) => unit::find(name),
            AttachTarget::Container(name) => container::find(name),
            AttachTarget::Process(pid) => process::find(*pid),
            AttachTarget::Program(name) => process::find_program(name.as_bytes()),
            AttachTarget::Pods(place) => {
                let named = place.as_ref().map(|path| directory(path).map(|it| vec![it]));
                let place = Place::Pods(named.unwrap_or_else(pods::find)?);
                Ok(Located { place, name: "pods".to_owned() })
            }
            AttachTarget::Machine => {
                Ok(Located { place: Place::Machine, name: "machine".to_owned() })
            }
        }
    }
}

fn cgroup(path: &Path) -> Result<Located> {
    let directory = directory(path)?;
    let name = escape(directory.file_name().unwrap_or_default().as_bytes());
    Ok(Located::in_cgroup(directory, name))
}

/// Of a cgroup as it was typed.
fn directory(path: &Path) -> Result<PathBuf> {
    let path =
        if path.is_absolute() { path.to_owned() } else { Path::new("/sys/fs/cgroup").join(path) };
    let found = path.canonicalize();
    let directory = found.with_context(|| format!("cannot find the cgroup {}", shown(&path)))?;
    ensure!(directory.is_dir(), "{} is not a directory", shown(&directory));
    Ok(directory)
}
