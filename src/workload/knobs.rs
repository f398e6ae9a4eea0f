//! The files of a workload's cgroup that the ladder writes, held open from the start: pulling a knob opens and allocates nothing,
//! and waits for nothing.
//!
//! A write of `memory.high` or `memory.max` below what is in use reclaims before it returns, for seconds where reclaim gets nothing
//! (memory_high_write() and memory_max_write() in mm/memcontrol.c). From Linux 6.16 on it does not where the file was opened with
//! `O_NONBLOCK` ("memcg: introduce non-blocking limit setting option"); older kernels take no notice of the flag, and there
//! nothing is written below what is in use but by a [`super::line_writer`].

use crate::cgroup::kept::{Keeping, Kept};
use crate::cgroup::line_files::{LineFiles, WRITABLE, in_use, limit_in, read_limit};
use crate::cgroup::{Cgroup, files, write_whole};
use crate::escape::shown;
use crate::event::InForce;
use crate::placement::surroundings::release;
use crate::units::{Bytes, Limit};
use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

/// The first kernel that need not reclaim before such a write returns.
const NON_BLOCKING: (u32, u32) = (6, 16);

/// The knobs.
#[derive(Debug)]
pub struct Knobs {
    events: Kept,
    memory: Option<MemoryFiles>,
    freeze: Option<Freezer>,
    kill: Option<File>,
}

/// The lines of the kernel, where the memory controller is.
#[derive(Debug)]
struct MemoryFiles {
    high: File,
    /// Of a cgroup of others it is read, and never written.
    max: Ceiling,
    current: Rc<File>,
    /// Whether a write below what is in use reclaims before it returns.
    waits: bool,
}

/// `memory.max`.
#[derive(Debug)]
enum Ceiling {
    /// Ours to move.
    Ours(File),
    /// Of a cgroup that somebody else made.
    Theirs(Kept),
}

/// `cgroup.freeze`.
#[derive(Debug)]
enum Freezer {
    Open(File),
    /// Opened when it is used.
    Named(Cgroup),
}

/// Why a line is not where it was to go.
#[derive(Debug)]
pub enum Refusal {
    /// The write would have reclaimed, or killed: so much is in use.
    InUse(Bytes),
    /// The kernel refused, or says something else afterwards.
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Failed(error)
    }
}

impl Knobs {
    /// Opens them. Those that the kernel does not have (`cgroup.kill` before 5.14) or the tier has not are left out.
    ///
    /// # Errors
    /// When `cgroup.events` cannot be opened.
    pub fn open(cgroup: &Cgroup) -> Result<Knobs> {
        Knobs::beside(cgroup, LineFiles::open(cgroup).ok())
    }

    /// The same where the files of the lines are open, or are none of the tier's.
    ///
    /// # Errors
    /// As [`Knobs::open`].
    pub fn beside(cgroup: &Cgroup, lines: Option<LineFiles>) -> Result<Knobs> {
        let name = |file| format!("open {}", shown(&cgroup.path().join(file)));
        let events = Kept::new(cgroup, "cgroup.events", Keeping::Open);
        Ok(Knobs {
            events: events.with_context(|| name("cgroup.events"))?,
            memory: lines.map(MemoryFiles::of_ours),
            freeze: cgroup.file("cgroup.freeze", OFlag::O_RDWR).ok().map(Freezer::Open),
            kill: cgroup.file("cgroup.kill", OFlag::O_WRONLY).ok(),
        })
    }

    /// Those of a cgroup that somebody else made, with its `memory.current` if it has one. Its `memory.max` is theirs and stays.
    ///
    /// # Errors
    /// As [`Knobs::open`].
    pub fn of_others(cgroup: &Cgroup, current: Option<Rc<File>>) -> Result<Knobs> {
        let name = |file| format!("open {}", shown(&cgroup.path().join(file)));
        let events = Kept::new(cgroup, "cgroup.events", Keeping::Sparing);
        let freezes = cgroup.file("cgroup.freeze", OFlag::O_RDWR).is_ok();
        Ok(Knobs {
            events: events.with_context(|| name("cgroup.events"))?,
            memory: current.and_then(|current| MemoryFiles::of_others(cgroup, current).ok()),
            freeze: freezes.then(|| Freezer::Named(cgroup.clone())),
            kill: cgroup.file("cgroup.kill", OFlag::O_WRONLY).ok(),
        })
    }

    /// Whether `memory.high` is ours to move.
    pub fn has_lines(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether `memory.max` is.
    pub fn moves_max(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| matches!(memory.max, Ceiling::Ours(_)))
    }

