//! Everything that knows a cgroup v2 directory: finding one, making one, its files, its limits, its end.

pub mod ancestors;
pub mod available;
pub mod files;
pub mod hierarchy;
pub mod hugetlb;
pub mod kept;
pub mod lag;
pub mod limits;
pub mod line_files;
pub mod machine;
pub mod maker;
mod removal;
pub mod swap;

use crate::escape::shown;
use crate::kernel_file;
use anyhow::{Context, Result, bail};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use rustix::fs::{FileType, RawDir};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// One cgroup: its directory, held open, so that its files cannot be exchanged for others behind our back.
///
/// A copy of it shares the descriptor.
#[derive(Clone, Debug)]
pub struct Cgroup {
    dir: Rc<File>,
    path: PathBuf,
}

impl Cgroup {
    /// Opens an existing directory.
    ///
    /// # Errors
    /// When it cannot be opened as a directory.
    pub fn open(path: &Path) -> Result<Cgroup> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = nix::fcntl::open(path, flags, Mode::empty())
            .with_context(|| format!("open cgroup {}", shown(path)))?;
        Ok(Cgroup { dir: Rc::new(File::from(dir)), path: path.to_owned() })
    }

    /// Makes a directory below this one. A leftover of that name without processes is replaced.
    ///
    /// # Errors
    /// When the kernel refuses, or a cgroup of that name is in use.
    pub fn create_child(&self, name: &str) -> Result<Cgroup> {
        let path = self.path.join(name);
        let made = nix::sys::stat::mkdirat(&*self.dir, name, Mode::from_bits_truncate(0o755));
        if made == Err(nix::Error::EEXIST) {
            unlinkat(&*self.dir, name, UnlinkatFlags::RemoveDir)
                .with_context(|| format!("replace leftover cgroup {}", shown(&path)))?;
            nix::sys::stat::mkdirat(&*self.dir, name, Mode::from_bits_truncate(0o755))
                .with_context(|| format!("make cgroup {}", shown(&path)))?;
        } else {
            made.with_context(|| format!("make cgroup {}", shown(&path)))?;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let opened =
            self.file(name, flags).with_context(|| format!("open cgroup {}", shown(&path)));
        let dir = opened.inspect_err(|_| {
            // Nobody else would: it is the reason that is told.
            let _ = unlinkat(&*self.dir, name, UnlinkatFlags::RemoveDir);
        })?;
        Ok(Cgroup { dir: Rc::new(dir), path })
    }

    /// Whether it is one, and not a directory with files of such names that somebody made.
    pub fn is_real(&self) -> bool {
        use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
        fstatfs(&*self.dir).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its directory, open.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The names of those in it, as [`names_in`] has them. To be called once.
    pub fn names(&self) -> Vec<OsString> {
        names_of(&*self.dir)
    }

    /// The same for somebody who keeps it.
    pub fn shared_directory(&self) -> Rc<File> {
        Rc::clone(&self.dir)
    }

    /// Opens one of its files.
    ///
    /// # Errors
    /// As openat(2); ENOENT where the kernel is too old or the controller is off, ENODEV when the cgroup is gone.
    pub fn file(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        Ok(File::from(openat(self.dir.as_fd(), name, flags, Mode::empty())?))
    }

    /// Whether it has such a file.
    pub fn has(&self, name: &str) -> bool {
        nix::sys::stat::fstatat(&*self.dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    /// A file's text. Cold path: allocates.
    ///
    /// # Errors
    /// When it cannot be opened or read; the message names it.
    pub fn read(&self, name: &str) -> Result<String> {
        self.file(name, OFlag::O_RDONLY)
            .and_then(|file| {
                // Lists come in pages; everything else is one record.
                let is_list = matches!(name, "cgroup.procs" | "cgroup.threads");
                let read =
                    if is_list { kernel_file::read_numbers } else { kernel_file::read_piece };
                kernel_file::into_text(read(file)?)
            })
            .with_context(|| format!("read {}", shown(&self.path.join(name))))
    }

    /// Writes a value in one write(2).
    ///
    /// # Errors
    /// When the kernel refuses it; the message names value and file.
    pub fn write(&self, name: &str, value: &str) -> Result<()> {
        self.file(name, OFlag::O_WRONLY)
            .and_then(|file| write_whole(&file, value.as_bytes()))
            .with_context(|| format!("write {value:?} to {}", shown(&self.path.join(name))))
    }

    /// Writes a value to one of its files, which is opened for that, and reads it back.
    ///
    /// # Errors
    /// When the kernel refuses it, or the file says something else afterwards; the message names value and file.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let file = self.file(name, OFlag::O_RDWR);
        let path = || shown(&self.path.join(name));
        self.put(&file.with_context(|| format!("write {value:?} to {}", path()))?, name, value)
    }

    /// The same of one that is open, and called so.
    ///
    /// # Errors
    /// As [`Cgroup::set`].
    pub fn put(&self, file: &File, name: &str, value: &str) -> Result<()> {
        let path = || shown(&self.path.join(name));
        write_whole(file, value.as_bytes())
            .with_context(|| format!("write {value:?} to {}", path()))?;
        let mut buffer = [0; 128];
        let text = kept::read(file, &mut buffer).with_context(|| format!("read {}", path()))?;
        self.compare(name, &String::from_utf8_lossy(text), value)
    }

    /// Fails unless the file says what was written to it: a limit that is not in force is an error, never a silence.
    ///
    /// # Errors
    /// When the file says something else or cannot be read.
    pub fn verify(&self, name: &str, wanted: &str) -> Result<()> {
        self.compare(name, &self.read(name)?, wanted)
    }

    fn compare(&self, name: &str, text: &str, wanted: &str) -> Result<()> {
        if text.trim() != wanted {
            let path = self.path.join(name);
            bail!("{} says {:?} after {wanted:?} was written", shown(&path), text.trim());
        }
        Ok(())
    }

    /// Removes it and what the workload made below it. Gone already is done already.
    ///
    /// # Errors
    /// EBUSY while a process is left in it.
    pub fn remove(&self) -> Result<()> {
        let name = self.path.file_name().context("find the name of a cgroup")?;
        let removed = removal::remove(&*self.dir, name).map_err(io::Error::from);
        removed.with_context(|| format!("remove cgroup {}", shown(&self.path)))
    }
}

/// The names of the cgroups, or whatever directories there are, in a directory of the kernel's, oldest first: the kernel's numbers for them
/// go up (__kernfs_new_node() in fs/kernfs/dir.c). None where it cannot be read.
pub fn names_in(directory: &Path) -> Vec<OsString> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(opened) = nix::fcntl::open(directory, flags, Mode::empty()) else { return Vec::new() };
    names_of(&opened)
}

fn names_of(opened: impl AsFd) -> Vec<OsString> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 32 << 10];
    let (mut entries, mut names) = (RawDir::new(opened, &mut buffer), Vec::new());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        if entry.file_type() == FileType::Directory && !matches!(name, b"." | b"..") {
            names.push((entry.ino(), OsStr::from_bytes(name).to_owned()));
        }
    }
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

/// An extended attribute of a cgroup, if it has it.
pub fn attribute(directory: &Path, name: &str) -> Option<OsString> {
    let mut value = [0u8; 128];
    let length = rustix::fs::getxattr(directory, name, &mut value[..]).ok()?;
    Some(OsStr::from_bytes(&value[..length]).to_owned())
}

/// One value, one write(2): cgroup files take each write as a whole. Allocates nothing, whatever comes of it.
pub fn write_whole(file: &File, value: &[u8]) -> io::Result<()> {
    loop {
        match file.write_at(value, 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(n) if n != value.len() => return Err(io::ErrorKind::WriteZero.into()),
            other => return other.map(drop),
        }
    }
}
