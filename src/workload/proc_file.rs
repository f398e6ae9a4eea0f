//! Files of /proc/PID, read without allocation. Says apart whose process is gone from what could not be read.

use std::fs::File;
use std::io::{self, Read, Write};

/// What the file says, as far as it fits; `None` when there is no such process, or it is not ours to see (hidepid of
/// proc_pid(5)).
///
/// # Errors
/// When it cannot be read: without free descriptors, say.
pub fn read<'a>(pid: i32, name: &str, text: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    match attempt(pid, name, text) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The same, saying why there is nothing.
///
/// # Errors
/// As open(2) and read(2); EACCES where the file is not for us to read.
pub fn attempt<'a>(pid: i32, name: &str, text: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let length =
        open(format_args!("/proc/{pid}/{name}")).and_then(|mut file| read_some(&mut file, text))?;
    Ok(&text[..length])
}

/// Opens a file or directory by a path that is made without allocation.
///
/// # Errors
/// As open(2).
pub fn open(path: std::fmt::Arguments<'_>) -> io::Result<File> {
    with_path(path, |path| File::open(path))
}

/// Makes a path without allocation.
///
/// # Errors
/// What the use of it gives.
pub fn with_path<T>(
    path: std::fmt::Arguments<'_>,
    then: impl FnOnce(&str) -> io::Result<T>,
) -> io::Result<T> {
    let mut text = [0u8; 64];
    let room = text.len();
    let mut rest = &mut text[..];
    rest.write_fmt(path)?;
    let length = room - rest.len();
    then(std::str::from_utf8(&text[..length]).map_err(|_| io::ErrorKind::InvalidInput)?)
}

/// Hands out each line of a file that may be longer than the buffer. A line that is longer is left out.
///
/// # Errors
/// As open(2) and read(2).
pub fn each_line(
    pid: i32,
    name: &str,
    text: &mut [u8],
    mut each: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut file = open(format_args!("/proc/{pid}/{name}"))?;
    let mut kept = 0;
    loop {
        let length = match read_some(&mut file, &mut text[kept..])? {
            0 => return Ok(()),
            read => kept + read,
        };
        let end = text[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text[..end].split(|byte| *byte == b'\n').for_each(&mut each);
        text.copy_within(end..length, 0);
        kept = if length - end == text.len() { 0 } else { length - end };
    }
}

/// One read, begun again when a signal or a debugger came in between.
///
/// # Errors
/// As read(2).
pub fn read_some(file: &mut File, text: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(text) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whether processes of other users are not for us to see: `hidepid` of proc_pid(5), found by the first process, which is always
/// there. Not root's to ask, who sees all, and neither is it that of a container whose first process is ours.
pub fn hides_others() -> bool {
    attempt(1, "stat", &mut [0]).is_err()
}

/// Whether the process, or the cgroup, does not exist any more.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ESRCH | nix::libc::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_is_no_error() {
        let mut text = [0; 64];
        assert!(read(i32::MAX, "stat", &mut text).unwrap().is_none());
        let own = nix::unistd::getpid().as_raw();
        let found = read(own, "stat", &mut text).unwrap().unwrap();
        assert!(found.starts_with(own.to_string().as_bytes()));
    }
}
