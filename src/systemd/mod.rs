//! Asks systemd for a scope of our own: a cgroup with a delegated subtree (systemd: CGROUP_DELEGATION.md); and where the cgroup of a unit is.
//! Cold path only.

pub mod bus;
mod unit;

use crate::escape::{escape, shown};
use anyhow::{Context, Result};
use bus::Reply;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
pub use unit::UnitState;
use zbus::Message;
use zbus::zvariant::Value;

const SERVICE: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Whose systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The machine's; for root.
    System,
    /// The calling user's.
    User,
}

/// A transient scope to be made.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// `sentinel-NAME-PID.scope`.
    pub unit: &'a str,
    /// The slice to put it into; `None`: the manager's usual one.
    pub slice: Option<&'a str>,
    /// The processes to begin with.
    pub pids: &'a [u32],
}

impl Manager {
    /// The manager for this user.
    pub fn of(uid: u32) -> Manager {
        if uid == 0 { Manager::System } else { Manager::User }
    }

    /// The sockets that it may listen on, its own before the bus, and whether behind one is a bus.
    fn sockets(self, uid: u32) -> [(PathBuf, bool); 2] {
        match self {
            Manager::System => [
                ("/run/systemd/private".into(), false),
                ("/run/dbus/system_bus_socket".into(), true),
            ],
            Manager::User => {
                let runtime = std::env::var_os("XDG_RUNTIME_DIR")
                    .map_or_else(|| format!("/run/user/{uid}").into(), PathBuf::from);
                [(runtime.join("systemd/private"), false), (runtime.join("bus"), true)]
            }
        }
    }

    /// The socket by which it can be reached; `None` when there is none.
    pub fn socket(self, uid: u32) -> Option<PathBuf> {
        self.connect(uid).map(|line| line.path)
    }

    fn connect(self, uid: u32) -> Option<BusLine> {
        self.sockets(uid).into_iter().find_map(|(path, is_bus)| {
            let stream = UnixStream::connect(&path).ok()?;
            Some(BusLine { path, is_bus, stream })
        })
    }

    /// Starts a scope. It is asked for when this returns; its cgroup may take a moment.
    ///
    /// # Errors
    /// What systemd or its bus said.
    pub fn start(self, uid: u32, scope: &Scope<'_>) -> Result<()> {
        let line = self.connect(uid).with_context(|| self.absent(uid))?;
        let start = start_transient_unit(self, scope).context("make a message for systemd")?;
        let path = line.path.clone();
        line.ask(uid, vec![start], bus::PATIENCE)
            .with_context(|| format!("start {} by {}", scope.unit, shown(&path)))?;
        Ok(())
    }

    /// Asks for a unit to be stopped, as `systemctl stop` does: it is on its way when this returns. A manager that is busy answers late,
    /// and has heard it all the same.
    ///
    /// # Errors
    /// What systemd or its bus said.
    pub fn stop(self, uid: u32, unit: &str, patience: Duration) -> Result<()> {
        let line = self.connect(uid).with_context(|| self.absent(uid))?;
        let stop = Message::method_call(OBJECT, "StopUnit")
            .and_then(|call| {
                call.destination(SERVICE)?.interface(MANAGER)?.build(&(unit, "replace"))
            })
            .context("make a message for systemd")?;
        let path = line.path.clone();
        let shown_unit = escape(unit.as_bytes());
        line.ask(uid, vec![stop], patience)
            .with_context(|| format!("stop {shown_unit} by {}", shown(&path)))?;
        Ok(())
    }

    /// That it is not there, in words.
    pub fn absent(self, uid: u32) -> String {
        match self {
            Manager::System => "systemd does not answer at /run/systemd/private".to_owned(),
            Manager::User => format!("no systemd of user {uid} answers"),
        }
    }
}

/// A connection to one of the sockets.
struct BusLine {
    path: PathBuf,
    is_bus: bool,
    stream: UnixStream,
}

impl BusLine {
    /// The answers to these questions, in their order.
    fn ask(self, uid: u32, mut questions: Vec<Message>, patience: Duration) -> Result<Vec<Reply>> {
        let greeting = usize::from(self.is_bus);
        if self.is_bus {
            questions.insert(0, hello().context("make a message for the bus")?);
        }
        let mut replies = bus::ask(self.stream, uid, &questions, patience)?;
        Ok(replies.split_off(greeting))
    }
}

/// A bus wants to be greeted first.
fn hello() -> zbus::Result<Message> {
    const BUS: &str = "org.freedesktop.DBus";
    let message = Message::method_call("/org/freedesktop/DBus", "Hello")?;
    message.destination(BUS)?.interface(BUS)?.build(&())
}

/// `PIDs` and not `PIDFDs`, which 252 does not know. With `Delegate` the policy on OOM kills is `continue` by itself.
fn start_transient_unit(manager: Manager, scope: &Scope<'_>) -> zbus::Result<Message> {
    let usual = if manager == Manager::User { "app.slice" } else { "system.slice" };
    let properties: Vec<(&str, Value<'_>)> = vec![
        ("Description", Value::from("workload guarded by sentinel")),
        ("Slice", Value::from(scope.slice.unwrap_or(usual))),
        ("Delegate", Value::from(true)),
        ("CollectMode", Value::from("inactive-or-failed")),
        ("PIDs", Value::from(scope.pids.to_vec())),
    ];
    let nothing: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
    Message::method_call(OBJECT, "StartTransientUnit")?
        .destination(SERVICE)?
        .interface(MANAGER)?
        .build(&(scope.unit, "fail", properties, nothing))
}
