//! Notices who is of the workload and not in its cgroup: moved by systemd, say, which a workload may ask for a scope.
//! Nothing holds it back; it is told. Off the way to a kill: a look costs some reads in /proc, and some memory.

use super::children::{by_threads, ours};
use super::members::Home;
use super::proc_stat::Stat;
use crate::escape::escape;

/// So many threads are asked for their children at a look, the command's first. In a crowd the rest goes unnoticed.
const THREADS: usize = 256;

/// Somebody who left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escaped {
    /// Its process id.
    pub pid: i32,
    /// Its cgroup now, escaped.
    pub to: String,
}

/// Who descends from us, is alive, and is somewhere else than in this cgroup. Orphans of the workload are our children.
/// Those who are left out are no part of it. Nobody, where the kernel does not tell of children (CONFIG_PROC_CHILDREN).
pub fn look(left_out: &[i32], home: &Home) -> Vec<Escaped> {
    let mut left = THREADS;
    let mut descendants = ours();
    descendants.retain(|pid| !left_out.contains(pid));
    let mut next = 0;
    while let Some(&pid) = descendants.get(next) {
        descendants.extend(by_threads(pid, &mut left));
        next += 1;
    }
    descendants.into_iter().filter_map(|pid| outside(pid, home)).collect()
}

/// Where this process is, if that is not in the cgroup.
fn outside(pid: i32, home: &Home) -> Option<Escaped> {
    let text = std::fs::read(format!("/proc/{pid}/cgroup")).ok()?;
    let place = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    let left = !home.holds(place) && is_alive(pid);
    left.then(|| Escaped { pid, to: escape(place) })
}

fn is_alive(pid: i32) -> bool {
    Stat::of(pid, &mut [0; 2048]).is_ok_and(|stat| stat.is_some_and(|stat| stat.living))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::{Command, Stdio};

    #[test]
    fn who_is_somewhere_else_is_named_unless_left_out_or_gone() {
        // Other tests have children too.
        let elsewhere = Home::of(Path::new("/sys/fs/cgroup/sentinel-none-1"));
        let named = |pid, left_out: &[i32]| look(left_out, &elsewhere).iter().any(|e| e.pid == pid);
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(named(pid, &[]));
        assert!(!named(pid, &[pid]));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!named(pid, &[]));
    }
}
