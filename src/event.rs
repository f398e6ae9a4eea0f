//! The vocabulary between the edge and the policy: all that can happen, and all that can be done about it.
//! Plain values without allocation, so that a recorded trace replays and the way to a kill needs no memory.

use crate::lines::Lines;
use crate::status::{Counters, Pressure};
use crate::units::{Bytes, Limit, Percent};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

/// The least that a look sees: what is exact, and costs the kernel nothing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// `memory.current`.
    pub current: Bytes,
    /// `memory.events` and `pids.events`.
    pub counters: Counters,
}

/// One reading of the workload. What a tier cannot see is zero or absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// `memory.current`; in tiers without memory accounting the sum over processes.
    pub current: Bytes,
    /// What reclaim may look at: `active_file` + `inactive_file` + `slab_reclaimable` of `memory.stat`, and what is `in_transit`.
    /// Whether it gets that, `scanned` and `reclaimed` tell.
    pub cache: Bytes,
    /// The part of `cache` that is charged and in no counter of `memory.stat` yet: the folio that a task reads into, while it is throttled.
    pub in_transit: Bytes,
    /// The slab in `cache`: dentries, inodes. Those in use are counted too.
    pub slab: Bytes,
    /// File pages that wait for their disk: `file_dirty` + `file_writeback`.
    pub dirty: Bytes,
    /// `pgscan` of `memory.stat`: pages that reclaim looked at so far.
    pub scanned: u64,
    /// `pgsteal` of `memory.stat`: pages that it got. Slab is in neither.
    pub reclaimed: u64,
    /// `memory.swap.current`.
    pub swap: Bytes,
    /// The part of `cache` that reclaim was seen not to get. The policy finds it, no file tells.
    pub pinned: Bytes,
    /// `swapcached` of `memory.stat`: pages in memory and in swap, counted in `current` and in `swap`.
    pub swap_cached: Bytes,
    /// `hugetlb.<size>.current`, where the controller is on: huge pages are not in `current`.
    pub hugetlb: Bytes,
    /// `anon` of `memory.stat`.
    pub anon: Bytes,
    /// `shmem` of `memory.stat`: tmpfs, memfd, shared mappings.
    pub shmem: Bytes,
    /// `active_anon` + `inactive_anon` of `memory.stat`: what may be swapped out, and what is on its way there or back.
    pub listed_anon: Bytes,
    /// `unevictable` of `memory.stat`: pages that are locked (mlock(2)), of files too.
    pub unevictable: Bytes,
    /// `kernel` of `memory.stat`: stacks, page tables, slab, sockets.
    pub kernel: Bytes,
    /// `memory.events` and `pids.events`.
    pub counters: Counters,
    /// What the OOM killer did in the cgroup itself and not only in one below it: `oom`, `oom_kill` and `oom_group_kill` of
    /// `memory.events.local`. `None` where that is not told.
    pub own_oom: Option<u64>,
    /// `total` of the `full` line of `memory.pressure`, microseconds.
    pub stalled_usec: Option<u64>,
    /// The averages of `memory.pressure`.
    pub pressure: Option<Pressure>,
    /// So much more the sum over processes may be: pages that several may have, whose shares are not for us to read. `current`
    /// is the least that it can be.
    pub unread_shares: Bytes,
    /// What the machine, and the cgroups around the workload, have left for everybody; `None` where nobody asked for a floor.
    pub available: Option<Bytes>,
    /// Processes in the workload.
    pub processes: u64,
    /// How long the look took: where it is dear, looks are spaced out.
    pub cost: Duration,
}

impl Sample {
    /// Memory that the kernel cannot simply take back: what the limit is compared with.
    /// A subtraction from `memory.current`, which is exact to the per-CPU batch, and not a sum of `memory.stat`, which lags.
    pub fn footprint(&self) -> Bytes {
        self.resident().saturating_add(self.swapped()).saturating_add(self.hugetlb)
    }

    /// The part of it that is in memory.
    pub fn resident(&self) -> Bytes {
        self.current.saturating_sub(self.cache.saturating_sub(self.pinned))
    }

