//! Command lines for the process table, read here: the guardian must not, for the kernel may let a reader of
//! /proc/PID/cmdline wait for the process (proc_pid_cmdline(5)).

use crate::report::escape::escape;
use crate::status::ProcessRow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;

/// As much of one as anybody reads.
const LENGTH: usize = 512;

/// Those read so far. A process that changed its name is read again.
#[derive(Debug, Default)]
pub struct CommandLines {
    known: HashMap<(u32, String), String>,
}

impl CommandLines {
    /// Fills in the command lines of a new table.
    pub fn fill(&mut self, rows: &mut [ProcessRow]) {
        let mut known = HashMap::with_capacity(rows.len());
        for row in rows {
            let key = (row.pid, row.name.clone());
            let line = self.known.remove(&key).or_else(|| read(row.pid));
            if let Some(line) = line {
                row.command.clone_from(&line);
                known.insert(key, line);
            }
        }
        self.known = known;
    }
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
        CommandLines::default().fill(&mut rows);
        let own = std::env::args().next().unwrap();
        let own = own.rsplit('/').next().unwrap();
        assert!(rows[0].command.starts_with(own), "{rows:?}");
        assert_eq!(rows[1].command, "gone");
    }
}
