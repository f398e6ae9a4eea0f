//! What the caller gave us and the child must get unchanged: signal dispositions, the signal mask, `oom_score_adj`,
//! standard descriptors that are closed.

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Signals that were ignored when the process started, one bit each (bit 1 is SIGHUP).
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// Standard input, output and error that were closed when the process started, one bit each.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs before `main` and before the Rust runtime, which ignores SIGPIPE and opens /dev/null for what is closed:
/// afterwards nobody knows what the caller had.
#[unsafe(link_section = ".init_array")]
#[used]
static REMEMBER: extern "C" fn() = remember;

extern "C" fn remember() {
    remember_ignored();
    make_room();
    for fd in 0..3 {
        // SAFETY: takes numbers only.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
}

/// The least stack that we need, and what we take where we may.
const STACK: libc::rlim_t = 1 << 20;
const WANTED_STACK: libc::rlim_t = 8 << 20;

/// The caller's limit of the stack, soft and hard, where it was too little for us; the command gets it back.
static STACK_LIMIT: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// A stack that overflows kills by a signal, in the middle of anything. The kernel looks at the limit when the stack grows, so it can be
/// raised now; above the hard limit root alone can.
fn make_room() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid structure to write to.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) } == 0;
    if !known || limit.rlim_cur >= STACK {
        return;
    }
    STACK_LIMIT[0].store(limit.rlim_cur, Ordering::Relaxed);
    STACK_LIMIT[1].store(limit.rlim_max, Ordering::Relaxed);
    let enough = limit.rlim_max.min(WANTED_STACK);
    let more = match enough >= STACK {
        true => libc::rlimit { rlim_cur: enough, rlim_max: limit.rlim_max },
        false => libc::rlimit { rlim_cur: WANTED_STACK, rlim_max: WANTED_STACK },
    };
    const TOO_SMALL: &[u8] =
        b"sentinel: the stack is too small: at least 1 MiB is needed (ulimit -s 1024)\n";
    // SAFETY: a valid structure to read from; a literal of this length; ends this process before anything runs.
    unsafe {
        if libc::setrlimit(libc::RLIMIT_STACK, &raw const more) != 0 {
            libc::write(2, TOO_SMALL.as_ptr().cast(), TOO_SMALL.len());
            libc::_exit(125);
        }
    }
}

fn remember_ignored() {
    let mut ignored = 0;
    for signal in 1..=64 {
        // SAFETY: a null `act` changes nothing; `old` is a local of the right type, all zeroes being a valid value.
        let handler = unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0;
            if known { old.sa_sigaction } else { libc::SIG_DFL }
        };
        if handler == libc::SIG_IGN {
            ignored |= 1u64 << (signal - 1);
        }
    }
    IGNORED.store(ignored, Ordering::Relaxed);
}

/// What the child must get unchanged.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    ignored: u64,
    closed: u8,
    /// The signal mask.
    pub mask: SigSet,
    /// `/proc/self/oom_score_adj`, if it could be read.
    pub oom_score_adj: Option<i16>,
}

impl Caller {
    /// Takes note of everything. To be called before any of it is changed.
    pub fn remember() -> Caller {
        let mut mask = SigSet::empty();
        // Reading the mask of a valid set cannot fail.
        let _ = sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask));
        let oom_score_adj = std::fs::read_to_string("/proc/self/oom_score_adj").ok();
        let oom_score_adj = oom_score_adj.and_then(|text| text.trim().parse().ok());
        let ignored = IGNORED.load(Ordering::Relaxed);
        Caller { ignored, closed: CLOSED.load(Ordering::Relaxed), mask, oom_score_adj }
    }

    /// Whether the caller ignores this signal.
    pub fn ignores(&self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.ignored & (1 << (signal - 1)) != 0
    }

    /// The limit of the stack (soft, hard) that the caller has and we do not: it was too little.
    pub fn stack_limit(&self) -> Option<(u64, u64)> {
        let [soft, hard] = [&STACK_LIMIT[0], &STACK_LIMIT[1]].map(|it| it.load(Ordering::Relaxed));
        (hard > 0).then_some((soft, hard))
    }

    /// The standard descriptors that the caller closed.
    pub fn closed(&self) -> impl Iterator<Item = RawFd> + use<> {
        let closed = self.closed;
        (0..3).filter(move |fd| closed & (1 << fd) != 0)
    }
}
