//! The guest: its kernel, its swap, its log, and all that a run could leave behind in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the workloads work: a disk, whose page cache can be reclaimed.
pub const WORK: &str = "/disk/gauntlet";
/// The workloads' program, on the disk too: its pages are the workload's, and can be reclaimed. In the guest's own file system, which is
/// memory, they cannot, and a hog from there was ended where one as people have it was not.
pub const HOG: &str = "/disk/hog";
/// A cgroup that belongs to a user, for a guardian without privilege.
pub const DELEGATED: &str = "/sys/fs/cgroup/gauntlet";
pub const USER: u32 = 1000;
/// Where the user's guardians have their sockets, without a session.
const RUNTIME: &str = "/tmp/sentinel-1000";
/// An exiting process is out of its cgroup a moment before it is a zombie.
const SETTLED: Duration = Duration::from_secs(2);

/// A guest with the memory controller, and all that the cases need.
pub fn require() {
    assert_eq!(std::env::var("SENTINEL_VM").as_deref(), Ok("1"), "for a guest: scripts/vm/test");
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    assert!(controllers.contains("memory"), "this guest has no memory controller: {controllers:?}");
    fs::create_dir_all(WORK).unwrap();
    own(Path::new(WORK));
    fs::copy(std::env::var("SENTINEL_HOG").unwrap(), HOG).unwrap();
    delegate();
}

/// Nothing of a file is in memory: what is read is charged to who reads it.
pub fn drop_caches() {
    nix::unistd::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
}

fn delegate() {
    let cgroup = Path::new(DELEGATED);
    fs::create_dir_all(cgroup.join("shell")).unwrap();
    fs::write(cgroup.join("cgroup.subtree_control"), "+memory +pids").unwrap();
    for path in [cgroup.to_owned(), cgroup.join("shell")] {
        own(&path);
        for file in ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            own(&path.join(file));
        }
    }
}

fn own(path: &Path) {
    std::os::unix::fs::chown(path, Some(USER), Some(USER)).unwrap();
}

/// The running kernel.
#[derive(Debug)]
pub struct Kernel {
    /// Such as 6.1.
    pub version: String,
    /// The same, to compare.
    pub number: (u32, u32),
    /// Whether one system call is throttled before it is done, however much it charges.
    pub throttles_in_the_call: bool,
}

impl Kernel {
    pub fn this() -> Kernel {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map_while(|part| part.trim().parse().ok());
        let (major, minor): (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
        Kernel {
            version: format!("{major}.{minor}"),
            number: (major, minor),
            throttles_in_the_call: (major, minor) >= (5, 18),
        }
    }
}

/// Swap on the guest's disk, as long as this lives.
pub struct Swap;

const SWAP_FILE: &str = "/disk/swap";

impl Swap {
    pub fn on() -> Swap {
        let file = File::create(SWAP_FILE).unwrap();
        let whole = nix::fcntl::FallocateFlags::empty();
        nix::fcntl::fallocate(&file, whole, 0, 512 << 20).unwrap();
        fs::set_permissions(SWAP_FILE, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        run("mkswap", SWAP_FILE);
        run("swapon", SWAP_FILE);
        Swap
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        run("swapoff", SWAP_FILE);
        fs::remove_file(SWAP_FILE).unwrap();
    }
}

fn run(program: &str, word: &str) {
    let output = Command::new(program).arg(word).output().unwrap();
    assert!(output.status.success(), "{program} {word}: {output:?}");
}

/// What the kernel logs from now on.
pub struct KernelLog(File);

impl KernelLog {
    pub fn from_now() -> KernelLog {
        let nonblocking = nix::libc::O_NONBLOCK;
        let mut file =
            File::options().read(true).custom_flags(nonblocking).open("/dev/kmsg").unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
        KernelLog(file)
    }

    /// The lines about its OOM killer, and about anything that should not be.
    pub fn alarms(mut self) -> Vec<String> {
        let mut alarms = Vec::new();
        let mut record = vec![0_u8; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(length) => alarms.extend(alarm(&String::from_utf8_lossy(&record[..length]))),
                // Records were lost meanwhile: what is read next is the oldest there is.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return alarms,
                Err(error) => panic!("read /dev/kmsg: {error}"),
            }
        }
    }
}

fn alarm(record: &str) -> Option<String> {
    const ALARMS: [&str; 6] = [
        "oom-kill:",
        "Out of memory",
        "out of memory",
        "BUG:",
        "WARNING:",
        "blocked for more than",
    ];
    let text = record.split_once(';')?.1.lines().next()?;
    ALARMS.iter().any(|alarm| text.contains(alarm)).then(|| text.to_owned())
}

/// Processes, cgroups and sockets of the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    found: BTreeSet<String>,
}

impl Inventory {
    pub fn now() -> Inventory {
        let mut found = BTreeSet::new();
        cgroups(Path::new("/sys/fs/cgroup"), &mut found);
        for directory in ["/tmp", "/run/sentinel", RUNTIME, "/dev/shm", WORK] {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            found.extend(entries.map(|entry| entry.path().display().to_string()));
        }
        // The directory of a user's sockets stays, as those of other services do.
        found.remove(RUNTIME);
        found.extend(processes());
        Inventory { found }
    }

    /// What is here now and was not then, when all that is on its way out had its time.
    pub fn left_since(&self) -> Vec<String> {
        let deadline = Instant::now() + SETTLED;
        loop {
            let now = Inventory::now();
            let left: Vec<String> = now.found.difference(&self.found).cloned().collect();
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn cgroups(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.insert(entry.path().display().to_string());
            cgroups(&entry.path(), found);
        }
    }
}

/// All that run in user space. Zombies of whom nobody asked are the init's.
fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let (name, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        let in_user_space = pid != 2 && parent != "2";
        (in_user_space && !matches!(state, "Z" | "X")).then(|| format!("process {name:?})"))
    })
    .collect()
}

/// Ends and removes what a run left, for the next one's sake.
pub fn clear(left: &[String]) {
    let cgroups: Vec<PathBuf> =
        left.iter().filter(|path| path.starts_with("/sys/fs/cgroup/")).map(PathBuf::from).collect();
    for pid in left.iter().filter_map(|text| text.strip_prefix("process \"")?.split(' ').next()) {
        if let Ok(pid) = pid.parse() {
            // Gone meanwhile: all the better.
            let _ = sentinel::sys::process::send(pid, nix::libc::SIGKILL);
        }
    }
    for _ in 0..100 {
        for cgroup in cgroups.iter().rev().filter(|cgroup| cgroup.exists()) {
            let _ = fs::write(cgroup.join("cgroup.freeze"), "0");
            let _ = fs::remove_dir(cgroup);
        }
        if cgroups.iter().all(|cgroup| !cgroup.exists()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for file in left.iter().filter(|path| path.ends_with(".socket") || path.starts_with(WORK)) {
        let _ = fs::remove_file(file);
    }
}
