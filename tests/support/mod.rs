//! For the suites that run the real binary: a scene of its own for each test, processes with deadlines, terminals, and a
//! check that nothing is left behind. Nothing here reads the source tree: the executables are copied into guests.

#![allow(dead_code, reason = "each suite uses a part of it")]

pub mod leftovers;
pub mod process;
pub mod pty;
mod reach;
pub mod scene;

pub use process::{Run, Running};
pub use scene::Scene;

use nix::poll::{PollTimeout, poll};
use sentinel::clock::Clock;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Nothing in these tests takes this long unless it hangs, not even on an emulated machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks at something that is waited for.
const PAUSE_MS: u8 = 5;

/// The binary under test, where everybody can run it.
pub fn binary() -> String {
    let built = || env!("CARGO_BIN_EXE_sentinel").to_owned();
    let binary = std::env::var("SENTINEL_BIN").unwrap_or_else(|_| built());
    reach::reachable(&binary).to_str().unwrap().to_owned()
}

/// The interpreter itself: a wrapper on PATH would be one more process in the workload.
pub fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

/// Says that a test cannot run here, and why. In a guest everything can.
pub fn skip(reason: &str) {
    assert_ne!(std::env::var("SENTINEL_VM").as_deref(), Ok("1"), "skipped in a guest: {reason}");
    eprintln!("skipped: {reason}");
    if let Some(path) = std::env::var_os("SENTINEL_SKIP_LOG") {
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        let mut log = std::fs::File::options().append(true).create(true).open(path).unwrap();
        writeln!(log, "{name}: {reason}").unwrap();
    }
}

/// Whether a program is on PATH.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// What `look` finds, as soon as it finds something; fails with `what` after [`PATIENCE`].
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    found_by(|| what.to_owned(), look)
}

/// The same with words that are made when it fails.
pub fn found_by<T>(what: impl Fn() -> String, mut look: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::start();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock.now().0 < PATIENCE, "waited in vain: {}", what());
        pause();
    }
}

/// Until `holds`.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

fn pause() {
    // A poll of nothing; that it may be interrupted does not matter.
    let _ = poll(&mut [], PollTimeout::from(PAUSE_MS));
}

/// The state letter of a process (proc_pid_stat(5)); `None` when there is none.
pub fn state(pid: u32) -> Option<char> {
    field(pid, 0)?.chars().next()
}

/// The parent of a process.
pub fn parent(pid: u32) -> Option<u32> {
    field(pid, 1)?.parse().ok()
}

/// A field of /proc/PID/stat behind the name, which may hold anything.
fn field(pid: u32, index: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(index).map(str::to_owned)
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: u32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// Sends a signal, any number.
pub fn send(pid: u32, signal: i32) {
    sentinel::sys::process::send(pid.try_into().unwrap(), signal).unwrap();
}

/// The keeper of a guardian.
pub fn keeper_of(guardian: u32) -> u32 {
    eventually("the keeper is there", || {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.find(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim() == "sentinel-keeper"
                && parent(*pid) == Some(guardian)
                && std::fs::read_link(format!("/proc/{pid}/fd/0")).is_ok()
        })
    })
}

/// Whether this process is root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
