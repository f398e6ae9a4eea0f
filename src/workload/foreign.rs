//! A cgroup that somebody else made and goes on to own: little of it is written, and what was there before is put back: when we leave,
//! by the keeper when we were killed, and by the next guardian of it when that was killed too. What was there before stands in an
//! extended attribute of the cgroup, which lives as long as it does.

use crate::cgroup::maker::Maker;
use crate::cgroup::{Cgroup, attribute, files, write_whole};
use crate::escape::shown;
use crate::sys::process::own;
use crate::units::{Bytes, Limit};
use anyhow::{Context, Result, ensure};
use nix::fcntl::OFlag;
use rustix::fs::{XattrFlags, removexattr, setxattr};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Who guards it, and what its files said before. Kernels before 5.7 cannot hold that: nothing is put back after a crash there.
const MARK: &str = "user.sentinel-attached";

/// What the files said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Before {
    /// `memory.high`, where we move it.
    high: Option<Limit>,
    frozen: bool,
}

/// The attribute: `PID START NAMESPACE HIGH FROZEN`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GuardMark {
    guardian: Maker,
    before: Before,
}

impl fmt::Display for GuardMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Before { high, frozen } = self.before;
        let high = high.map_or_else(|| "-".to_owned(), |high| high.to_string());
        write!(f, "{} {high} {}", self.guardian, u8::from(frozen))
    }
}

impl FromStr for GuardMark {
    type Err = ();
    fn from_str(text: &str) -> Result<GuardMark, ()> {
        let (rest, frozen) = text.rsplit_once(' ').ok_or(())?;
        let (guardian, high) = rest.rsplit_once(' ').ok_or(())?;
        let high = match high {
            "-" => None,
            high => Some(files::limit(high.as_bytes()).ok_or(())?),
        };
        let guardian = guardian.parse().map_err(drop)?;
        Ok(GuardMark { guardian, before: Before { high, frozen: frozen == "1" } })
    }
}

impl GuardMark {
    fn of(directory: &Path) -> Option<GuardMark> {
        attribute(directory, MARK)?.to_str()?.parse().ok()
    }
}

/// The cgroup, and what its files said before us.
#[derive(Debug)]
pub struct Foreign {
    cgroup: Cgroup,
    before: Before,
    given_back: bool,
    rank: Rank,
}

/// Where its owner sees it among others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rank {
    /// `memory.low`: what is reserved for it.
    pub low: Bytes,
    /// The extended attribute `user.sentinel.priority`, a number; 0 where it has none. The lower, the sooner it is ended for others.
    pub priority: i32,
}

/// Who may be ended for others later, or sooner.
const PRIORITY: &str = "user.sentinel.priority";

impl Rank {
    fn of(cgroup: &Cgroup) -> Rank {
        let low = cgroup.read("memory.low").ok();
        let low = low.and_then(|text| files::limit(text.as_bytes()));
        let priority = attribute(cgroup.path(), PRIORITY);
        let priority = priority.and_then(|text| text.to_str()?.trim().parse().ok());
        Rank {
            low: low.map_or(Bytes(0), |low| Bytes(low.value().unwrap_or(u64::MAX))),
            priority: priority.unwrap_or(0),
        }
    }
}

impl Drop for Foreign {
    /// For what could not be guarded after all; what cannot be put back was told as the error.
    fn drop(&mut self) {
        let _ = self.give_back();
    }
}

impl Foreign {
    /// Remembers what is there, in the cgroup itself too; with `write` it is ours to change: then what a guardian that is gone
    /// left there is put back first.
    ///
    /// # Errors
    /// When its state cannot be read, or another guardian is at work on it.
    pub fn new(cgroup: Cgroup, write: bool) -> Result<Foreign> {
        let mark = GuardMark::of(cgroup.path());
        if let Some(GuardMark { guardian, .. }) =
            mark.as_ref().filter(|mark| !mark.guardian.has_gone())
        {
            let (place, pid) = (shown(cgroup.path()), guardian.pid);
            ensure!(pid.cast_unsigned() == own(), "{place} is guarded by sentinel {pid} already");
        }
        if write && let Some(GuardMark { before, .. }) = mark {
            Foreign::found(cgroup.clone(), before).give_back()?;
        }
        let before = Before {
            high: high_of(&cgroup)?,
            frozen: cgroup.read("cgroup.freeze").is_ok_and(|text| text.trim() == "1"),
        };
        let foreign = Foreign { rank: Rank::of(&cgroup), cgroup, before, given_back: !write };
        foreign.mark();
        Ok(foreign)
    }

