//! The record of a run for machines (`--json FILE`): opened before the command starts, with the rights of the caller, written at the end.

use crate::escape::shown;
use crate::event::{Cause, Ending, Outcome};
use crate::report::{held_file, words};
use crate::status::{EventLine, Remains, SCHEMA_VERSION, Status};
use crate::sys::memory::PageFaults;
use crate::sys::own_ids;
use crate::sys::privileges::id_from;
use crate::units::{Bytes, millis};
use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::{Gid, Uid, geteuid, getgroups, setegid, seteuid, setgroups};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Who called: under sudo not root but the user behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerId {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl CallerId {
    /// Our real ids, or those that sudo(8) names when we are root.
    pub fn find() -> CallerId {
        static FOUND: OnceLock<CallerId> = OnceLock::new();
        *FOUND.get_or_init(CallerId::look)
    }

    fn look() -> CallerId {
        let own = CallerId { uid: own_ids::uid().as_raw(), gid: own_ids::gid().as_raw() };
        let named = |name| std::env::var_os(name).and_then(|text| id_from(&text));
        match (own.uid, named("SUDO_UID"), named("SUDO_GID")) {
            (0, Some(uid), Some(gid)) => CallerId { uid, gid },
            _ => own,
        }
    }
}

/// What a pipe that takes something takes at once (PIPE_BUF).
const PIECE: usize = 4096;
const PATIENCE_MS: u16 = 5000;
/// A file that is longer, which no record is, is emptied before.
const MOST_REPLACED: usize = 1 << 20;

/// A file opened for the record.
#[derive(Debug)]
pub struct RecordFile {
    file: File,
    path: PathBuf,
    /// With whose rights it was opened.
    caller: CallerId,
    /// It says already that the run has not ended.
    begun: bool,
}

/// The record. `schema` is that of [`Status`].
#[derive(Debug, Serialize)]
struct Record<'a> {
    schema: u32,
    outcome: OutcomeRecord,
    /// Null, as the next, before the end.
    exit_status: Option<u8>,
    ended_unix_ms: Option<u128>,
    /// When SIGTERM and SIGKILL were sent, and the look that decided it; milliseconds since the start.
    term: Option<Decision>,
    kill: Option<Decision>,
    /// Page faults of the workload.
    page_faults: PageFaults,
    /// Page faults of the guardian from these decisions until they were carried out.
    guardian_page_faults: PageFaults,
    /// Whether its memory was locked (mlockall(2)).
    memory_locked: bool,
    /// Single processes that were ended while the rest lived.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended_processes: Vec<&'a EndedProcess>,
    /// Memory that nobody has and everybody is short of.
    left_in_tmpfs: Option<Remains>,
    /// Absent where nothing ran.
    status: Option<&'a Status>,
    events: Vec<EventLine>,
}

/// A step of the ladder, and what memory was then.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Decision {
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// `memory.current`.
    pub current: Bytes,
    /// The footprint.
    pub footprint: Bytes,
}

/// A single process that was ended while the rest of its workload lived. Times are milliseconds since the guardian's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndedProcess {
    /// Its number.
    pub pid: i32,
    /// Its name, escaped.
    pub name: String,
    /// Why, in one word.
    pub reason: &'static str,
    /// What it held then.
    pub size: Bytes,
    /// When it had the polite signal.
    pub term_ms: Option<u64>,
    /// When it had SIGKILL.
    pub kill_ms: Option<u64>,
    /// When it was seen to be gone.
    pub gone_ms: Option<u64>,
    /// The kernel refused the signal.
    pub refused: bool,
}

/// How the run ended, for [`RecordFile::write`].
#[derive(Debug)]
pub struct Ended<'a> {
    /// Who ended it and why.
    pub outcome: &'a Outcome,
    /// The same in words.
    pub text: String,
    /// Our exit status.
    pub exit_status: u8,
    /// SIGTERM.
    pub term: Option<Decision>,
    /// SIGKILL.
    pub kill: Option<Decision>,
    /// Of the workload.
    pub page_faults: PageFaults,
    /// Of the guardian, from these decisions until they were carried out.
    pub guardian_page_faults: PageFaults,
    /// Whether the guardian's memory was locked.
    pub memory_locked: bool,
    /// Single processes that were ended before.
    pub ended_processes: Vec<&'a EndedProcess>,
    /// What is left on tmpfs.
    pub left_in_tmpfs: Option<Remains>,
}

#[derive(Debug, Serialize)]
struct OutcomeRecord {
    ended_by: &'static str,
    reason: Option<&'static str>,
    killed: Option<&'static str>,
    /// Why SIGKILL was needed for those whom the command left behind.
    rest_killed: Option<&'static str>,
    text: String,
    child_exited: Option<u8>,
    child_signal: Option<i32>,
    kernel_oom_kills: u64,
    /// It was frozen for a breach for so long, until it was ended.
    frozen_ms: Option<u64>,
}

