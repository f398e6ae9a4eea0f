//! What a guardian could leave: processes, cgroups, entries of the runtime directory.

use super::scene::MARK;
use super::{eventually, is_alive, send};
use std::fs;
use std::path::{Path, PathBuf};

/// Everything that carries a scene's name.
#[derive(Debug)]
pub struct Leftovers {
    processes: Vec<(u32, String)>,
    cgroups: Vec<PathBuf>,
    sockets: Vec<PathBuf>,
}

impl Leftovers {
    pub fn of(name: &str) -> Leftovers {
        let mut cgroups = Vec::new();
        for mount in cgroup2_mounts() {
            find_cgroups(&mount, &format!("sentinel-{name}-"), &mut cgroups);
        }
        Leftovers { processes: processes(name), cgroups, sockets: sockets(&format!("{name}-")) }
    }

    pub fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.cgroups.is_empty() && self.sockets.is_empty()
    }

    /// Ends and removes it.
    pub fn clear(&self) {
        for (pid, _) in &self.processes {
            if is_alive(*pid) {
                send(*pid, nix::libc::SIGKILL);
            }
        }
        let alive = || self.processes.iter().any(|(pid, _)| is_alive(*pid));
        eventually("leftover processes end", || (!alive()).then_some(()));
        for cgroup in &self.cgroups {
            eventually("a leftover cgroup is removed", || {
                fs::remove_dir(cgroup).ok().or_else(|| (!cgroup.exists()).then_some(()))
            });
        }
        for socket in &self.sockets {
            // Another guardian sweeps dead sockets too.
            let _ = fs::remove_file(socket);
        }
    }
}

/// Processes with the scene's mark in their environment, and their names.
fn processes(name: &str) -> Vec<(u32, String)> {
    let mark = format!("{MARK}={name}").into_bytes();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        is_alive(*pid) && environment.split(|byte| *byte == 0).any(|pair| pair == mark)
    })
    .map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (pid, format!("{:?} {}", super::state(pid), String::from_utf8_lossy(&line)))
    })
    .collect()
}

/// Mount points of cgroup v2 (proc_pid_mountinfo(5)).
pub fn cgroup2_mounts() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let is_v2 = |line: &&str| line.split(" - ").nth(1).is_some_and(|fs| fs.starts_with("cgroup2 "));
    text.lines().filter(is_v2).filter_map(|line| line.split(' ').nth(4)).map(Into::into).collect()
}

fn find_cgroups(directory: &Path, prefix: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Those below first: they are to be removed first.
        find_cgroups(&entry.path(), prefix, found);
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
}

fn sockets(prefix: &str) -> Vec<PathBuf> {
    let session =
        std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("sentinel"));
    let own = PathBuf::from(format!("/tmp/sentinel-{}", nix::unistd::geteuid()));
    let directories = [PathBuf::from("/run/sentinel"), own].into_iter().chain(session);
    let entries = directories.flat_map(fs::read_dir).flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    ours.map(|entry| entry.path()).collect()
}
