//! Processor time for the guardian before anybody else's, where that is allowed. Only for us: what is forked later has the
//! usual priority, and the command's process was forked before.

use nix::libc;

/// The best that there is short of real time.
const BEST: libc::c_int = -20;
/// The least of real time: before all that is not.
const REAL_TIME: libc::c_int = 1;

/// Raises our priority: to real time, or else as far as that goes. False without CAP_SYS_NICE, or RLIMIT_RTPRIO or RLIMIT_NICE to that
/// end (sched(7)).
///
/// A nice value does not do: with 150 processes that reclaim, a guardian of nice -20 was not run for up to 850 ms (Linux 7.3, two
/// processors), and a fork bomb met `memory.max` meanwhile. It sleeps nearly always, does the rest in steps, and the kernel
/// keeps a share of each processor for others (`sched_rt_runtime_us`): one that went wrong cannot take the machine.
pub fn raise() -> bool {
    // SAFETY: numbers.
    let nice = || unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BEST) == 0 };
    schedule(libc::SCHED_RR, REAL_TIME) || (nice() && schedule(libc::SCHED_OTHER, 0))
}

fn schedule(policy: libc::c_int, priority: libc::c_int) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: numbers, and a live local that is only read.
    unsafe {
        libc::sched_setscheduler(0, policy | libc::SCHED_RESET_ON_FORK, &raw const parameters) == 0
    }
}
