//! The keeper: a process beside the guardian that does nothing while it lives. When it dies without having let the keeper go
//! (SIGKILL, a panic), the keeper ends the workload in its place, as politely, and removes what the guardian made.
//! What it may have to tell lies with its orders.
//! Once all is open it waits in one read; it belongs to no terminal, and signals do not reach it but SIGKILL.

pub mod orders;
mod quarry;
mod visited;

use crate::cli::OnDeath;
use crate::clock::{Clock, Timestamp, pause};
use crate::escape::shown;
use crate::ledger::{self, store};
use crate::placement;
use crate::placement::leftovers::{self, Mark};
use crate::report::console::Console;
use crate::report::post_mortem::{Milestone, Moment, PostMortem, archive};
use crate::report::record::CallerId;
use crate::report::words::{counted, signal_name};
use crate::sys::attendant::AttendantEnds;
use crate::units::{Limit, millis, show_duration};
use crate::witness;
use crate::workload::kill_mode::KillMode;
use crate::workload::process_sampler::ProcessSampler;
use anyhow::Result;
use arrayvec::ArrayVec;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use orders::{OrderFile, Orders, Stage};
use quarry::Quarry;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks at a workload that ends.
const PAUSE: Duration = Duration::from_millis(10);
/// So long the cgroup of a killed workload may need to become empty; a task in uninterruptible sleep holds it longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The trip-wire stands at least so far above what is in use: a write below that reclaims before it returns.
const ROOM: u64 = 1 << 20;

/// Most runs are over by then: what is kept ready for the guardian's death is made ready only afterwards.
const SHORT: Duration = Duration::from_secs(1);

/// What the guardian says at the start.
#[derive(Debug)]
pub struct Handed {
    /// The guardian.
    pub guardian: u32,
    /// Of the run.
    pub name: String,
    /// Of the guardian's clock, when it started us.
    pub now_ms: u64,
    /// Whom it is for.
    pub charge: Charge,
    /// As in the options.
    pub term_signal: i32,
    /// As in the options.
    pub kill_mode: KillMode,
    /// As in the options.
    pub on_death: OnDeath,
    /// Sockets of the guardian's.
    pub sockets: Vec<Node>,
}

/// Whom a keeper is for.
#[derive(Debug)]
pub enum Charge {
    /// A workload that the guardian started.
    Run {
        /// Its cgroup, where it has one.
        cgroup: Option<PathBuf>,
        /// A cgroup whose processes moved aside for it.
        vacated: Option<PathBuf>,
    },
    /// What others started.
    Others {
        /// Cgroups that others made.
        cgroups: Vec<PathBuf>,
        /// Directories of such.
        directories: Vec<PathBuf>,
    },
}

/// Keeps watch over the guardian, in a process of its own that is a copy of it: the leash is standard input, the orders are standard
/// output, and the third descriptor is the line of the witness. `report` makes the start of a post-mortem, if one is wanted.
pub fn run(handed: Handed, held: AttendantEnds, report: impl FnOnce() -> Option<PostMortem>) -> u8 {
    let clock = Clock::start();
    if let Charge::Run { cgroup: Some(cgroup), .. } = &handed.charge {
        leftovers::mark(cgroup, Mark::Keeper);
    }
    let mut line = held.third;
    let mut end = wait(&held.input, &mut line, Some(SHORT));
    let mut ready = None;
    if end == GuardianEnd::NotYet {
        ready = Some(handed.charge.quarry());
        crate::sys::memory::forget_start();
        crate::sys::memory::lock();
        crate::sys::priority::raise();
        end = wait(&held.input, &mut line, None);
    }
    if end == GuardianEnd::Good {
        return 0;
    }
    drop(line);
    let quarry = ready.unwrap_or_else(|| {
        crate::sys::priority::raise();
        handed.charge.quarry()
    });
    match quarry {
        Ok(quarry) => {
            let orders = OrderFile::from(File::from(held.output));
            Keeper::new(handed, clock, orders, quarry).act(report);
            0
        }
        Err(error) => {
            let mut console = Console::new();
            console.say(&format!("the guardian {} is gone: {error:#}", handed.guardian));
            console.finish();
            1
        }
    }
}

impl Charge {
    fn quarry(&self) -> Result<Quarry> {
        match self {
            Charge::Run { cgroup, .. } => Quarry::of_run(cgroup.as_deref()),
            Charge::Others { .. } => Ok(Quarry::Gone),
        }
    }
}

/// How the guardian ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GuardianEnd {
    /// It let us go.
    Good,
    /// It is gone.
    Bad,
    /// It lives.
    NotYet,
}

