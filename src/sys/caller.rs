//! What the caller gave us and the child must get unchanged: signal dispositions, the signal mask, standard descriptors that are
//! closed.

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What the Rust runtime and we change the disposition of, to what. All others have the caller's for as long as we live.
const OURS: [(libc::c_int, libc::sighandler_t); 3] = [
    (libc::SIGPIPE, libc::SIG_IGN),
    (libc::SIGXFSZ, libc::SIG_IGN),
    (libc::SIGCHLD, libc::SIG_DFL),
];

/// Those of them that were ignored when the process started, one bit each (bit 1 is SIGHUP).
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// Those that [`change`] has changed.
static CHANGED: AtomicU64 = AtomicU64::new(0);

/// Standard input, output and error that were closed when the process started, one bit each.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs before `main` and before the Rust runtime, which ignores SIGPIPE and opens /dev/null for what is closed:
/// afterwards nobody knows what the caller had.
#[unsafe(link_section = ".init_array")]
#[used]
static REMEMBER: extern "C" fn() = remember;

extern "C" fn remember() {
    spare_calls();
    remember_ignored();
    make_room();
    remember_closed();
}

fn remember_closed() {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: a list that is valid for its length.
    let polled = unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) };
    let is_closed = |found: &&libc::pollfd| match polled {
        // Where we may have fewer than three (EINVAL). SAFETY: takes numbers only.
        -1 => unsafe { libc::fcntl(found.fd, libc::F_GETFD) == -1 },
        _ => found.revents & libc::POLLNVAL != 0,
    };
    let bits = fds.iter().filter(is_closed).fold(0, |bits, found| bits | 1u8 << found.fd);
    CLOSED.store(bits, Ordering::Relaxed);
}

/// What the Rust runtime does before `main`, where it is not there to do it: nothing that is opened later gets the number of a standard
/// descriptor, and a write that nobody reads is an error.
pub fn stand_in_for_runtime() {
    for _ in 0..CLOSED.load(Ordering::Relaxed).count_ones() {
        // SAFETY: a literal; the lowest number that is free is one of those. Without it, as in the runtime, nothing is begun.
        unsafe {
            if libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) == -1 {
                libc::abort();
            }
        }
    }
    // SAFETY: ignoring involves no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// The heap grows by a piece that does for a whole run, and is not given back in between: untouched, it takes no memory.
fn spare_calls() {
    #[cfg(target_env = "gnu")]
    // SAFETY: two numbers; nothing is allocated by others yet.
    unsafe {
        const HEAP: libc::c_int = 512 << 10;
        libc::mallopt(libc::M_TOP_PAD, HEAP);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 4 * HEAP);
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

/// The runtime's own comes next; of the others [`change`] tells.
fn remember_ignored() {
    if is_ignored(libc::SIGPIPE) {
        IGNORED.fetch_or(bit(libc::SIGPIPE), Ordering::Relaxed);
    }
}

fn bit(signal: libc::c_int) -> u64 {
    1 << (signal - 1)
}

/// Gives a signal of [`OURS`] the disposition that it is to have with us, and remembers what the caller had.
pub(super) fn change(signal: libc::c_int) {
    let ours = OURS.iter().find(|(number, _)| *number == signal);
    let Some((_, disposition)) = ours else { return };
    // SAFETY: neither ignoring nor the default involves a handler.
    let before = unsafe { libc::signal(signal, *disposition) };
    // The second time it is ours.
    let is_first = CHANGED.fetch_or(bit(signal), Ordering::Relaxed) & bit(signal) == 0;
    if is_first && before == libc::SIG_IGN {
        IGNORED.fetch_or(bit(signal), Ordering::Relaxed);
    }
}

/// Whether it has our disposition by now.
fn is_changed(signal: libc::c_int) -> bool {
    signal == libc::SIGPIPE
        || OURS.iter().any(|(ours, _)| *ours == signal)
            && CHANGED.load(Ordering::Relaxed) & bit(signal) != 0
}

/// Whether a signal is ignored now.
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: a null `act` changes nothing; `old` is a local of the right type, all zeroes being a valid value.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0;
        known && old.sa_sigaction == libc::SIG_IGN
    }
}

/// What the child must get unchanged.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    closed: u8,
    /// The signal mask.
    pub mask: SigSet,
}

impl Caller {
    /// Takes note of everything. To be called before any of it is changed.
    pub fn remember() -> Caller {
        let mut mask = SigSet::empty();
        // Reading the mask of a valid set cannot fail.
        let _ = sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask));
        Caller { closed: CLOSED.load(Ordering::Relaxed), mask }
    }

    /// Whether the caller ignores this signal.
    pub fn ignores(&self, signal: i32) -> bool {
        match is_changed(signal) {
            true => IGNORED.load(Ordering::Relaxed) & bit(signal) != 0,
            false => is_ignored(signal),
        }
    }

    /// The signals that have another disposition now than the caller gave them, and that one.
    pub(super) fn changed(&self) -> impl Iterator<Item = (libc::c_int, libc::sighandler_t)> {
        let given = |(signal, now): (libc::c_int, libc::sighandler_t)| {
            let given = if self.ignores(signal) { libc::SIG_IGN } else { libc::SIG_DFL };
            (given != now).then_some((signal, given))
        };
        OURS.into_iter().filter(|(signal, _)| is_changed(*signal)).filter_map(given)
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