    /// `cgroup.events` where it is held open, for EPOLLPRI.
    pub fn telling_file(&self) -> Option<BorrowedFd<'_>> {
        self.events.descriptor()
    }

    /// Whether a live process is in the cgroup or below it.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn populated(&self) -> io::Result<bool> {
        let mut text = [0; 128];
        let events = files::cgroup_events(self.events.read(&mut text)?);
        Ok(events.ok_or(io::ErrorKind::InvalidData)?.populated)
    }

    /// Where the kernel's lines stand.
    ///
    /// # Errors
    /// Without the memory controller, and when the cgroup is gone.
    pub fn in_force(&self) -> io::Result<InForce> {
        let memory = self.memory()?;
        Ok(InForce { high: read_limit(&memory.high)?, max: memory.max.limit()? })
    }

    /// Writes `memory.high` and reads it back, unless that would wait.
    ///
    /// # Errors
    /// When more is in use, or the kernel refuses it or says something else afterwards.
    pub fn set_memory_high(&self, limit: Limit) -> Result<(), Refusal> {
        let memory = self.memory()?;
        if memory.waits {
            memory.leave_room(limit)?;
        }
        write_limit(&memory.high, limit)
    }

    /// Writes `memory.max` and reads it back; that of others stays. Never below what is in use, which the kernel answers with a kill.
    ///
    /// # Errors
    /// As [`Knobs::set_memory_high`].
    pub fn set_memory_max(&self, limit: Limit) -> Result<(), Refusal> {
        let memory = self.memory()?;
        let Ceiling::Ours(max) = &memory.max else { return Ok(()) };
        memory.leave_room(limit)?;
        write_limit(max, limit)
    }

    /// `memory.current`.
    ///
    /// # Errors
    /// As [`Knobs::in_force`].
    pub fn current(&self) -> io::Result<Bytes> {
        self.memory()?.in_use()
    }

    fn memory(&self) -> io::Result<&MemoryFiles> {
        self.memory.as_ref().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Whether `cgroup.freeze` is there (from Linux 5.2).
    pub fn can_freeze(&self) -> bool {
        self.freeze.is_some()
    }

    /// Writes `cgroup.freeze`.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn freeze(&self, frozen: bool) -> io::Result<()> {
        let value = if frozen { b"1" } else { b"0" };
        match &self.freeze {
            None => Err(io::ErrorKind::Unsupported.into()),
            Some(Freezer::Open(file)) => write_whole(file, value),
            Some(Freezer::Named(cgroup)) => {
                write_whole(&cgroup.file("cgroup.freeze", OFlag::O_RDWR)?, value)
            }
        }
    }

    /// Writes `cgroup.kill`; false where there is none.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn kill(&self) -> io::Result<bool> {
        match &self.kill {
            None => Ok(false),
            Some(file) => match write_whole(file, b"1") {
                Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(true),
                other => other.map(|()| true),
            },
        }
    }
}

impl Ceiling {
    fn limit(&self) -> io::Result<Limit> {
        let mut text = [0u8; 24];
        match self {
            Ceiling::Ours(file) => read_limit(file),
            Ceiling::Theirs(kept) => limit_in(kept.read(&mut text)?),
        }
    }
}

impl MemoryFiles {
    fn of_ours(files: LineFiles) -> MemoryFiles {
        let LineFiles { high, max, current } = files;
        let waits = kernel_release() < NON_BLOCKING;
        MemoryFiles { high, max: Ceiling::Ours(max), current, waits }
    }

    fn of_others(cgroup: &Cgroup, current: Rc<File>) -> io::Result<MemoryFiles> {
        Ok(MemoryFiles {
            high: cgroup.file("memory.high", WRITABLE)?,
            max: Ceiling::Theirs(Kept::new(cgroup, "memory.max", Keeping::Sparing)?),
            current,
            waits: kernel_release() < NON_BLOCKING,
        })
    }

    fn in_use(&self) -> io::Result<Bytes> {
        in_use(&self.current)
    }

    /// Between this and the write are some microseconds, which is what the room of the relief line is for.
    fn leave_room(&self, limit: Limit) -> Result<(), Refusal> {
        let Limit::At(line) = limit else { return Ok(()) };
        match self.in_use()? {
            current if current.0 >= line => Err(Refusal::InUse(current)),
            _ => Ok(()),
        }
    }
}

fn write_limit(file: &File, limit: Limit) -> Result<(), Refusal> {
    let mut text = [0u8; 24];
    let room = text.len();
    let mut rest = &mut text[..];
    write!(rest, "{limit}")?;
    let length = room - rest.len();
    write_whole(file, &text[..length])?;
    match read_limit(file)? {
        now if now == limit => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
    }
}

/// Major and minor number of the running kernel; 0 where it does not say so.
fn kernel_release() -> (u32, u32) {
    let mut numbers =
        release().split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
