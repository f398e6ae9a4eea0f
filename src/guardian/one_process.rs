//! A signal for one process of the workload, as an operator asks for it.

use super::Guardian;
use crate::report::words::signal_name;
use crate::status::Level;
use std::io::{Error, ErrorKind};

impl Guardian {
    /// Sends it. What happened, or why it did not.
    pub(super) fn signal_process(&mut self, pid: u32, signal: i32) -> Result<String, String> {
        let name = signal_name(signal);
        if self.config.dry_run {
            return Err(format!("{name} was not sent to {pid}: a dry run does nothing"));
        }
        let number = i32::try_from(pid).unwrap_or(0);
        match self.guards[0].workload.signal_process(number, signal) {
            Ok(()) => {
                self.say(Level::Warning, format!("sent {name} to process {pid}, as was asked"));
                Ok(format!("ok: sent {name} to {pid}\n"))
            }
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {
                Err(format!("{pid} is no process of the workload: ps lists them"))
            }
            Err(error) => Err(format!("{name} was not sent to {pid}: {}", cause(&error))),
        }
    }
}

fn cause(error: &Error) -> String {
    let foreign = error.kind() == ErrorKind::PermissionDenied;
    if foreign { "it runs as another user".to_owned() } else { error.to_string() }
}
