//! Keeps the guardian able to act when memory is out: its pages stay, and the OOM killer looks elsewhere first.

use crate::units::Bytes;
use nix::libc;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::unistd::{SysconfVar, sysconf};
use serde::Serialize;
use std::hint::black_box;

/// Less likely a victim than anything normal, not exempt: a guardian that itself leaks must be killable.
const GUARDIAN_OOM_SCORE_ADJ: &str = "-900";

/// Bytes of a page. The C library knows without asking: what rustix and procfs have reads /proc/self/auxv for it.
pub fn page_size() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

/// Takes as many descriptors as we may have: of several hundred cgroups each takes some. What is started by us inherits that.
pub fn raise_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // With fewer, fewer can be guarded, and that is told.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Locks pages as they are touched (mlockall(2), MCL_ONFAULT). False where RLIMIT_MEMLOCK does not allow it, raised to what it
/// may be raised to.
pub fn lock() -> bool {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
        && soft != hard
    {
        // The lower one may do as well.
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard);
    }
    // SAFETY: takes flags only, and touches no memory of ours.
    unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) == 0 }
}

/// Lets go of what only the start needed: of the program's code and constants, which come back from the page cache where they are used
/// again, and of memory that was freed. Locked it would stay for as long as we live, so this comes before [`lock`], and what is to be
/// there on the worst day is rehearsed behind that.
pub fn forget_start() {
    // SAFETY: the callback reads what it is given and nothing of ours.
    unsafe { libc::dl_iterate_phdr(Some(forget_read_only), std::ptr::null_mut()) };
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, and memory in use stays where it is.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Of the program itself, which is the first object that there is.
extern "C" fn forget_read_only(
    object: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the C library hands out the description of an object that is loaded, for as long as this call takes.
    let (base, headers) = unsafe {
        let object = &*object;
        let count = usize::from(object.dlpi_phnum);
        (object.dlpi_addr, std::slice::from_raw_parts(object.dlpi_phdr, count))
    };
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let begin = (base + header.p_vaddr) & !(page_size() - 1);
        let end = base + header.p_vaddr + header.p_memsz;
        let Ok(length) = usize::try_from(end - begin) else { continue };
        // SAFETY: the file is mapped there privately and nothing was ever written to it, relocations included: a page that was let go is
        // read back as it was.
        unsafe { libc::madvise(begin as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
    1
}

/// Lowers `oom_score_adj`. False without CAP_SYS_RESOURCE.
pub fn lower_oom_score() -> bool {
    std::fs::write("/proc/self/oom_score_adj", GUARDIAN_OOM_SCORE_ADJ).is_ok()
}

/// Page faults (getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageFaults {
    /// Without a read from disk.
    pub minor: i64,
    /// With one.
    pub major: i64,
}

impl PageFaults {
    /// So many of this process so far; none where the kernel does not say.
    pub fn now() -> PageFaults {
        let usage = getrusage(UsageWho::RUSAGE_SELF);
        usage.map_or_else(
            |_| PageFaults::default(),
            |usage| PageFaults {
                minor: usage.minor_page_faults(),
                major: usage.major_page_faults(),
            },
        )
    }

    /// Adds those since `before`.
    pub fn add_since(&mut self, before: PageFaults) {
        let now = PageFaults::now();
        self.minor += now.minor - before.minor;
        self.major += now.major - before.major;
    }
}

/// What all System V segments of this namespace take, in memory and in swap; `None` where the kernel does not say.
pub fn of_segments() -> Option<Bytes> {
    /// linux/shm.h.
    const SHM_INFO: libc::c_int = 14;
    /// The same, `struct shm_info`.
    #[repr(C)]
    struct Info {
        used_ids: libc::c_int,
        total: libc::c_ulong,
        resident: libc::c_ulong,
        swapped: libc::c_ulong,
        swap_attempts: libc::c_ulong,
        swap_successes: libc::c_ulong,
    }
    let mut info = std::mem::MaybeUninit::<Info>::zeroed();
    // SAFETY: with SHM_INFO the kernel writes this structure (shmctl(2)), for which all zeroes are valid.
    let info = unsafe {
        if libc::shmctl(0, SHM_INFO, info.as_mut_ptr().cast()) == -1 {
            return None;
        }
        info.assume_init()
    };
    let pages = info.resident.saturating_add(info.swapped);
    Some(Bytes(pages.saturating_mul(page_size())))
}

/// Our own resident set now; `None` where /proc does not say.
pub fn rss() -> Option<Bytes> {
    resident(&crate::kernel_file::read_once("/proc/self/statm").ok()?)
}

/// The second number of statm (proc(5)), which are pages.
fn resident(statm: &[u8]) -> Option<Bytes> {
    let pages = statm.split(u8::is_ascii_whitespace).nth(1)?;
    let pages: u64 = std::str::from_utf8(pages).ok()?.parse().ok()?;
    Some(Bytes(pages.saturating_mul(page_size())))
}

/// Our own highest resident set so far.
pub fn highest_rss() -> Bytes {
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    let kib = usage.map_or(0, |usage| u64::try_from(usage.max_rss()).unwrap_or(0));
    Bytes(kib.saturating_mul(1024))
}

/// Uses so much of the stack once, so that its pages are there.
#[inline(never)]
pub fn touch_stack() {
    let mut room = [1u8; 96 * 1024];
    black_box(&mut room);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_the_second_number() {
        let page = page_size();
        assert_eq!(page, procfs::page_size());
        assert_eq!(resident(b"1203 311 240 180 0 95 0\n"), Some(Bytes(311 * page)));
        for strange in [&b""[..], b"1203", b"1203 \n", b"1203 many 240"] {
            assert_eq!(resident(strange), None, "{strange:?}");
        }
        let now = rss().unwrap();
        assert!(now >= Bytes(page) && now <= Bytes(highest_rss().0 + (4 << 20)), "{now}");
    }
}
