//! Shapes that take anonymous memory. What they take is never given back.

use crate::processes::sleep;
use crate::system::PAGE;
use anyhow::{Context, Result};
use nix::sys::mman::{
    MapFlags, MlockAllFlags, MmapAdvise, ProtFlags, madvise, mlockall, mmap_anonymous,
};
use sentinel::units::{Bytes, MIB};
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::time::Duration;

const CHUNK: u64 = MIB;
const STEP: Duration = Duration::from_millis(10);

/// A chunk every 10 ms. Being held up is not made up for later: the rate is a ceiling.
pub fn step(cap: Bytes, rate: Bytes) {
    let chunk = (rate.0 / 100).max(PAGE as u64);
    let mut taken = 0;
    while taken < cap.0 {
        take(chunk.min(cap.0 - taken));
        taken += chunk;
        sleep(STEP);
    }
}

/// Chunk after chunk, flat out.
pub fn touch(cap: Bytes) {
    let mut taken = 0;
    while taken < cap.0 {
        take(CHUNK.min(cap.0 - taken));
        taken += CHUNK;
    }
}

/// All at once: the kernel charges it in one go before the call returns.
pub fn populate(cap: Bytes) -> Result<()> {
    map(cap, MapFlags::MAP_POPULATE).map(drop)
}

/// All at once, in the call that maps it, and it can never be reclaimed or swapped.
pub fn lock_all(cap: Bytes) -> Result<()> {
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).context("mlockall")?;
    map(cap, MapFlags::empty()).map(drop)
}

/// Memory that is shared with children to come, page after page. No name, no file: the kernel keeps it as shared memory.
pub fn shared(cap: Bytes) -> Result<()> {
    let memory = map_as(cap, MapFlags::MAP_SHARED)?;
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    Ok(())
}

/// Private memory that nobody has touched.
pub fn anonymous(cap: Bytes) -> Result<&'static mut [u8]> {
    map(cap, MapFlags::empty())
}

/// The same, to be used page by page.
pub fn reserve(cap: Bytes) -> Result<&'static mut [u8]> {
    let memory = anonymous(cap)?;
    advise(memory, MmapAdvise::MADV_NOHUGEPAGE)?;
    Ok(memory)
}

/// Threads that share the cap.
pub fn threads(cap: Bytes, count: u32) -> Result<()> {
    let share = Bytes(cap.0 / u64::from(count.max(1)));
    let threads: Vec<_> = (0..count)
        .map(|_| std::thread::Builder::new().stack_size(64 << 10).spawn(move || touch(share)))
        .collect::<Result<_, _>>()
        .context("start a thread")?;
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

/// Huge pages, with something in each part: from 6.12 on the kernel takes back what is zero when it has to split one.
pub fn huge_pages(cap: Bytes) -> Result<()> {
    let memory = anonymous(cap)?;
    advise(memory, MmapAdvise::MADV_HUGEPAGE)?;
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    Ok(())
}

/// A vector that doubles: for a moment, a large size in one step.
pub fn realloc(cap: Bytes) -> Result<()> {
    let cap = usize::try_from(cap.0)?;
    let ones = vec![1_u8; 1 << 20];
    let mut vector = Vec::new();
    let mut size = ones.len();
    while size <= cap {
        vector.try_reserve_exact(size - vector.len()).context("double the vector")?;
        while vector.len() < size {
            vector.extend_from_slice(&ones);
        }
        size *= 2;
    }
    std::mem::forget(vector);
    Ok(())
}

/// Fresh memory with every page touched.
fn take(bytes: u64) {
    let mut chunk = vec![0_u8; usize::try_from(bytes).unwrap_or(usize::MAX)];
    chunk.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    // The compiler may leave out writes that nobody reads.
    std::hint::black_box(&chunk);
    std::mem::forget(chunk);
}

/// Private memory.
fn map(size: Bytes, flags: MapFlags) -> Result<&'static mut [u8]> {
    map_as(size, flags | MapFlags::MAP_PRIVATE)
}

/// Maps without asking whether so much is there: what counts is what is touched.
#[expect(unsafe_code, reason = "mmap(2)")]
fn map_as(size: Bytes, flags: MapFlags) -> Result<&'static mut [u8]> {
    let size = NonZeroUsize::new(usize::try_from(size.0)?).context("nothing to map")?;
    let flags = flags | MapFlags::MAP_NORESERVE;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, wherever there is room.
    let address = unsafe { mmap_anonymous(None, size, protection, flags) }.context("mmap")?;
    // SAFETY: so long, zeroed, readable and writable, ours alone, and never unmapped.
    Ok(unsafe { std::slice::from_raw_parts_mut(address.cast().as_ptr(), size.get()) })
}

#[expect(unsafe_code, reason = "madvise(2)")]
pub fn advise(memory: &mut [u8], advice: MmapAdvise) -> Result<()> {
    let (start, length) = (NonNull::from(&mut *memory).cast(), memory.len());
    // SAFETY: a mapping of our own; no advice that is asked for here changes its content.
    unsafe { madvise(start, length, advice) }.context("madvise")
}
