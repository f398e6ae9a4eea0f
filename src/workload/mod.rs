//! One workload at the edge: its processes, its cgroup if it has one, and the few things that can be done to it.
//! Where there is `cgroup.kill`, what SIGKILL needs is open beforehand, and nothing is allocated on the way to it. A signal
//! to each process opens a handle of it for a moment; descriptors are kept in reserve for that.

mod beside;
pub mod cgroup_sampler;
mod children;
pub mod deeds;
pub mod descent;
pub mod escapees;
pub mod estimate;
pub mod foreign;
pub mod huge_pages;
pub mod kill_mode;
pub mod knobs;
pub mod line_writer;
mod list;
pub mod machine;
mod mark;
pub mod members;
mod one_process;
pub mod proc_file;
pub mod proc_stat;
pub mod process_sampler;
pub mod process_tree;
pub mod shares;
pub mod signalling;
mod single_ends;
pub mod spares;
pub mod strangers;
pub mod usage;

use crate::cgroup::Cgroup;
use crate::cgroup::kept::Keeping;
use crate::event::{Glance, Sample};
use crate::placement::{Placed, Route};
use crate::status::Tier;
use crate::sys::process::{self, PidFd};
use crate::units::Bytes;
use anyhow::Result;
use beside::Beside;
use cgroup_sampler::CgroupSampler;
use escapees::Escaped;
use foreign::{Foreign, Rank};
use knobs::Knobs;
use line_writer::LineWriter;
use list::{LITTLE_ROOM, ROOM};
use machine::{Machine, Preference};
use members::{Members, Source};
use process_sampler::ProcessSampler;
use process_tree::ProcessTree;
use signalling::Signalling;
use single_ends::SingleEnds;
use spares::{Spares, is_shortage};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use strangers::Strangers;

/// What a look found.
#[expect(clippy::large_enum_variant, reason = "in a box it would be allocated at each look")]
#[derive(Clone, Copy, Debug)]
pub enum Observation {
    /// A reading.
    Seen(Sample),
    /// The cgroup is gone, removed by somebody else: nothing can be left in it.
    Gone,
}

/// A workload and all that is kept open for it.
#[derive(Debug)]
pub struct Workload {
    tier: Tier,
    placed: Option<Placed>,
    /// Somebody else's cgroup, which was there before us.
    foreign: Option<Foreign>,
    /// Our own cgroup, where that is what can be read.
    observed: Option<Cgroup>,
    knobs: Option<Knobs>,
    by_cgroup: Option<CgroupSampler>,
    by_process: ProcessSampler,
    /// Others of before the command have a part in the cgroup that is read.
    beside: Option<Beside>,
    members: Members,
    line_writer: LineWriter,
    /// The ceiling of the last lines, where `memory.max` is others' and stays: it is compared with, and no kernel's.
    ceiling: Option<Bytes>,
    signalling: Signalling,
    single_ends: SingleEnds,
    /// All that runs on the machine.
    machine: Option<Machine>,
    /// Processes of others that have no cgroup for themselves.
    is_tree: bool,
    tree_pid: Option<u32>,
    /// Frozen so that nobody forks away from SIGKILL, where there is no `cgroup.kill`.
    held: bool,
    child: Option<(i32, Option<PidFd>)>,
    /// What the last look could not read.
    trouble: Option<io::Error>,
    /// Whether anybody is left could not be told from our other children.
    unsure: bool,
}

