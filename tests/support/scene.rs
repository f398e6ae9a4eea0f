//! One test's place: an empty home, a socket of its own, a name by which everything that it starts is found again.

use super::leftovers::{Leftovers, cgroup2_mounts};
use super::process::{Run, Running};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// What every process that a scene starts has in its environment.
pub const MARK: &str = "SENTINEL_SCENE";

static SCENES: AtomicU32 = AtomicU32::new(0);

/// A scene. Dropped, it checks that nothing is left of what was started in it.
pub struct Scene {
    dir: TempDir,
    name: String,
}

impl Scene {
    pub fn new() -> Scene {
        default_signals();
        let number = SCENES.fetch_add(1, Ordering::Relaxed);
        let dir = tempfile::Builder::new().prefix("scene").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        Scene { dir, name: format!("t{}.{number}", std::process::id()) }
    }

    /// The name of its runs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as text.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.text_path(name)
    }

    /// An executable script for sh.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.write(name, format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// What a file of it says; empty when it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Any program, in this scene's environment.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.furnish(&mut command);
        command
    }

    /// Its environment: no configuration, no user behind sudo, the mark.
    fn furnish(&self, command: &mut Command) {
        let home = self.path("home");
        for name in ["SUDO_UID", "SUDO_GID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"] {
            command.env_remove(name);
        }
        let state = self.path("home/state");
        command.env("HOME", &home).env("XDG_CONFIG_HOME", &home).env("XDG_STATE_HOME", state);
        command.env(MARK, &self.name);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// Bare sentinel.
    pub fn sentinel(&self) -> Command {
        self.program(super::binary())
    }

    /// A program as a user who owns nothing. Only root can; everybody may look into the scene then.
    pub fn as_nobody(&self, program: impl AsRef<OsStr>) -> Command {
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.dir(), everybody).unwrap();
        let mut command = self.program("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        command
    }

    /// The same command where no cgroup file system is mounted. Only root can.
    pub fn without_cgroups(&self, command: &Command) -> Command {
        const SCRIPT: &str =
            "for mount in $MOUNTS; do umount -l $mount || exit 99; done; unset MOUNTS; exec \"$@\"";
        let mounts = cgroup2_mounts();
        let mounts: Vec<_> = mounts.iter().rev().filter_map(|path| path.to_str()).collect();
        let mut outer = self.through(&["unshare", "--mount", "sh", "-c", SCRIPT, "sh"], command);
        outer.env("MOUNTS", mounts.join(" "));
        outer
    }

    /// The options that every guarded run gets: plain, without mailbox, findable.
    pub fn options(&self) -> Vec<String> {
        ["--plain", "--name", &self.name, "--socket", "off"].map(str::to_owned).to_vec()
    }

    /// Sentinel with these options and this command; without a mailbox unless the options name one.
    pub fn guarded(&self, options: &[&str], command: &[&str]) -> Command {
        let mut own = self.options();
        if options.contains(&"--socket") {
            own.truncate(3);
        }
        let mut sentinel = self.sentinel();
        sentinel.args(own).args(options).arg("--").args(command);
        sentinel
    }

    /// The same, with SIGTERM ignored from the start: no moment in which the command could still hear it.
    pub fn deaf(&self, options: &[&str], command: &[&str]) -> Command {
        self.through(&["env", "--ignore-signal=TERM"], &self.guarded(options, command))
    }

    /// The same command, run by these words.
    pub fn through(&self, words: &[&str], command: &Command) -> Command {
        let mut outer = self.program(words[0]);
        outer.args(&words[1..]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }

    /// Starts a command that has a mailbox.
    pub fn with_mailbox(&self, options: &[&str], command: &[&str]) -> Running {
        let socket = self.text_path("s.socket");
        let running = self.start(&[&["--socket", &socket], options].concat(), command);
        self.await_mailbox();
        running
    }

    /// Waits until somebody listens at its socket, which is a moment after there is one.
    pub fn await_mailbox(&self) {
        super::until("the mailbox is there", || UnixStream::connect(self.socket()).is_ok());
    }

    /// Asks its mailbox. The words are split at blanks.
    pub fn ask(&self, request: &str) -> Run {
        let mut sentinel = self.sentinel();
        sentinel.args(["ctl", "--socket", &self.text_path("s.socket")]).args(request.split(' '));
        Running::start(&mut sentinel).finish()
    }

    /// Starts it.
    pub fn start(&self, options: &[&str], command: &[&str]) -> Running {
        Running::start(&mut self.guarded(options, command))
    }

    /// Runs it to its end.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Run {
        self.start(options, command).finish()
    }

    /// The same, with its record.
    pub fn recorded(&self, options: &[&str], command: &[&str]) -> (Run, Value) {
        let record = self.text_path("record.json");
        let run = self.run(&[&["--json", &record], options].concat(), command);
        (run, self.record())
    }

    /// What a run with `--json record.json` wrote.
    pub fn record(&self) -> Value {
        let text = self.read("record.json");
        let value = serde_json::from_str(&text);
        value.unwrap_or_else(|error| panic!("no record ({error}): {text}"))
    }

    /// Where its mailbox is, if it has one.
    pub fn socket(&self) -> PathBuf {
        self.path("s.socket")
    }

    /// What is left of what was started in it.
    pub fn leftovers(&self) -> Leftovers {
        Leftovers::of(&self.name)
    }

    /// Waits until nothing is left, for tests that ended the guardian the hard way.
    pub fn clear(&self) {
        self.leftovers().clear();
    }

    /// The scene's directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// A shell script's background processes ignore these, and so would everything that is started here.
#[expect(unsafe_code, reason = "signal(2)")]
fn default_signals() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for of in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no handler is involved.
        unsafe { signal(of, SigHandler::SigDfl) }.unwrap();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A guardian that a shell did not wait for is still on its way out.
            for _ in 0..400 {
                if self.leftovers().is_empty() {
                    break;
                }
                super::pause();
            }
        }
        let left = self.leftovers();
        left.clear();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
            assert!(!self.socket().exists(), "the socket is left behind");
        }
    }
}
