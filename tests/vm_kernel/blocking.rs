//! Nothing blocks the guardian: whatever the kernel waits for, the mailbox answers, and what is said to be in force is.

use crate::guest::{Leftovers, hog, require_kernel_tier, scratch};
use sentinel::status::{State, Status};
use sentinel::units::Limit;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What an answer may take. The promise is a second on a machine; a guest is emulated, and busy.
const AT_ONCE: Duration = Duration::from_secs(3);
/// What anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sentinel with a mailbox, and what it runs.
pub struct Guarded {
    child: Child,
    socket: PathBuf,
    /// What the workload says.
    out: PathBuf,
    before: Leftovers,
}

impl Guarded {
    pub fn start(options: &[&str], words: &[&str]) -> Guarded {
        let guarded = Guarded::begin(options, words);
        until("the mailbox answers", || guarded.ctl("ping").status.success());
        guarded
    }

    fn begin(options: &[&str], words: &[&str]) -> Guarded {
        let (before, socket) = (Leftovers::now(), scratch("socket").with_extension("socket"));
        let mut command = Command::new(std::env::var("SENTINEL_BIN").unwrap());
        command.args(["--plain", "--socket"]).arg(&socket).args(options).arg("--").args(words);
        let out = scratch("out");
        command.stdin(Stdio::null()).stdout(fs::File::create(&out).unwrap()).current_dir("/disk");
        let child = command.spawn().unwrap();
        Guarded { child, socket, out, before }
    }

    /// A workload with 300M in pipes that count as page cache, under a limit that it is far from. It minds no SIGTERM.
    fn pinned() -> Guarded {
        require_kernel_tier();
        let words = [&hog(), "splice-pipes", "--cap", "300M", "--ignore-term"];
        let guarded = Guarded::start(&["-m", "900M", "--grace", "1000s"], &words);
        guarded.until_ready();
        guarded
    }

    pub fn until_ready(&self) {
        until("it is ready", || fs::read_to_string(&self.out).unwrap().contains("ready"));
    }

    fn ctl(&self, request: &str) -> Output {
        let mut command = Command::new(std::env::var("SENTINEL_BIN").unwrap());
        command.args(["ctl", "--socket"]).arg(&self.socket).args(request.split(' '));
        command.output().unwrap()
    }

    /// Asks, and gives the answer, which must come at once.
    pub fn ask(&self, request: &str) -> String {
        let (text, error) = self.hear(request);
        assert!(!text.is_empty(), "{request}: {error}");
        text
    }

    /// The same of a guardian that may have come to its end.
    fn hear(&self, request: &str) -> (String, String) {
        let asked = Instant::now();
        let output = self.ctl(request);
        let took = asked.elapsed();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("{request}: {} ms: {}", took.as_millis(), text.lines().next().unwrap_or(&error));
        assert!(took < AT_ONCE, "{request} took {took:?}");
        (text, error)
    }

