//! Single processes of the ward that are ended while the rest lives: weighed and signalled as the policy says, and remembered for records.

use super::Ward;
use crate::clock::Timestamp;
use crate::escape::escape;
use crate::event::{Deed, DeedResult, Event, ProcessEnd, ProcessId, ProcessNotice};
use crate::report::post_mortem::Milestone;
use crate::report::record::EndedProcess;
use crate::report::words;
use crate::units::millis;
use crate::workload::proc_file;

/// So many are remembered by name, the last ones.
const REMEMBERED: usize = 64;
/// A process has a name of at most so many bytes, and a line feed (TASK_COMM_LEN, proc_pid_comm(5)).
const NAME: usize = 17;

/// Those that were signalled by themselves, oldest first.
#[derive(Debug, Default)]
pub(super) struct Singles {
    known: Vec<(ProcessId, EndedProcess)>,
}

impl Singles {
    fn find(&mut self, id: ProcessId) -> Option<&mut EndedProcess> {
        self.known.iter_mut().rev().find(|(known, _)| *known == id).map(|(_, ended)| ended)
    }

    fn remember(&mut self, id: ProcessId, ended: EndedProcess) {
        if self.known.len() == REMEMBERED {
            self.known.remove(0);
        }
        self.known.push((id, ended));
    }
}

impl Ward {
    pub(super) fn weigh(&mut self) {
        let crowd = self.workload.weigh();
        self.handle(Event::Processes(crowd));
    }

    pub(super) fn end_process(&mut self, end: ProcessEnd) {
        let mut text = [0; NAME];
        // Before it is gone.
        let name = name_of(end.id.pid, &mut text);
        let result = self.workload.end_process(end, self.rules.term_signal);
        if self.story.singles.find(end.id).is_none() {
            let name = escape(name);
            let ended = EndedProcess { pid: end.id.pid, name, ..EndedProcess::default() };
            self.story.singles.remember(end.id, ended);
        }
        let came = match result {
            Ok(()) => DeedResult::Done,
            Err(error) => DeedResult::Failed(error.raw_os_error().unwrap_or(0)),
        };
        self.handle(Event::Done(Deed::EndProcess(end), came));
    }

    /// Words come after deeds: of a signal that was refused it is told that it was.
    pub(super) fn tell_of_process(&mut self, notice: &ProcessNotice, now: Timestamp) {
        let id = notice.id();
        let at_ms = millis(now.0);
        let whom = match self.story.singles.find(id) {
            Some(ended) => {
                note(ended, notice, at_ms);
                if ended.refused && !matches!(notice, ProcessNotice::Refused { .. }) {
                    return;
                }
                format!("process {} ({})", id.pid, ended.name)
            }
            None => {
                let mut text = [0; NAME];
                match name_of(id.pid, &mut text) {
                    [] => format!("process {}", id.pid),
                    name => format!("process {} ({})", id.pid, escape(name)),
                }
            }
        };
        let signal = words::signal_name(self.rules.term_signal);
        let (level, text) = words::process::notice(notice, &whom, &signal);
        self.say_as(Milestone::Told, level, text);
    }

    /// Single processes that were signalled, and what came of it.
    pub fn ended_processes(&self) -> impl Iterator<Item = &EndedProcess> {
        self.story.singles.known.iter().map(|(_, ended)| ended)
    }
}

/// Its name; empty where it is not there to be asked.
fn name_of(pid: i32, text: &mut [u8]) -> &[u8] {
    proc_file::read(pid, "comm", text).ok().flatten().unwrap_or_default().trim_ascii_end()
}

fn note(ended: &mut EndedProcess, notice: &ProcessNotice, at_ms: u64) {
    match notice {
        ProcessNotice::Terminating { why, .. } => {
            let (crate::event::ProcessReason::TooLarge { size, .. }
            | crate::event::ProcessReason::Largest { size, .. }) = *why;
            ended.reason = words::process::process_reason_word(why);
            (ended.size, ended.term_ms) = (size, (!ended.refused).then_some(at_ms));
        }
        ProcessNotice::Killing { .. } => ended.kill_ms = Some(at_ms),
        ProcessNotice::Gone { .. } => ended.gone_ms = Some(at_ms),
        ProcessNotice::Refused { .. } => ended.refused = true,
        ProcessNotice::WouldTerminate { .. } | ProcessNotice::StillThere { .. } => {}
    }
}
