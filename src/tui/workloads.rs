//! The workloads of a guardian that has several: which there are, and which of them is shown. Pure.

use crate::clock::Timestamp;
use crate::status::{State, Status};
use crate::units::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// One that tells nothing for so long is gone: the guardian tells of each several times a second, and of a thousand every two.
const SILENCE: Duration = Duration::from_secs(6);

/// What its line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadLine {
    /// Memory that the kernel cannot take back.
    pub footprint: Bytes,
    /// What that is compared with.
    pub limit: Bytes,
    /// Where it stands.
    pub state: State,
    /// It is stopped.
    pub frozen: bool,
    heard: Timestamp,
}

/// All of them, by name.
#[derive(Clone, Debug, Default)]
pub struct Workloads {
    known: BTreeMap<String, WorkloadLine>,
    shown: Option<String>,
    /// There were several: requests say which one is meant.
    several: bool,
}

impl Workloads {
    /// Takes a status. True if it is of the one that is shown.
    pub fn take(&mut self, status: &Status, now: Timestamp) -> bool {
        let line = WorkloadLine {
            footprint: status.memory.footprint,
            limit: status.limits.limit,
            state: status.state,
            frozen: status.frozen,
            heard: now,
        };
        self.known.insert(status.name.clone(), line);
        self.several |= self.known.len() > 1;
        *self.shown.get_or_insert_with(|| status.name.clone()) == status.name
    }

    /// Whether there is a choice, or was.
    pub fn are_several(&self) -> bool {
        self.several
    }

    /// All, in their order.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &WorkloadLine)> {
        self.known.iter().map(|(name, line)| (name.as_str(), line))
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// The place of the one that is shown.
    pub fn place(&self) -> usize {
        let shown = self.shown.as_deref();
        self.known.keys().position(|name| Some(name.as_str()) == shown).unwrap_or(0)
    }

    /// Shows the one that is so many places further. True if that is another one.
    pub fn step(&mut self, by: isize) -> bool {
        let count = isize::try_from(self.known.len()).unwrap_or(isize::MAX).max(1);
        let place = isize::try_from(self.place()).unwrap_or(0);
        self.show(usize::try_from((place + by).rem_euclid(count)).unwrap_or(0))
    }

    /// Shows the one in this place. True if that is another one.
    pub fn show(&mut self, place: usize) -> bool {
        let Some(name) = self.known.keys().nth(place).cloned() else { return false };
        self.shown.replace(name.clone()).is_some_and(|before| before != name)
    }

    /// Forgets those that are gone; the one that is shown stays. True if any was.
    pub fn forget(&mut self, now: Timestamp) -> bool {
        let (before, shown) = (self.known.len(), self.shown.as_deref());
        self.known
            .retain(|name, line| now.since(line.heard) < SILENCE || Some(name.as_str()) == shown);
        self.known.len() != before
    }

    /// A request for the one that is shown.
    pub fn addressed(&self, line: String) -> String {
        match &self.shown {
            Some(name) if self.several => format!("@{name} {line}"),
            Some(_) | None => line,
        }
    }
}
