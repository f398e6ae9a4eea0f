//! How much swap a workload can really get: what was asked for is not yet what the machine, or a cgroup above, has to give.

use crate::escape::shown;
use crate::units::{Bytes, Limit};
use std::path::PathBuf;

/// What bounds a workload's swap beside its own `memory.swap.max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwapAround {
    /// `SwapTotal` of the machine.
    pub total: Bytes,
    /// The least `memory.swap.max` of the cgroups above that we can see, and its file.
    pub outer: Option<(Bytes, PathBuf)>,
}

impl SwapAround {
    /// Who has no swap to give, if there is none.
    pub fn why_none(&self) -> Option<String> {
        let (least, who) = self.least();
        (least == Bytes(0)).then(|| format!("{who} has no swap"))
    }

    /// The least of what there is, and whose that is.
    fn least(&self) -> (Bytes, String) {
        match &self.outer {
            Some((bytes, path)) if *bytes < self.total => (*bytes, shown(path)),
            Some(_) | None => (self.total, "this machine".to_owned()),
        }
    }

    /// The room beyond the limit that counts: the least of what is asked for and of what there is. With what to say where that is
    /// less than was asked for, but something: see [`SwapAround::why_none`].
    pub fn room(&self, asked: Limit) -> (Limit, Option<String>) {
        let (least, who) = self.least();
        match asked {
            Limit::At(0) => (asked, None),
            _ if least == Bytes(0) => (Limit::At(0), None),
            Limit::At(size) if size > least.0 => {
                let wanted = Bytes(size);
                let text =
                    format!("--swap {wanted}: {who} has {least} of swap, and no more counts");
                (Limit::At(least.0), Some(text))
            }
            Limit::At(_) | Limit::Max => (asked, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(total: u64, outer: Option<u64>) -> SwapAround {
        let outer = outer.map(|mib| (Bytes::mib(mib), "/sys/fs/cgroup/job/memory.swap.max".into()));
        SwapAround { total: Bytes::mib(total), outer }
    }

    fn at(mib: u64) -> Limit {
        Limit::At(mib << 20)
    }

    #[test]
    fn the_room_is_the_least_of_what_is_asked_for_and_what_there_is() {
        for (total, outer, asked, room) in [
            (512, None, at(256), at(256)),
            (128, None, at(256), at(128)),
            (512, Some(64), at(256), at(64)),
            (128, Some(400), at(256), at(128)),
            (512, Some(64), Limit::Max, Limit::Max),
            (0, None, Limit::Max, at(0)),
            (512, Some(0), Limit::Max, at(0)),
            (0, None, at(256), at(0)),
            (512, None, at(0), at(0)),
        ] {
            let (found, said) = around(total, outer).room(asked);
            assert_eq!(found, room, "{total} {outer:?} {asked}");
            let less = found != asked && found != at(0);
            assert_eq!(said.is_some(), less, "{total} {outer:?} {asked}");
        }
    }

    #[test]
    fn who_has_none_is_named() {
        let why = |total, outer| around(total, outer).why_none();
        assert_eq!(why(0, None).as_deref(), Some("this machine has no swap"));
        let outer = why(512, Some(0)).unwrap();
        assert_eq!(outer, "/sys/fs/cgroup/job/memory.swap.max has no swap");
        assert_eq!(why(512, Some(64)), None);
    }
}
