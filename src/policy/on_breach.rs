//! What is done at a breach: the workload is ended, or frozen for a while in which an operator can raise the limit, or people are told
//! and no more. And how long a breach must last before that. At the second line nothing is waited for, and everybody is ended: the
//! kernel's OOM killer is next there. docs/options.md has the rules as people read them.

use super::thrash::Thrash;
use super::{Actions, Policy, Rung};
use crate::clock::Timestamp;
use crate::event::{Action, AtBreach, Notice, Reason, Sample};
use crate::lines::Lines;
use crate::units::Bytes;
use std::time::Duration;

/// A frozen workload is ended after so long, unless asked otherwise.
pub const FREEZE_FOR: Duration = Duration::from_secs(600);
/// A workload that was thawed over its limit is frozen again when it has grown by this part of the limit: by more than counters may lag
/// behind, and so little that it cannot come near the second line on the way.
const GROWN: u64 = 32;
/// What is in use has fallen when it is less by this part, as far as a warning takes to be armed again.
const FALLEN: u64 = 10;

/// It grows fast when between two looks it comes nearer to the second line by this part of the way from the limit to there.
const RUSHES: u64 = 64;
/// And is looked at closely for so long after that.
const RUSH: Duration = Duration::from_millis(100);

/// What is done at a breach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBreach {
    /// The workload is ended.
    #[default]
    Terminate,
    /// It is frozen, and ended when nobody has acted in time.
    Freeze,
    /// People are told.
    Warn,
}

/// How a breach is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreachRule {
    /// What is done.
    pub deed: OnBreach,
    /// It must last so long first, by every look. Thrashing has a time of its own.
    pub hold: Duration,
    /// A frozen workload is ended after so long.
    pub freeze_for: Duration,
}

impl Default for BreachRule {
    fn default() -> BreachRule {
        BreachRule { deed: OnBreach::Terminate, hold: Duration::ZERO, freeze_for: FREEZE_FOR }
    }
}

/// A workload that is frozen for a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrozenBreach {
    reason: Reason,
    since: Timestamp,
    in_use: Bytes,
    /// What it might have, when it was frozen.
    allowance: Bytes,
    /// It may have more now: an operator raised the limit.
    raised: bool,
    /// An operator had frozen it before, and thaws it.
    before: bool,
    told: bool,
}

impl FrozenBreach {
    /// Whether the reason is gone: the limit was raised above what is in use, or that has fallen.
    fn is_over(&self, sample: &Sample, slack: Bytes, lines: &Lines) -> bool {
        let (in_use, line) = (in_use(&self.reason, sample), line(&self.reason, lines));
        let least = line.min(self.in_use);
        let fell = in_use.0 < least.0 - least.0 / FALLEN;
        in_use.saturating_add(slack) < line && (self.raised || fell)
    }
}

/// A breach, and what was done about it so far. Fields of what is not so are `None` or false.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Response {
    /// It was seen first at this moment, and at every look since.
    held: Option<(Timestamp, Reason)>,
    frozen: Option<FrozenBreach>,
    /// It is being thawed, and this is told when it is.
    thawing: Option<(FrozenBreach, AtBreach)>,
    /// An operator thawed it over its limit: it is frozen again when this much is in use.
    let_go: Option<(Bytes, Reason)>,
    /// People were told, and nothing is done.
    told: Option<Reason>,
    /// Memory grew fast then: a call that is in the kernel neither notices that it is frozen nor that it is throttled.
    rushed_at: Option<Timestamp>,
    /// It was ended when it had been frozen for so long.
    pub was_frozen: Option<Duration>,
}

/// What people can see of a breach that the workload is not ended for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreachStanding {
    /// It does not last long enough yet: until then.
    Held(Timestamp),
    /// The workload is frozen, and is ended then.
    Frozen(Timestamp),
    /// It goes on.
    GoesOn,
}

