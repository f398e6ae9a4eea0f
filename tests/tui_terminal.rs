//! The dashboard on a real pseudo-terminal with a made-up guardian: nothing flashes, the terminal comes back as it was, and what the
//! command wrote is on it.
#![expect(clippy::expect_used, reason = "what cannot fail here is not under test")]

#[path = "tui/pseudo_terminal.rs"]
mod pseudo_terminal;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use nix::unistd::Pid;
use sentinel::clock::Clock;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

const ENTER_SCREEN: &str = "\x1b[?1049h";
const LEAVE_SCREEN: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// Given up after so many milliseconds without a byte.
const PATIENCE_MS: u16 = 8_000;

/// The example that Cargo builds with the tests (but not with `--test` alone: add `--examples` there).
fn fake_dashboard() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let debug = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let path = debug.join("examples/fake_dashboard");
    assert!(path.exists(), "build it first: cargo build --example fake_dashboard");
    path
}

/// A terminal with the fake dashboard on it.
struct Stage {
    master: File,
    before: Termios,
    child: Child,
    seen: String,
    /// A screen that is drawn for ever and never shows what is waited for is a failure too.
    clock: Clock,
}

impl Stage {
    fn open(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Stage::open_in(Path::new("."), arguments, environment)
    }

    fn open_in(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let (master, slave) = pseudo_terminal::open().expect("a pseudo-terminal");
        let before = tcgetattr(&master).expect("a terminal has a state");
        let stream = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let child = Command::new("setsid")
            .current_dir(directory)
            .arg("--ctty")
            .arg(fake_dashboard())
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .envs(
                environment.iter().map(|(key, value)| (OsString::from(key), OsString::from(value))),
            )
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .expect("setsid(1) runs");
        Stage {
            master: File::from(master),
            before,
            child,
            seen: String::new(),
            clock: Clock::start(),
        }
    }

    /// Reads until `wanted` was on the terminal.
    #[track_caller]
    fn wait_for(&mut self, wanted: &str) {
        while !self.seen.contains(wanted) {
            assert!(self.read_some(wanted), "never saw {wanted:?} in {:?}", self.seen);
        }
    }

