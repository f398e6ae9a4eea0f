//! What children of ours from before the command hold of a cgroup that is read as a whole (tier `observed`): it is none of the
//! workload's, and is taken off. What of theirs nobody maps stays counted.

use super::process_sampler::ProcessSampler;
use crate::event::Sample;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Beside {
    sampler: ProcessSampler,
    pids: Vec<i32>,
}

impl Beside {
    /// The cgroup's sample without what these hold. It is older than what is seen of them: what they took in between is taken off too,
    /// so that it is not held for the workload's.
    pub(super) fn take_off(&mut self, whole: Sample, theirs: impl Iterator<Item = i32>) -> Sample {
        self.pids.clear();
        self.pids.extend(theirs);
        if self.pids.is_empty() {
            return whole;
        }
        let theirs = self.sampler.sample(&self.pids);
        Sample {
            current: whole.current.saturating_sub(theirs.current),
            cache: whole.cache.saturating_sub(theirs.cache),
            swap: whole.swap.saturating_sub(theirs.swap),
            anon: whole.anon.saturating_sub(theirs.anon),
            shmem: whole.shmem.saturating_sub(theirs.shmem),
            kernel: whole.kernel.saturating_sub(theirs.kernel),
            listed_anon: whole.listed_anon.saturating_sub(theirs.anon),
            processes: whole.processes.saturating_sub(theirs.processes),
            ..whole
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    #[test]
    fn what_they_hold_is_taken_off_and_nothing_else() {
        let own = std::process::id().cast_signed();
        let whole = Sample {
            current: Bytes::mib(500),
            cache: Bytes::mib(200),
            anon: Bytes::mib(300),
            processes: 3,
            ..Sample::default()
        };
        let mut beside = Beside::default();
        assert_eq!(beside.take_off(whole, std::iter::empty()), whole);
        let found = beside.take_off(whole, std::iter::once(own));
        let taken = whole.footprint().saturating_sub(found.footprint());
        assert!(taken > Bytes(0) && taken < Bytes::mib(200), "{taken}");
        assert_eq!((found.processes, found.hugetlb), (2, whole.hugetlb));
        assert!(found.anon < whole.anon && found.cache <= whole.cache);
    }
}