impl Workload {
    /// Opens everything for a workload in this cgroup, or without one; `observed` is our own where that can be read.
    ///
    /// # Errors
    /// When a file that the tier needs cannot be opened.
    pub fn new(
        tier: Tier,
        mut placed: Option<Placed>,
        observed: Option<Cgroup>,
    ) -> Result<Workload> {
        let lines = placed.as_mut().and_then(Placed::take_lines);
        let cgroup = placed.as_ref().map(|placed| &placed.cgroup);
        let with_memory = cgroup.filter(|_| tier == Tier::Kernel).or(observed.as_ref());
        let current = lines.as_ref().map(|lines| Rc::clone(&lines.current));
        let knobs = cgroup.map(|cgroup| Knobs::beside(cgroup, lines)).transpose()?;
        let sampler = |it| CgroupSampler::open(it, Keeping::Open, current);
        let by_cgroup = with_memory.map(sampler).transpose()?;
        let mut members = Members::new(cgroup.map_or(Source::Descendants, Source::of))?;
        placed.as_ref().and_then(Placed::anchor).into_iter().for_each(|pid| members.leave_out(pid));
        let mut by_process = ProcessSampler::new();
        if by_cgroup.is_none() {
            by_process.prepare();
        }
        let (child, trouble) = (None, None);
        Ok(Workload {
            tier,
            placed,
            foreign: None,
            is_tree: false,
            tree_pid: None,
            observed,
            knobs,
            by_cgroup,
            by_process,
            beside: None,
            members,
            line_writer: LineWriter::default(),
            ceiling: None,
            signalling: Signalling::with_room(ROOM),
            single_ends: SingleEnds::default(),
            machine: None,
            held: false,
            child,
            trouble,
            unsure: false,
        })
    }

    /// Opens what is needed for a workload that runs already, in a cgroup of others; `spares` are shared with all others.
    ///
    /// # Errors
    /// When a file that is needed cannot be opened.
    pub fn of_others(foreign: Foreign, spares: Spares) -> Result<Workload> {
        let cgroup = foreign.cgroup();
        let accounted = cgroup.has("memory.current");
        let open = || CgroupSampler::open(cgroup, Keeping::Sparing, None);
        let by_cgroup = accounted.then(open).transpose()?;
        let knobs = Knobs::of_others(cgroup, by_cgroup.as_ref().map(CgroupSampler::current))?;
        let members = Members::of_others(cgroup, spares);
        let tier = match by_cgroup {
            Some(_) if knobs.has_lines() => Tier::Kernel,
            Some(_) => Tier::Observed,
            None => Tier::Hybrid,
        };
        Ok(Workload {
            tier,
            placed: None,
            foreign: Some(foreign),
            is_tree: false,
            tree_pid: None,
            observed: None,
            knobs: Some(knobs),
            by_cgroup,
            by_process: ProcessSampler::new(),
            beside: None,
            members,
            line_writer: LineWriter::default(),
            ceiling: None,
            signalling: Signalling::with_room(LITTLE_ROOM),
            single_ends: SingleEnds::default(),
            machine: None,
            held: false,
            child: None,
            trouble: None,
            unsure: false,
        })
    }

    /// Opens what is needed for processes of others that have no cgroup for themselves.
    ///
    /// # Errors
    /// When /proc cannot be opened.
    pub fn of_tree(tree: ProcessTree) -> Result<Workload> {
        let mut workload = Workload::new(Tier::Polled, None, None)?;
        workload.tree_pid = u32::try_from(tree.root()).ok();
        workload.members = Members::new(Source::Tree(tree))?;
        workload.is_tree = true;
        Ok(workload)
    }

    /// Opens what is needed for the machine as a whole, of which single processes alone are ever ended.
    ///
    /// # Errors
    /// When /proc cannot be opened, or does not say what the machine has left.
    pub fn of_machine(total: Bytes, preference: Preference) -> Result<Workload> {
        let mut workload = Workload::new(Tier::Polled, None, None)?;
        workload.members = Members::new(Source::Machine)?;
        workload.machine = Some(Machine::new(total, preference)?);
        workload.is_tree = true;
        Ok(workload)
    }

    /// The process from which it descends, where others started that.
    pub fn tree_pid(&self) -> Option<u32> {
        self.tree_pid
    }

    /// Whether it is the machine as a whole.
    pub fn is_machine(&self) -> bool {
        self.machine.is_some()
    }

    /// Makes room for what a workload of so many processes takes when it is ended: not on the way to a deed.
    pub fn make_room(&mut self, processes: u64) {
        let room = usize::try_from(processes.saturating_mul(2)).unwrap_or(0).min(ROOM);
        self.members.make_room(room);
        self.signalling.make_room(room);
    }

