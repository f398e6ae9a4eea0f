//! Who the command runs as, and what it may become: given up between fork and exec, in an order that cannot be undone, and looked
//! at afterwards. The child's part is made of system calls alone. Also whether we ourselves were given privileges by a file's mode.

use nix::libc;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// A user to become. Made before the fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Identity {
    /// This user, group, and supplementary groups.
    pub fn new(uid: u32, gid: u32, mut groups: Vec<u32>) -> Identity {
        // As the kernel gives them back.
        groups.sort_unstable();
        groups.dedup();
        Identity { uid, gid, groups }
    }

    /// The user's number.
    pub fn uid(&self) -> u32 {
        self.uid
    }
}

/// What failed, for [`become_user`] and [`no_new_privs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivilegeStep {
    /// setgroups(2).
    Groups,
    /// setresgid(2).
    Group,
    /// setresuid(2).
    User,
    /// capset(2).
    Capabilities,
    /// The look afterwards.
    Verify,
    /// prctl(2), PR_SET_NO_NEW_PRIVS.
    NoNewPrivs,
}

/// Whether this program was started with more than its caller has: set-user-ID, set-group-ID or file capabilities (getauxval(3), AT_SECURE).
pub fn are_borrowed() -> bool {
    // SAFETY: takes a number and reads what the kernel gave this process.
    let given = |what| unsafe { libc::getauxval(what) };
    let other_user = given(libc::AT_UID) != given(libc::AT_EUID);
    let other_group = given(libc::AT_GID) != given(libc::AT_EGID);
    given(libc::AT_SECURE) != 0 || other_user || other_group
}

/// Takes SUDO_UID and its like: a number that is one user, and not what chown(2) takes for nobody.
pub fn id_from(text: &std::ffi::OsStr) -> Option<u32> {
    let text = std::str::from_utf8(text.as_bytes()).ok()?;
    text.parse().ok().filter(|id| *id != u32::MAX)
}

/// Becomes the user for good: supplementary groups and group while we still may, then the user, then every capability that a caller's
/// securebits may have kept. The bounding set stays: it is what a login of that user has too (`--no-new-privs` makes it void).
///
/// # Errors
/// The step that was refused, or that did not have its effect.
pub(super) fn become_user(identity: &Identity) -> Result<(), (PrivilegeStep, io::Error)> {
    let check = |step, result: libc::c_int| match result {
        -1 => Err((step, io::Error::last_os_error())),
        _ => Ok(()),
    };
    let Identity { uid, gid, groups } = identity;
    // SAFETY: numbers, and a list that is valid for its length.
    unsafe {
        check(PrivilegeStep::Groups, libc::setgroups(groups.len(), groups.as_ptr()))?;
        check(PrivilegeStep::Group, libc::setresgid(*gid, *gid, *gid))?;
        if *uid != 0 {
            // Off by default; where a caller locked it on, the next steps do what it would prevent.
            libc::prctl(libc::PR_SET_KEEPCAPS, 0, 0, 0, 0);
        }
        check(PrivilegeStep::User, libc::setresuid(*uid, *uid, *uid))?;
    }
    if *uid != 0 {
        drop_capabilities().map_err(|error| (PrivilegeStep::Capabilities, error))?;
    }
    match is_become(identity) {
        true => Ok(()),
        false => Err((PrivilegeStep::Verify, io::Error::from_raw_os_error(libc::EPERM))),
    }
}

/// No program that the command runs gets more privileges than it, whatever its mode says.
pub(super) fn no_new_privs() -> Result<(), (PrivilegeStep, io::Error)> {
    // SAFETY: takes numbers only; prctl(2) wants the unused ones to be zero.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err((PrivilegeStep::NoNewPrivs, io::Error::last_os_error())),
    }
}

/// linux/capability.h; the third version has two words of each set.
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// Permitted, effective, inheritable; the ambient ones go with them (capabilities(7)).
fn drop_capabilities() -> io::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [Sets::default(); 2];
    // SAFETY: both are live locals of the layout that this version has.
    match unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads it all back, and tries the way back.
fn is_become(identity: &Identity) -> bool {
    let (mut uids, mut gids) = ([0; 3], [0; 3]);
    let [ruid, euid, suid] = &mut uids;
    let [rgid, egid, sgid] = &mut gids;
    // SAFETY: live locals of the right types.
    let read =
        unsafe { libc::getresuid(ruid, euid, suid) == 0 && libc::getresgid(rgid, egid, sgid) == 0 };
    let settled = read && uids == [identity.uid; 3] && gids == [identity.gid; 3];
    // SAFETY: takes a number; succeeds only for one who is root still.
    let stuck = identity.uid == 0 || unsafe { libc::setuid(0) } == -1;
    settled && has_groups(&identity.groups) && stuck
}

/// More groups than there is room for here are counted only: nothing may be allocated.
fn has_groups(wanted: &[u32]) -> bool {
    let mut found = [0; 256];
    // SAFETY: a count of zero asks for the number; else the list is valid for its length.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let Ok(count) = usize::try_from(count) else { return false };
    if count != wanted.len() || count > found.len() {
        return count == wanted.len();
    }
    // SAFETY: as above.
    let read = unsafe { libc::getgroups(256, found.as_mut_ptr()) };
    found[..count].sort_unstable();
    usize::try_from(read) == Ok(count) && found[..count] == *wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_minus_one() {
        assert_eq!(id_from("1000".as_ref()), Some(1000));
        for text in ["4294967295", "-1", "", "root", "1000 "] {
            assert_eq!(id_from(text.as_ref()), None, "{text:?}");
        }
    }
}
