//! Cgroups that the test made, with processes of its own in them: what `sentinel attach` guards. In the root of the tree, which only
//! root can write to.

use crate::support::leftovers::cgroup2_mounts;
use crate::support::{is_root, python, skip};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static PLACES: AtomicU32 = AtomicU32::new(0);

/// A directory of cgroups, gone with what is in it when it is dropped.
pub struct Place {
    path: PathBuf,
}

impl Place {
    /// `None`, and said so, where cgroups cannot be made.
    pub fn new() -> Option<Place> {
        if !is_root() {
            skip("only root makes cgroups of others");
            return None;
        }
        let Some(mount) = cgroup2_mounts().into_iter().next() else {
            skip("no cgroup v2");
            return None;
        };
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let path = mount.join(format!("attached-{}-{number}", std::process::id()));
        // Where the controller is on v1 there is nothing to delegate.
        let _ = fs::write(mount.join("cgroup.subtree_control"), "+memory");
        fs::create_dir(&path).unwrap();
        let _ = fs::write(path.join("cgroup.subtree_control"), "+memory");
        Some(Place { path })
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Whether the kernel accounts memory here.
    pub fn has_memory(&self) -> bool {
        self.path.join("memory.high").exists()
    }

    /// A cgroup in it.
    pub fn cgroup(&self, name: &str) -> Theirs {
        let path = self.path.join(name);
        fs::create_dir(&path).unwrap();
        Theirs { path, processes: Vec::new() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let removed = fs::remove_dir(&self.path);
        assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", self.path());
    }
}

/// A cgroup of somebody else's.
pub struct Theirs {
    path: PathBuf,
    processes: Vec<Child>,
}

impl Theirs {
    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// What a file of it says.
    pub fn says(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).unwrap().trim().to_owned()
    }

    /// Writes to a file of it, as its owner may.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path.join(file), text).unwrap();
    }

    /// What is made in it has memory of its own accounted, where this has.
    pub fn delegates(&self) {
        let _ = fs::write(self.path.join("cgroup.subtree_control"), "+memory");
    }

    /// Runs a program in it.
    pub fn run(&mut self, command: &mut Command) -> u32 {
        let procs = self.path.join("cgroup.procs");
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo 0 > \"$0\" && exec \"$@\""]).arg(procs);
        shell.arg(command.get_program()).args(command.get_args());
        let child = shell.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        self.processes.push(child);
        crate::support::until("it is there", || self.lists(pid));
        pid
    }

    fn lists(&self, pid: u32) -> bool {
        self.says("cgroup.procs").lines().any(|line| line == pid.to_string())
    }

    /// Somebody who does nothing.
    pub fn rests(&mut self) -> u32 {
        self.run(Command::new("sleep").arg("1000"))
    }

    /// Somebody who takes a MiB every 20 ms, up to so many, as soon as the file is there, and says when it has all; and
    /// on SIGTERM says so.
    pub fn grows(&mut self, mib: u32, when: &Path) -> u32 {
        let script = format!(
            "import os, signal, sys, time
def heard(*_):
    open({when:?} + '.heard', 'w').write('SIGTERM'); sys.exit(0)
signal.signal(signal.SIGTERM, heard)
while not os.path.exists({when:?}): time.sleep(0.02)
held = []
for _ in range({mib}):
    held.append(bytearray(b'x' * (1 << 20))); time.sleep(0.02)
open({when:?} + '.full', 'w').close()
time.sleep(1000)"
        );
        self.run(Command::new(python()).args(["-c", &script]))
    }

    /// Whether everybody who was started lives.
    pub fn lives(&mut self) -> bool {
        self.processes.iter_mut().all(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends them, and it is gone.
    pub fn leaves(self) {}
}

impl Drop for Theirs {
    fn drop(&mut self) {
        for child in &mut self.processes {
            // Ended already, some of them.
            let _ = child.kill();
            let _ = child.wait();
        }
        let removed = fs::remove_dir(&self.path);
        assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", self.path());
    }
}
