//! Files that the kernel writes while they are read: they tell no size, so that asking for it first, as the standard library does, and
//! beginning with a small buffer costs more than the reading.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most are smaller.
const ROOM: usize = 16 << 10;
/// Of the smallest page that there is.
const HALF_PAGE: usize = 2048;

/// All that it says.
///
/// # Errors
/// As open(2) and read(2).
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?)
}

/// The same of a file that the kernel writes as one piece, as those of one record are: less than there is room for is all of it.
///
/// # Errors
/// As [`read`].
pub fn read_once(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read_piece(File::open(path)?)
}

/// The same of an open one.
///
/// # Errors
/// As read(2).
pub fn read_piece(mut file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; ROOM];
    let length = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let is_all = length < bytes.len();
    bytes.truncate(length);
    if !is_all {
        bytes.extend(read_all(file)?);
    }
    Ok(bytes)
}

/// The same of a list of numbers. The kernel hands out as many as go into a page, so that less than half of one is all (seq_read_iter() in
/// fs/seq_file.c).
///
/// # Errors
/// As read(2).
pub fn read_numbers(mut file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = read_piece(&mut file)?;
    if bytes.len() >= HALF_PAGE {
        bytes.extend(read_all(file)?);
    }
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// As [`read`]; `InvalidData` where it is none.
pub fn text(path: impl AsRef<Path>) -> io::Result<String> {
    into_text(read(path)?)
}

/// All that is left of an open one.
///
/// # Errors
/// As read(2).
pub fn read_all(mut file: impl Read) -> io::Result<Vec<u8>> {
    let (mut bytes, mut length) = (vec![0; ROOM], 0);
    loop {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length == bytes.len() {
            bytes.resize(length * 2, 0);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// As text.
///
/// # Errors
/// `InvalidData` where it is none.
pub fn into_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As files of /proc do, a little at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(buffer.len()).min(1000);
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    /// As lists of numbers do: a page at a time, but for what does not go into it as a whole.
    struct Paged<'a>(&'a [u8]);

    impl Read for Paged<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(buffer.len()).min(4090);
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn all_of_it_is_read() {
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, ROOM * 5] {
            let wanted: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            assert_eq!(read_all(Slow(&wanted)).unwrap(), wanted);
            assert_eq!(read_numbers(Paged(&wanted)).unwrap(), wanted);
        }
        assert_eq!(
            read("/proc/self/mountinfo").unwrap(),
            std::fs::read("/proc/self/mountinfo").unwrap()
        );
        assert!(
            read_once("/proc/self/cgroup").unwrap() == std::fs::read("/proc/self/cgroup").unwrap()
        );
        assert!(text("/proc/self/none").is_err() && into_text(vec![0xff]).is_err());
    }
}
