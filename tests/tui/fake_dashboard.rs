//! The dashboard with a made-up guardian: `fake_dashboard SCENARIO [-- COMMAND…]`.
//! Scenarios: `short` (over at once), `steady` (until `terminate` or `kill` is asked), `leak` (through the limit and to the end).

#[path = "sample.rs"]
mod sample;

#[path = "pseudo_terminal.rs"]
mod pseudo_terminal;

use nix::sys::signal::{SigSet, Signal};
use sentinel::clock::{Clock, Timestamp};
use sentinel::status::{Level, State, Status, WatchLine};
use sentinel::tui::{Options, run};
use sentinel::units::{Bytes, parse_duration};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const STEP_MS: u64 = 200;

fn main() -> anyhow::Result<()> {
    // As the dashboard does, but for the guardian's threads too: they would be ended by what is meant for it.
    [Signal::SIGTERM, Signal::SIGHUP].into_iter().collect::<SigSet>().thread_block()?;
    let mut args = std::env::args().skip(1);
    let scenario = args.next().unwrap_or_else(|| "leak".into());
    let command: Vec<String> = args.skip_while(|arg| arg != "--").skip(1).collect();
    let (ours, theirs) = UnixStream::pair()?;
    let (pty, child) = match command.as_slice() {
        [] => (None, None),
        words => {
            let (master, slave) = pseudo_terminal::open()?;
            (Some(master), Some(start(words, slave)?))
        }
    };
    let guardian = std::thread::spawn(move || Guardian::new(ours, child).play(&scenario));
    let mut options = Options::new(theirs, pty);
    options.rehearse_panic = std::env::var_os("__SENTINEL_PANIC").is_some();
    if let Ok(quiet) = std::env::var("__SENTINEL_QUIET") {
        options.quiet = parse_duration(&quiet)?;
    }
    let shown = run(options);
    guardian.join().map_err(|_| anyhow::anyhow!("the fake guardian panicked"))?;
    println!("fake_dashboard: over");
    shown.map(drop)
}

/// Runs the command with `slave` as its controlling terminal.
fn start(words: &[String], slave: OwnedFd) -> std::io::Result<Child> {
    let mut command = Command::new("setsid");
    command.arg("--ctty").args(words);
    command.stdin(Stdio::from(slave.try_clone()?)).stdout(Stdio::from(slave.try_clone()?));
    command.stderr(Stdio::from(slave)).spawn()
}

struct Guardian {
    stream: UnixStream,
    requests: Receiver<String>,
    clock: Clock,
    status: Status,
    child: Option<Child>,
}

impl Guardian {
    fn new(stream: UnixStream, child: Option<Child>) -> Self {
        let (sender, requests) = channel();
        if let Ok(reader) = stream.try_clone() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
                lines.try_for_each(|line| sender.send(line))
            });
        }
        Guardian { stream, requests, clock: Clock::start(), status: sample::status(0, 20), child }
    }

    /// Plays to the end; a dashboard that left ends it too.
    fn play(mut self, scenario: &str) {
        let first = self.requests.recv();
        assert_eq!(first.as_deref(), Ok("watch json"), "the dashboard asks to watch first");
        match scenario {
            "short" => self.wait_for_child(),
            "steady" => self.go_on(|_, _| false),
            _ => self.go_on(leak),
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Closing would not do: the thread that reads has the stream too.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn wait_for_child(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }

    fn say(&mut self, line: &WatchLine) -> bool {
        let text = serde_json::to_string(line);
        text.is_ok_and(|text| self.stream.write_all(format!("{text}\n").as_bytes()).is_ok())
    }

    fn tell(&mut self, level: Level, text: &str) {
        let at_ms = self.status.uptime_ms;
        let _ = self.say(&sample::event(at_ms, level, text));
    }

    fn go_on(&mut self, step: fn(&mut Guardian, Timestamp) -> bool) {
        self.tell(Level::Info, "kernel tier: cgroup /sys/fs/cgroup/sentinel-4000");
        self.tell(Level::Info, "limit 100.0M, second line 127.0M, ceiling 132.0M");
        loop {
            let now = self.clock.now();
            self.status.uptime_ms = u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX);
            self.status.usage = Some(sample::usage(self.status.uptime_ms));
            let over = step(self, now);
            if !self.say(&sample::line(self.status.clone())) || over {
                return;
            }
            match self.requests.recv_timeout(Duration::from_millis(STEP_MS)) {
                Ok(request) if self.answer(&request) => return,
                Ok(_) | Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// True when the request ends the run.
    fn answer(&mut self, request: &str) -> bool {
        let (ok, text) = match request.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["freeze"] => (true, self.freeze(true)),
            ["thaw"] => (true, self.freeze(false)),
            ["set", "memory", size] => match size.parse::<Bytes>() {
                Ok(size) => {
                    self.status.limits = sample::limits(size.0 >> 20);
                    (true, format!("memory limit is {size}"))
                }
                Err(error) => (false, error.to_string()),
            },
            ["set", "grace", time] => match parse_duration(time) {
                Ok(time) => {
                    self.status.limits.grace_ms = u64::try_from(time.as_millis()).unwrap_or(0);
                    (true, format!("grace period is {time:?}"))
                }
                Err(error) => (false, error.to_string()),
            },
            ["terminate" | "kill"] => return true,
            _ => (false, format!("unknown request {request:?}")),
        };
        self.tell(Level::Info, &format!("request: {request}"));
        let _ = self.say(&WatchLine::Reply { ok, text });
        false
    }

    fn freeze(&mut self, on: bool) -> String {
        self.status.frozen = on;
        if on { "frozen" } else { "thawed" }.to_owned()
    }
}

/// Grows by a few MiB a second to the limit, is told to end, does not, is killed.
fn leak(guardian: &mut Guardian, now: Timestamp) -> bool {
    let ms = u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX);
    let wave = [0, 3, 5, 3, 1, 6, 2, 4][usize::try_from(ms / 700 % 8).unwrap_or(0)];
    let mib = 20 + ms / 250 + wave;
    guardian.status.memory = sample::memory(mib);
    guardian.status.growth = 4 << 20;
    let left = 100u64.saturating_sub(mib) * 250;
    guardian.status.forecast_ms = (left < 15_000).then_some(left);
    let before = guardian.status.state;
    let breach = 20_000;
    let state = match ms {
        _ if ms < breach => State::Running,
        _ if ms < breach + 3000 => State::Terminating,
        _ if ms < breach + 4000 => State::Killing,
        _ => State::Ended,
    };
    guardian.status.state = state;
    guardian.status.kill_in_ms = (state == State::Terminating).then(|| breach + 3000 - ms);
    if state != before {
        guardian.status.reason = Some(format!("footprint {mib}.0M reached the limit 100.0M"));
        let level = if state == State::Ended { Level::Info } else { Level::Error };
        guardian.tell(level, &format!("{state:?}: footprint {mib}.0M reached the limit"));
    } else if ms / STEP_MS == 60 {
        guardian.tell(Level::Warning, "80% of the limit is in use");
    }
    state == State::Ended
}
