//! Does what the policy says, in its order; words come after deeds.

use super::Ward;
use crate::clock::Timestamp;
use crate::event::{Action, Command, Deed, DeedResult, Event, InForce, Notice, Sample};
use crate::lines::Lines;
use crate::policy::Rung;
use crate::report::post_mortem::Milestone;
use crate::report::words;
use crate::status::Level;
use crate::sys::memory::PageFaults;
use crate::units::Limit;
use crate::workload::deeds::Reached;
use crate::workload::signalling::STEP;
use anyhow::{Context as _, anyhow};
use std::io;
use std::time::Duration;

const SIGNAL: &str = "signal every process";
const OVERWRITTEN: &str = "memory.high was written by others";
const KILL: &str = "kill every process at once";
/// We may have been stopped in between.
const LONGEST_STEP: Duration = Duration::from_millis(200);

impl Ward {
    /// Hands an event to the policy and does what it says.
    pub fn handle(&mut self, event: Event) {
        let now = self.clock.now();
        let lines = *self.policy.lines();
        let actions = self.policy.handle(event, now);
        if lines != *self.policy.lines() {
            self.evidence.lines_moved(now, &lines);
        }
        if let Some(steps) = &mut self.steps {
            steps.push(now, event, &actions);
        }
        self.keep_look(&event, &actions, now);
        let decides = |action: &Action| matches!(action, Action::Terminate | Action::Kill);
        let before = actions.iter().any(decides).then(PageFaults::now);
        for action in &actions {
            self.apply(*action, now);
            if let Some(before) = before.filter(|_| decides(action)) {
                self.story.page_faults.add_since(before);
            }
        }
        self.note(&event, &actions, now);
    }

    fn apply(&mut self, action: Action, decided: Timestamp) {
        match action {
            Action::Look => self.look_where_due(),
            Action::SetTripWire(limit) => self.set_trip_wire(limit),
            Action::SetLines(lines) => self.set_lines(&lines),
            Action::SetPids(limit) => self.limit_pids(limit),
            Action::Signal(one) => self.signal_one(one),
            Action::Weigh => self.weigh(),
            Action::EndProcess(end) => self.end_process(end),
            Action::Freeze => self.freeze(true),
            Action::Thaw => self.freeze(false),
            Action::Terminate => self.terminate(decided),
            Action::Kill => self.kill(decided),
            Action::Choose(choice) => self.story.choice = Some(choice),
            Action::Tell(notice) => self.tell(&notice),
            Action::Finish(outcome) => {
                self.story.outcome = Some(outcome);
                self.story.ended_at = Some(self.clock.now());
            }
        }
    }

    /// Goes the way to a kill once without doing anything, so that its code and data are in memory, where they are locked.
    pub fn rehearse(&mut self) {
        let (mut policy, now) = (self.policy.clone(), self.clock.now());
        let over = Sample { current: policy.lines().ceiling, ..Sample::default() };
        let later = now + Duration::from_secs(1 << 30);
        for (event, at) in
            [(Event::Sample(over), now), (Event::Sample(over), now), (Event::Deadline, later)]
        {
            std::hint::black_box(policy.handle(event, at));
        }
        self.workload.rehearse();
    }

    fn set_trip_wire(&mut self, limit: Limit) {
        if let Some(current) = self.workload.give_up_lines() {
            self.lines_done(DeedResult::InUse(current));
        }
        let Some(result) = self.workload.set_trip_wire(limit) else { return };
        let high = self.workload.in_force().map(|lines| lines.high);
        if let DeedResult::Failed(errno) = result {
            self.note_failure("move memory.high", &Err(cause(errno)));
        }
        let high = high.unwrap_or(self.policy.trip_wire());
        self.handle(Event::Done(Deed::TripWire(high), result));
    }

    fn set_lines(&mut self, lines: &Lines) {
        match self.workload.set_lines(lines) {
            Some(result) => self.lines_done(result),
            None => self.lines_are_compared_only(lines),
        }
    }

    /// systemd writes the lines of its units anew at every reload, and an engine those of its containers when it is told to: ours is set
    /// again. A lower one stays.
    pub fn keep_in_force(&mut self) {
        let ours = self.policy.trip_wire();
        if self.rules.dry_run || self.has_ended() {
            return;
        }
        let Some(theirs) = self.workload.moved_by_owner(ours) else { return };
        let is_lower = |line: u64| ours.value().is_none_or(|ours| line < ours);
        if theirs.value().is_some_and(is_lower) {
            return;
        }
        self.set_trip_wire(ours);
        if self.story.is_news(OVERWRITTEN) {
            let (theirs, ours) = (theirs.as_size(), ours.as_size());
            let text = format!("{OVERWRITTEN}, to {theirs}: set to {ours} again (said once)");
            self.say(Level::Info, text);
        }
    }