    /// False once nobody has the other side open.
    #[track_caller]
    fn read_some(&mut self, wanted: &str) -> bool {
        let mut bytes = [0; 8192];
        let waited = self.clock.now().0.as_millis();
        assert!(waited < u128::from(PATIENCE_MS), "waited for {wanted:?} after {:?}", self.seen);
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::from(PATIENCE_MS)).expect("poll works");
        assert!(ready > 0, "waited for {wanted:?} after {:?}", self.seen);
        // Linux: EIO when the last slave is closed.
        let length = self.master.read(&mut bytes).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        length > 0
    }

    fn type_keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits for the end, when nobody has the terminal open any more; it must be as before.
    #[track_caller]
    fn end(mut self) -> (String, ExitStatus) {
        while self.read_some("the end") {}
        let status = self.child.wait().expect("our own child");
        let after = tcgetattr(&self.master).expect("a terminal has a state");
        assert_eq!(after.local_flags, self.before.local_flags);
        assert_eq!(after.input_flags, self.before.input_flags);
        assert_eq!(after.output_flags, self.before.output_flags);
        (std::mem::take(&mut self.seen), status)
    }

    fn is_raw(&self) -> bool {
        let now = tcgetattr(&self.master).expect("a terminal has a state");
        !now.local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// What is on the normal screen after the alternate one was left.
#[track_caller]
fn afterwards(seen: &str) -> &str {
    let at = seen.rfind(LEAVE_SCREEN).expect("the alternate screen was left");
    assert!(seen[at..].contains(SHOW_CURSOR), "the cursor is shown again: {seen:?}");
    &seen[at + LEAVE_SCREEN.len()..]
}

#[test]
fn a_short_command_does_not_flash() {
    let stage = Stage::open(
        &["short", "--", "printf", "\\033[32mhello\\033[0m\\n"],
        &[("__SENTINEL_QUIET", "1h")],
    );
    let (seen, status) = stage.end();
    assert!(status.success(), "{seen:?}");
    assert!(!seen.contains(ENTER_SCREEN), "{seen:?}");
    assert!(seen.contains("\x1b[32mhello\x1b[0m\r"), "{seen:?}");
}

#[test]
fn at_the_end_the_output_is_on_the_normal_screen() {
    let script = "printf '\\033]0;title\\007\\033[31mred line\\033[0m\\n'; exec sleep 1000";
    let mut stage = Stage::open(&["steady", "--", "sh", "-c", script], &[]);
    stage.wait_for("RUNNING");
    stage.wait_for("red");
    assert!(stage.is_raw());
    stage.type_keys("t");
    stage.wait_for("sure?");
    stage.type_keys("y");
    let (seen, status) = stage.end();
    assert!(status.success(), "{seen:?}");
    let after = afterwards(&seen);
    assert!(after.contains("\x1b[31mred line\x1b[0m"), "{after:?}");
    assert!(!after.contains("title"), "{after:?}");
}

#[test]
fn a_command_that_places_the_cursor_leaves_its_screen_as_text() {
    let script = "printf '\\033[2J\\033[5;10Hdeep\\033[?1003h'; exec sleep 1000";
    let mut stage = Stage::open(&["steady", "--", "sh", "-c", script], &[]);
    stage.wait_for("deep");
    stage.type_keys("qt");
    let (seen, _) = stage.end();
    let after = afterwards(&seen);
    assert!(after.contains("deep"), "{after:?}");
    assert!(!after.contains("\x1b[2J") && !after.contains("\x1b[5;10H"), "{after:?}");
    assert!(!seen.contains("\x1b[?1003h"), "{seen:?}");
}

#[test]
fn keys_reach_the_command_and_its_answer_the_screen() {
    let script = "read word; echo \"<$word>\"; exec sleep 1000";
    let mut stage = Stage::open(&["steady", "--", "sh", "-c", script], &[]);
    stage.wait_for("RUNNING");
    stage.type_keys("i");
    stage.wait_for("keys go");
    stage.type_keys("qkyy\r");
    stage.wait_for("<qkyy>");
    stage.type_keys("\x1d");
    stage.wait_for("terminate");
    stage.type_keys("Kyy");
    let (seen, _) = stage.end();
    assert!(afterwards(&seen).contains("<qkyy>"), "{seen:?}");
}

#[test]
fn a_panic_restores_the_terminal_before_it_speaks() {
    let stage = Stage::open(&["steady"], &[("__SENTINEL_PANIC", "1")]);
    let (seen, status) = stage.end();
    assert!(!status.success());
    assert!(seen.contains(ENTER_SCREEN));
    assert!(afterwards(&seen).contains("a rehearsed panic"), "{seen:?}");
}

#[test]
fn sigterm_and_sighup_restore_the_terminal() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut stage = Stage::open(&["steady"], &[]);
        stage.wait_for("RUNNING");
        let pid = i32::try_from(stage.child.id()).expect("a pid fits");
        kill(Pid::from_raw(pid), signal).expect("our own child");
        let (seen, status) = stage.end();
        assert!(status.success(), "{seen:?}");
        afterwards(&seen);
    }
}

#[test]
fn what_is_known_is_saved_where_the_user_is() {
    let directory = tempfile::tempdir().expect("a directory for the file");
    let mut stage = Stage::open_in(directory.path(), &["steady"], &[]);
    stage.wait_for("RUNNING");
    stage.type_keys("wqd");
    let (seen, _) = stage.end();
    let files = std::fs::read_dir(directory.path()).expect("it can be listed");
    let files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{seen:?}");
    let text = std::fs::read(&files[0]).expect("it can be read");
    let saved: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    assert_eq!(saved["status"]["child_pid"], 4002);
    assert!(saved["processes"].is_array() && saved["events"].is_array(), "{saved}");
}

#[test]
fn detaching_leaves_the_guardian_alone() {
    let mut stage = Stage::open(&["steady"], &[]);
    stage.wait_for("RUNNING");
    stage.type_keys("qd");
    let (seen, status) = stage.end();
    assert!(status.success() && afterwards(&seen).contains("over"), "{seen:?}");
}
