//! Where the cgroup v2 tree is mounted and where in it we are: from mountinfo and /proc/self/cgroup, never a fixed string.

use super::machine::MachineMemory;
use super::{Cgroup, files};
use crate::escape::shown;
use crate::kernel_file;
use crate::units::{Bytes, Limit};
use anyhow::{Context, Result, anyhow};
use nix::fcntl::OFlag;
use procfs::process::MountInfo;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Whether huge pages are in `memory.current`, once that was looked up.
static WITH_HUGE_PAGES: OnceLock<bool> = OnceLock::new();

/// Whether huge pages are memory like any other: `memory_hugetlb_accounting`, from Linux 6.6 on (cgroup-v2.rst).
pub(super) fn has_huge_pages() -> bool {
    *WITH_HUGE_PAGES.get_or_init(|| with_huge_pages(mounts_at_start()))
}

fn with_huge_pages(mountinfo: &[u8]) -> bool {
    let has = |mount: MountInfo| mount.super_options.contains_key("memory_hugetlb_accounting");
    mounts(mountinfo, "cgroup2").any(has)
}

/// One mount of the cgroup v2 file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Our own cgroup's directory below it; `None` when we are outside what is mounted.
    pub own: Option<PathBuf>,
    /// The part of the tree that is mounted.
    pub root: String,
    /// Whether nothing can be changed there.
    pub read_only: bool,
    /// Controllers of its root, as its file has them; none where nobody looked.
    pub controllers: String,
    /// Whether its root is a cgroup like any other, where it has the memory controller: only the kernel's own has no `cgroup.type`, nor
    /// limits (cgroup-v2.rst).
    pub has_type: bool,
}

/// The least of the limits of a cgroup and all above it that we can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OuterLimit {
    /// `memory.max` or `memory.high`, whichever is lower.
    pub bytes: Bytes,
    /// The file that says so; `None`: the machine's memory.
    pub path: Option<PathBuf>,
}

/// All mounts of cgroup v2, as this process sees them.
///
/// # Errors
/// When /proc is not readable.
pub fn find() -> Result<Vec<Hierarchy>> {
    find_in(&read_mounts()?)
}

/// What is mounted as this process sees it (/proc/self/mountinfo, proc(5)).
///
/// # Errors
/// When /proc is not readable.
pub fn read_mounts() -> Result<Vec<u8>> {
    kernel_file::read("/proc/self/mountinfo").context("read /proc/self/mountinfo")
}

/// The same as it was when we first looked: for what is not mounted anew while somebody is in it.
pub fn mounts_at_start() -> &'static [u8] {
    static MOUNTS: OnceLock<Vec<u8>> = OnceLock::new();
    MOUNTS.get_or_init(|| read_mounts().unwrap_or_default())
}

/// Those of these mounts that are of cgroup v2.
///
/// # Errors
/// When /proc is not readable.
pub fn find_in(mounts: &[u8]) -> Result<Vec<Hierarchy>> {
    let groups = kernel_file::read_once("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let mut found = parse(mounts, &groups);
    found.iter_mut().for_each(Hierarchy::learn);
    Ok(found)
}

/// The mounts of cgroup v2 in /proc/PID/mountinfo, with the place of who has this /proc/PID/cgroup (both: proc(5)).
pub fn parse(mountinfo: &[u8], cgroup: &[u8]) -> Vec<Hierarchy> {
    let own = path_of(cgroup);
    let hierarchy = |mount: MountInfo| Hierarchy {
        own: own.and_then(|own| below(&mount.mount_point, &mount.root, own)),
        mount_point: mount.mount_point,
        root: mount.root,
        read_only: mount.mount_options.contains_key("ro"),
        controllers: String::new(),
        has_type: false,
    };
    mounts(mountinfo, "cgroup2").map(hierarchy).collect()
}

/// The mounts of one kind. The lines of others are not even read: a user may mount what is no text.
pub fn mounts(mountinfo: &[u8], kind: &str) -> impl Iterator<Item = MountInfo> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter(move |line| line.split(" - ").nth(1).is_some_and(|rest| starts(rest, kind)))
        .filter_map(|line| MountInfo::from_line(line).ok())
        .filter(move |mount| mount.fs_type == kind && mount.mount_point.is_absolute())
}

