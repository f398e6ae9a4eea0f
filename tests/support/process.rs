//! A process that is watched to its end: its streams are read all the time, and it must end in time.

use super::{PATIENCE, eventually, found_by, send};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What came so far from a stream.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    fn listen(&self, mut stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let heard = self.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                heard.0.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        })
    }

    /// A pseudo-terminal or pipe that is read until it ends.
    pub fn to(stream: impl Read + Send + 'static) -> (Heard, JoinHandle<()>) {
        let heard = Heard::default();
        let reader = heard.listen(stream);
        (heard, reader)
    }
}

/// A process that runs.
pub struct Running {
    child: Child,
    pub out: Heard,
    pub err: Heard,
    readers: Vec<JoinHandle<()>>,
    ended: bool,
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (out, err) = (Heard::default(), Heard::default());
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|stream| out.listen(stream)));
        readers.extend(child.stderr.take().map(|stream| err.listen(stream)));
        Running { child, out, err, readers, ended: false }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&self, signal: i32) {
        send(self.pid(), signal);
    }

    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until stdout has `needle`.
    pub fn await_out(&self, needle: &str) {
        self.await_text(&self.out, needle);
    }

    /// Waits until stderr has `needle`.
    pub fn await_err(&self, needle: &str) {
        self.await_text(&self.err, needle);
    }

    fn await_text(&self, heard: &Heard, needle: &str) {
        let what = || format!("{needle:?} is said; what was said:\n{}", heard.text());
        found_by(what, || heard.text().contains(needle).then_some(()));
    }

    /// The first line of stdout that begins with `word`, less the word: how a workload names its process.
    pub fn number_after(&self, word: &str) -> u32 {
        eventually(&format!("{word} and a number"), || {
            let text = self.out.text();
            let (complete, _) = text.rsplit_once('\n')?;
            let rest = complete.lines().find_map(|line| line.strip_prefix(word))?;
            rest.split_whitespace().next()?.parse().ok()
        })
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its end, in time, with all that it said.
    pub fn finish(mut self) -> Run {
        drop(self.child.stdin.take());
        let what = format!("process {} ends; so far it said {}", self.pid(), self.err.text());
        let status = eventually(&what, || self.child.try_wait().unwrap());
        self.ended = true;
        self.collect(status)
    }

    /// The streams end with the last process that has them, which is the workload's.
    fn collect(&mut self, status: ExitStatus) -> Run {
        for reader in self.readers.drain(..) {
            eventually("its streams end", || reader.is_finished().then_some(()));
        }
        Run { status, out: self.out.bytes(), stderr: self.err.text() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // The test fails already or ends it by itself: no process stays.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a run gave.
pub struct Run {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub stderr: String,
}

impl Run {
    /// The exit status; -N for signal N.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| -self.status.signal().unwrap_or(0))
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Fails unless it ended with this status.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(self.code(), code, "{self:?}");
        self
    }

    /// Fails unless stderr has this.
    #[track_caller]
    pub fn says(self, needle: &str) -> Run {
        assert!(self.stderr.contains(needle), "no {needle:?} in {self:?}");
        self
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.stdout();
        let cut = shown.chars().take(2000).collect::<String>();
        write!(
            f,
            "{} (patience {PATIENCE:?})\n--- stdout\n{cut}\n--- stderr\n{}",
            self.status, self.stderr
        )
    }
}
