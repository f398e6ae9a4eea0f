//! The shapes by name, and which code each one runs.

use crate::{
    descriptors, files, healthy, kernel_memory, memory, own_cgroup, pinned, processes, queues,
    timed,
};
use crate::{relations, tables, tmpfs};
use anyhow::{Context, Result, bail};
use sentinel::units::{Bytes, parse_duration};
use std::str::FromStr;
use std::time::Duration;

/// Takes the cap, or works with so much.
type Deed = fn(Bytes) -> Result<()>;

/// Shapes that take and hold.
const HOLDING: &[(&str, Deed)] = &[
    ("splice-pipes", pinned::splice_pipes),
    ("splice-huge", pinned::splice_huge),
    ("vmsplice-file", pinned::vmsplice_file),
    ("vmsplice-own", pinned::vmsplice_own),
    ("sendfile", pinned::sendfile),
    ("tcp", pinned::tcp),
    ("locked-file", pinned::locked_file),
    ("locked-tmpfs", pinned::locked_memory),
    ("aio", pinned::aio),
    ("links", tmpfs::links),
    ("symlinks", tmpfs::symlinks),
    ("directories", tmpfs::directories),
    ("empty-files", tmpfs::empty_files),
    ("xattrs", tmpfs::attributes),
    ("disk-inodes", descriptors::disk_inodes),
    ("open-files", descriptors::open_files),
    ("open-texts", descriptors::open_texts),
    ("eventfds", descriptors::eventfds),
    ("timerfds", descriptors::timerfds),
    ("epolls", descriptors::epolls),
    ("watches", descriptors::watches),
    ("events", descriptors::events),
    ("locks", descriptors::locks),
    ("terminals", descriptors::terminals),
    ("in-flight", descriptors::in_flight),
    ("bpf-maps", descriptors::bpf_maps),
    ("io-uring", descriptors::rings),
    ("sysv-queues", queues::system_v),
    ("posix-queues", queues::posix),
    ("semaphores", queues::semaphores),
    ("udp", queues::udp),
    ("datagrams", queues::datagrams),
    ("page-tables", tables::page_tables),
    ("mappings", tables::mappings),
    ("stacks", tables::stacks),
];

/// Shapes that end by themselves when their work is done.
const WORKING: &[(&str, Deed)] = &[
    ("cache", files::cache),
    ("mapped", files::mapped),
    ("names", files::names),
    ("write", healthy::write),
    ("write-mapped", healthy::write_mapped),
    ("write-direct", healthy::write_direct),
    ("pack", healthy::pack),
    ("build", healthy::build),
    ("job", healthy::job),
    ("walk", healthy::walk),
    ("swap-back", healthy::swap_back),
    ("cold", healthy::cold),
];

/// How much a shape may have, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Where it stops.
    pub cap: Bytes,
    /// In bytes a second.
    pub rate: Bytes,
    /// Held from the beginning.
    pub own: Bytes,
}

