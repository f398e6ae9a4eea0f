//! For the suites that run in a guest: sentinel runs with a record, and each leaves nothing behind.

use serde_json::Value;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// These suites change cgroups of the machine that they run on: they are for guests alone.
pub fn require_kernel_tier() {
    assert_eq!(std::env::var("SENTINEL_VM").as_deref(), Ok("1"), "for a guest: scripts/vm/test");
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    assert!(controllers.contains("memory"), "this guest has no memory controller: {controllers:?}");
}

fn path_of(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: scripts/vm/test sets it"))
}

/// The hostile workload.
pub fn hog() -> String {
    path_of("SENTINEL_HOG")
}

/// The demonstration's workload.
pub fn chaos() -> String {
    path_of("SENTINEL_CHAOS")
}

/// A path on a file system with reclaimable page cache.
pub fn disk(name: &str) -> String {
    assert!(Path::new("/disk").is_dir(), "the guest has a disk");
    format!("/disk/{name}")
}

/// Runs python3 with a script and arguments.
pub fn python(words: &[&str]) -> bool {
    Command::new("python3").arg("-c").args(words).status().is_ok_and(|status| status.success())
}

/// Whether the running kernel is at least this one.
pub fn kernel_at_least(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.trim().parse::<u32>().ok());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (major, minor)
}

/// A sentinel to be run.
pub struct Sentinel {
    args: Vec<String>,
    wrapper: Option<String>,
}

/// What a run of it gave.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    pub record: Value,
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// A path of its own for each run.
pub fn scratch(name: &str) -> PathBuf {
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("{name}-{}-{number}", std::process::id()))
}

impl Sentinel {
    pub fn new() -> Sentinel {
        Sentinel { args: vec!["--plain".into()], wrapper: None }
    }

    pub fn args(mut self, args: &[&str]) -> Sentinel {
        self.args.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    /// Runs it by this shell text, in which `"$@"` is sentinel with everything.
    pub fn through(mut self, shell: &str) -> Sentinel {
        self.wrapper = Some(shell.to_owned());
        self
    }

    /// The command line, with this record file.
    pub fn command(&self, record: &Path, words: &[&str]) -> Command {
        let sentinel = path_of("SENTINEL_BIN");
        let mut command = match &self.wrapper {
            None => Command::new(&sentinel),
            Some(shell) => {
                let mut command = Command::new("sh");
                command.args(["-c", shell, "sh", &sentinel]);
                command
            }
        };
        command.args(&self.args).arg("--json").arg(record).arg("--").args(words);
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end and checks that nothing is left.
    pub fn run(self, words: &[&str]) -> Run {
        let record = scratch("record");
        let before = Leftovers::now();
        let output = self.command(&record, words).output().expect("sentinel runs");
        let run = Run::of(&output, &record);
        assert_eq!(Leftovers::now(), before, "something is left behind: {run}");
        run
    }
}

/// Cgroups, sockets and processes that a guardian could leave.
#[derive(Debug, PartialEq, Eq)]
pub struct Leftovers {
    cgroups: Vec<PathBuf>,
    sockets: Vec<PathBuf>,
    processes: Vec<String>,
}

impl Leftovers {
    pub fn now() -> Leftovers {
        let mut cgroups = Vec::new();
        directories(Path::new("/sys/fs/cgroup"), &mut cgroups);
        let sockets = ["/tmp", "/run/sentinel"].iter().flat_map(fs::read_dir).flatten().flatten();
        let is_socket = |path: &PathBuf| path.extension().is_some_and(|end| end == "socket");
        Leftovers {
            cgroups,
            sockets: sockets.map(|entry| entry.path()).filter(is_socket).collect(),
            processes: processes(),
        }
    }
}

fn directories(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
            directories(&entry.path(), found);
        }
    }
}

/// Workloads that run, and zombies.
fn processes() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if ["hog", "sentinel", "chaos.py"].contains(&comm.trim()) {
            found.push(format!("{} {}", entry.file_name().display(), comm.trim()));
        }
    }
    found
}

impl Run {
    /// What came out, and the record, which is removed.
    pub fn of(output: &std::process::Output, record: &Path) -> Run {
        let text = fs::read(record).ok();
        // A record that could not be made is no leftover.
        let _ = fs::remove_file(record);
        Run {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            record: text.and_then(|t| serde_json::from_slice(&t).ok()).unwrap_or_default(),
        }
    }

    /// A text in the record, by JSON pointer; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number in the record.
    pub fn number(&self, pointer: &str) -> u64 {
        let value = self.record.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("no number at {pointer}: {self}"))
    }

    /// The line with the figures.
    pub fn line(&self) -> &str {
        let figures = |line: &&str| line.starts_with("sentinel: ran ");
        self.stderr.lines().rfind(figures).unwrap_or_default()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { status, stdout, stderr, record } = self;
        write!(
            f,
            "exit {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- record\n{record:#}"
        )
    }
}

/// What the hog printed of its checkpoint.
pub fn checkpoint_ms(stdout: &str) -> f64 {
    let line = stdout.lines().find_map(|line| line.strip_prefix("checkpoint_ms "));
    line.and_then(|ms| ms.trim().parse().ok()).unwrap_or_else(|| panic!("no checkpoint: {stdout}"))
}

/// The same workload in a cgroup with the same limits, whose trip-wire stays where it is: SIGTERM at the first `high` event.
pub fn checkpoint_behind_the_trip_wire(words: &[&str]) -> f64 {
    let cgroup = PathBuf::from("/sys/fs/cgroup/left-in-place");
    fs::create_dir(&cgroup).unwrap();
    for (file, value) in [("memory.max", "164M"), ("memory.high", "100M"), ("memory.swap.max", "0")]
    {
        if cgroup.join(file).exists() {
            fs::write(cgroup.join(file), value).unwrap();
        }
    }
    let script = format!("echo 0 > {}/cgroup.procs; exec \"$@\"", cgroup.display());
    let mut shell = Command::new("sh");
    let child =
        shell.args(["-c", &script, "sh"]).args(words).stdout(Stdio::piped()).spawn().unwrap();
    while !fs::read_to_string(cgroup.join("memory.events")).unwrap().lines().any(is_high) {
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    fs::remove_dir(&cgroup).unwrap();
    checkpoint_ms(&String::from_utf8_lossy(&output.stdout))
}

fn is_high(line: &str) -> bool {
    line.strip_prefix("high ").is_some_and(|count| count != "0")
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
