//! The ledger's file, beside the post-mortems: `ended.json` of the caller's state directory. Written by guardians whose run is over,
//! many at a time if need be: each takes the lock, reads, adds, writes another file and renames it over the first. Who reads never
//! sees a half, and never waits. The lock is a file that nobody but the caller can open, and is waited for a bounded time; it goes
//! with the process that holds it. Nothing is synced: what a loss of power takes is some counts, and a counter that begins anew.

use super::{Ledger, RecentEnd};
use crate::clock::{Clock, pause};
use crate::escape::shown;
use crate::report::post_mortem::archive;
use crate::report::record::{CallerId, as_caller};
use anyhow::{Context as _, Result};
use nix::libc;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

/// The file's name.
pub const FILE: &str = "ended.json";
const LOCK: &str = ".ended.lock";
const UNFINISHED: &str = ".ended.part";
/// What cannot be read is put aside under this name.
const DAMAGED: &str = "ended.damaged";

/// A file larger than this is none of ours: a full ledger has a third of it.
const LARGEST: u64 = 256 << 10;
/// So long the others are waited for, each of whom needs a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to get the lock.
const PAUSE: Duration = Duration::from_millis(5);

/// What became of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// Not counted: the caller has no place to keep a ledger (no home, not writable), and nobody asked for it.
    Not,
    /// Counted.
    Added,
    /// Counted as the first: what was there is no ledger, and was put aside.
    Anew,
}

/// Counts an end in the caller's ledger. Gives what there is to say of it: that it is not counted (the disk is full, the lock is held
/// for long, a file there is not the caller's), or that what was there was put aside.
#[must_use]
pub fn count(end: &RecentEnd, caller: CallerId) -> Option<String> {
    match try_to_count(end, caller) {
        Ok(Counted::Not | Counted::Added) => None,
        Ok(Counted::Anew) => Some(format!(
            "the ledger of ended runs could not be parsed: it is kept as {DAMAGED} beside the new one, and all counts begin anew"
        )),
        Err(error) => Some(format!("{error:#}")),
    }
}

fn try_to_count(end: &RecentEnd, caller: CallerId) -> Result<Counted> {
    let Some(directory) = archive::directory(caller) else { return Ok(Counted::Not) };
    let counted = as_caller(caller, || match open_lock(&directory, caller.uid) {
        Ok(lock) => match add(&directory, lock, end, caller.uid) {
            // By the limit that the caller set for itself and its children (ulimit -f).
            Err(error) if error.kind() == ErrorKind::FileTooLarge => Ok(Counted::Not),
            added => added,
        },
        Err(error) if is_no_place(&error) => Ok(Counted::Not),
        Err(error) => Err(error),
    });
    counted.with_context(|| format!("cannot count the end in {}", shown(&directory.join(FILE))))
}

fn is_no_place(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::NotADirectory)
        || kind == ErrorKind::ReadOnlyFilesystem
}

fn open_lock(directory: &Path, owner: u32) -> io::Result<File> {
    let open = || options().read(true).write(true).create(true).open(directory.join(LOCK));
    let file = match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            open()?
        }
        opened => opened?,
    };
    check(&file, owner)?;
    Ok(file)
}

fn add(directory: &Path, lock: File, end: &RecentEnd, owner: u32) -> io::Result<Counted> {
    let _lock = hold(lock)?;
    let path = directory.join(FILE);
    let (mut ledger, counted) = match read(&path, owner) {
        Ok(ledger) => (ledger, Counted::Added),
        Err(error) if error.kind() == ErrorKind::NotFound => (Ledger::default(), Counted::Added),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            std::fs::rename(&path, directory.join(DAMAGED))?;
            (Ledger::default(), Counted::Anew)
        }
        Err(error) => return Err(error),
    };
    ledger.add(end);
    write(directory, &path, &ledger.to_json()?).map(|()| counted)
}

/// We have the lock: what lies under the unfinished one's name is a dead guardian's.
fn write(directory: &Path, path: &Path, json: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED);
    let create = || options().write(true).create_new(true).open(&unfinished);
    let mut file = match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(&unfinished)?;
            create()?
        }
        created => created?,
    };
    let written = file.write_all(json).and_then(|()| std::fs::rename(&unfinished, path));
    written.inspect_err(|_| {
        // It is the first error that is told.
        let _ = std::fs::remove_file(&unfinished);
    })
}

/// The lock ends with the file, which nobody else has.
fn hold(file: File) -> io::Result<File> {
    let clock = Clock::start();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if clock.now().0 >= PATIENCE {
            return Err(io::Error::other("another guardian has held the lock for too long"));
        }
        pause(PAUSE);
    }
}

