//! What the shapes need of the system: rooms of their own, so that nothing outlives them, and limits out of the way.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

/// Where an own tmpfs is, and where everybody else's is as well.
pub const SHM: &str = "/dev/shm";
pub const PAGE: usize = 4096;

/// A tmpfs without limits over /dev/shm that nobody else sees. It is gone with its last process, with all that is in it.
pub fn own_tmpfs() -> Result<()> {
    unshare(libc::CLONE_NEWNS).context("take a mount namespace")?;
    mount(c"none", c"/", c"", libc::MS_REC | libc::MS_PRIVATE, c"").context("keep mounts in it")?;
    mount(c"hog", c"/dev/shm", c"tmpfs", 0, c"size=100%,nr_inodes=0").context("mount a tmpfs")
}

/// Queues, semaphores and segments that are gone with their last process.
pub fn own_ipc() -> Result<()> {
    unshare(libc::CLONE_NEWIPC).context("take an IPC namespace")
}

#[expect(unsafe_code, reason = "unshare(2), for which nix wants a feature of its own")]
fn unshare(flags: libc::c_int) -> Result<()> {
    // SAFETY: no memory is involved; no shape that calls it has threads.
    Ok(Errno::result(unsafe { libc::unshare(flags) }).map(drop)?)
}

#[expect(unsafe_code, reason = "mount(2), for which nix wants a feature of its own")]
fn mount(
    source: &std::ffi::CStr,
    target: &std::ffi::CStr,
    kind: &std::ffi::CStr,
    flags: libc::c_ulong,
    options: &std::ffi::CStr,
) -> Result<()> {
    let (source, target, kind) = (source.as_ptr(), target.as_ptr(), kind.as_ptr());
    // SAFETY: five texts that live as long as the call.
    let outcome = unsafe { libc::mount(source, target, kind, flags, options.as_ptr().cast()) };
    Ok(Errno::result(outcome).map(drop)?)
}

/// Raises a limit of the whole machine, if that is a throw-away one. Where it cannot be raised, the shape gets less far.
pub fn raise(name: &str, value: u64) {
    if std::env::var_os("SENTINEL_VM").is_some() {
        let _ = fs::write(format!("/proc/sys/{name}"), value.to_string());
    }
}

/// As many open files as the kernel lets this user have.
pub fn raise_open_files() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = fs::read_to_string("/proc/sys/fs/nr_open")?.trim().parse()?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        .context("raise the number of open files")
}

/// Does it again and again, as long as it costs no more than the cap, or until there is no more of it to be had.
pub fn repeat(cap: u64, cost: u64, mut step: impl FnMut(u64) -> Result<()>) -> Result<()> {
    // At least one: who takes nothing tries nothing.
    for number in 0..cap.div_ceil(cost) {
        match step(number) {
            Ok(()) => {}
            Err(error) if is_all(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The kernel has no more of it.
fn is_all(error: &anyhow::Error) -> bool {
    let of_nix = error.downcast_ref::<Errno>().copied();
    let of_std = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    let all = [Errno::EMFILE, Errno::ENFILE, Errno::ENOSPC, Errno::ENOMEM, Errno::EDQUOT];
    of_nix.or(of_std.map(Errno::from_raw)).is_some_and(|errno| all.contains(&errno))
}

/// Keeps something open for as long as the process lives.
///
/// # Errors
/// None: so that it can end what may fail.
pub fn hold<T>(kept: T) -> Result<()> {
    std::mem::forget(kept);
    Ok(())
}
