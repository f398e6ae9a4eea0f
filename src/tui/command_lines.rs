//! Command lines for the process table, read here: the guardian must not, for the kernel may let a reader of
//! /proc/PID/cmdline wait for the process (proc_pid_cmdline(5)). A thread reads them, so that nobody waits with it.

use crate::command_line::read;
use crate::status::ProcessRow;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A process and its name: one with another name is another program at once. One that goes on to a program of the same name (a
/// shell that runs a shell) is seen by reading some again with each table: all of an ordinary workload, a part of a crowd.
type CacheKey = (u32, String);

/// So many are read again with each table.
const AGAIN: usize = 16;

/// Those read so far.
#[derive(Debug, Default)]
pub struct CommandLines {
    known: HashMap<CacheKey, String>,
    reader: Option<Reader>,
    /// Where those begin that are read again next.
    turn: usize,
}

/// The thread that reads, and how many it was asked for and has not told yet.
#[derive(Debug)]
struct Reader {
    ask: Sender<CacheKey>,
    told: Receiver<(CacheKey, Option<String>)>,
    open: usize,
}

impl CommandLines {
    /// Fills in the command lines of a new table as far as they are known; the others will be at one of the next.
    pub fn fill(&mut self, rows: &mut [ProcessRow]) {
        self.take_told();
        let mut known = HashMap::with_capacity(rows.len());
        let (mut keys, mut read) = (Vec::new(), Vec::new());
        for row in rows {
            let key = (row.pid, row.name.clone());
            if let Some(line) = self.known.remove(&key) {
                row.command.clone_from(&line);
                known.insert(key.clone(), line);
                read.push(key);
            } else {
                keys.push(key);
            }
        }
        self.known = known;
        let from = self.turn % read.len().max(1);
        self.turn = from + AGAIN;
        read.rotate_left(from);
        keys.extend(read.into_iter().take(AGAIN));
        self.ask(keys);
    }

    fn take_told(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        while let Ok((key, line)) = reader.told.try_recv() {
            reader.open = reader.open.saturating_sub(1);
            self.known.extend(line.map(|line| (key, line)));
        }
    }

    /// One table at a time, so that a reader that has to wait is not asked for more and more.
    fn ask(&mut self, keys: Vec<CacheKey>) {
        if keys.is_empty() {
            return;
        }
        if self.reader.is_none() {
            self.reader = start();
        }
        let Some(reader) = self.reader.as_mut().filter(|reader| reader.open == 0) else { return };
        reader.open = keys.into_iter().filter(|key| reader.ask.send(key.clone()).is_ok()).count();
    }
}

fn start() -> Option<Reader> {
    let (ask, asked) = channel::<CacheKey>();
    let (tell, told) = channel();
    let work = move || {
        while let Ok(key) = asked.recv() {
            let line = read(key.0);
            if tell.send((key, line)).is_err() {
                return;
            }
        }
    };
    // Nobody waits for it at the end: it may be waiting for a process.
    let thread = std::thread::Builder::new().name("command-lines".into()).spawn(work);
    thread.is_ok().then_some(Reader { ask, told, open: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that goes on to another one keeps number, start and name.
    #[test]
    fn a_program_of_the_same_name_is_seen_after_exec() {
        use std::io::Write as _;
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read go; exec /bin/sh -c 'read end; :' second"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let mut row = ProcessRow {
            pid,
            ppid: 1,
            name: "sh".to_owned(),
            state: 'S',
            rss: crate::units::Bytes(0),
            share_permille: 0,
            command: "sh".to_owned(),
            growth: None,
            cpu_permille: None,
        };
        let mut lines = CommandLines::default();
        let mut stdin = child.stdin.take().unwrap();
        for (wanted, typed) in [("sh -c read go", "go"), ("second", "end")] {
            let clock = crate::clock::Clock::start();
            while !row.command.contains(wanted) {
                assert!(clock.now().0.as_secs() < 60, "{wanted} is not in {}", row.command);
                lines.fill(std::slice::from_mut(&mut row));
                std::thread::yield_now();
            }
            writeln!(stdin, "{typed}").unwrap();
        }
        child.wait().unwrap();
    }

    #[test]
    fn our_own_is_found_and_a_stranger_keeps_the_name() {
        let row = |pid, name: &str| ProcessRow {
            pid,
            ppid: 1,
            name: name.to_owned(),
            state: 'R',
            rss: crate::units::Bytes(0),
            share_permille: 0,
            command: name.to_owned(),
            growth: None,
            cpu_permille: None,
        };
        let mut rows = [row(std::process::id(), "me"), row(u32::MAX, "gone")];
        let mut lines = CommandLines::default();
        lines.fill(&mut rows);
        assert_eq!(rows[0].command, "me");
        let reader = lines.reader.as_mut().unwrap();
        assert_eq!(reader.open, 2);
        for _ in 0..2 {
            let (key, line) = reader.told.recv().unwrap();
            lines.known.extend(line.map(|line| (key, line)));
        }
        reader.open = 0;
        lines.fill(&mut rows);
        let own = std::env::args().next().unwrap();
        let own = own.rsplit('/').next().unwrap();
        assert!(rows[0].command.starts_with(own), "{rows:?}");
        assert_eq!(rows[1].command, "gone");
    }
}
