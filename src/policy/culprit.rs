//! Single processes that are ended while the rest of the workload lives: one that holds more than each may (`--process-memory`), and at
//! the limit of all the largest (`--victim largest`). Each is asked as politely as a workload is, and has the same grace period. Where it
//! is the command's own process, or nobody else is worth it, the workload is ended as a whole.

use super::rate::Growth;
use super::{Actions, Policy, Rung, floor, interval};
use crate::clock::Timestamp;
use crate::event::{
    Action, Crowd, KillReason, Notice, PROCESSES_AT_ONCE as AT_ONCE, ProcessEnd, ProcessId,
    ProcessNotice, ProcessReason, Reason, Sample, Weight,
};
use crate::units::Bytes;
use arrayvec::ArrayVec;
use std::time::Duration;

/// Whom nothing is done to any more; the last of them are remembered.
const SPARED: usize = 16;
/// Who holds less than this part of the limit would leave the workload as near to it as it is.
const WORTH: u64 = 16;
/// From the end of one to the choice of the next: pages that were freed are given back a little later.
const REST: Duration = Duration::from_millis(250);
/// While one is being ended for the limit of all, that is watched this closely.
const WATCHED: Duration = Duration::from_millis(10);
/// SIGKILL is repeated this often,
const KILL_AGAIN: Duration = Duration::from_millis(100);
/// and for so long: whoever is there then is waited for no more (a task in uninterruptible sleep).
const KILL_STUCK: Duration = Duration::from_secs(5);
/// Where there is nobody to be ended, it is looked again after so long.
const NOBODY: Duration = Duration::from_secs(10);
/// Processes are weighed this often where one is near what each may hold,
const NEAREST: u64 = 50;
/// this often where none is,
const FARTHEST: u64 = 1000;
/// and for at most one part in so many of the time.
const SPARSE: u32 = 10;

/// Which single processes are ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CulpritRule {
    /// What each process may hold: anonymous memory, in memory and in swap.
    pub process_memory: Option<Bytes>,
    /// At the limit of all the largest is ended, and not the workload.
    pub largest: bool,
}

impl CulpritRule {
    /// Whether any can be.
    pub fn is_any(&self) -> bool {
        self.largest || self.process_memory.is_some()
    }
}

/// One that is being ended.
#[derive(Clone, Copy, Debug)]
struct Going {
    id: ProcessId,
    why: ProcessReason,
    since: Timestamp,
    /// SIGKILL is next sent then.
    kill_at: Timestamp,
    /// When it was first, and `memory.current` then.
    killed: Option<(Timestamp, Bytes)>,
}

impl Going {
    /// For the limit of all.
    fn for_all(&self) -> Option<Reason> {
        match self.why {
            ProcessReason::Largest { reason, .. } => Some(reason),
            ProcessReason::TooLarge { .. } => None,
        }
    }

    /// Of all that runs on a machine, one goes alone: what it started may be somebody's session.
    fn takes_descendants(&self, is_machine: bool) -> bool {
        self.for_all().is_some() && !is_machine
    }
}

/// Who is being ended, and what is remembered of the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Culprits {
    going: ArrayVec<Going, AT_ONCE>,
    /// Who held more than each may, at the last look.
    over: ArrayVec<ProcessId, AT_ONCE>,
    spared: ArrayVec<ProcessId, SPARED>,
    /// Somebody is to be chosen for this.
    wanted: Option<Reason>,
    /// One was ended for this, and until then nobody else is.
    rest: Option<(Timestamp, Reason)>,
    /// The trip-wire was lifted for the handlers of who was chosen.
    pub lifted: bool,
    weighed_at: Option<Timestamp>,
    /// What the largest held then, and how long it took.
    heaviest: Bytes,
    cost: Duration,
    /// So many are gone that were ended.
    ended: u64,
}

impl Culprits {
    /// Whether a look has something to do for it.
    pub fn is_at_work(&self) -> bool {
        let open = self.rest.is_some() || self.wanted.is_some() || self.lifted;
        open || !self.going.is_empty() || !self.over.is_empty()
    }

    /// Whether one is being ended for the limit of all, or was a moment ago.
    pub fn relieves(&self) -> bool {
        self.rest.is_some() || self.going.iter().any(|one| one.for_all().is_some())
    }

