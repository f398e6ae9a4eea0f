//! Those who use up the machine, and settings of the kernel that are put back.

use std::fs;
use std::process::{Child, Command, Stdio};

/// Processes beside the workload, ended when dropped.
pub struct Others(Vec<Child>);

impl Others {
    /// So many of this shell script, by these words.
    pub fn run(count: usize, words: &[&str], script: &str) -> Others {
        let all = [words, &["sh", "-c", script]].concat();
        let one = || {
            let mut command = Command::new(all[0]);
            command.args(&all[1..]).stdin(Stdio::null()).stderr(Stdio::null());
            // A group of its own: what the script starts ends with it.
            std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn().unwrap()
        };
        Others((0..count).map(|_| one()).collect())
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let group = nix::unistd::Pid::from_raw(child.id() as i32);
            // Gone already is gone.
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = child.wait();
        }
    }
}

/// A file of /proc/sys with another value, until it is dropped.
pub struct Setting {
    path: String,
    before: String,
}

impl Setting {
    pub fn new(name: &str, value: &str) -> Setting {
        let path = format!("/proc/sys/{name}");
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, value).unwrap();
        Setting { path, before }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        fs::write(&self.path, self.before.trim()).unwrap();
    }
}
