//! What the kernel keeps about a process: page tables, mappings, stacks.

use crate::memory::reserve;
use crate::system::{PAGE, raise};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use sentinel::units::Bytes;

/// What the last level of a page table spans.
const SPAN: usize = 2 << 20;
/// What a mapping costs the kernel.
const MAPPING: u64 = 200;
/// What a thread does, with a kernel stack of 16 KiB.
const THREAD: u64 = 28 << 10;

/// Reads one byte in each span: a page of the table for each, and the kernel's one zero page.
pub fn page_tables(cap: Bytes) -> Result<()> {
    let table = PAGE as u64;
    let size = Bytes(cap.0 / table * SPAN as u64);
    let memory = reserve(size)?;
    let sum: u64 = memory.iter().step_by(SPAN).map(|byte| u64::from(*byte)).sum();
    std::hint::black_box(sum);
    Ok(())
}

/// Mappings of one page, each unlike the one beside it.
#[expect(unsafe_code, reason = "mmap(2)")]
pub fn mappings(cap: Bytes) -> Result<()> {
    raise("vm/max_map_count", 1 << 28);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    for number in 0..cap.0 / MAPPING {
        let protection = if number % 2 == 0 { libc::PROT_READ } else { libc::PROT_NONE };
        // SAFETY: a new mapping, wherever there is room; nobody uses it.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            // No more is to be had.
            return if Errno::last() == Errno::ENOMEM { Ok(()) } else { Err(Errno::last().into()) };
        }
    }
    Ok(())
}

/// Threads that do nothing.
pub fn stacks(cap: Bytes) -> Result<()> {
    for _ in 0..cap.0 / THREAD {
        let idle = || loop {
            std::thread::park();
        };
        std::thread::Builder::new().stack_size(16 << 10).spawn(idle).context("start a thread")?;
    }
    Ok(())
}
