//! A run that could not be started: the exit status, and a record that says so, so that nobody takes an older one for it.

use crate::cli::Settings;
use crate::command::CommandError;
use crate::escape::tame;
use crate::ledger::{NOT_STARTED, RecentEnd, store};
use crate::report::record::{CallerId, RecordFile};
use crate::report::words::signal_name;
use crate::sys::spawn::SpawnError;
use anyhow::Error;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

/// Sentinel itself failed; the conventions are those of env(1) and timeout(1).
pub const FAILED: u8 = 125;

/// A signal came that asks to end, before there was anything to end.
#[derive(Debug, thiserror::Error)]
#[error("{} arrived before the command was started", signal_name(*.0))]
pub(super) struct Interrupted(pub(super) i32);

/// The exit status that tells of this error.
pub fn exit_status(error: &Error) -> u8 {
    if let Some(Interrupted(signal)) = error.downcast_ref() {
        return u8::try_from(128 + signal).unwrap_or(FAILED);
    }
    if let Some(error) = error.downcast_ref::<CommandError>() {
        return error.exit_status();
    }
    error.downcast_ref::<SpawnError>().map_or(FAILED, of_spawn)
}

fn of_spawn(error: &SpawnError) -> u8 {
    match error {
        SpawnError::Exec { source } if source.kind() == ErrorKind::NotFound => 127,
        SpawnError::Exec { .. } => 126,
        SpawnError::Before { .. } => FAILED,
    }
}

/// Records that nothing ran. What keeps it from that is told, and the error all the same.
pub(super) fn record(records: Vec<RecordFile>, error: &Error) {
    for record in records {
        let written = record.write_refusal(tame(&format!("{error:#}")), exit_status(error));
        if let Err(error) = written {
            crate::diagnostics::complain(&format!("{error:#}"));
        }
    }
}

/// Counts it, for those who look only now and then: they are to hear of a job that did not start, and not of a verb that was mistyped.
pub(super) fn count(name: &str, error: &Error) {
    let first = std::env::args_os().nth(1).unwrap_or_default();
    if error.downcast_ref().is_some_and(|error: &CommandError| error.is_mistyped_verb(&first)) {
        return;
    }
    let end = RecentEnd::bare(name, NOT_STARTED, 0);
    if let Some(said) = store::count(&end, CallerId::find()) {
        crate::diagnostics::complain(&said);
    }
}

/// The same for settings that are not accepted, as far as those say where the record goes and what was to run.
pub fn record_refusal(asked: &Settings, command: Option<&OsStr>, error: &Error) {
    let file = command.and_then(|command| Path::new(command).file_name());
    let name = asked.name.clone().or_else(|| Some(file?.to_string_lossy().into_owned()));
    let path = asked.json.as_deref().filter(|path| path.as_os_str() != "-");
    let opened = path.map(|path| RecordFile::open(path, CallerId::find()));
    let inherited = asked.json_fd.map(|number| RecordFile::inherited(number.0));
    record(opened.into_iter().chain(inherited).filter_map(Result::ok).collect(), error);
    name.into_iter().for_each(|name| count(&name, error));
}
