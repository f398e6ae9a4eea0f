//! One workload at the edge: its processes, its cgroup if it has one, and the few things that can be done to it.
//! Where there is `cgroup.kill`, what SIGKILL needs is open beforehand, and nothing is allocated on the way to it. A signal
//! to each process opens a handle of it for a moment; descriptors are kept in reserve for that.

pub mod cgroup_sampler;
mod children;
pub mod descent;
pub mod escapees;
pub mod estimate;
pub mod foreign;
pub mod huge_pages;
pub mod kill_mode;
pub mod knobs;
pub mod line_writer;
mod list;
pub mod members;
mod one_process;
pub mod proc_file;
pub mod proc_stat;
pub mod process_sampler;
pub mod shares;
pub mod signalling;
pub mod spares;
pub mod strangers;
pub mod usage;

use crate::cgroup::Cgroup;
use crate::cgroup::kept::Keeping;
use crate::event::{DeedResult, Ending, Glance, InForce, Sample};
use crate::lines::Lines;
use crate::placement::{Placed, Route};
use crate::status::Tier;
use crate::sys::process::{self, PidFd};
use crate::units::{Bytes, Limit};
use anyhow::Result;
use cgroup_sampler::CgroupSampler;
use escapees::Escaped;
use foreign::Foreign;
use kill_mode::KillMode;
use knobs::Knobs;
use line_writer::{LineWriter, result_of};
use list::{LITTLE_ROOM, ROOM};
use members::{Members, Source};
use nix::libc::{SIGCONT, SIGKILL, SIGSTOP};
use process_sampler::ProcessSampler;
use signalling::Signalling;
use spares::{Spares, is_shortage};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;
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

/// What came of a signal.
#[derive(Debug)]
pub struct Reached {
    /// Whether the command's own process has it; where that is gone, whether anybody has.
    pub command: io::Result<()>,
    /// The first thing that kept it from somebody.
    pub all: io::Result<()>,
}

impl From<io::Result<()>> for Reached {
    fn from(all: io::Result<()>) -> Reached {
        Reached { command: same(&all), all }
    }
}

