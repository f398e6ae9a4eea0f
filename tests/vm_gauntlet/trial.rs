//! One run of sentinel with one shape, watched from outside.

use crate::cases::{Case, Place, Swap};
use crate::machine::{DELEGATED, HOG, Inventory, KernelLog, USER, WORK, clear, drop_caches};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Twice what a workload may wait for memory before that ends it, and the time that the end takes. What is undecided then
/// stays so.
const PATIENCE: Duration = Duration::from_secs(130);

/// What a run gave.
#[derive(Debug)]
pub struct Trial {
    /// None when it did not end in time.
    pub status: Option<i32>,
    /// What sentinel said, and when.
    pub said: Vec<(Instant, String)>,
    pub record: Value,
    /// When the first `high` event was there for everybody to see.
    pub high: Option<Instant>,
    pub took: Duration,
    pub left: Vec<String>,
    pub alarms: Vec<String>,
}

/// Runs it to its end. What is here then and was not before is left by it.
pub fn run(case: &Case, place: &Place, before: &Inventory) -> Trial {
    let record = format!("{WORK}/record.json");
    drop_caches();
    let (log, began) = (KernelLog::from_now(), Instant::now());
    let mut child = command(case, place, &record).spawn().unwrap();
    let lines = listen(child.stderr.take().unwrap());
    let (mut said, high) = watch(&lines);
    // Until nobody has the pipe any more, which is when sentinel and its workload are gone.
    while let Ok(line) = lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
        said.push(line);
    }
    let status = wait(&mut child, began);
    let took = began.elapsed();
    let text = fs::read(&record).unwrap_or_default();
    // A record that was not made is no leftover.
    let _ = fs::remove_file(&record);
    let left = before.left_since();
    clear(&left);
    let record = serde_json::from_slice(&text).unwrap_or_default();
    Trial { status, said, record, high, took, left, alarms: log.alarms() }
}

fn command(case: &Case, place: &Place, record: &str) -> Command {
    let program = |name: &str| std::env::var(name).unwrap();
    let hundredths = |share: u64| format!("{}K", place.limit * share * 1024 / 100);
    let limit = format!("{}M", place.limit);
    let mut command = if case.by_user { as_user() } else { Command::new("env") };
    command.arg(program("SENTINEL_BIN")).args(["--plain", "--json", record, "-m", &limit]);
    if let Some(headroom) = place.headroom {
        command.args(["--headroom", &format!("{headroom}M")]);
    }
    if case.swaps(place) {
        command.args(["--swap", if case.swap == Swap::Room { &limit } else { "max" }]);
    }
    command.args(case.options).arg("--").arg(HOG).args(case.words);
    command.args(["--cap", &hundredths(case.cap), "--own", &hundredths(case.own)]);
    command.args(["--copies", &case.copies(place).to_string()]);
    command.args(case.spinner(place).then_some("--spinner"));
    command.current_dir(WORK).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A user's shell in a cgroup that is the user's.
fn as_user() -> Command {
    let script = format!(
        "echo 0 > {DELEGATED}/shell/cgroup.procs; exec setpriv --reuid={USER} --regid={USER} --clear-groups \"$@\""
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", "env", "-u", "XDG_RUNTIME_DIR"]);
    command
}

/// Its lines with the moment in which each came; closed when it ends.
fn listen(stderr: ChildStderr) -> Receiver<(Instant, String)> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stderr);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            // Not `lines()`: what is no UTF-8 is to be seen.
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send((Instant::now(), text)).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

/// Waits for the first line, which names the cgroup, and then for that cgroup's first `high` event.
fn watch(lines: &Receiver<(Instant, String)>) -> (Vec<(Instant, String)>, Option<Instant>) {
    let Ok(first) = lines.recv_timeout(PATIENCE) else { return (Vec::new(), None) };
    let path = first.1.split_once("): ").and_then(|(_, rest)| rest.split(',').next());
    let events = path.and_then(|path| File::open(Path::new(path).join("memory.events")).ok());
    let high = events.and_then(first_high);
    (vec![first], high)
}

/// None when the cgroup goes without one, or is not there any more.
fn first_high(mut events: File) -> Option<Instant> {
    let deadline = Instant::now() + PATIENCE;
    let mut text = String::new();
    while Instant::now() < deadline {
        text.clear();
        events.rewind().ok()?;
        events.read_to_string(&mut text).ok()?;
        let now = Instant::now();
        if text.lines().any(|line| line.strip_prefix("high ").is_some_and(|count| count != "0")) {
            return Some(now);
        }
        let mut wait = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        poll(&mut wait, PollTimeout::from(200_u8)).ok()?;
    }
    None
}

/// Its status as a shell has it; after all patience the whole of it is killed.
fn wait(child: &mut Child, began: Instant) -> Option<i32> {
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

impl Trial {
    /// A number of the record, by JSON pointer.
    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.record.pointer(pointer).and_then(Value::as_u64)
    }

    /// A text of it; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// From the first `high` event to the line that says SIGTERM was sent.
    pub fn time_to_term(&self) -> Option<Duration> {
        let sent = self.said.iter().find(|(_, line)| line.contains(": sent SIGTERM"))?;
        Some(sent.0.saturating_duration_since(self.high?))
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: String = self.said.iter().map(|(_, line)| line.as_str()).collect();
        let Trial { status, took, left, alarms, record, .. } = self;
        write!(
            f,
            "status {status:?} after {took:?}, left {left:?}, kernel's log {alarms:?}\n{said}{record}"
        )
    }
}
