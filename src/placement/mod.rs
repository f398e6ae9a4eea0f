//! Where a workload's cgroup goes: the rows of one table, tried in order, each verified. Never gets a workload around a
//! limit that its caller is under, and never moves a process that is not ours or of a place that was given to us.

pub mod demand;
mod inner;
pub mod leftovers;
pub mod obstacle;
mod plain;
mod scope;
pub mod surroundings;

use crate::cgroup::line_files::LineFiles;
use crate::cgroup::machine::MachineMemory;
use crate::cgroup::{Cgroup, files};
use crate::escape::shown;
use crate::systemd::Manager;
use crate::units::Bytes;
use anyhow::{Context, Result, anyhow, bail};
use inner::Vacated;
use leftovers::Mark;
use scope::Anchor;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use surroundings::Surroundings;

/// The leaf of a cgroup that has room for more than the workload.
pub const WORKLOAD: &str = "workload";

/// A way to a cgroup with the memory controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `--cgroup`.
    Given,
    /// The writable root of a container's cgroup namespace.
    NamespaceRoot,
    /// The delegated cgroup of the unit that we run in.
    Delegated,
    /// A scope of the machine's systemd.
    SystemScope,
    /// A scope of the user's systemd.
    UserScope,
    /// A directory made where we are or above.
    Plain,
}

impl Route {
    /// In the order in which they are tried.
    pub const ALL: [Route; 6] = [
        Route::Given,
        Route::NamespaceRoot,
        Route::Delegated,
        Route::SystemScope,
        Route::UserScope,
        Route::Plain,
    ];

    /// As one word.
    pub fn name(self) -> &'static str {
        match self {
            Route::Given => "given",
            Route::NamespaceRoot => "namespace-root",
            Route::Delegated => "delegated",
            Route::SystemScope => "system-scope",
            Route::UserScope => "user-scope",
            Route::Plain => "plain",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wanted.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// Of the cgroup: `sentinel-NAME-PID`.
    pub name: &'a str,
    /// The cgroup to make it in, if that was said.
    pub given: Option<&'a Path>,
    /// The slice for a scope, if that was said.
    pub slice: Option<&'a str>,
    /// Gives the process that waits to be the command, for a manager that moves processes; made at the first call.
    pub child: &'a dyn Fn() -> Result<i32>,
}

impl fmt::Debug for Wish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wish { name, given, slice, child: _ } = self;
        f.debug_struct("Wish")
            .field("name", name)
            .field("given", given)
            .field("slice", slice)
            .finish_non_exhaustive()
    }
}

/// A cgroup made for a workload.
#[derive(Debug)]
pub struct Placed {
    /// The workload's cgroup.
    pub cgroup: Cgroup,
    /// How it was had.
    pub row: Option<Route>,
    /// Where it has the memory controller, until somebody takes them.
    lines: Option<LineFiles>,
    vacated: Option<Vacated>,
    anchor: Option<Anchor>,
    /// It says whose it is.
    marked: bool,
    /// What was beside it when it was made, where somebody looked.
    beside: Option<Vec<OsString>>,
    removed: bool,
}

impl Drop for Placed {
    /// For a start that failed half-way; what cannot be removed then was told as the error.
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

impl Placed {
    fn new(cgroup: Cgroup, lines: Option<LineFiles>) -> Placed {
        let marked = leftovers::mark(cgroup.path(), Mark::Guardian);
        Placed {
            cgroup,
            row: None,
            lines,
            vacated: None,
            anchor: None,
            marked,
            beside: None,
            removed: false,
        }
    }

    /// The files of the kernel's lines.
    pub fn lines(&self) -> Option<&LineFiles> {
        self.lines.as_ref()
    }

    /// The same for who keeps them.
    pub fn take_lines(&mut self) -> Option<LineFiles> {
        self.lines.take()
    }

    /// Puts the command's process into it, before it runs anything.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn admit(&self, child: i32) -> Result<()> {
        self.cgroup.write("cgroup.procs", &child.to_string())
    }

    /// Removes the cgroup and brings everybody back to where they were.
    ///
    /// # Errors
    /// When a process is left in it.
    pub fn remove(mut self) -> Result<()> {
        self.clear()
    }

    fn clear(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        let removed = self.cgroup.remove();
        let let_go = self.anchor.take().map_or(Ok(()), Anchor::remove);
        let undone = self.vacated.take().map_or(Ok(()), Vacated::undo);
        removed.and(let_go).and(undone)
    }

    /// The cgroup whose processes moved aside into a leaf of it.
    pub fn vacated(&self) -> Option<&Path> {
        self.vacated.as_ref().map(|vacated| vacated.home().path())
    }

    /// The process that holds the place, if there is one; it ends before its time when systemd stops the scope.
    pub fn anchor(&self) -> Option<i32> {
        self.anchor.as_ref().and_then(Anchor::pid)
    }

    /// That process was reaped.
    pub fn anchor_ended(&mut self) {
        if let Some(anchor) = &mut self.anchor {
            anchor.ended();
        }
    }
}

/// A row that did not do, and why.
#[derive(Debug)]
pub struct RefusedRoute {
    /// The row.
    pub row: Route,
    /// Why, as a fragment for people.
    pub why: String,
}

/// Makes a cgroup with the memory controller by the first row that does.
///
/// # Errors
/// Why none does, row by row.
pub fn with_memory(around: &Surroundings, wish: &Wish<'_>) -> Result<Placed, Vec<RefusedRoute>> {
    let mut refusals = Vec::new();
    for row in Route::ALL {
        let made = match why_not_at_sight(row, around, wish.given) {
            Some(why) => Err(anyhow!(why)),
            None => make(row, around, wish),
        };
        match made {
            Ok(mut placed) => {
                placed.row = Some(row);
                return Ok(placed);
            }
            Err(error) => refusals.push(RefusedRoute { row, why: format!("{error:#}") }),
        }
        if wish.given.is_some() {
            break;
        }
    }
    Err(refusals)
}