    /// What came of new lines, or comes of them now.
    pub fn lines_done(&mut self, result: DeedResult) {
        self.story.lines_result = result;
        if let DeedResult::Failed(errno) = result {
            let error = cause(errno);
            self.say(Level::Error, format!("the new limit is not in force: {error}"));
        }
        // Where they cannot be read, the cgroup is gone.
        let Some(in_force) = self.workload.lines_in_force() else { return };
        self.handle(Event::Done(Deed::Lines(in_force), result));
    }

    /// No kernel enforces them in this tier.
    fn lines_are_compared_only(&mut self, lines: &Lines) {
        let (high, max) = (Limit::At(lines.limit.0), Limit::At(lines.ceiling.0));
        self.story.lines_result = DeedResult::Done;
        let deed = Deed::Lines(InForce { high, max });
        self.handle(Event::Done(deed, DeedResult::Done));
    }

    /// The policy hears what came of a deed; whoever asked for it, if it failed, why.
    pub(super) fn done(&mut self, deed: Deed, result: &anyhow::Result<()>) {
        let came = match result {
            Ok(()) => DeedResult::Done,
            Err(error) => {
                self.story.deed_error = Some(format!("{error:#}"));
                let cause = error.root_cause().downcast_ref::<io::Error>();
                DeedResult::Failed(cause.and_then(io::Error::raw_os_error).unwrap_or(0))
            }
        };
        self.handle(Event::Done(deed, came));
    }

    fn limit_pids(&mut self, limit: Limit) {
        let cgroup = self.workload.cgroup();
        let result = match cgroup.filter(|cgroup| cgroup.has("pids.max")) {
            Some(cgroup) => crate::cgroup::limits::set_pids(cgroup, limit),
            None => Err(anyhow!(
                "cannot set pids.max to {limit}: there is no pids controller for the workload in this tier; \
                 sentinel doctor says what is missing"
            )),
        };
        if result.is_ok() {
            self.rules.pids.0 = limit;
        }
        self.done(Deed::Pids(limit), &result);
    }

    /// Stops the workload, or lets it go on; the policy hears what came of it.
    pub fn freeze(&mut self, frozen: bool) {
        let (deed, what) = if frozen { (Deed::Freeze, "freeze") } else { (Deed::Thaw, "thaw") };
        let result = self.workload.freeze(frozen);
        self.note_failure(what, &result);
        let refused = self.workload.refused().filter(|_| result.is_err());
        let result = result.with_context(|| match refused {
            Some(_) => {
                let whom = words::refusing(false, refused);
                format!("cannot {what} {whom}, which may run as another user; all others go on")
            }
            None => format!("cannot {what} every process"),
        });
        self.done(deed, &result);
    }

    /// Of many, one that comes later in their list may refuse to be stopped.
    fn not_frozen(&mut self) {
        let whom = words::refusing(false, self.workload.refused());
        let text = format!("cannot freeze {whom}, which may run as another user: thawed");
        self.say(Level::Error, text);
        self.handle(Event::Operator(Command::Thaw));
    }

    fn terminate(&mut self, decided: Timestamp) {
        self.story.term.get_or_insert((decided, *self.policy.last()));
        if !self.ask_owner() {
            self.signal_all();
        }
    }

    /// The term signal, to whom the rules say.
    pub(super) fn signal_all(&mut self) {
        let (signal, mode) = (self.rules.term_signal, self.rules.kill_mode);
        let mut reached = self.workload.terminate(signal, mode);
        // Who got no processor hears of a breach before it hears that the command runs, which has a grace then.
        if self.starting().is_some_and(|starting| !starting.is_over()) {
            // The command has not run, so no handler of it waits for a grace; and what is frozen hears SIGKILL alone.
            reached = self.workload.kill();
        }
        self.signalled(Deed::Terminate, SIGNAL, reached);
    }

    /// What came of a signal: the policy is told of the command, people of the others.
    fn signalled(&mut self, deed: Deed, what: &'static str, reached: Reached) {
        let Reached { command, all } = reached;
        let came = match &command {
            Ok(()) => {
                self.note_refusal(what, &all);
                DeedResult::Done
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                let signal = self.signal_name(deed == Deed::Kill);
                let whom = words::refusing(self.workload.child_alive(), self.workload.refused());
                let refusal = words::refused(&signal, &whom, errno);
                self.story.refusal = Some(refusal.clone());
                self.story.deed_error = Some(refusal);
                DeedResult::Failed(errno)
            }
        };
        self.handle(Event::Done(deed, came));
    }

