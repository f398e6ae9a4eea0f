//! Asks systemd for a scope of our own: a cgroup with a delegated subtree (systemd: CGROUP_DELEGATION.md). Cold path only,
//! and in a process aside, for a bus may hang and its library starts threads.

use crate::sys::aside;
use anyhow::{Context, Result, anyhow};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zbus::blocking::{Connection, connection::Builder};
use zbus::zvariant::Value;

/// A manager that does not answer within this is not there.
const PATIENCE: Duration = Duration::from_secs(5);
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
    pub pids: [u32; 2],
}

impl Manager {
    /// The manager for this user.
    pub fn of(uid: u32) -> Manager {
        if uid == 0 { Manager::System } else { Manager::User }
    }

    /// The sockets that it may listen on, the more direct first, and whether behind one is a bus.
    fn sockets(self, uid: u32) -> Vec<(PathBuf, bool)> {
        match self {
            Manager::System => vec![
                ("/run/systemd/private".into(), false),
                ("/run/dbus/system_bus_socket".into(), true),
            ],
            Manager::User => {
                let runtime = std::env::var_os("XDG_RUNTIME_DIR")
                    .map_or_else(|| format!("/run/user/{uid}").into(), PathBuf::from);
                vec![(runtime.join("systemd/private"), false), (runtime.join("bus"), true)]
            }
        }
    }

    /// The socket by which it can be reached; `None` when there is none.
    pub fn socket(self, uid: u32) -> Option<PathBuf> {
        self.reachable(uid).map(|(path, _)| path)
    }

    fn reachable(self, uid: u32) -> Option<(PathBuf, bool)> {
        self.sockets(uid).into_iter().find(|(path, _)| may_connect(path))
    }

    /// Starts a scope. It is asked for when this returns; its cgroup may take a moment.
    ///
    /// # Errors
    /// What systemd or its bus said.
    pub fn start(self, uid: u32, scope: &Scope<'_>) -> Result<()> {
        let (path, bus) = self.reachable(uid).with_context(|| self.absent(uid))?;
        let work = || talk(&path, bus, self, scope).map_err(|error| format!("{error:#}"));
        let answer = aside::run(PATIENCE, work)
            .with_context(|| format!("ask systemd for a scope by {}", path.display()))?;
        answer.map_err(|error| anyhow!("{error}")).with_context(|| format!("start {}", scope.unit))
    }

    /// That it is not there, in words.
    pub fn absent(self, uid: u32) -> String {
        match self {
            Manager::System => "systemd does not listen on /run/systemd/private".to_owned(),
            Manager::User => format!("no systemd of user {uid} runs"),
        }
    }
}

fn may_connect(path: &Path) -> bool {
    let socket = path.metadata().is_ok_and(|data| data.file_type().is_socket());
    socket && std::os::unix::net::UnixStream::connect(path).is_ok()
}

fn talk(path: &Path, bus: bool, manager: Manager, scope: &Scope<'_>) -> Result<()> {
    let address = format!("unix:path={}", path.display());
    let builder = Builder::address(address.as_str()).context("read the bus address")?;
    let builder = if bus { builder } else { builder.p2p() };
    let connection = builder.build().context("connect")?;
    start_transient_unit(&connection, bus, manager, scope)
}

/// `PIDs` and not `PIDFDs`, which 252 does not know. With `Delegate` the policy on OOM kills is `continue` by itself.
fn start_transient_unit(
    connection: &Connection,
    bus: bool,
    manager: Manager,
    scope: &Scope<'_>,
) -> Result<()> {
    let usual = if manager == Manager::User { "app.slice" } else { "system.slice" };
    let properties: Vec<(&str, Value<'_>)> = vec![
        ("Description", Value::from("workload guarded by sentinel")),
        ("Slice", Value::from(scope.slice.unwrap_or(usual))),
        ("Delegate", Value::from(true)),
        ("CollectMode", Value::from("inactive-or-failed")),
        ("PIDs", Value::from(scope.pids.to_vec())),
    ];
    let nothing: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
    let body = (scope.unit, "fail", properties, nothing);
    let service = bus.then_some(SERVICE);
    connection
        .call_method(service, OBJECT, Some(MANAGER), "StartTransientUnit", &body)
        .map(drop)
        .map_err(|error| {
            if let zbus::Error::MethodError(_, Some(text), _) = &error {
                return anyhow!("{text}");
            }
            error.into()
        })
}
