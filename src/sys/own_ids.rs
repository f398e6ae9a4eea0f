//! Our own users and group as they were when the program began, which the kernel hands over with it (AT_UID and so on, getauxval(3)): a
//! start asks for them many times. Not for who becomes the caller for a while.

use nix::libc;
use nix::unistd::{Gid, Uid, geteuid, getgid, getuid};

/// The real user.
pub fn uid() -> Uid {
    handed_over(libc::AT_UID).map_or_else(getuid, Uid::from_raw)
}

/// The effective user.
pub fn euid() -> Uid {
    handed_over(libc::AT_EUID).map_or_else(geteuid, Uid::from_raw)
}

/// The real group.
pub fn gid() -> Gid {
    handed_over(libc::AT_GID).map_or_else(getgid, Gid::from_raw)
}

fn handed_over(kind: libc::c_ulong) -> Option<u32> {
    // SAFETY: these read what lies behind the environment, for any number.
    let (pages, value) = unsafe { (libc::getauxval(libc::AT_PAGESZ), libc::getauxval(kind)) };
    // What is not there is 0, as root is; no page has that size.
    u32::try_from(value).ok().filter(|_| pages != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_the_kernel_says() {
        assert_eq!((uid(), euid()), (getuid(), geteuid()));
        assert_eq!(gid(), getgid());
    }
}