fn starts(rest: &str, word: &str) -> bool {
    rest.strip_prefix(word).is_some_and(|rest| rest.starts_with(' '))
}

/// The path of the line `0::PATH`; `None` where there is no v2 hierarchy.
fn path_of(cgroup: &[u8]) -> Option<&Path> {
    let mut lines = cgroup.split(|byte| *byte == b'\n');
    let path = lines.find_map(|line| line.strip_prefix(b"0::"))?;
    Some(Path::new(OsStr::from_bytes(path)))
}

/// The directory of the cgroup `own` under a mount of the part `root` of the tree. A path that leaves the cgroup
/// namespace (`/../x`) is not below it.
fn below(mount_point: &Path, root: &str, own: &Path) -> Option<PathBuf> {
    let rest = own.strip_prefix(root).ok()?;
    let inside = rest.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    match rest.as_os_str().is_empty() {
        true => Some(mount_point.to_owned()),
        false => inside.then(|| mount_point.join(rest)),
    }
}

/// What /proc/PID/cgroup says of who is in the cgroup with this directory; `None` where that is not in a mounted tree of cgroup v2.
pub fn place_of(directory: &Path) -> Option<PathBuf> {
    let mounts_text = mounts_at_start();
    place_in(mounts_text, directory)
}

/// The directory of the cgroup with this place in the tree (as /proc/PID/cgroup has it), if it lies in what is mounted here.
pub fn directory_of(place: &Path) -> Option<PathBuf> {
    directory_in(mounts_at_start(), place)
}

fn directory_in(mountinfo: &[u8], place: &Path) -> Option<PathBuf> {
    mounts(mountinfo, "cgroup2").find_map(|it| below(&it.mount_point, &it.root, place))
}

/// The place in the tree of a process's cgroup; `None` where there is no v2 hierarchy.
///
/// # Errors
/// When there is no such process (ENOENT), or it is hidden from us.
pub fn place_of_process(pid: i32) -> std::io::Result<Option<PathBuf>> {
    let text = kernel_file::read_once(format!("/proc/{pid}/cgroup"))?;
    Ok(path_of(&text).map(Path::to_owned))
}

fn place_in(mountinfo: &[u8], directory: &Path) -> Option<PathBuf> {
    let above = mounts(mountinfo, "cgroup2").filter(|it| directory.starts_with(&it.mount_point));
    // Of mounts on top of each other the last one is seen.
    let mount = above.max_by_key(|mount| mount.mount_point.components().count())?;
    let rest = directory.strip_prefix(&mount.mount_point).ok()?;
    Some(Path::new(&mount.root).join(rest))
}

impl Hierarchy {
    /// Whether its root has the controller.
    pub fn has_controller(&self, controller: &str) -> bool {
        files::has_controller(&self.controllers, controller)
    }

    fn learn(&mut self) {
        let read = kernel_file::read_once(self.mount_point.join("cgroup.controllers"));
        self.controllers = String::from_utf8_lossy(&read.unwrap_or_default()).into_owned();
        let kind = self.mount_point.join("cgroup.type");
        self.has_type = self.has_controller("memory") && nix::sys::stat::lstat(&kind).is_ok();
    }

    /// The directory of another process's cgroup, if it lies below the mount point.
    pub fn of_process(&self, pid: i32) -> Option<PathBuf> {
        below(&self.mount_point, &self.root, &place_of_process(pid).ok()??)
    }

    /// Our own cgroup and those above it, innermost first, up to the mount point.
    pub fn upwards(&self) -> impl Iterator<Item = &Path> {
        let own = self.own.as_deref();
        own.into_iter()
            .flat_map(Path::ancestors)
            .take_while(|path| path.starts_with(&self.mount_point))
    }
}

impl OuterLimit {
    /// The machine's memory.
    pub fn of(machine: &MachineMemory) -> OuterLimit {
        OuterLimit { bytes: machine.total, path: None }
    }

    /// With the limits of this cgroup itself, and those above it.
    #[must_use]
    pub fn including(mut self, cgroup: &Path) -> OuterLimit {
        for directory in cgroup.ancestors() {
            self = self.with(directory);
        }
        self
    }

