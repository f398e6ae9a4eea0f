//! What can take long to read: the mappings of a process of the workload. Reading them waits for a lock that a process in trouble
//! holds for as long as it likes, so the guardian asks and goes on, and takes what has come by the end. The keeper hears the
//! question, and has a process of its own answer it: most runs ask none, and the guardian forks nothing while it guards.

use crate::clock::Clock;
use crate::escape::escape;
use crate::report::post_mortem::{Mapping, Mappings};
use crate::sys::attendant::{self, AttendantEnds, Given};
use crate::units::Bytes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// So many mappings are told of.
const LARGEST: usize = 12;
/// Names of files are cut to so many characters.
const NAME: usize = 200;
/// Questions in a run: each may leave a process that waits.
const QUESTIONS: u8 = 4;
/// The answers have this long when all is over.
const PATIENCE: Duration = Duration::from_millis(300);
/// No answer is longer: twelve names, each character of which may be escaped.
const ANSWER: usize = 64 << 10;
/// The number of the question, and a process.
const QUESTION: usize = 5;

/// The guardian's end of the line.
#[derive(Debug)]
pub struct Witness {
    line: OwnedFd,
    asked: u8,
}

impl Witness {
    /// A line, and its other end for the keeper.
    ///
    /// # Errors
    /// Without descriptors.
    pub fn hire() -> io::Result<(Witness, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (line, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Witness { line, asked: 0 }, other))
    }

    /// Asks for the mappings of a process. Never waits.
    pub fn ask(&mut self, pid: u32) {
        if self.asked == QUESTIONS {
            return;
        }
        let mut question = [self.asked; QUESTION];
        question[1..].copy_from_slice(&pid.to_le_bytes());
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        if send(self.line.as_raw_fd(), &question, flags).is_ok() {
            self.asked += 1;
        }
    }

    /// The answer to the last question that was answered, or is in time.
    pub fn mappings(self) -> Option<Mappings> {
        let (clock, mut buffer) = (Clock::start(), vec![0; ANSWER]);
        let mut last: Option<(u8, Mappings)> = None;
        for _ in 0..self.asked {
            let left = PATIENCE.saturating_sub(clock.now().0);
            let Some(length) = self.receive(&mut buffer, left) else { break };
            let Some((number, json)) = buffer[..length].split_first() else { break };
            let found = serde_json::from_slice::<Option<Mappings>>(json).ok().flatten();
            if let Some(found) = found
                && last.as_ref().is_none_or(|(then, _)| then < number)
            {
                last = Some((*number, found));
            }
        }
        last.map(|(_, mappings)| mappings)
    }

    fn receive(&self, buffer: &mut [u8], patience: Duration) -> Option<usize> {
        let mut ready = [PollFd::new(self.line.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        poll(&mut ready, patience).ok().filter(|count| *count > 0)?;
        recv(self.line.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT).ok()
    }
}

/// In the keeper: takes a question and has it answered, by a process that may wait. False when nobody asks any more.
pub fn answer(line: BorrowedFd<'_>) -> bool {
    let mut question = [0; QUESTION];
    match recv(line.as_raw_fd(), &mut question, MsgFlags::MSG_DONTWAIT) {
        Ok(QUESTION) => {}
        Ok(_) => return false,
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => return true,
        Err(_) => return false,
    }
    let [number, pid @ ..] = question;
    attendant::leave_children_alone();
    let given = Given { input: line, output: line, third: None };
    // Without it the mappings are missing, and nothing else.
    let _ = attendant::start(c"sentinel-witness", given, |held| {
        testify(&held, number, i32::from_le_bytes(pid))
    });
    true
}

/// In a process of its own.
fn testify(line: &AttendantEnds, number: u8, pid: i32) -> u8 {
    attendant::die_with_parent();
    let mut answer = vec![number];
    let written = serde_json::to_writer(&mut answer, &mappings_of(pid));
    let sent = written
        .is_ok_and(|()| send(line.output.as_raw_fd(), &answer, MsgFlags::MSG_NOSIGNAL).is_ok());
    u8::from(!sent)
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

    /// The keeper's part by a thread: a process that has several is not forked here.
    #[test]
    fn the_answer_to_the_last_question_counts() {
        let (mut witness, line) = Witness::hire().unwrap();
        for _ in 0..QUESTIONS + 3 {
            witness.ask(std::process::id());
        }
        let mappings = |name: &str| {
            let mapping = Mapping {
                name: "x".into(),
                count: 1,
                size: Bytes(1),
                rss: Bytes(1),
                swap: Bytes(0),
            };
            Some(Mappings { pid: 7, name: name.into(), largest: vec![mapping] })
        };
        for number in [0, 3, 1, 2] {
            let mut question = [0; QUESTION];
            assert_eq!(recv(line.as_raw_fd(), &mut question, MsgFlags::empty()), Ok(QUESTION));
            assert_eq!(question[1..], std::process::id().to_le_bytes());
            let told = if number == 2 { None } else { mappings(&number.to_string()) };
            let mut answer = vec![number];
            serde_json::to_writer(&mut answer, &told).unwrap();
            send(line.as_raw_fd(), &answer, MsgFlags::empty()).unwrap();
        }
        let more = recv(line.as_raw_fd(), &mut [0; QUESTION], MsgFlags::MSG_DONTWAIT);
        assert_eq!(more, Err(nix::Error::EAGAIN), "no more than it may leave behind");
        assert_eq!(witness.mappings().unwrap().name, "3");
        let (mut alone, other) = Witness::hire().unwrap();
        drop(other);
        alone.ask(1);
        assert_eq!(alone.mappings(), None);
    }

    #[test]
    fn our_own_can_be_read() {
        let own = mappings_of(std::process::id().cast_signed()).unwrap();
        assert!(own.largest.iter().any(|mapping| mapping.rss.0 > 0), "{own:?}");
        assert_eq!(mappings_of(-1), None);
    }
}