    /// When SIGKILL is next sent to one.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.going.iter().map(|one| one.kill_at).min()
    }

    /// Time from one weighing to the next: that in which 1 GiB/s fills what the largest may hold more. `None` where nobody asked.
    pub fn wait(&self, rule: &CulpritRule) -> Option<Duration> {
        let limit = rule.process_memory?;
        let distance = u128::from(limit.saturating_sub(self.heaviest).0);
        let ms = u64::try_from(distance * 1000 / u128::from(interval::SUDDEN)).unwrap_or(u64::MAX);
        let longest = Duration::from_millis(FARTHEST);
        Some(
            Duration::from_millis(ms.clamp(NEAREST, FARTHEST)).max(self.cost * SPARSE).min(longest),
        )
    }

    /// Another grace period counts for those too that are being ended.
    pub fn set_grace(&mut self, grace: Duration) {
        for one in self.going.iter_mut().filter(|one| one.killed.is_none()) {
            one.kill_at = one.since + grace;
        }
    }

    fn is_due(&self, rule: &CulpritRule, now: Timestamp) -> bool {
        let rested = |at: Timestamp| self.wait(rule).is_some_and(|wait| now.since(at) >= wait);
        let never = self.weighed_at.is_none() && rule.process_memory.is_some();
        never
            || !self.going.is_empty()
            || !self.over.is_empty()
            || self.weighed_at.is_some_and(rested)
    }

    fn is_spared(&self, id: ProcessId) -> bool {
        self.spared.contains(&id)
    }

    fn spare(&mut self, id: ProcessId) {
        if self.spared.is_full() {
            self.spared.remove(0);
        }
        self.spared.push(id);
    }

    fn take(&mut self, id: ProcessId) -> Option<Going> {
        let place = self.going.iter().position(|one| one.id == id)?;
        Some(self.going.remove(place))
    }
}

impl Policy {
    /// Has the processes weighed where that is due.
    pub(super) fn weigh_where_due(&mut self, now: Timestamp, actions: &mut Actions) {
        if self.culprits.is_due(&self.config.culprit, now) {
            actions.push(Action::Weigh);
        }
    }

    /// Whether the largest process is ended for this reason, and not the workload.
    pub(super) fn ends_largest_for(&self, reason: &Reason) -> bool {
        let of_memory = match reason {
            Reason::Breach { .. }
            | Reason::Climb { .. }
            | Reason::Stuck { .. }
            | Reason::Thrash { .. }
            | Reason::HostMemory { .. } => true,
            // Who is chosen of a pool makes room as a whole.
            Reason::Pool(_)
            | Reason::Process { .. }
            | Reason::Timeout { .. }
            | Reason::Operator
            | Reason::ChildExited => false,
        };
        of_memory && self.config.culprit.largest && !self.config.is_pool
    }

    /// Has the largest process ended for this.
    pub(super) fn choose_process(&mut self, reason: Reason, actions: &mut Actions) {
        self.culprits.wanted = Some(reason);
        actions.push(Action::Weigh);
    }

    /// The processes were weighed.
    pub(super) fn weighed(&mut self, crowd: &Crowd, now: Timestamp, actions: &mut Actions) {
        for id in crowd.gone.iter().flatten() {
            self.process_is_gone(*id, now, actions);
        }
        self.culprits.weighed_at = Some(now);
        self.culprits.cost = crowd.cost;
        self.culprits.heaviest =
            crowd.largest.iter().flatten().map(|it| it.size).max().unwrap_or_default();
        if !matches!(self.rung, Rung::Watching { .. }) {
            return;
        }
        if self.judge_each(crowd, now, actions) {
            return;
        }
        if let Some(reason) = self.culprits.wanted.take() {
            self.choose_among(crowd, reason, now, actions);
        }
    }

    /// Ends one that holds more than each may, at two looks in a row. True if one was: another is at the next weighing.
    fn judge_each(&mut self, crowd: &Crowd, now: Timestamp, actions: &mut Actions) -> bool {
        let Some(limit) = self.config.culprit.process_memory else { return false };
        let before = std::mem::take(&mut self.culprits.over);
        let over = crowd.largest.iter().flatten().filter(|it| it.size >= limit);
        let over: ArrayVec<Weight, AT_ONCE> =
            over.filter(|it| !self.culprits.is_spared(it.id)).copied().take(AT_ONCE).collect();
        let confirmed = over.iter().find(|it| before.contains(&it.id)).copied();
        let room = !self.culprits.going.is_full();
        self.culprits.over = over.iter().map(|it| it.id).collect();
        match confirmed.filter(|_| room) {
            Some(weight) => {
                self.culprits.over.retain(|id| *id != weight.id);
                self.end_too_large(weight, limit, now, actions);
                if !self.culprits.over.is_empty() {
                    actions.push(Action::Look);
                }
                true
            }
            None => {
                if room && !over.is_empty() {
                    actions.push(Action::Look);
                }
                false
            }
        }
    }