    /// This one, or that of this cgroup alone if it is less.
    #[must_use]
    pub fn with(mut self, cgroup: &Path) -> OuterLimit {
        let limit = Cgroup::open(cgroup).ok().as_ref().and_then(read_memory_limit);
        if let Some((bytes, name)) = limit {
            self.lower_to(bytes, || cgroup.join(name));
        }
        self
    }

    pub(super) fn lower_to(&mut self, bytes: Bytes, path: impl FnOnce() -> PathBuf) {
        if bytes < self.bytes {
            *self = OuterLimit { bytes, path: Some(path()) };
        }
    }
}

/// `memory.max` or `memory.high` of a cgroup, whichever is lower, and its name.
pub(super) fn read_memory_limit(cgroup: &Cgroup) -> Option<(Bytes, &'static str)> {
    let limits = ["memory.max", "memory.high"].map(|name| Some((read_limit(cgroup, name)?, name)));
    limits.into_iter().flatten().min_by_key(|(bytes, _)| *bytes)
}

/// A limit of a cgroup; `None` where there is no such file, or none is set.
pub(super) fn read_limit(cgroup: &Cgroup, name: &str) -> Option<Bytes> {
    let file = cgroup.file(name, OFlag::O_RDONLY).ok()?;
    files::limit(&kernel_file::read_piece(file).ok()?)?.value().map(Bytes)
}

/// Fails if leaving this cgroup for one above it would get the workload around a limit.
///
/// # Errors
/// Names the limit that stands.
pub fn unrestricted(directory: &Path) -> Result<()> {
    let cgroup = Cgroup::open(directory)?;
    for name in ["memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max"] {
        let Ok(text) = cgroup.read(name) else { continue };
        let first = text.split_whitespace().next().unwrap_or("max");
        if files::limit(first.as_bytes()) != Some(Limit::Max) {
            return Err(anyhow!("{} is {first}", shown(&directory.join(name))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cgroup_lies_below_the_mount_point() {
        let at = |root, own: &str| below(Path::new("/sys/fs/cgroup"), root, own.as_ref());
        assert_eq!(at("/", "/"), Some("/sys/fs/cgroup".into()));
        assert_eq!(at("/", "/a/b"), Some("/sys/fs/cgroup/a/b".into()));
        assert_eq!(at("/docker/x", "/docker/x/y"), Some("/sys/fs/cgroup/y".into()));
        assert_eq!(at("/docker/x", "/other"), None);
        assert_eq!(at("/", "/../outside"), None);
    }

    #[test]
    fn a_directory_has_the_place_that_its_processes_tell() {
        let mounts = b"23 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
            24 1 0:26 /docker/x /mnt/x rw - cgroup2 cgroup2 rw\n\
            25 1 0:7 / /tmp rw - tmpfs tmpfs rw\n";
        let place = |path| place_in(mounts, Path::new(path));
        assert_eq!(place("/sys/fs/cgroup/a/b"), Some("/a/b".into()));
        assert_eq!(place("/sys/fs/cgroup"), Some("/".into()));
        assert_eq!(place("/mnt/x/y"), Some("/docker/x/y".into()));
        assert_eq!(place("/tmp/a"), None);
        let directory = |place| directory_in(mounts, Path::new(place));
        assert_eq!(directory("/a/b"), Some("/sys/fs/cgroup/a/b".into()));
        assert_eq!(directory_in(b"", Path::new("/a")), None);
    }

    #[test]
    fn mounts_of_others_that_are_no_text_do_not_matter() {
        let mounts = b"20 1 0:5 / /home/x/\xff\xfe rw - fuse x rw\n\
            21 1 0:6 / /mnt rw shared:what - tmpfs - cgroup2 rw\n\
            22 1 0:26 / nowhere rw - cgroup2 cgroup2 rw\n\
            23 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        let found = parse(mounts, b"1:name=systemd:/y\n0::/a\xff\n");
        assert_eq!(found.len(), 1);
        let own = found[0].own.as_ref().unwrap();
        assert_eq!(own.as_os_str().as_bytes(), b"/sys/fs/cgroup/a\xff");
    }
}