/// Waits for the guardian's end, so long at most, and hears what the witness is asked meanwhile.
fn wait(leash: &OwnedFd, line: &mut Option<OwnedFd>, patience: Option<Duration>) -> GuardianEnd {
    let timeout = patience.map_or(PollTimeout::NONE, |patience| {
        PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX)
    });
    loop {
        let fds = [Some(leash.as_fd()), line.as_ref().map(AsFd::as_fd)];
        let mut fds: ArrayVec<PollFd<'_>, 2> =
            fds.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut fds, timeout) {
            Ok(0) => return GuardianEnd::NotYet,
            Err(_) => continue,
            Ok(_) => {}
        }
        let happened = |index: usize| fds.get(index).is_some_and(|fd| fd.any().unwrap_or(true));
        let (ended, asked) = (happened(0), happened(1));
        drop(fds);
        if ended {
            let read = nix::unistd::read(leash, &mut [0]);
            return if read.is_ok_and(|length| length > 0) {
                GuardianEnd::Good
            } else {
                GuardianEnd::Bad
            };
        }
        if asked && !line.as_ref().is_some_and(|line| witness::answer(line.as_fd())) {
            *line = None;
        }
    }
}

/// A file of the guardian's, by what it was when the keeper came.
#[derive(Debug)]
pub struct Node {
    /// Where it is.
    pub path: PathBuf,
    /// Device and number.
    pub id: (u64, u64),
}

