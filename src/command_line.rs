//! A process's command line for people. The guardian must not read it: the kernel may let a reader of /proc/PID/cmdline wait for the
//! process (proc_pid_cmdline(5)). Those who may wait do so in a thread.

use crate::clock::Clock;
use crate::escape::{escape, tame};
use crate::status::ProcessRow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::mpsc::channel;
use std::time::Duration;

/// As much of one as anybody reads.
const LENGTH: usize = 512;

/// `None` for a process that is gone, or has none: a kernel thread, a zombie.
pub fn read(pid: u32) -> Option<String> {
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

/// Fills in the command lines of a table, as far as they can be had within `patience`. A number that is somebody else's here (another
/// PID namespace) is known by its name.
pub fn fill(rows: &mut [ProcessRow], patience: Duration) {
    let (tell, told) = channel();
    let asked: Vec<(u32, String)> = rows.iter().map(|row| (row.pid, row.name.clone())).collect();
    let work = move || {
        for (pid, name) in asked {
            let line = is_called(pid, &name).then(|| read(pid)).flatten();
            if tell.send((pid, line)).is_err() {
                return;
            }
        }
    };
    if std::thread::Builder::new().name("command-lines".into()).spawn(work).is_err() {
        return;
    }
    let clock = Clock::start();
    let mut lines = HashMap::new();
    while let Ok((pid, line)) = told.recv_timeout(patience.saturating_sub(clock.now().0)) {
        lines.extend(line.map(|line| (pid, line)));
    }
    for row in rows {
        if let Some(line) = lines.remove(&row.pid) {
            row.command = line;
        }
    }
}

fn is_called(pid: u32, name: &str) -> bool {
    let comm = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    // The row's was made safe once more on its way.
    tame(&escape(comm)) == tame(name)
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
    fn only_a_process_of_that_name_is_looked_at() {
        let name = std::fs::read_to_string("/proc/self/comm").unwrap();
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
        let own = std::process::id();
        let mut rows = [row(own, name.trim()), row(own, "another"), row(u32::MAX, "gone")];
        fill(&mut rows[1..], Duration::from_secs(60));
        assert_eq!((rows[1].command.as_str(), rows[2].command.as_str()), ("another", "gone"));
        fill(&mut rows[..1], Duration::from_secs(60));
        let program = std::env::args().next().unwrap();
        assert!(rows[0].command.starts_with(program.rsplit('/').next().unwrap()), "{rows:?}");
    }
}
