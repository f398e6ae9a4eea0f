//! Where the cgroup of a unit is: asked of systemd, since names and paths do not map by hand (systemd: CGROUP_DELEGATION.md).

use super::bus::Reply;
use super::{BusLine, Manager, OBJECT, SERVICE};
use crate::escape::{escape, shown};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;
use zbus::Message;

/// What systemd knows of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitState {
    /// It runs in the cgroup with this place in the tree.
    Runs(PathBuf),
    /// It is known and has no cgroup now.
    Rests,
    /// There is no such unit.
    Unknown,
}

impl Manager {
    /// What it knows of this unit.
    ///
    /// # Errors
    /// When it does not answer, or what it said.
    pub fn unit(self, uid: u32, name: &str, patience: Duration) -> Result<UnitState> {
        let line: BusLine = self.connect(uid).with_context(|| self.absent(uid))?;
        let path = line.path.clone();
        let property = |interface: &str, property| get(name, interface, property);
        let questions = [
            property("Unit", "LoadState"),
            property("Unit", "ActiveState"),
            property(kind_of(name), "ControlGroup"),
        ];
        let questions: zbus::Result<Vec<Message>> = questions.into_iter().collect();
        let replies = line.ask(uid, questions.context("make a message for systemd")?, patience);
        let asked = || format!("ask {} about {}", shown(&path), escape(name.as_bytes()));
        let replies = replies.with_context(asked)?;
        let texts: Result<Vec<String>> = replies.iter().map(Reply::text).collect();
        Ok(state(&texts.with_context(asked)?))
    }
}

/// Of `LoadState`, `ActiveState` and `ControlGroup`. A unit that was made for one run and is gone is not found either.
fn state(texts: &[String]) -> UnitState {
    match texts {
        [load, ..] if load == "not-found" => UnitState::Unknown,
        [_, active, place] if active != "inactive" && place.starts_with('/') => {
            UnitState::Runs(place.into())
        }
        _ => UnitState::Rests,
    }
}

/// The interface by which units of its kind tell their cgroup (org.freedesktop.systemd1(5)).
fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("slice") => "Slice",
        Some("scope") => "Scope",
        Some("socket") => "Socket",
        Some("mount") => "Mount",
        Some("swap") => "Swap",
        _ => "Service",
    }
}

/// Asks for a property of a unit, which is loaded for it where it is not.
fn get(unit: &str, interface: &str, property: &str) -> zbus::Result<Message> {
    let object = format!("{OBJECT}/unit/{}", label(unit));
    Message::method_call(object, "Get")?
        .destination(SERVICE)?
        .interface("org.freedesktop.DBus.Properties")?
        .build(&(format!("{SERVICE}.{interface}"), property))
}

/// A name as a part of an object's path: what is no letter or digit, and a digit in front, as `_` and two hexadecimal digits
/// (systemd: bus-label.c).
fn label(name: &str) -> String {
    let mut label = String::new();
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'0'..=b'9' if index > 0 => label.push(byte.into()),
            b'a'..=b'z' | b'A'..=b'Z' => label.push(byte.into()),
            other => label.push_str(&format!("_{other:02x}")),
        }
    }
    if label.is_empty() { "_".to_owned() } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_paths() {
        assert_eq!(label("dbus.service"), "dbus_2eservice");
        assert_eq!(label("9p@a-b.mount"), "_39p_40a_2db_2emount");
        assert!(get("../../x", "Unit", "LoadState").is_ok());
    }

    #[test]
    fn what_has_no_cgroup_rests() {
        let of = |texts: [&str; 3]| state(&texts.map(str::to_owned));
        assert_eq!(of(["loaded", "active", "/a.slice/b"]), UnitState::Runs("/a.slice/b".into()));
        assert_eq!(of(["loaded", "inactive", ""]), UnitState::Rests);
        assert_eq!(of(["not-found", "inactive", ""]), UnitState::Unknown);
        assert_eq!(of(["masked", "failed", ""]), UnitState::Rests);
    }
}
