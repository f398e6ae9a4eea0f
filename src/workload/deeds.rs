//! What can be done to a workload: its lines moved, frozen, asked to end, killed. Nothing here waits, and on the way to a kill nothing is
//! allocated.

use super::kill_mode::KillMode;
use super::knobs::Knobs;
use super::line_writer::result_of;
use super::{Workload, proc_file, signalling};
use crate::event::{DeedResult, Ending, InForce};
use crate::lines::Lines;
use crate::status::Tier;
use crate::sys::process;
use crate::units::{Bytes, Limit};
use nix::libc::{EPERM, SIGCONT, SIGKILL, SIGSTOP};
use std::io;
use std::time::Duration;

/// What a process may be about to be charged: a huge page. It is zeroed before it is charged (init_on_alloc), which takes
/// milliseconds, and SIGKILL does not stop that: 46 processes took 35 MiB more, 7.3.
const IN_FLIGHT: Bytes = Bytes::mib(2);
/// Processes that came since the last look.
const FORKED: u64 = 16;

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

impl Workload {
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
        self.ceiling = (!knobs.moves_max()).then_some(lines.ceiling);
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

    /// The same for who decides: where `memory.max` is others', our ceiling is where it was set to be.
    pub fn lines_in_force(&self) -> Option<InForce> {
        let in_force = self.in_force()?;
        let max = self.ceiling.map_or(in_force.max, |ceiling| Limit::At(ceiling.0));
        Some(InForce { max, ..in_force })
    }

    /// `memory.high` of a cgroup of others, where its owner moved it from here: what it is now, which is put back when we leave.
    pub fn moved_by_owner(&mut self, from: Limit) -> Option<Limit> {
        let foreign = self.foreign.is_some() && self.line_writer.pid().is_none();
        let high = self.in_force().filter(|_| foreign)?.high;
        if high == from {
            return None;
        }
        self.foreign.as_mut()?.owner_moved_high(high);
        Some(high)
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

    /// Whether anybody in it hears us. Nobody may be there.
    ///
    /// # Errors
    /// With the process, when all are another user's.
    pub fn ensure_hears(&mut self) -> Result<(), (i32, io::Error)> {
        let mut refused = Ok(());
        for pid in self.members.refresh() {
            match process::send(*pid, 0) {
                Ok(()) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(EPERM) => refused = Err((*pid, error)),
                // Gone meanwhile.
                Err(_) => {}
            }
        }
        refused
    }

    /// What `cgroup.freeze` says; `None` without one.
    pub fn frozen_in_kernel(&self) -> Option<bool> {
        let text = self.cgroup()?.read("cgroup.freeze").ok()?;
        Some(text.trim() == "1")
    }

    /// Stops the workload where it is, or lets it go on. Where that takes a signal to each process, it is begun.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn freeze(&mut self, frozen: bool) -> io::Result<()> {
        if self.is_machine() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if let Some(knobs) = self.knobs.as_ref().filter(|knobs| knobs.can_freeze()) {
            return knobs.freeze(frozen);
        }
        if self.is_tree && frozen {
            let why = "they have no cgroup of their own, and if sentinel were killed nobody would let them go on";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let signal = if frozen { SIGSTOP } else { SIGCONT };
        let command = self.send_to_child(signal);
        let others = self.begin_signalling([signal, 0]);
        let result = command.and(others);
        if frozen && result.is_err() {
            self.let_go_on();
        }
        result
    }

    /// What cannot be stopped as a whole is not stopped at all: who has SIGSTOP goes on.
    fn let_go_on(&mut self) {
        let refused = self.signalling.refused();
        // Who refused SIGSTOP refuses this too, and never stood.
        let _ = self.send_to_child(SIGCONT);
        let _ = self.begin_signalling([SIGCONT, 0]);
        self.signalling.remember(refused);
    }

    /// Sends the term signal to the chosen processes, and SIGCONT behind it: a stopped process must be able to end. With many of
    /// them it is begun: see [`Workload::is_signalling`].
    pub fn terminate(&mut self, signal: i32, mode: KillMode) -> Reached {
        if self.is_machine() {
            return Err(io::ErrorKind::Unsupported.into()).into();
        }
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
        if self.single_ends.is_ready() {
            self.weigh();
        }
        self.by_process.touch();
        self.members.touch();
        self.signalling.touch();
        let _ = self.send_to_child(0);
        // What fails here fails again when it matters, and is said then.
        if self.is_machine() {
            return;
        }
        self.members.rehearse(true);
        let _ = self.begin_signalling([0; 2]);
        self.members.rehearse(false);
        self.signalling.cease();
    }

    /// SIGKILL to every process, atomically where the kernel can. Where `cgroup.kill` is refused, every process that can be reached
    /// gets it by its number.
    pub fn kill(&mut self) -> Reached {
        if self.is_machine() {
            return Err(io::ErrorKind::Unsupported.into()).into();
        }
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

    /// Room above the ceiling for what so many processes were about to be charged when SIGKILL came, so that the kernel's OOM killer
    /// does not come to the dying: each takes its page before it is charged, and dies afterwards. What does not work here is no loss:
    /// SIGKILL was sent.
    pub fn lift_ceiling(&mut self, ceiling: Bytes, processes: u64) {
        let Some(knobs) = self.knobs.as_ref().filter(|knobs| knobs.moves_max()) else { return };
        let room = IN_FLIGHT.0.saturating_mul(processes + FORKED).min(ceiling.0);
        let max = Limit::At(ceiling.0.saturating_add(room));
        if knobs.set_memory_max(max).is_ok()
            && let Ok(in_force) = knobs.in_force()
        {
            self.line_writer.moved(in_force);
        }
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
}

/// A result that two want to know of.
fn same(result: &io::Result<()>) -> io::Result<()> {
    let Err(error) = result else { return Ok(()) };
    Err(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error))
}
