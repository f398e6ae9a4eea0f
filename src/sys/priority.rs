//! Processor time for the guardian before anybody else's, where that is allowed. Only for us: what is forked later has the
//! usual priority, and the command's process was forked before.

use nix::libc;

/// The best that there is short of real time: a guardian that went wrong must not take a processor for itself.
const BEST: libc::c_int = -20;

/// Raises our priority. False without CAP_SYS_NICE, or RLIMIT_NICE to that end (sched(7)).
pub fn raise() -> bool {
    let parameters = libc::sched_param { sched_priority: 0 };
    let policy = libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK;
    // SAFETY: numbers, and a live local that is only read.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, BEST) == 0
            && libc::sched_setscheduler(0, policy, &raw const parameters) == 0
    }
}
