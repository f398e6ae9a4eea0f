//! Moves the kernel's lines of a workload: at once where that waits for nothing, else by a process that may wait. A line that an
//! operator sets can take that way; what the way to a signal needs never does.

use super::knobs::{Knobs, Refusal};
use crate::cgroup::Cgroup;
use crate::event::{DeedResult, Ending, InForce};
use crate::lines::Lines;
use crate::sys::line_writer as process;
use crate::units::{Bytes, Limit};
use nix::libc;
use std::io;

/// The processes that write, and what they write.
#[derive(Debug, Default)]
pub struct LineWriter {
    /// It writes these lines.
    writing: Option<(i32, Lines)>,
    /// Told to stop, not reaped yet.
    stopped: Vec<i32>,
    /// Where the lines are to be, whoever was on the way to another place.
    wanted: Option<InForce>,
}

impl LineWriter {
    /// Puts lines in force, or begins to.
    pub fn set(&mut self, knobs: &Knobs, cgroup: &Cgroup, lines: &Lines) -> DeedResult {
        self.stop();
        self.wanted = None;
        let (high, max) = (Limit::At(lines.limit.0), Limit::At(lines.ceiling.0));
        let set = knobs.set_memory_high(high).and_then(|()| knobs.set_memory_max(max));
        if let Err(Refusal::InUse(_)) = set {
            return self.start(cgroup, lines, knobs.moves_max());
        }
        self.wanted = knobs.in_force().ok();
        result_of(set)
    }

    fn start(&mut self, cgroup: &Cgroup, lines: &Lines, moves_max: bool) -> DeedResult {
        let (high, max) = (lines.limit.0.to_string(), lines.ceiling.0.to_string());
        let max = moves_max.then_some((max.as_bytes(), lines.ceiling.0));
        let texts = process::WrittenLines { high: high.as_bytes(), max };
        match process::start(cgroup.directory(), texts) {
            Ok(pid) => {
                self.writing = Some((pid, *lines));
                DeedResult::Pending
            }
            Err(error) => DeedResult::Failed(errno(&error)),
        }
    }

    /// The process that writes.
    pub fn pid(&self) -> Option<i32> {
        self.writing.map(|(pid, _)| pid)
    }

    /// No lines of an operator go on being put in force. Gives whether any were.
    pub fn stop(&mut self) -> bool {
        let Some((pid, _)) = self.writing.take() else { return false };
        process::stop(pid);
        self.stopped.push(pid);
        true
    }

    /// `memory.high` was moved on the way to a signal: a process that was stopped and did not know yet does not undo that.
    pub fn moved(&mut self, in_force: InForce) {
        self.wanted = Some(in_force);
    }

    /// Stops and reaps all.
    pub fn end(&mut self) {
        self.stop();
        self.stopped.drain(..).for_each(crate::sys::process::reap);
    }

    /// Whether this process, which ended, was one of ours; and what came of its lines, if they still are wanted.
    pub fn ended(&mut self, pid: i32, ending: Ending, knobs: &Knobs) -> Option<Option<DeedResult>> {
        if let Some((_, lines)) = self.writing.take_if(|(writer, _)| *writer == pid) {
            self.wanted = knobs.in_force().ok();
            return Some(Some(check(ending, &lines, knobs)));
        }
        let place = self.stopped.iter().position(|stopped| *stopped == pid)?;
        self.stopped.remove(place);
        self.undo_late_write(knobs);
        Some(None)
    }

    /// A process that was stopped may have been in the middle of a write. What fails here shows in what is read back.
    fn undo_late_write(&mut self, knobs: &Knobs) {
        let (Some(wanted), None) = (self.wanted, self.writing) else { return };
        let Ok(found) = knobs.in_force() else { return };
        if found.high != wanted.high {
            let _ = knobs.set_memory_high(wanted.high);
        }
        if found.max != wanted.max {
            let _ = knobs.set_memory_max(wanted.max);
        }
    }
}

/// What the lines are is what is read back.
fn check(ending: Ending, lines: &Lines, knobs: &Knobs) -> DeedResult {
    let (high, max) = (Limit::At(lines.limit.0), Limit::At(lines.ceiling.0));
    match ending {
        Ending::Exited(process::IN_USE) => {
            DeedResult::InUse(knobs.current().unwrap_or(Bytes(u64::MAX)))
        }
        Ending::Exited(errno @ 1..) => DeedResult::Failed(errno.into()),
        // Or somebody killed it, before `memory.max` or behind it.
        Ending::Exited(0) | Ending::Signaled(_) | Ending::Unseen => match knobs.in_force() {
            Ok(now) if now.high == high && (now.max == max || !knobs.moves_max()) => {
                DeedResult::Done
            }
            Ok(_) => DeedResult::Failed(0),
            Err(error) => DeedResult::Failed(errno(&error)),
        },
    }
}

/// A refusal as it goes to the policy.
pub fn result_of(result: Result<(), Refusal>) -> DeedResult {
    match result {
        Ok(()) => DeedResult::Done,
        Err(Refusal::InUse(current)) => DeedResult::InUse(current),
        Err(Refusal::Failed(error)) => DeedResult::Failed(errno(&error)),
    }
}

/// 0 where the kernel says something else than was written.
fn errno(error: &io::Error) -> i32 {
    let other = if error.kind() == io::ErrorKind::Unsupported { libc::EOPNOTSUPP } else { 0 };
    error.raw_os_error().unwrap_or(other)
}