    /// The part in memory that could go to swap, where that is allowed. The lists lag behind what is new, and `anon` has only what is
    /// mapped.
    pub fn swappable(&self) -> Bytes {
        self.anon.saturating_add(self.shmem).saturating_sub(self.unevictable).max(self.listed_anon)
    }

    /// What is in swap and not in memory too.
    pub fn swapped(&self) -> Bytes {
        self.swap.saturating_sub(self.swap_cached)
    }
}

/// How a process ended, as wait(2) has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Signaled(i32),
    /// It was not ours to wait for: what we did not start tells nobody how it ended.
    Unseen,
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Ending {
        let code = || status.code().and_then(|code| u8::try_from(code).ok());
        match status.signal() {
            Some(signal) => Ending::Signaled(signal),
            None => Ending::Exited(code().unwrap_or(u8::MAX)),
        }
    }
}

/// What an operator asks for: through the mailbox, the dashboard or the terminal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// End the workload politely.
    Terminate,
    /// End it at once.
    Kill,
    /// Stop it where it is.
    Freeze,
    /// Let it go on.
    Thaw,
    /// Compare with these lines from now on.
    SetLines(Lines),
    /// Time from SIGTERM to SIGKILL from now on.
    SetGrace(Duration),
    /// Wall-clock limit from now on, counted from the start of the run; `None`: no end to it.
    SetTimeout(Option<Duration>),
    /// So many processes at most.
    SetPids(Limit),
    /// A signal for one process of the workload.
    Signal(OneSignal),
    /// It is one of a pool that is over its limit: end it politely, or with `at_once` what is left of it by SIGKILL.
    Yield {
        /// What the pool has in use.
        breach: PoolBreach,
        /// The pool has reached its second line.
        at_once: bool,
    },
}

/// Several workloads have more in use than they may have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolBreach {
    /// What all of them have in use.
    pub footprint: Bytes,
    /// The line that was reached.
    pub limit: Bytes,
}

/// Who a process is: its number, and when it got it, since numbers are given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId {
    /// The number.
    pub pid: i32,
    /// When it started, clock ticks since boot.
    pub started: u64,
}

/// One process, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Who.
    pub id: ProcessId,
    /// Anonymous memory, in memory and in swap.
    pub size: Bytes,
    /// Of that, what its end would give back at least: a child of fork(2) has the pages of its parent, until either writes to them.
    pub own: Bytes,
    /// It is the command's own; of what others started the eldest.
    pub is_command: bool,
}

/// So many single processes are ended at a time.
pub const PROCESSES_AT_ONCE: usize = 8;

/// What single processes hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// The largest of all, and those who have most of their own beside the command; but for those that are being ended by themselves. One may be
    /// there twice. Of a machine those who may be ended, and who is preferred first.
    pub largest: [Option<Weight>; 6],
    /// Of those, who is gone; others that are will be told of next time.
    pub gone: [Option<ProcessId>; 2],
    /// How long it took to find out.
    pub cost: Duration,
}

/// Ending one process, and what descends from it or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessEnd {
    /// Who.
    pub id: ProcessId,
    /// All that descend from it too.
    pub with_descendants: bool,
    /// By SIGKILL; else by the polite signal.
    pub kill: bool,
}

/// A signal for one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneSignal {
    /// The process.
    pub pid: i32,
    /// The signal's number.
    pub signal: i32,
}

/// All that can happen to a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// It was looked at.
    Sample(Sample),
    /// The moment that [`crate::policy::Policy::next_deadline`] named has come.
    Deadline,
    /// The command itself ended; the workload may live on.
    ChildExited(Ending),
    /// No process is left in the workload.
    Empty,
    /// Somebody asked for something.
    Operator(Command),
    /// Of a pool: whoever was chosen is gone.
    Yielded,
    /// Its processes were weighed, as [`Action::Weigh`] wants.
    Processes(Crowd),
    /// What came of a deed.
    Done(Deed, DeedResult),
}

