//! Pods of a kubelet's in the tree of cgroups, with its systemd driver and without:
//! `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/cri-containerd-ID.scope`, `kubepods/burstable/podUID/ID`.
//! Pods with guaranteed resources are in no class (pod_container_manager_linux.go in Kubernetes).

use super::container;
use crate::cgroup::hierarchy::directory_of;
use crate::cgroup::names_in;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A UUID without its hyphens, or the hash that a static pod has.
const UID: usize = 32;
/// So deep they are looked for: a node that is a container has them in its own cgroups, as kind does.
const DEEPEST: usize = 6;

/// What is found among pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodsEntry {
    /// A class of pods: burstable, or best effort.
    Class,
    /// A pod.
    Pod,
}

/// What a cgroup of this name among pods is; `None` for what is neither.
pub fn entry(name: &OsStr) -> Option<PodsEntry> {
    let name = plain(name)?;
    if is_of(name, "burstable") || is_of(name, "besteffort") {
        return Some(PodsEntry::Class);
    }
    let (before, uid) = name.rsplit_once("pod")?;
    let is_uid = uid.bytes().filter(u8::is_ascii_hexdigit).count() == UID
        && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_'));
    (is_uid && (before.is_empty() || before.ends_with('-'))).then_some(PodsEntry::Pod)
}

/// What a container of a pod is called: the beginning of its id, as crictl shows it.
pub fn container_name(name: &OsStr) -> Option<String> {
    let id = container::id_in(name)?;
    Some(id[..container::SHOWN].to_owned())
}

/// Where the pods of this machine are.
///
/// # Errors
/// When there is no kubelet's place, or no cgroup v2.
pub fn find() -> Result<Vec<PathBuf>> {
    let root = directory_of(Path::new("/")).context("there is no cgroup v2 on this machine")?;
    let mut found = Vec::new();
    look_in(&root, DEEPEST, &mut found);
    ensure!(
        !found.is_empty(),
        "no kubelet has its pods here: there is no cgroup kubepods or kubepods.slice below {}",
        crate::escape::shown(&root)
    );
    Ok(found)
}

fn look_in(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for name in names_in(directory) {
        let path = directory.join(&name);
        if plain(&name).is_some_and(|name| is_of(name, "kubepods")) {
            found.push(path);
        } else if depth > 1 {
            look_in(&path, depth - 1, found);
        }
    }
}

/// Without the kind of a unit.
fn plain(name: &OsStr) -> Option<&str> {
    let name = std::str::from_utf8(name.as_bytes()).ok()?;
    Some(name.strip_suffix(".slice").unwrap_or(name))
}

/// The word by itself, or as the last part of a slice's name (systemd.slice(5)).
fn is_of(name: &str, word: &str) -> bool {
    name.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_their_classes_are_known_with_either_driver() {
        let of = |name: &str| entry(OsStr::new(name));
        for pod in [
            "kubepods-burstable-pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice",
            "kubepods-pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice",
            "kubelet-kubepods-besteffort-pod0123456789abcdef0123456789abcdef.slice",
            "pod0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
            "pod0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(of(pod), Some(PodsEntry::Pod), "{pod}");
        }
        for class in
            ["burstable", "besteffort", "kubepods-burstable.slice", "a-kubepods-besteffort.slice"]
        {
            assert_eq!(of(class), Some(PodsEntry::Class), "{class}");
        }
        for other in [
            "kubepods.slice",
            "podman",
            "pod12",
            "xpod0123456789abcdef0123456789abcdef",
            "notburstable",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        for (name, is_root) in
            [("kubepods", true), ("kubelet-kubepods.slice", true), ("mykubepods", false)]
        {
            assert_eq!(
                plain(OsStr::new(name)).is_some_and(|it| is_of(it, "kubepods")),
                is_root,
                "{name}"
            );
        }
    }

    #[test]
    fn containers_have_the_short_name_of_their_id() {
        let id = "0123456789abcdef".repeat(4);
        let of = |name: String| container_name(OsStr::new(&name));
        assert_eq!(of(format!("cri-containerd-{id}.scope")).as_deref(), Some("0123456789ab"));
        assert_eq!(of(id).as_deref(), Some("0123456789ab"));
        assert_eq!(of("crio-conmon-0123.scope".to_owned()), None);
    }
}
