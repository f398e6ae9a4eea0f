//! A terminal with the real dashboard on it, and an emulator that shows what a person would see.

use crate::support::pty::pair;
use crate::support::{PATIENCE, Scene, binary};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{Termios, tcgetattr};
use rustix::termios::{Winsize, tcsetwinsize};
use sentinel::clock::Clock;
use std::fs::{File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

/// Keys go to the command (`i`), and no more (Ctrl-]).
pub const FOCUS: &str = "i";
pub const UNFOCUS: &str = "\x1d";
pub const ENTER_SCREEN: &[u8] = b"\x1b[?1049h";
pub const LEAVE_SCREEN: &[u8] = b"\x1b[?1049l";

/// The terminal.
pub struct Stage {
    master: File,
    slave: File,
    before: Termios,
    child: Child,
    emulator: vt100::Parser,
    /// All that was written to the terminal.
    pub raw: Vec<u8>,
}

impl Stage {
    /// Sentinel with this command on a terminal of that size.
    pub fn open(scene: &Scene, (rows, columns): (u16, u16), command: &[&str]) -> Stage {
        Stage::open_with(scene, (rows, columns), &[], command)
    }

    /// The same with options.
    pub fn open_with(
        scene: &Scene,
        (rows, columns): (u16, u16),
        options: &[&str],
        command: &[&str],
    ) -> Stage {
        let socket = scene.text_path("s.socket");
        let own = ["--name", scene.name(), "--socket", &socket];
        let binary = binary();
        let words = [&[&*binary], &own[..], options, &["--"], command].concat();
        Stage::run(scene, (rows, columns), &words)
    }

    /// Any program.
    pub fn run(scene: &Scene, (rows, columns): (u16, u16), words: &[&str]) -> Stage {
        Stage::on(scene, pair(rows, columns), &["--ctty", "--wait"], words)
    }

    /// Any program on a terminal that nobody may open by its name, which may be its controlling one.
    pub fn borrowed(
        scene: &Scene,
        (rows, columns): (u16, u16),
        controlling: bool,
        words: &[&str],
    ) -> Stage {
        let (master, slave) = pair(rows, columns);
        slave.set_permissions(Permissions::from_mode(0o0)).unwrap();
        // root has its way with any file, unless it gives that up.
        let humble = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        let humble = if nix::unistd::Uid::effective().is_root() { &humble[..] } else { &[] };
        let words = [humble, words].concat();
        let options = if controlling { &["--ctty", "--wait"][..] } else { &["--wait"] };
        Stage::on(scene, (master, slave), options, &words)
    }

    fn on(scene: &Scene, (master, slave): (File, File), options: &[&str], words: &[&str]) -> Stage {
        let before = tcgetattr(&slave).unwrap();
        let size = rustix::termios::tcgetwinsize(&slave).unwrap();
        let stream = || Stdio::from(slave.try_clone().unwrap());
        let mut setsid = scene.program("setsid");
        setsid.args(options).args(words).current_dir(scene.dir());
        // As on a console: the pane is an xterm all the same.
        setsid.env("TERM", "linux").env("LC_ALL", "C.UTF-8").env("COLUMNS", "7").env("LINES", "3");
        let child = setsid.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        let (rows, columns) = (size.ws_row.try_into().unwrap(), size.ws_col.try_into().unwrap());
        let emulator = vt100::Parser::new(rows, columns, 0);
        Stage { master, slave, before, child, emulator, raw: Vec::new() }
    }

    /// What a person sees.
    pub fn screen(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// Reads what there is within so many milliseconds. False once nobody writes any more.
    pub fn read_some(&mut self, milliseconds: u16) -> bool {
        let mut bytes = [0; 65536];
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(milliseconds)).unwrap_or(0) == 0 {
            return true;
        }
        let length = self.master.read(&mut bytes).unwrap_or(0);
        self.emulator.process(&bytes[..length]);
        self.raw.extend_from_slice(&bytes[..length]);
        length > 0
    }

    /// Reads only so many bytes, as a slow line would. Gives how many there were.
    pub fn read_few(&mut self, count: usize) -> usize {
        let mut bytes = vec![0; count];
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) == 0 {
            return 0;
        }
        let length = self.master.read(&mut bytes).unwrap_or(0);
        self.emulator.process(&bytes[..length]);
        self.raw.extend_from_slice(&bytes[..length]);
        length
    }

    /// Reads until the screen is as wanted.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&vt100::Screen) -> bool) {
        let clock = Clock::start();
        while !holds(self.emulator.screen()) {
            let shown = self.emulator.screen().contents();
            assert!(clock.now().0 < PATIENCE, "waited in vain: {what}; shown:\n{shown}");
            self.read_some(20);
        }
    }

    /// Reads until this is somewhere on the screen.
    #[track_caller]
    pub fn until_shown(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    /// Reads until this was written.
    #[track_caller]
    pub fn until_written(&mut self, bytes: &[u8]) {
        let clock = Clock::start();
        while !holds(&self.raw, bytes) {
            let shown = self.emulator.screen().contents();
            assert!(clock.now().0 < PATIENCE, "never written: {bytes:?}; shown:\n{shown}");
            self.read_some(20);
        }
    }

    pub fn type_text(&self, text: &str) {
        (&self.master).write_all(text.as_bytes()).unwrap();
    }

    /// Keys to the command from now on. The pane is made as large as it gets first.
    #[track_caller]
    pub fn focus(&mut self) {
        self.until_shown("i types into it");
        self.type_text("z");
        self.until("the pane is large", |screen| {
            let top = screen.contents().lines().take(4).collect::<String>();
            top.contains("i types into it")
        });
        self.type_text(FOCUS);
        self.until_shown("keys go to the command");
    }

    /// Another size.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
        if let (Ok(rows), Ok(columns)) = (rows.try_into(), columns.try_into()) {
            self.emulator.set_size(rows, columns);
        }
    }

    /// The text, colours and place of what stands first on the screen.
    #[track_caller]
    pub fn cell_of(&self, text: &str) -> vt100::Cell {
        let screen = self.screen();
        let (rows, columns) = screen.size();
        for row in 0..rows.get() {
            let cells: Vec<_> =
                (0..columns.get()).filter_map(|column| screen.cell(row, column)).collect();
            let line: Vec<&str> = cells.iter().map(|cell| cell.contents()).collect();
            for at in 0..line.len() {
                if line[at..].concat().starts_with(text) {
                    return cells[at].clone();
                }
            }
        }
        panic!("{text:?} is not on the screen:\n{}", screen.contents());
    }

    /// The program: setsid becomes it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the terminal has the modes that it began with.
    pub fn is_as_before(&self) -> bool {
        let now = tcgetattr(&self.slave).unwrap();
        now.local_flags == self.before.local_flags
            && now.input_flags == self.before.input_flags
            && now.output_flags == self.before.output_flags
    }

    /// The program's end, while somebody reads the terminal.
    #[track_caller]
    pub fn finish(&mut self) -> ExitStatus {
        let clock = Clock::start();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let shown = self.emulator.screen().contents();
            assert!(clock.now().0 < PATIENCE, "it does not end; shown:\n{shown}");
            self.read_some(20);
        };
        while self.has_more() {
            self.read_some(0);
        }
        status
    }

    /// The program's end, while nobody does: how long that took.
    #[track_caller]
    pub fn finish_unread(&mut self) -> Duration {
        let clock = Clock::start();
        crate::support::until("it ends", || self.child.try_wait().unwrap().is_some());
        clock.now().0
    }

    fn has_more(&self) -> bool {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) > 0
    }

    /// It ended without a trace: old modes, and the normal screen with the cursor shown.
    #[track_caller]
    pub fn assert_as_before(&self) {
        assert!(self.is_as_before(), "the terminal's modes are not as before");
        let screen = self.screen();
        let last = &self.raw[self.raw.len().saturating_sub(600)..];
        let last = String::from_utf8_lossy(last);
        assert!(!screen.alternate_screen() && !screen.hide_cursor(), "the screen is not: {last:?}");
        assert!(!screen.bracketed_paste(), "pastes are marked: {last:?}");
        let mouse = screen.mouse_protocol_mode();
        assert_eq!(mouse, vt100::MouseProtocolMode::None, "the mouse is told: {last:?}");
    }
}

/// Whether `bytes` is somewhere in `all`.
pub fn holds(all: &[u8], bytes: &[u8]) -> bool {
    all.windows(bytes.len()).any(|window| window == bytes)
}

/// The children of a process, in the order of their numbers.
pub fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The dashboard of a guardian, if it has one.
pub fn dashboard_of(guardian: u32) -> Option<u32> {
    children(guardian).into_iter().find(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains("__dashboard")
    })
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The session's leader; its terminal hangs up with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
