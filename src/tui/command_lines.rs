//! Command lines for the process table, read here: the guardian must not, for the kernel may let a reader of
//! /proc/PID/cmdline wait for the process (proc_pid_cmdline(5)). A thread reads them, so that nobody waits with it.

use crate::report::escape::escape;
use crate::status::ProcessRow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::mpsc::{Receiver, Sender, channel};

/// As much of one as anybody reads.
const LENGTH: usize = 512;

/// A process and its name: one that changed its name is read again.
type Key = (u32, String);

/// Those read so far.
#[derive(Debug, Default)]
pub struct CommandLines {
    known: HashMap<Key, String>,
    reader: Option<Reader>,
}

/// The thread that reads, and how many it was asked for and has not told yet.
#[derive(Debug)]
struct Reader {
    ask: Sender<Key>,
    told: Receiver<(Key, Option<String>)>,
    open: usize,
}

impl CommandLines {
    /// Fills in the command lines of a new table as far as they are known; the others will be at one of the next.
    pub fn fill(&mut self, rows: &mut [ProcessRow]) {
        self.take_told();
        let mut known = HashMap::with_capacity(rows.len());
        let mut unknown = Vec::new();
        for row in rows {
            let key = (row.pid, row.name.clone());
            match self.known.remove(&key) {
                Some(line) => {
                    row.command.clone_from(&line);
                    known.insert(key, line);
                }
                None => unknown.push(key),
            }
        }
        self.known = known;
        self.ask(unknown);
    }

    fn take_told(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        while let Ok((key, line)) = reader.told.try_recv() {
            reader.open = reader.open.saturating_sub(1);
            self.known.extend(line.map(|line| (key, line)));
        }
    }

    /// One table at a time, so that a reader that has to wait is not asked for more and more.
    fn ask(&mut self, keys: Vec<Key>) {
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
    let (ask, asked) = channel::<Key>();
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

/// `None` for a process that is gone, or has none: a kernel thread, a zombie.
fn read(pid: u32) -> Option<String> {
    let mut text = [0u8; LENGTH];
    let length = File::open(format!("/proc/{pid}/cmdline"))
        .and_then(|mut file| file.read(&mut text))
        .ok()?;
    shown(&text[..length])
}

fn shown(text: &[u8]) -> Option<String> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    let mut words = text.split(|byte| *byte == 0);
    // Where a program lies is seldom what tells two apart.
    let program = words.next().and_then(|word| word.rsplit(|byte| *byte == b'/').next());
    let words: Vec<String> = program.into_iter().chain(words).map(escape).collect();
    (!text.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_and_escaped() {
        assert_eq!(
            shown(b"/usr/bin/python3\0a/b\0\x1b[2J\0").as_deref(),
            Some("python3 a/b \\u{1b}[2J")
        );
        assert_eq!(shown(b""), None);
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
