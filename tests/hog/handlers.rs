//! What SIGTERM does. The handlers allocate nothing, but for the one whose purpose it is.

use anyhow::{Context, Result};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::pause;
use sentinel::units::{Bytes, MIB};
use std::ffi::CString;
use std::io::{Cursor, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The reaction that was asked for.
#[derive(Debug)]
pub enum OnTerm {
    /// To end.
    Default,
    /// None.
    Ignore,
    /// To take memory, up to so much.
    Allocate(Bytes),
    /// To fork, each child with a MiB of its own.
    Fork,
    /// To save its work there first.
    Checkpoint(PathBuf),
}

/// Of the handler that forks.
const CHILDREN: u32 = 20;
const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 80;
static WORK: [u8; BLOCK] = [0x5a; BLOCK];
static FILE: OnceLock<CString> = OnceLock::new();
static CAP: OnceLock<u64> = OnceLock::new();

/// Installs it. Children inherit it.
pub fn install(on_term: OnTerm) -> Result<()> {
    let handler = match on_term {
        OnTerm::Default => return Ok(()),
        OnTerm::Ignore => SigHandler::SigIgn,
        OnTerm::Allocate(cap) => {
            CAP.get_or_init(|| cap.0);
            SigHandler::Handler(allocate)
        }
        OnTerm::Fork => SigHandler::Handler(fork),
        OnTerm::Checkpoint(path) => {
            let path = CString::new(path.into_os_string().into_vec())?;
            FILE.get_or_init(|| path);
            SigHandler::Handler(checkpoint)
        }
    };
    handle(handler)
}

#[expect(unsafe_code, reason = "sigaction(2)")]
fn handle(handler: SigHandler) -> Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handlers call only what signal-safety(7) lists.
    unsafe { sigaction(Signal::SIGTERM, &action) }.map(drop).context("sigaction")
}

extern "C" fn allocate(_: libc::c_int) {
    let mut taken = 0;
    while taken < CAP.get().copied().unwrap_or(u64::MAX) {
        take_a_mib();
        taken += MIB;
    }
    loop {
        pause();
    }
}

#[expect(unsafe_code, reason = "fork(2)")]
extern "C" fn fork(_: libc::c_int) {
    for _ in 0..CHILDREN {
        // SAFETY: on the list of signal-safety(7); the child does nothing that is not.
        if unsafe { libc::fork() } == 0 {
            take_a_mib();
            break;
        }
    }
    loop {
        pause();
    }
}

#[expect(unsafe_code, reason = "mmap(2), the allocator being out of bounds in a handler")]
fn take_a_mib() {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    // SAFETY: a new mapping, wherever there is room; nobody uses it.
    unsafe { libc::mmap(std::ptr::null_mut(), 1 << 20, protection, flags, -1, 0) };
}

extern "C" fn checkpoint(_: libc::c_int) {
    let began = now();
    let saved = save();
    let mut line = [0_u8; 64];
    let mut text = Cursor::new(&mut line[..]);
    // Formatting into a fixed buffer allocates nothing; it is long enough.
    let _ = match saved {
        true => writeln!(text, "checkpoint_ms {:.1}", (now() - began) / 1e6),
        false => writeln!(text, "checkpoint failed"),
    };
    let length = usize::try_from(text.position()).unwrap_or(0);
    print_and_exit(&line[..length], i32::from(!saved))
}

/// Writes 5 MiB and waits until they are on the disk.
fn save() -> bool {
    let Some(path) = FILE.get() else { return false };
    let flags =
        nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_CREAT | nix::fcntl::OFlag::O_TRUNC;
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    let Ok(file) = nix::fcntl::open(path.as_c_str(), flags, mode) else { return false };
    (0..BLOCKS).all(|_| nix::unistd::write(&file, &WORK) == Ok(BLOCK))
        && nix::unistd::fsync(&file).is_ok()
}

/// Nanoseconds of the monotonic clock.
#[expect(unsafe_code, reason = "clock_gettime(2)")]
fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours and of the right type.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    #[expect(clippy::cast_precision_loss, reason = "a difference of milliseconds is wanted")]
    let nanoseconds = (time.tv_sec * 1_000_000_000 + time.tv_nsec) as f64;
    nanoseconds
}

#[expect(unsafe_code, reason = "write(2) and _exit(2): no lock, no destructors in a handler")]
fn print_and_exit(line: &[u8], status: i32) -> ! {
    // SAFETY: the line is so long; _exit does not return.
    unsafe {
        libc::write(libc::STDOUT_FILENO, line.as_ptr().cast(), line.len());
        libc::_exit(status)
    }
}