/// A deed whose result comes back as an event, with what the kernel says afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// [`Action::SetTripWire`]: where `memory.high` stands.
    TripWire(Limit),
    /// [`Action::SetLines`]: where both lines of the kernel stand.
    Lines(InForce),
    /// [`Action::SetPids`]: where `pids.max` was to go.
    Pids(Limit),
    /// [`Action::Signal`].
    Signal(OneSignal),
    /// [`Action::EndProcess`].
    EndProcess(ProcessEnd),
    /// [`Action::Freeze`].
    Freeze,
    /// [`Action::Thaw`].
    Thaw,
    /// [`Action::Terminate`]: done when the command's own process has the signal; where that is gone, when anybody has.
    Terminate,
    /// [`Action::Kill`]: the same.
    Kill,
}

/// The kernel's lines, as read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// `memory.high`.
    pub high: Limit,
    /// `memory.max`.
    pub max: Limit,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedResult {
    /// Done, and read back.
    Done,
    /// It takes a while: the kernel reclaims first. Another result follows.
    Pending,
    /// Not done, because so much is in use that the write would reclaim or kill before it returns.
    InUse(Bytes),
    /// Refused with this errno; 0 where the kernel took it and says something else afterwards.
    Failed(i32),
}

/// All that can be done about it, in the order of the list that holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Take a sample at once and hand it back.
    Look,
    /// Write `memory.high`.
    SetTripWire(Limit),
    /// Write `memory.max` and `memory.high` for these lines.
    SetLines(Lines),
    /// Write `pids.max`.
    SetPids(Limit),
    /// Send it, if the process is of the workload.
    Signal(OneSignal),
    /// See what single processes hold, and hand that back.
    Weigh,
    /// Send the polite signal, with SIGCONT behind it, or SIGKILL, if the process is of the workload.
    EndProcess(ProcessEnd),
    /// `cgroup.freeze` 1.
    Freeze,
    /// `cgroup.freeze` 0.
    Thaw,
    /// Send the term signal, and SIGCONT behind it, to the chosen processes.
    Terminate,
    /// `cgroup.kill`, or SIGKILL to every process where there is none.
    Kill,
    /// Have one of the pool ended, or with `at_once` who is being ended by SIGKILL.
    Choose(Choice),
    /// Say so.
    Tell(Notice),
    /// The workload is gone.
    Finish(Outcome),
}

/// What somebody of a pool is to be ended for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As who is chosen hears it.
    pub breach: PoolBreach,
    /// What the pool as a whole is over.
    pub reason: Reason,
    /// The second line was reached.
    pub at_once: bool,
}

/// Why a workload is ended. The numbers are those that the decision was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The footprint reached the limit.
    Breach {
        /// The footprint at the last look.
        footprint: Bytes,
        /// The limit.
        limit: Bytes,
    },
    /// `memory.current` stays over the relief line despite throttling.
    Climb {
        /// `memory.current` at the last look.
        current: Bytes,
        /// The relief line.
        line: Bytes,
    },
    /// `memory.current` stays over the trip-wire though the kernel reclaims there: what counts as cache is none.
    Stuck {
        /// `memory.current` at the last look.
        current: Bytes,
        /// The limit.
        limit: Bytes,
        /// What is held there.
        held: Held,
    },
    /// Every task waited for memory most of the time, for long.
    Thrash {
        /// Share of the time.
        share: Percent,
        /// For how long.
        held: Duration,
    },
    /// It is one of a pool that is over its limit, and was chosen.
    Pool(PoolBreach),
    /// The command's own process holds more than each may.
    Process {
        /// What it held at the last look.
        size: Bytes,
        /// What each may hold.
        limit: Bytes,
    },
    /// The wall-clock limit.
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// The machine is short of memory, and the end of this workload would help.
    HostMemory {
        /// What was available at the last look.
        available: Bytes,
        /// The least that is to be.
        floor: Bytes,
    },
    /// An operator asked.
    Operator,
    /// The command ended and the rest was not to outlive it.
    ChildExited,
}

/// Why a single process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessReason {
    /// It holds more than each may.
    TooLarge {
        /// What it held at the last look.
        size: Bytes,
        /// What each may hold.
        limit: Bytes,
    },
    /// The workload is to be ended, and it is the largest of it.
    Largest {
        /// What it held at the last look.
        size: Bytes,
        /// Why the workload would be.
        reason: Reason,
    },
}

