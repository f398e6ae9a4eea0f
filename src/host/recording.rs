//! The trace of `--record` seen from the guardian: events are kept by the ward as they happen, and handed to the scribe once a turn
//! of the loop, behind all deeds. Nothing here waits but the end of the run.

use super::Host;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::escape::{escape_cut, shown};
use crate::event::Ending;
use crate::policy::PolicyConfig;
use crate::report::record::{CallerId, open_as_caller};
use crate::status::Level;
use crate::trace::format::{Rules, Start, VERSION, nanos};
use crate::trace::scribe::{self, Scribe};
use crate::trace::writer::Writer;
use crate::units::millis;
use crate::ward::{Ward, WardId};
use anyhow::{Context, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// At the end the disk has so long to take what is left.
const PATIENCE: Duration = Duration::from_secs(5);
/// Words of the command that go into the file, and characters of each.
const WORDS: usize = 64;
const LETTERS: usize = 256;

/// A trace that is being written.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    scribe: Scribe,
    writer: Writer,
    /// The scribe failed, and people were told.
    broken: bool,
}

impl Recording {
    /// Opens the file with the rights of the caller and starts the scribe, where that is asked for.
    pub(super) fn start(config: &Config, caller: CallerId) -> Result<Option<Recording>> {
        let Some(path) = config.record.clone() else { return Ok(None) };
        let file = open_as_caller(&path, caller, "the trace (--record)")?;
        let scribe =
            Scribe::start(file).context("cannot start the process that writes the trace")?;
        let writer = Writer::new(config.record_size.0);
        Ok(Some(Recording { path, scribe, writer, broken: false }))
    }

    /// The process that writes.
    pub(super) fn pid(&self) -> i32 {
        self.scribe.pid
    }

    /// Takes over what happened to a ward.
    fn take(&mut self, ward: &mut Ward) {
        let writer = &mut self.writer;
        let lost = ward.drain_steps(|step| writer.step(step));
        if lost > 0 {
            writer.lose(lost);
        }
    }

    fn hand_over(&mut self) {
        while self.scribe.listens() && !self.writer.waiting().is_empty() {
            match self.scribe.hand_over(self.writer.waiting()) {
                0 => return,
                taken => self.writer.sent(taken),
            }
        }
    }
}

impl Host {
    /// The first line of the trace: from here on events are kept.
    pub(super) fn begin_recording(&mut self, id: WardId, pid: i32, rules: &PolicyConfig) {
        let (Some(recording), Some(ward)) = (&mut self.attendants.recording, self.wards.get(id))
        else {
            return;
        };
        let words = ward.rules.command.iter().take(WORDS);
        recording.writer.start(&Start {
            format: VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: words.map(|word| escape_cut(word.as_bytes(), LETTERS)).collect(),
            pid: u32::try_from(pid).unwrap_or(0),
            tier: ward.tier(),
            unix_ms: millis(crate::clock::unix_time()),
            // A little before now: times that count from the start end when they did.
            t: nanos(ward.policy().started().0),
            term_signal: ward.rules.term_signal,
            rules: Rules::from(rules),
        });
    }

    /// Once a turn of the loop, behind all deeds.
    pub(super) fn record_events(&mut self) {
        if let Some(recording) = &mut self.attendants.recording {
            self.wards.iter_mut().for_each(|ward| recording.take(ward));
            recording.hand_over();
        }
    }

    /// Whether this process, which ended, was the scribe.
    pub(super) fn scribe_ended(&mut self, pid: i32, ending: Ending) -> bool {
        let Some(recording) = self.attendants.recording.as_mut().filter(|it| it.scribe.pid == pid)
        else {
            return false;
        };
        recording.scribe.pid = 0;
        recording.scribe.close();
        recording.broken = ending != Ending::Exited(0);
        if recording.broken {
            let why = scribe::failure(ending);
            let text = format!("the trace {} is incomplete: {why}", shown(&recording.path));
            self.say(Level::Warning, text);
        }
        true
    }

    /// Where the kernel tells only whether we have children at all, we must have none of our own.
    pub(super) fn give_up_recording(&mut self) -> bool {
        let Some(mut recording) = self.attendants.recording.take_if(|it| it.scribe.pid > 0) else {
            return false;
        };
        recording.scribe.close();
        let _ = crate::sys::process::send(recording.scribe.pid, nix::libc::SIGKILL);
        crate::sys::process::reap(recording.scribe.pid);
        let path = shown(&recording.path);
        self.say(Level::Warning, format!("recording has stopped: the trace {path} ends here"));
        true
    }

    /// The last line; then the file is whole, or it is said what is missing.
    pub(super) fn end_recording(&mut self, text: &str, exit_status: u8) {
        self.record_events();
        let now = self.clock.now();
        let Some(recording) = &mut self.attendants.recording else { return };
        recording.writer.end(now, text.to_owned(), exit_status);
        let (lost, thinned) = recording.writer.left_out();
        let path = shown(&recording.path);
        let whole = self.wait_for_scribe(now + PATIENCE);
        if !whole {
            self.say(Level::Warning, format!("the disk is slow: {path} is still being written"));
        }
        if lost > 0 {
            let lost = crate::report::words::counted(lost, "event is", "events are");
            let text = format!("{lost} missing in the trace {path}");
            self.say(Level::Warning, text);
        }
        if thinned > 0 {
            let text =
                format!("{thinned} samples were left out of the trace {path} (see --record-size)");
            self.say(Level::Info, text);
        }
    }

    /// True once the scribe has ended.
    fn wait_for_scribe(&mut self, until: Timestamp) -> bool {
        loop {
            let Some(recording) = &mut self.attendants.recording else { return true };
            if recording.scribe.pid == 0 {
                return true;
            }
            recording.hand_over();
            if recording.writer.waiting().is_empty() {
                recording.scribe.close();
            } else {
                recording.scribe.wait(50);
            }
            let now = self.clock.now();
            if now >= until {
                return false;
            }
            self.events.wait(now, Some(now + Duration::from_millis(10)));
            self.reap();
        }
    }
}