impl Response {
    /// Whether the next look may decide something.
    pub fn is_open(&self) -> bool {
        let told = self.told.or(self.let_go.map(|(_, reason)| reason)).is_some();
        self.held.is_some() || self.frozen.is_some() || told
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Whether it is to be looked at as closely as one that is being ended.
    pub fn is_rushing(&self) -> bool {
        self.rushed_at.is_some()
    }

    /// Takes note of how it grows on its way to the second line.
    pub fn observe(&mut self, before: Bytes, sample: &Sample, lines: &Lines, now: Timestamp) {
        let room = lines.second.saturating_sub(lines.limit);
        let rushes = sample.current.saturating_sub(before).0 >= room.0 / RUSHES;
        let lately = self.rushed_at.filter(|at| now.since(*at) < RUSH);
        let rushed_at = if rushes { Some(now) } else { lately };
        self.rushed_at = rushed_at.filter(|_| self.is_open());
    }

    /// When a frozen workload is ended.
    pub fn frozen_until(&self, rule: &BreachRule) -> Option<Timestamp> {
        self.frozen.map(|frozen| frozen.since + rule.freeze_for)
    }

    /// When a breach that goes on has lasted long enough, if that is to come.
    pub fn held_until(&self, rule: &BreachRule, now: Timestamp) -> Option<Timestamp> {
        self.held.map(|(since, _)| since + rule.hold).filter(|at| *at > now)
    }

    /// A look found nothing: the time that it must last begins anew.
    pub fn breaks_off(&mut self) {
        self.held = None;
    }

    /// A look found the machine below its floor, and no breach. Either counts as the first of two looks; what must last longer begins anew.
    pub fn was_short(&mut self, reason: Reason, rule: &BreachRule, now: Timestamp) {
        self.held = self.held.or(Some((now, reason))).filter(|_| rule.hold.is_zero());
    }

    /// It is over: the next one is one of its own.
    pub fn forget(&mut self) {
        (self.held, self.told, self.let_go) = (None, None, None);
    }

    /// The workload is ended, for this or for another reason.
    pub fn ends(&mut self, now: Timestamp) {
        let frozen = self.frozen.take().map(|frozen| now.since(frozen.since));
        *self = Response { was_frozen: self.was_frozen.or(frozen), ..Response::default() };
    }
}

impl Policy {
    /// A breach that no look has broken off is answered when it has lasted; it must be seen twice in any case.
    pub(super) fn hold(
        &mut self,
        reason: Reason,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let Some((since, _)) = self.response.held else {
            self.response.held = Some((now, reason));
            self.rung = Rung::Watching { confirming: true };
            return actions.push(Action::Look);
        };
        self.response.held = Some((since, reason));
        if now.since(since) >= self.config.on_breach.hold || self.is_pressing(sample) {
            self.answer(reason, sample, now, actions);
        }
    }

    /// Whether nothing is to be done about a breach any more: people were told, or an operator let it go on.
    pub(super) fn is_answered(&self, reason: &Reason, sample: &Sample) -> bool {
        if self.config.dry_run && self.told_would {
            return true;
        }
        let let_go = |(line, _)| in_use(reason, sample) < line;
        let answered = self.response.told.is_some() || self.response.let_go.is_some_and(let_go);
        answered && !self.is_pressing(sample)
    }

    /// Does what is to be done at a breach.
    pub(super) fn answer(
        &mut self,
        reason: Reason,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        self.response.held = None;
        let (deed, dry_run) = (self.config.on_breach.deed, self.config.dry_run);
        let waited = deed != OnBreach::Terminate || !self.config.on_breach.hold.is_zero();
        match deed {
            _ if waited && self.is_pressing(sample) => {
                self.end_at_second_line(reason, sample, now, actions);
            }
            OnBreach::Freeze if !dry_run => self.freeze_for(reason, sample, now, actions),
            OnBreach::Freeze => self.tell_of(reason, AtBreach::WouldFreeze { reason }, actions),
            OnBreach::Terminate => self.end(reason, now, actions),
            OnBreach::Warn => {
                self.tell_of(reason, AtBreach::OverLimit { reason }, actions);
            }
        }
    }

    /// SIGTERM, and SIGKILL right behind it: what it was given before was its time.
    fn end_at_second_line(
        &mut self,
        reason: Reason,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        self.end(reason, now, actions);
        if matches!(self.rung, Rung::Terminating { .. }) {
            self.watch_second_line(sample, now, actions);
        }
    }

    fn tell_of(&mut self, reason: Reason, notice: AtBreach, actions: &mut Actions) {
        self.response.told = Some(reason);
        actions.push(Action::Tell(Notice::AtBreach(notice)));
    }

    /// The line that memory is watched on its way to: where a breach goes on, it is the second.
    pub(super) fn watched_lines(&self) -> Lines {
        let goes_on = self.response.told.is_some() || self.response.let_go.is_some();
        let limit = if goes_on { self.lines.second } else { self.lines.limit };
        Lines { limit, ..self.lines }
    }

    /// At the second line, or as good as there.
    fn is_pressing(&self, sample: &Sample) -> bool {
        self.breach.at_second_line(sample, self.ahead.reaches(sample), &self.lines)
    }

    /// The trip-wire stays where it is: a task that is in the kernel still is to be throttled.
    fn freeze_for(
        &mut self,
        reason: Reason,
        sample: &Sample,
        now: Timestamp,
        actions: &mut Actions,
    ) {
        let before = std::mem::replace(&mut self.frozen, true);
        self.response.forget();
        self.response.frozen = Some(FrozenBreach {
            reason,
            since: now,
            in_use: in_use(&reason, sample),
            allowance: self.lines.allowance(),
            raised: false,
            before,
            told: false,
        });
        self.response.rushed_at = Some(now);
        if before {
            self.tell_frozen(actions);
        } else {
            actions.extend([Action::Freeze, Action::Look]);
        }
    }

    /// Tells that it is frozen for a breach, once. False where it is not, or was told.
    pub(super) fn tell_frozen(&mut self, actions: &mut Actions) -> bool {
        let left = self.config.on_breach.freeze_for;
        let Some(frozen) = self.response.frozen.as_mut().filter(|frozen| !frozen.told) else {
            return false;
        };
        frozen.told = true;
        let reason = frozen.reason;
        actions.push(Action::Tell(Notice::AtBreach(AtBreach::Frozen { reason, left })));
        true
    }

