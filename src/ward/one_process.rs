//! A signal for one process of the workload, as an operator asks for it.

use super::Ward;
use crate::event::{Command, Deed, Event, OneSignal};
use crate::report::words::signal_name;
use nix::libc::{EPERM, ESRCH};
use std::io::Error;

impl Ward {
    /// What came of asking for it, or why it was not sent.
    pub fn ask_for_signal(&mut self, one: OneSignal) -> Result<String, String> {
        let (name, pid) = (signal_name(one.signal), one.pid);
        self.story.deed_error = None;
        self.handle(Event::Operator(Command::Signal(one)));
        match self.story.deed_error.take() {
            None => Ok(format!("ok: sent {name} to {pid}\n")),
            Some(error) => Err(error),
        }
    }

    pub(super) fn signal_one(&mut self, one: OneSignal) {
        let result = self.workload.signal_process(one.pid, one.signal);
        let refusal = result.as_ref().err().map(|error| refusal(one, error));
        self.done(Deed::Signal(one), &result.map_err(anyhow::Error::new));
        self.story.deed_error = refusal;
    }
}

fn refusal(one: OneSignal, error: &Error) -> String {
    let (name, pid) = (signal_name(one.signal), one.pid);
    let why = match error.raw_os_error() {
        Some(ESRCH) => return format!("{pid} is not a process of the workload (see ps)"),
        Some(EPERM) => "it runs as another user".to_owned(),
        _ => error.to_string(),
    };
    format!("{name} was not sent to {pid}: {why}")
}
