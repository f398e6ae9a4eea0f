//! The shapes, and what has to come of each.

use Expect::Ended;

/// What a case runs under.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// In MiB.
    pub limit: u64,
    /// In MiB; the default if none.
    pub headroom: Option<u64>,
    /// Whether the workload may swap: as much again as its limit, or all it likes.
    pub swap: bool,
    /// How many do it at once, of the shapes that can be done by many.
    pub processes: u32,
    /// Whether another process beside it takes processor time.
    pub spinner: bool,
}

impl Place {
    /// What sentinel takes where nothing is said.
    pub fn headroom(&self) -> u64 {
        self.headroom.unwrap_or_else(|| (self.limit / 10).max(64))
    }
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
    /// The hog's cap, and what it has from the beginning: hundredths of the limit.
    pub cap: u64,
    pub own: u64,
    /// It runs where the limit is no higher than this, in MiB: in any pass, and in each third.
    pub up_to: [u64; 2],
    /// It runs in every pass, that of CI too, and not only in each third.
    pub quick: bool,
    /// Whether the guardian is no more than a user with a delegated cgroup.
    pub by_user: bool,
    /// Whether many can do it at once, and how many do in any case.
    pub by_many: bool,
    /// Each of its tasks may charge a huge page, 2 MiB, before it is throttled.
    pub huge: bool,
    pub tasks: u32,
    /// How many do it at once where that is not by the place.
    pub copies: u32,
    /// MiB that one system call may charge. Before about Linux 5.18 the kernel throttles only on the way back from it: what
    /// is more than the headroom may meet `memory.max` first.
    pub one_call: u64,
    /// Charged where packets are received. Before 5.15 the kernel does so over `memory.max` too, without throttle, event or refusal to who
    /// sends (mem_cgroup_charge_skmem() in mm/memcontrol.c): SIGTERM may come when that is passed, and nobody was killed for it.
    pub received: bool,
    /// How much swap it may use where there is some.
    pub swap: Swap,
    /// The oldest kernel that charges for it.
    pub since: (u32, u32),
    pub expect: Expect,
}

/// Of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// None of it.
    Never,
    /// As much as its limit.
    Room,
    /// All it likes.
    Any,
    /// As `Any`, and it has no sense where there is none.
    Needed,
}