    /// Signals further processes, where there are many. Called once a turn of the loop, with looks in between; for as long as
    /// those took, which where memory is summed is longer the more processes there are.
    pub fn go_on_signalling(&mut self) {
        if !self.workload.is_signalling() {
            return;
        }
        let elsewhere = self.clock.now().since(self.story.signalled_at);
        let result = self.workload.go_on(elsewhere.clamp(STEP, LONGEST_STEP));
        if result.is_err() && self.policy.frozen() && !self.is_being_ended() {
            return self.not_frozen();
        }
        self.note_refusal(SIGNAL, &result);
        self.story.signalled_at = self.clock.now();
    }

    fn kill(&mut self, decided: Timestamp) {
        let reached = self.workload.kill();
        self.workload.lift_ceiling(self.policy.lines().ceiling, self.policy.last().processes);
        self.story.kill.get_or_insert((decided, *self.policy.last()));
        self.signalled(Deed::Kill, KILL, reached);
    }

    fn signal_name(&self, kill: bool) -> String {
        if kill { "SIGKILL".to_owned() } else { words::signal_name(self.rules.term_signal) }
    }

    /// A signal of ours, the last one, that reached the command and not all others.
    fn note_refusal(&mut self, what: &'static str, result: &io::Result<()>) {
        let refused = self.workload.refused();
        let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
        let (Some(errno @ nix::libc::EPERM), Some(_)) = (errno, refused) else {
            return self.note_failure(what, result);
        };
        let signal = self.signal_name(matches!(self.policy.rung(), Rung::Killing { .. }));
        let text = words::refused(&signal, &words::refusing(false, refused), errno);
        self.story.refusal = Some(text.clone());
        if self.story.is_news(what) {
            self.say(Level::Error, text);
        }
    }

    /// Words come after deeds: a signal that was refused is told as that, and not as sent.
    fn tell(&mut self, notice: &Notice) {
        let refused = (matches!(notice, Notice::Terminating { .. })
            && self.policy.was_refused(false))
            || (matches!(notice, Notice::Killing { .. }) && self.policy.was_refused(true));
        if refused {
            return;
        }
        if let Notice::Leftover { .. } = notice {
            return self.tell_of_rest();
        }
        if let Notice::Process(what) = notice {
            return self.tell_of_process(what, self.clock.now());
        }
        let signal = self.polite();
        let (level, text) = words::notice(notice, &signal);
        if let Notice::SignalRefused { kill, command: false, .. } = notice {
            // Where some of them had the signal before, it was told of the others then.
            if kill.is_none() || !self.story.was_told(KILL) {
                let whom = words::refusing(false, self.workload.refused());
                self.say_as(milestone(notice), level, words::refusal(notice, &whom, &signal));
            }
            return;
        }
        self.say_as(milestone(notice), level, text);
    }

    /// Who is left is counted now: at the last look the command was among them. A cgroup can be populated for a moment longer than
    /// anybody is in it (7.3): then nobody is waited for.
    fn tell_of_rest(&mut self) {
        let processes = self.workload.processes().len() as u64;
        if processes > 0 {
            let notice = Notice::Leftover { processes };
            let (level, text) = words::notice(&notice, "");
            self.say_as(milestone(&notice), level, text);
        }
    }

    /// A deed that failed is told once; the policy goes on by what it sees.
    pub(super) fn note_failure(&mut self, what: &'static str, result: &io::Result<()>) {
        let Err(error) = result else { return };
        if error.raw_os_error() != Some(nix::libc::ENODEV) && self.story.is_news(what) {
            self.say(Level::Error, format!("failed to {what}: {error}"));
        }
    }
}

/// An errno in words.
pub(super) fn cause(errno: i32) -> io::Error {
    match errno {
        0 => io::Error::other("the kernel says something else than was written"),
        errno => io::Error::from_raw_os_error(errno),
    }
}

fn milestone(notice: &Notice) -> Milestone {
    match notice {
        Notice::NearLimit { .. } | Notice::NearInTime { .. } => Milestone::Warned,
        Notice::Terminating { .. } => Milestone::Term,
        Notice::Killing { .. } => Milestone::Kill,
        Notice::WouldTerminate { .. }
        | Notice::AtBreach(_)
        | Notice::StillThere { .. }
        | Notice::SignalRefused { .. }
        | Notice::KernelOom { .. }
        | Notice::PidsMax { .. }
        | Notice::Leftover { .. }
        | Notice::Frozen
        | Notice::Thawed
        | Notice::NewLines(_)
        | Notice::NewGrace(_)
        | Notice::NewTimeout(_)
        | Notice::NewPids(_)
        | Notice::Signalled(_)
        | Notice::NobodyToEnd { .. }
        | Notice::Process(_) => Milestone::Told,
    }
}
