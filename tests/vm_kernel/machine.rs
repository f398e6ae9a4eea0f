//! The machine as a whole: when it runs short the process that leaks is ended, politely and before the kernel's OOM killer, and whoever sits
//! there keeps the shell, however large that is.

use crate::blocking::until;
use crate::guest::{hog, require_kernel_tier, scratch};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// Leads a session with a terminal, holds 300 MiB, and runs what it is told in it; ends with 7 when that has ended, and says how.
const SESSION: &str = "import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    held = bytearray(b'x' * (300 << 20))
    child = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
    print('ended with', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(7)
try:
    while True:
        said = os.read(terminal, 4096)
        if not said: break
        sys.stdout.buffer.write(said); sys.stdout.flush()
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";

/// A guardian of the machine.
struct OfMachine {
    child: Child,
    said: PathBuf,
    socket: PathBuf,
}

impl OfMachine {
    fn start(options: &[&str]) -> OfMachine {
        require_kernel_tier();
        let (said, socket) = (scratch("said"), scratch("socket").with_extension("socket"));
        let mut command = Command::new(std::env::var("SENTINEL_BIN").unwrap());
        command.args(["attach", "--machine", "--socket"]).arg(&socket).args(options);
        command.stdin(Stdio::null()).stderr(fs::File::create(&said).unwrap());
        let machine = OfMachine { child: command.spawn().unwrap(), said, socket };
        until("it guards", || machine.said().contains("are to stay available"));
        machine
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    fn ctl(&self, words: &[&str]) -> Output {
        let mut command = Command::new(std::env::var("SENTINEL_BIN").unwrap());
        command.arg("ctl").arg("--socket").arg(&self.socket).args(words).output().unwrap()
    }

    /// Lets everything go, and gives what it said.
    fn leave(mut self) -> String {
        let answer = self.ctl(&["detach"]);
        assert!(answer.status.success(), "{answer:?}");
        assert!(self.child.wait().unwrap().success(), "{}", self.said());
        self.said()
    }
}

fn oom_kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.unwrap().trim().parse().unwrap()
}

/// In a session, until it has ended.
fn in_session(words: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command.args(["-c", SESSION]).args(words).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn who_leaks_is_ended_and_the_session_lives() {
    let (machine, before) = (OfMachine::start(&["--min-available", "30%"]), oom_kills());
    let hog = hog();
    for shape in
        [&["touch"][..], &["step", "--rate", "300M"], &["threads:8"], &["step", "--ignore-term"]]
    {
        let words = [&[hog.as_str()], shape, &["--cap", "4G"]].concat();
        let session = in_session(&words);
        let text = String::from_utf8_lossy(&session.stdout).into_owned();
        let said = machine.said();
        assert_eq!(session.status.code(), Some(7), "{shape:?}: {session:?}\n{said}");
        let deaf = shape.contains(&"--ignore-term");
        let ended = if deaf { "ended with -9" } else { "ended with -15" };
        let soon = text.contains("ended with -9") && said.contains("fell below half of the floor");
        assert!(text.contains(ended) || soon, "{shape:?}: {text}\n{said}");
        assert_eq!(oom_kills(), before, "{shape:?}: {said}");
    }
    let said = machine.leave();
    assert!(said.contains("): available memory "), "{said}");
    assert_eq!(said.matches("is gone, ").count(), 4, "{said}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn who_is_avoided_is_not_ended_and_who_is_preferred_goes_first() {
    let hold = |name: &str, mib: u64| {
        let copy = scratch(name);
        fs::copy(hog(), &copy).unwrap();
        let mut command = Command::new(&copy);
        command.args(["touch", "--cap", &format!("{mib}M")]).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let statm = format!("/proc/{}/statm", child.id());
        let resident = || {
            let text = fs::read_to_string(&statm).unwrap();
            text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
        };
        until("it holds it", || resident() >= mib << 20);
        child
    };
    let (mut kept, mut first) = (hold("kept", 400), hold("first", 100));
    let machine =
        OfMachine::start(&["--min-available", "30%", "--avoid", "kept*", "--prefer", "first*"]);
    let session = in_session(&[&hog(), "touch", "--cap", "4G"]);
    assert_eq!(session.status.code(), Some(7), "{session:?}\n{}", machine.said());
    let ended = first.wait().unwrap();
    let said = machine.leave();
    assert!(!ended.success(), "{ended:?}\n{said}");
    assert!(kept.try_wait().unwrap().is_none(), "{said}");
    kept.kill().unwrap();
    kept.wait().unwrap();
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn nobody_ends_or_limits_the_machine() {
    let machine = OfMachine::start(&["--min-available", "5%"]);
    for request in [
        &["terminate"][..],
        &["kill"],
        &["freeze"],
        &["set", "memory", "1G"],
        &["set", "timeout", "1s"],
        &["signal", "1", "TERM"],
    ] {
        let answer = machine.ctl(request);
        let error = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(
            !answer.status.success() && error.contains("detach lets it go"),
            "{request:?}: {error}"
        );
    }
    let status = machine.ctl(&["status"]);
    assert!(status.status.success(), "{status:?}");
    machine.leave();
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn each_process_of_the_machine_may_hold_so_much() {
    let machine = OfMachine::start(&["--min-available", "5%", "--process-memory", "350M"]);
    // The session itself holds 300 MiB, and is spared anyway.
    let session = in_session(&[&hog(), "step", "--rate", "200M", "--cap", "1G"]);
    let text = String::from_utf8_lossy(&session.stdout).into_owned();
    assert_eq!(session.status.code(), Some(7), "{session:?}\n{}", machine.said());
    assert!(text.contains("ended with -15"), "{text}\n{}", machine.said());
    assert!(machine.leave().contains("reached what each process may hold, 350.0M"));
}
