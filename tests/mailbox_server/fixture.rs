//! Directories, a server driven by hand with any time, and a guardian that serves in a thread.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use sentinel::clock::{Clock, Timestamp};
use sentinel::control::protocol::{Request, help_text};
use sentinel::control::runtime_dir::Roots;
use sentinel::control::server::{Access, ClientId, Server};
use sentinel::control::socket::{Mailbox, Owner, SocketChoice, open_mailbox_in};
use sentinel::status::{Counters, Limits, Memory, SCHEMA_VERSION, State, Status, Tier, WatchLine};
use sentinel::units::{Bytes, Limit};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

/// Nothing in these tests takes this long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn me() -> Owner {
    Owner { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() }
}

pub fn access() -> Access {
    Access { owner_uid: me().uid, others_may_read: false }
}

/// A directory with a public `tmp` and a `run`, as on a machine.
pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("mbx").tempdir().unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(dir.path(), 0o755);
        for (name, mode) in [("tmp", 0o1777), ("run", 0o755), ("session", 0o700)] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            set(&dir.path().join(name), mode);
        }
        Place { dir }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn roots(&self) -> Roots {
        Roots { tmp: self.path("tmp"), run: self.path("run"), session: Some(self.path("session")) }
    }

    pub fn open(&self, choice: SocketChoice, pid: u32) -> Mailbox {
        open_mailbox_in(&self.roots(), choice, me(), "work", pid).unwrap()
    }

    /// Where the default socket is.
    pub fn default_path(&self) -> PathBuf {
        self.path("tmp/sentinel.socket")
    }
}

/// A server that is turned by hand.
pub struct Driven {
    pub server: Server,
    pub place: Place,
}

impl Driven {
    pub fn new() -> Self {
        let place = Place::new();
        let mailbox = place.open(SocketChoice::Default, 1);
        assert_eq!(mailbox.notices, Vec::<String>::new());
        Driven { server: Server::new(mailbox, access()).unwrap(), place }
    }

    pub fn connect(&self) -> UnixStream {
        connect(&self.place.default_path())
    }

    /// True if the guardian's loop would call a turn right away.
    pub fn is_ready(&self) -> bool {
        let mut fds = [PollFd::new(self.server.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
    }

    /// Turns until there is nothing to do at this time; a server that never gets there spins.
    pub fn turn(&mut self, now: Timestamp) -> Vec<(ClientId, Request)> {
        let mut requests = self.server.turn(now);
        for _ in 0..1000 {
            let due = self.server.next_deadline().is_some_and(|deadline| deadline <= now);
            if !self.is_ready() && !due {
                return requests;
            }
            requests.extend(self.server.turn(now));
        }
        panic!("the server has something to do for ever");
    }
}

pub fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that comes until the end.
pub fn read_all(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Asks as a program does: one line, then reads to the end.
pub fn ask(path: &Path, line: &[u8]) -> String {
    let mut stream = connect(path);
    stream.write_all(line).unwrap();
    read_all(&mut stream)
}

/// A guardian in a thread of its own, which answers every request with a text of its own.
pub struct Guardian {
    pub place: Place,
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<Vec<String>>>,
}

/// The answer to `ps`: more than any socket buffer holds.
pub const LONG_ANSWER: usize = 700 << 10;

impl Guardian {
    pub fn start() -> Self {
        Self::start_with(access())
    }

    pub fn start_with(access: Access) -> Self {
        let place = Place::new();
        let mailbox = place.open(SocketChoice::Default, 1);
        let server = Server::new(mailbox, access).unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || serve(server, &stopped));
        Guardian { place, stop: Some(stop), thread: Some(thread) }
    }

    pub fn path(&self) -> PathBuf {
        self.place.default_path()
    }

    /// Ends it and returns the lines that it would have logged.
    pub fn stop(mut self) -> Vec<String> {
        self.end()
    }

    fn end(&mut self) -> Vec<String> {
        drop(self.stop.take());
        self.thread.take().map(|thread| thread.join().unwrap()).unwrap_or_default()
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

fn serve(mut server: Server, stopped: &UnixStream) -> Vec<String> {
    let clock = Clock::start();
    let mut log = Vec::new();
    loop {
        let due = server.next_deadline().map(|deadline| deadline.since(clock.now()));
        let timeout = due.map_or(PollTimeout::NONE, |due| {
            PollTimeout::try_from(due + Duration::from_millis(1)).unwrap()
        });
        let mut fds = [
            PollFd::new(server.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, timeout).unwrap();
        if fds[1].revents().is_some_and(|events| !events.is_empty()) {
            server.shutdown().unwrap();
            return log;
        }
        for (id, request) in server.turn(clock.now()) {
            answer(&mut server, id, request);
        }
        log.extend(server.take_notices());
    }
}

fn answer(server: &mut Server, id: ClientId, request: Request) {
    if request == Request::Help {
        server.reply(id, true, help_text().to_owned());
    } else if request == (Request::Ps { json: false }) {
        server.reply(id, true, "p".repeat(LONG_ANSWER));
    } else if request == Request::Thaw {
        server.reply(id, false, "it is not frozen".to_owned());
    } else if request.verb() == "watch" {
        server.publish(&status_line());
    } else {
        server.reply(id, true, format!("you said {}", request.verb()));
    }
}

pub fn status_line() -> WatchLine {
    WatchLine::Status { status: Box::new(status()), processes: None }
}

pub fn status() -> Status {
    Status {
        schema: SCHEMA_VERSION,
        version: "0.0.0".to_owned(),
        name: "python3".to_owned(),
        guardian_pid: 1,
        guardian_rss: None,
        child_pid: 2,
        tree_pid: None,
        command: vec!["work".to_owned()],
        tier: Tier::Kernel,
        placement: Some("plain".to_owned()),
        tier_reason: String::new(),
        cgroup: None,
        started_unix_ms: Some(1_700_000_000_000),
        uptime_ms: 1000,
        state: State::Running,
        frozen: false,
        dry_run: false,
        reason: None,
        breach: None,
        breach_left_ms: None,
        process_ending: None,
        kill_in_ms: None,
        limits: Limits {
            limit: Bytes::mib(100),
            trip_wire: Limit::At(100 << 20),
            relief_line: Bytes::mib(108),
            second_line: Bytes::mib(124),
            ceiling: Bytes::mib(132),
            swap: Limit::At(0),
            swap_room: Limit::At(0),
            pids: Limit::Max,
            grace_ms: 3000,
            timeout_ms: None,
            min_available: None,
        },
        memory: Memory::default(),
        growth: 0,
        forecast_ms: None,
        pressure: None,
        events: Counters::default(),
        warned: false,
        processes: 1,
        processes_ended: 0,
        usage: None,
    }
}

/// Notes that something was not tested, where the runner wants to know of it. In the test machine nothing may be missing.
pub fn skipped(why: &str) {
    assert_ne!(std::env::var("SENTINEL_VM").as_deref(), Ok("1"), "{why}");
    eprintln!("skipped: {why}");
    if let Some(log) = std::env::var_os("SENTINEL_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
        writeln!(log, "{why}").unwrap();
    }
}

/// A socket on which nobody listens, nor ever did. What another test is about to exec holds a copy of every descriptor for a moment: a
/// listener that was dropped would be alive in it.
pub fn dead_socket(path: &Path) {
    let socket =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
}