impl Node {
    fn remove(&self) {
        if identity(&self.path) == Some(self.id) {
            // Somebody else's by now, or in a directory that may not be written: nothing to be done.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &std::path::Path) -> Option<(u64, u64)> {
    let data = path.symlink_metadata().ok()?;
    Some((data.dev(), data.ino()))
}

#[derive(Debug)]
struct Keeper {
    handed: Handed,
    clock: Clock,
    orders: OrderFile,
    quarry: Quarry,
    sampler: ProcessSampler,
    sockets: Vec<Node>,
    console: Console,
    said: Vec<Moment>,
    /// The last signal to the workload.
    sent: Option<String>,
}

impl Keeper {
    fn new(mut handed: Handed, clock: Clock, orders: OrderFile, quarry: Quarry) -> Keeper {
        let sockets = std::mem::take(&mut handed.sockets);
        Keeper {
            handed,
            clock,
            orders,
            quarry,
            sampler: ProcessSampler::new(),
            sockets,
            console: Console::new(),
            said: Vec::new(),
            sent: None,
        }
    }

    fn act(mut self, report: impl FnOnce() -> Option<PostMortem>) {
        match &self.handed.charge {
            Charge::Run { .. } => self.take_over(report),
            Charge::Others { cgroups, directories } => {
                let guardian = self.handed.guardian.cast_signed();
                let (count, errors) = visited::give_back(guardian, cgroups, directories);
                self.tell_given_back(count, &errors);
            }
        }
        self.console.finish();
    }

    fn take_over(&mut self, report: impl FnOnce() -> Option<PostMortem>) {
        let unknown = Orders { second: u64::MAX, grace_ms: 3000, ..Orders::default() };
        let orders = self.orders.read().unwrap_or(unknown);
        if let Quarry::Listed(pids) = &mut self.quarry {
            pids.extend(self.orders.listed());
            pids.extend(Some(orders.child).filter(|child| *child > 0));
        }
        // A run that was over is counted by its guardian, whose last deed that is.
        let unfinished = orders.stage != Stage::Over;
        let over = !unfinished || self.quarry.is_empty();
        match self.handed.on_death {
            _ if !unfinished => {}
            _ if over => self.say("all its processes are gone"),
            OnDeath::Release => self.release(),
            OnDeath::Kill => self.kill("--on-guardian-death kill"),
            OnDeath::Terminate => self.terminate(&orders),
        }
        self.clean_up(over, report);
        if unfinished && !self.is_released(over) {
            self.count_end();
        }
    }

    /// What others started goes on without a guardian, and as it was before.
    fn tell_given_back(&mut self, count: u64, errors: &[anyhow::Error]) {
        self.sockets.iter().for_each(Node::remove);
        let many = counted(count, "cgroup is", "cgroups are");
        self.say(&format!("{many} as before, and guarded no more"));
        for error in errors {
            self.say(&format!("{error:#}"));
        }
    }

    fn count_end(&mut self) {
        let ran = self.clock.now().0 + Duration::from_millis(self.handed.now_ms);
        let ran_ms = millis(ran);
        let end = ledger::RecentEnd::of_guardian(&self.handed.name, ran_ms, self.sent.take());
        if let Some(said) = store::count(&end, CallerId::find()) {
            self.say(&said);
        }
    }

    /// Whether the workload goes on: nothing has ended, so there is no end to tell of.
    fn is_released(&self, over: bool) -> bool {
        self.handed.on_death == OnDeath::Release && !over
    }

    fn release(&mut self) {
        self.quarry.thaw();
        self.quarry.lift_limits();
        self.say("the workload continues without a guardian and without limits");
    }

    fn terminate(&mut self, orders: &Orders) {
        let now = self.clock.now();
        let grace = Duration::from_millis(orders.grace_ms);
        let started = Duration::from_millis(self.handed.now_ms);
        let due = match orders.stage {
            Stage::Killing | Stage::Over => return self.kill("SIGKILL had already been sent"),
            Stage::Terminating(at) => {
                Timestamp(Duration::from_millis(at).saturating_sub(started)).min(now + grace)
            }
            Stage::Watching => now + grace,
        };
        self.quarry.thaw();
        if orders.stage == Stage::Watching {
            let current = self.quarry.current(&mut self.sampler);
            let relief = orders.relief.max(current.saturating_add(ROOM).min(orders.second));
            self.quarry.set_trip_wire(Limit::At(relief));
            let (signal, mode) = (self.handed.term_signal, self.handed.kill_mode);
            self.quarry.terminate(signal, mode, orders.child);
        }
        let signal = signal_name(self.handed.term_signal);
        let left = show_duration(due.since(now));
        self.say(&format!("sent {signal} to the workload, SIGKILL in {left}"));
        self.sent = Some(signal);
        if let Some(why) = self.wait(due, orders.second) {
            self.kill(why);
        }
    }

    /// Until nobody is left; else why SIGKILL is due.
    fn wait(&mut self, due: Timestamp, second: u64) -> Option<&'static str> {
        while !self.quarry.is_empty() {
            if self.clock.now() >= due {
                return Some("the grace period is over");
            }
            if self.quarry.current(&mut self.sampler) >= second {
                return Some("memory reached the second line");
            }
            pause(PAUSE);
        }
        None
    }

    fn kill(&mut self, why: &str) {
        self.quarry.thaw();
        self.quarry.kill();
        self.sent = Some("SIGKILL".to_owned());
        self.say(&format!("sent SIGKILL to the workload: {why}"));
        let began = self.clock.now();
        while !self.quarry.is_empty() && self.clock.now().since(began) < PATIENCE {
            pause(PAUSE);
            self.quarry.kill();
        }
    }

    /// What the guardian made, as far as nobody uses it.
    fn clean_up(&mut self, over: bool, report: impl FnOnce() -> Option<PostMortem>) {
        self.sockets.iter().for_each(Node::remove);
        let released = self.is_released(over);
        let removed = if released { Ok(()) } else { self.remove_cgroup() };
        // A workload that goes on needs the controllers, and so its neighbours where they are.
        let home = match &self.handed.charge {
            Charge::Run { vacated, .. } => vacated.as_deref().filter(|_| !released),
            Charge::Others { .. } => None,
        };
        let brought_back = home.map_or(Ok(()), placement::bring_back);
        if !over
            && !released
            && let Err(error) = self.keep_post_mortem(report)
        {
            self.say(&format!("no post-mortem: {error:#}"));
        }
        for error in [removed, brought_back].into_iter().filter_map(Result::err) {
            self.say(&format!("{error:#}"));
        }
    }

    /// What the guardian knew at the start, and what was done here: of what was between, nobody is left to tell.
    fn keep_post_mortem(&mut self, report: impl FnOnce() -> Option<PostMortem>) -> Result<()> {
        let Some(mut report) = report() else { return Ok(()) };
        report.timeline.append(&mut self.said.clone());
        let ended = self.said.last().map_or(0, |moment| moment.at_us);
        report.run.ran_ms = ended / 1000;
        let did: Vec<&str> = self.said.iter().map(|moment| moment.text.as_str()).collect();
        report.verdict.text = format!("sentinel itself was killed; its keeper: {}", did.join("; "));
        let path = archive::save(&report, CallerId::find())?;
        self.say(&format!("post-mortem: sentinel report ({})", shown(&path)));
        Ok(())
    }

    /// The last one may be on its way out still.
    fn remove_cgroup(&self) -> Result<()> {
        let began = self.clock.now();
        loop {
            match self.quarry.remove() {
                Err(_) if self.clock.now().since(began) < Duration::from_secs(5) => pause(PAUSE),
                result => return result,
            }
        }
    }

    fn say(&mut self, text: &str) {
        let at = self.clock.now().0 + Duration::from_millis(self.handed.now_ms);
        let at_us = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        self.said.push(Moment { at_us, what: Milestone::Told, text: text.to_owned() });
        self.console.say(&format!("the guardian {} is gone: {text}", self.handed.guardian));
    }
}
