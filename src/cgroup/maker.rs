//! Who is at work on a cgroup, as an extended attribute of it tells: a process, by more than its number, which is used again.

use crate::kernel_file;
use procfs::FromRead as _;
use procfs::process::Stat;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A process: its number, its start in clock ticks, and the namespace of process ids in which it has that number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The process id.
    pub pid: i32,
    started: u64,
    namespace: String,
}

impl Maker {
    /// Ourselves.
    pub fn ours() -> Option<Maker> {
        let stat = stat("self")?;
        Some(Maker { pid: stat.pid, started: stat.starttime, namespace: namespace()? })
    }

    /// Whether it is known to be gone. Of another namespace nothing is known.
    pub fn has_gone(&self) -> bool {
        let alive = stat(&self.pid.to_string()).is_some_and(|it| {
            it.starttime == self.started && (!matches!(it.state, 'Z' | 'X') || it.num_threads > 1)
        });
        namespace().as_ref() == Some(&self.namespace) && !alive
    }
}

fn stat(process: &str) -> Option<Stat> {
    let text = kernel_file::read_once(format!("/proc/{process}/stat")).ok()?;
    Stat::from_read(&text[..]).ok()
}

fn namespace() -> Option<String> {
    static OURS: OnceLock<Option<String>> = OnceLock::new();
    let read = || Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_str()?.to_owned());
    OURS.get_or_init(read).clone()
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.pid, self.started, self.namespace)
    }
}

impl FromStr for Maker {
    type Err = ();
    fn from_str(text: &str) -> Result<Maker, ()> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(());
        let pid = word()?.parse().map_err(drop)?;
        let started = word()?.parse().map_err(drop)?;
        let namespace = word()?.to_owned();
        Ok(Maker { pid, started, namespace })
    }
}
