//! What is used of /proc/PID/stat (proc_pid_stat(5)): who lives, whose child it is, and whether its memory may have changed
//! since it was read before.

use super::proc_file;
use crate::cgroup::files;
use std::io;

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Neither a zombie nor gone.
    pub living: bool,
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
        Ok(proc_file::read(pid, "stat", text)?.and_then(Stat::parse))
    }

    /// The fields stand behind the name, which may hold anything.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let after = text.iter().rposition(|byte| *byte == b')')?;
        let mut stat = Stat::default();
        let (mut stack, mut code, mut heap) = (0, 0, 0);
        for (index, word) in text[after + 1..].split(|byte| *byte == b' ').skip(1).enumerate() {
            let number = || files::number(word).unwrap_or(0);
            match index + 3 {
                3 => stat.living = !matches!(word, b"Z" | b"X"),
                4 => stat.parent = i32::try_from(number()).unwrap_or(0),
                6 => stat.session = i32::try_from(number()).unwrap_or(0),
                7 => stat.terminal = number(),
                10 | 12 => stat.faults = stat.faults.saturating_add(number()),
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
