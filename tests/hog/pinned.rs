//! Memory that `memory.stat` counts as page cache and that reclaim does not get.

use crate::files::written;
use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::unistd::pipe2;
use sentinel::units::{Bytes, MIB};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

/// The pages of a file, in pipes that nobody reads.
pub fn splice_pipes(cap: Bytes) -> Result<()> {
    let file = written(cap)?;
    file.sync_all().context("fsync")?;
    let (size, end) = (i32::try_from(MIB)?, i64::try_from(cap.0)?);
    let mut at = 0;
    while at < end {
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).context("pipe")?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(size)).context("make a pipe larger")?;
        while splice(&file, &mut at, &writer)? {}
        std::mem::forget((reader, writer));
    }
    std::mem::forget(file);
    Ok(())
}

/// False when no more goes in.
#[expect(unsafe_code, reason = "splice(2), for which nix wants a feature of its own")]
fn splice(file: &File, at: &mut i64, writer: &OwnedFd) -> Result<bool> {
    let (from, to) = (file.as_raw_fd(), writer.as_raw_fd());
    let (flags, length) = (libc::SPLICE_F_NONBLOCK, usize::try_from(MIB)?);
    // SAFETY: open descriptors, and a live local for the position.
    let moved = unsafe { libc::splice(from, at, to, std::ptr::null_mut(), length, flags) };
    Ok(moved > 0)
}