const fn case(name: &'static str, words: &'static [&'static str], expect: Expect) -> Case {
    Case {
        name,
        words,
        options: &[],
        cap: 1000,
        own: 0,
        up_to: [u64::MAX; 2],
        quick: true,
        by_user: false,
        by_many: false,
        huge: false,
        tasks: 1,
        copies: 1,
        one_call: 0,
        received: false,
        swap: Swap::Room,
        since: (0, 0),
        expect,
    }
}

const fn ended(name: &'static str, words: &'static [&'static str]) -> Case {
    case(name, words, Ended)
}

/// Deaf ones get half a second of grace: what follows is the same after three.
const fn killed(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { options: &["--grace", "500ms"], ..case(name, words, Expect::Killed) }
}

const fn by_many(case: Case) -> Case {
    Case { by_many: true, ..case }
}

const fn tasks(tasks: u32, case: Case) -> Case {
    Case { tasks, ..case }
}

const fn one_call(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { one_call: u64::MAX, ..ended(name, words) }
}

/// What needs a file on the disk of more than its limit.
const fn of_file(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { cap: 220, up_to: [32, 100], ..by_many(ended(name, words)) }
}

/// What comes in small things, of which an emulated machine makes a MiB or two in a second.
const fn of_slab(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { cap: 300, up_to: [32; 2], quick: false, ..by_many(ended(name, words)) }
}

/// What the kernel holds in larger pieces.
const fn of_kernel(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { cap: 400, up_to: [32, 100], ..by_many(ended(name, words)) }
}

const fn lives(name: &'static str, words: &'static [&'static str]) -> Case {
    Case { cap: 200, up_to: [100; 2], swap: Swap::Any, ..case(name, words, Expect::Lives) }
}

const fn owning(own: u64, case: Case) -> Case {
    Case { own, ..case }
}

/// So many do it, each with its share of the cap.
const fn at_once(copies: u32, case: Case) -> Case {
    Case { copies, ..case }
}

const fn slow(case: Case) -> Case {
    Case { quick: false, ..case }
}

/// The passes that have time for more.
fn in_third(pass: usize) -> bool {
    pass % 3 == 2
}

impl Case {
    /// Whether a pass has it. What takes long is in each third, and the places come in another rhythm.
    pub fn is_of(&self, pass: usize) -> bool {
        self.quick || in_third(pass)
    }

    pub fn fits(&self, pass: usize, place: &Place, kernel: (u32, u32)) -> bool {
        place.limit <= self.up_to[usize::from(in_third(pass))]
            && kernel >= self.since
            && (self.swaps(place) || self.swap != Swap::Needed)
            && self.least_headroom(place) <= place.headroom()
    }

    /// Whether it may swap there.
    pub fn swaps(&self, place: &Place) -> bool {
        place.swap && self.swap != Swap::Never
    }

    /// How many do it at once.
    pub fn copies(&self, place: &Place) -> u32 {
        if self.by_many { place.processes } else { self.copies }
    }

    /// Whether somebody spins beside it. What ends by itself has to end.
    pub fn spinner(&self, place: &Place) -> bool {
        place.spinner && self.expect != Expect::Lives
    }

    /// In MiB. Each task may charge a batch before it is throttled; for many of them the default is the least.
    fn least_headroom(&self, place: &Place) -> u64 {
        match self.tasks.max(self.copies(place)) {
            // A call that charges without end goes on until it is throttled in it.
            1 if self.one_call > 0 => 16,
            1 => 4,
            // Eight at once have charged 16 MiB before any of them is throttled (6.1, once in 26 runs).
            2..=8 if self.huge => 32,
            2..=8 => 16,
            _ => 64,
        }
    }
}

/// All of them.
pub const CASES: &[Case] = &[
    by_many(ended("leak by step", &["step", "--rate", "200M"])),
    by_many(ended("leak flat out", &["touch"])),
    one_call("populate ten limits in one call", &["populate"]),
    one_call("mlockall of ten limits", &["mlockall"]),
    tasks(8, ended("8 threads", &["threads:8"])),
    tasks(64, ended("64 threads", &["threads:64"])),
    tasks(32, ended("32 processes", &["procs:32"])),
    tasks(4096, ended("fork bomb of allocators", &["forkbomb"])),
    Case {
        options: &["--pids", "max"],
        ..tasks(4096, ended("fork bomb, no pids limit", &["forkbomb"]))
    },
    by_many(ended("memfd, 1 MiB a call", &["memfd"])),
    Case { one_call: 64, ..ended("memfd, 64 MiB a call", &["memfd-big"]) },
    by_many(ended("tmpfs", &["tmpfs"])),
    // Where pages of a fallocate(2) that goes on are swapped out, it gives up by itself: ENOMEM.
    Case { swap: Swap::Never, ..one_call("fallocate of ten limits", &["fallocate"]) },
    by_many(ended("shmget", &["segment"])),
    by_many(ended("mmap MAP_SHARED", &["shared"])),
    by_many(Case { huge: true, ..ended("transparent huge pages", &["thp"]) }),
    ended("realloc, doubling", &["realloc"]),
    by_many(ended("pipes full of data", &["pipes"])),
    by_many(ended("sockets full of data", &["sockets"])),
    by_many(Case { up_to: [32, 100], ..ended("inodes held open", &["inodes"]) }),
    // What counts as cache, and is held.
    of_file("file spliced into pipes", &["splice-pipes"]),
    Case {
        one_call: u64::MAX,
        by_many: false,
        ..of_file("file spliced into one huge pipe", &["splice-huge"])
    },
    of_file("mapped file in pipes, vmsplice", &["vmsplice-file"]),
    of_file("sendfile to peers that do not read", &["sendfile"]),
    of_file("file mapped and locked", &["locked-file"]),
    of_kernel("rings of aio", &["aio"]),
    Case { quick: true, up_to: [32, 100], ..of_slab("hard links on tmpfs", &["links"]) },
    of_slab("symlinks on tmpfs", &["symlinks"]),
    of_slab("directories on tmpfs", &["directories"]),
    of_slab("empty files on tmpfs", &["empty-files"]),
    of_slab("inodes held open on a disk", &["disk-inodes"]),
    of_slab("inotify watches", &["watches"]),
    of_slab("locked files held open", &["locks"]),
    of_slab("eventfds", &["eventfds"]),
    of_slab("timerfds", &["timerfds"]),
    // What the kernel keeps for a process.
    of_kernel("anonymous pages in pipes, vmsplice", &["vmsplice-own"]),
    of_kernel("tmpfs file mapped and locked", &["locked-tmpfs"]),
    of_kernel("TCP buffers", &["tcp"]),
    Case { received: true, ..of_kernel("UDP buffers", &["udp"]) },
    of_kernel("datagrams", &["datagrams"]),
    of_kernel("memfds on their way", &["in-flight"]),
    of_kernel("System V queues", &["sysv-queues"]),
    of_kernel("POSIX queues", &["posix-queues"]),
    of_kernel("semaphores", &["semaphores"]),
    of_kernel("page tables", &["page-tables"]),
    of_kernel("rings of io_uring", &["io-uring"]),
    Case { since: (5, 11), ..of_kernel("BPF maps", &["bpf-maps"]) },
    Case { since: (6, 6), ..slow(of_kernel("xattrs on tmpfs", &["xattrs"])) },
    of_slab("files open again and again", &["open-files"]),
    of_slab("texts of /proc, half read", &["open-texts"]),
    Case { since: (5, 15), ..of_slab("epoll sets", &["epolls"]) },
    of_slab("inotify events", &["events"]),
    Case { up_to: [16; 2], ..of_slab("pseudo-terminals", &["terminals"]) },
    of_slab("mappings", &["mappings"]),
    Case {
        options: &["--pids", "max"],
        by_many: false,
        tasks: 4096,
        ..of_slab("stacks of idle threads", &["stacks"])
    },
    // Healthy.
    slow(Case { up_to: [32; 2], ..lives("dentries", &["names"]) }),
    lives("mapped file, read twice", &["mapped"]),
    lives("page cache only", &["cache"]),
    slow(owning(60, lives("page cache, 60 % of its own", &["cache"]))),
    owning(70, lives("mapped file, 70 % of its own", &["mapped"])),
    // With the large folios of 7.3 each of them has a MiB that is charged and in no counter, while it is throttled.
    at_once(8, Case { cap: 400, ..lives("mapped file, eight readers", &["mapped"]) }),
    at_once(
        8,
        Case { cap: 400, ..slow(lives("writer to a mapped file, eight", &["write-mapped"])) },
    ),
    at_once(8, Case { cap: 400, ..slow(lives("page cache only, eight", &["cache"])) }),
    slow(lives("writer", &["write"])),
    lives("writer to a mapped file", &["write-mapped"]),
    slow(lives("writer past the cache", &["write-direct"])),
    slow(lives("tar", &["pack"])),
    slow(owning(30, Case { cap: 150, ..lives("sort", &["sort"]) })),
    slow(lives("build", &["build"])),
    slow(Case { cap: 100, up_to: [32; 2], ..lives("walk through folders", &["walk"]) }),
    Case { cap: 60, swap: Swap::Needed, ..lives("swapped out, and back", &["swap-back"]) },
    Case { cap: 150, swap: Swap::Needed, ..lives("cold memory in swap", &["cold"]) },
    // Deaf.
    by_many(killed("SIGTERM ignored", &["touch", "--ignore-term"])),
    tasks(64, killed("SIGTERM ignored, 64 threads", &["threads:64", "--ignore-term"])),
    tasks(4096, killed("SIGTERM ignored, fork bomb", &["forkbomb", "--ignore-term"])),
    tasks(
        4096,
        killed("SIGTERM ignored, fork bomb of huge pages", &["forkbomb-thp", "--ignore-term"]),
    ),
    tasks(4096, killed("handler allocates, fork bomb", &["forkbomb", "--alloc-in-handler"])),
    by_many(killed("handler allocates", &["touch", "--alloc-in-handler"])),
    tasks(20, killed("handler forks", &["touch", "--fork-in-handler"])),
    // What processes do to each other, and to their cgroup.
    ended("children stopped by SIGSTOP", &["stopped-children"]),
    ended("child freezes a sub-cgroup", &["frozen-child"]),
    Case { options: &["--timeout", "500ms"], ..ended("freezes itself", &["freeze-self"]) },
    Case { options: &["--timeout", "500ms"], ..ended("stops itself", &["stop-self"]) },
    ended("sub-cgroup of its own", &["subcgroup"]),
    ended("moves from sub-cgroup to sub-cgroup", &["wander"]),
    ended("chmod 000 of its cgroup", &["close-cgroup"]),
    Case { by_user: true, ..ended("chmod 000, no root", &["close-cgroup"]) },
    Case { by_user: true, ..ended("sub-cgroups, no root", &["wander"]) },
    Case { by_user: true, ..tasks(32, ended("32 processes, no root", &["procs:32"])) },
    ended("setsid and double fork", &["daemon-leak"]),
    ended("name of escape sequences", &["rename"]),
    ended("ptrace of its own children", &["ptrace"]),
    tasks(8, ended("vfork storm", &["vfork"])),
];
