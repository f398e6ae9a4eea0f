//! Memory that no process maps, or that `memory.current` does not have: counted, or told.

use crate::guest::{Run, Sentinel, require_kernel_tier, scratch};
use std::fs;
use std::path::Path;

const HUGE: &str = "
import mmap, time
m = mmap.mmap(-1, 100 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
for at in range(0, 100 << 20, 2 << 20): m[at] = 1
time.sleep(4); print('fine', flush=True)
";

/// The same, for a second.
const BRIEF: &str = "
import mmap, time
m = mmap.mmap(-1, 100 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
for at in range(0, 100 << 20, 2 << 20): m[at] = 1
time.sleep(1)
";

/// The same, until its guardian has told of them.
const SEEN: &str = "
import json, mmap, os, subprocess, sys, time
m = mmap.mmap(-1, 100 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
for at in range(0, 100 << 20, 2 << 20): m[at] = 1
def ask(*words):
    words = [os.environ['SENTINEL_BIN'], *words, '--socket', sys.argv[1]]
    return subprocess.run(words, stdout=subprocess.PIPE).stdout
while b'not counted' not in ask('ctl', 'events'): time.sleep(0.2)
memory = json.loads(ask('status', '--json'))['memory']
print(memory['hugetlb'], memory['hugetlb_counted'])
";

/// A pool of 60 pages of 2 MiB, as long as this lives.
struct Pool;

const PAGES: &str = "/proc/sys/vm/nr_hugepages";

impl Pool {
    fn new() -> Pool {
        require_kernel_tier();
        fs::write(PAGES, "60").unwrap();
        assert_eq!(
            fs::read_to_string(PAGES).unwrap().trim(),
            "60",
            "the guest has memory for them"
        );
        Pool
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        fs::write(PAGES, "0").unwrap();
    }
}

fn controllers(file: &str) -> String {
    fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).unwrap()
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn huge_pages_count_where_the_kernel_tells_of_them() {
    let _pool = Pool::new();
    assert!(controllers("cgroup.controllers").contains("hugetlb"));
    let run = Sentinel::new().args(&["-m", "40M"]).run(&["python3", "-c", HUGE]);
    assert_eq!((run.status, run.text("/outcome/reason")), (143, "breach"), "{run}");
    assert!(run.number("/term/footprint") >= 39 << 20, "{run}");
    assert!(run.number("/term/current") < 30 << 20, "{run}");
    let enough = Sentinel::new().args(&["-m", "200M"]).run(&["python3", "-c", HUGE]);
    assert_eq!(enough.stdout, "fine\n", "{enough}");
    assert!(enough.number("/status/memory/peak_footprint") >= 100 << 20, "{enough}");
    assert!(!enough.stderr.contains("not counted"), "{enough}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn huge_pages_that_no_cgroup_counts_are_told() {
    let _pool = Pool::new();
    // Not on from an earlier run: what is below does not have it then.
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids -hugetlb").unwrap();
    let parent = "/sys/fs/cgroup/without-hugetlb";
    fs::create_dir(parent).unwrap();
    let socket = scratch("socket");
    let socket = socket.to_str().unwrap();
    let options = ["-m", "40M", "--cgroup", parent, "--socket", socket];
    let run = Sentinel::new().args(&options).run(&["python3", "-c", SEEN, socket]);
    // Held for less time than two looks take.
    let brief =
        Sentinel::new().args(&["-m", "40M", "--cgroup", parent]).run(&["python3", "-c", BRIEF]);
    assert!(brief.stderr.contains("100.0M of huge pages (hugetlb)"), "{brief}");
    fs::remove_dir(parent).unwrap();
    // Not of the record: at the end there are none any more, and whoever looks once more then sees that.
    assert_eq!(run.stdout, format!("{} False\n", 100 << 20), "{run}");
    let told = "100.0M of huge pages (hugetlb) are not counted by the limit";
    assert!(run.stderr.contains(told), "{run}");
}

fn left(run: &Run) -> (u64, String) {
    let part = run.text("/left_in_tmpfs/parts/0/name").to_owned();
    (run.number("/left_in_tmpfs/size") >> 20, part)
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_file_on_tmpfs_that_outlives_the_run_is_named() {
    require_kernel_tier();
    let script = "
for name, mib in ('left-a\\x1b', 48), ('left-b', 8):
    with open('/dev/shm/' + name, 'wb') as file: file.write(bytes(mib << 20))";
    let run = Sentinel::new().run(&["python3", "-c", script]);
    fs::remove_file("/dev/shm/left-a\u{1b}").unwrap();
    fs::remove_file("/dev/shm/left-b").unwrap();
    let (size, part) = left(&run);
    assert!((55..60).contains(&size), "{run}");
    assert_eq!(part, "/dev/shm/left-a\\u{1b}", "{run}");
    assert!(run.stderr.contains("left in tmpfs: 5") && !run.stderr.contains('\u{1b}'), "{run}");
    assert!(run.stderr.contains("most of it /dev/shm/left-a\\u{1b} (48.0M)"), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_segment_that_outlives_the_run_is_named() {
    require_kernel_tier();
    let script = "
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(0, 24 << 20, 0o1600)
ctypes.memset(libc.shmat(segment, None, 0), 1, 24 << 20)
print(segment)";
    let run = Sentinel::new().run(&["python3", "-c", script]);
    let segment = run.stdout.trim();
    let removed = std::process::Command::new("python3")
        .args(["-c", "import ctypes, sys; ctypes.CDLL(None).shmctl(int(sys.argv[1]), 0, None)"])
        .arg(segment)
        .status();
    assert!(removed.unwrap().success());
    let (size, part) = left(&run);
    assert!((23..27).contains(&size), "{run}");
    assert!(part.starts_with(&format!("System V segment {segment} of process ")), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn who_cleans_up_leaves_nothing_to_tell() {
    require_kernel_tier();
    let script = "
import os
with open('/dev/shm/gone', 'wb') as file: file.write(bytes(48 << 20))
os.unlink('/dev/shm/gone')";
    let run = Sentinel::new().run(&["python3", "-c", script]);
    assert!(run.record["left_in_tmpfs"].is_null(), "{run}");
    assert!(!run.stderr.contains("left in tmpfs"), "{run}");
}
