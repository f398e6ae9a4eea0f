//! The shapes, and what has to come of each.

/// What a case runs under.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// In MiB.
    pub limit: u64,
    /// Whether the workload may swap, all it likes.
    pub swap: bool,
}

/// What has to come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Sentinel ends it: SIGTERM, and SIGKILL where that is not enough.
    Ended,
    /// Sentinel ends it by SIGKILL, after SIGTERM.
    Killed,
    /// It ends by itself, and well.
    Lives,
    /// As `Ended`; but one system call charges many limits' worth, and before about Linux 5.18 the kernel throttles
    /// only on the way back from it: then it may meet `memory.max` first.
    EndedUnlessOneCall,
}

/// One shape.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// In the table.
    pub name: &'static str,
    /// For the hog, beside its cap.
    pub words: &'static [&'static str],
    /// For sentinel, beside limit and swap.
    pub options: &'static [&'static str],
    /// The hog's cap, in limits.
    pub limits: u64,
    /// It runs where the limit is no higher than this, in MiB.
    pub up_to: u64,
    /// Whether the guardian is no more than a user with a delegated cgroup.
    pub by_user: bool,
    pub expect: Expect,
}

const fn case(name: &'static str, words: &'static [&'static str], expect: Expect) -> Case {
    Case { name, words, options: &[], limits: 10, up_to: u64::MAX, by_user: false, expect }
}

const fn ended(name: &'static str, words: &'static [&'static str]) -> Case {
    case(name, words, Expect::Ended)
}

/// Deaf ones get half a second of grace: what follows is the same after three.
const fn killed(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { options: &["--grace", "500ms"], ..case(name, words, Expect::Killed) }
}

const fn one_call(name: &'static str, words: &'static [&'static str]) -> Case {
    case(name, words, Expect::EndedUnlessOneCall)
}

const fn lives(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { limits: 2, up_to: 100, ..case(name, words, Expect::Lives) }
}

impl Case {
    pub fn fits(&self, place: &Place) -> bool {
        place.limit <= self.up_to
    }
}

/// All of them.
pub const CASES: &[Case] = &[
    ended("leak by step", &["step", "--rate", "200M"]),
    ended("leak flat out", &["touch"]),
    one_call("populate ten limits in one call", &["populate"]),
    one_call("mlockall of ten limits", &["mlockall"]),
    ended("8 threads", &["threads:8"]),
    ended("64 threads", &["threads:64"]),
    ended("32 processes", &["procs:32"]),
    ended("fork bomb of allocators", &["forkbomb"]),
    Case { options: &["--pids", "max"], ..ended("fork bomb, no pids limit", &["forkbomb"]) },
    ended("memfd, 1 MiB a call", &["memfd"]),
    ended("memfd, 64 MiB a call", &["memfd-big"]),
    ended("tmpfs", &["tmpfs"]),
    one_call("fallocate of ten limits", &["fallocate"]),
    ended("shmget", &["segment"]),
    ended("mmap MAP_SHARED", &["shared"]),
    ended("transparent huge pages", &["thp"]),
    ended("realloc, doubling", &["realloc"]),
    ended("pipes full of data", &["pipes"]),
    ended("sockets full of data", &["sockets"]),
    // A fifth of it counts as reclaimable and cannot be reclaimed: the throttle at the limit holds it up for long.
    Case { up_to: 16, ..ended("inodes held open", &["inodes"]) },
    Case { up_to: 32, ..lives("dentries", &["names"]) },
    lives("mapped file, read twice", &["mapped"]),
    lives("page cache only", &["cache"]),
    killed("SIGTERM ignored", &["touch", "--ignore-term"]),
    killed("SIGTERM ignored, 64 threads", &["threads:64", "--ignore-term"]),
    killed("SIGTERM ignored, fork bomb", &["forkbomb", "--ignore-term"]),
    killed("handler allocates", &["touch", "--alloc-in-handler"]),
    killed("handler forks", &["touch", "--fork-in-handler"]),
    ended("children stopped by SIGSTOP", &["stopped-children"]),
    ended("child freezes a sub-cgroup", &["frozen-child"]),
    Case { options: &["--timeout", "500ms"], ..ended("freezes itself", &["freeze-self"]) },
    Case { options: &["--timeout", "500ms"], ..ended("stops itself", &["stop-self"]) },
    ended("sub-cgroup of its own", &["subcgroup"]),
    ended("moves from sub-cgroup to sub-cgroup", &["wander"]),
    ended("chmod 000 of its cgroup", &["close-cgroup"]),
    Case { by_user: true, ..ended("chmod 000, no root", &["close-cgroup"]) },
    Case { by_user: true, ..ended("sub-cgroups, no root", &["wander"]) },
    Case { by_user: true, ..ended("32 processes, no root", &["procs:32"]) },
    ended("setsid and double fork", &["daemon-leak"]),
    ended("name of escape sequences", &["rename"]),
    ended("ptrace of its own children", &["ptrace"]),
    ended("vfork storm", &["vfork"]),
];