    pub fn status(&self) -> Status {
        let output = self.ctl("status json");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn cgroup(&self) -> PathBuf {
        PathBuf::from(self.status().cgroup.unwrap())
    }

    /// What the files say, and status says the same.
    pub fn in_force(&self) -> (u64, u64) {
        let cgroup = self.cgroup();
        let read = |name: &str| fs::read_to_string(cgroup.join(name)).unwrap().trim().to_owned();
        let (high, max) = (read("memory.high"), read("memory.max"));
        let limits = self.status().limits;
        // Lines move in between: then they are read once more.
        if (&high, &max) != (&read("memory.high"), &read("memory.max")) {
            return self.in_force();
        }
        let said = limits.trip_wire;
        assert_eq!(said, high.parse().map_or(Limit::Max, Limit::At), "trip-wire");
        assert_eq!(limits.ceiling.0.to_string(), max, "ceiling");
        (high.parse().unwrap(), max.parse().unwrap())
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Its exit status; nothing is left.
    pub fn end(mut self) -> Option<i32> {
        let mut status = None;
        until("sentinel ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        fs::remove_file(&self.out).unwrap();
        until("nothing is left", || Leftovers::now() == self.before && writers() == 0);
        status.and_then(|status| status.code())
    }
}

#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes that put lines in force.
fn writers() -> usize {
    let names = fs::read_dir("/proc").unwrap().flatten();
    let names = names.filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok());
    names.filter(|name| name.trim() == "sentinel-lines").count()
}

const MIB: u64 = 1 << 20;

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_limit_below_what_is_pinned_is_answered_and_the_lines_are_what_is_said() {
    let guarded = Guarded::pinned();
    let cgroup = guarded.cgroup();
    assert_eq!(guarded.in_force(), (900 * MIB, 990 * MIB));
    let answer = guarded.ask("set memory 60M");
    assert!(answer.starts_with("ok: limit 60.0M"), "{answer}");
    guarded.ask("status");
    let (high, max) = guarded.in_force();
    // 300M cannot go: the ceiling stays above them whatever is tried.
    assert_eq!(max, 990 * MIB, "memory.high {high}");
    // By what is stuck at the trip-wire it may be on its way to its end already.
    for request in ["terminate", "status", "kill"] {
        guarded.hear(request);
    }
    let events = fs::read_to_string(cgroup.join("memory.events"));
    assert!(events.is_err() || events.unwrap().contains("oom_kill 0"));
    assert_eq!(guarded.end(), Some(137));
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_limit_that_is_being_put_in_force_gives_way_to_another() {
    let guarded = Guarded::pinned();
    guarded.ask("set memory 60M");
    guarded.ask("set memory 50M");
    let answer = guarded.ask("set memory 800M");
    assert!(answer.starts_with("ok: limit 800.0M"), "{answer}");
    until("those that were stopped are gone", || writers() == 0);
    let (high, max) = guarded.in_force();
    assert_eq!(max, 880 * MIB);
    // On a slow machine what is stuck above the lines in between is on its way to its end: its handlers have the relief line then.
    let ending = guarded.status().state != State::Running;
    assert!(high == 800 * MIB || ending && high > 800 * MIB, "{high}: {answer}");
    guarded.ask("kill");
    assert_eq!(guarded.end(), Some(137));
}

/// What is only cache goes, and then all lines are in force.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_limit_below_page_cache_comes_into_force() {
    require_kernel_tier();
    let script = "dd if=/dev/zero of=blocking bs=1M count=300 2>/dev/null; sync; exec sleep 1000";
    let guarded = Guarded::start(&["-m", "900M"], &["sh", "-c", script]);
    until("there is cache", || guarded.status().memory.cache.0 > 250 * MIB);
    let answer = guarded.ask("set memory 60M");
    assert!(answer.starts_with("ok: limit 60.0M"), "{answer}");
    until("all is in force", || guarded.in_force() == (60 * MIB, 124 * MIB));
    guarded.ask("terminate");
    assert_eq!(guarded.end(), Some(143));
    fs::remove_file("/disk/blocking").unwrap();
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_workload_is_killed_while_a_limit_is_being_put_in_force() {
    let guarded = Guarded::pinned();
    guarded.ask("set memory 60M");
    guarded.ask("kill");
    assert_eq!(guarded.end(), Some(137));
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_signal_to_the_guardian_while_a_limit_is_being_put_in_force() {
    let guarded = Guarded::pinned();
    guarded.ask("set memory 60M");
    // Passed on to a command that does not mind; twice over the mailbox is the end, and once where it was found stuck before.
    guarded.signal(nix::sys::signal::Signal::SIGTERM);
    guarded.ask("ping");
    match guarded.ask("terminate").contains("killing") {
        true => drop(guarded.hear("kill")),
        false => drop(guarded.ask("kill")),
    }
    assert_eq!(guarded.end(), Some(137));
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_guardian_that_is_killed_while_a_limit_is_being_put_in_force_leaves_nothing() {
    require_kernel_tier();
    let words = [&hog(), "splice-pipes", "--cap", "300M"];
    let guarded = Guarded::start(&["-m", "900M"], &words);
    guarded.until_ready();
    guarded.ask("set memory 60M");
    guarded.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(guarded.end(), None);
}

/// A cgroup that is frozen, with nothing in it.
struct Frozen(PathBuf);

impl Frozen {
    fn new() -> Frozen {
        require_kernel_tier();
        let path = PathBuf::from("/sys/fs/cgroup").join(scratch("frozen").file_name().unwrap());
        fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids").unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("cgroup.freeze"), "1").unwrap();
        Frozen(path)
    }

    fn options(&self) -> [&str; 2] {
        ["--cgroup", self.0.to_str().unwrap()]
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // A test that failed leaves more behind than this.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_command_that_cannot_start_is_ended_by_its_timeout() {
    let frozen = Frozen::new();
    let options = [&frozen.options()[..], &["--timeout", "2s"]].concat();
    let began = Instant::now();
    assert_eq!(Guarded::begin(&options, &["true"]).end(), Some(143));
    println!("ended after {} ms", began.elapsed().as_millis());
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_command_that_cannot_start_is_ended_by_signals_and_requests() {
    use nix::sys::signal::Signal::{SIGINT, SIGTERM};
    for signal in [SIGTERM, SIGINT] {
        let frozen = Frozen::new();
        let guarded = Guarded::start(&frozen.options(), &["true"]);
        assert!(guarded.ask("status").contains("state      starting, up "));
        guarded.signal(signal);
        assert_eq!(guarded.end(), Some(143), "{signal}");
    }
    for (request, status) in [("terminate", 143), ("kill", 137)] {
        let frozen = Frozen::new();
        let guarded = Guarded::start(&frozen.options(), &["true"]);
        guarded.ask(request);
        assert_eq!(guarded.end(), Some(status), "{request}");
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_command_that_starts_late_runs_as_any_other() {
    use std::os::unix::fs::PermissionsExt as _;
    // Found as a program; exec alone looks for its interpreter.
    for (interpreter, status) in [("/bin/true", 0), ("/no/such/interpreter", 127)] {
        let frozen = Frozen::new();
        let program = scratch("program");
        fs::write(&program, format!("#!{interpreter}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let guarded = Guarded::start(&frozen.options(), &[program.to_str().unwrap()]);
        assert_eq!(guarded.status().state, State::Starting, "{interpreter}");
        fs::write(frozen.0.join("cgroup.freeze"), "0").unwrap();
        assert_eq!(guarded.end(), Some(status), "{interpreter}");
        fs::remove_file(&program).unwrap();
    }
}

/// A guardian without a processor hears at once that the command runs and that it reached its limit. It was killed at once then, as one that
/// never ran: a fork bomb under a limit of 16M, about one in a thousand times.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_command_that_started_unseen_has_its_grace() {
    use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
    let (frozen, hog, saved) = (Frozen::new(), hog(), scratch("saved"));
    let words = [&hog, "touch", "--cap", "160M", "--checkpoint", saved.to_str().unwrap()];
    let options = [&frozen.options()[..], &["-m", "16M"]].concat();
    let guarded = Guarded::start(&options, &words);
    assert_eq!(guarded.status().state, State::Starting);
    let cgroup = guarded.cgroup();
    guarded.signal(SIGSTOP);
    fs::write(frozen.0.join("cgroup.freeze"), "0").unwrap();
    let current = || fs::read_to_string(cgroup.join("memory.current")).unwrap();
    until("it is at its limit", || current().trim().parse::<u64>().unwrap() > 16 * MIB);
    let out = guarded.out.clone();
    let said = move || fs::read_to_string(&out).unwrap_or_default();
    guarded.signal(SIGCONT);
    until("its handler saved its work", || said().contains("checkpoint_ms"));
    assert_eq!(guarded.end(), Some(143));
    fs::remove_file(&saved).unwrap();
}
