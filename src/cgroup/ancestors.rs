//! The cgroups around us and above a workload: what each of them allows, read once.

use super::Cgroup;
use super::hierarchy::{Hierarchy, OuterLimit, read_limit, read_memory_limit};
use super::machine::MachineMemory;
use super::swap::SwapAround;
use crate::units::Bytes;
use std::path::{Path, PathBuf};

/// What the cgroups that were looked at allow, our own and those above it first.
#[derive(Debug)]
pub struct Ancestors {
    machine: MachineMemory,
    /// Where cgroup v2 is mounted: above these are no cgroups.
    tops: Vec<PathBuf>,
    seen: Vec<Allowance>,
}

/// What one of them allows.
#[derive(Debug)]
struct Allowance {
    directory: PathBuf,
    /// `memory.max` or `memory.high`, whichever is lower, and its name.
    memory: Option<(Bytes, &'static str)>,
    /// `memory.swap.max`.
    swap: Option<Bytes>,
}

impl Allowance {
    /// Of one that has no limits.
    fn boundless(directory: &Path) -> Allowance {
        Allowance { directory: directory.to_owned(), memory: None, swap: None }
    }

    fn of(cgroup: &Cgroup) -> Allowance {
        Allowance {
            memory: read_memory_limit(cgroup),
            swap: read_limit(cgroup, "memory.swap.max"),
            ..Allowance::boundless(cgroup.path())
        }
    }
}

impl Ancestors {
    /// Our own cgroup and those above it, in the hierarchies that have the memory controller: elsewhere no directory has such files.
    pub fn ours(hierarchies: &[Hierarchy], machine: MachineMemory) -> Ancestors {
        let mut ours = Ancestors { machine, tops: Vec::new(), seen: Vec::new() };
        for hierarchy in hierarchies.iter().filter(|it| it.has_controller("memory")) {
            ours.tops.push(hierarchy.mount_point.clone());
            for directory in hierarchy.upwards() {
                let is_bounded = hierarchy.has_type || directory != hierarchy.mount_point;
                let opened = is_bounded.then(|| Cgroup::open(directory).ok()).flatten();
                let boundless = || Allowance::boundless(directory);
                ours.seen.push(opened.as_ref().map_or_else(boundless, Allowance::of));
            }
        }
        ours
    }

    /// Those above the cgroup that a workload was put into too: one that was named, or that of a slice, need not be below ours.
    pub fn add_above(&mut self, workload: &Path) {
        for directory in workload.ancestors().skip(1) {
            if !self.seen.iter().any(|it| it.directory == directory) {
                let cgroup = Cgroup::open(directory).ok().filter(Cgroup::is_real);
                let Some(cgroup) = cgroup else { return };
                self.seen.push(Allowance::of(&cgroup));
            }
            if self.tops.iter().any(|top| top == directory) {
                return;
            }
        }
    }

    /// The least of their limits, else the machine's memory.
    pub fn outer_limit(&self) -> OuterLimit {
        let mut least = OuterLimit::of(&self.machine);
        for Allowance { directory, memory, .. } in &self.seen {
            if let Some((bytes, name)) = memory {
                least.lower_to(*bytes, || directory.join(name));
            }
        }
        least
    }

    /// Those whose memory a workload in this cgroup shares: that are above it, as far as they were looked at; of one without, all.
    pub fn around<'a>(&'a self, workload: Option<&'a Path>) -> impl Iterator<Item = &'a Path> {
        let is_above = move |directory: &&Path| {
            workload
                .is_none_or(|workload| *directory != workload && workload.starts_with(directory))
        };
        self.seen.iter().map(|it| it.directory.as_path()).filter(is_above)
    }

    /// What bounds the swap of a workload in this cgroup, as far as those above it were looked at.
    pub fn swap_around(&self, workload: &Path) -> SwapAround {
        let above =
            |it: &&Allowance| it.directory != workload && workload.starts_with(&it.directory);
        let limits = self
            .seen
            .iter()
            .filter(above)
            .filter_map(|it| Some((it.swap?, it.directory.join("memory.swap.max"))));
        SwapAround { total: self.machine.swap, outer: limits.min_by_key(|(bytes, _)| *bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(directory: &str, max: Option<u64>, swap: Option<u64>) -> Allowance {
        let memory = max.map(|max| (Bytes(max), "memory.max"));
        Allowance { directory: directory.into(), memory, swap: swap.map(Bytes) }
    }

    #[test]
    fn memory_is_bounded_by_all_and_swap_by_those_above_the_workload() {
        let machine = MachineMemory { total: Bytes(900), swap: Bytes(500), ..Default::default() };
        let seen = vec![
            allowance("/c/us", Some(300), Some(10)),
            allowance("/c", None, Some(70)),
            allowance("/c/slice", Some(400), Some(50)),
        ];
        let around = Ancestors { machine, tops: vec!["/c".into()], seen };
        let path = Some("/c/us/memory.max".into());
        assert_eq!(around.outer_limit(), OuterLimit { bytes: Bytes(300), path });
        let swap = around.swap_around(Path::new("/c/slice/job"));
        let outer = Some((Bytes(50), "/c/slice/memory.swap.max".into()));
        assert_eq!(swap, SwapAround { total: Bytes(500), outer });
        assert_eq!(around.swap_around(Path::new("/d/job")).outer, None);
        let shared = |workload| around.around(workload).collect::<Vec<_>>();
        assert_eq!(shared(Some(Path::new("/c/slice/job"))), [Path::new("/c"), "/c/slice".as_ref()]);
        assert_eq!(shared(Some(Path::new("/c/us"))), [Path::new("/c")]);
        assert_eq!(shared(None).len(), 3);
    }

    #[test]
    fn what_is_no_cgroup_ends_the_way_up() {
        let mut around = Ancestors::ours(&[], MachineMemory::default());
        around.add_above(Path::new("/tmp/made/up"));
        assert!(around.seen.is_empty());
    }
}
