//! Names on a tmpfs: what they take is slab that counts as reclaimable and is pinned by the file system.

use crate::system::{SHM, own_tmpfs, repeat};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use sentinel::units::Bytes;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

/// What a name of 240 letters costs.
const LONG_NAME: u64 = 512;
/// What an inode costs, with its name.
const INODE: u64 = 1 << 10;
/// An extended attribute, and how many a file gets: older kernels search them one after the other.
const ATTRIBUTE: usize = 32 << 10;
const ATTRIBUTES: u64 = 64;

/// Hard links of one file.
pub fn links(cap: Bytes) -> Result<()> {
    own_tmpfs()?;
    let first = format!("{SHM}/first");
    drop(File::create(&first)?);
    repeat(cap.0, LONG_NAME, |number| Ok(fs::hard_link(&first, long_name(number))?))
}

/// Links to nowhere.
pub fn symlinks(cap: Bytes) -> Result<()> {
    own_tmpfs()?;
    let target = "x".repeat(100);
    repeat(cap.0, INODE, |number| Ok(symlink(&target, long_name(number))?))
}

/// Directories.
pub fn directories(cap: Bytes) -> Result<()> {
    own_tmpfs()?;
    repeat(cap.0, INODE, |number| Ok(fs::create_dir(long_name(number))?))
}

/// Empty files.
pub fn empty_files(cap: Bytes) -> Result<()> {
    own_tmpfs()?;
    repeat(cap.0, INODE, |number| Ok(File::create(long_name(number)).map(drop)?))
}

/// Extended attributes.
pub fn attributes(cap: Bytes) -> Result<()> {
    own_tmpfs()?;
    let value = vec![0x5a_u8; ATTRIBUTE];
    let mut file = File::create(long_name(0))?;
    repeat(cap.0, ATTRIBUTE as u64, |number| {
        if number % ATTRIBUTES == 0 {
            file = File::create(long_name(number))?;
        }
        set_attribute(&file, &format!("trusted.{number}"), &value)
    })
}

#[expect(unsafe_code, reason = "fsetxattr(2), which nix does not have")]
fn set_attribute(file: &File, name: &str, value: &[u8]) -> Result<()> {
    let (fd, name) = (file.as_raw_fd(), CString::new(name)?);
    // SAFETY: a text and a value that live as long as the call, with their length.
    let outcome =
        unsafe { libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(outcome).map(drop).context("fsetxattr")
}

pub fn long_name(number: u64) -> String {
    format!("{SHM}/{number:0>240}")
}