    /// It could not be frozen: then it is ended, and no breach goes without an answer.
    pub(super) fn not_frozen(&mut self, now: Timestamp, actions: &mut Actions) {
        if let Some(frozen) = self.response.frozen.take() {
            self.terminate(frozen.reason, now, actions);
        }
    }

    /// A look at a workload that is frozen for a breach.
    pub(super) fn watch_frozen(&mut self, sample: &Sample, now: Timestamp, actions: &mut Actions) {
        let (pressing, slack) = (self.is_pressing(sample), self.config.slack);
        let Some(frozen) = self.response.frozen else { return };
        if pressing {
            self.end_at_second_line(frozen.reason, sample, now, actions);
        } else if frozen.is_over(sample, slack, &self.lines) {
            let in_use = in_use(&frozen.reason, sample);
            let limit = line(&frozen.reason, &self.lines);
            self.let_thaw(AtBreach::ThawedBelow { in_use, limit }, actions);
        }
    }

    /// An operator lets it go on over its limit.
    pub(super) fn let_go(&mut self, actions: &mut Actions) {
        let Some(FrozenBreach { reason, .. }) = self.response.frozen else { return };
        let in_use = in_use(&reason, &self.last);
        let again_at = in_use.saturating_add(Bytes(self.lines.limit.0 / GROWN));
        self.let_thaw(AtBreach::ThawedOver { in_use, again_at }, actions);
        self.response.let_go = Some((again_at, reason));
    }

    /// Whoever was frozen by an operator before is thawed by one.
    fn let_thaw(&mut self, told: AtBreach, actions: &mut Actions) {
        let Some(frozen) = self.response.frozen.take() else { return };
        self.response.forget();
        // What it waited for before it was frozen counts no more.
        self.thrash = Thrash::new(self.config.thrash);
        if frozen.before && matches!(told, AtBreach::ThawedBelow { .. }) {
            return;
        }
        self.frozen = false;
        self.response.thawing = Some((frozen, told));
        actions.push(Action::Thaw);
    }

    /// What is told when it is thawed.
    pub(super) fn thawed_notice(&mut self) -> Notice {
        self.response.thawing.take().map_or(Notice::Thawed, |(_, told)| Notice::AtBreach(told))
    }

    /// It could not be thawed: it is frozen as it was, and not for longer.
    pub(super) fn not_thawed(&mut self) {
        self.frozen = true;
        if let Some((frozen, _)) = self.response.thawing.take() {
            self.response.forget();
            self.response.frozen = Some(frozen);
        }
    }

    /// Other lines: what was said about the old ones does not hold. A frozen workload goes on where they are above it.
    pub(super) fn response_to_lines(&mut self, actions: &mut Actions) {
        (self.response.told, self.response.let_go) = (None, None);
        if let Some(frozen) = &mut self.response.frozen {
            frozen.raised = self.lines.allowance() > frozen.allowance;
            actions.push(Action::Look);
        }
    }

    /// Nobody acted while it was frozen.
    pub(super) fn freeze_is_over(&mut self, now: Timestamp, actions: &mut Actions) {
        let Some(FrozenBreach { reason, since, .. }) = self.response.frozen else { return };
        let frozen = now.since(since);
        actions.push(Action::Tell(Notice::AtBreach(AtBreach::FreezeOver { frozen })));
        self.terminate(reason, now, actions);
    }

    /// When a workload that is frozen for a breach is ended.
    pub fn frozen_until(&self) -> Option<Timestamp> {
        self.response.frozen_until(&self.config.on_breach)
    }

    /// A breach that the workload is not ended for, and how it stands.
    pub fn breach(&self) -> Option<(Reason, BreachStanding)> {
        let Response { held, frozen, let_go, told, .. } = self.response;
        let rule = &self.config.on_breach;
        let frozen =
            frozen.map(|it| (it.reason, BreachStanding::Frozen(it.since + rule.freeze_for)));
        let held = held.map(|(since, reason)| (reason, BreachStanding::Held(since + rule.hold)));
        let told = told.or(let_go.map(|(_, reason)| reason));
        let dry_run = self.config.dry_run;
        let going_on = told.filter(|_| !dry_run).map(|reason| (reason, BreachStanding::GoesOn));
        frozen.or(held).or(going_on)
    }

    /// How a breach is answered.
    pub fn breach_rule(&self) -> BreachRule {
        self.config.on_breach
    }
}

/// What a reason counts: the footprint, or all of memory where that is what it is about.
fn in_use(reason: &Reason, sample: &Sample) -> Bytes {
    if !matches!(reason, Reason::Breach { .. }) {
        return sample.current;
    }
    let footprint = Sample { pinned: Bytes(0), ..*sample }.footprint();
    footprint.saturating_add(sample.in_transit)
}

/// And what it is compared with.
fn line(reason: &Reason, lines: &Lines) -> Bytes {
    if matches!(reason, Reason::Breach { .. }) { lines.allowance() } else { lines.limit }
}