/// Memory that reclaim does not get though it should, and how much of it there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// File pages: in pipes or sockets, or locked.
    Files(Bytes),
    /// Reclaimable slab: dentries and inodes in use, of files on tmpfs or open ones.
    Slab(Bytes),
    /// What fills the limit and could not even be swapped out: kernel memory, data in pipes and sockets, locked pages.
    Unswappable(Bytes),
    /// Memory that was to be swapped out: swap is full, or too slow.
    Swappable(Bytes),
}

/// Why SIGKILL follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillReason {
    /// The grace period is over.
    GraceOver {
        /// Its length.
        grace: Duration,
    },
    /// Memory reached the second line before that.
    SecondLine {
        /// `memory.current` there.
        current: Bytes,
        /// The line.
        line: Bytes,
    },
    /// At the growth seen memory would be at `memory.max` before SIGKILL has worked.
    Ahead {
        /// `memory.current`.
        current: Bytes,
        /// Where it would be.
        ahead: Bytes,
        /// `memory.max`.
        ceiling: Bytes,
    },
    /// Its pool reached its second line before that.
    Pool(PoolBreach),
    /// The workload is ended for the machine's sake, and too little is left to wait for it.
    HostMemory {
        /// What is available.
        available: Bytes,
        /// Half of the floor.
        line: Bytes,
    },
    /// An operator asked, or asked twice to terminate.
    Operator,
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Notice {
    /// The footprint is near the limit.
    NearLimit {
        /// The footprint.
        footprint: Bytes,
        /// The limit.
        limit: Bytes,
        /// Room beyond it for what is swapped out.
        swap: Limit,
    },
    /// At this growth the limit is near in time.
    NearInTime {
        /// Time to the limit.
        left: Duration,
        /// The footprint.
        footprint: Bytes,
        /// Growth, bytes a second.
        growth: i64,
    },
    /// SIGTERM was sent.
    Terminating {
        /// Why.
        reason: Reason,
        /// Time until SIGKILL.
        grace: Duration,
    },
    /// SIGTERM would have been sent (dry run).
    WouldTerminate {
        /// Why.
        reason: Reason,
    },
    /// A breach that the workload is not ended for, or not at once.
    AtBreach(AtBreach),
    /// SIGKILL was sent.
    Killing {
        /// Why.
        why: KillReason,
        /// Time since SIGTERM, if one was sent.
        after: Option<Duration>,
    },
    /// The kernel refused a signal: whoever was to get it changed its user, for instance by a set-user-ID program (EPERM).
    SignalRefused {
        /// Why the workload is ended.
        reason: Reason,
        /// Why SIGKILL, if that was the signal; else it was the polite one.
        kill: Option<KillReason>,
        /// The command was to get it; else processes that it left behind.
        command: bool,
        /// The errno.
        errno: i32,
    },
    /// SIGKILL did not empty the workload yet.
    StillThere {
        /// Time since the first SIGKILL.
        after: Duration,
    },
    /// The kernel's OOM killer acted in the workload.
    KernelOom {
        /// How many processes it killed so far.
        killed: u64,
    },
    /// A fork was refused at `pids.max`.
    PidsMax {
        /// How often so far.
        refused: u64,
    },
    /// The command ended and others of the workload did not.
    Leftover {
        /// How many.
        processes: u64,
    },
    /// The workload is frozen.
    Frozen,
    /// It runs again.
    Thawed,
    /// The lines moved.
    NewLines(Lines),
    /// The grace period changed.
    NewGrace(Duration),
    /// The wall-clock limit changed; `None`: there is none any more.
    NewTimeout(Option<Duration>),
    /// The limit of processes changed.
    NewPids(Limit),
    /// A single process was sent a signal, as requested.
    Signalled(OneSignal),
    /// A single process is ended, and the rest lives.
    Process(ProcessNotice),
    /// The machine is short of memory, and nobody may be ended for it, or nobody is worth it.
    NobodyToEnd {
        /// Why somebody would be.
        reason: Reason,
    },
}

