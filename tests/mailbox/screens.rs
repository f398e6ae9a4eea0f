//! A dashboard whose terminal takes nothing more: the guardian answers and ends the workload all the same.

use crate::clients::all_answer;
use crate::support::process::Heard;
use crate::support::pty::pair;
use crate::support::{Running, Scene, eventually, is_alive, parent, until};
use nix::sys::termios::{FlowArg, tcflow};
use std::fs::File;
use std::process::{Child, Stdio};

/// Sentinel with its dashboard on a terminal that nobody looks at.
struct Screen {
    master: File,
    slave: File,
    child: Child,
}

impl Screen {
    fn open(scene: &Scene, options: &[&str], command: &[&str]) -> Screen {
        let (master, slave) = pair(24, 80);
        let terminal = || Stdio::from(slave.try_clone().unwrap());
        let socket = scene.text_path("s.socket");
        let mut program = scene.program("setsid");
        program.args(["--ctty", "--wait", &crate::support::binary(), "--name", scene.name()]);
        program.args(["--socket", &socket]).args(options).arg("--").args(command);
        program.env("TERM", "xterm").stdin(terminal()).stdout(terminal()).stderr(terminal());
        let child = program.spawn().unwrap();
        scene.await_mailbox();
        until("the command runs", || !scene.ask("status").stdout().contains("state      starting"));
        Screen { master, slave, child }
    }

    /// The dashboard's process: the guardian's child of the same name.
    fn dashboard(&self) -> u32 {
        let guardian = self.child.id();
        eventually("the dashboard runs", || {
            let pids = std::fs::read_dir("/proc").unwrap().flatten();
            let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
            pids.find(|pid| {
                let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                parent(*pid) == Some(guardian)
                    && String::from_utf8_lossy(&words).contains(sentinel::dashboard::VERB)
            })
        })
    }

    fn finish(mut self, status: i32) {
        let ended = eventually("it ends", || self.child.try_wait().unwrap());
        assert_eq!(ended.code(), Some(status));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints without end, so that there is always something to draw.
const CHATTY: [&str; 3] =
    ["sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"];

#[test]
fn a_terminal_that_nobody_reads() {
    let scene = Scene::new();
    let screen = Screen::open(&scene, &[], &CHATTY);
    screen.dashboard();
    all_answer(&scene, "state      running, up ");
    scene.ask("terminate").expect(0);
    screen.finish(143);
}

#[test]
fn a_terminal_that_was_stopped() {
    let scene = Scene::new();
    let screen = Screen::open(&scene, &[], &CHATTY);
    let (_screen, _) = Heard::to(screen.master.try_clone().unwrap());
    screen.dashboard();
    tcflow(&screen.slave, FlowArg::TCOOFF).unwrap();
    all_answer(&scene, "state      running, up ");
    scene.ask("freeze").expect(0);
    all_answer(&scene, "state      running, frozen, up ");
    scene.ask("thaw").expect(0);
    scene.ask("terminate").expect(0);
    screen.finish(143);
}

#[test]
fn a_dashboard_that_is_stopped() {
    let scene = Scene::new();
    let screen = Screen::open(&scene, &[], &CHATTY);
    let (_screen, _) = Heard::to(screen.master.try_clone().unwrap());
    crate::support::send(screen.dashboard(), nix::libc::SIGSTOP);
    all_answer(&scene, "state      running, up ");
    scene.ask("terminate").expect(0);
    screen.finish(143);
}

/// Then the guardian itself passes on what the command prints, to a terminal that takes nothing.
#[test]
fn a_dashboard_that_died_on_a_terminal_that_nobody_reads() {
    let scene = Scene::new();
    let screen = Screen::open(&scene, &[], &CHATTY);
    let dashboard = screen.dashboard();
    all_answer(&scene, "state      running, up ");
    crate::support::send(dashboard, nix::libc::SIGKILL);
    until("it is gone", || !is_alive(dashboard));
    for _ in 0..3 {
        all_answer(&scene, "state      running, up ");
    }
    scene.ask("terminate").expect(0);
    screen.finish(143);
}

/// The command has its own terminal and nothing else that is ours.
#[test]
fn with_a_dashboard_no_descriptor_of_ours_leaks() {
    let scene = Scene::new();
    let script = "cd /proc/$$/fd && echo * > \"$0\" && exec sleep $1";
    let (direct, guarded) = (scene.text_path("direct"), scene.text_path("guarded"));
    let screen = Screen::open(&scene, &[], &["sh", "-c", script, &guarded, "100000"]);
    let (_screen, _) = Heard::to(screen.master.try_clone().unwrap());
    until("the list is made", || scene.read("guarded").ends_with('\n'));
    Running::start(scene.program("sh").args(["-c", script, &direct, "0"])).finish().expect(0);
    assert_eq!(scene.read("guarded"), scene.read("direct"));
    scene.ask("kill").expect(0);
    screen.finish(137);
}
