//! What the guardian leaves to its keeper: a file in memory, written over whenever something changes, and read when the
//! guardian is gone. In tiers without a cgroup it names the processes of the workload too, as the last look found them.

use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

/// So many numbers of eight bytes are the orders.
const FIELDS: usize = 7;
const BYTES: usize = FIELDS * 8;
/// The list of processes begins at a page of its own.
const LIST_AT: u64 = 4096;
/// More processes than any workload in these tiers has.
const MOST: usize = 1 << 16;

/// How far the guardian was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was sent.
    #[default]
    Watching,
    /// SIGTERM was sent; SIGKILL is due then, in milliseconds of the guardian's clock.
    Terminating(u64),
    /// SIGKILL was sent.
    Killing,
    /// Nothing is left of the workload.
    Over,
}

/// The orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Where the trip-wire goes for handlers, bytes.
    pub relief: u64,
    /// SIGKILL at once from here on, bytes.
    pub second: u64,
    /// From SIGTERM to SIGKILL, milliseconds.
    pub grace_ms: u64,
    /// The command's process; 0 once it is reaped.
    pub child: i32,
    /// How far the guardian was.
    pub stage: Stage,
}

impl Orders {
    fn to_bytes(self) -> [u8; BYTES] {
        let (stage, due) = match self.stage {
            Stage::Watching => (0, 0),
            Stage::Terminating(due) => (1, due),
            Stage::Killing => (2, 0),
            Stage::Over => (3, 0),
        };
        let child = u64::try_from(self.child).unwrap_or(0);
        let mut bytes = [0; BYTES];
        let fields = [self.relief, self.second, self.grace_ms, child, stage, due, 1];
        for (slot, field) in bytes.chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; BYTES]) -> Option<Orders> {
        let mut fields = [0; FIELDS];
        for (field, slot) in fields.iter_mut().zip(bytes.chunks_exact(8)) {
            *field = u64::from_le_bytes(slot.try_into().ok()?);
        }
        let [relief, second, grace_ms, child, stage, due, written] = fields;
        let stage = match stage {
            0 => Stage::Watching,
            1 => Stage::Terminating(due),
            2 => Stage::Killing,
            _ => Stage::Over,
        };
        let child = i32::try_from(child).ok()?;
        (written == 1).then_some(Orders { relief, second, grace_ms, child, stage })
    }
}

/// The file, from either side.
#[derive(Debug)]
pub struct OrderFile {
    file: File,
    list: Vec<u8>,
}

impl OrderFile {
    /// A new one.
    ///
    /// # Errors
    /// Without descriptors.
    pub fn create() -> io::Result<OrderFile> {
        Ok(OrderFile::from(File::from(memfd_create("sentinel-orders", MemfdFlags::CLOEXEC)?)))
    }

    /// Writes the orders.
    ///
    /// # Errors
    /// As pwrite(2).
    pub fn write(&self, orders: Orders) -> io::Result<()> {
        write_at(&self.file, &orders.to_bytes(), 0)
    }

    /// Writes who belongs to the workload, if that changed.
    ///
    /// # Errors
    /// As pwrite(2).
    pub fn list(&mut self, pids: &[i32]) -> io::Result<()> {
        let count = u32::try_from(pids.len().min(MOST)).unwrap_or(0);
        let numbers = pids.iter().take(MOST).flat_map(|pid| pid.to_le_bytes());
        if self.list.iter().copied().eq(count.to_le_bytes().into_iter().chain(numbers.clone())) {
            return Ok(());
        }
        self.list.clear();
        self.list.extend(count.to_le_bytes());
        self.list.extend(numbers);
        write_at(&self.file, &self.list, LIST_AT)
    }

    /// Reads the orders; `None` when none were written.
    pub fn read(&self) -> Option<Orders> {
        let mut bytes = [0; BYTES];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        Orders::from_bytes(bytes)
    }

    /// Reads who belongs to the workload.
    pub fn listed(&self) -> Vec<i32> {
        let mut count = [0; 4];
        if self.file.read_exact_at(&mut count, LIST_AT).is_err() {
            return Vec::new();
        }
        let count = usize::try_from(u32::from_le_bytes(count)).unwrap_or(0).min(MOST);
        let mut bytes = vec![0; count * 4];
        // A list that was cut off in the middle counts as far as it goes.
        let read = self.file.read_at(&mut bytes, LIST_AT + 4).unwrap_or(0);
        bytes[..read]
            .chunks_exact(4)
            .filter_map(|word| word.try_into().ok())
            .map(i32::from_le_bytes)
            .collect()
    }
}

/// A file in memory takes all at once.
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let at = nix::libc::off_t::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    let written = nix::sys::uio::pwritev(file, &[io::IoSlice::new(bytes)], at)?;
    if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

impl AsFd for OrderFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<File> for OrderFile {
    fn from(file: File) -> OrderFile {
        OrderFile { file, list: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_by_the_other_side() {
        let mut ours = OrderFile::create().unwrap();
        let theirs = OrderFile::from(File::from(ours.as_fd().try_clone_to_owned().unwrap()));
        assert_eq!((theirs.read(), theirs.listed()), (None, Vec::new()));
        for stage in [Stage::Watching, Stage::Terminating(4711), Stage::Killing, Stage::Over] {
            let orders = Orders { relief: 1 << 40, second: 2, grace_ms: 3000, child: 42, stage };
            ours.write(orders).unwrap();
            assert_eq!(theirs.read(), Some(orders));
        }
        for pids in [&[1, 2, 70_000][..], &[3], &[]] {
            ours.list(pids).unwrap();
            assert_eq!(theirs.listed(), pids);
        }
    }
}