/// What is told of a process that is ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessNotice {
    /// The polite signal was sent.
    Terminating {
        /// To whom.
        id: ProcessId,
        /// Why.
        why: ProcessReason,
        /// Time until SIGKILL.
        grace: Duration,
    },
    /// It would have been (dry run).
    WouldTerminate {
        /// To whom.
        id: ProcessId,
        /// Why.
        why: ProcessReason,
    },
    /// SIGKILL was sent.
    Killing {
        /// To whom.
        id: ProcessId,
        /// Why.
        why: KillReason,
        /// Time since the polite signal.
        after: Duration,
    },
    /// It is gone.
    Gone {
        /// Who.
        id: ProcessId,
        /// Time since the polite signal.
        after: Duration,
        /// It took SIGKILL.
        killed: bool,
    },
    /// The kernel refused the signal (EPERM: it runs as another user now).
    Refused {
        /// To whom.
        id: ProcessId,
        /// It was SIGKILL.
        kill: bool,
        /// The errno.
        errno: i32,
    },
    /// SIGKILL did not end it, and it is waited for no more.
    StillThere {
        /// Who.
        id: ProcessId,
        /// Time since the first SIGKILL.
        after: Duration,
    },
}

impl ProcessNotice {
    /// Who it is about.
    pub fn id(&self) -> ProcessId {
        match self {
            ProcessNotice::Terminating { id, .. }
            | ProcessNotice::WouldTerminate { id, .. }
            | ProcessNotice::Killing { id, .. }
            | ProcessNotice::Gone { id, .. }
            | ProcessNotice::Refused { id, .. }
            | ProcessNotice::StillThere { id, .. } => *id,
        }
    }
}

/// What is done about a breach other than ending the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtBreach {
    /// The workload is frozen for it.
    Frozen {
        /// Why.
        reason: Reason,
        /// Time until it is ended.
        left: Duration,
    },
    /// It would have been frozen (dry run).
    WouldFreeze {
        /// Why.
        reason: Reason,
    },
    /// Nothing is done about it.
    OverLimit {
        /// Why something might be.
        reason: Reason,
    },
    /// What was frozen goes on: it is below its limit.
    ThawedBelow {
        /// What is in use.
        in_use: Bytes,
        /// The limit.
        limit: Bytes,
    },
    /// What was frozen goes on over its limit, as an operator wants.
    ThawedOver {
        /// What is in use.
        in_use: Bytes,
        /// It is frozen again when so much is.
        again_at: Bytes,
    },
    /// It was frozen for as long as it may be, and is ended.
    FreezeOver {
        /// For so long.
        frozen: Duration,
    },
}

/// How the run ended and who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who.
    pub cause: Cause,
    /// How the command itself ended.
    pub child: Ending,
    /// Whether it had ended before anybody was asked to: whom we ended is the rest.
    pub command_first: bool,
    /// Why SIGKILL was needed for those whom the command left behind, if it was.
    pub rest_killed: Option<KillReason>,
    /// Processes that the kernel's OOM killer killed in the workload.
    pub kernel_oom_kills: u64,
    /// It was frozen for a breach for so long, until it was ended.
    pub frozen: Option<Duration>,
}

impl Outcome {
    /// Why SIGKILL was needed for those whom we ended: the rest, where the command had ended before.
    pub fn kill(&self) -> Option<KillReason> {
        let Cause::Guardian { killed, .. } = self.cause else { return None };
        killed.or(self.rest_killed.filter(|_| self.command_first))
    }
}

/// Who ended the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself, or by a signal that was not ours.
    Itself,
    /// We did.
    Guardian {
        /// Why.
        reason: Reason,
        /// Why SIGKILL was needed, if it was, before the command had ended.
        killed: Option<KillReason>,
    },
    /// The kernel's OOM killer came first: a miss.
    KernelOom,
    /// systemd stopped the scope that the workload ran in (systemctl stop, the end of a session, a shutdown).
    SystemdStop,
    /// systemd-oomd killed it.
    SystemdOomd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_is_an_exit_or_a_signal() {
        let ending = |status| Ending::from(ExitStatus::from_raw(status));
        assert_eq!(ending(0), Ending::Exited(0));
        assert_eq!(ending(255 << 8), Ending::Exited(255));
        assert_eq!(ending(9), Ending::Signaled(9));
        // With a core dump, and a real-time signal.
        assert_eq!(ending(11 | 0x80), Ending::Signaled(11));
        assert_eq!(ending(64), Ending::Signaled(64));
    }
}