impl RecordFile {
    /// Opens (and empties) the file with the caller's rights, so that a root guardian writes nothing its caller could not.
    ///
    /// # Errors
    /// When the caller may not write there.
    pub fn open(path: &Path, caller: CallerId) -> Result<RecordFile> {
        let file = as_caller(caller, || open_for(path, caller))
            .with_context(|| format!("cannot open {} for the record (--json)", shown(path)))?;
        let mut record = RecordFile { file, path: path.to_owned(), caller, begun: false };
        // What cannot be written now is told at the end.
        let _ = record.write_beginning();
        Ok(record)
    }

    /// Takes over a descriptor that the caller left open for it; the command does not get it. To be called before anything is
    /// opened, which could have its number.
    ///
    /// # Errors
    /// When it is not open.
    pub fn inherited(number: i32) -> Result<RecordFile> {
        let fd = crate::sys::inherited::take(number);
        let fd = fd.with_context(|| {
            format!("cannot use descriptor {number} for the record (--json-fd takes 3 to 63)")
        })?;
        let path = PathBuf::from(format!("descriptor {number}"));
        Ok(RecordFile { file: File::from(fd), path, caller: CallerId::find(), begun: false })
    }

    /// Writes the record.
    ///
    /// # Errors
    /// When the disk is full, say.
    pub fn write(self, ended: Ended<'_>, status: &Status, events: Vec<EventLine>) -> Result<()> {
        let record = Record {
            schema: SCHEMA_VERSION,
            outcome: describe(ended.outcome, ended.text),
            exit_status: Some(ended.exit_status),
            term: ended.term,
            kill: ended.kill,
            page_faults: ended.page_faults,
            guardian_page_faults: ended.guardian_page_faults,
            memory_locked: ended.memory_locked,
            ended_processes: ended.ended_processes,
            left_in_tmpfs: ended.left_in_tmpfs,
            ended_unix_ms: Some(crate::clock::unix_time().as_millis()),
            status: Some(status),
            events,
        };
        self.put(&record)
    }

    /// Writes that nothing ran, and why.
    ///
    /// # Errors
    /// As [`RecordFile::write`].
    pub fn write_refusal(self, text: String, exit_status: u8) -> Result<()> {
        self.put(&Record {
            exit_status: Some(exit_status),
            ended_unix_ms: Some(crate::clock::unix_time().as_millis()),
            ..without_run("sentinel", "not-started", text)
        })
    }

    /// A guardian that is killed writes no end. Whoever finds the file then, or before the end, reads that.
    fn write_beginning(&mut self) -> Result<()> {
        self.begun = self.file.metadata()?.is_file();
        if !self.begun {
            return Ok(());
        }
        let text =
            "not ended yet, or sentinel itself was killed before it could say how".to_owned();
        let json = render(&without_run("nobody", "not-ended", text))?;
        let written = self.replace(json.into_bytes());
        if written.is_err() {
            self.file.set_len(0)?;
        }
        Ok(written?)
    }

    fn put(mut self, record: &Record<'_>) -> Result<()> {
        let json = render(record)?;
        let written = self.replace(json.into_bytes());
        if written.is_err() {
            self.discard();
        }
        written.with_context(|| format!("cannot write the record to {}", shown(&self.path)))
    }

    /// Who looks only whether there is a record takes a half of one, or an empty file, for one.
    fn discard(&self) {
        if !self.begun {
            return;
        }
        // It is the first error that is told.
        let _ = self.file.set_len(0);
        let _ = as_caller(self.caller, || {
            let (ours, path) = (self.file.metadata()?, self.path.canonicalize()?);
            let there = path.symlink_metadata()?;
            match (there.dev(), there.ino()) == (ours.dev(), ours.ino()) {
                true => std::fs::remove_file(path),
                false => Ok(()),
            }
        });
    }

    /// A file of ours has its beginning already; an inherited one goes on where its owner left off.
    /// In the place of what is there, by one write(2): whoever reads it meanwhile, or after we were killed in between, finds one record or
    /// the other. Blanks behind a record belong to it.
    fn replace(&mut self, mut json: Vec<u8>) -> io::Result<()> {
        if !self.begun {
            return self.write_all(&json);
        }
        let (old, new) = (self.file.metadata()?.len(), json.len());
        match usize::try_from(old).ok().filter(|old| *old <= MOST_REPLACED) {
            Some(old) => json.resize(old.max(new), b' '),
            None => self.file.set_len(0)?,
        }
        self.file.rewind()?;
        self.write_all(&json)?;
        self.file.set_len(u64::try_from(new).unwrap_or(u64::MAX))
    }

    /// A pipe takes a piece when it says so; what nobody reads for a while, nobody will.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.is_file() {
            return self.file.write_all(bytes);
        }
        for piece in bytes.chunks(PIECE) {
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            if poll(&mut fds, PATIENCE_MS)? == 0 {
                return Err(io::Error::other("nothing reads it"));
            }
            self.file.write_all(piece)?;
        }
        Ok(())
    }
}

fn render(record: &Record<'_>) -> Result<String> {
    let json = serde_json::to_string_pretty(record).context("cannot render the record")?;
    Ok(json + "\n")
}

