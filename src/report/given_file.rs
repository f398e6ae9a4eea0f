//! A file of ours that somebody names, to be read: opened without waiting for anybody.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::statfs::{FsType, fstatfs};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Where pipes are that have no name (linux/magic.h).
const PIPEFS: FsType = FsType(0x5049_5045);

/// Opens a regular file, or a pipe that our caller holds already: standard input, or `<(COMMAND)` of a shell. A pipe with a name may
/// have no writer ever.
///
/// # Errors
/// It cannot be opened, or is something else.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(explain)?;
    let data = file.metadata()?;
    let kind = data.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        () if kind.is_fifo() && is_held(&file, &data)? => {
            // Its writer may take its time.
            fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
            Ok(file)
        }
        () if kind.is_fifo() => {
            Err(io::Error::other("it is a named pipe: give a file, or /dev/stdin"))
        }
        () => Err(io::Error::other("it is not a regular file")),
    }
}

fn explain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENXIO) => io::Error::other("it is a socket, or a missing device"),
        _ => error,
    }
}

fn is_held(file: &File, data: &Metadata) -> io::Result<bool> {
    let input = nix::sys::stat::fstat(io::stdin())?;
    let is_input = (data.dev(), data.ino()) == (input.st_dev, input.st_ino);
    Ok(is_input || fstatfs(file)?.filesystem_type() == PIPEFS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd as _;

    fn refused(path: &Path) -> String {
        open(path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_file_is_named_and_nobody_is_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let (pipe, socket) = (place.path().join("pipe"), place.path().join("socket"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(refused(&pipe), "it is a named pipe: give a file, or /dev/stdin");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(refused(&socket), "it is a socket, or a missing device");
        assert_eq!(refused(Path::new("/dev/zero")), "it is not a regular file");
        assert!(refused(place.path()).contains("directory"));
    }

    #[test]
    fn a_pipe_that_we_hold_is_read_to_its_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        let mut file = open(Path::new(&path)).unwrap();
        let late = std::thread::spawn(move || writer.write_all(b"text").unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        late.join().unwrap();
        assert_eq!(text, "text");
    }
}