/// What the hog does. A name with a colon takes a value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A chunk every 10 ms, at the chosen rate.
    Step,
    /// Page after page, flat out.
    Touch,
    /// The whole cap in one call that fills it.
    Populate,
    /// The whole cap in one call, locked.
    LockAll,
    /// So many threads that touch.
    Threads(u32),
    /// So many processes that touch.
    Processes(u32),
    /// Processes that take 2 MiB each and fork for ever.
    ForkBomb,
    /// The same by huge pages.
    HugeForkBomb,
    /// A memory file, by a MiB a call.
    MemFile,
    /// A memory file, by 64 MiB a call.
    MemFileBig,
    /// A memory file, reserved in one call.
    Reserve,
    /// A deleted file on /dev/shm.
    Shm,
    /// Huge pages.
    HugePages,
    /// One vector that doubles.
    Realloc,
    /// Full pipes.
    Pipes,
    /// Full sockets.
    Sockets,
    /// Empty files on /dev/shm, deleted and held open.
    Inodes,
    /// So much, and no more.
    Idle(Bytes),
    /// Ends with this status.
    Exit(u8),
    /// Kills itself with this signal.
    Signal(i32),
    /// Leaves a process in a session of its own behind, and ends.
    Daemon,
    /// Leaves a child behind, and ends.
    Orphan,
    /// Stops itself.
    StopSelf,
    /// Freezes its own cgroup.
    FreezeSelf,
    /// Moves into a cgroup below its own, and touches.
    SubCgroup,
    /// Writes so many bytes, and ends.
    Print(u64),
    /// Ends after a while.
    Sleep(Duration),
    /// Healthy work that is timed, with so much memory of its own.
    Timed(timed::Work, Bytes),
    /// System V shared memory.
    Segment,
    /// A shared mapping without a file.
    Shared,
    /// Takes and holds.
    Hold(Deed),
    /// Works, and ends.
    Work(Deed),
    /// Sorts, and ends.
    Sort,
    /// Touches, while a child is stopped in a frozen cgroup below.
    FrozenChild,
    /// Touches in cgroups of its own making, moving on.
    Wander,
    /// Takes all rights to its cgroup away, and touches.
    CloseCgroup,
    /// Has systemd move it somewhere else, and stays.
    Leave,
    /// In a session of its own, its parents gone, touches.
    DaemonLeak,
    /// Touches under a name full of escape sequences.
    Rename,
    /// Touches, with children stopped under its trace.
    Trace,
    /// Touches, with children that stopped themselves.
    StoppedChildren,
    /// Touches and vforks.
    Vfork,
}

impl Shape {
    /// Does it. Returns when the hog should stay as it is.
    ///
    /// # Errors
    /// What the kernel refused, other than memory beyond a limit.
    pub fn run(self, sizes: Sizes) -> Result<()> {
        let Sizes { cap, rate, own } = sizes;
        match self {
            Shape::Step => memory::step(cap, rate),
            Shape::Touch => memory::touch(cap),
            Shape::Populate => memory::populate(cap)?,
            Shape::LockAll => memory::lock_all(cap)?,
            Shape::Threads(count) => memory::threads(cap, count)?,
            Shape::HugePages => memory::huge_pages(cap)?,
            Shape::Realloc => memory::realloc(cap)?,
            Shape::Idle(size) => memory::touch(size),
            Shape::MemFile => kernel_memory::mem_file(cap, Bytes::mib(1))?,
            Shape::MemFileBig => kernel_memory::mem_file(cap, Bytes::mib(64))?,
            Shape::Reserve => kernel_memory::reserve(cap)?,
            Shape::Shm => kernel_memory::shm(cap)?,
            Shape::Pipes => kernel_memory::pipes(cap)?,
            Shape::Sockets => kernel_memory::sockets(cap)?,
            Shape::Inodes => kernel_memory::inodes(cap)?,
            Shape::Processes(count) => processes::many(cap, count)?,
            Shape::ForkBomb => processes::fork_bomb(false)?,
            Shape::HugeForkBomb => processes::fork_bomb(true)?,
            Shape::Exit(status) => std::process::exit(status.into()),
            Shape::Signal(number) => processes::die_of(number)?,
            Shape::Daemon => processes::daemon()?,
            Shape::Orphan => processes::orphan()?,
            Shape::StopSelf => processes::stop()?,
            Shape::FreezeSelf => own_cgroup::freeze()?,
            Shape::SubCgroup => return then_touch(own_cgroup::move_below(), cap),
            Shape::Segment => kernel_memory::segment(cap)?,
            Shape::Shared => memory::shared(cap)?,
            Shape::Hold(deed) => deed(cap)?,
            Shape::Work(deed) => {
                memory::touch(own);
                return ended(deed(cap));
            }
            Shape::Sort => return ended(healthy::sort(cap, own)),
            Shape::FrozenChild => return then_touch(own_cgroup::freeze_below(), cap),
            Shape::Wander => own_cgroup::wander(cap)?,
            Shape::CloseCgroup => return then_touch(own_cgroup::close(), cap),
            Shape::Leave => own_cgroup::leave()?,
            Shape::DaemonLeak => return then_touch(processes::daemon(), cap),
            Shape::Rename => return then_touch(relations::rename(), cap),
            Shape::Trace => return then_touch(relations::trace(), cap),
            Shape::StoppedChildren => return then_touch(relations::stopped_children(), cap),
            Shape::Vfork => relations::vfork_storm(cap)?,
            Shape::Print(bytes) => processes::print(bytes)?,
            Shape::Timed(work, own) => return ended(timed::run(work, own, cap)),
            Shape::Sleep(time) => {
                processes::sleep(time);
                std::process::exit(0);
            }
        }
        Ok(())
    }
}

