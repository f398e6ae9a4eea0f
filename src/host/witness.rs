//! The witness seen from the guardian: a process that reads mappings, which can block. It is asked and never waited for while a
//! workload lives.

use super::Host;
use crate::clock::Clock;
use crate::report::post_mortem::Mappings;
use crate::sys::process::nowhere;
use crate::witness;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Questions in a run: its answers wait in a pipe.
const QUESTIONS: u8 = 4;
/// It has this long when all is over.
const PATIENCE: Duration = Duration::from_millis(300);

/// The process.
#[derive(Debug)]
pub(super) struct Witness {
    child: Child,
    asked: u8,
}

impl Witness {
    /// Before the command runs: nothing is forked later. Without it the mappings are missing, and nothing else.
    pub(super) fn start() -> Option<Witness> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("sentinel-witness").arg(witness::VERB).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(nowhere().ok()?);
        Some(Witness { child: command.spawn().ok()?, asked: 0 })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> Option<i32> {
        i32::try_from(self.child.id()).ok()
    }

    /// Never waits: a pipe takes four bytes or is broken.
    pub(super) fn ask(&mut self, pid: u32) {
        if self.asked == QUESTIONS {
            return;
        }
        let input = self.child.stdin.as_mut();
        if input.is_some_and(|input| input.write_all(&pid.to_le_bytes()).is_ok()) {
            self.asked += 1;
        }
    }

    /// The last answer that has come, or comes in time. It ends then.
    pub(super) fn mappings(mut self) -> Option<Mappings> {
        let answers = self.child.stdout.take().map(|out| last_answer(out, self.asked));
        self.end();
        answers.flatten()
    }

    /// It has nothing to lose, and may be waiting for a lock.
    pub(super) fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_answer(out: std::process::ChildStdout, asked: u8) -> Option<Mappings> {
    let (mut out, clock) = (BufReader::new(out), Clock::start());
    let (mut found, mut line) = (None, String::new());
    for _ in 0..asked {
        let left = PATIENCE.saturating_sub(clock.now().0);
        let waiting = out.buffer().contains(&b'\n') || {
            let mut ready = [PollFd::new(out.get_ref().as_fd(), PollFlags::POLLIN)];
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            poll(&mut ready, left).is_ok_and(|count| count > 0)
        };
        line.clear();
        // A line is written at once.
        if !waiting || out.read_line(&mut line).is_err() {
            break;
        }
        found = serde_json::from_str::<Option<Mappings>>(&line).ok().flatten().or(found);
    }
    found
}

impl Host {
    /// Where it must not be in the way of telling who is left.
    pub(super) fn dismiss_witness(&mut self) -> bool {
        let there = self.attendants.witness.take();
        there.map(Witness::end).is_some()
    }

    /// Whether this process, which ended and was reaped, was the witness.
    pub(super) fn witness_ended(&mut self, pid: i32) -> bool {
        // The number may be somebody else's by now: it is neither killed nor waited for.
        self.attendants.witness.take_if(|witness| witness.pid() == Some(pid)).is_some()
    }
}
