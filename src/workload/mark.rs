//! A mark that a process hands on to all that it starts, whatever they do: a limit of file locks (RLIMIT_LOCKS) that is one below
//! ours. Linux has not used it since 2.4.25 (getrlimit(2)), fork(2) and execve(2) keep it, and who has lowered it cannot raise it
//! again without CAP_SYS_RESOURCE.

use super::proc_file;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Puts it on this process. False where it cannot have it.
pub(super) fn put_on(pid: i32) -> bool {
    let ours = getrlimit(Resource::Locks);
    let limit = match ours.maximum {
        // The next number is "unlimited" itself.
        None => u64::MAX - 1,
        Some(0) => return false,
        Some(limit) => limit - 1,
    };
    let current = Some(ours.current.map_or(limit, |current| current.min(limit)));
    let Some(process) = Pid::from_raw(pid) else { return false };
    prlimit(Some(process), Resource::Locks, Rlimit { current, maximum: Some(limit) }).is_ok()
}

/// Whether it has it, or a further one of its own: its limit is not ours. `None` where that cannot be read.
pub(super) fn is_on(pid: i32) -> Option<bool> {
    let mut text = [0; 4096];
    let limits = proc_file::read(pid, "limits", &mut text).ok()??;
    let limit = hard_limit(std::str::from_utf8(limits).ok()?)?;
    Some(limit != getrlimit(Resource::Locks).maximum)
}

/// The limit of file locks in /proc/PID/limits (proc_pid_limits(5)), where `None` is unlimited.
fn hard_limit(limits: &str) -> Option<Option<u64>> {
    let values = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
    match values.split_whitespace().nth(1)? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    #[test]
    fn the_limit_is_the_second_number() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max address space         unlimited            unlimited            bytes     \n\
                      Max file locks            7                    18446744073709551614 locks     \n";
        assert_eq!(hard_limit(limits), Some(Some(u64::MAX - 1)));
        assert_eq!(
            hard_limit("Max file locks            unlimited            unlimited  locks\n"),
            Some(None)
        );
        assert_eq!(hard_limit("Max file locks            7\n"), None);
        assert_eq!(hard_limit(""), None);
    }

    /// Its children have it as well, in a session of their own and with an empty environment.
    #[test]
    fn it_is_handed_on() {
        let script =
            "read line; env -i setsid sh -c 'echo $$; exec sleep 100' & read line; kill $!";
        let mut bare = Command::new("sh");
        bare.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = bare.spawn().unwrap();
        let pid = shell.id().cast_signed();
        assert_eq!(is_on(pid), Some(false));
        assert!(put_on(pid));
        assert_eq!(is_on(pid), Some(true));
        let mut input = shell.stdin.take().unwrap();
        input.write_all(b"\n").unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(is_on(line.trim().parse().unwrap()), Some(true));
        drop(input);
        shell.wait().unwrap();
    }
}
