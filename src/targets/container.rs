//! The cgroup of a container: by the id that engines put into the name of its cgroup, wherever in the tree that is.
//!
//! `/system.slice/docker-ID.scope`, `/docker/ID`, `/machine.slice/libpod-ID.scope/container`, `/libpod_parent/libpod-ID`,
//! `/kubepods.slice/…/cri-containerd-ID.scope`, `…/crio-ID.scope`, `/kubepods/burstable/podUID/ID`: an id has 64 hexadecimal digits.

use super::{Located, engines, process};
use crate::cgroup::hierarchy::{directory_of, place_of_process};
use crate::escape::{escape, shown};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

const ID: usize = 64;
/// Engines show so much of one.
pub(super) const SHOWN: usize = 12;
/// So much of an id is no accident.
const LEAST: usize = 4;
/// crun and podman put the processes one below the scope (`Delegate=`), and both have the limit.
pub(super) const INNER: &str = "container";

/// Where the container of this id, this beginning of an id, or this name runs.
pub(super) fn find(typed: &str) -> Result<Located> {
    let running = running();
    let shown_name = escape(typed.as_bytes());
    let named = engines::ids_of(typed);
    let mut meant: Vec<&String> = running.keys().filter(|id| named.contains(id)).collect();
    if meant.is_empty() && is_id(typed) {
        meant = running.keys().filter(|id| id.starts_with(typed)).collect();
    }
    match meant[..] {
        [id] => {
            let place = &running[id];
            let name = if id.starts_with(typed) { id[..SHOWN].to_owned() } else { shown_name };
            Ok(Located::in_cgroup(directory(place)?, name))
        }
        [] if !named.is_empty() => bail!("the container {shown_name} is not running"),
        [] => bail!(
            "no container called {shown_name} is running, or its engine tells only others: give its id"
        ),
        [..] => {
            let ids: Vec<&str> = meant.iter().map(|id| &id[..SHOWN]).collect();
            bail!("several containers are meant by {shown_name}: {}; give an id", ids.join(", "))
        }
    }
}

/// The containers that have processes, by their ids, and the place of each in the tree.
fn running() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for pid in process::all() {
        // Gone meanwhile, or hidden from us.
        let Ok(Some(place)) = place_of_process(pid) else { continue };
        if let Some((id, place)) = container_in(&place) {
            found.entry(id).or_insert(place);
        }
    }
    found
}

/// The innermost container that a process in this place is in, and that container's place.
fn container_in(place: &Path) -> Option<(String, PathBuf)> {
    place.ancestors().find_map(|place| Some((id_in(place.file_name()?)?, place.to_owned())))
}

/// The id in the name of a cgroup. The monitor that stands beside a container (conmon) has it in its own.
pub(super) fn id_in(name: &OsStr) -> Option<String> {
    let text = name.to_str()?;
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    let mut runs = text.split(|c| !is_digit(c)).filter(|run| run.len() == ID);
    runs.next().filter(|_| !text.contains("conmon")).map(str::to_owned)
}

fn is_id(typed: &str) -> bool {
    typed.len() >= LEAST
        && typed.len() <= ID
        && typed.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn directory(place: &Path) -> Result<PathBuf> {
    let outside = || format!("{} is outside the cgroups that are mounted here", shown(place));
    let directory = directory_of(place).with_context(outside)?;
    ensure!(directory.is_dir(), "cannot find {}", shown(&directory));
    let inner = directory.join(INNER);
    Ok(if inner.is_dir() { inner } else { directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_its_id_wherever_it_is() {
        let id = "0123456789abcdef".repeat(4);
        for (place, directory) in [
            (format!("/system.slice/docker-{id}.scope"), format!("docker-{id}.scope")),
            (format!("/docker/{id}"), id.clone()),
            (format!("/docker/{id}/init.scope"), id.clone()),
            (format!("/machine.slice/libpod-{id}.scope/container"), format!("libpod-{id}.scope")),
            (format!("/kubepods.slice/a/cri-containerd-{id}.scope"), {
                format!("cri-containerd-{id}.scope")
            }),
            (format!("/a/docker-{id}.scope/docker/{}", "f".repeat(64)), "f".repeat(64)),
        ] {
            let (found, at) = container_in(Path::new(&place)).unwrap();
            assert_eq!(at.file_name().unwrap(), directory.as_str());
            assert!(directory.contains(&found), "{place}");
        }
        for other in [
            format!("/machine.slice/libpod-conmon-{id}.scope"),
            format!("/a/{}", &id[1..]),
            format!("/a/{id}0"),
            "/".to_owned(),
        ] {
            assert_eq!(container_in(Path::new(&other)), None, "{other}");
        }
        assert!(is_id("0123") && !is_id("012") && !is_id("web") && !is_id(&"a".repeat(65)));
    }
}
