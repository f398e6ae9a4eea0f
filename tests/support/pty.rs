//! A terminal with somebody at it: types, reads what is shown.

use super::eventually;
use super::process::Heard;
use super::scene::Scene;
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use rustix::termios::Winsize;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, ExitStatus, Stdio};

/// Ctrl-C, Ctrl-Z.
pub const INTERRUPT: &str = "\x03";
pub const SUSPEND: &str = "\x1a";

/// A session on a pseudo-terminal of its own.
pub struct Pty {
    keyboard: File,
    pub screen: Heard,
    /// What was shown before this is done with.
    seen: usize,
    child: Child,
}

impl Pty {
    /// Runs a program as the leader of a session whose terminal it is.
    pub fn run(scene: &Scene, words: &[&str]) -> Pty {
        let (master, slave) = pair(24, 200);
        let slave = || Stdio::from(slave.try_clone().unwrap());
        let mut command = scene.program("setsid");
        command.args(["--ctty", "--wait"]).args(words).env("TERM", "dumb");
        let child = command
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .current_dir(scene.dir())
            .spawn()
            .unwrap();
        let (screen, _) = Heard::to(master.try_clone().unwrap());
        Pty { keyboard: master, screen, seen: 0, child }
    }

    /// An interactive shell with job control and the prompt `$ `, and `s` for sentinel with the scene's options.
    pub fn shell(scene: &Scene, shell: &[&str]) -> Pty {
        let options = scene.options().join(" ");
        let script = format!("s() {{ {} {options} \"$@\"; }}\n", super::binary());
        let setup = scene.write("setup.sh", script);
        let mut pty = Pty::run(scene, shell);
        pty.type_line(&format!("PS1='re''ady> '; . {setup}"));
        pty.await_text("ready> ");
        pty
    }

    pub fn type_text(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    pub fn type_line(&mut self, line: &str) {
        self.type_text(line);
        self.type_text("\n");
    }

    /// Waits until `needle` is shown, and goes on behind it. What is typed is shown too: a needle must not be in it.
    pub fn await_text(&mut self, needle: &str) -> String {
        let from = self.seen;
        let mut shown = String::new();
        let found = eventually_or(&format!("{needle:?} is shown"), || {
            let bytes = self.screen.bytes();
            shown = String::from_utf8_lossy(&bytes[from..]).into_owned();
            let at = bytes[from..].windows(needle.len()).position(|w| w == needle.as_bytes())?;
            Some((at, String::from_utf8_lossy(&bytes[from..from + at]).into_owned()))
        });
        let Some((at, before)) = found else { panic!("{needle:?} is not shown in: {shown}") };
        self.seen = from + at + needle.len();
        before
    }

    /// What the shell prints for a text in which `%` is split, so that the echo of what is typed does not match.
    pub fn ask(&mut self, text: &str) -> String {
        self.type_line(&format!("echo \"<\"\"{text}\"\">\""));
        self.await_text("<");
        loop {
            let answer = self.await_text(">");
            if !answer.contains('"') {
                self.await_text("ready> ");
                return answer;
            }
            self.await_text("<");
        }
    }

    /// Leaves the shell.
    pub fn leave(mut self) {
        self.type_line("exit");
        self.finish();
    }

    /// The program's end.
    pub fn finish(mut self) -> ExitStatus {
        let ended = eventually_or("it ends", || self.child.try_wait().unwrap());
        ended.unwrap_or_else(|| panic!("it does not end: {}", self.screen.text()))
    }

    /// The program's process, leader of the session.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `fg`, and waits until the shell has handed the terminal over: what is typed before can get lost.
    pub fn bring_forward(&mut self) {
        self.type_line("fg");
        super::until("the job has the terminal", || self.foreground() != self.pid());
    }

    /// The process group in the terminal's foreground.
    pub fn foreground(&self) -> u32 {
        nix::unistd::tcgetpgrp(&self.keyboard).map_or(0, |group| group.as_raw().try_into().unwrap())
    }
}

/// Both ends of a new pseudo-terminal: somebody's keyboard and screen, and the program's terminal. No other test's process gets
/// them, as it could between an openpty(3) and the flag.
pub fn pair(rows: u16, columns: u16) -> (File, File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname_r(&master).unwrap();
    let master = File::from(OwnedFd::from(master));
    let noctty = OFlag::O_NOCTTY.bits();
    let slave = File::options().read(true).write(true).custom_flags(noctty).open(name).unwrap();
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&slave, size).unwrap();
    (master, slave)
}

/// As [`eventually`], but the caller says what was there instead.
fn eventually_or<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = sentinel::clock::Clock::start();
    eventually(what, || match look() {
        Some(found) => Some(Some(found)),
        None if clock.now().0 * 10 > super::PATIENCE * 9 => Some(None),
        None => None,
    })
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The session's leader; its terminal hangs up with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
