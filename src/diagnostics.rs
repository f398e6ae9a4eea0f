//! What a person is told on stderr when something is wrong: one line, with the way out.

use crate::escape::tame;
use anyhow::Result;
use std::io::{self, Write as _};

/// One line on stderr. That nobody can read it must not change the exit status.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "sentinel: {}", tame(text));
}

/// False where nobody reads on (head, grep -q): not a mistake.
///
/// # Errors
/// What else went wrong.
pub fn heard(written: Result<()>) -> Result<bool> {
    let gone = |error: &anyhow::Error| {
        let error = error.root_cause().downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match written {
        Err(error) if gone(&error) => Ok(false),
        written => written.map(|()| true),
    }
}