impl Shape {
    /// Whether it is work that is done at some time.
    pub fn ends(&self) -> bool {
        matches!(self, Shape::Work(_) | Shape::Sort | Shape::Timed(..))
    }
}

fn then_touch(first: Result<()>, cap: Bytes) -> Result<()> {
    first?;
    memory::touch(cap);
    Ok(())
}

fn ended(outcome: Result<()>) -> Result<()> {
    outcome?;
    std::process::exit(0)
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.split_once(':') {
            None => plain(text)?,
            Some(("threads", count)) => Shape::Threads(count.parse()?),
            Some(("procs", count)) => Shape::Processes(count.parse()?),
            Some(("idle", size)) => Shape::Idle(size.parse()?),
            Some(("exit", status)) => Shape::Exit(status.parse()?),
            Some(("signal", number)) => Shape::Signal(number.parse()?),
            Some(("print", bytes)) => Shape::Print(bytes.parse::<Bytes>()?.0),
            Some(("sleep", time)) => Shape::Sleep(parse_duration(time).context("sleep")?),
            Some(("timed", text)) => {
                let (work, own) = text.split_once(':').context("timed:WORK:SIZE")?;
                Shape::Timed(work.parse()?, own.parse()?)
            }
            Some(_) => bail!("no such shape"),
        })
    }
}

fn plain(name: &str) -> Result<Shape> {
    Ok(match name {
        "step" => Shape::Step,
        "touch" => Shape::Touch,
        "populate" => Shape::Populate,
        "mlockall" => Shape::LockAll,
        "forkbomb" => Shape::ForkBomb,
        "forkbomb-thp" => Shape::HugeForkBomb,
        "memfd" => Shape::MemFile,
        "memfd-big" => Shape::MemFileBig,
        "fallocate" => Shape::Reserve,
        "tmpfs" => Shape::Shm,
        "thp" => Shape::HugePages,
        "realloc" => Shape::Realloc,
        "pipes" => Shape::Pipes,
        "sockets" => Shape::Sockets,
        "inodes" => Shape::Inodes,
        "daemon" => Shape::Daemon,
        "orphan" => Shape::Orphan,
        "stop-self" => Shape::StopSelf,
        "freeze-self" => Shape::FreezeSelf,
        "subcgroup" => Shape::SubCgroup,
        "segment" => Shape::Segment,
        "shared" => Shape::Shared,
        "sort" => Shape::Sort,
        "frozen-child" => Shape::FrozenChild,
        "wander" => Shape::Wander,
        "close-cgroup" => Shape::CloseCgroup,
        "leave" => Shape::Leave,
        "daemon-leak" => Shape::DaemonLeak,
        "rename" => Shape::Rename,
        "ptrace" => Shape::Trace,
        "stopped-children" => Shape::StoppedChildren,
        "vfork" => Shape::Vfork,
        _ => return listed(name).context("no such shape"),
    })
}

fn listed(name: &str) -> Option<Shape> {
    let among =
        |shapes: &[(&str, Deed)]| shapes.iter().find(|shape| shape.0 == name).map(|shape| shape.1);
    among(HOLDING).map(Shape::Hold).or_else(|| among(WORKING).map(Shape::Work))
}