/// Why a row is out of the question here, without trying it; `None` when it is worth trying.
pub fn why_not(row: Route, around: &Surroundings, given: Option<&Path>) -> Option<String> {
    why_not_at_sight(row, around, given).or_else(|| match row {
        Route::SystemScope => around.why_no_manager(Manager::System),
        Route::UserScope => around.why_no_manager(Manager::User),
        Route::Given | Route::NamespaceRoot | Route::Delegated | Route::Plain => None,
    })
}

/// The same without asking whether a manager answers, which is the first thing in trying.
fn why_not_at_sight(row: Route, around: &Surroundings, given: Option<&Path>) -> Option<String> {
    let refuse = |why: &str| Some(why.to_owned());
    if row == Route::Given {
        return if given.is_some() { None } else { refuse("no --cgroup was given") };
    }
    let Some(memory) = around.memory() else {
        return Some(obstacle::why_no_memory(around));
    };
    if memory.read_only {
        return Some(format!("{} is mounted read-only", shown(&memory.mount_point)));
    }
    match row {
        Route::Given | Route::Plain => None,
        Route::NamespaceRoot if !around.namespace_root => {
            refuse("not at the root of a container's cgroup namespace")
        }
        Route::NamespaceRoot if around.systemd => refuse("systemd runs here and owns the root"),
        Route::NamespaceRoot => None,
        Route::Delegated if around.unit.is_none() => {
            refuse("not running in a unit of its own with Delegate=yes")
        }
        Route::Delegated => None,
        Route::SystemScope if around.uid != 0 => refuse("only root may use the system manager"),
        Route::SystemScope if !around.systemd => refuse("systemd is not running here"),
        Route::UserScope if around.uid == 0 => refuse("root uses the system manager"),
        Route::SystemScope | Route::UserScope => None,
    }
}

fn make(row: Route, around: &Surroundings, wish: &Wish<'_>) -> Result<Placed> {
    match row {
        Route::Given => given(around, wish.given.context("no cgroup was given")?, wish.name),
        Route::NamespaceRoot => {
            let memory = around.memory().context("no memory controller")?;
            inner::make_in(&around.machine, &memory.mount_point, wish.name, true)
        }
        Route::Delegated => {
            let unit = around.unit.as_deref().context("no unit")?;
            inner::make_in(&around.machine, unit, wish.name, true)
        }
        Route::SystemScope => scope::make(around, Manager::System, wish),
        Route::UserScope => scope::make(around, Manager::User, wish),
        Route::Plain => plain::make(around, wish.name),
    }
}

/// Files that are only called like a cgroup's are not written to.
fn given(around: &Surroundings, directory: &Path, name: &str) -> Result<Placed> {
    if !Cgroup::open(directory)?.is_real() {
        bail!("{} is not in a cgroup v2 file system", shown(directory));
    }
    inner::make_in(&around.machine, directory, name, false)
}

/// Brings everybody back to a cgroup that a guardian, which is gone, made them leave ([`Placed::vacated`]).
///
/// # Errors
/// When the kernel refuses.
pub fn bring_back(home: &Path) -> Result<()> {
    Vacated::found(Cgroup::open(home)?)?.undo()
}

/// Makes a cgroup without controllers: membership, freezing and an atomic kill.
///
/// # Errors
/// Why it cannot be had.
pub fn without_memory(around: &Surroundings, name: &str) -> Result<Placed> {
    let hierarchy = around.hierarchies.first().context("no cgroup v2 file system is mounted")?;
    let own =
        hierarchy.own.as_deref().context("our own cgroup is outside the mounted hierarchy")?;
    let cgroup = Cgroup::open(own)?.create_child(name)?;
    let usable = cgroup.file("cgroup.procs", nix::fcntl::OFlag::O_WRONLY);
    if let Err(error) = usable {
        cgroup.remove()?;
        return Err(error).context("use cgroup.procs of the new cgroup");
    }
    Ok(Placed::new(cgroup, None))
}

/// The controller being on for the children is not enough: the files must be there and ours to write.
fn usable(cgroup: Cgroup) -> Result<Placed> {
    match LineFiles::open(&cgroup) {
        Ok(lines) => Ok(Placed::new(cgroup, Some(lines))),
        Err(error) => {
            cgroup.remove()?;
            Err(error)
        }
    }
}

/// Turns the controllers on for the children of a cgroup.
fn enable(parent: &Cgroup, machine: &MachineMemory) -> Result<()> {
    // Pids are wanted, not needed: without them `--pids` says that it cannot be had.
    if parent.write("cgroup.subtree_control", "+memory +pids").is_err() {
        if !files::has_controller(&parent.read("cgroup.controllers")?, "memory") {
            bail!("{} does not have the memory controller", shown(parent.path()));
        }
        if !files::has_controller(&parent.read("cgroup.subtree_control")?, "memory") {
            parent.write("cgroup.subtree_control", "+memory")?;
        }
    }
    if machine.huge_pages > Bytes(0) {
        // Where it cannot be had, huge pages are told and not counted.
        let _ = parent.write("cgroup.subtree_control", "+hugetlb");
    }
    Ok(())
}

/// EBUSY: processes in an inner node (cgroup-v2.rst, "No Internal Process Constraint").
fn is_busy(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    error == Some(nix::libc::EBUSY)
}
