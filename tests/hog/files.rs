//! Shapes that use files of the working directory, which should be on a disk: what they take the kernel can take back, so
//! each of these is healthy. All end by themselves, and leave no file.

use crate::system::PAGE;
use anyhow::{Context, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use sentinel::units::{Bytes, MIB};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;

/// What a name that does not exist costs: a directory entry, and its 200 letters beside it.
const NAME_BYTES: u64 = 512;
pub const BLOCK: usize = 1 << 20;

/// Writes a file of this size and reads it twice.
pub fn cache(cap: Bytes) -> Result<()> {
    let mut file = written(cap)?;
    let mut buffer = vec![0_u8; BLOCK];
    for _ in 0..2 {
        file.rewind()?;
        while file.read(&mut buffer).context("read")? > 0 {}
    }
    Ok(())
}

/// Maps a file of this size and reads a byte of each page, twice.
#[expect(unsafe_code, reason = "mmap(2)")]
pub fn mapped(cap: Bytes) -> Result<()> {
    let file = written(cap)?;
    let size = NonZeroUsize::new(usize::try_from(cap.0)?).context("nothing to map")?;
    // SAFETY: a new mapping, wherever there is room.
    let address = unsafe { mmap(None, size, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &file, 0) }
        .context("mmap")?
        .cast::<u8>();
    let mut sum = 0_u64;
    for at in (0..size.get()).step_by(PAGE).chain((0..size.get()).step_by(PAGE)) {
        // SAFETY: within the mapping; the file has no other name by which it could be cut.
        sum += u64::from(unsafe { address.add(at).read_volatile() });
    }
    std::hint::black_box(sum);
    Ok(())
}

/// Asks for files that are not there, each by another long name: directory entries, all of which the kernel can drop.
pub fn names(cap: Bytes) -> Result<()> {
    for number in 0..cap.0 / NAME_BYTES {
        match fs::symlink_metadata(format!("{number:0>200}")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("look for a file"),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// A file of this size that never had a name.
pub fn written(cap: Bytes) -> Result<File> {
    let mut file = nameless(0)?;
    let block = vec![0x5a_u8; BLOCK];
    for _ in 0..cap.0 / MIB {
        file.write_all(&block).context("write")?;
    }
    Ok(file)
}

/// A file of the working directory that never had a name: who is ended at any time leaves none.
pub fn nameless(flags: i32) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(nix::libc::O_TMPFILE | flags);
    options.open(".").context("open a file without a name")
}