    fn end_too_large(
        &mut self,
        weight: Weight,
        limit: Bytes,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let size = weight.size;
        if !weight.is_command {
            let why = ProcessReason::TooLarge { size, limit };
            return self.end_process(weight.id, why, now, actions);
        }
        self.culprits.over.clear();
        if self.config.dry_run {
            self.culprits.spare(weight.id);
        }
        self.end(Reason::Process { size, limit }, now, actions);
    }

    /// The first that is worth it, if the command's own process is not the only one.
    fn choose_among(
        &mut self,
        crowd: &Crowd,
        reason: Reason,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let worth = if let Reason::HostMemory { available, floor } = reason {
            floor::worth(floor.saturating_sub(available))
        } else {
            Bytes(self.lines.limit.0 / WORTH)
        };
        let others = crowd.largest.iter().flatten().filter(|it| !it.is_command && it.own >= worth);
        // What was told in a dry run is still there.
        let is_open = |it: &&Weight| self.config.dry_run || !self.culprits.is_spared(it.id);
        let mut open = others.filter(is_open);
        // Of a machine they come in the order in which they are to go.
        let chosen =
            if self.config.is_machine { open.next() } else { open.max_by_key(|it| it.own) };
        match chosen {
            Some(weight) if !self.culprits.going.is_full() => {
                let why = ProcessReason::Largest { size: weight.own, reason };
                self.end_process(weight.id, why, now, actions);
            }
            _ if self.config.is_machine => self.find_nobody(reason, now, actions),
            _ => self.end_all(reason, now, actions),
        }
    }

    /// Of all that runs nobody may be ended, or nobody is worth it.
    fn find_nobody(&mut self, reason: Reason, now: Timestamp, actions: &mut Actions) {
        self.culprits.rest = Some((now + NOBODY, reason));
        if !std::mem::replace(&mut self.told_would, true) {
            actions.push(Action::Tell(Notice::NobodyToEnd { reason }));
        }
    }

    fn end_process(
        &mut self,
        id: ProcessId,
        why: ProcessReason,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let grace = self.config.grace;
        if self.config.dry_run {
            self.culprits.spare(id);
            self.told_would |= matches!(why, ProcessReason::Largest { .. });
            let notice = ProcessNotice::WouldTerminate { id, why };
            return actions.push(Action::Tell(Notice::Process(notice)));
        }
        let going = Going { id, why, since: now, kill_at: now + grace, killed: None };
        self.culprits.going.push(going);
        let with_descendants = going.takes_descendants(self.config.is_machine);
        if with_descendants {
            self.relieve(actions);
            self.culprits.lifted = true;
        }
        actions.push(Action::EndProcess(ProcessEnd { id, with_descendants, kill: false }));
        let notice = ProcessNotice::Terminating { id, why, grace };
        actions.push(Action::Tell(Notice::Process(notice)));
        if grace.is_zero() {
            self.kill_process(id, KillReason::GraceOver { grace }, now, actions);
        }
        self.look_at = self.look_at.min(now + WATCHED);
    }

    /// The grace period of one is over, or it was killed and is there still.
    pub(super) fn process_deadline(&mut self, now: Timestamp, actions: &mut Actions) {
        let Some(going) = self.culprits.going.iter().find(|one| now >= one.kill_at).copied() else {
            return;
        };
        let stuck = going.killed.map(|(at, _)| now.since(at)).filter(|after| *after >= KILL_STUCK);
        if let Some(after) = stuck {
            self.culprits.take(going.id);
            self.culprits.spare(going.id);
            let notice = ProcessNotice::StillThere { id: going.id, after };
            return actions.push(Action::Tell(Notice::Process(notice)));
        }
        let grace = self.config.grace;
        self.kill_process(going.id, KillReason::GraceOver { grace }, now, actions);
    }

    /// SIGKILL to one; told the first time.
    fn kill_process(
        &mut self,
        id: ProcessId,
        why: KillReason,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let (current, is_machine) = (self.last.current, self.config.is_machine);
        let Some(one) = self.culprits.going.iter_mut().find(|one| one.id == id) else { return };
        one.kill_at = now + KILL_AGAIN;
        let with_descendants = one.takes_descendants(is_machine);
        actions.push(Action::EndProcess(ProcessEnd { id, with_descendants, kill: true }));
        if one.killed.is_none() {
            one.killed = Some((now, current));
            let notice = ProcessNotice::Killing { id, why, after: now.since(one.since) };
            actions.push(Action::Tell(Notice::Process(notice)));
        }
    }

