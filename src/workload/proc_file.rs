//! Files of /proc/PID, read without allocation. Says apart whose process is gone from what could not be read.

use std::fs::File;
use std::io::{self, Read, Write};

/// What the file says, as far as it fits; `None` when there is no such process, or it is not ours to see (hidepid of
/// proc_pid(5)).
///
/// # Errors
/// When it cannot be read: without free descriptors, say.
pub fn read<'a>(pid: i32, name: &str, text: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    let mut path = [0u8; 48];
    let room = path.len();
    let mut rest = &mut path[..];
    write!(rest, "/proc/{pid}/{name}")?;
    let length = room - rest.len();
    let path = std::str::from_utf8(&path[..length]).map_err(|_| io::ErrorKind::InvalidInput)?;
    let read = File::open(path).and_then(|mut file| read_some(&mut file, text));
    match read {
        Ok(length) => Ok(Some(&text[..length])),
        Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(None)
        }
        Err(error) => Err(error),
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
