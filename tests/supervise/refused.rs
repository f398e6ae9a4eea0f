//! A command that becomes somebody else's (set-user-ID): the kernel refuses our signals. That is said, and how it ended is told as it was.

use crate::support::{Run, Running, Scene, binary, eventually, parent, skip, until};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;

const NOBODY: u32 = 65534;
/// It ends when something is written to `go`, and not before.
const SCRIPT: &str = "echo up; read line < go; exit 3";

/// A program of root's that runs another with root's rights, whoever starts it.
fn to_root(scene: &Scene) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can make a set-user-ID program of root's");
        return None;
    }
    let path = scene.text_path("to-root");
    let setpriv =
        ["/usr/bin/setpriv", "/bin/setpriv"].into_iter().find_map(|it| std::fs::read(it).ok());
    std::fs::write(&path, setpriv.unwrap()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4755)).unwrap();
    mkfifo(&scene.path("go"), Mode::S_IRWXU).unwrap();
    Some(path)
}

fn as_nobody(scene: &Scene, options: &[&str]) -> Option<Running> {
    started(scene, options, |words| words.iter().map(|word| (*word).to_owned()).collect())
}

/// What becomes root's, in a command that is made of its words.
fn started(
    scene: &Scene,
    options: &[&str],
    command: impl Fn(&[&str]) -> Vec<String>,
) -> Option<Running> {
    let to_root = to_root(scene)?;
    std::fs::create_dir(scene.path("theirs")).unwrap();
    chown(scene.path("theirs"), Some(NOBODY), Some(NOBODY)).unwrap();
    let socket = scene.text_path("theirs/s");
    let words =
        command(&[&to_root, "--reuid=0", "--regid=0", "--clear-groups", "sh", "-c", SCRIPT]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut all = vec!["--socket", &socket, "--json", "theirs/record"];
    all.extend_from_slice(options);
    let guarded = scene.guarded(&all, &words);
    let mut user = scene.as_nobody(guarded.get_program());
    user.current_dir(scene.path("")).env_remove("XDG_RUNTIME_DIR");
    let running = Running::start(user.args(guarded.get_args()));
    running.await_out("up");
    Some(running)
}

/// The user asks its guardian. Once the command is up: a limit of time could be over before it is somebody else's.
fn ask(scene: &Scene, verb: &str) -> Run {
    until("it is there", || UnixStream::connect(scene.path("theirs/s")).is_ok());
    let socket = scene.text_path("theirs/s");
    let mut ask = scene.as_nobody(binary());
    Running::start(ask.args(["ctl", "--socket", &socket, verb])).finish()
}

fn let_go(scene: &Scene) {
    std::fs::write(scene.path("go"), "\n").unwrap();
}

#[test]
fn a_command_that_may_not_be_signalled_ends_by_itself() {
    let scene = Scene::new();
    let Some(running) = as_nobody(&scene, &["--grace", "100ms"]) else { return };
    ask(&scene, "terminate").expect(1);
    const TERM: &str = "cannot send SIGTERM to the command: Operation not permitted";
    const KILL: &str = "over: cannot send SIGKILL to the command: Operation not permitted";
    running.await_err(TERM);
    running.await_err(KILL);
    let_go(&scene);
    let run = running.finish().expect(3).says("to-root exited with 3");
    assert!(!run.stderr.contains("sent SIG") && !run.stderr.contains("ended to-root"), "{run:?}");
    let record: serde_json::Value = serde_json::from_str(&scene.read("theirs/record")).unwrap();
    assert_eq!(record["outcome"]["ended_by"], "command", "{record}");
    assert_eq!(record["exit_status"], 3);
    assert!(record["term"].is_null() && record["kill"].is_null(), "{record}");
}

/// What somebody sends to us for it goes nowhere then, and whoever waits for the end is to know.
#[test]
fn a_signal_that_cannot_be_passed_on_is_told() {
    let scene = Scene::new();
    let Some(running) = as_nobody(&scene, &[]) else { return };
    for (signal, name) in [(libc::SIGTERM, "SIGTERM"), (libc::SIGUSR1, "SIGUSR1")] {
        running.send(signal);
        running
            .await_err(&format!("cannot pass {name} on to the command: Operation not permitted"));
    }
    let_go(&scene);
    running.finish().expect(3).says("to-root exited with 3");
}

/// A child that is somebody else's, of a command that hears us: it is told of by its number.
#[test]
fn a_child_that_may_not_be_signalled_is_not_called_the_command() {
    let scene = Scene::new();
    let Some(running) = started(&scene, &["--grace", "1000s"], |own| {
        let mut words = vec!["sh", "-c", "\"$@\" & wait", "sh"];
        words.extend_from_slice(own);
        words.iter().map(|word| (*word).to_owned()).collect()
    }) else {
        return;
    };
    let told = ask(&scene, "terminate").expect(0).stdout();
    assert!(told.starts_with("ok: terminating; cannot send SIGTERM to process "), "{told}");
    let told = ask(&scene, "status").expect(0).stdout();
    assert!(told.contains("requested by an operator; cannot send SIGTERM to process "), "{told}");
    running.await_err("cannot send SIGTERM to process ");
    // Its parent, the command, hears us: it is an orphan soon, and ours.
    let child = eventually("its number is said", || {
        let said = running.err.text();
        let (_, rest) = said.split_once("to process ")?;
        let (number, _) = rest.split_once(|it: char| !it.is_ascii_digit())?;
        number.parse::<u32>().ok()
    });
    until("the command has ended", || parent(child) == Some(running.pid()));
    ask(&scene, "kill").expect(1).says("Operation not permitted");
    running.await_err("requested by an operator: cannot send SIGKILL to process ");
    let_go(&scene);
    let run = running.finish().expect(143).says("sent SIGTERM");
    assert_eq!(run.stderr.matches("cannot send").count(), 2, "{run:?}");
    assert!(!run.stderr.contains("to the command") && !run.stderr.contains("failed to"), "{run:?}");
    assert!(
        !run.stderr.contains("SIGKILL after") && !run.stderr.contains("sent SIGKILL"),
        "{run:?}"
    );
}

/// What cannot be stopped as a whole is not stopped in part.
#[test]
fn a_workload_of_which_one_may_not_be_stopped_goes_on() {
    let scene = Scene::new();
    let Some(running) = started(&scene, &[], |own| {
        let mut words =
            vec!["sh", "-c", "\"$@\" & sleep 1000 & echo $! > theirs/other; wait", "sh"];
        words.extend_from_slice(own);
        words.iter().map(|word| (*word).to_owned()).collect()
    }) else {
        return;
    };
    let other =
        eventually("its number is there", || scene.read("theirs/other").trim().parse().ok());
    let state = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    let told = ask(&scene, "freeze").expect(1);
    assert!(told.stderr.contains("cannot freeze process "), "{told:?}");
    assert!(told.stderr.contains("all others go on: Operation not permitted"), "{told:?}");
    until("it goes on", || state(other) == Some('S'));
    assert!(ask(&scene, "status").expect(0).stdout().contains("state      running"));
    let_go(&scene);
    ask(&scene, "terminate");
    running.finish();
}

#[test]
fn whoever_asks_is_told() {
    let scene = Scene::new();
    let Some(running) = as_nobody(&scene, &[]) else { return };
    for verb in ["freeze", "terminate", "kill"] {
        ask(&scene, verb).expect(1).says("error: ").says("Operation not permitted");
    }
    let_go(&scene);
    running.finish().expect(3);
}
