//! A workload that has reached its size and keeps it, what a guardian says of it, and what is really there.

use crate::support::{Running, Scene, is_root, python, until};
use serde_json::Value;
use std::fs;
use std::process::Command;

pub const PRELUDE: &str = r"
import ctypes, mmap, os, subprocess, sys, time
CLONE_VM, CLONE_VFORK, SIGCHLD = 0x100, 0x4000, 17
libc = ctypes.CDLL(None, use_errno=True)
def touch(held, first, mib):
    for at in range(first << 20, (first + mib) << 20, 4096):
        held[at] = held[at] ^ 1
def fill(mib):
    held = mmap.mmap(-1, mib << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    touch(held, 0, mib)
    return held
def address(held):
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(held)))
told, telling = os.pipe()
def tell():
    os.write(telling, b'x')
def hear(times):
    for _ in range(times):
        os.read(told, 1)
def wait():
    time.sleep(100000)
stack = mmap.mmap(-1, 1 << 20)
def clone(flags):
    top = address(stack).value + (1 << 20) - 64
    libc.clone(ctypes.cast(libc.pause, ctypes.c_void_p), ctypes.c_void_p(top), flags | SIGCHLD, None)
";

/// Maps and locks a file of its own.
pub const LOCKED: &str = r"
import tempfile
def lock(mib):
    global mapped
    file = tempfile.TemporaryFile(dir='/var/tmp')
    for _ in range(mib):
        file.write(bytes(1 << 20))
    file.flush()
    mapped = mmap.mmap(file.fileno(), mib << 20)
    assert libc.mlock(address(mapped), ctypes.c_size_t(mib << 20)) == 0
";

/// Whether 150 MiB can be locked (RLIMIT_MEMLOCK): an ordinary user has 8 of them.
pub fn may_lock() -> bool {
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK).unwrap();
    let may = is_root() || hard >= 160 << 20;
    if !may {
        crate::support::skip("RLIMIT_MEMLOCK is too low to lock 150 MiB");
    }
    may
}

/// The places where memory is summed over processes.
pub fn places() -> Vec<&'static str> {
    let run = Scene::new().run(&[], &["true"]);
    let summed = ["tier hybrid", "tier polled"].iter().any(|tier| run.stderr.contains(tier));
    let polled = is_root().then_some("polled");
    let places: Vec<_> = summed.then_some("here").into_iter().chain(polled).collect();
    if places.is_empty() {
        crate::support::skip("only root can take the cgroups away");
    }
    places
}

/// Starts this script of Python, with what it needs in front, at a place.
pub fn start(scene: &Scene, place: &str, options: &[&str], script: &str) -> Running {
    let script = format!("{PRELUDE}{script}\nprint('ready', flush=True)\nwait()\n");
    let socket = scene.text_path("s.socket");
    let options = [&["--socket", &socket, "--report", "never"], options].concat();
    let command = scene.guarded(&options, &[python(), "-c", &script]);
    begin(scene, place, command)
}

/// The same with any command of a guardian.
pub fn begin(scene: &Scene, place: &str, command: Command) -> Running {
    let mut command = if place == "polled" { scene.without_cgroups(&command) } else { command };
    Running::start(&mut command)
}

/// Whether what is said of a script's memory is what is there, in each tier, far from the limit.
pub fn agrees(script: &str) {
    agrees_with(script, |_| ());
}

/// The same; `once` leaves of the processes those that have memory of their own.
pub fn agrees_with(script: &str, once: impl Fn(&mut Vec<u32>)) {
    for place in places() {
        let scene = Scene::new();
        let running = start(&scene, place, &["-m", "4G"], script);
        running.await_out("ready");
        scene.await_mailbox();
        let (mut said, mut there) = (0, 0);
        let what = || format!("{place}: the footprint is what is there, after {script}");
        until(&what(), || {
            let status = status(&scene);
            let mut pids = descendants(number(&status["guardian_pid"]));
            once(&mut pids);
            there = pids.iter().map(|pid| kept(*pid)).sum::<u64>();
            said = status["memory"]["footprint"].as_u64().unwrap() >> 10;
            // Not while children are still on their way.
            there > 10 << 10 && said.abs_diff(there) <= there / 20 && settled(&scene, said)
        });
        println!("{place}: {said} KiB said, {there} KiB there");
        scene.ask("kill").expect(0);
        running.finish().expect(137);
    }
}

/// Whether it says the same for a while: what is right only in passing is not right.
fn settled(scene: &Scene, said: u64) -> bool {
    (0..5).all(|_| {
        let now = status(scene)["memory"]["footprint"].as_u64().unwrap() >> 10;
        now.abs_diff(said) <= said / 50
    })
}

/// What its mailbox says.
pub fn status(scene: &Scene) -> Value {
    serde_json::from_str(&scene.ask("status json").expect(0).stdout()).unwrap()
}

pub fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// Everybody below this guardian but its own attendants, the command first.
pub fn descendants(guardian: u32) -> Vec<u32> {
    let all: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    let mut found = vec![guardian];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let child = |pid: &u32| crate::support::parent(*pid) == Some(parent) && !is_ours(*pid);
        found.extend(all.iter().copied().filter(child));
        next += 1;
    }
    found.remove(0);
    found
}

fn is_ours(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().starts_with("sentinel")
}

/// What this process keeps, KiB, what is shared by its part.
fn kept(pid: u32) -> u64 {
    let pid = living_thread(pid);
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let sums = ["Pss_Anon:", "Pss_Shmem:", "SwapPss:"].map(|key| field(&rollup, key));
    sums.iter().sum::<u64>() + field(&status, "VmPTE:") + locked_file(pid)
}

/// Whose files tell of its memory: its first thread may have ended before others.
fn living_thread(pid: u32) -> u32 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let threads = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    let lives = |thread: &u32| {
        let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
        status.contains("VmRSS:")
    };
    threads.into_iter().find(lives).unwrap_or(pid)
}

fn field(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.map_or(0, |rest| rest.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Of the mappings of files that are locked, what is not a private copy. A mapping's lines begin with its range.
fn locked_file(pid: u32) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let (mut sum, mut mapping) = (0, String::new());
    for line in maps.lines() {
        mapping.push_str(line);
        mapping.push('\n');
        if line.starts_with("VmFlags:") {
            let head = mapping.lines().next().unwrap();
            let of_file = head.split_whitespace().nth(4) != Some("0")
                && !["/memfd:", "/dev/zero", "/SYSV"].iter().any(|name| head.contains(name));
            if of_file && line.contains(" lo") {
                sum += field(&mapping, "Pss:").saturating_sub(field(&mapping, "Anonymous:"));
            }
            mapping.clear();
        }
    }
    sum
}
