//! How far the counters of `memory.stat` may be behind `memory.current`.

use crate::sys::memory::page_size;
use crate::units::Bytes;
use nix::unistd::{SysconfVar, sysconf};

/// Pages that each processor may have counted, or charged ahead, before all others see it (MEMCG_CHARGE_BATCH in mm/memcontrol.c).
const BATCH: u64 = 64;

/// So much may be pending on all processors together: of the machine's, whatever we may use of them.
pub fn pending() -> Bytes {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    let online = online.and_then(|count| u64::try_from(count).ok()).unwrap_or(1);
    Bytes(BATCH.saturating_mul(page_size()).saturating_mul(online))
}
