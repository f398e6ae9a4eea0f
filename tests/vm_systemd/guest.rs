//! For the suites in a guest with systemd: which guest this is, and commands that start something at a certain place in it.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Variables of a job in a guest, for those places that have an environment of their own.
const VARIABLES: [&str; 5] =
    ["SENTINEL_VM", "SENTINEL_GUEST", "SENTINEL_BIN", "SENTINEL_HOG", "SENTINEL_CHAOS"];

/// The cgroups of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Unified,
    Hybrid,
}

/// What a guest of this name has (scripts/vm/guests.py).
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    pub systemd: &'static str,
    pub layout: Layout,
    pub memory: bool,
    pub docker: bool,
}

impl Guest {
    /// This one.
    pub fn this() -> Guest {
        let name = std::env::var("SENTINEL_GUEST").unwrap_or_default();
        let bookworm =
            Guest { systemd: "252", layout: Layout::Unified, memory: true, docker: false };
        match name.as_str() {
            "bookworm" => bookworm,
            "bookworm-hybrid" => Guest { layout: Layout::Hybrid, ..bookworm },
            "bookworm-nomemory" => Guest { memory: false, ..bookworm },
            "trixie" => Guest { systemd: "257", docker: true, ..bookworm },
            _ => panic!("for a guest with systemd: scripts/vm/test; this is {name:?}"),
        }
    }

    /// Whether a cgroup of cgroup2 can limit memory.
    pub fn limits_memory(&self) -> bool {
        self.memory && self.layout == Layout::Unified
    }
}

/// What a command gave.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Its output without the newline, when it went well.
    pub fn text(&self) -> &str {
        assert_eq!(self.status, 0, "{self}");
        self.stdout.trim_end()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ran { status, stdout, stderr } = self;
        write!(f, "exit {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Runs it to its end.
pub fn ran(mut command: Command) -> Ran {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// As root, in the cgroup of the test itself: a service without delegation.
pub fn as_root(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// As the user without a session, in the cgroup of the test itself, as cron or a CI runner would.
pub fn as_user(words: &[&str]) -> Command {
    let mut command = as_root(&["setpriv", "--reuid=user", "--regid=user", "--init-groups"]);
    command.args(["--reset-env", "env"]).args(variables()).args(words);
    command
}

/// As the user in a login session of its own, which ends with the command.
pub fn in_session(words: &[&str]) -> Command {
    let keep = format!("--whitelist-environment={}", VARIABLES.join(","));
    as_root(&["su", "--login", &keep, "user", "--command", &quoted(words)])
}

/// As root by sudo, in a login session of the user.
pub fn by_sudo(words: &[&str]) -> Command {
    let keep = format!("--preserve-env={}", VARIABLES.join(","));
    in_session(&[["sudo", "-n", &keep, "--"].as_slice(), words].concat())
}

/// In a transient service of the system manager with these properties, such as `Delegate=yes`.
pub fn in_service(properties: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", "--pipe", "--wait", "--collect"]);
    command.args(properties.iter().map(|property| format!("--property={property}")));
    command.args(variables().iter().map(|pair| format!("--setenv={pair}")));
    command.arg("--").args(words);
    command
}

/// Who runs a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Root,
    User,
}

/// The cgroupfs that a container sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroupfs {
    ReadOnly,
    Writable,
}

impl Cgroupfs {
    fn option(self) -> &'static [&'static str] {
        match self {
            Cgroupfs::ReadOnly => &[],
            Cgroupfs::Writable => &["--security-opt=unmask=/sys/fs/cgroup"],
        }
    }
}

/// In a container of podman with busybox and /job, and no network; as its process 1. `options` go to `podman run`.
pub fn in_container(owner: Owner, cgroupfs: Cgroupfs, options: &[&str], words: &[&str]) -> Command {
    let options = [cgroupfs.option(), options].concat();
    podman(owner, &[], &options, words)
}

/// The same by root where Docker without systemd puts containers: in `/docker/ID`.
pub fn in_docker_s_place(cgroupfs: Cgroupfs, options: &[&str], words: &[&str]) -> Command {
    let options = [cgroupfs.option(), &["--cgroup-parent=/docker"], options].concat();
    podman(Owner::Root, &["--cgroup-manager=cgroupfs"], &options, words)
}

fn podman(owner: Owner, engine: &[&str], options: &[&str], words: &[&str]) -> Command {
    require_image(owner);
    let variables = variables();
    let mut line = vec!["podman"];
    line.extend(engine);
    line.extend(["run", "--rm", "--network=none", "--volume=/job:/job:ro"]);
    line.extend(variables.iter().flat_map(|pair| ["--env", pair]));
    line.extend(options);
    line.push(IMAGE);
    line.extend(words);
    by(owner, &line)
}

const IMAGE: &str = "localhost/busybox";
static IMPORTED: Mutex<Vec<Owner>> = Mutex::new(Vec::new());

/// Makes the image known to the owner's podman, once. The user's manager stays from then on, so that what podman keeps running does too.
fn require_image(owner: Owner) {
    let mut imported = IMPORTED.lock().unwrap();
    // The test before may have let it go.
    linger();
    if imported.contains(&owner) {
        return;
    }
    if ran(by(owner, &["podman", "image", "exists", IMAGE])).status != 0 {
        ran(by(owner, &["podman", "import", "--quiet", "/opt/busybox.tar", IMAGE])).text();
    }
    imported.push(owner);
}

fn by(owner: Owner, words: &[&str]) -> Command {
    match owner {
        Owner::Root => as_root(words),
        Owner::User => in_session(words),
    }
}

/// The user's manager runs without a session as well from here on.
pub fn linger() {
    ran(as_root(&["loginctl", "enable-linger", "user"])).text();
    // systemd-logind does not start a manager that is just being stopped behind the last session.
    ran(as_root(&["systemctl", "start", "user@1000.service"])).text();
}

/// The user's manager has gone, and goes with the last session from here on. No session of the user's is open.
pub fn do_not_linger() {
    ran(as_root(&["loginctl", "disable-linger", "user"])).text();
    // Nor does it stop one that was started while it forgot the user: to whom it belongs it does not know.
    ran(as_root(&["systemctl", "stop", "user@1000.service"])).text();
}

/// Whether systemd-oomd, which is masked in a guest, runs after having been started.
pub fn start_oomd() -> bool {
    ran(as_root(&[&["systemctl", "unmask"], OOMD.as_slice()].concat())).text();
    ran(as_root(&["systemctl", "start", OOMD[0]])).text();
    ran(as_root(&["systemctl", "is-active", OOMD[0]])).status == 0
}

/// Stops it, for the other tests' sake.
pub fn stop_oomd() {
    ran(as_root(&[&["systemctl", "mask", "--now"], OOMD.as_slice()].concat())).text();
}

const OOMD: [&str; 2] = ["systemd-oomd.service", "systemd-oomd.socket"];

/// An engine takes its time on a busy machine, and so does systemd.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let in_vain = wait(|| if is_so() { Ok(()) } else { Err(String::new()) });
    assert!(in_vain.is_none(), "not in time: {what}\n{}", who_is_there());
}

