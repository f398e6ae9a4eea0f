//! Whether a file that we are to write is one that our caller holds open: a standard stream, or what is behind /proc/self/fd. To empty it
//! would take what is in it already, and what is written to it afterwards by others would go over ours.

use std::fs::Metadata;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// So many descriptors are looked at, as `--json-fd` takes.
const MOST: RawFd = 64;
const STREAMS: [&str; 3] = ["standard input", "standard output", "standard error"];

/// The stream of our caller's that is this file, which we opened as `own`. Beyond the standard ones only where a link led to it: who
/// names a file by its own name means that.
pub fn holder(file: &Metadata, own: RawFd, by_link: bool) -> Option<String> {
    let last = if by_link { MOST } else { 3 };
    let same = |number: &RawFd| {
        let held = PathBuf::from(format!("/proc/self/fd/{number}")).metadata();
        held.is_ok_and(|held| (held.dev(), held.ino()) == (file.dev(), file.ino()))
    };
    let number = (0..last).filter(|number| *number != own).find(same)?;
    let stream = usize::try_from(number).ok().and_then(|number| STREAMS.get(number));
    Some(stream.map_or_else(|| format!("descriptor {number}"), |name| (*name).to_owned()))
}
