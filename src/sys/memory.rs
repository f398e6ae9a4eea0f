//! Keeps the guardian able to act when memory is out: its pages stay, and the OOM killer looks elsewhere first.

use nix::libc;

/// Less likely a victim than anything normal, not exempt: a guardian that itself leaks must be killable.
const GUARDIAN_OOM_SCORE_ADJ: &str = "-900";

/// Locks pages as they are touched (mlockall(2), MCL_ONFAULT). False where RLIMIT_MEMLOCK does not allow it.
pub fn lock() -> bool {
    // SAFETY: takes flags only, and touches no memory of ours.
    unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) == 0 }
}

/// Lowers `oom_score_adj`. False without CAP_SYS_RESOURCE.
pub fn lower_oom_score() -> bool {
    std::fs::write("/proc/self/oom_score_adj", GUARDIAN_OOM_SCORE_ADJ).is_ok()
}