/// Nothing is followed and no pipe waited for; what is made is the caller's alone.
fn options() -> OpenOptions {
    let mut options = File::options();
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

/// Reads a ledger of `owner`'s.
///
/// # Errors
/// It cannot be opened, or is another's (then of kind `InvalidData` where it is no ledger).
pub fn read(path: &Path, owner: u32) -> io::Result<Ledger> {
    read_from(options().read(true).open(path)?, owner)
}

/// As [`read`], from an open file.
///
/// # Errors
/// As [`read`].
pub fn read_from(mut file: File, owner: u32) -> io::Result<Ledger> {
    // It is never written in place.
    let mut json = vec![0; usize::try_from(check(&file, owner)?).unwrap_or(0)];
    file.read_exact(&mut json)?;
    let ledger = Ledger::from_json(&json);
    ledger.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it is not a ledger of ended runs"))
}

/// Gives its size.
fn check(file: &File, owner: u32) -> io::Result<u64> {
    let data = file.metadata()?;
    let why = match () {
        () if !data.is_file() => "it is not a regular file",
        () if data.uid() != owner => "it belongs to another user",
        () if data.size() > LARGEST => "it is too large",
        () => return Ok(data.size()),
    };
    Err(io::Error::other(why))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Last};
    use super::*;
    use std::os::unix::fs::symlink;

    fn end(name: &str) -> RecentEnd {
        let kind = Kind { name: name.into(), reason: "exited".into(), signal: "none".into() };
        RecentEnd { kind, last: Last::default() }
    }

    fn me() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    fn add(directory: &Path, end: &RecentEnd) -> io::Result<Counted> {
        super::add(directory, open_lock(directory, me())?, end, me())
    }

    fn counted(directory: &Path) -> u64 {
        let ledger = read(&directory.join(FILE), me()).unwrap();
        ledger.ends.values().map(|tally| tally.count).sum()
    }

    /// Also by a reader that looks all the time, who sees whole ledgers that only grow.
    #[test]
    fn many_at_once_are_all_counted() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path();
        add(directory, &end("first")).unwrap();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|n| {
                    scope.spawn(move || {
                        // On a busy machine the turn of one of them can be later than the patience: it tries again.
                        let count = || add(directory, &end(&format!("r{n}"))).is_ok();
                        (0..25).for_each(|_| while !count() {});
                    })
                })
                .collect();
            let mut last = 0;
            while !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                let now = counted(directory);
                assert!(now >= last);
                last = now;
                std::thread::yield_now();
            }
        });
        assert_eq!(counted(directory), 201);
        let names = std::fs::read_dir(directory).unwrap().count();
        assert_eq!(names, 2, "the ledger and its lock");
    }

    #[test]
    fn what_is_no_ledger_is_put_aside() {
        let place = tempfile::tempdir().unwrap();
        for text in ["", "{\"schema\":1,\"ends\":[{", "{\"schema\":99,\"ends\":[]}"] {
            std::fs::write(place.path().join(FILE), text).unwrap();
            assert_eq!(add(place.path(), &end("a")).unwrap(), Counted::Anew);
            assert_eq!(counted(place.path()), 1);
            assert_eq!(std::fs::read_to_string(place.path().join(DAMAGED)).unwrap(), text);
        }
        std::fs::write(place.path().join(UNFINISHED), "half").unwrap();
        assert_eq!(add(place.path(), &end("a")).unwrap(), Counted::Added);
        assert_eq!(counted(place.path()), 2);
    }

    #[test]
    fn pipes_links_and_what_is_too_large_are_refused_and_not_waited_for() {
        use nix::sys::stat::Mode;
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("elsewhere"), "x").unwrap();
        for name in [LOCK, FILE] {
            nix::unistd::mkfifo(&at(name), Mode::S_IRWXU).unwrap();
            assert!(add(place.path(), &end("a")).is_err(), "{name}");
            std::fs::remove_file(at(name)).unwrap();
            symlink(at("elsewhere"), at(name)).unwrap();
            assert!(add(place.path(), &end("a")).is_err(), "{name}");
            std::fs::remove_file(at(name)).unwrap();
        }
        std::fs::write(at(FILE), vec![b' '; 300 << 10]).unwrap();
        assert!(add(place.path(), &end("a")).is_err());
        assert!(read(&at(FILE), me() + 1).is_err());
        assert_eq!(std::fs::read(at("elsewhere")).unwrap(), b"x");
    }
}
