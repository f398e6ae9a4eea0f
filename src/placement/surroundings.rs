//! What kind of place this is, found by looking and without changing anything: the facts that placement and doctor decide by.

use crate::cgroup::hierarchy::{self, Hierarchy};
use crate::cgroup::machine::MachineMemory;
use crate::cgroup::{Cgroup, files};
use crate::kernel_file;
use crate::sys::own_ids;
use crate::systemd::Manager;
use anyhow::Result;
use procfs::process::MountInfo;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The facts.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Mounts of cgroup v2.
    pub hierarchies: Vec<Hierarchy>,
    /// Our effective user.
    pub uid: u32,
    /// Whether systemd runs this system (sd_booted(3)).
    pub systemd: bool,
    /// Whether our cgroup is the root of a namespace and not of the kernel's tree.
    pub namespace_root: bool,
    /// The cgroup of the unit that started us, if it is delegated to us.
    pub unit: Option<PathBuf>,
    /// What the machine has.
    pub machine: MachineMemory,
    /// Kernel release.
    pub release: String,
    /// Whether the memory controller is bound to a hierarchy of cgroup v1, and to none of v2.
    pub memory_v1: bool,
    /// Whether the kernel was told to do without the memory controller, where no hierarchy has it.
    pub memory_disabled: bool,
}

impl Surroundings {
    /// Looks around.
    ///
    /// # Errors
    /// When /proc is not readable.
    pub fn look() -> Result<Surroundings> {
        let mounts = hierarchy::mounts_at_start();
        let hierarchies = hierarchy::find_in(mounts)?;
        let memory = with_memory(&hierarchies);
        let memory_v1 = memory.is_none() && memory_v1(mounts);
        Ok(Surroundings {
            uid: own_ids::euid().as_raw(),
            systemd: Path::new("/run/systemd/system").is_dir(),
            namespace_root: memory.is_some_and(is_namespace_root),
            unit: memory.and_then(own_unit),
            machine: MachineMemory::look()?,
            release: release().to_owned(),
            memory_v1,
            // Asked only where nothing else explains that it is not there.
            memory_disabled: memory.is_none()
                && !memory_v1
                && memory_disabled(&text("/proc/cgroups"), &text("/proc/cmdline")),
            hierarchies,
        })
    }

    /// The hierarchy with the memory controller.
    pub fn memory(&self) -> Option<&Hierarchy> {
        with_memory(&self.hierarchies)
    }

    /// Whether this is WSL, by the kernel's name.
    pub fn wsl(&self) -> bool {
        self.release.to_ascii_lowercase().contains("microsoft")
    }

    /// Why a manager cannot be asked; `None` when it can.
    pub fn why_no_manager(&self, manager: Manager) -> Option<String> {
        let answers = manager.socket(self.uid).is_some();
        (!answers).then(|| manager.absent(self.uid))
    }

    /// Our cgroup, when it is one whose limit is ours alone: a container's.
    pub fn own_limits(&self) -> Option<&Path> {
        let memory = self.memory()?;
        let own = memory.own.as_deref()?;
        let ours = self.namespace_root || container().is_some();
        let readable = Cgroup::open(own).is_ok_and(|cgroup| cgroup.read("memory.current").is_ok());
        (ours && readable).then_some(own)
    }
}

fn text(path: &str) -> String {
    // Not every kernel and container has every file; none is a fact too.
    kernel_file::text(path).unwrap_or_default()
}

/// The kernel's release; empty where it does not say so.
pub fn release() -> &'static str {
    static RELEASE: OnceLock<String> = OnceLock::new();
    let ask = || Some(nix::sys::utsname::uname().ok()?.release().to_string_lossy().into_owned());
    RELEASE.get_or_init(|| ask().unwrap_or_default())
}

fn with_memory(hierarchies: &[Hierarchy]) -> Option<&Hierarchy> {
    hierarchies.iter().find(|hierarchy| hierarchy.has_controller("memory"))
}

/// The leaf that an earlier guardian moved us to counts as the root that it is in.
fn is_namespace_root(memory: &Hierarchy) -> bool {
    let at_root = memory.own.as_deref().is_some_and(|own| {
        own == memory.mount_point
            || own.parent() == Some(&memory.mount_point)
                && own.file_name().is_some_and(|name| name == super::inner::SUPERVISOR)
    });
    at_root && memory.has_type
}

/// The cgroup above us, or our own, that systemd delegated to the very unit that started us: both write the same id.
fn own_unit(memory: &Hierarchy) -> Option<PathBuf> {
    let id = std::env::var_os("INVOCATION_ID")?;
    // In a tree of another user's the attributes are whatever that user wrote: a root with that user's environment is not led there.
    let is_ours = |directory: &Path| {
        directory.metadata().is_ok_and(|data| data.uid() == own_ids::euid().as_raw())
    };
    let ours = |directory: &&Path| {
        is_ours(directory)
            && attribute(directory, "delegate").is_some_and(|value| value.as_bytes() == b"1")
            && attribute(directory, "invocation_id").as_ref() == Some(&id)
    };
    memory.upwards().find(ours).map(Path::to_owned)
}

/// An extended attribute that systemd sets on cgroups: `user.` from 251 on, `trusted.` for root before.
fn attribute(directory: &Path, name: &str) -> Option<OsString> {
    crate::cgroup::attribute(directory, &format!("user.{name}"))
        .or_else(|| crate::cgroup::attribute(directory, &format!("trusted.{name}")))
}

/// What kind of container this is, if it is one that says so.
pub fn container() -> Option<String> {
    let marks = [("/run/.containerenv", "podman"), ("/.dockerenv", "docker")];
    let marked = marks.iter().find(|(path, _)| Path::new(path).exists());
    // systemd-nspawn, lxc, podman: the first process is told (systemd: CONTAINER_INTERFACE.md).
    let environment = std::fs::read("/proc/1/environ").unwrap_or_default();
    let told =
        environment.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(b"container="));
    let told = told.map(crate::escape::escape).filter(|name| !name.is_empty());
    told.or_else(|| marked.map(|(_, name)| (*name).to_owned()))
}

fn memory_v1(mounts: &[u8]) -> bool {
    let has_memory = |mount: MountInfo| mount.super_options.contains_key("memory");
    hierarchy::mounts(mounts, "cgroup").any(has_memory)
}

/// `enabled` is the last column of /proc/cgroups. No line at all says nothing: kernels without v1 leave it out.
fn memory_disabled(cgroups: &str, cmdline: &str) -> bool {
    let line = cgroups.lines().find(|line| line.split_whitespace().next() == Some("memory"));
    let off = line.is_some_and(|line| line.split_whitespace().last() == Some("0"));
    off || cmdline.split_whitespace().any(|word| {
        word.strip_prefix("cgroup_disable=")
            .is_some_and(|list| files::has_controller(&list.replace(',', " "), "memory"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_controller_is_seen_either_way() {
        assert!(memory_disabled("#subsys_name hierarchy num_cgroups enabled\nmemory 0 1 0\n", ""));
        assert!(memory_disabled("", "quiet cgroup_disable=cpu,memory"));
        assert!(!memory_disabled("memory\t0\t1\t1\n", "quiet"));
        assert!(!memory_disabled("", ""));
    }
}
