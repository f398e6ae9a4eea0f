//! Removes a cgroup and what its workload made below it, from directory to directory: no path, which a deep tree makes longer than the
//! kernel takes, no recursion, and two descriptors however deep it is.

use nix::Error;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use rustix::fs::{FileType, RawDir};
use std::ffi::{CStr, CString, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// More than any workload makes: somebody adds to it while we remove.
const MOST: usize = 1 << 20;

/// Removes the directory, whose name is this. What is gone already is done already.
///
/// # Errors
/// EBUSY while a process is left in it.
pub(super) fn remove(directory: &impl AsFd, name: &OsStr) -> nix::Result<()> {
    // The usual case, which takes no descriptor.
    match unlinkat(directory, &Path::new("..").join(name), UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Error::ENOENT | Error::ENODEV) => Ok(()),
        Err(_) => remove_with_all_below(directory, name),
    }
}

fn remove_with_all_below(directory: &impl AsFd, name: &OsStr) -> nix::Result<()> {
    match clear(directory).and_then(|()| open(directory, c"..")) {
        // It was removed while we held it open.
        Err(Error::ENOENT | Error::ENODEV) => Ok(()),
        above => gone_is_done(unlinkat(above?, name, UnlinkatFlags::RemoveDir)),
    }
}

/// Goes down as long as there is a directory, and takes on the way up the one that it came from.
fn clear(directory: &impl AsFd) -> nix::Result<()> {
    let mut here = enter(directory, c".")?;
    let mut way: Vec<CString> = Vec::new();
    for _ in 0..MOST {
        if let Some(name) = first_directory(&here)? {
            match enter(&here, &name) {
                Err(Error::ENOENT) => {}
                below => {
                    here = below?;
                    way.push(name);
                }
            }
        } else if let Some(name) = way.pop() {
            here = open(&here, c"..")?;
            gone_is_done(unlinkat(&here, name.as_c_str(), UnlinkatFlags::RemoveDir))?;
        } else {
            return Ok(());
        }
    }
    Err(Error::EBUSY)
}

fn gone_is_done(result: nix::Result<()>) -> nix::Result<()> {
    if result == Err(Error::ENOENT) { Ok(()) } else { result }
}

fn open(directory: &impl AsFd, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

/// A workload of ours, not root, may have taken the rights away.
fn enter(directory: &impl AsFd, name: &CStr) -> nix::Result<OwnedFd> {
    let mut found = open(directory, name);
    if matches!(found, Err(Error::EACCES)) {
        // Where they are not ours to give, the second try says so.
        let _ = fchmod(directory, Mode::S_IRWXU);
        let _ = fchmodat(directory, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink);
        found = open(directory, name);
    }
    let found = found?;
    // Reading is not enough to reach what is in it.
    let _ = fchmod(&found, Mode::S_IRWXU);
    Ok(found)
}

fn first_directory(directory: &impl AsFd) -> nix::Result<Option<CString>> {
    // A descriptor of its own: the position in the directory belongs to it.
    let again = open(directory, c".")?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut entries = RawDir::new(&again, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|errno| Error::from_raw(errno.raw_os_error()))?;
        let name = entry.file_name();
        if entry.file_type() == FileType::Directory && name != c"." && name != c".." {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::mkdirat;
    use std::fs::File;
    use std::os::unix::fs::symlink;

    /// Longer than PATH_MAX and deeper than the descriptors that a process has.
    #[test]
    fn a_tree_too_deep_for_a_path_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        std::fs::create_dir(&top).unwrap();
        let root = File::open(&top).unwrap();
        let mut here = open(&root, c".").unwrap();
        for _ in 0..1500 {
            for name in [c"beside", c"below"] {
                mkdirat(&here, name, Mode::S_IRWXU).unwrap();
            }
            here = open(&here, c"below").unwrap();
        }
        remove(&root, OsStr::new("top")).unwrap();
        assert!(!top.exists());
        remove(&root, OsStr::new("top")).unwrap();
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("other/kept")).unwrap();
        let top = folder.path().join("top");
        std::fs::create_dir(&top).unwrap();
        symlink("../other", top.join("link")).unwrap();
        assert!(remove(&File::open(&top).unwrap(), OsStr::new("top")).is_err());
        assert!(folder.path().join("other/kept").exists());
    }
}