/// Of a run of which nothing else is known.
fn without_run(ended_by: &'static str, reason: &'static str, text: String) -> Record<'static> {
    let outcome = OutcomeRecord {
        ended_by,
        reason: Some(reason),
        killed: None,
        rest_killed: None,
        text,
        child_exited: None,
        child_signal: None,
        kernel_oom_kills: 0,
        frozen_ms: None,
    };
    Record {
        schema: SCHEMA_VERSION,
        outcome,
        exit_status: None,
        term: None,
        kill: None,
        page_faults: PageFaults::default(),
        guardian_page_faults: PageFaults::default(),
        memory_locked: false,
        ended_processes: Vec::new(),
        left_in_tmpfs: None,
        ended_unix_ms: None,
        status: None,
        events: Vec::new(),
    }
}

fn describe(outcome: &Outcome, text: String) -> OutcomeRecord {
    let (ended_by, reason, killed) = match outcome.cause {
        Cause::Itself => ("command", None, None),
        Cause::KernelOom => ("kernel-oom", None, None),
        Cause::SystemdStop => ("systemd-stop", None, None),
        Cause::SystemdOomd => ("systemd-oomd", None, None),
        Cause::Guardian { reason, killed } => (
            "sentinel",
            Some(words::reason_word(&reason)),
            killed.map(|why| words::kill_word(&why)),
        ),
    };
    let (child_exited, child_signal) = match outcome.child {
        Ending::Exited(code) => (Some(code), None),
        Ending::Signaled(signal) => (None, Some(signal)),
        Ending::Unseen => (None, None),
    };
    let kernel_oom_kills = outcome.kernel_oom_kills;
    let rest_killed = outcome.rest_killed.as_ref().map(words::kill_word);
    OutcomeRecord {
        ended_by,
        reason,
        killed,
        rest_killed,
        text,
        child_exited,
        child_signal,
        kernel_oom_kills,
        frozen_ms: outcome.frozen.map(millis),
    }
}

/// Opens (and empties) a file with the caller's rights, for `what`.
///
/// # Errors
/// When the caller may not write there.
pub fn open_as_caller(path: &Path, caller: CallerId, what: &str) -> Result<File> {
    let open = || {
        let file = open_for(path, caller)?;
        let is_file = file.metadata()?.is_file();
        if is_file {
            file.set_len(0)?;
        }
        Ok(file)
    };
    as_caller(caller, open).with_context(|| format!("cannot open {} for {what}", shown(path)))
}

/// Nothing is emptied before it is clear that it may be. A link is followed only if root or the caller made it (as /dev/stdout):
/// in a directory of somebody else's it could lead anywhere, and so could a second name of another's file.
fn open_for(path: &Path, caller: CallerId) -> io::Result<File> {
    // It holds the command line, which is nobody else's business once the run is over.
    let open = |options: &mut OpenOptions, flags: i32| {
        // A pipe that nobody reads is no reason to wait.
        let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
        options.write(true).mode(0o600).custom_flags(flags).open(path)
    };
    let made = open(File::options().create(true), libc::O_NOFOLLOW);
    let by_link = made.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ELOOP));
    let file = match made {
        Err(_) if by_link => {
            let owner = path.symlink_metadata()?.uid();
            if owner != 0 && owner != caller.uid {
                return Err(io::Error::other(format!(
                    "it is a symbolic link owned by user {owner}"
                )));
            }
            open(&mut File::options(), 0)?
        }
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            return Err(io::Error::other("it is a pipe without a reader, or a missing device"));
        }
        made => made?,
    };
    // Who writes chooses whether to wait.
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(file);
    }
    if found.nlink() > 1 {
        return Err(io::Error::other(
            "the file has a second hard link, which may be another user's",
        ));
    }
    if let Some(holder) = held_file::holder(&found, file.as_raw_fd(), by_link) {
        return Err(io::Error::other(format!(
            "it is {holder}, and would be emptied: give a file of its own, or for the record a descriptor (--json-fd 3 3>&1)"
        )));
    }
    Ok(file)
}

/// Runs `open` as the caller. Groups too: a file that root's groups may write is not the caller's to write.
///
/// # Errors
/// What `open` said, or that we cannot become the caller.
pub fn as_caller<T>(caller: CallerId, open: impl FnOnce() -> io::Result<T>) -> Result<T> {
    if caller.uid == 0 || !geteuid().is_root() {
        return Ok(open()?);
    }
    let groups = getgroups().context("read our groups")?;
    let gid = Gid::from_raw(caller.gid);
    setgroups(&[gid]).and_then(|()| setegid(gid)).context("take the caller's group")?;
    let result = seteuid(Uid::from_raw(caller.uid)).map_err(Into::into).and_then(|()| open());
    seteuid(Uid::from_raw(0)).context("become root again")?;
    setegid(Gid::from_raw(0)).and_then(|()| setgroups(&groups)).context("take our groups back")?;
    Ok(result?)
}