    fn process_is_gone(&mut self, id: ProcessId, now: Timestamp, actions: &mut Actions) {
        let Some(going) = self.culprits.take(id) else { return };
        self.culprits.ended += 1;
        // What it grew by, and gave back, is no growth of the others.
        self.growth = Growth::default();
        if let Some(reason) = going.for_all() {
            self.culprits.rest = Some((now + REST, reason));
        }
        let (after, killed) = (now.since(going.since), going.killed.is_some());
        let notice = ProcessNotice::Gone { id, after, killed };
        actions.push(Action::Tell(Notice::Process(notice)));
    }

    /// The kernel refused a signal to one: another is chosen, or the workload is ended.
    pub(super) fn process_refused(&mut self, end: ProcessEnd, errno: i32, actions: &mut Actions) {
        if self.culprits.take(end.id).is_none() {
            return;
        }
        self.culprits.spare(end.id);
        let notice = ProcessNotice::Refused { id: end.id, kill: end.kill, errno };
        actions.push(Action::Tell(Notice::Process(notice)));
        actions.push(Action::Look);
    }

    /// What a look sees while one is being ended for the limit of all, or was a moment ago. True: that is all for now.
    pub(super) fn is_ending_largest(
        &mut self,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) -> bool {
        let going = self.culprits.going.iter().rev().find_map(|one| Some((*one, one.for_all()?)));
        let reason =
            going.map(|(_, reason)| reason).or(self.culprits.rest.map(|(_, reason)| reason));
        let Some(reason) = reason else { return false };
        let pressing = self.why_at_once(&reason, sample);
        match (going, pressing) {
            // Whoever was killed gives its memory back, unless somebody else takes more than that.
            (Some((one, _)), Some(why)) => match one.killed {
                None => self.kill_process(one.id, why, now, actions),
                Some((at, then)) if sample.current > then && self.has_waited(at, now) => {
                    self.end_at_once(reason, sample, now, actions);
                }
                Some(_) => {}
            },
            (None, Some(_)) if !self.config.is_machine => {
                self.end_at_once(reason, sample, now, actions);
            }
            (Some(_), None) => {}
            (None, _) => {
                self.culprits.rest = self.culprits.rest.filter(|(until, _)| now < *until);
                return self.culprits.rest.is_some();
            }
        }
        true
    }

    /// Beside the kernel's ceiling nothing is waited for; a machine is given time to take back what was freed.
    fn has_waited(&self, killed: Timestamp, now: Timestamp) -> bool {
        !self.config.is_machine || now.since(killed) >= REST
    }

    /// Why nobody has time left: at the second line, or where half of the machine's floor is gone too.
    fn why_at_once(&self, reason: &Reason, sample: &Sample) -> Option<KillReason> {
        if matches!(reason, Reason::HostMemory { .. })
            && let Some(why) = self.floor.is_half_gone(sample)
        {
            return Some(why);
        }
        let ahead = self.ahead.reaches(sample);
        let (current, line) = (sample.current, self.lines.second);
        let pressing = self.breach.at_second_line(sample, ahead, &self.lines);
        (pressing && !self.config.is_machine).then_some(KillReason::SecondLine { current, line })
    }

    /// All of it: there is no time to choose another.
    fn end_at_once(
        &mut self,
        reason: Reason,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        if self.config.is_machine {
            return self.choose_process(reason, actions);
        }
        let mut reason = reason;
        if let Reason::Breach { footprint, .. } = &mut reason {
            // As it is now, and not as it was when the one that was ended was chosen.
            *footprint = sample.footprint();
        }
        self.terminate(reason, now, actions);
        self.watch_second_line(sample, now, actions);
        self.watch_floor(sample, now, actions);
    }

    /// How soon the next look comes where one is being ended, or is near what each may hold.
    pub(super) fn culprit_interval(&self, otherwise: Duration) -> Duration {
        let close = self.culprits.relieves() || self.culprits.wanted.is_some();
        let close = close.then(|| interval::affordable(WATCHED, &self.last));
        let wait = self.culprits.wait(&self.config.culprit);
        let going = (!self.culprits.going.is_empty()).then_some(Duration::from_millis(NEAREST));
        [close, wait, going].into_iter().flatten().fold(otherwise, Duration::min)
    }

    /// Who is being ended by itself, why, and when SIGKILL is next sent; the one that comes first.
    pub fn process_being_ended(&self) -> Option<(ProcessId, ProcessReason, Timestamp)> {
        let going = self.culprits.going.iter().min_by_key(|one| one.kill_at)?;
        Some((going.id, going.why, going.kill_at))
    }

    /// Single processes that were ended and are gone.
    pub fn processes_ended(&self) -> u64 {
        self.culprits.ended
    }

    /// Which single processes are ended.
    pub fn culprit_rule(&self) -> CulpritRule {
        self.config.culprit
    }
}
