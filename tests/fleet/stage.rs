//! A place where nobody else's guardians are: a mount namespace with an empty /run and /tmp. Only root can make one.

#![allow(dead_code, reason = "each suite uses a part of it")]

use crate::support::pty::Pty;
use crate::support::{Run, Running, Scene, binary, eventually, is_root, skip, until};
use std::cell::RefCell;
use std::process::Command;

/// The scene's own directory is in /tmp and stays.
const SETUP: &str = r#"
mount -t tmpfs tmpfs /run && mkdir /run/kept && mount --bind "$1" /run/kept &&
mount -t tmpfs -o mode=1777 tmpfs /tmp && mkdir -p "$1" && mount --bind /run/kept "$1" &&
umount /run/kept && rmdir /run/kept || exit 99
echo ready; exec sleep 100000
"#;

/// The place. Ends with the test.
pub struct Stage {
    pub scene: Scene,
    holder: Option<Running>,
}

impl Stage {
    /// `None`, and a word about it, where it cannot be made.
    pub fn open() -> Option<Stage> {
        if !is_root() {
            skip("only root can mount");
            return None;
        }
        let scene = Scene::new();
        let mut shell = scene.program("unshare");
        let holder =
            Running::start(shell.args(["--mount", "sh", "-c", SETUP, "sh"]).arg(scene.dir()));
        holder.await_out("ready");
        Some(Stage { scene, holder: Some(holder) })
    }

    /// The words that run a program here.
    fn inside(&self) -> [String; 3] {
        let holder = self.holder.as_ref().unwrap().pid();
        ["nsenter".to_owned(), format!("--mount=/proc/{holder}/ns/mnt"), "--".to_owned()]
    }

    fn program(&self, words: &[&str]) -> Command {
        let inside = self.inside();
        let mut command = self.scene.program(&inside[0]);
        command.args(&inside[1..]).args(words);
        command
    }

    /// Starts a guardian, and waits until it is listed.
    pub fn guard(&self, name: &str, options: &[&str], command: &[&str]) -> Running {
        let binary = binary();
        let own = [&binary, "--plain", "--name", name];
        let running =
            Running::start(&mut self.program(&[&own[..], options, &["--"], command].concat()));
        until("it is listed", || self.ps(&[]).stdout().contains(&format!("{name} ")));
        running
    }

    /// Runs sentinel with these words.
    pub fn run(&self, words: &[&str]) -> Run {
        self.here(&binary(), words)
    }

    /// Runs any program here.
    pub fn here(&self, program: &str, words: &[&str]) -> Run {
        Running::start(&mut self.program(&[&[program], words].concat())).finish()
    }

    /// Starts sentinel with these words.
    pub fn start(&self, words: &[&str]) -> Running {
        let binary = binary();
        Running::start(&mut self.program(&[&[binary.as_str()], words].concat()))
    }

    /// Starts any program here.
    pub fn start_any(&self, words: &[&str]) -> Running {
        Running::start(&mut self.program(words))
    }

    /// `sentinel ps`.
    pub fn ps(&self, words: &[&str]) -> Run {
        self.run(&[&["ps"], words].concat())
    }

    /// `sentinel top` on a terminal of 24 by 200.
    pub fn top(&self, words: &[&str]) -> Screen {
        let (inside, binary) = (self.inside(), binary());
        let mut all: Vec<&str> = inside.iter().map(String::as_str).collect();
        all.extend(["env", "TERM=xterm", "LC_ALL=C.UTF-8", &binary, "top"]);
        all.extend(words);
        let terminal = vt100::Parser::new(24.try_into().unwrap(), 200.try_into().unwrap(), 0);
        Screen { pty: Pty::run(&self.scene, &all), seen: RefCell::new((terminal, 0)) }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It ends by this alone: the scene then finds nothing left.
        drop(self.holder.take());
    }
}

/// What a person sees.
pub struct Screen {
    pub pty: Pty,
    /// A terminal, and how much it was shown so far.
    seen: RefCell<(vt100::Parser, usize)>,
}

impl Screen {
    /// The screen a little later than at the last look: nothing that it showed is missed, however late we look.
    fn text(&self) -> String {
        let bytes = self.pty.screen.bytes();
        let (parser, read) = &mut *self.seen.borrow_mut();
        let until = bytes.len().min(*read + 2048);
        parser.process(&bytes[*read..until]);
        *read = until;
        parser.screen().contents()
    }

    /// The row that has this, once there is one.
    pub fn row(&self, needle: &str) -> String {
        let mut looks = 0;
        eventually(&format!("{needle:?} is on the screen"), || {
            let text = self.text();
            looks += 1;
            if looks % 1000 == 0 {
                eprintln!("no {needle:?} on:\n{text}");
            }
            text.lines().find(|line| line.contains(needle)).map(str::to_owned)
        })
    }

    /// Until the screen has all of these in one row.
    pub fn await_row(&self, needles: &[&str]) {
        let mut looks = 0;
        until(&format!("{needles:?} are in one row"), || {
            let text = self.text();
            looks += 1;
            if looks % 1000 == 0 {
                eprintln!("no {needles:?} on:\n{text}");
            }
            text.lines().any(|line| needles.iter().all(|needle| line.contains(needle)))
        });
    }

    /// Until it is nowhere.
    pub fn await_absence(&self, needle: &str) {
        until(&format!("{needle:?} is gone"), || !self.text().contains(needle));
    }

    pub fn keys(&mut self, keys: &str) {
        self.pty.type_text(keys);
    }
}