    /// Whether it was there before us, and stays.
    pub fn is_foreign(&self) -> bool {
        self.foreign.is_some() || self.is_tree
    }

    /// The command's process runs. Keeps a handle of it.
    pub fn started(&mut self, pid: i32) {
        self.child = Some((pid, PidFd::open(pid).ok()));
        self.members.set_command(pid);
        // That it has somebody by now is no news.
        let _ = self.knobs.as_ref().map(Knobs::populated);
    }

    /// The command's process is reaped: its number may belong to somebody else from now on.
    pub fn child_reaped(&mut self) {
        self.child = None;
    }

    /// Whether the command's process is not reaped yet.
    pub fn child_alive(&self) -> bool {
        self.child.is_some()
    }

    /// A process of ours that is no part of the workload.
    pub fn leave_out(&mut self, pid: i32) {
        self.members.leave_out(pid);
    }

    /// Children of ours from before the command was.
    pub fn leave_out_strangers(&mut self, strangers: Strangers) {
        self.beside =
            self.observed.as_ref().filter(|_| !strangers.is_empty()).map(|_| Beside::default());
        self.members.leave_out_strangers(strangers);
    }

    /// Whether others of before the command have a part in the cgroup that is read.
    pub fn shares_cgroup(&self) -> bool {
        self.beside.is_some()
    }

    /// The command waits to be run: what it starts is to be told from what others of our children start.
    pub fn mark(&mut self, command: i32) {
        self.members.mark(command);
    }

    /// A child of ours that is no part of the workload ended: its number may become anybody's.
    pub fn forget(&mut self, pid: i32) {
        self.members.forget(pid);
    }

    /// Whether this child of ours is no part of the workload, as far as that is known by now.
    pub fn leaves_out(&self, pid: i32) -> bool {
        self.members.leaves_out(pid)
    }

    /// Whether looks go from process to process.
    pub fn sums(&self) -> bool {
        self.by_cgroup.is_none()
    }

    /// The tier.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The cgroup's directory.
    pub fn cgroup(&self) -> Option<&Cgroup> {
        let made = self.placed.as_ref().map(|placed| &placed.cgroup);
        made.or(self.foreign.as_ref().map(Foreign::cgroup))
    }

    /// The cgroup whose files say what happens: the workload's, or where it has none our own.
    pub fn watched(&self) -> Option<&Cgroup> {
        self.cgroup().or(self.observed.as_ref())
    }

    /// How the cgroup was had.
    pub fn row(&self) -> Option<Route> {
        self.placed.as_ref().and_then(|placed| placed.row)
    }

    /// The cgroup that others left for it, for as long as it lives.
    pub fn vacated(&self) -> Option<&Path> {
        self.placed.as_ref().and_then(Placed::vacated)
    }

