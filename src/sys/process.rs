//! Signals by pidfd and by group, and wait(2) with every signal number: nix knows no real-time signals.

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A handle of one process that no other process can slip into.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens a handle.
    ///
    /// # Errors
    /// ESRCH when there is no such process, EMFILE without free descriptors, ENOSYS before Linux 5.3.
    pub fn open(pid: i32) -> io::Result<PidFd> {
        let pid = Pid::from_raw(pid).ok_or(io::Error::from_raw_os_error(libc::ESRCH))?;
        Ok(PidFd(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Sends a signal, any number.
    ///
    /// # Errors
    /// ESRCH when the process is gone: an outcome. EPERM when it is not ours.
    pub fn send(&self, signal: i32) -> io::Result<()> {
        let fd = self.0.as_raw_fd();
        // SAFETY: an open descriptor of ours, a null siginfo and no flags: the kernel reads no memory of ours.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, std::ptr::null::<u8>(), 0)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Takes what nobody is to read: /dev/null, or where there is none a pipe whose reader is gone.
///
/// # Errors
/// Without descriptors.
pub fn nowhere() -> io::Result<Stdio> {
    match File::options().write(true).open("/dev/null") {
        Ok(null) => Ok(null.into()),
        Err(_) => io::pipe().map(|(_, writer)| writer.into()),
    }
}

/// Sends a signal to one process by its number. Only for children that we have not reaped.
///
/// # Errors
/// As kill(2).
pub fn send(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    kill(pid, signal)
}

/// Sends a signal to a process group whose leader we have not reaped.
///
/// # Errors
/// As kill(2).
pub fn send_group(group: i32, signal: i32) -> io::Result<()> {
    if group <= 1 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    kill(-group, signal)
}

fn kill(target: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::kill(target, signal) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Stops this process, as a shell expects of a job. Returns when it is continued.
pub fn stop_self() {
    // Stopping oneself cannot be refused.
    let _ = kill(nix::unistd::getpid().as_raw(), libc::SIGSTOP);
}

/// Stops our whole process group as Ctrl-Z would, us included, if anybody can continue it: the kernel lets an orphaned group
/// go on (POSIX: orphaned process group). Returns when we are continued, or at once.
pub fn stop_group() {
    act_on_group(Signal::SIGTSTP);
}

/// Interrupts our whole process group as Ctrl-C would. Returns only where SIGINT is ignored.
pub fn interrupt_group() {
    act_on_group(Signal::SIGINT);
}

/// All signals are blocked in us; this one is not for a moment.
fn act_on_group(signal: Signal) {
    // A group of ours is always there, and the set is valid.
    let _ = kill(0, signal as i32);
    let _ = SigSet::from(signal).thread_unblock();
    let _ = SigSet::from(signal).thread_block();
}

/// What a child did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildChange {
    /// It ended and is reaped.
    Ended(ExitStatus),
    /// This signal stopped it.
    Stopped(i32),
    /// It goes on.
    Continued,
}

/// What a process had used, and the children that it waited for (wait4(2), getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// CPU time, microseconds.
    pub cpu_usec: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to disks.
    pub written: u64,
    /// Page faults without a read from disk.
    pub minor_faults: u64,
    /// Page faults with one.
    pub major_faults: u64,
    /// The highest resident set of one of them, bytes.
    pub max_rss: u64,
}

impl Spent {
    /// With those of another.
    pub fn add(&mut self, other: &Spent) {
        let sum = |one: &mut u64, other: u64| *one = one.saturating_add(other);
        sum(&mut self.cpu_usec, other.cpu_usec);
        sum(&mut self.read, other.read);
        sum(&mut self.written, other.written);
        sum(&mut self.minor_faults, other.minor_faults);
        sum(&mut self.major_faults, other.major_faults);
        self.max_rss = self.max_rss.max(other.max_rss);
    }
}

impl From<&libc::rusage> for Spent {
    fn from(usage: &libc::rusage) -> Spent {
        /// The kernel counts disk traffic in these, and resident sets in KiB.
        const BLOCK: u64 = 512;
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        Spent {
            cpu_usec: micros(&usage.ru_utime).saturating_add(micros(&usage.ru_stime)),
            read: number(usage.ru_inblock).saturating_mul(BLOCK),
            written: number(usage.ru_oublock).saturating_mul(BLOCK),
            minor_faults: number(usage.ru_minflt),
            major_faults: number(usage.ru_majflt),
            max_rss: number(usage.ru_maxrss).saturating_mul(1024),
        }
    }
}

/// The next child of ours, by birth or as subreaper, that did something; `None` when none did. With what one that ended had used.
pub fn next_change() -> Option<(i32, ChildChange, Spent)> {
    let mut status = 0;
    // SAFETY: all zeroes are a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    let pid = loop {
        // SAFETY: `status` and `usage` are live locals of the right types.
        let pid = unsafe { libc::wait4(-1, &raw mut status, flags, &raw mut usage) };
        if pid != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break pid;
        }
    };
    if pid <= 0 {
        return None;
    }
    let change = if libc::WIFSTOPPED(status) {
        ChildChange::Stopped(libc::WSTOPSIG(status))
    } else if libc::WIFCONTINUED(status) {
        ChildChange::Continued
    } else {
        ChildChange::Ended(ExitStatus::from_raw(status))
    };
    Some((pid, change, Spent::from(&usage)))
}

/// Whether a child of ours was stopped, which [`next_change`] has still to tell.
pub fn has_stopped(child: i32) -> bool {
    let Some(child) = Pid::from_raw(child) else { return false };
    let flags = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(child), flags), Ok(Some(status)) if status.stopped())
}