/// A result that two want to know of.
fn same(result: &io::Result<()>) -> io::Result<()> {
    let Err(error) = result else { return Ok(()) };
    Err(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error))
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
    members: Members,
    line_writer: LineWriter,
    signalling: Signalling,
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
    pub fn new(tier: Tier, placed: Option<Placed>, observed: Option<Cgroup>) -> Result<Workload> {
        let cgroup = placed.as_ref().map(|placed| &placed.cgroup);
        let knobs = cgroup.map(Knobs::open).transpose()?;
        let with_memory = cgroup.filter(|_| tier == Tier::Kernel).or(observed.as_ref());
        let by_cgroup = with_memory.map(|it| CgroupSampler::open(it, Keeping::Open)).transpose()?;
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
            observed,
            knobs,
            by_cgroup,
            by_process,
            members,
            line_writer: LineWriter::default(),
            signalling: Signalling::with_room(ROOM),
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
        let open = || CgroupSampler::open(cgroup, Keeping::Sparing);
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
            observed: None,
            knobs: Some(knobs),
            by_cgroup,
            by_process: ProcessSampler::new(),
            members,
            line_writer: LineWriter::default(),
            signalling: Signalling::with_room(LITTLE_ROOM),
            held: false,
            child: None,
            trouble: None,
            unsure: false,
        })
    }

    /// Makes room for what a workload of so many processes takes when it is ended: not on the way to a deed.
    pub fn make_room(&mut self, processes: u64) {
        let room = usize::try_from(processes.saturating_mul(2)).unwrap_or(0).min(ROOM);
        self.members.make_room(room);
        self.signalling.make_room(room);
    }

    /// Whether it was there before us, and stays.
    pub fn is_foreign(&self) -> bool {
        self.foreign.is_some()
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
        self.members.leave_out_strangers(strangers);
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
        self.by_cgroup.as_mut()?.glance().ok()
    }

    /// Reads the workload's memory. Where the cgroup's files fail, sums over the processes instead.
    pub fn look(&mut self) -> Observation {
        self.trouble = None;
        match self.by_cgroup.as_mut().map(CgroupSampler::sample) {
            Some(Ok(sample)) => return Observation::Seen(sample),
            Some(Err(error)) if self.is_over(&error) => return Observation::Gone,
            Some(Err(error)) => self.trouble = Some(error),
            None => {}
        }
        let sample = self.sum();
        match &self.trouble {
            Some(error) if proc_file::is_gone(error) && self.has_lost_cgroup() => Observation::Gone,
            _ => Observation::Seen(sample),
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

    fn has_lost_cgroup(&self) -> bool {
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

    /// Moves the trip-wire on the way to a signal; `None` where there is none. Never waits: where more is in use, it stays. Lines
    /// that are on their way to the kernel are given up, for that would take the handlers' memory.
    pub fn set_trip_wire(&mut self, limit: Limit) -> Option<DeedResult> {
        let knobs = self.knobs.as_ref().filter(|_| self.tier == Tier::Kernel)?;
        let result = knobs.set_memory_high(limit);
        if let Ok(in_force) = knobs.in_force() {
            self.line_writer.moved(in_force);
        }
        Some(result_of(result))
    }

    /// Puts lines in force, or begins to; `None` in a tier without lines of the kernel.
    pub fn set_lines(&mut self, lines: &Lines) -> Option<DeedResult> {
        let knobs = self.knobs.as_ref().filter(|_| self.tier == Tier::Kernel)?;
        let cgroup = self.cgroup()?.clone();
        let result = self.line_writer.set(knobs, &cgroup, lines);
        self.line_writer.pid().into_iter().for_each(|pid| self.members.leave_out(pid));
        Some(result)
    }

    /// No lines go on being put in force. Gives what is in use, if any were.
    pub fn give_up_lines(&mut self) -> Option<Bytes> {
        let stopped = self.line_writer.stop();
        let current = self.knobs.as_ref().map(Knobs::current);
        stopped.then(|| current.and_then(Result::ok).unwrap_or_default())
    }

    /// Where the kernel's lines stand; `None` where there are none.
    pub fn in_force(&self) -> Option<InForce> {
        let knobs = self.knobs.as_ref().filter(|_| self.tier == Tier::Kernel);
        knobs.and_then(|knobs| knobs.in_force().ok())
    }

    /// Whether this process, which ended, wrote lines; and what came of those, if they still are wanted.
    pub fn line_writer_ended(&mut self, pid: i32, ending: Ending) -> Option<Option<DeedResult>> {
        let ended = self.line_writer.ended(pid, ending, self.knobs.as_ref()?);
        if ended.is_some() {
            self.members.forget(pid);
        }
        ended
    }

    /// Whether the kernel freezes it as one; else by a signal to each process.
    pub fn freezes_at_once(&self) -> bool {
        self.knobs.as_ref().is_some_and(|knobs| knobs.can_freeze())
    }

    /// Stops the workload where it is, or lets it go on. Where that takes a signal to each process, it is begun.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn freeze(&mut self, frozen: bool) -> io::Result<()> {
        if let Some(knobs) = self.knobs.as_ref().filter(|knobs| knobs.can_freeze()) {
            return knobs.freeze(frozen);
        }
        let signal = if frozen { SIGSTOP } else { SIGCONT };
        let command = self.send_to_child(signal);
        let others = self.begin_signalling([signal, 0]);
        command.and(others)
    }

    /// Sends the term signal to the chosen processes, and SIGCONT behind it: a stopped process must be able to end. With many of
    /// them it is begun: see [`Workload::is_signalling`].
    pub fn terminate(&mut self, signal: i32, mode: KillMode) -> Reached {
        let command = self.send_to_child(signal);
        // Where the signal came through, this does.
        let _ = self.send_to_child(SIGCONT);
        let alone = mode != KillMode::ControlGroup && self.child.is_some();
        let others = self.begin_signalling(if alone { [SIGCONT, 0] } else { [signal, SIGCONT] });
        self.reached(command, others)
    }

    fn reached(&self, command: io::Result<()>, others: io::Result<()>) -> Reached {
        let command = match self.child {
            Some(_) => command,
            None if self.signalling.reached() > 0 => Ok(()),
            None => same(&others),
        };
        Reached { all: same(&command).and(others), command }
    }

    /// Does what ending it does with signal 0, which nobody gets: code, buffers and stack are in memory afterwards.
    pub fn rehearse(&mut self) {
        crate::sys::memory::touch_stack();
        self.by_process.touch();
        self.members.touch();
        self.signalling.touch();
        let _ = self.send_to_child(0);
        // What fails here fails again when it matters, and is said then.
        self.members.rehearse(true);
        let _ = self.begin_signalling([0; 2]);
        self.members.rehearse(false);
        self.signalling.cease();
    }

    /// SIGKILL to every process, atomically where the kernel can. Where `cgroup.kill` is refused, every process that can be reached
    /// gets it by its number.
    pub fn kill(&mut self) -> Reached {
        self.line_writer.stop();
        let result = self.knobs.as_ref().map_or(Ok(false), Knobs::kill);
        let command = self.send_to_child(SIGKILL);
        if matches!(result, Ok(true)) {
            self.signalling.cease();
            // It asks nobody's permission.
            return Ok(()).into();
        }
        let others = if self.signalling.kills() {
            self.go_on(signalling::STEP)
        } else {
            self.kill_one_by_one()
        };
        self.reached(command, result.and(others))
    }

    /// Frozen, nothing can fork away.
    fn kill_one_by_one(&mut self) -> io::Result<()> {
        self.held = self.knobs.as_ref().is_some_and(|knobs| knobs.freeze(true).is_ok());
        self.begin_signalling([SIGKILL, 0])
    }

    /// Whether there are processes still to be signalled, for [`Workload::go_on`].
    pub fn is_signalling(&self) -> bool {
        self.signalling.is_active()
    }

    /// The first process that the last signals were kept from, and how many those are; the command's own is not among them.
    pub fn refused(&self) -> Option<(i32, usize)> {
        self.signalling.refused()
    }

    /// Signals further processes, for about so long.
    ///
    /// # Errors
    /// As [`Workload::terminate`].
    pub fn go_on(&mut self, time: Duration) -> io::Result<()> {
        let result = self.signalling.step(&mut self.members, time);
        self.restock();
        if !self.signalling.is_active() && std::mem::take(&mut self.held) {
            // Kernels before 5.13 need the thaw to let a killed process go; what fails here is tried again by the policy.
            let _ = self.knobs.as_ref().map(|knobs| knobs.freeze(false));
        }
        result
    }

    /// To every process of the workload but the command's own, which has it.
    fn begin_signalling(&mut self, signals: [i32; 2]) -> io::Result<()> {
        let child = self.child.as_ref().map(|(pid, _)| *pid);
        self.signalling.begin(signals, child, &mut self.members);
        self.go_on(signalling::STEP)
    }

    /// Sends a signal to the command's process, if it is not reaped.
    ///
    /// # Errors
    /// EPERM where it became somebody else's (setuid). That it is gone is none.
    pub fn send_to_child(&self, signal: i32) -> io::Result<()> {
        let result = match &self.child {
            Some((_, Some(pidfd))) => pidfd.send(signal),
            Some((pid, None)) => process::send(*pid, signal),
            None => Ok(()),
        };
        match result {
            Err(error) if proc_file::is_gone(&error) => Ok(()),
            result => result,
        }
    }

    /// Whether looks see huge pages.
    pub fn counts_huge_pages(&self) -> bool {
        self.by_cgroup.as_ref().is_some_and(CgroupSampler::counts_huge_pages)
    }

    /// What the cgroup, of which no process is left, still has of tmpfs and shared memory, in memory and in swap: nothing else of
    /// it can be in swap any more.
    pub fn left_in_tmpfs(&self) -> Option<Bytes> {
        // What others leave in theirs is their matter.
        let cgroup = &self.placed.as_ref()?.cgroup;
        let number = |name| crate::cgroup::files::number(cgroup.read(name).ok()?.as_bytes());
        let stat = crate::cgroup::files::memory_stat(cgroup.read("memory.stat").ok()?.as_bytes());
        if cgroup.populated().unwrap_or(true) {
            return None;
        }
        let held = stat.shmem.min(Bytes(number("memory.current")?));
        let swapped = Bytes(number("memory.swap.current").unwrap_or(0));
        Some(held.saturating_add(swapped.saturating_sub(stat.swapcached)))
    }

    /// Page faults of the workload, minor and major: `pgfault`, of which `pgmajfault`, of `memory.stat`. `None` without a cgroup of its own
    /// that has it.
    pub fn page_faults(&self) -> Option<(u64, u64)> {
        let placed = self.placed.as_ref().filter(|_| self.tier == Tier::Kernel)?;
        let text = placed.cgroup.read("memory.stat").ok()?;
        let (all, major) = crate::cgroup::files::page_faults(text.as_bytes())?;
        Some((all.saturating_sub(major), major))
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