    /// Puts the command's process, which waits, into the cgroup.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn admit(&self, child: i32) -> Result<()> {
        self.placed.as_ref().map_or(Ok(()), |placed| placed.admit(child))
    }

    /// Whether a process of ours holds the workload's scope.
    pub fn has_anchor(&self) -> bool {
        self.placed.as_ref().and_then(Placed::anchor).is_some()
    }

    /// Whether systemd-oomd marked the workload's cgroup, or the scope around it: it counts its kills in `user.oomd_ooms`
    /// before the first, and in `user.oomd_kill` after the last, when the cgroup may be gone (systemd: oomd-util.c).
    pub fn killed_by_oomd(&self) -> bool {
        let Some(cgroup) = self.cgroup() else { return false };
        let scope = cgroup.path().parent().filter(|_| self.has_anchor());
        [Some(cgroup.path()), scope].into_iter().flatten().any(|directory| {
            crate::cgroup::attribute(directory, "user.oomd_ooms").is_some_and(|count| count != "0")
        })
    }

    /// Whether this process, which ended, was the one that holds the workload's scope.
    pub fn anchor_ended(&mut self, pid: i32) -> bool {
        let Some(placed) = self.placed.as_mut().filter(|placed| placed.anchor() == Some(pid))
        else {
            return false;
        };
        placed.anchor_ended();
        true
    }

    /// The files that tell by EPOLLPRI that something happened. A look, and [`Workload::is_empty`], read them.
    pub fn telling_files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let by_cgroup = self.by_cgroup.iter().flat_map(CgroupSampler::telling_files);
        by_cgroup.chain(self.knobs.as_ref().and_then(Knobs::telling_file))
    }

    /// The least that a look sees, where the cgroup's files tell.
    pub fn glance(&mut self) -> Option<Glance> {
        if self.shares_cgroup() {
            return None;
        }
        self.by_cgroup.as_ref()?.glance().ok()
    }

    /// Reads the workload's memory. Where the cgroup's files fail, sums over the processes instead.
    pub fn look(&mut self) -> Observation {
        self.trouble = None;
        if let Some(machine) = &self.machine {
            let processes = self.members.listed().len().max(1) as u64;
            return Observation::Seen(Sample { processes, ..machine.sample() });
        }
        match self.by_cgroup.as_ref().map(CgroupSampler::sample) {
            Some(Ok(sample)) => return Observation::Seen(self.without_strangers(sample)),
            Some(Err(error)) if self.is_over(&error) => return Observation::Gone,
            Some(Err(error)) => self.trouble = Some(error),
            None => {}
        }
        let sample = self.sum();
        // A removed cgroup lists nobody, as one that rests does.
        match sample.processes == 0 && self.has_lost_cgroup() {
            true => Observation::Gone,
            false => Observation::Seen(sample),
        }
    }

    fn without_strangers(&mut self, sample: Sample) -> Sample {
        match &mut self.beside {
            Some(beside) => beside.take_off(sample, self.members.strangers()),
            None => sample,
        }
    }

    /// Whether a file of the cgroup could not be read since the cgroup is gone: what is opened anew is not there (ENOENT) then, and what is
    /// held open tells nothing any more (ENODEV, kernfs).
    fn is_over(&self, error: &io::Error) -> bool {
        match error.raw_os_error() {
            Some(nix::libc::ENODEV) => true,
            Some(nix::libc::ENOENT) => self.has_lost_cgroup(),
            _ => false,
        }
    }

    /// Whether its cgroup was removed.
    pub fn has_lost_cgroup(&self) -> bool {
        self.cgroup().is_some_and(|cgroup| !cgroup.has("cgroup.procs"))
    }

    fn sum(&mut self) -> Sample {
        let mut sample = self.by_process.sample(self.members.refresh());
        let mut trouble = self.by_process.trouble();
        if trouble.as_ref().is_some_and(is_shortage) {
            self.members.spares().release();
            sample = self.by_process.sample(self.members.listed());
            trouble = self.by_process.trouble();
        }
        let by_process = &self.by_process;
        self.members.keep(|pid| by_process.knows(pid));
        self.restock();
        if let Some(error) = self.members.trouble().or(trouble) {
            self.trouble.get_or_insert(error);
        }
        sample
    }

    /// Takes the spare descriptors again, if they were given back and can be had: else the next time.
    fn restock(&mut self) {
        let _ = self.members.spares().refill();
    }

    /// Why the last look may have seen too little.
    pub fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Whether no live process is left. Where that cannot be known, whether we have no child: every orphan becomes ours.
    pub fn is_empty(&mut self) -> bool {
        if self.is_machine() {
            return false;
        }
        match self.knobs.as_ref().map(Knobs::populated) {
            Some(Ok(populated)) => !populated,
            Some(Err(error)) if self.is_over(&error) => true,
            Some(Err(_)) | None => {
                let empty = self.members.is_empty();
                self.restock();
                self.unsure = empty.is_err();
                empty.unwrap_or_else(|_| !process::has_children())
            }
        }
    }

    /// Whether nothing but a child of ours that is no part of it may have kept it from being empty.
    pub fn is_unsure(&self) -> bool {
        self.unsure && self.child.is_none()
    }

    /// The processes, as of now.
    pub fn processes(&mut self) -> &[i32] {
        self.members.refresh()
    }

    /// The processes as of the last look where looks list them, else as of now: a walk through all of /proc costs too much for a
    /// screen.
    pub fn processes_lately(&mut self) -> &[i32] {
        match self.by_cgroup {
            None => self.members.listed(),
            Some(_) => self.members.refresh(),
        }
    }

    /// The processes that the last look found.
    pub fn listed(&self) -> &[i32] {
        self.members.listed()
    }

    /// Who of the workload is not in its cgroup, and lives. Nobody can leave where there is none.
    pub fn escaped(&mut self) -> Vec<Escaped> {
        match self.members.left_out() {
            (left_out, Some(home)) if self.placed.is_some() => escapees::look(left_out, home),
            _ => Vec::new(),
        }
    }

    /// How far the counters of its cgroup may lag, where they are read.
    pub fn lag(&self) -> Bytes {
        self.by_cgroup.as_ref().map_or(Bytes(0), CgroupSampler::lag)
    }

    /// Where the owner of a cgroup of others sees it among those.
    pub fn rank(&self) -> Rank {
        self.foreign.as_ref().map(Foreign::rank).unwrap_or_default()
    }

    /// Looks at that again.
    pub fn refresh_rank(&mut self) {
        self.foreign.iter_mut().for_each(Foreign::refresh_rank);
    }

    /// Whether its `memory.pressure` is there to be read.
    pub fn tells_pressure(&self) -> bool {
        self.by_cgroup.as_ref().is_some_and(CgroupSampler::tells_pressure)
    }

    /// Whether looks see huge pages.
    pub fn counts_huge_pages(&self) -> bool {
        self.by_cgroup.as_ref().is_some_and(CgroupSampler::counts_huge_pages)
    }

    /// What the cgroup, of which no process is left, still has of tmpfs and shared memory, in memory and in swap: nothing else of
    /// it can be in swap any more.
    pub fn left_in_tmpfs(&self) -> Option<Bytes> {
        let sampler = self.sampler_of_ours()?;
        let stat = sampler.stat().ok()?;
        let swapped = sampler.swapped().unwrap_or_default();
        if stat.shmem == Bytes(0) && swapped == Bytes(0) {
            return Some(Bytes(0));
        }
        if self.knobs.as_ref()?.populated().unwrap_or(true) {
            return None;
        }
        let held = stat.shmem.min(sampler.in_use().ok()?);
        Some(held.saturating_add(swapped.saturating_sub(stat.swapcached)))
    }

    /// Page faults of the workload, minor and major: `pgfault`, of which `pgmajfault`, of `memory.stat`. `None` without a cgroup of its own
    /// that has it.
    pub fn page_faults(&self) -> Option<(u64, u64)> {
        let (all, major) = self.sampler_of_ours()?.page_faults()?;
        Some((all.saturating_sub(major), major))
    }

    /// What reads the cgroup that we made: what others leave in theirs is their matter.
    fn sampler_of_ours(&self) -> Option<&CgroupSampler> {
        let is_ours = self.placed.is_some() && self.tier == Tier::Kernel;
        self.by_cgroup.as_ref().filter(|_| is_ours)
    }

    /// `memory.peak`, which sees what no look did; `None` before Linux 5.19 and in lower tiers.
    pub fn kernel_peak(&self) -> Option<Bytes> {
        let placed = self.placed.as_ref().filter(|_| self.tier == Tier::Kernel)?;
        let text = placed.cgroup.read("memory.peak").ok()?;
        crate::cgroup::files::number(text.as_bytes()).map(Bytes)
    }

    /// Removes the cgroup; one of others gets back what we wrote.
    ///
    /// # Errors
    /// While a process is left in it; when what was there before cannot be put back.
    pub fn remove(&mut self) -> Result<()> {
        // A write that goes on holds the directory.
        self.line_writer.end();
        if let Some(foreign) = &mut self.foreign {
            return foreign.give_back();
        }
        self.placed.take().map_or(Ok(()), |placed| placed.remove())
    }
}
