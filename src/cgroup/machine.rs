//! What the machine has of memory, from /proc/meminfo (proc(5)).

use crate::kernel_file;
use crate::units::Bytes;
use anyhow::{Context, Result};
use procfs::{FromRead as _, Meminfo};

/// It, as it was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineMemory {
    /// All of it.
    pub total: Bytes,
    /// Its swap, used or not.
    pub swap: Bytes,
    /// Its pool of huge pages, all sizes, used or not: without one nobody has any.
    pub huge_pages: Bytes,
}

impl MachineMemory {
    /// Looks.
    ///
    /// # Errors
    /// When /proc is not readable.
    pub fn look() -> Result<MachineMemory> {
        let text = kernel_file::read_once("/proc/meminfo").context("read /proc/meminfo")?;
        let found = Meminfo::from_read(&text[..]).context("read /proc/meminfo")?;
        Ok(MachineMemory {
            total: Bytes(found.mem_total),
            swap: Bytes(found.swap_total),
            huge_pages: Bytes(found.hugetlb.unwrap_or(0)),
        })
    }
}
