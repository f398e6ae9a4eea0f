//! What the caller gave us and the child must get unchanged: signal dispositions, the signal mask, `oom_score_adj`.

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use std::sync::atomic::{AtomicU64, Ordering};

/// Signals that were ignored when the process started, one bit each (bit 1 is SIGHUP).
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// Runs before `main` and before the Rust runtime, which ignores SIGPIPE: afterwards nobody knows what the caller had.
#[unsafe(link_section = ".init_array")]
#[used]
static REMEMBER: extern "C" fn() = remember_ignored;

extern "C" fn remember_ignored() {
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
        Caller { ignored: IGNORED.load(Ordering::Relaxed), mask, oom_score_adj }
    }

    /// Whether the caller ignores this signal.
    pub fn ignores(&self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.ignored & (1 << (signal - 1)) != 0
    }
}
