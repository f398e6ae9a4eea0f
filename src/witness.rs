//! A process that reads what can take long: the mappings of a process of the workload. Reading them waits for a lock that a
//! process in trouble holds for as long as it likes, so the guardian asks and goes on, and takes what has come by the end.

use crate::escape::escape;
use crate::report::post_mortem::{Mapping, Mappings};
use crate::units::Bytes;
use nix::sys::signal::SigSet;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};

/// The hidden verb that runs it.
pub const VERB: &str = "__witness";

/// So many mappings are told of.
const LARGEST: usize = 12;
/// Names of files are cut to so many characters.
const NAME: usize = 200;

/// Answers each process id on standard input with one line of JSON, until that ends.
pub fn run() -> u8 {
    // Signals of the terminal are not for it; it ends with its input.
    let _ = SigSet::all().thread_block();
    let _ = std::fs::write("/proc/self/comm", "sentinel-witness");
    crate::sys::inherited::close_from(3);
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut word = [0; 4];
    while input.read_exact(&mut word).is_ok() {
        let line = mappings_of(i32::from_le_bytes(word));
        let line = serde_json::to_string(&line).unwrap_or_else(|_| "null".to_owned());
        if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
            break;
        }
    }
    0
}

fn mappings_of(pid: i32) -> Option<Mappings> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let smaps = BufReader::new(std::fs::File::open(format!("/proc/{pid}/smaps")).ok()?);
    let largest = added_up(smaps);
    let pid = u32::try_from(pid).ok()?;
    let name = escape(name.trim_end().as_bytes());
    (!largest.is_empty()).then_some(Mappings { pid, name, largest })
}

/// Mappings of one name count as one (proc_pid_smaps(5)).
fn added_up(smaps: impl BufRead) -> Vec<Mapping> {
    let mut found: HashMap<Vec<u8>, Mapping> = HashMap::new();
    let mut current = Vec::new();
    for line in smaps.split(b'\n').map_while(Result::ok) {
        if let Some(name) = name_of(&line) {
            current = name;
            let mapping = found.entry(current.clone()).or_insert_with(|| Mapping {
                name: crate::escape::escape_cut(&current, NAME),
                count: 0,
                size: Bytes(0),
                rss: Bytes(0),
                swap: Bytes(0),
            });
            mapping.count += 1;
        } else if let (Some(mapping), Some((field, bytes))) =
            (found.get_mut(&current), field(&line))
        {
            match field {
                b"Size" => mapping.size = mapping.size.saturating_add(bytes),
                b"Rss" => mapping.rss = mapping.rss.saturating_add(bytes),
                b"Swap" => mapping.swap = mapping.swap.saturating_add(bytes),
                _ => {}
            }
        }
    }
    let mut all: Vec<Mapping> = found.into_values().collect();
    all.sort_by(|a, b| (b.rss, b.size, &a.name).cmp(&(a.rss, a.size, &b.name)));
    all.truncate(LARGEST);
    all
}

/// `7f00-7f01 rw-p 00000000 00:00 0   [heap]`: what is mapped there.
fn name_of(line: &[u8]) -> Option<Vec<u8>> {
    let first = line.split(|b| *b == b' ').next()?;
    let is_range =
        first.contains(&b'-') && first.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    if !is_range {
        return None;
    }
    let mut rest = line;
    for _ in 0..5 {
        let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        rest = rest[end..].trim_ascii_start();
    }
    Some(if rest.is_empty() { b"anonymous".to_vec() } else { rest.to_vec() })
}

/// `Rss:    12 kB`.
fn field(line: &[u8]) -> Option<(&[u8], Bytes)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let value = std::str::from_utf8(line[colon + 1..].trim_ascii()).ok()?;
    let kib: u64 = value.strip_suffix(" kB")?.parse().ok()?;
    Some((&line[..colon], Bytes(kib.saturating_mul(1024))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &[u8] = b"55d0-55d1 r-xp 00000000 fe:00 1234   /usr/bin/a program\nSize: 4 kB\nRss: 4 kB\nSwap: 0 kB\n\
        55d2-55d3 rw-p 00001000 fe:00 1234   /usr/bin/a program\nSize: 8 kB\nRss: 4 kB\n\
        7f00-7f80 rw-p 00000000 00:00 0 \nSize: 1000 kB\nRss: 900 kB\nSwap: 50 kB\nVmFlags: rd wr\nTHPeligible:    0\n\
        7fa0-7fa1 rw-p 00000000 00:00 0   [heap]\nSize: 16 kB\nRss: 16 kB\n";

    #[test]
    fn mappings_of_one_name_count_as_one_and_the_largest_come_first() {
        let all = added_up(SMAPS);
        let shown: Vec<_> = all
            .iter()
            .map(|m| (m.name.as_str(), m.count, m.size.0 >> 10, m.rss.0 >> 10, m.swap.0 >> 10))
            .collect();
        assert_eq!(
            shown,
            [
                ("anonymous", 1, 1000, 900, 50),
                ("[heap]", 1, 16, 16, 0),
                ("/usr/bin/a program", 2, 12, 8, 0),
            ]
        );
    }

    #[test]
    fn our_own_can_be_read() {
        let own = mappings_of(std::process::id().cast_signed()).unwrap();
        assert!(own.largest.iter().any(|mapping| mapping.rss.0 > 0), "{own:?}");
        assert_eq!(mappings_of(-1), None);
    }
}