    /// Without the mark a crash of both, of us and the keeper, leaves our line there; nothing else changes.
    fn mark(&self) {
        if let Some(guardian) = Maker::ours().filter(|_| !self.given_back) {
            let mark = GuardMark { guardian, before: self.before }.to_string();
            let _ = setxattr(self.cgroup.path(), MARK, mark.as_bytes(), XattrFlags::empty());
        }
    }

    /// Its owner moved `memory.high` while we guard it: that is what is put back.
    pub fn owner_moved_high(&mut self, to: Limit) {
        if let Some(high) = &mut self.before.high {
            *high = to;
            self.mark();
        }
    }

    /// What a guardian that is gone had under guard; `None` where it did not, or it was given back.
    pub fn left_by(guardian: i32, directory: &Path) -> Option<Foreign> {
        let mark = GuardMark::of(directory).filter(|mark| mark.guardian.pid == guardian)?;
        let cgroup = Cgroup::open(directory).ok()?;
        Some(Foreign::found(cgroup, mark.before))
    }

    fn found(cgroup: Cgroup, before: Before) -> Foreign {
        Foreign { cgroup, before, given_back: false, rank: Rank::default() }
    }

    /// As it was when somebody looked last.
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// Looks again.
    pub fn refresh_rank(&mut self) {
        self.rank = Rank::of(&self.cgroup);
    }

    /// Its directory.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Puts back what was there. A cgroup that is gone needs nothing.
    ///
    /// # Errors
    /// The first that the kernel does not take.
    pub fn give_back(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.given_back, true) || self.is_gone() {
            return Ok(());
        }
        let Before { high, frozen } = self.before;
        let high = high.map_or(Ok(()), |high| self.put_back("memory.high", &high.to_string()));
        let freeze = self.put_back("cgroup.freeze", if frozen { "1" } else { "0" });
        if high.is_ok() && freeze.is_ok() {
            // Gone meanwhile, with its cgroup.
            let _ = removexattr(self.cgroup.path(), MARK);
        }
        high.and(freeze)
    }

    /// Writes what the file does not say already. A line that is raised waits for nothing; where ours was raised by others, so much
    /// may be in use that a kernel before 6.16 reclaims first.
    fn put_back(&self, name: &str, value: &str) -> Result<()> {
        let path = || shown(&self.cgroup.path().join(name));
        match self.cgroup.read(name) {
            Ok(now) if now.trim() == value => return Ok(()),
            // No such file, so nothing of ours in it.
            Err(_) if !self.cgroup.has(name) => return Ok(()),
            _ => {}
        }
        let written = self
            .cgroup
            .file(name, OFlag::O_WRONLY | OFlag::O_NONBLOCK)
            .and_then(|file| write_whole(&file, value.as_bytes()));
        written.with_context(|| format!("put back {value} in {}", path()))?;
        self.cgroup.verify(name, value)
    }

    fn is_gone(&self) -> bool {
        // ENODEV, ENOENT: the directory that we hold open was removed.
        self.cgroup.file("cgroup.events", OFlag::O_RDONLY).is_err()
    }
}

/// `memory.high`, where it is ours to move.
fn high_of(cgroup: &Cgroup) -> Result<Option<Limit>> {
    if cgroup.file("memory.high", OFlag::O_RDWR).is_err() {
        return Ok(None);
    }
    Ok(files::limit(cgroup.read("memory.high")?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let guardian: Maker = "42 123456 pid:[4026531836]".parse().unwrap();
        for (high, frozen) in
            [(None, false), (Some(Limit::Max), true), (Some(Limit::At(1 << 30)), false)]
        {
            let mark = GuardMark { guardian: guardian.clone(), before: Before { high, frozen } };
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for bad in ["", "42", "42 1 pid:[1] x 0", "a b c max 0"] {
            assert_eq!(bad.parse::<GuardMark>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn files_that_others_changed_back_stay() {
        let scene = tempfile::tempdir().unwrap();
        let say = |name: &str, text: &str| std::fs::write(scene.path().join(name), text).unwrap();
        let said = |name: &str| std::fs::read_to_string(scene.path().join(name)).unwrap();
        say("cgroup.events", "populated 1\n");
        say("cgroup.freeze", "0\n");
        // A file that is no kernel's keeps what is behind the text written: of the same length, nothing is.
        say("memory.high", "2147483648\n");
        let cgroup = || Cgroup::open(scene.path()).unwrap();
        let mut foreign = Foreign::new(cgroup(), true).unwrap();
        say("memory.high", "1073741824\n");
        say("cgroup.freeze", "1\n");
        foreign.give_back().unwrap();
        assert_eq!(said("memory.high"), "2147483648\n");
        assert!(said("cgroup.freeze").starts_with('0'));
        say("memory.high", "5\n");
        foreign.give_back().unwrap();
        assert_eq!(said("memory.high"), "5\n", "it is given back once");
    }
}
