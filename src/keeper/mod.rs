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
use crate::ledger::{End, store};
use crate::placement;
use crate::report::console::Console;
use crate::report::post_mortem::{Milestone, Moment, PostMortem, archive};
use crate::report::record::CallerId;
use crate::report::words::{counted, signal_name};
use crate::units::{Limit, millis, show_duration};
use crate::workload::kill_mode::KillMode;
use crate::workload::process_sampler::ProcessSampler;
use anyhow::{Context, Result};
use clap::Parser;
use nix::sys::signal::SigSet;
use orders::{OrderFile, Orders, Stage};
use quarry::Quarry;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// The hidden verb that runs it.
pub const VERB: &str = "__keeper";

/// Between two looks at a workload that ends.
const PAUSE: Duration = Duration::from_millis(10);
/// So long the cgroup of a killed workload may need to become empty; a task in uninterruptible sleep holds it longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The trip-wire stands at least so far above what is in use: a write below that reclaims before it returns.
const ROOM: u64 = 1 << 20;

/// What the guardian says at the start. The leash is standard input, the orders are standard output.
#[derive(Debug, Parser)]
struct Handed {
    #[arg(long)]
    guardian: u32,
    /// Of the run.
    #[arg(long, allow_hyphen_values = true)]
    name: String,
    /// Of the guardian's clock, when it started us.
    #[arg(long)]
    now_ms: u64,
    #[arg(long)]
    cgroup: Option<PathBuf>,
    #[arg(long)]
    term_signal: i32,
    #[arg(long)]
    kill_mode: KillMode,
    #[arg(long)]
    on_death: OnDeath,
    #[arg(long)]
    vacated: Option<PathBuf>,
    #[arg(long)]
    socket: Vec<PathBuf>,
    /// A cgroup that others made.
    #[arg(long)]
    attached: Vec<PathBuf>,
    /// A directory of such.
    #[arg(long)]
    attached_in: Vec<PathBuf>,
}

impl Handed {
    fn is_for_others(&self) -> bool {
        !self.attached.is_empty() || !self.attached_in.is_empty()
    }
}

/// Keeps watch over the guardian.
///
/// # Errors
/// When it is not the guardian that started it, or the workload's cgroup cannot be opened.
pub fn run(words: &[OsString]) -> Result<u8> {
    let clock = Clock::start();
    let words = std::iter::once(OsString::from("keeper")).chain(words.iter().cloned());
    let handed = Handed::try_parse_from(words).context("the keeper is started by sentinel")?;
    stand_aside();
    let mut keeper = Keeper::new(handed, clock)?;
    crate::sys::memory::lock();
    if is_let_go() {
        return Ok(0);
    }
    if keeper.handed.is_for_others() {
        keeper.give_back();
    } else {
        keeper.take_over();
    }
    Ok(0)
}

/// Away from the terminal, from signals, and from what our caller left open.
fn stand_aside() {
    // Each of these is for the bad day; without it the keeper is a keeper all the same.
    let _ = nix::unistd::setsid();
    let _ = SigSet::all().thread_block();
    let _ = std::fs::write("/proc/self/comm", "sentinel-keeper");
    crate::sys::inherited::close_from(3);
    crate::sys::priority::raise();
}

/// Waits for the guardian's end. True when it was a good one.
fn is_let_go() -> bool {
    let mut byte = [0];
    loop {
        match std::io::stdin().lock().read(&mut byte) {
            Ok(read) => return read > 0,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// A file of the guardian's, by what it was when the keeper came.
#[derive(Debug)]
struct Node {
    path: PathBuf,
    id: (u64, u64),
}

impl Node {
    fn of(path: PathBuf) -> Option<Node> {
        let id = identity(&path)?;
        Some(Node { path, id })
    }

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
    fn new(mut handed: Handed, clock: Clock) -> Result<Keeper> {
        let orders = std::io::stdout().as_fd().try_clone_to_owned().context("take the orders")?;
        let quarry = match &handed.cgroup {
            Some(path) => Quarry::at(path)?,
            None => Quarry::Listed(std::collections::BTreeSet::new()),
        };
        let sockets = std::mem::take(&mut handed.socket).into_iter().filter_map(Node::of).collect();
        Ok(Keeper {
            handed,
            clock,
            orders: OrderFile::from(std::fs::File::from(orders)),
            quarry,
            sampler: ProcessSampler::new(),
            sockets,
            console: Console::new(),
            said: Vec::new(),
            sent: None,
        })
    }

    fn take_over(&mut self) {
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
        self.clean_up(over);
        if unfinished && !self.is_released(over) {
            self.count_end();
        }
        std::mem::take(&mut self.console).finish();
    }

    /// What others started goes on without a guardian, and as it was before.
    fn give_back(&mut self) {
        let Handed { attached, attached_in, guardian, .. } = &self.handed;
        let (count, errors) = visited::give_back(guardian.cast_signed(), attached, attached_in);
        self.sockets.iter().for_each(Node::remove);
        let many = counted(count, "cgroup is", "cgroups are");
        self.say(&format!("{many} as before, and guarded no more"));
        for error in errors {
            self.say(&format!("{error:#}"));
        }
        std::mem::take(&mut self.console).finish();
    }

    fn count_end(&mut self) {
        let ran = self.clock.now().0 + Duration::from_millis(self.handed.now_ms);
        let ran_ms = millis(ran);
        let end = End::of_guardian(&self.handed.name, ran_ms, self.sent.take());
        if let Err(error) = store::count(&end, CallerId::find()) {
            self.say(&format!("{error:#}"));
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
    fn clean_up(&mut self, over: bool) {
        self.sockets.iter().for_each(Node::remove);
        let released = self.is_released(over);
        let removed = if released { Ok(()) } else { self.remove_cgroup() };
        // A workload that goes on needs the controllers, and so its neighbours where they are.
        let home = self.handed.vacated.as_deref().filter(|_| !released);
        let brought_back = home.map_or(Ok(()), placement::bring_back);
        if !over
            && !released
            && let Err(error) = self.keep_post_mortem()
        {
            self.say(&format!("no post-mortem: {error:#}"));
        }
        for error in [removed, brought_back].into_iter().filter_map(Result::err) {
            self.say(&format!("{error:#}"));
        }
    }

    /// What the guardian knew at the start, and what was done here: of what was between, nobody is left to tell.
    fn keep_post_mortem(&mut self) -> Result<()> {
        let Some(start) = self.orders.report() else { return Ok(()) };
        let mut report: PostMortem =
            serde_json::from_slice(&start).context("understand what the guardian left")?;
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
