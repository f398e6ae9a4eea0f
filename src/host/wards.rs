//! The wards of a host, by numbers that are never used twice.

use crate::ward::{Ward, WardId};

/// All wards, oldest first.
#[derive(Debug)]
pub(super) struct Wards {
    /// Each where it is: none is moved when others come.
    wards: Vec<Box<Ward>>,
    next: WardId,
    /// So many there were when all were told.
    shared: usize,
}

impl Default for Wards {
    fn default() -> Wards {
        Wards { wards: Vec::new(), next: WardId::FIRST, shared: 0 }
    }
}

impl Wards {
    /// A number that no ward has had.
    pub(super) fn next_id(&mut self) -> WardId {
        let id = self.next;
        self.next = id.next();
        id
    }

    /// Takes a ward, whose number is the newest.
    pub(super) fn add(&mut self, ward: Ward) {
        self.wards.push(Box::new(ward));
        self.share_looks();
    }

    /// All when their number is twice or half what it was, and the newest in between.
    fn share_looks(&mut self) {
        let count = self.wards.len();
        let all = count >= self.shared * 2 || count * 2 <= self.shared;
        if all {
            self.shared = count;
        }
        let from = if all { 0 } else { count.saturating_sub(1) };
        self.wards[from..].iter_mut().for_each(|ward| ward.share_looks(count));
    }

    /// Takes one away for good.
    pub(super) fn remove(&mut self, id: WardId) -> Option<Ward> {
        let removed = self.place(id).map(|place| *self.wards.remove(place));
        self.share_looks();
        removed
    }

    fn place(&self, id: WardId) -> Option<usize> {
        self.wards.binary_search_by_key(&id, |ward| ward.id()).ok()
    }

    /// A ward that is still here.
    pub(super) fn get(&self, id: WardId) -> Option<&Ward> {
        self.place(id).map(|place| &*self.wards[place])
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, id: WardId) -> Option<&mut Ward> {
        self.place(id).map(|place| &mut *self.wards[place])
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Ward> + Clone {
        self.wards.iter().map(Box::as_ref)
    }

    /// All of them, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ward> {
        self.wards.iter_mut().map(Box::as_mut)
    }

    /// The next number in use: of the first, or after this one. Wards may come and go between two calls.
    pub(super) fn after(&self, id: Option<WardId>) -> Option<WardId> {
        let place = self.wards.partition_point(|ward| id.is_some_and(|id| ward.id() <= id));
        self.wards.get(place).map(|ward| ward.id())
    }

    /// The ward whose command this process is.
    pub(super) fn of_child(&mut self, pid: i32) -> Option<&mut Ward> {
        self.iter_mut().find(|ward| ward.child_pid() == Some(pid))
    }
}