/// Waits until it is so. Gives what there was instead, where that was in vain.
pub fn wait(mut is_so: impl FnMut() -> Result<(), String>) -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match is_so() {
            Ok(()) => return None,
            Err(instead) if Instant::now() >= deadline => return Some(instead),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Sessions, users and jobs of systemd: what holds up what was waited for.
fn who_is_there() -> String {
    let lists = [
        &["loginctl", "--no-legend", "list-sessions"][..],
        &["loginctl", "--no-legend", "list-users"],
        &["loginctl", "user-status", "user"],
        &["systemctl", "--no-legend", "list-jobs"],
    ];
    lists.map(|words| format!("{words:?}\n{}", ran(as_root(words)).stdout)).concat()
}

/// The file system mounted at this place, as /proc/self/mountinfo calls it.
pub fn mounted(place: &Path) -> Option<String> {
    let mounts = procfs::process::Process::myself().unwrap().mountinfo().unwrap();
    mounts.into_iter().rfind(|mount| mount.mount_point == place).map(|mount| mount.fs_type)
}

/// The path in a line of /proc/PID/cgroup for cgroup2.
pub fn unified_path(cgroup: &str) -> &str {
    let line = cgroup.lines().find_map(|line| line.strip_prefix("0::"));
    line.unwrap_or_else(|| panic!("no cgroup2 in {cgroup:?}"))
}

/// NAME=VALUE of each variable that is set.
fn variables() -> Vec<String> {
    let set = VARIABLES.iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
    set.map(|(name, value)| format!("{name}={value}")).collect()
}

/// For a shell.
fn quoted(words: &[&str]) -> String {
    let quote = |word: &&str| format!("'{}'", word.replace('\'', r"'\''"));
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}
