//! What is used of /proc/PID/stat (proc_pid_stat(5)): who lives, whose child it is, and whether its memory may have changed
//! since it was read before.
//!
//! A process whose first thread has ended while others go on (pthread_exit(3) in `main`) is a zombie there; of its memory the files
//! of a living thread tell, which are at /proc/TID as well (proc_pid(5)).

use super::list::{each_entry, number};
use super::proc_file::{self, is_gone};
use crate::cgroup::files;
use std::io;

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Neither a zombie nor gone.
    pub living: bool,
    /// Its first thread has ended, and others go on.
    pub headless: bool,
    /// Whose files in /proc tell of its memory: its own number, or a thread's.
    pub reader: i32,
    /// The parent.
    pub parent: i32,
    /// The session: the process id of who leads it.
    pub session: i32,
    /// The session's terminal; 0 where it has none.
    pub terminal: u64,
    /// Minor and major page faults of all its threads. Copy-on-write moves these alone: the resident set stays as large.
    pub faults: u64,
    /// Size of the address space, bytes.
    pub size: u64,
    /// Resident pages.
    pub resident: u64,
    /// When it started, clock ticks since boot: with its number, who it is.
    pub start: u64,
    /// Where program, heap and stack begin, in one number: random for each execve(2), inherited by fork(2). 0 where we may not
    /// know (ptrace access mode, do_task_stat() in fs/proc/array.c).
    pub layout: u64,
}

impl Stat {
    /// Reads it; `None` when there is no such process.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(pid: i32, text: &mut [u8]) -> io::Result<Option<Stat>> {
        let Some(stat) = proc_file::read(pid, "stat", text)?.and_then(Stat::parse) else {
            return Ok(None);
        };
        let stat = Stat { reader: pid, ..stat };
        if stat.headless { looked_up(pid, stat, text).map(Some) } else { Ok(Some(stat)) }
    }

    /// The fields stand behind the name, which may hold anything.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let after = text.iter().rposition(|byte| *byte == b')')?;
        let mut stat = Stat::default();
        let (mut stack, mut code, mut heap) = (0, 0, 0);
        let mut is_zombie = false;
        for (index, word) in text[after + 1..].split(|byte| *byte == b' ').skip(1).enumerate() {
            let number = || files::number(word).unwrap_or(0);
            match index + 3 {
                3 => {
                    is_zombie = word == b"Z";
                    stat.living = !matches!(word, b"Z" | b"X");
                }
                4 => stat.parent = i32::try_from(number()).unwrap_or(0),
                6 => stat.session = i32::try_from(number()).unwrap_or(0),
                7 => stat.terminal = number(),
                10 | 12 => stat.faults = stat.faults.saturating_add(number()),
                20 => stat.headless = is_zombie && number() > 1,
                22 => stat.start = number(),
                23 => stat.size = number(),
                24 => stat.resident = number(),
                26 => code = number(),
                28 => stack = number(),
                47 => heap = number(),
                _ => {}
            }
        }
        if stack != 0 {
            stat.layout = stack ^ code.rotate_left(17) ^ heap.rotate_left(37);
        }
        (stat.start != 0).then_some(stat)
    }

    /// Whether this is the same program of the same process.
    pub fn is_same_program(&self, before: &Stat) -> bool {
        self.start == before.start && self.layout == before.layout
    }

    /// Whether nothing was touched, mapped or taken since.
    pub fn is_unmoved(&self, since: &Stat) -> bool {
        let of = |stat: &Stat| (stat.faults, stat.size, stat.resident);
        of(self) == of(since)
    }
}

/// The same with what a living thread tells. Where there is none, the process is dead. Allocates nothing.
///
/// # Errors
/// The threads cannot be listed: without free descriptors, say.
fn looked_up(pid: i32, mut stat: Stat, text: &mut [u8]) -> io::Result<Stat> {
    let threads = match proc_file::open(format_args!("/proc/{pid}/task")) {
        Ok(threads) => threads,
        Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(stat);
        }
        Err(error) => return Err(error),
    };
    let mut result = Ok(());
    each_entry(&threads, |name| {
        if stat.living || result.is_err() {
            return;
        }
        let Some(thread) = number(name).filter(|thread| *thread != pid) else { return };
        match proc_file::read(thread, "stat", text) {
            Ok(told) => take(&mut stat, thread, told.and_then(Stat::parse)),
            Err(error) => result = Err(error),
        }
    })?;
    result.map(|()| stat)
}

fn take(stat: &mut Stat, thread: i32, told: Option<Stat>) {
    let Some(told) = told.filter(|told| told.living) else { return };
    (stat.living, stat.reader) = (true, thread);
    (stat.size, stat.resident, stat.layout) = (told.size, told.resident, told.layout);
}

/// Whose files in /proc tell of the memory of a process: its own number, where its first thread lives.
pub fn reader_of(pid: i32) -> i32 {
    let stat = Stat::of(pid, &mut [0; 2048]).ok().flatten();
    stat.map_or(pid, |stat| stat.reader)
}

/// The parent of a process that is there and no zombie.
pub(super) fn parent_of(pid: i32, text: &mut [u8]) -> io::Result<Option<i32>> {
    Ok(Stat::of(pid, text)?.filter(|stat| stat.living).map(|stat| stat.parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_that_holds_anything() {
        let mut text = b"12 (a) Z 1) (b) S 7 12 12 0 -1 4194560 100 5 3 1 2 2 0 0 20 0 1 0 777 8192 33 18446744073709551615 10 20 30".to_vec();
        text.extend(b" 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 40 50 60 70 80 90 100 0\n");
        let stat = Stat::parse(&text).unwrap();
        assert!(stat.living);
        assert_eq!((stat.parent, stat.faults, stat.start), (7, 103, 777));
        assert_eq!((stat.session, stat.terminal), (12, 0));
        assert_eq!((stat.size, stat.resident), (8192, 33));
        assert_eq!(stat.layout, 30 ^ 10u64.rotate_left(17) ^ 60u64.rotate_left(37));
        assert_eq!(Stat::parse(b"12 (x"), None);
    }

    #[test]
    fn an_exec_is_another_program_and_a_fork_is_not() {
        let mut text = [0; 2048];
        let own = i32::try_from(std::process::id()).unwrap();
        let stat = Stat::of(own, &mut text).unwrap().unwrap();
        assert!(stat.living && stat.layout != 0 && stat.is_same_program(&stat));
        assert!(!stat.is_same_program(&Stat { layout: 1, ..stat }));
        assert_eq!(Stat::of(i32::MAX, &mut text).unwrap(), None);
    }
}
