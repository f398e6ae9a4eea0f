//! The program that a program needs to be run: the interpreter of a script, the loader of a binary. Where it is missing, execve(2)
//! says of the program itself that there is no such file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The kernel reads no more of a first line (BINPRM_BUF_SIZE).
const LINE: u64 = 256;
/// `PT_INTERP` (elf(5)).
const INTERPRETER: u32 = 3;
/// No loader has a longer path.
const LONGEST: u64 = 4096;

/// The interpreter of the program at `path`, if it has one and it can be read.
pub(super) fn of(path: &Path) -> Option<PathBuf> {
    let mut file = File::open(path).ok()?;
    let mut head = Vec::new();
    (&mut file).take(LINE).read_to_end(&mut head).ok()?;
    match head.as_slice() {
        [b'#', b'!', line @ ..] => of_script(line),
        [0x7f, b'E', b'L', b'F', 2, 1, ..] => of_binary(&file, &head),
        _ => None,
    }
}

fn of_script(line: &[u8]) -> Option<PathBuf> {
    let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
    let word = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).next()?;
    (!word.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(word)))
}

/// Of 64 bits, little-endian.
fn of_binary(file: &File, head: &[u8]) -> Option<PathBuf> {
    let (table, size) = (number(head, 32, 8)?, number(head, 54, 2)?);
    (0..number(head, 56, 2)?).find_map(|index| {
        let mut entry = [0; 56];
        file.read_exact_at(&mut entry, table.checked_add(index * size)?).ok()?;
        if number(&entry, 0, 4)? != u64::from(INTERPRETER) {
            return None;
        }
        let length = number(&entry, 32, 8)?.min(LONGEST);
        let mut name = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut name, number(&entry, 8, 8)?).ok()?;
        let name = name.split(|byte| *byte == 0).next()?;
        (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name)))
    })
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let mut value = [0; 8];
    value.get_mut(..length)?.copy_from_slice(bytes.get(at..at + length)?);
    Some(u64::from_le_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        of(file.path()).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn scripts_name_it_in_their_first_line() {
        assert_eq!(script("#!/bin/sh\necho"), Some("/bin/sh".into()));
        assert_eq!(script("#! /usr/bin/env python3\n"), Some("/usr/bin/env".into()));
        assert_eq!(script("#!/no/such\t-x"), Some("/no/such".into()));
        for none in ["", "#!", "#!\n/bin/sh", "echo", "\u{7f}ELF", "\u{7f}ELF\u{2}\u{1}"] {
            assert_eq!(script(none), None, "{none:?}");
        }
    }

    #[test]
    fn binaries_name_their_loader_or_have_none() {
        let shell = Path::new("/bin/sh").canonicalize().unwrap();
        // A shell that is linked statically needs none.
        let named = of(&shell).map(|loader| loader.is_absolute());
        assert_ne!(named, Some(false));
    }
}