fn micros(time: &libc::timeval) -> u64 {
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000).saturating_add(part(time.tv_usec))
}

/// Orphans of the workload come to us and not to init, so that they are seen and reaped.
///
/// # Errors
/// As prctl(2).
pub fn become_subreaper() -> io::Result<()> {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether we have a child, by birth or as subreaper, dead ones that are not reaped included. Exact, as no walk through /proc
/// can be: whoever descends from us has us, or a living descendant of ours, as parent at every moment.
pub fn has_children() -> bool {
    // SAFETY: `info` is a live local, all zeroes being a valid value; WNOWAIT leaves the news for others.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
        libc::waitid(libc::P_ALL, 0, &raw mut info, flags) == 0
    }
}

/// Time since the machine started in the unit of /proc/PID/stat (proc_pid_stat(5), field 22).
pub fn ticks_since_boot() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live local of the right type; sysconf takes a number.
    let per_second = unsafe {
        libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now);
        libc::sysconf(libc::_SC_CLK_TCK)
    };
    let per_second = u64::try_from(per_second).unwrap_or(100).max(1);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    u64::try_from(now.tv_sec).unwrap_or(0) * per_second + nanos / (1_000_000_000 / per_second)
}

/// Our process id, once it was asked for; a copy of us has another.
static OWN: AtomicU32 = AtomicU32::new(0);

/// Our process id.
pub fn own() -> u32 {
    match OWN.load(Ordering::Relaxed) {
        0 => {
            let own = std::process::id();
            OWN.store(own, Ordering::Relaxed);
            own
        }
        known => known,
    }
}

/// In a copy of the process that asked.
pub(super) fn forget_own() {
    OWN.store(0, Ordering::Relaxed);
}

/// Ends this process. What is buffered for standard output is written; all else goes with the process.
pub fn exit(status: u8) -> ! {
    use std::io::Write as _;
    // Whoever wrote it was told already, or reads no more.
    let _ = io::stdout().flush();
    // SAFETY: takes a number.
    unsafe { libc::_exit(status.into()) }
}

/// Waits for the end of a child that ends soon, and reaps it.
pub fn reap(pid: i32) {
    // SAFETY: a null status is allowed.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

/// Whether two processes have one address space (`vfork`, `posix_spawn`, CLONE_VM).
///
/// # Errors
/// EPERM where we may not look into both, ENOSYS without CONFIG_KCMP, ESRCH when one is gone.
pub fn share_memory(one: i32, other: i32) -> io::Result<bool> {
    const KCMP_VM: libc::c_int = 1;
    // SAFETY: takes numbers only.
    match unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0) } {
        0 => Ok(true),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(false),
    }
}
